//! Excerpts of hash fields: of large values only the beginning and the end are read.

/// Name of a field, and how many bytes of its beginning and of its end are read if it is larger.
pub(crate) type ExcerptSpec = (&'static str, usize, usize);

/// The beginning and the end of a value, or all of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpt {
    pub(crate) head: Vec<u8>,
    /// Empty if `head` is the whole value, or if no end was asked for.
    pub(crate) tail: Vec<u8>,
    pub(crate) is_whole: bool,
}

impl Excerpt {
    pub(crate) fn whole(value: Vec<u8>) -> Self {
        Excerpt { head: value, tail: Vec::new(), is_whole: true }
    }
}

/// Excerpts of the fields of a hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpts(pub(crate) Vec<(&'static str, Excerpt)>);

impl Excerpts {
    pub(crate) fn get(&self, name: &str) -> Option<&Excerpt> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, excerpt)| excerpt)
    }

    /// Returns the beginning of a field as text. Bytes that are not UTF-8 become replacement characters.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|excerpt| String::from_utf8_lossy(&excerpt.head).into_owned())
    }
}
