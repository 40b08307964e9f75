//! A job hash as it comes from Redis.

#[cfg(feature = "worker")]
use super::chunks::take;

/// The raw fields of a job hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawHash(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl RawHash {
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(field, _)| field == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// The payload, not copied where it is large.
    #[cfg(feature = "worker")]
    pub(crate) fn into_payload(self) -> Vec<u8> {
        take(self)
    }
}
