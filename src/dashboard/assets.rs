//! Files of the page, compressed by `build.rs` and embedded in the program. Requests find them by name in this table,
//! so no path can lead to another file.

use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use miniz_oxide::inflate::decompress_to_vec_zlib;

use super::response::{self, HTML, JSON, Response};

/// Name and compressed content of each file.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";
const CONTENT_TYPES: [(&str, &str); 4] = [
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".json", JSON),
    (".svg", "image/svg+xml"),
];

/// Responds with a script, style sheet, text file or icon.
pub(super) fn file(name: &str, headers: &HeaderMap) -> Response {
    let content_type = CONTENT_TYPES.iter().find(|(suffix, _)| name.ends_with(suffix));
    let (Some(compressed), Some((_, content_type))) = (find(name), content_type) else {
        return response::not_found("there is no such file");
    };
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = match accepted.split(',').any(|encoding| encoding.trim() == "deflate") {
        true => {
            let mut response = response::ok(content_type, Bytes::from_static(compressed));
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
            response
        }
        false => response::ok(content_type, decompress(compressed)),
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn find(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, compressed)| *compressed)
}

fn decompress(compressed: &[u8]) -> Vec<u8> {
    decompress_to_vec_zlib(compressed).unwrap_or_default()
}

/// Responds with the HTML that all pages share; its script reads from the URL which page to draw.
pub(super) fn index(url_prefix: &str) -> Response {
    let html = decompress(find(INDEX).unwrap_or_default());
    response::ok(HTML, String::from_utf8_lossy(&html).replace("%BASE%", url_prefix))
}

/// Returns whether the script draws a page for this path.
pub(super) fn is_page(segments: &[&str]) -> bool {
    matches!(
        segments,
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

    use super::{CONTENT_TYPES, FILES, decompress, find};

    #[test]
    fn files_are_complete_small_and_have_a_content_type() {
        assert!(FILES.len() > 15);
        let size: usize = FILES.iter().map(|(_, compressed)| compressed.len()).sum();
        assert!(size < 150_000, "{size} bytes");
        let has_type = |name: &str| {
            name == "index.html" || CONTENT_TYPES.iter().any(|(suffix, _)| name.ends_with(suffix))
        };
        assert!(FILES.iter().all(|(name, _)| has_type(name)));
    }

    #[test]
    fn all_languages_have_the_same_texts() {
        let texts = |name: &str| {
            let json = decompress(find(name).expect("a language"));
            serde_json::from_slice::<HashMap<String, String>>(&json).expect("texts by key")
        };
        let (english, korean) = (texts("en.json"), texts("ko.json"));
        assert!(english.contains_key("why.queued") && english.contains_key("brand"));
        let missing: Vec<&String> = english.keys().filter(|key| !korean.contains_key(*key)).collect();
        assert!(missing.is_empty() && english.len() == korean.len(), "{missing:?}");
    }
}
