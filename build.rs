//! Compresses the files of the dashboard, so that they take a third of their size in the program and on the wire.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/dashboard/assets");
    let out = env::var("OUT_DIR").expect("cargo says where");
    let mut table = String::from("&[\n");
    if env::var_os("CARGO_FEATURE_DASHBOARD").is_some() {
        let folder = fs::read_dir("src/dashboard/assets").expect("the files are there");
        let mut paths: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
            let packed = miniz_oxide::deflate::compress_to_vec_zlib(&fs::read(&path).expect("a file"), 9);
            let target = Path::new(&out).join(&name);
            fs::write(&target, packed).expect("the folder can be written");
            table += &format!("    ({name:?}, include_bytes!({target:?})),\n");
        }
    }
    table += "]\n";
    fs::write(Path::new(&out).join("assets.rs"), table).expect("the folder can be written");
}
