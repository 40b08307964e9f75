//! The arguments of a call in the syntax of RQ's `enqueue`: `text`, `:json`, `key=text`, `key:=json`, and `@file`
//! for a value that is read from a file.

use std::fs::File;
use std::io::Read;

use super::exit::Failure;
use super::python_rq;
use crate::job::{Arguments, MAX_DATA_BYTES, PyValue, is_over_limit, parse_json};

/// Number of characters of an argument that an error quotes.
const MAX_QUOTED: usize = 200;

/// The hint for data that exceeds a limit.
pub(super) const STORE_ELSEWHERE_HINT: &str = "store the data elsewhere and pass where it is";

/// Parses positional and keyword arguments.
pub(crate) fn parse_arguments(words: &[String]) -> Result<Arguments, Failure> {
    let mut arguments = Arguments::default();
    for word in words {
        match keyword(word) {
            None => arguments.args.push(positional(word)?),
            Some((name, form, text)) => {
                if arguments.kwargs.iter().any(|(known, _)| known == name) {
                    return Err(usage_error(format!("the keyword {name} is given twice"), "give it once"));
                }
                arguments.kwargs.push((name.to_owned(), value(word, form, text)?));
            }
        }
    }
    Ok(arguments)
}

#[derive(Clone, Copy, PartialEq)]
enum ValueForm {
    Text,
    Json,
    Python,
}

fn positional(word: &str) -> Result<PyValue, Failure> {
    match word.as_bytes().first() {
        Some(b':') => value(word, ValueForm::Json, &word[1..]),
        Some(b'%') => value(word, ValueForm::Python, &word[1..]),
        _ => value(word, ValueForm::Text, word),
    }
}

/// Splits `key=…`, `key:=…` or `key%=…` if the key is an identifier. Any other argument is positional.
fn keyword(word: &str) -> Option<(&str, ValueForm, &str)> {
    let (key, text) = word.split_once('=')?;
    let (name, form) = match (key.strip_suffix(':'), key.strip_suffix('%')) {
        (Some(name), _) => (name, ValueForm::Json),
        (_, Some(name)) => (name, ValueForm::Python),
        _ => (key, ValueForm::Text),
    };
    let mut chars = name.chars();
    let first = chars.next()?;
    let is_identifier =
        (first == '_' || first.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric());
    is_identifier.then_some((name, form, text))
}

fn value(word: &str, form: ValueForm, text: &str) -> Result<PyValue, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => &read_file(path).map_err(|error| {
            usage_error(
                format!("cannot read {path} of {word:?}: {error}"),
                "@ reads a file; text that begins with @ is written as :'\"@text\"'",
            )
        })?,
        None => text,
    };
    match form {
        ValueForm::Text => Ok(PyValue::from(text)),
        ValueForm::Json => parse_json(text).map_err(|error| {
            let word: String = word.chars().take(MAX_QUOTED).collect();
            match is_over_limit(&error) {
                true => usage_error(format!("{word:?}: {error}"), STORE_ELSEWHERE_HINT),
                false => {
                    usage_error(format!("{word:?} is not JSON: {error}"), "as in :42, :'[1, 2]' or key:=true")
                }
            }
        }),
        ValueForm::Python => {
            Err(usage_error(format!("{word:?} is a Python literal"), python_rq::literal_hint()))
        }
    }
}

/// Reads a text file, but at most one byte more than an argument may have: enough to refuse it.
fn read_file(path: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_DATA_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_DATA_BYTES {
        return Err(std::io::Error::other(format!("it is more than {MAX_DATA_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8 text"))
}

fn usage_error(what: String, hint: &str) -> Failure {
    Failure::Usage(what, hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{PyValue, parse_arguments};
    use serde_json::json;

    fn words(words: &[&str]) -> Result<serde_json::Value, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let parsed = parse_arguments(&words).map(|arguments| {
            let kwargs = arguments.kwargs.into_iter().map(|(name, value)| (PyValue::from(name), value));
            json!([arguments.args, PyValue::dict(kwargs)])
        });
        parsed.map_err(|failure| failure.message_and_hint().unwrap_or_default().0)
    }

    #[test]
    fn arguments_have_the_syntax_of_rq() {
        let given =
            ["text", "1", ":1", r#":{"a": [1]}"#, "to=ada", "n:=3", "a b=c", "=x", "http://x/?a=b", ""];
        assert_eq!(
            words(&given),
            Ok(
                json!([["text", "1", 1, {"a": [1]}, "a b=c", "=x", "http://x/?a=b", ""], {"to": "ada", "n": 3}])
            )
        );
    }

    #[test]
    fn errors_quote_the_wrong_argument_and_say_why() {
        for (given, part) in
            [(":{", "not JSON"), ("n:=", "not JSON"), ("%(1, 2)", "Python"), ("@/no/such", "cannot read")]
        {
            assert!(words(&[given]).unwrap_err().contains(part), "{given}");
        }
        assert!(words(&["a=1", "a=2"]).unwrap_err().contains("twice"));
    }
}
