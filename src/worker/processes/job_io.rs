//! The input, output and log of one job that a process runs, and the reason for which the process was killed.

use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;

use super::limits::Limits;
use crate::worker::context::Context;

/// Maximum size of the log of a job in bytes; its end is kept.
const MAX_LOG_BYTES: usize = 64 * 1024;
/// Interval at which the log of a running job is saved, for people who follow it.
const LOG_SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Reason for which a process was sent a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum KillReason {
    DeadlineExceeded,
    Canceled,
    /// The output does not follow the protocol.
    ProtocolError,
    /// The process has closed its output, so that no response can come any more.
    Disconnected,
}

/// The end of a job's process.
pub(super) struct ProcessExit {
    pub(super) status: WaitStatus,
    pub(super) kill_reason: Option<KillReason>,
    /// `true` if the process was still running when `kill_after` had passed after TERM.
    pub(super) ignored_term: bool,
    /// Details of [`KillReason::ProtocolError`].
    pub(super) protocol_error: String,
}

/// The input, output and log of one job that a process runs, and the state of its end.
pub(super) struct JobIo<'a> {
    pub(super) context: &'a Context,
    pub(super) limits: Limits,
    pub(super) input: Vec<u8>,
    /// Number of bytes of the input that the process has been given.
    pub(super) written: usize,
    /// `true` if standard input is closed after this job's input.
    pub(super) close_stdin_after: bool,
    pub(super) output: Vec<u8>,
    /// Number of bytes that the process has written, kept or not.
    pub(super) output_size: usize,
    /// Maximum number of bytes of output that are kept.
    max_output: usize,
    log: Vec<u8>,
    has_unsaved_log: bool,
    log_saved_at: Instant,
    /// `true` if a response must name its job, because an earlier response of the process did.
    pub(super) must_echo_id: bool,
    pub(super) protocol_error: String,
    pub(super) kill_reason: Option<KillReason>,
    /// The moment at which KILL follows TERM.
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

    /// Returns whether some input has not been given to the process yet.
    pub(super) fn has_unwritten_input(&self) -> bool {
        self.written < self.input.len()
    }

    /// The text that the process has written to its log: standard error, or all that a work horse prints.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log).trim_end().to_owned()
    }

    /// Returns whether the output has reached its maximum size.
    pub(super) fn buffer_is_full(&self) -> bool {
        self.output.len() >= self.max_output
    }

    /// Removes output that has been handled.
    pub(super) fn discard_output(&mut self, bytes: usize) {
        self.output.drain(..bytes);
    }

    /// Adds output, as far as it fits.
    pub(super) fn append_output(&mut self, bytes: &[u8]) {
        self.output_size += bytes.len();
        let left = self.max_output.saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(left)]);
    }

    /// Adds to the log, of which the end is kept.
    pub(super) fn append_log(&mut self, bytes: &[u8]) {
        self.has_unsaved_log = true;
        self.log.extend_from_slice(bytes);
        self.log.drain(..self.log.len().saturating_sub(MAX_LOG_BYTES));
    }

    /// Saves the log of a running job once per [`LOG_SAVE_INTERVAL`].
    pub(super) fn save_log_if_due(&mut self) {
        if self.log_saved_at.elapsed() >= LOG_SAVE_INTERVAL {
            self.save_log();
        }
    }

    /// Saves the log at the end of the job. An empty log replaces that of an earlier attempt.
    pub(super) fn save_final_log(&mut self) {
        self.has_unsaved_log |=
            self.log.is_empty() && (self.context.attempt() > 1 || self.context.delivery() > 1);
        self.save_log();
    }

    fn save_log(&mut self) {
        if std::mem::take(&mut self.has_unsaved_log) {
            self.log_saved_at = Instant::now();
            self.context.save_log(self.log());
        }
    }
}
