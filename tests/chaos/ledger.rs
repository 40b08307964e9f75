//! The ledger: a file to which all workers append what they do, one line for each step of a job.
//! `S` the handler started, `E` the handler ended, `A` the finish was accepted, `L` it was refused because the lease
//! was lost, `R` the job was recovered from another worker.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Each line is one `write` to a file that is opened for appending, so lines of several processes never mix.
pub(crate) struct LedgerWriter(File);

impl LedgerWriter {
    pub(crate) fn open(path: &Path) -> Self {
        LedgerWriter(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(crate) fn write(&self, letter: char, id: &str, execution: &str) {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        (&self.0).write_all(format!("{letter} {id} {execution} {ms}\n").as_bytes()).unwrap();
    }
}

/// Counts of the steps in a ledger.
#[derive(Default)]
pub(crate) struct Report {
    /// The first ids of jobs whose handler never ended.
    pub(crate) never_ended: Vec<String>,
    pub(crate) finished_twice: usize,
    /// Starts of handlers beyond one for each job.
    pub(crate) extra_runs: usize,
    pub(crate) recovered: usize,
    /// Finishes that were refused.
    pub(crate) refused: usize,
    pub(crate) longest_silence_ms: usize,
}

pub(crate) fn read(path: &Path, jobs: usize) -> Report {
    let text = std::fs::read_to_string(path).unwrap();
    let mut count: HashMap<(&str, &str), usize> = HashMap::new();
    let mut ends: Vec<usize> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [letter, id, _, ms] = words[..] else { panic!("a torn line: {line:?}") };
        *count.entry((letter, id)).or_default() += 1;
        if letter == "E" {
            ends.push(ms.parse().unwrap());
        }
    }
    ends.sort_unstable();
    let total =
        |letter: &str| count.iter().filter(|((one, _), _)| *one == letter).map(|(_, n)| n).sum::<usize>();
    let never_ended =
        (0..jobs).map(|n| format!("j{n}")).filter(|id| !count.contains_key(&("E", id.as_str())));
    Report {
        never_ended: never_ended.take(10).collect(),
        finished_twice: count.iter().filter(|((letter, _), n)| *letter == "A" && **n > 1).count(),
        extra_runs: total("S").saturating_sub(jobs),
        recovered: total("R"),
        refused: total("L"),
        longest_silence_ms: ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0),
    }
}
