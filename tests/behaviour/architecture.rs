//! The structure and the language of the source, held by tests: imports go down the layers and never in a circle, each
//! kind of code has its place, files and functions stay short, comments and names stay plain.

use std::collections::BTreeMap;
use std::path::Path;

use imports::{Import, cycles, imports};

#[path = "architecture/imports.rs"]
mod imports;

/// Top-level modules by layer, from the bottom. A module imports from its own layer and from those below.
const LAYERS: [&[&str]; 8] = [
    &["error", "printable", "program", "redis"],
    &["job"],
    &["client", "dialect"],
    &[
        "bounded_read",
        "claim",
        "completion",
        "cron",
        "enqueue_call",
        "finish",
        "job_handle",
        "orphaned_ids",
        "queue",
        "recover",
        "registry",
        "server_info",
        "stats",
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

/// Rust files, without the files of tests.
fn rust() -> Vec<(String, String)> {
    let is_test = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/");
    sources().into_iter().filter(|(name, _)| name.ends_with(".rs") && !is_test(name)).collect()
}

fn layer(file: &str) -> usize {
    let module = file.split(['/', '.']).next().unwrap();
    LAYERS
        .iter()
        .position(|modules| modules.contains(&module))
        .unwrap_or_else(|| panic!("src/{file}: {module} has no layer in LAYERS"))
}

/// Lines that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn modules_import_from_their_own_layer_and_below() {
    for Import { from, to, line } in imports(&rust()) {
        let (here, there) = (layer(&from), layer(&to));
        assert!(there <= here, "src/{from} (layer {here}) imports src/{to} (layer {there}), line {line}");
    }
}

#[test]
fn files_never_import_in_a_circle() {
    let imports = imports(&rust());
    let mut circles = String::new();
    for group in cycles(&imports) {
        circles += &format!("\n{} files import each other:\n", group.len());
        let inside = |one: &&Import| group.contains(&*one.from) && group.contains(&*one.to);
        for Import { from, to, line } in imports.iter().filter(inside) {
            circles += &format!("  src/{from} -> src/{to}\n      {line}\n");
        }
    }
    assert!(circles.is_empty(), "{circles}");
}

#[test]
fn paths_lead_to_the_file_that_defines_an_item() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::Thing;"),
        ("a/mod.rs", "mod inner;\npub use inner::{Thing, other as renamed};\npub fn own() {}"),
        (
            "a/inner.rs",
            "// use crate::b::hidden;\npub struct Thing;\npub fn other() { super::own(); \"crate::b::x\"; }",
        ),
        ("b.rs", "use crate::{Thing, a::{self, renamed}};\nconst C: char = '\"';\nfn f() { a::own() }"),
        ("c.rs", "use crate::b;\nuse b::*;"),
    ];
    let files: Vec<_> = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let found = imports(&files);
    let found: Vec<_> = found.iter().map(|one| (&*one.from, &*one.to, &*one.line)).collect();
    let expected = [
        ("a/inner.rs", "a/mod.rs", "3: pub fn other() { super::own(); \"crate::b::x\"; }"),
        ("b.rs", "a/inner.rs", "1: use crate::{Thing, a::{self, renamed}};"),
        ("b.rs", "a/mod.rs", "3: fn f() { a::own() }"),
        ("c.rs", "b.rs", "2: use b::*;"),
    ];
    assert_eq!(found, expected);
    assert!(cycles(&imports(&files)).is_empty());
}

#[test]
fn circles_are_found_through_reexports_and_methods() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;"),
        ("a/mod.rs", "mod child;\npub use child::Made;\npub struct Parent;\nfn f() { child::help() }"),
        (
            "a/child.rs",
            "use super::Parent;\npub struct Made;\npub fn help() {}\nimpl Parent { fn m(&self) {} }",
        ),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C;\npub trait T { fn f() -> super::b::B; }"),
    ];
    let files: Vec<_> = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let imports = imports(&files);
    let circles: Vec<Vec<&str>> =
        cycles(&imports).into_iter().map(|group| group.into_iter().collect()).collect();
    assert_eq!(circles, [vec!["a/child.rs", "a/mod.rs"], vec!["b.rs", "c.rs"]]);
}

