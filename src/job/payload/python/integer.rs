//! Integers of any size, for those of Python that do not fit into an `i64`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

/// Largest number of decimal digits. It is Python's own limit (`sys.set_int_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// Number of decimal digits that always fit into one limb.
const LIMB_DIGITS: usize = 19;

/// A number of `MAX_DIGITS` digits needs fewer bytes.
const MAX_BYTES: usize = 1792;

/// Smallest number with more than `MAX_DIGITS` digits.
static TOO_LARGE: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut limbs = vec![1];
    (0..MAX_DIGITS).for_each(|_| multiply_add(&mut limbs, 10, 0));
    limbs
});

/// Sign and magnitude. The least significant limb comes first; the most significant limb is not zero.
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
        if !is_less(&limbs, &TOO_LARGE) {
            return Err(too_large());
        }
        Ok(BigInt { negative: negative && !limbs.is_empty(), limbs })
    }

    /// Reads the two's complement of the opcodes `LONG1` and `LONG4`.
    pub(crate) fn from_le_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
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

    /// Reads decimal digits with an optional sign.
    pub(crate) fn from_decimal(text: &str) -> Result<Self, String> {
        let negative = text.starts_with('-');
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
        if digits.len() > MAX_DIGITS {
            return Err(too_large());
        }
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err("a whole number is not written in decimal digits".to_owned());
        }
        let mut limbs = Vec::with_capacity(digits.len() / LIMB_DIGITS + 1);
        for chunk in digits.chunks(LIMB_DIGITS) {
            let (scale, value) = chunk
                .iter()
                .fold((1, 0), |(scale, value), digit| (scale * 10, value * 10 + u64::from(digit - b'0')));
            multiply_add(&mut limbs, scale, value);
        }
        BigInt::new(negative, limbs)
    }

    /// Returns the shortest two's complement, as Python writes it.
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
        bytes.truncate(trim_sign_bytes(&bytes).len());
        bytes
    }

    pub(crate) fn as_u128(&self) -> Option<u128> {
        if self.negative { None } else { self.magnitude() }
    }

    pub(crate) fn as_i128(&self) -> Option<i128> {
        let magnitude = self.magnitude()?;
        if self.negative { 0i128.checked_sub_unsigned(magnitude) } else { i128::try_from(magnitude).ok() }
    }

    fn magnitude(&self) -> Option<u128> {
        match self.limbs[..] {
            [] => Some(0),
            [low] => Some(u128::from(low)),
            [low, high] => Some(u128::from(high) << 64 | u128::from(low)),
            _ => None,
        }
    }

    /// Reads digits of any base up to 16.
    pub(crate) fn from_digits(negative: bool, digits: &str, base: u32) -> Result<Self, String> {
        if base == 10 {
            return BigInt::from_decimal(&format!("{}{digits}", if negative { "-" } else { "" }));
        }
        if digits.len() > MAX_DIGITS {
            return Err(too_large());
        }
        let mut limbs = Vec::new();
        for digit in digits.chars().filter_map(|digit| digit.to_digit(base)) {
            multiply_add(&mut limbs, u64::from(base), u64::from(digit));
        }
        BigInt::new(negative, limbs)
    }

    fn from_magnitude(negative: bool, magnitude: u128) -> Self {
        let mut limbs = vec![magnitude as u64, (magnitude >> 64) as u64];
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        BigInt { negative, limbs }
    }
}

impl From<i128> for BigInt {
    fn from(number: i128) -> Self {
        BigInt::from_magnitude(number < 0, number.unsigned_abs())
    }
}

impl From<u128> for BigInt {
    fn from(number: u128) -> Self {
        BigInt::from_magnitude(false, number)
    }
}

/// Drops trailing bytes that only repeat the sign.
pub(crate) fn trim_sign_bytes(mut twos_complement: &[u8]) -> &[u8] {
    while let [rest @ .., 0] | [rest @ .., 0xff] = twos_complement
        && let (Some(before), Some(last)) = (rest.last(), twos_complement.last())
        && before & 0x80 == last & 0x80
    {
        twos_complement = rest;
    }
    twos_complement
}

fn too_large() -> String {
    format!("a whole number has more than {MAX_DIGITS} digits")
}

fn is_less(left: &[u64], right: &[u64]) -> bool {
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
                *limb = (wide / u128::from(10u64.pow(LIMB_DIGITS as u32))) as u64;
                rest = (wide % u128::from(10u64.pow(LIMB_DIGITS as u32))) as u64;
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
    fn conversions_to_and_from_i128_and_u128_are_exact() {
        for value in [0, 1, -1, i128::from(i64::MAX) + 1, i128::MAX, i128::MIN] {
            assert_eq!(number(&value.to_string()).as_i128(), Some(value));
            assert_eq!(BigInt::from_le_bytes(&value.to_le_bytes()).unwrap().to_string(), value.to_string());
        }
        assert_eq!(number(&u128::MAX.to_string()).as_u128(), Some(u128::MAX));
        assert_eq!(number(&u128::MAX.to_string()).as_i128(), None);
        assert_eq!(number("-1").as_u128(), None);
        assert_eq!(BigInt::from(i128::MIN).as_i128(), Some(i128::MIN));
        assert_eq!(BigInt::from(5_u128).as_u128(), Some(5));
    }

    #[test]
    fn decimal_digits_are_exact_up_to_pythons_limit() {
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
