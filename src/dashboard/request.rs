//! A request as the handlers see it: path segments, query, user and address.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// Largest offset into a list that a request may ask for.
pub(super) const MAX_OFFSET: usize = 1_000_000_000;
/// Further parameters of a query are ignored.
const MAX_PARAMETERS: usize = 32;

/// A request that has passed authentication.
pub(super) struct RequestInfo<'a> {
    /// Decoded segments of the path below the URL prefix.
    pub(super) segments: Vec<&'a str>,
    pub(super) query: Query,
    pub(super) user: String,
    pub(super) peer: IpAddr,
}

/// Decoded parameters of a URL's query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Query(text.split('&').filter(|part| !part.is_empty()).take(MAX_PARAMETERS).map(pair).collect())
    }

    /// Value of the first parameter of this name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let parameter = self.0.iter().find(|(known, _)| known == name);
        parameter.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A number, at most `max`; anything that is no number counts as missing.
    pub(super) fn number(&self, name: &str, default: usize, max: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(default).min(max)
    }
}

/// Prefix of the names `.` and `..`, which browsers would resolve as steps in the path, and of names that begin with it.
const ESCAPE: char = '~';

/// Splits a path at its slashes and decodes the segments; nothing if one is not UTF-8 or contains a NUL. A decoded
/// name may contain slashes and dots: no segment is ever looked up in a file system.
pub(super) fn split_path(path: &str) -> Option<Vec<String>> {
    let decode = |segment: &str| {
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        Some(segment.strip_prefix(ESCAPE).unwrap_or(&segment).to_owned())
    };
    let segments: Vec<String> = path[1..].split('/').map(decode).collect::<Option<_>>()?;
    let has_nul = segments.iter().any(|segment| segment.contains('\0'));
    (!has_nul).then(|| if segments == [""] { Vec::new() } else { segments })
}

#[cfg(test)]
mod tests {
    use super::split_path;

    #[test]
    fn segments_may_contain_anything_but_nul() {
        assert_eq!(split_path("/queues/a%2Fb/failed").unwrap(), ["queues", "a/b", "failed"]);
        assert_eq!(split_path("/").unwrap(), [""; 0]);
        assert_eq!(split_path("/queues/~../~~x").unwrap(), ["queues", "..", "~x"]);
        assert!(split_path("/x%00").is_none() && split_path("/%ff").is_none());
    }
}