#[test]
fn each_kind_of_code_has_its_place() {
    let files = rust();
    let only_in = |what: &str, pattern: &[&str], places: &[&str]| {
        let mut unused = places.to_vec();
        for (name, text) in &files {
            let line = code(text).find(|line| pattern.iter().any(|part| line.contains(part)));
            let Some(line) = line else { continue };
            assert!(places.iter().any(|place| name.starts_with(place)), "{what} in src/{name}: {line}");
            unused.retain(|place| !name.starts_with(place));
        }
        assert!(unused.is_empty(), "there is no longer {what} in {unused:?}: take it off the list");
    };
    only_in("the redis crate", &[" redis::", "(redis::", "<redis::"], &["redis/", "client/", "error/"]);
    only_in("a Redis key", &["\"rq-rs:", "\"wip", "\"queue:", ":intermediate\""], &["dialect/", "job/id.rs"]);
    only_in(
        "a clock",
        &["Utc::now", "Instant::now", "SystemTime"],
        &[
            "client/",
            "redis/",
            "job_handle/requeue.rs",
            "job_handle/wait.rs",
            "queue/enqueue.rs",
            "snapshot/lists/job_scan.rs",
            "worker/",
            "cli/",
            "dashboard/",
        ],
    );
    only_in("a choice of dialect", &["Dialect::Rq", "Dialect::Native"], &["dialect/", "worker/simulation/"]);
    only_in("randomness", &["fastrand::", "Uuid::new"], &["worker/", "queue/enqueue.rs", "cron/tick.rs"]);
    only_in(
        "a thread or process",
        &["thread::spawn", "thread::Builder", " Command::new(", "(Command::new("],
        &["worker/", "cli/", "dashboard/", "client/test_server.rs"],
    );
    only_in(
        "printing",
        &["println!", "eprintln!", "stdout()", "stderr()"],
        &["cli/", "worker/horse_main.rs"],
    );
    // JSON that others have written is parsed by `job::read_json`, which limits the number of its values. These parse
    // types without lists, or text of our own.
    only_in(
        "JSON without a limit",
        &["serde_json::from_"],
        &[
            "job/payload/json.rs",
            "job_handle/wait.rs",
            "worker/commands.rs",
            "worker/processes/horse.rs",
            "worker/processes/exec_server.rs",
            "snapshot/messages.rs",
            "dashboard/router.rs",
        ],
    );
    // These escape control characters in each line.
    only_in(
        "writing to a terminal",
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
fn every_script_says_what_it_does_and_returns_and_takes_its_arguments_by_name() {
    for (name, text) in sources().iter().filter(|(name, _)| name.ends_with(".lua")) {
        let verb = name.trim_start_matches("lua/").trim_start_matches("lib/").trim_end_matches(".lua");
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("--")).collect();
        let header = header.join("\n");
        assert!(header.starts_with(&format!("-- {verb}: ")), "{name} does not begin with its verb");
        let is_script = !name.starts_with("lua/lib/");
        assert!(!is_script || header.contains("-- Returns"), "{name} has no -- Returns");
        assert!(!text.contains("'rq"), "{name} spells a key");
        // Keys and arguments have names from `client/scripts/table.rs`. Those that follow are counted from FIRST_KEY
        // and FIRST_ARG.
        for list in ["KEYS[", "ARGV["] {
            let by_number = |(at, _)| text[at + list.len()..].starts_with(|c: char| c.is_ascii_digit());
            assert!(!text.match_indices(list).any(by_number), "{name} has a {list}n]");
        }
    }
}

#[test]
fn data_of_jobs_is_shown_as_text_and_never_as_markup() {
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
        // The namespace of SVG is a name, not an address.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for part in parts {
            assert!(!text.contains(part), "{} has {part}", path.display());
        }
        let inline = text.match_indices("<script").any(|(at, _)| !text[at..].contains("src="));
        assert!(!inline, "{} has an inline script", path.display());
    }
}

/// Parts of code that acts by itself, or lets chance in.
const IMPURE: [&str; 22] = [
    "Instant::now",
    "Utc::now",
    "SystemTime",
    "elapsed()",
    "fastrand::",
    "Uuid",
    "RandomState",
    "HashMap::new",
    "HashSet",
    "thread::",
    "mpsc",
    "Sender",
    "Mutex",
    "RwLock",
    "Condvar",
    "Atomic",
    "Cell",
    "Redis",
    "Client",
    "std::env",
    "std::fs",
    "std::io",
];

/// Places that the engine imports from. They hold values, and functions from values to values.
const KNOWN_TO_THE_ENGINE: [&str; 13] = [
    "claim.rs",
    "completion.rs",
    "dialect/",
    "error/",
    "finish.rs",
    "job/",
    "worker/event.rs",
    "worker/input.rs",
    "worker/options.rs",
    "worker/outcome_limits.rs",
    "worker/phase.rs",
    "worker/run.rs",
    "wrong_type.rs",
];

/// Places that import from the engine.
const USERS_OF_THE_ENGINE: [&str; 5] = [
    "worker/driver.rs",
    "worker/exchange_codec.rs",
    "worker/input.rs",
    "worker/io_threads.rs",
    "worker/simulation/",
];

