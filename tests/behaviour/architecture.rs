//! The house has floors: imports go down only, and each kind of line lives in its room.

use std::collections::BTreeMap;
use std::path::Path;

/// Rooms by floor, from the bottom.
const FLOORS: [&[&str]; 8] = [
    &["error", "printable", "program", "redis"],
    &["job"],
    &["client", "dialect"],
    &[
        "bounded_read",
        "claim",
        "completion",
        "control",
        "cron",
        "enqueue",
        "finish",
        "job_handle",
        "queue",
        "recover",
        "registry",
        "server_info",
        "stats",
        "wait",
        "worker_command",
        "wrong_type",
    ],
    &["worker"],
    &["bulk", "metrics", "snapshot", "testing"],
    &["cli", "dashboard"],
    &["lib", "main"],
];

/// Files under src/ with their text, test modules left out.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                found.insert(name, code);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    found
}

fn rust() -> Vec<(String, String)> {
    sources().into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

fn room(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("{room} has no floor"))
}

/// Lines that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn imports_go_down_only() {
    for (name, text) in rust() {
        let here = floor(room(&name));
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let path = &line[at + "crate::".len()..];
                let target = path.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap();
                // A capital letter is a name of the public surface, which lib re-exports.
                if !target.is_empty() {
                    let there = floor(target);
                    assert!(there <= here, "{name} (floor {here}) imports {target} (floor {there}): {line}");
                }
            }
        }
    }
}

#[test]
fn each_kind_of_line_lives_in_its_room() {
    let only_in = |what: &str, pattern: &[&str], rooms: &[&str]| {
        for (name, text) in rust() {
            let allowed = rooms.iter().any(|room| name.starts_with(room));
            let line = code(&text).find(|line| pattern.iter().any(|part| line.contains(part)));
            assert!(allowed || line.is_none(), "{what} in {name}: {}", line.unwrap_or_default());
        }
    };
    only_in("the redis crate", &[" redis::", "(redis::", "<redis::"], &["redis/", "client/", "error.rs"]);
    only_in("a Redis key", &["\"rq-rs:", "\"wip", "\"queue:", ":intermediate\""], &["dialect/", "job/id.rs"]);
    only_in(
        "a clock",
        &["Utc::now", "Instant::now", "SystemTime"],
        &[
            "worker/",
            "cli/",
            "dashboard/",
            "snapshot/page.rs",
            "queue.rs",
            "registry.rs",
            "job_handle.rs",
            "wait.rs",
            "redis/",
            "client/",
        ],
    );
    only_in("a choice of dialect", &["Dialect::Rq", "Dialect::Native"], &["dialect/"]);
    only_in("dice", &["fastrand::", "Uuid::new"], &["worker/", "queue.rs", "claim.rs", "cron/scheduler.rs"]);
    only_in(
        "a thread or process",
        &["thread::spawn", "thread::Builder", " Command::new(", "(Command::new("],
        &["worker/", "cli/", "dashboard/"],
    );
    only_in(
        "printing",
        &["println!", "eprintln!", "stdout()", "stderr()"],
        &["cli/", "worker/processes/horse.rs"],
    );
    // What others have written is counted before it is built (`job::read_json`); these read types without lists,
    // or what has been read.
    only_in(
        "JSON that is not counted",
        &["serde_json::from_"],
        &[
            "job/payload/json.rs",
            "job/attempt.rs",
            "cron/records.rs",
            "wait.rs",
            "worker/commands.rs",
            "worker/processes/horse.rs",
            "worker/processes/exec_server.rs",
            "snapshot/messages.rs",
            "dashboard/router.rs",
        ],
    );
    // Where each line is made harmless.
    only_in(
        "writing for people",
        &["stdout().lock()", "stderr().lock()"],
        &["cli/output.rs", "cli/progress.rs"],
    );
    only_in(
        "a decision about failure",
        &["MAX_HANDLER_RETRIES", "policy_delay", "RetryDirective::GiveUp, _"],
        &["job/verdict.rs"],
    );
}

#[test]
fn every_script_says_what_it_takes_and_returns() {
    for (name, text) in sources().iter().filter(|(name, _)| name.ends_with(".lua")) {
        let verb = name.trim_start_matches("lua/").trim_end_matches(".lua");
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("--")).collect();
        let header = header.join("\n");
        assert!(header.starts_with(&format!("-- {verb}: ")), "{name} does not begin with its verb");
        for part in ["-- KEYS", "-- Returns"] {
            assert!(header.contains(part), "{name} has no {part}");
        }
        assert!(!text.contains("'rq"), "{name} spells a key");
    }
}

#[test]
fn what_a_job_brings_becomes_text_and_never_markup() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets");
    for entry in std::fs::read_dir(assets).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let parts = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "createContextualFragment",
            "DOMParser",
            "setHTML",
            "srcdoc",
            "javascript:",
            " style=",
            "<style",
            "http://",
            "https://",
        ];
        // The namespace of SVG is a name, nobody goes there.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for part in parts {
            assert!(!text.contains(part), "{} has {part}", path.display());
        }
        let inline = text.match_indices("<script").any(|(at, _)| !text[at..].contains("src="));
        assert!(!inline, "{} has a script in itself", path.display());
    }
}

#[test]
fn files_and_functions_stay_readable() {
    for (name, text) in rust() {
        let lines = text.lines().count();
        assert!(lines <= 450, "{name} has {lines} lines");
        let mut start = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            // Whatever its visibility, and however many lines its signature has.
            let opens = line.split_once("fn ").is_some_and(|(before, _)| {
                before.split_whitespace().all(|word| word.starts_with("pub") || word == "const")
            });
            match start {
                None if opens && !line.ends_with([';', '}']) => start = Some((number, indent)),
                Some((first, depth)) if line.trim() == "}" && indent == depth => {
                    assert!(number - first <= 60, "{name}:{} is {} lines long", first + 1, number - first);
                    start = None;
                }
                Some((_, depth)) if indent == depth && line.ends_with(';') => start = None,
                _ => {}
            }
        }
    }
}

#[test]
fn tests_wait_for_events_and_never_sleep_for_luck() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("architecture.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("thread::sleep"), "{}", path.display());
        }
    }
}
