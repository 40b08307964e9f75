//! The constants of a deployment, as Lua definitions: the commands, formats and keys that its scripts use.

use crate::dialect::{DialectSpec, Keys};

/// Lua's definitions, one a line, in the order in which they may use each other.
pub(super) fn constants(dialect: &DialectSpec, keys: &Keys) -> String {
    let texts = [
        ("POP", dialect.pop),
        ("PUSH", dialect.push),
        ("PUSH_FRONT", dialect.push_front),
        ("FAILED_FOREVER", dialect.failed_forever),
        ("RETRIES_FIELD", dialect.retries_field),
        ("JOB_PREFIX", &keys.job_prefix()),
        ("ENDED_PREFIX", &keys.ended_prefix()),
        ("WORKER_PREFIX", &keys.worker("")),
    ];
    let values = [
        // True in a deployment with the metadata of RQ.
        ("RQ", dialect.writes_rq_metadata.to_string()),
        ("INTEGER_SCORES", dialect.integer_scores.to_string()),
        // Seconds from the end of a lease to its score.
        ("SCORE_OFFSET", dialect.lease_score_offset.as_secs().to_string()),
        // Seconds by which the score of an expired lease of an rq-rs worker may still be ahead of now.
        ("SCORE_MARGIN", dialect.expired_score_margin().as_secs().to_string()),
    ];
    let texts = texts.into_iter().map(|(name, value)| format!("local {name} = {}\n", quote(value)));
    let values = values.into_iter().map(|(name, value)| format!("local {name} = {value}\n"));
    let keys = keys.script_patterns().into_iter().map(|(name, pattern)| key(name, &pattern));
    texts.chain(values).chain(keys).collect()
}

/// A key, or for a pattern with a `*` a function that puts an id or a name there.
fn key(name: &str, pattern: &str) -> String {
    let Some((before, after)) = pattern.split_once('*') else {
        return format!("local {} = {}\n", name.to_uppercase(), quote(pattern));
    };
    let after = if after.is_empty() { String::new() } else { format!(" .. {}", quote(after)) };
    format!("local function {name}_key(name) return {} .. name{after} end\n", quote(before))
}

/// A text as Lua reads it. All but letters, digits and some signs are escaped.
pub(super) fn quote(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'.' | b':' | b'{' | b'}' | b'-' => {
            char::from(byte).to_string()
        }
        other => format!("\\{other:03}"),
    };
    format!("'{}'", text.bytes().map(escape).collect::<String>())
}