fn is_engine(file: &str) -> bool {
    file.starts_with("worker/engine/")
}

#[test]
fn the_engine_has_no_clock_no_thread_no_lock_and_no_redis() {
    let mut lines = 0;
    for (name, text) in rust().into_iter().filter(|(name, _)| is_engine(name)) {
        for line in code(&text).filter(|line| *line != "use fastrand::Rng;") {
            let impure = IMPURE.iter().find(|part| line.contains(*part));
            assert!(impure.is_none(), "{} in src/{name}: {line}", impure.unwrap_or(&""));
            lines += 1;
        }
    }
    assert!(lines > 1000, "the engine has moved");
}

#[test]
fn the_engine_knows_values_only_and_only_its_driver_and_the_simulation_know_the_engine() {
    let is_in = |file: &str, places: &[&str]| places.iter().any(|place| file.starts_with(place));
    for Import { from, to, line } in imports(&rust()) {
        let is_known = is_engine(&to) || is_in(&to, &KNOWN_TO_THE_ENGINE);
        assert!(!is_engine(&from) || is_known, "src/{from} imports src/{to}: {line}");
        let is_user = is_engine(&from) || is_in(&from, &USERS_OF_THE_ENGINE);
        assert!(!is_engine(&to) || is_user, "src/{from} imports src/{to}: {line}");
    }
}

/// Functions of a text: line, and length in lines.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let (mut found, mut start) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        // Whatever its visibility, and however many lines its signature has.
        let opens = line.split_once("fn ").is_some_and(|(before, _)| {
            before.split_whitespace().all(|word| word.starts_with("pub") || word == "const")
        });
        match start {
            None if opens && !line.ends_with([';', '}']) => start = Some((number, indent)),
            Some((first, depth)) if line.trim() == "}" && indent == depth => {
                found.push((first + 1, number - first + 1));
                start = None;
            }
            Some((_, depth)) if indent == depth && line.ends_with(';') => start = None,
            _ => {}
        }
    }
    found
}

#[test]
fn files_and_functions_stay_short() {
    let mut lengths = Vec::new();
    for (name, text) in rust() {
        let lines = text.lines().count();
        assert!(lines <= 450, "src/{name} has {lines} lines");
        for (line, length) in functions(&text) {
            assert!(length <= 60, "src/{name}:{line}: the function has {length} lines");
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    let (median, p90) = (lengths[lengths.len() / 2], lengths[lengths.len() * 9 / 10]);
    println!(
        "{} functions, median {median}, p90 {p90}, longest {}",
        lengths.len(),
        lengths[lengths.len() - 1]
    );
    assert!(
        median <= 7 && p90 <= 20,
        "functions have {median} lines in the median, {p90} at the 90th percentile"
    );
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

/// Words of the private language that this project once had, as they would stand in a name.
const PRIVATE_WORDS: [&str; 11] = [
    "Babbling", "Bookmark", "Carer", "Crew", "Deed", "Errand", "Guest", "Looker", "Noted", "Teller", "Voice",
];

/// Beginnings of a doc that say nothing without the code below.
const FRAGMENTS: [&str; 3] = ["The same", "What ", "Whether "];

#[test]
fn names_and_docs_are_plain() {
    let mut found = Vec::new();
    for (name, text) in rust() {
        let mut before = "";
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let has_private_word =
                !line.starts_with("//") && PRIVATE_WORDS.iter().any(|word| line.contains(word));
            let begins_item = line.starts_with("/// ") && !before.starts_with("///");
            let is_fragment = FRAGMENTS.iter().any(|part| line.trim_start_matches("/// ").starts_with(part));
            if has_private_word || (begins_item && is_fragment) {
                found.push(format!("src/{name}:{}: {line}", number + 1));
            }
            before = line;
        }
    }
    assert!(
        found.is_empty(),
        "private words, or docs that are no sentence and no noun phrase:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_type_name_stands_for_one_thing() {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in rust() {
        // Types at the level of their file: others are of a trait or of a function.
        for line in text.lines().filter(|line| !line.starts_with(' ')) {
            let mut words =
                line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            let is_kind = |word: &&str| ["struct", "enum", "trait", "type", "union"].contains(word);
            if let (Some(_), Some(word)) = (words.by_ref().take(5).find(is_kind), words.next())
                && !line.starts_with("//")
            {
                types.entry(word.to_owned()).or_default().push(name.clone());
            }
        }
    }
    types.retain(|_, files| files.len() > 1);
    assert!(types.is_empty(), "types of the same name: {types:#?}");
}
