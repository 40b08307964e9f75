//! A Redis hash before its fields are decoded.

/// Fields and values of a Redis hash, in the order of the reply.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawHash(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl RawHash {
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(field, _)| field == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }
}
