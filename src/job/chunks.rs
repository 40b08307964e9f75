//! Payloads in chunks. Redis stores a small hash in one block of memory (a listpack) only while no value is
//! longer than 64 bytes; a single longer value makes the hash three times as large, and slower. So the
//! native dialect spreads a payload of ordinary size over several fields.

use std::borrow::Cow;

use super::raw_hash::RawHash;

/// Redis' default of `hash-max-listpack-value` (`hash-max-ziplist-value` before Redis 7).
const MAX_CHUNK: usize = 64;
/// Fields of a payload. The first is RQ's, and holds a payload that is too large for all of them.
pub(super) const CHUNK_FIELDS: [&str; 8] =
    ["data", "data1", "data2", "data3", "data4", "data5", "data6", "data7"];

/// Returns the fields of a payload.
pub(super) fn split(data: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    if data.len() <= MAX_CHUNK || data.len() > MAX_CHUNK * CHUNK_FIELDS.len() {
        return vec![(CHUNK_FIELDS[0], data)];
    }
    CHUNK_FIELDS.into_iter().zip(data.chunks(MAX_CHUNK).map(<[u8]>::to_vec)).collect()
}

/// Returns the payload of a record.
pub(super) fn join(fields: &RawHash) -> Option<Cow<'_, [u8]>> {
    let first = fields.get(CHUNK_FIELDS[0])?;
    let rest: Vec<&[u8]> = CHUNK_FIELDS[1..].iter().map_while(|name| fields.get(name)).collect();
    if rest.is_empty() {
        return Some(Cow::Borrowed(first));
    }
    Some(Cow::Owned([&[first], rest.as_slice()].concat().concat()))
}

#[cfg(feature = "worker")]
impl RawHash {
    /// Returns the payload, without a copy if it is in one field.
    pub(crate) fn into_payload(mut self) -> Vec<u8> {
        match join(&self) {
            Some(Cow::Owned(whole)) => whole,
            Some(Cow::Borrowed(_)) => {
                let first = self.0.iter_mut().find(|(name, _)| name == CHUNK_FIELDS[0].as_bytes());
                first.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }
}

/// Returns whether a field holds a chunk of a payload.
pub(super) fn is_chunk(name: &str) -> bool {
    CHUNK_FIELDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::{RawHash, join, split};

    #[test]
    fn payloads_of_any_size_come_back_whole() {
        for size in [0, 1, 63, 64, 65, 128, 129, 511, 512, 513, 5000] {
            let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let chunks = split(data.clone());
            let longest = chunks.iter().map(|(_, chunk)| chunk.len()).max();
            assert!(size > 512 || longest <= Some(64), "{size}: {longest:?}");
            let fields = chunks.into_iter().map(|(name, chunk)| (name.as_bytes().to_vec(), chunk)).collect();
            assert_eq!(join(&RawHash(fields)).as_deref(), Some(data.as_slice()));
        }
    }
}
