//! The README is true: its commands and its snippets run.

use std::path::Path;

use crate::support::{TestEnv, run_in};

const README: &str = include_str!("../../README.md");
const JUSTFILE: &str = include_str!("../../justfile");

/// Fenced blocks of this language in the README.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in README.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (None, Some(info)) if info.split(',').next() == Some(language) => block = Some(String::new()),
            (Some(text), None) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// Set-up and recipes run this test and are left out; other commands run as they stand, except that workers
/// get `--burst`.
fn is_of_this_checkout(line: &str) -> bool {
    ["sh scripts/setup.sh", "just ", "cargo ", "git "].iter().any(|start| line.starts_with(start))
}

#[test]
fn every_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for block in blocks("sh") {
        let env = TestEnv::new();
        let lines: Vec<String> = block
            .lines()
            .filter(|line| !is_of_this_checkout(line))
            .map(|line| match line.strip_prefix("rq-rs worker") {
                Some(rest) => format!("rq-rs worker --burst {rest}"),
                None => line.to_owned(),
            })
            .collect();
        let script = lines.join("\n");
        if !script.trim().is_empty() {
            run_in(folder.path(), &script, &env.environment()).ok();
            ran += 1;
        }
    }
    assert!(ran >= 2, "{ran} blocks ran");
}

/// Pages for people, by path.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_folder = |folder: &str| {
        let files = std::fs::read_dir(root.join(folder)).unwrap();
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"))
    };
    let paths: Vec<_> = [".", "docs", "src/lua", "benches"].into_iter().flat_map(in_folder).collect();
    assert!(paths.len() >= 10, "{paths:?}");
    let text = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root).unwrap().display().to_string(), text)
    };
    paths.into_iter().map(text).collect()
}

/// Texts between two marks.
fn quoted<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn every_recipe_that_a_page_names_exists() {
    let is_recipe = |name: &str| {
        let starts = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ' ']));
        JUSTFILE.lines().any(starts)
    };
    let mut found = 0;
    for (page, text) in pages() {
        let recipes = ["`just ", "\njust ", "&& just "].iter().flat_map(|start| quoted(&text, start, "\n"));
        for recipe in recipes {
            let name = recipe.split([' ', '`']).next().unwrap();
            assert!(is_recipe(name), "{page}: just {name}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

/// Names of files are what goes out of date first.
#[test]
fn every_file_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for (page, text) in pages() {
        let folder = root.join(&page).parent().unwrap().to_owned();
        let links = quoted(&text, "](", ")").into_iter().map(|link| link.split('#').next().unwrap());
        let links =
            links.filter(|link| !link.is_empty() && !link.contains("://")).map(|link| folder.join(link));
        let starts = ["src/", "tests/", "docs/", "benches/", "examples/", "scripts/"];
        let named = text.split('`').filter(|part| {
            starts.iter().any(|start| part.starts_with(start)) && !part.contains([' ', '*', '<', '{', '\n'])
        });
        for path in links.chain(named.map(|path| root.join(path))) {
            assert!(path.exists(), "{page} names {}", path.display());
            found += 1;
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn the_readme_s_figures_of_speed_are_the_measured_ones() {
    let measured = include_str!("../../benches/results.md");
    let (_, section) = README.split_once("## Speed").unwrap();
    let rows: Vec<&str> =
        section.split("\n## ").next().unwrap().lines().filter(|l| l.starts_with('|')).collect();
    let figures = rows.iter().skip(2).flat_map(|row| row.split('|').skip(2)).map(str::trim);
    let figures: Vec<&str> =
        figures.filter(|figure| figure.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(figures.len() > 20, "{figures:?}");
    for figure in figures {
        assert!(measured.contains(figure), "{figure} is not in benches/results.md");
    }
}

#[test]
fn a_second_setup_asks_and_changes_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = run_in(root, "sh scripts/setup.sh", &[]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn every_program_is_an_example_that_a_test_runs() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sources: Vec<String> = std::fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let programs = blocks("rust");
    assert!(programs.len() >= 2);
    for program in programs {
        assert!(sources.iter().any(|source| source.contains(program.trim())), "no example has:\n{program}");
    }
}

#[test]
fn the_readme_s_configuration_file_is_valid() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rq-rs.toml");
    let text = std::fs::read_to_string(&example).unwrap();
    assert!(blocks("toml").iter().any(|block| text.ends_with(block)), "no example has the README's file");
    let env = TestEnv::new();
    env.queue("mail").enqueue("hello", std::collections::BTreeMap::from([("name", "Ada")])).unwrap();
    let words = ["--config", example.to_str().unwrap(), "worker", "--burst"];
    let output = env.cli(&words);
    assert!(output.stderr.contains("1 finished") && !output.stderr.contains("error:"), "{output:?}");
}

#[test]
fn headings_do_not_skip_a_level() {
    let mut level = 0;
    for line in README.lines().filter(|line| line.starts_with('#')) {
        let next = line.len() - line.trim_start_matches('#').len();
        assert!(next <= level + 1 || !line.starts_with("# ") && next == 1, "{line}");
        level = next;
    }
}

#[test]
fn the_tests_that_hold_the_guarantees_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let exists = |name: &str| {
        let folders = ["tests/behaviour", "tests/interop", "src/job/payload/python"];
        folders.iter().any(|folder| {
            let path = root.join(folder).join(name);
            path.is_dir() || path.with_extension("rs").is_file()
        })
    };
    let rows = page.lines().filter(|line| line.starts_with('|') && line.matches('|').count() == 5);
    let mut found = 0;
    for row in rows {
        let held_by = row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap();
        for name in held_by.split('`').skip(1).step_by(2) {
            assert!(exists(name), "docs/guarantees.md names a test {name}, which does not exist: {row}");
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
}
