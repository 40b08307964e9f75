//! RQ compresses payloads and error texts with zlib, and reads what is not compressed as it is.

use std::borrow::Cow;

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use super::limits::{MAX_DATA_BYTES, too_large};

/// zlib's own default.
const LEVEL: u8 = 6;

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(bytes, LEVEL)
}

/// The bytes inflated; as they are when they are not zlib.
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

/// Deflate with any window, and RFC 1950's check of the first two bytes.
fn is_zlib(bytes: &[u8]) -> bool {
    bytes.len() > 2 && bytes[0] & 0x0f == 8 && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31)
}

/// At most so many bytes of what is inflated, also of a beginning, and whether that is all there is of it. What is
/// not zlib stays as it is.
#[cfg(feature = "cron")]
pub(crate) fn inflate_head(bytes: &[u8], most: usize) -> (Cow<'_, [u8]>, bool) {
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags as flags};
    if !is_zlib(bytes) {
        return (Cow::Borrowed(bytes), true);
    }
    let mut head = vec![0; most];
    let asked = flags::TINFL_FLAG_PARSE_ZLIB_HEADER | flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, size) = decompress(&mut Box::<DecompressorOxide>::default(), bytes, &mut head, 0, asked);
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
    fn what_is_deflated_comes_back_and_the_rest_stays_as_it_is() {
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
