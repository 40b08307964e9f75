//! Cost of encoding and decoding payloads, without Redis: `cargo bench`. The modules are those of the
//! crate, which does not export them.

#![allow(dead_code, unused_imports, missing_docs, unreachable_pub)]

#[path = "../src/error/mod.rs"]
mod error;
#[path = "../src/job/mod.rs"]
mod job;
#[path = "../src/program.rs"]
mod program;

use divan::{Bencher, black_box};
use job::{NewJob, PayloadFormat, RawHash, ReadMode, Record, Serializer, iso};

const NATIVE: PayloadFormat = PayloadFormat {
    serializer: Serializer::Json,
    is_compressed: false,
    writes_all_fields: false,
    is_chunked: true,
};
const PYTHON: PayloadFormat = PayloadFormat {
    serializer: Serializer::Pickle,
    is_compressed: true,
    writes_all_fields: true,
    is_chunked: false,
};

fn main() {
    divan::main();
}

fn new_job(bytes: usize) -> NewJob {
    NewJob::new("send_email", ("ada@example.com", 42, "x".repeat(bytes)))
}

fn hash(bytes: usize, format: PayloadFormat) -> RawHash {
    let written = new_job(bytes).encode("mail", format, chrono::Utc::now(), || 0.5).expect("a job");
    RawHash(written.fields.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect())
}

#[divan::bench(args = [10, 300, 10_000])]
fn a_new_job(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = "x".repeat(bytes);
    bencher.bench(|| NewJob::new("send_email", ("ada@example.com", 42, black_box(&text))));
}

#[divan::bench(args = [10, 300, 10_000])]
fn write_json(bencher: Bencher<'_, '_>, bytes: usize) {
    let (job, now) = (new_job(bytes), chrono::Utc::now());
    bencher.bench(|| black_box(&job).encode("mail", NATIVE, now, || 0.5).map(|written| written.size));
}

#[divan::bench(args = [10, 300, 10_000])]
fn write_pickle(bencher: Bencher<'_, '_>, bytes: usize) {
    let (job, now) = (new_job(bytes), chrono::Utc::now());
    bencher.bench(|| black_box(&job).encode("mail", PYTHON, now, || 0.5).map(|written| written.size));
}

#[divan::bench(args = [10, 300, 10_000])]
fn read_json(bencher: Bencher<'_, '_>, bytes: usize) {
    let fields = hash(bytes, NATIVE);
    bencher.bench(|| Record::read("id", black_box(&fields), ReadMode::Run));
}

#[divan::bench(args = [10, 300, 10_000])]
fn read_pickle(bencher: Bencher<'_, '_>, bytes: usize) {
    let fields = hash(bytes, PYTHON);
    bencher.bench(|| Record::read("id", black_box(&fields), ReadMode::Run));
}

#[divan::bench]
fn a_date(bencher: Bencher<'_, '_>) {
    let now = chrono::Utc::now();
    bencher.bench(|| iso(black_box(now)));
}
