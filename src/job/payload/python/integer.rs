//! Whole numbers of any size, as Python has them: here for those that do not fit into an `i64`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::PyKind;

/// Python itself reads and writes no more decimal digits than these.
const DIGITS: usize = 4300;

/// As many decimal digits as surely fit into one limb.
const CHUNK: usize = 19;

/// More bytes than any number of `DIGITS` digits needs.
const BYTES: usize = 1792;

/// The first number that has too many digits.
static TOO_LARGE: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut limbs = vec![1];
    (0..DIGITS).for_each(|_| multiply_add(&mut limbs, 10, 0));
    limbs
});

/// A sign and a size; the lowest limb comes first, and the highest one is not zero.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct BigInt {
    negative: bool,
    limbs: Vec<u64>,
}

impl BigInt {
    fn new(negative: bool, mut limbs: Vec<u64>) -> Result<Self, String> {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        if !smaller(&limbs, &TOO_LARGE) {
            return Err(too_large());
        }
        Ok(BigInt { negative: negative && !limbs.is_empty(), limbs })
    }

    /// From the two's complement that `LONG1` and `LONG4` hold.
    pub(crate) fn from_le_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > BYTES {
            return Err(too_large());
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut limbs = Vec::with_capacity(bytes.len().div_ceil(8));
        for chunk in bytes.chunks(8) {
            let mut limb = [if negative { 0xff } else { 0 }; 8];
            limb[..chunk.len()].copy_from_slice(chunk);
            limbs.push(u64::from_le_bytes(limb));
        }
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        BigInt::new(negative, limbs)
    }

    /// From decimal digits, with or without a sign.
    pub(crate) fn from_decimal(text: &str) -> Result<Self, String> {
        let negative = text.starts_with('-');
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
        if digits.len() > DIGITS {
            return Err(too_large());
        }
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err("a whole number is not written in decimal digits".to_owned());
        }
        let mut limbs = Vec::with_capacity(digits.len() / CHUNK + 1);
        for chunk in digits.chunks(CHUNK) {
            let (scale, value) = chunk
                .iter()
                .fold((1, 0), |(scale, value), digit| (scale * 10, value * 10 + u64::from(digit - b'0')));
            multiply_add(&mut limbs, scale, value);
        }
        BigInt::new(negative, limbs)
    }

    /// The shortest two's complement, as Python writes it.
    pub(crate) fn to_le_bytes(&self) -> Vec<u8> {
        if self.limbs.is_empty() {
            return Vec::new();
        }
        let mut bytes: Vec<u8> = self.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        bytes.push(0);
        if self.negative {
            let mut carry = true;
            for byte in &mut bytes {
                (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
            }
        }
        bytes.truncate(shortest(&bytes).len());
        bytes
    }

    pub(crate) fn as_u128(&self) -> Option<u128> {
        if self.negative { None } else { self.size() }
    }

    pub(crate) fn as_i128(&self) -> Option<i128> {
        let size = self.size()?;
        if self.negative { 0i128.checked_sub_unsigned(size) } else { i128::try_from(size).ok() }
    }

    fn size(&self) -> Option<u128> {
        match self.limbs[..] {
            [] => Some(0),
            [low] => Some(u128::from(low)),
            [low, high] => Some(u128::from(high) << 64 | u128::from(low)),
            _ => None,
        }
    }

    fn from_size(negative: bool, size: u128) -> Self {
        let mut limbs = vec![size as u64, (size >> 64) as u64];
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        BigInt { negative, limbs }
    }

    /// As the kind of number it is: most fit into an `i64` after all.
    pub(crate) fn into_kind(self) -> PyKind {
        match self.as_i128().and_then(|number| i64::try_from(number).ok()) {
            Some(number) => PyKind::Int(number),
            None => PyKind::BigInt(Arc::new(self)),
        }
    }

    pub(crate) fn kind_of_i128(number: i128) -> PyKind {
        BigInt::from_size(number < 0, number.unsigned_abs()).into_kind()
    }

    pub(crate) fn kind_of_u128(number: u128) -> PyKind {
        BigInt::from_size(false, number).into_kind()
    }

    pub(crate) fn kind_of_decimal(text: &str) -> Result<PyKind, String> {
        BigInt::from_decimal(text).map(BigInt::into_kind)
    }

    /// From digits of any base up to 16.
    pub(crate) fn kind_of_digits(negative: bool, digits: &str, base: u32) -> Result<PyKind, String> {
        if base == 10 {
            return BigInt::kind_of_decimal(&format!("{}{digits}", if negative { "-" } else { "" }));
        }
        if digits.len() > DIGITS {
            return Err(too_large());
        }
        let mut limbs = Vec::new();
        for digit in digits.chars().filter_map(|digit| digit.to_digit(base)) {
            multiply_add(&mut limbs, u64::from(base), u64::from(digit));
        }
        BigInt::new(negative, limbs).map(BigInt::into_kind)
    }

    pub(crate) fn kind_of_le_bytes(bytes: &[u8]) -> Result<PyKind, String> {
        BigInt::from_le_bytes(bytes).map(BigInt::into_kind)
    }
}

