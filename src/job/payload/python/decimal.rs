//! Syntax of `decimal.Decimal`.

/// Returns whether Python's `Decimal` accepts the text. The exponent may have 17 digits, which is close to
/// Python's own limit.
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let lower = text.strip_prefix(['-', '+']).unwrap_or(text).to_ascii_lowercase();
    if let Some(diagnostic) = lower.strip_prefix("snan").or_else(|| lower.strip_prefix("nan")) {
        return digits(diagnostic);
    }
    if lower == "inf" || lower == "infinity" {
        return true;
    }
    let (number, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    whole.len() + fraction.len() > 0
        && [whole, fraction, exponent].into_iter().all(digits)
        && (1..=17).contains(&exponent.len())
}
