//! One job as its process sees it: what goes in, what comes out, what it was told.

use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;

use super::Limits;
use crate::worker::Context;

/// How much of a job's own output is kept: its end.
const KEEP_LOG: usize = 64 * 1024;
/// While a job writes, what is kept of it is saved so often, for those who follow.
const SAVE_LOG_EVERY: Duration = Duration::from_secs(1);

/// Why a process was told to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    TimeOver,
    Canceled,
    /// It does not speak as it should.
    Babbling,
    /// It has closed its connection, and nobody could hear its answer any more.
    HungUp,
}

/// How the process of a job ended.
pub(super) struct End {
    pub(super) status: WaitStatus,
    pub(super) told: Option<Told>,
    /// It ignored TERM.
    pub(super) ignored_term: bool,
    /// What was wrong with what it said.
    pub(super) nonsense: String,
}

/// One job as its process sees it: what goes in, what has come out.
pub(super) struct Traffic<'a> {
    pub(super) context: &'a Context,
    pub(super) limits: Limits,
    pub(super) input: Vec<u8>,
    pub(super) written: usize,
    /// Whether the input ends with this one's.
    pub(super) closes: bool,
    pub(super) output: Vec<u8>,
    /// How much there was of it, kept or not.
    pub(super) output_size: usize,
    /// How much of it is kept.
    room: usize,
    log: Vec<u8>,
    is_log_new: bool,
    log_saved_at: Instant,
    /// Whether an answer must name its job: this process has done so before.
    pub(super) names_jobs: bool,
    pub(super) nonsense: String,
    pub(super) told: Option<Told>,
    pub(super) kill_at: Option<Instant>,
    pub(super) hung_up_at: Option<Instant>,
    pub(super) was_killed: bool,
    pub(super) was_ignored: bool,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(
        context: &'a Context,
        input: Vec<u8>,
        closes: bool,
        limits: Limits,
        room: usize,
    ) -> Self {
        Traffic {
            context,
            limits,
            input,
            written: 0,
            closes,
            output: Vec::new(),
            output_size: 0,
            room,
            log: Vec::new(),
            is_log_new: false,
            log_saved_at: Instant::now(),
            names_jobs: false,
            nonsense: String::new(),
            told: None,
            kill_at: None,
            hung_up_at: None,
            was_killed: false,
            was_ignored: false,
        }
    }

    /// Whether it has not been given all of its input.
    pub(super) fn is_writing(&self) -> bool {
        self.written < self.input.len()
    }

    /// What it wrote for people.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log).trim_end().to_owned()
    }

    /// Whether more has come than it has room for.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() >= self.room
    }

    /// So many bytes of the output have been heard.
    pub(super) fn forget_output(&mut self, taken: usize) {
        self.output.drain(..taken);
    }

    fn save_log(&mut self) {
        if std::mem::take(&mut self.is_log_new) {
            self.log_saved_at = Instant::now();
            self.context.save_log(self.log());
        }
    }

    /// Takes what the process wrote.
    pub(super) fn take_output(&mut self, bytes: &[u8]) {
        self.output_size += bytes.len();
        let left = self.room.saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(left)]);
    }

    /// Takes what it wrote for people.
    pub(super) fn take_log(&mut self, bytes: &[u8]) {
        self.is_log_new = true;
        self.log.extend_from_slice(bytes);
        self.log.drain(..self.log.len().saturating_sub(KEEP_LOG));
    }

    pub(super) fn save_log_if_due(&mut self) {
        if self.log_saved_at.elapsed() >= SAVE_LOG_EVERY {
            self.save_log();
        }
    }

    /// The last word; an earlier try's log is not this one's.
    pub(super) fn save_last_log(&mut self) {
        self.is_log_new |= self.log.is_empty() && (self.context.attempt() > 1 || self.context.delivery() > 1);
        self.save_log();
    }
}
