//! Compresses the dashboard's files to a third of their size, in the program and on their way to the browser.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/dashboard/assets");
    println!("cargo::rerun-if-changed=src/snapshot");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut table = String::from("&[\n");
    if env::var_os("CARGO_FEATURE_DASHBOARD").is_some() {
        let folder = fs::read_dir("src/dashboard/assets").expect("the folder exists");
        let mut paths: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
            let packed = miniz_oxide::deflate::compress_to_vec_zlib(&content(&path, &name), 9);
            let target = Path::new(&out).join(&name);
            fs::write(&target, packed).expect("the folder can be written");
            table += &format!("    ({name:?}, include_bytes!({target:?})),\n");
        }
    }
    table += "]\n";
    fs::write(Path::new(&out).join("assets.rs"), table).expect("the folder can be written");
}

/// The file as the browser gets it: the texts of a language begin with the messages that the command line has too.
fn content(path: &Path, name: &str) -> Vec<u8> {
    let file = fs::read_to_string(path).expect("a file");
    let Ok(messages) = fs::read_to_string(format!("src/snapshot/messages.{name}")) else {
        return file.into();
    };
    let messages = messages.trim_end().strip_suffix('}').expect("an object").trim_end();
    let texts = file.trim_start().strip_prefix('{').expect("an object");
    format!("{messages},{texts}").into()
}
