//! The tutorial in docs/from-python-rq.md: its files and commands are run as they are written.

use std::path::Path;

use crate::python::InteropEnv;
use crate::support::run_in;

const PAGE: &str = include_str!("../../docs/from-python-rq.md");

/// The texts of the page's fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let mut parts = PAGE.split("\n```");
    let mut blocks = Vec::new();
    parts.next();
    while let (Some(block), _) = (parts.next(), parts.next()) {
        let (info, text) = block.split_once('\n').unwrap();
        if info.split(',').next() == Some(language) {
            blocks.push(text.to_owned());
        }
    }
    blocks
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    let both = InteropEnv::new();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in ["tasks.py", "enqueue.py", "results.py"].iter().zip(blocks("python")) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop/rq3/bin");
    let script =
        format!("PATH={}:$PATH PYTHONPATH=.\nexport PYTHONPATH\n{}", bin.display(), blocks("sh").join("\n"));
    let environment = [("RQ_REDIS_URL".to_owned(), both.env.url().to_owned())];
    let output = run_in(folder.path(), &script, &environment).ok();
    for line in [
        "cat.jpg resized to 320x240 by Python",
        "cat.jpg resized to 640x240 by Python",
        "{'path': 'cat.jpg', 'width': 320, 'height': 240}",
        "{'path': 'cat.jpg', 'width': 640, 'height': 240}",
        "dog.jpg resized to 800x600 by Python",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    let example = include_str!("../../examples/from_python.rs");
    assert!(example.contains(blocks("rust")[0].trim()), "the example is the page's program");
}
