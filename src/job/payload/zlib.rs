//! Compression of payloads and error texts. RQ writes zlib, and reads uncompressed data too.

use std::borrow::Cow;

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use super::limits::{MAX_DATA_BYTES, too_large};

/// zlib's default level.
const LEVEL: u8 = 6;

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(bytes, LEVEL)
}

/// Inflates zlib data, and returns any other data unchanged. Fails if the result is over the limit.
pub(crate) fn inflate(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !is_zlib(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    match decompress_to_vec_zlib_with_limit(bytes, MAX_DATA_BYTES) {
        Ok(plain) => Ok(Cow::Owned(plain)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(format!("inflated, {}", too_large())),
        Err(_) => Ok(Cow::Borrowed(bytes)),
    }
}

/// Returns whether the first two bytes are a header of RFC 1950 for deflate, with a valid check sum.
fn is_zlib(bytes: &[u8]) -> bool {
    bytes.len() > 2 && bytes[0] & 0x0f == 8 && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31)
}

/// Inflates at most `max_bytes`, also from the beginning of zlib data. Returns whether that is all of it.
/// Data that is not zlib is returned unchanged.
#[cfg(feature = "cron")]
pub(crate) fn inflate_head(bytes: &[u8], max_bytes: usize) -> (Cow<'_, [u8]>, bool) {
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
    if !is_zlib(bytes) {
        return (Cow::Borrowed(bytes), true);
    }
    let mut head = vec![0; max_bytes];
    let flags =
        inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, size) = decompress(&mut Box::<DecompressorOxide>::default(), bytes, &mut head, 0, flags);
    head.truncate(size);
    match status {
        TINFLStatus::Done => (Cow::Owned(head), true),
        TINFLStatus::HasMoreOutput | TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            (Cow::Owned(head), false)
        }
        _ => (Cow::Borrowed(bytes), true),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DATA_BYTES, deflate, inflate};

    #[test]
    fn deflated_data_comes_back_and_other_data_is_unchanged() {
        let text = "send_email ".repeat(100);
        let small = deflate(text.as_bytes());
        assert!(small.len() < 100);
        assert_eq!(small[..2], [0x78, 0x9c]);
        assert_eq!(*inflate(&small).unwrap(), *text.as_bytes());
        for plain in [b"".as_slice(), b"x", b"[1, 2]", b"\x80\x05K\x05.", &small[..20]] {
            assert_eq!(*inflate(plain).unwrap(), *plain);
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = deflate(&vec![0; MAX_DATA_BYTES + 1]);
        assert!(bomb.len() < 100_000);
        assert!(inflate(&bomb).unwrap_err().contains("16777216 bytes"));
    }
}
