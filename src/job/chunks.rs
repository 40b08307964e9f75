//! A payload in pieces. Redis packs a small hash into one block of memory only while none of its values is
//! longer than 64 bytes; one longer value makes it three times as large and slower. So our own dialect
//! spreads payloads of ordinary size over a few fields.

use std::borrow::Cow;

use super::RawHash;

/// `hash-max-listpack-value` (before Redis 7 `hash-max-ziplist-value`), as everybody has it.
const PACKED: usize = 64;
/// The first one is RQ's; a payload that needs more than these goes there as it is.
pub(super) const CHUNK_FIELDS: [&str; 8] =
    ["data", "data1", "data2", "data3", "data4", "data5", "data6", "data7"];

/// The fields that hold a payload.
pub(super) fn split(data: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    if data.len() <= PACKED || data.len() > PACKED * CHUNK_FIELDS.len() {
        return vec![(CHUNK_FIELDS[0], data)];
    }
    CHUNK_FIELDS.into_iter().zip(data.chunks(PACKED).map(<[u8]>::to_vec)).collect()
}

/// The payload that these fields hold.
pub(super) fn join(fields: &RawHash) -> Option<Cow<'_, [u8]>> {
    let first = fields.get(CHUNK_FIELDS[0])?;
    let rest: Vec<&[u8]> = CHUNK_FIELDS[1..].iter().map_while(|name| fields.get(name)).collect();
    if rest.is_empty() {
        return Some(Cow::Borrowed(first));
    }
    Some(Cow::Owned([&[first], rest.as_slice()].concat().concat()))
}

/// The same, taken out.
#[cfg(feature = "worker")]
pub(super) fn take(mut fields: RawHash) -> Vec<u8> {
    match join(&fields) {
        Some(Cow::Owned(whole)) => whole,
        Some(Cow::Borrowed(_)) => {
            let first = fields.0.iter_mut().find(|(name, _)| name == CHUNK_FIELDS[0].as_bytes());
            first.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
        }
        None => Vec::new(),
    }
}

/// Whether a field holds a part of a payload.
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
            let pieces = split(data.clone());
            let longest = pieces.iter().map(|(_, piece)| piece.len()).max();
            assert!(size > 512 || longest <= Some(64), "{size}: {longest:?}");
            let fields = pieces.into_iter().map(|(name, piece)| (name.as_bytes().to_vec(), piece)).collect();
            assert_eq!(join(&RawHash(fields)).as_deref(), Some(data.as_slice()));
        }
    }
}
