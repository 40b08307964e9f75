//! The outcome and error text of a run whose process ended without a response. All kinds of processes share them.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use super::job_io::{KillReason, ProcessExit};
use super::limits::Limits;
use crate::job::{Outcome, RetryDirective, mentions_oom, relevant_log_line};
use crate::worker::outcome_limits::rounded_secs;

/// The exit code with which a program asks for another attempt: `EX_TEMPFAIL` of sysexits.h.
const TRY_LATER: i32 = 75;

/// Describes the end of a job's process.
pub(super) struct ExitDescriber<'a> {
    pub(super) handler: &'a str,
    /// The end of the process's log.
    pub(super) log: &'a str,
    pub(super) limits: Limits,
    /// `true` if the process runs many jobs: then even exit code 0 in the middle of a job is a crash.
    pub(super) is_shared: bool,
    /// Memory limit of the process in bytes.
    pub(super) memory: Option<u64>,
    /// Timeout of the job.
    pub(super) allowed: Option<Duration>,
}

impl ExitDescriber<'_> {
    /// Returns an error text: the handler, the event, and the log.
    pub(super) fn describe(&self, event: &str) -> String {
        let handler = self.handler;
        match self.log {
            "" => format!("{handler} {event}"),
            log if self.is_shared => format!("{handler} {event}: {}", relevant_log_line(log)),
            log => format!("{handler} {event}: {}\n\nStandard error:\n{log}", relevant_log_line(log)),
        }
    }

    /// Returns the outcome of the run.
    pub(super) fn outcome(&self, exit: &ProcessExit) -> Outcome {
        match exit.kill_reason {
            Some(KillReason::DeadlineExceeded) => self.timed_out(exit.ignored_term),
            Some(KillReason::Canceled) => {
                Outcome::Failed { error: self.describe("was canceled"), directive: RetryDirective::GiveUp }
            }
            Some(KillReason::ProtocolError) => {
                let error = &exit.protocol_error;
                self.crashed(&format!("answered with what cannot be read, and was killed ({error})"))
            }
            Some(KillReason::Disconnected) => {
                self.crashed("closed its connection to the worker, and was killed")
            }
            None => self.exited(exit.status),
        }
    }

    fn timed_out(&self, ignored_term: bool) -> Outcome {
        let killed = match ignored_term {
            true => {
                let seconds = rounded_secs(self.limits.kill_after);
                format!(", ignored TERM and was killed {seconds} s later")
            }
            false => String::new(),
        };
        let seconds = rounded_secs(self.allowed.unwrap_or_default());
        Outcome::TimedOut { error: self.describe(&format!("timed out after {seconds} s{killed}")) }
    }

    fn exited(&self, status: WaitStatus) -> Outcome {
        match status {
            WaitStatus::Exited(_, TRY_LATER) if !self.is_shared => Outcome::Failed {
                error: self.describe(&format!("exited with code {TRY_LATER}: try again later")),
                directive: RetryDirective::RetryAfter(None),
            },
            WaitStatus::Exited(_, code) if self.is_shared => {
                self.crashed(&format!("exited with code {code} in the middle of the job"))
            }
            WaitStatus::Exited(_, code) => Outcome::Failed {
                error: self.describe(&format!("exited with code {code}")),
                directive: RetryDirective::UsePolicy,
            },
            WaitStatus::Signaled(_, signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP), _) => {
                let error = self.describe(&format!("was ended by signal {} {signal}", signal as i32));
                Outcome::KilledFromOutside { error }
            }
            WaitStatus::Signaled(_, signal, _) => {
                let hint = self.hint(signal);
                self.crashed(&format!("was killed by signal {} {signal}{hint}", signal as i32))
            }
            status => self.crashed(&format!("ended in an unknown way: {status:?}")),
        }
    }

    /// Returns the likely cause of a signal, for the error text.
    fn hint(&self, signal: Signal) -> String {
        let is_out_of_memory = mentions_oom(self.log);
        match (signal, self.memory) {
            (Signal::SIGKILL, _) => " (possible out-of-memory kill)".to_owned(),
            (Signal::SIGABRT, Some(bytes)) if is_out_of_memory => {
                format!(" (out of memory: a work horse may use {})", mebibytes(bytes))
            }
            (Signal::SIGABRT, None) if is_out_of_memory => " (out of memory)".to_owned(),
            _ => String::new(),
        }
    }

    fn crashed(&self, event: &str) -> Outcome {
        Outcome::Crashed { error: self.describe(event) }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
