use std::process::Command;

use super::constants::quote;
use super::table::ALL;
use super::texts::ScriptTexts;
use crate::dialect::{Dialect, Keys};

/// Every character that a key prefix may have.
const ANY_PREFIX: &str = "AZaz09_.:{}-";

fn texts(dialect: Dialect, prefix: &str) -> ScriptTexts {
    ScriptTexts::new(dialect.spec(), &Keys::new(prefix))
}

/// Writes all scripts of both dialects to a folder, as they are sent.
fn write_texts(folder: &std::path::Path) {
    for dialect in Dialect::ALL {
        let texts = texts(dialect, ANY_PREFIX);
        for script in ALL {
            let file = folder.join(format!("{}.{dialect}.lua", script.name));
            std::fs::write(file, texts.text(script)).unwrap();
        }
    }
}

#[test]
fn luacheck_finds_no_fault_in_the_scripts_as_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lua/.luacheckrc");
    let luacheck = Command::new("luacheck").args(["--config", config, "--quiet"]).arg(folder.path()).output();
    let output = luacheck.expect("luacheck is installed: run sh scripts/setup.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn constants_are_quoted() {
    assert_eq!(quote(ANY_PREFIX), format!("'{ANY_PREFIX}'"));
    assert_eq!(quote("it's \\\n\u{e9}"), r"'it\039s\032\092\010\195\169'");
}
