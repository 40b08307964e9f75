//! What the handlers wrote: `S` started, `E` ended, `A` finish accepted, `L` refused, `R` recovered.

use std::collections::HashMap;
use std::path::Path;

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) never_ended: Vec<String>,
    pub(crate) finished_twice: usize,
    pub(crate) extra_runs: usize,
    pub(crate) recovered: usize,
    pub(crate) stale: usize,
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
        stale: total("L"),
        longest_silence_ms: ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0),
    }
}
