//! The files of the page, compressed in the program (`build.rs`). Each has its name; there is no other way to one.

use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use miniz_oxide::inflate::decompress_to_vec_zlib;

use super::response::{self, HTML, JSON, Response};

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";
const KINDS: [(&str, &str); 4] = [
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".json", JSON),
    (".svg", "image/svg+xml"),
];

/// A file that the page asks for by itself.
pub(super) fn find(name: &str, headers: &HeaderMap) -> Response {
    let file = FILES.iter().find(|(known, _)| *known == name);
    let kind = KINDS.iter().find(|(end, _)| name.ends_with(end));
    let (Some((_, packed)), Some((_, kind))) = (file, kind) else {
        return response::not_found("there is no such file");
    };
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut answer = match accepted.split(',').any(|one| one.trim() == "deflate") {
        true => {
            let mut answer = response::ok(kind, Bytes::from_static(packed));
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
            answer
        }
        false => response::ok(kind, unpacked(packed)),
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    decompress_to_vec_zlib(packed).unwrap_or_default()
}

/// One page for all paths: what it shows is in its address.
pub(super) fn index(url_prefix: &str) -> Response {
    let packed = FILES.iter().find(|(name, _)| *name == INDEX).map_or(&[][..], |(_, packed)| packed);
    response::ok(HTML, String::from_utf8_lossy(&unpacked(packed)).replace("%BASE%", url_prefix))
}

pub(super) fn is_page(parts: &[&str]) -> bool {
    matches!(
        parts,
        [] | ["queues", _]
            | ["queues", _, _]
            | ["failed"]
            | ["jobs", _]
            | ["scheduled"]
            | ["cron"]
            | ["cron", _]
            | ["workers"]
            | ["metrics-page"]
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{FILES, KINDS, unpacked};

    #[test]
    fn all_files_are_there_and_small() {
        assert!(FILES.len() > 15);
        let size: usize = FILES.iter().map(|(_, packed)| packed.len()).sum();
        assert!(size < 150_000, "{size} bytes");
        let has_kind = |name: &str| name == "index.html" || KINDS.iter().any(|(end, _)| name.ends_with(end));
        assert!(FILES.iter().all(|(name, _)| has_kind(name)));
    }

    #[test]
    fn all_languages_have_the_same_texts() {
        let texts = |name: &str| {
            let (_, packed) = FILES.iter().find(|(known, _)| *known == name).expect("a language");
            serde_json::from_slice::<HashMap<String, String>>(&unpacked(packed)).expect("texts by key")
        };
        let (english, korean) = (texts("en.json"), texts("ko.json"));
        assert!(english.contains_key("why.queued") && english.contains_key("brand"));
        let missing: Vec<&String> = english.keys().filter(|key| !korean.contains_key(*key)).collect();
        assert!(missing.is_empty() && english.len() == korean.len(), "{missing:?}");
    }
}
