//! Some fields of a hash, of which only the ends are read where they are large.

/// A field, and how many bytes are wanted of its beginning and of its end.
pub(crate) type ExcerptSpec = (&'static str, usize, usize);

/// What was read of a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpt {
    pub(crate) head: Vec<u8>,
    /// Empty when the head is all of it.
    pub(crate) tail: Vec<u8>,
    pub(crate) is_whole: bool,
}

impl Excerpt {
    pub(crate) fn whole(value: Vec<u8>) -> Self {
        Excerpt { head: value, tail: Vec::new(), is_whole: true }
    }
}

/// RawHash by their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpts(pub(crate) Vec<(&'static str, Excerpt)>);

impl Excerpts {
    pub(crate) fn get(&self, name: &str) -> Option<&Excerpt> {
        self.0.iter().find(|(one, _)| *one == name).map(|(_, part)| part)
    }

    /// Bytes that are not UTF-8 are shown with replacement characters.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|part| String::from_utf8_lossy(&part.head).into_owned())
    }
}
