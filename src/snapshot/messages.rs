//! Sentences for diagnostics in English. The command line, `top` and the page (`build.rs`) share them; translations
//! are in the files beside `messages.en.json`.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::diagnostic::Diagnostic;
use crate::printable::first_line;
use crate::program;

const ENGLISH: &str = include_str!("messages.en.json");
/// Longest value in a sentence, in characters.
const MAX_VALUE: usize = 200;

fn templates() -> &'static HashMap<String, String> {
    static TEMPLATES: OnceLock<HashMap<String, String>> = OnceLock::new();
    TEMPLATES.get_or_init(|| serde_json::from_str(ENGLISH).unwrap_or_default())
}

/// The sentence that explains why a job is where it is.
pub(crate) fn explanation(diagnostic: &Diagnostic) -> String {
    sentence("why", diagnostic)
}

/// The sentence of a warning.
pub(crate) fn warning(diagnostic: &Diagnostic) -> String {
    sentence("warn", diagnostic)
}

fn sentence(group: &str, diagnostic: &Diagnostic) -> String {
    let Some(template) = templates().get(&format!("{group}.{}", diagnostic.code)) else {
        return diagnostic.code.to_owned();
    };
    // Commands to type begin with the name under which the program was called.
    let template = template.replace("rq-rs ", &format!("{} ", program::name()));
    let mut parts = template.split('{');
    let mut sentence = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        match diagnostic.values.get(name) {
            Some(Value::String(text)) => sentence += &first_line(text, MAX_VALUE),
            Some(Value::Number(number)) => sentence += &number.to_string(),
            _ => sentence += name,
        }
        sentence += rest;
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{ENGLISH, explanation};
    use crate::snapshot::Diagnostic;

    #[test]
    fn values_take_the_place_of_their_names() {
        let diagnostic = Diagnostic::new("waits_for").with("id", "a\nb").with("status", "failed");
        assert_eq!(explanation(&diagnostic), "It waits for job a, which is failed.");
        assert_eq!(explanation(&Diagnostic::new("unheard_of")), "unheard_of");
    }

    #[test]
    fn each_sentence_is_translated_with_all_its_values() {
        let korean = include_str!("messages.ko.json");
        let [english, korean] = [ENGLISH, korean].map(|text| {
            let sentences: HashMap<String, String> = serde_json::from_str(text).expect("texts by key");
            let values = |text: String| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .map(|part| part.split('}').next().unwrap_or_default().to_owned())
                    .collect();
                names.sort();
                names.dedup();
                names
            };
            sentences.into_iter().map(|(key, text)| (key, values(text))).collect::<HashMap<_, _>>()
        });
        assert!(!english.is_empty());
        assert_eq!(english, korean);
    }
}
