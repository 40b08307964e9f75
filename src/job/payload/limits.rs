//! What arguments, results and meta may be, whoever wrote them and in whatever: a few kilobytes can stand for
//! gigabytes. It is counted before anything is built, and what would not be read is not written either.

use super::PyValue;
use super::json::tokens;
use super::python::Kind;

/// Once inflated.
pub(crate) const BYTES: usize = 16 << 20;
/// Every value is one, with those inside it, and every key.
pub(crate) const PARTS: usize = 1_000_000;
/// All texts and bytes together. Only a pickle can have more of it than `BYTES`: it says "the same once more".
pub(crate) const TEXT: usize = 64 << 20;
/// How deep lists and dictionaries may be nested.
pub(crate) const DEPTH: usize = 200;

/// How a refusal of these limits ends.
const OVER: &str = "which is the limit";

pub(crate) fn is_over_limit(error: &str) -> bool {
    error.ends_with(OVER)
}

pub(crate) fn too_large() -> String {
    format!("the data is more than {BYTES} bytes, {OVER}")
}

pub(crate) fn too_many() -> String {
    format!("the data has more than {PARTS} parts, {OVER}")
}

pub(crate) fn too_much_text() -> String {
    format!("the data has more than {TEXT} bytes of text, {OVER}")
}

pub(crate) fn too_deep() -> String {
    format!("the data is nested more than {DEPTH} deep, {OVER}")
}

pub(crate) fn check_bytes(size: usize) -> Result<(), String> {
    if size > BYTES { Err(too_large()) } else { Ok(()) }
}

/// Checks JSON that nobody has parsed yet. What is no JSON is for the parser to refuse.
pub(crate) fn check_json(text: &[u8]) -> Result<(), String> {
    // A bracket for each level, and a byte for each part.
    if text.len() <= DEPTH {
        return Ok(());
    }
    check_bytes(text.len())?;
    // Cheap first: each part but the first one follows one of these, also when some of them are in texts.
    let (mut opened, mut parts) = (0, 1);
    for byte in text {
        let opens = matches!(byte, b'[' | b'{');
        opened += usize::from(opens);
        parts += usize::from(opens || matches!(byte, b',' | b':'));
    }
    if opened <= DEPTH && parts <= PARTS { Ok(()) } else { count_json(text) }
}

fn count_json(text: &[u8]) -> Result<(), String> {
    let (mut depth, mut parts) = (0usize, 0);
    for token in tokens(text) {
        match token[0] {
            b'[' | b'{' => {
                depth += 1;
                parts += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => parts += 1,
        }
        if depth > DEPTH {
            return Err(too_deep());
        }
        if parts > PARTS {
            return Err(too_many());
        }
    }
    Ok(())
}

/// Checks a value that is to be written. What stands in several places counts in each.
pub(crate) fn check_value(value: &PyValue) -> Result<(), String> {
    Counted::default().count(value, 0)
}

#[derive(Default)]
struct Counted {
    parts: usize,
    text: usize,
}

impl Counted {
    /// Of a value in so many others.
    fn count(&mut self, value: &PyValue, depth: usize) -> Result<(), String> {
        self.parts += 1;
        self.text += match &value.0 {
            Kind::Str(text) | Kind::Decimal(text) => text.len(),
            Kind::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        if depth > DEPTH {
            return Err(too_deep());
        }
        if self.parts > PARTS {
            return Err(too_many());
        }
        if self.text > TEXT {
            return Err(too_much_text());
        }
        match &value.0 {
            Kind::List(items) | Kind::Tuple(items) | Kind::Set(items) | Kind::FrozenSet(items) => {
                items.iter().try_for_each(|item| self.count(item, depth + 1))
            }
            Kind::Dict(pairs) | Kind::OrderedDict(pairs) => {
                let mut parts = pairs.iter().flat_map(|(key, value)| [key, value]);
                parts.try_for_each(|part| self.count(part, depth + 1))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Serializer, read_call, read_data};
    use super::{BYTES, DEPTH, PARTS, check_json};
    use crate::job::{PyValue, deflate};

    fn nested(depth: usize) -> PyValue {
        (0..depth).fold(PyValue::NONE, |inner, _| PyValue::list([inner]))
    }

    #[test]
    fn json_is_counted_exactly_where_it_matters() {
        let ones = |n: usize| format!("[{}1]", "1,".repeat(n - 1));
        let maps = |n: usize| format!("[{}{{}}]", "{\"a\": [true , null ]} ,\n".repeat(n));
        // Brackets, commas and colons in texts are no parts.
        let text = format!("[\"{}\", \"{}\"]", "[{,:\\\"".repeat(PARTS / 4), "]}".repeat(300));
        let fits = [ones(PARTS - 1), maps((PARTS - 2) / 5), text, "[".repeat(DEPTH) + &"]".repeat(DEPTH)];
        for text in &fits {
            assert_eq!(check_json(text.as_bytes()), Ok(()));
        }
        assert!(check_json(ones(PARTS).as_bytes()).unwrap_err().contains("more than 1000000 parts"));
        assert!(check_json(maps(PARTS / 5).as_bytes()).unwrap_err().contains("parts"));
        assert!(check_json("[".repeat(DEPTH + 1).as_bytes()).unwrap_err().contains("200 deep"));
        assert!(check_json("{\"a\":".repeat(DEPTH + 1).as_bytes()).unwrap_err().contains("200 deep"));
        assert!(check_json(&vec![b' '; BYTES + 1]).unwrap_err().contains("16777216 bytes"));
    }

    #[test]
    fn what_would_not_be_read_is_not_written_in_json_and_in_pickle() {
        for serializer in [Serializer::Json, Serializer::Pickle] {
            let written = serializer.write(&nested(DEPTH)).unwrap();
            assert!(read_data(&written).unwrap().json.is_array(), "{serializer}");
            let many = PyValue::list((0..PARTS as i64).map(PyValue::from));
            let large = PyValue::from("x".repeat(BYTES));
            let (inner, outer) = (PyValue::list((0..1500).map(PyValue::from)), 1500);
            let shared = PyValue::list((0..outer).map(|_| inner.clone()));
            for (value, limit) in [
                (nested(DEPTH + 1), "200 deep"),
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
