//! RQ compresses payloads and error texts with zlib, and reads what is not compressed as it is.

use std::borrow::Cow;

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use super::limits::{BYTES, too_large};

/// zlib's own default.
const LEVEL: u8 = 6;

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(bytes, LEVEL)
}

/// The bytes inflated; as they are when they are not zlib.
pub(crate) fn inflate(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    // Deflate with any window, and RFC 1950's check of the first two bytes.
    let is_zlib = bytes.len() > 2
        && bytes[0] & 0x0f == 8
        && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31);
    if !is_zlib {
        return Ok(Cow::Borrowed(bytes));
    }
    match decompress_to_vec_zlib_with_limit(bytes, BYTES) {
        Ok(plain) => Ok(Cow::Owned(plain)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(format!("inflated, {}", too_large())),
        Err(_) => Ok(Cow::Borrowed(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, deflate, inflate};

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
        let bomb = deflate(&vec![0; BYTES + 1]);
        assert!(bomb.len() < 100_000);
        assert!(inflate(&bomb).unwrap_err().contains("16777216 bytes"));
    }
}
