//! What arguments, results and meta may be, whoever wrote them and in whatever: a few kilobytes can stand for
//! gigabytes. It is counted before anything is built, and what would not be read is not written either.

/// Once inflated.
pub(crate) const MAX_DATA_BYTES: usize = 16 << 20;
/// Every value is one, with those inside it, and every key.
pub(crate) const MAX_PARTS: usize = 1_000_000;
/// All texts and bytes together. Only a pickle can have more of it than `MAX_DATA_BYTES`: it says "the same once more".
pub(crate) const MAX_TEXT_BYTES: usize = 64 << 20;
/// How deep lists and dictionaries may be nested.
pub(crate) const MAX_DEPTH: usize = 200;

/// How a refusal of these limits ends.
const OVER: &str = "which is the limit";

pub(crate) fn is_over_limit(error: &str) -> bool {
    error.ends_with(OVER)
}

pub(crate) fn too_large() -> String {
    format!("the data is more than {MAX_DATA_BYTES} bytes, {OVER}")
}

pub(crate) fn too_many() -> String {
    format!("the data has more than {MAX_PARTS} parts, {OVER}")
}

pub(crate) fn too_much_text() -> String {
    format!("the data has more than {MAX_TEXT_BYTES} bytes of text, {OVER}")
}

pub(crate) fn too_deep() -> String {
    format!("the data is nested more than {MAX_DEPTH} deep, {OVER}")
}

pub(crate) fn check_bytes(size: usize) -> Result<(), String> {
    if size > MAX_DATA_BYTES { Err(too_large()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::json::check_json;
    use super::super::{Serializer, read_call, read_value};
    use super::{MAX_DATA_BYTES, MAX_DEPTH, MAX_PARTS};
    use crate::job::{PyValue, deflate};

    fn nested(depth: usize) -> PyValue {
        (0..depth).fold(PyValue::NONE, |inner, _| PyValue::list([inner]))
    }

    #[test]
    fn json_is_counted_exactly_where_it_matters() {
        let ones = |n: usize| format!("[{}1]", "1,".repeat(n - 1));
        let maps = |n: usize| format!("[{}{{}}]", "{\"a\": [true , null ]} ,\n".repeat(n));
        // Brackets, commas and colons in texts are no parts.
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
    fn what_would_not_be_read_is_not_written_in_json_and_in_pickle() {
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
        // Times are several things to a reader of pickles: too many for it are refused as well.
        let moment =
            |second| PyValue::datetime(chrono::DateTime::from_timestamp(second, 0).unwrap()).unwrap();
        let moments = PyValue::list((0..210_000).map(moment));
        assert!(Serializer::Pickle.write(&moments).unwrap_err().contains("1000000 parts"));
    }

    #[test]
    fn a_small_payload_that_stands_for_millions_is_refused_before_it_is_built() {
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
