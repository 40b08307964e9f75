//! One job as its process sees it: what goes in, what comes out, what it was told.

use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;

use super::Limits;
use crate::worker::Context;

/// How much of a job's own output is kept: its end.
const MAX_LOG_BYTES: usize = 64 * 1024;
/// While a job writes, what is kept of it is saved so often, for those who follow.
const LOG_SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a process was told to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum KillReason {
    DeadlineExceeded,
    Canceled,
    /// It does not speak as it should.
    ProtocolError,
    /// It has closed its connection, and nobody could hear its answer any more.
    Disconnected,
}

/// How the process of a job ended.
pub(super) struct ProcessExit {
    pub(super) status: WaitStatus,
    pub(super) kill_reason: Option<KillReason>,
    /// It ignored TERM.
    pub(super) ignored_term: bool,
    /// What was wrong with what it said.
    pub(super) protocol_error: String,
}

/// One job as its process sees it: what goes in, what has come out.
pub(super) struct JobIo<'a> {
    pub(super) context: &'a Context,
    pub(super) limits: Limits,
    pub(super) input: Vec<u8>,
    pub(super) written: usize,
    /// Whether the input ends with this one's.
    pub(super) close_stdin_after: bool,
    pub(super) output: Vec<u8>,
    /// How much there was of it, kept or not.
    pub(super) output_size: usize,
    /// How much of it is kept.
    max_output: usize,
    log: Vec<u8>,
    has_unsaved_log: bool,
    log_saved_at: Instant,
    /// Whether an answer must name its job: this process has done so before.
    pub(super) must_echo_id: bool,
    pub(super) protocol_error: String,
    pub(super) kill_reason: Option<KillReason>,
    pub(super) kill_at: Option<Instant>,
    pub(super) disconnected_at: Option<Instant>,
    pub(super) was_killed: bool,
    pub(super) ignored_term: bool,
}

impl<'a> JobIo<'a> {
    pub(super) fn new(
        context: &'a Context,
        input: Vec<u8>,
        close_stdin_after: bool,
        limits: Limits,
        max_output: usize,
    ) -> Self {
        JobIo {
            context,
            limits,
            input,
            written: 0,
            close_stdin_after,
            output: Vec::new(),
            output_size: 0,
            max_output,
            log: Vec::new(),
            has_unsaved_log: false,
            log_saved_at: Instant::now(),
            must_echo_id: false,
            protocol_error: String::new(),
            kill_reason: None,
            kill_at: None,
            disconnected_at: None,
            was_killed: false,
            ignored_term: false,
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
    pub(super) fn buffer_is_full(&self) -> bool {
        self.output.len() >= self.max_output
    }

    /// So many bytes of the output have been heard.
    pub(super) fn discard_output(&mut self, taken: usize) {
        self.output.drain(..taken);
    }

    fn save_log(&mut self) {
        if std::mem::take(&mut self.has_unsaved_log) {
            self.log_saved_at = Instant::now();
            self.context.save_log(self.log());
        }
    }

    /// Takes what the process wrote.
    pub(super) fn append_output(&mut self, bytes: &[u8]) {
        self.output_size += bytes.len();
        let left = self.max_output.saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(left)]);
    }

    /// Takes what it wrote for people.
    pub(super) fn append_log(&mut self, bytes: &[u8]) {
        self.has_unsaved_log = true;
        self.log.extend_from_slice(bytes);
        self.log.drain(..self.log.len().saturating_sub(MAX_LOG_BYTES));
    }

    pub(super) fn save_log_if_due(&mut self) {
        if self.log_saved_at.elapsed() >= LOG_SAVE_INTERVAL {
            self.save_log();
        }
    }

    /// The last word; an earlier try's log is not this one's.
    pub(super) fn save_final_log(&mut self) {
        self.has_unsaved_log |=
            self.log.is_empty() && (self.context.attempt() > 1 || self.context.delivery() > 1);
        self.save_log();
    }
}
