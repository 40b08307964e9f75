//! Work horses, for a handler that calls code which may never return or may crash the process.
//!
//!     cargo run --example isolated -- enqueue count_words 'one two three'
//!     cargo run --example isolated -- enqueue count_words endless --timeout 2
//!     cargo run --example isolated -- enqueue count_words poison
//!     cargo run --example isolated -- worker --isolate

use rq_rs::{App, Context};

/// Crashes or hangs, as a parser in C may do on a broken file.
fn third_party_parser(document: &str) -> usize {
    match document {
        "endless" => loop {
            std::hint::spin_loop();
        },
        "poison" => std::process::abort(),
        text => text.split_whitespace().count(),
    }
}

fn count_words(_: &Context, document: String) -> anyhow::Result<usize> {
    println!("reading {} bytes", document.len());
    Ok(third_party_parser(&document))
}

fn main() -> std::process::ExitCode {
    App::new().handler("count_words", count_words).main()
}