/// Without the bytes at its end that only repeat the sign.
pub(crate) fn shortest(mut twos_complement: &[u8]) -> &[u8] {
    while let [rest @ .., 0] | [rest @ .., 0xff] = twos_complement
        && let (Some(before), Some(last)) = (rest.last(), twos_complement.last())
        && before & 0x80 == last & 0x80
    {
        twos_complement = rest;
    }
    twos_complement
}

fn too_large() -> String {
    format!("a whole number has more than {DIGITS} digits")
}

fn smaller(left: &[u64], right: &[u64]) -> bool {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev())) == Ordering::Less
}

fn multiply_add(limbs: &mut Vec<u64>, factor: u64, summand: u64) {
    let mut carry = summand;
    for limb in limbs.iter_mut() {
        let wide = u128::from(*limb) * u128::from(factor) + u128::from(carry);
        *limb = wide as u64;
        carry = (wide >> 64) as u64;
    }
    if carry != 0 {
        limbs.push(carry);
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.limbs.clone();
        let mut chunks = Vec::new();
        while !limbs.is_empty() {
            let mut rest = 0;
            for limb in limbs.iter_mut().rev() {
                let wide = u128::from(rest) << 64 | u128::from(*limb);
                *limb = (wide / u128::from(10u64.pow(CHUNK as u32))) as u64;
                rest = (wide % u128::from(10u64.pow(CHUNK as u32))) as u64;
            }
            chunks.push(rest);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        f.write_str(if self.negative { "-" } else { "" })?;
        write!(f, "{}", chunks.pop().unwrap_or(0))?;
        chunks.iter().rev().try_for_each(|chunk| write!(f, "{chunk:019}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> BigInt {
        BigInt::from_decimal(text).unwrap()
    }

    #[test]
    fn bytes_are_the_shortest_twos_complement() {
        let cases: [(&str, &[u8]); 10] = [
            ("0", &[]),
            ("-0", &[]),
            ("-1", &[0xff]),
            ("127", &[0x7f]),
            ("128", &[0x80, 0]),
            ("-128", &[0x80]),
            ("-129", &[0x7f, 0xff]),
            ("9223372036854775808", &[0, 0, 0, 0, 0, 0, 0, 0x80, 0]),
            ("-9223372036854775808", &[0, 0, 0, 0, 0, 0, 0, 0x80]),
            ("18446744073709551616", &[0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        for (text, bytes) in cases {
            assert_eq!(number(text).to_le_bytes(), bytes, "{text}");
            assert_eq!(BigInt::from_le_bytes(bytes).unwrap(), number(text), "{text}");
        }
        assert_eq!(BigInt::from_le_bytes(&[5, 0, 0]).unwrap(), number("+5"));
    }

    #[test]
    fn the_machine_s_own_numbers_go_both_ways() {
        for value in [0, 1, -1, i128::from(i64::MAX) + 1, i128::MAX, i128::MIN] {
            assert_eq!(number(&value.to_string()).as_i128(), Some(value));
            assert_eq!(BigInt::from_le_bytes(&value.to_le_bytes()).unwrap().to_string(), value.to_string());
        }
        assert_eq!(number(&u128::MAX.to_string()).as_u128(), Some(u128::MAX));
        assert_eq!(number(&u128::MAX.to_string()).as_i128(), None);
        assert_eq!(number("-1").as_u128(), None);
        assert!(BigInt::kind_of_i128(i64::MIN.into()) == PyKind::Int(i64::MIN));
        assert!(BigInt::kind_of_u128(5) == PyKind::Int(5));
        assert!(matches!(BigInt::kind_of_i128(i128::from(i64::MAX) + 1), PyKind::BigInt(_)));
    }

    #[test]
    fn digits_are_kept_up_to_pythons_limit() {
        for text in
            ["9".repeat(4300), format!("-{}", "1234567890".repeat(430)), format!("1{}", "0".repeat(57))]
        {
            assert_eq!(number(&text).to_string(), text);
            assert_eq!(BigInt::from_le_bytes(&number(&text).to_le_bytes()).unwrap(), number(&text));
        }
        for text in ["", "-", "1.5", "0x1f", "1_0", "٣", " 1", &"9".repeat(4301)] {
            BigInt::from_decimal(text).unwrap_err();
        }
        let mut limit: Vec<u8> = TOO_LARGE.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        limit.push(0);
        BigInt::from_le_bytes(&limit).unwrap_err();
        BigInt::from_le_bytes(&[1; 5000]).unwrap_err();
    }
}
