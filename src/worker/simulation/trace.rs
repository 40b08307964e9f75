//! What has happened in a world, for people, or as one number that two runs of a seed compare.

use std::hash::{DefaultHasher, Hasher};

use super::clock::Micros;

pub(super) enum Trace {
    Off,
    Text(Vec<String>),
    Hash(DefaultHasher),
}

impl Trace {
    pub(super) fn note(&mut self, at: Micros, text: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Text(lines) => lines.push(format!("{:>10.6}  {}", at as f64 / 1e6, text())),
            Trace::Hash(hasher) => {
                hasher.write_u64(at);
                hasher.write(text().as_bytes());
            }
        }
    }

    pub(super) fn hash(&self) -> u64 {
        if let Trace::Hash(hasher) = self { hasher.finish() } else { 0 }
    }

    pub(super) fn lines(&self) -> &[String] {
        if let Trace::Text(lines) = self { lines } else { &[] }
    }
}
