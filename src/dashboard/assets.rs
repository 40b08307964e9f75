//! The files of the page, in the binary. Each has its name; there is no other way to one.

use hyper::body::Bytes;

use super::answer::{self, Answer, HTML, JSON};

macro_rules! files {
    ($($name:literal $kind:expr,)*) => {
        const FILES: &[(&str, &str, &[u8])] = &[$(($name, $kind, include_bytes!(concat!("assets/", $name))),)*];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

files! {
    "app.css" "text/css; charset=utf-8",
    "act.js" SCRIPT,
    "api.js" SCRIPT,
    "app.js" SCRIPT,
    "charts.js" SCRIPT,
    "cron.js" SCRIPT,
    "dom.js" SCRIPT,
    "job.js" SCRIPT,
    "lists.js" SCRIPT,
    "metrics.js" SCRIPT,
    "overview.js" SCRIPT,
    "state.js" SCRIPT,
    "text.js" SCRIPT,
    "ui.js" SCRIPT,
    "workers.js" SCRIPT,
    "icon.svg" "image/svg+xml",
    "en.json" JSON,
    "ko.json" JSON,
}

const INDEX: &str = include_str!("assets/index.html");

pub(super) fn find(name: &str) -> Answer {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, bytes)) => answer::ok(kind, Bytes::from_static(bytes)),
        None => answer::not_found("there is no such file"),
    }
}

/// One page for all paths: what it shows is in its address.
pub(super) fn index(url_prefix: &str) -> Answer {
    answer::ok(HTML, INDEX.replace("%BASE%", url_prefix))
}

pub(super) fn is_page(parts: &[&str]) -> bool {
    matches!(
        parts,
        [] | ["queues", _, _]
            | ["failed"]
            | ["jobs", _]
            | ["scheduled"]
            | ["cron"]
            | ["cron", _]
            | ["workers"]
            | ["metrics-page"]
    )
}
