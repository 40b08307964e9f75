//! Limits of arguments, results and meta in any format: a few kilobytes can stand for gigabytes. Data is
//! counted before anything is built from it, and data that would not be read is not written either.

/// Largest size in bytes, inflated.
pub(crate) const MAX_DATA_BYTES: usize = 16 << 20;
/// Largest number of values and keys, nested ones included.
pub(crate) const MAX_PARTS: usize = 1_000_000;
/// Largest total of all texts and bytes. It can exceed `MAX_DATA_BYTES` only in a pickle, which refers to
/// shared data.
pub(crate) const MAX_TEXT_BYTES: usize = 64 << 20;
/// Deepest nesting of lists and dicts.
pub(crate) const MAX_DEPTH: usize = 200;

/// End of each refusal, by which [`is_over_limit`] recognizes it.
const REFUSAL_END: &str = "which is the limit";

/// Returns whether an error text says that a limit is exceeded.
pub(crate) fn is_over_limit(error: &str) -> bool {
    error.ends_with(REFUSAL_END)
}

pub(crate) fn too_large() -> String {
    format!("the data is more than {MAX_DATA_BYTES} bytes, {REFUSAL_END}")
}

pub(crate) fn too_many() -> String {
    format!("the data has more than {MAX_PARTS} parts, {REFUSAL_END}")
}

pub(crate) fn too_much_text() -> String {
    format!("the data has more than {MAX_TEXT_BYTES} bytes of text, {REFUSAL_END}")
}

pub(crate) fn too_deep() -> String {
    format!("the data is nested more than {MAX_DEPTH} deep, {REFUSAL_END}")
}

pub(crate) fn check_bytes(size: usize) -> Result<(), String> {
    if size > MAX_DATA_BYTES { Err(too_large()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::json::check_json;
    use super::super::{PyValue, deflate};
    use super::super::{Serializer, read_call, read_value};
    use super::{MAX_DATA_BYTES, MAX_DEPTH, MAX_PARTS};

    fn nested(depth: usize) -> PyValue {
        (0..depth).fold(PyValue::NONE, |inner, _| PyValue::list([inner]))
    }

    #[test]
    fn json_near_the_limits_is_counted_exactly() {
        let ones = |n: usize| format!("[{}1]", "1,".repeat(n - 1));
        let maps = |n: usize| format!("[{}{{}}]", "{\"a\": [true , null ]} ,\n".repeat(n));
        // Brackets, commas and colons in strings are not parts.
        let text = format!("[\"{}\", \"{}\"]", "[{,:\\\"".repeat(MAX_PARTS / 4), "]}".repeat(300));
        let fits = [
            ones(MAX_PARTS - 1),
            maps((MAX_PARTS - 2) / 5),
            text,
            "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH),
        ];
        for text in &fits {
            assert_eq!(check_json(text.as_bytes()), Ok(()));
        }
        assert!(check_json(ones(MAX_PARTS).as_bytes()).unwrap_err().contains("more than 1000000 parts"));
        assert!(check_json(maps(MAX_PARTS / 5).as_bytes()).unwrap_err().contains("parts"));
        assert!(check_json("[".repeat(MAX_DEPTH + 1).as_bytes()).unwrap_err().contains("200 deep"));
        assert!(check_json("{\"a\":".repeat(MAX_DEPTH + 1).as_bytes()).unwrap_err().contains("200 deep"));
        assert!(check_json(&vec![b' '; MAX_DATA_BYTES + 1]).unwrap_err().contains("16777216 bytes"));
    }

    #[test]
    fn data_over_the_limits_is_not_written() {
        for serializer in [Serializer::Json, Serializer::Pickle] {
            let written = serializer.write(&nested(MAX_DEPTH)).unwrap();
            assert!(read_value(&written).unwrap().json.is_array(), "{serializer}");
            let many = PyValue::list((0..MAX_PARTS as i64).map(PyValue::from));
            let large = PyValue::from("x".repeat(MAX_DATA_BYTES));
            let (inner, outer) = (PyValue::list((0..1500).map(PyValue::from)), 1500);
            let shared = PyValue::list((0..outer).map(|_| inner.clone()));
            for (value, limit) in [
                (nested(MAX_DEPTH + 1), "200 deep"),
                (many, "1000000 parts"),
                (shared, "1000000 parts"),
                (large, "16777216 bytes"),
            ] {
                let refusal = serializer.write(&value).unwrap_err();
                assert!(refusal.contains(limit), "{serializer}: {refusal}");
            }
        }
        // A time is several objects to a reader of pickles: a value with too many of them is refused too.
        let moment =
            |second| PyValue::datetime(chrono::DateTime::from_timestamp(second, 0).unwrap()).unwrap();
        let moments = PyValue::list((0..210_000).map(moment));
        assert!(Serializer::Pickle.write(&moments).unwrap_err().contains("1000000 parts"));
    }

    #[test]
    fn a_small_payload_of_millions_of_values_is_refused_before_it_is_built() {
        let ones = "1,".repeat(7_000_000);
        let payload = format!("[\"mark\",null,[{ones}1],{{}}]");
        let bomb = deflate(payload.as_bytes());
        assert!(bomb.len() < 16_000, "{}", bomb.len());
        let refusal = read_call(&bomb, true).unwrap_err();
        assert_eq!(
            refusal,
            "the payload cannot be read: the data has more than 1000000 parts, which is the limit"
        );
    }
}
