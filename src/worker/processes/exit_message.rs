//! How the end of a job's process is told: one place, whatever kind of process it was.

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use super::Limits;
use super::job_io::{KillReason, ProcessExit};
use crate::job::{Outcome, RetryDirective, mentions_oom, relevant_log_line};
use crate::worker::handlers::rounded_secs;

/// A program's way to ask for another try: `EX_TEMPFAIL` of sysexits.h.
const TRY_LATER: i32 = 75;

/// What ended: the handler's name, what its process wrote for people, and whose process it was.
pub(super) struct ExitDescriber<'a> {
    pub(super) handler: &'a str,
    pub(super) log: &'a str,
    pub(super) limits: Limits,
    /// A process of many jobs, which ends in the middle of one; else of this job only.
    pub(super) is_shared: bool,
    /// How much memory it may have, if that is limited.
    pub(super) memory: Option<u64>,
    pub(super) allowed: Option<std::time::Duration>,
}

impl ExitDescriber<'_> {
    /// "handler what", with what it wrote.
    pub(super) fn describe(&self, what: &str) -> String {
        let handler = self.handler;
        match self.log {
            "" => format!("{handler} {what}"),
            log if self.is_shared => format!("{handler} {what}: {}", relevant_log_line(log)),
            log => format!("{handler} {what}: {}\n\nStandard error:\n{log}", relevant_log_line(log)),
        }
    }

    /// Of a process that ended without an answer.
    pub(super) fn outcome(&self, end: &ProcessExit) -> Outcome {
        match end.kill_reason {
            Some(KillReason::DeadlineExceeded) => {
                let killed = match end.ignored_term {
                    true => {
                        format!(
                            ", ignored TERM and was killed {} s later",
                            rounded_secs(self.limits.kill_after)
                        )
                    }
                    false => String::new(),
                };
                let seconds = rounded_secs(self.allowed.unwrap_or_default());
                Outcome::TimedOut { error: self.describe(&format!("timed out after {seconds} s{killed}")) }
            }
            Some(KillReason::Canceled) => {
                Outcome::Failed { error: self.describe("was canceled"), directive: RetryDirective::GiveUp }
            }
            Some(KillReason::ProtocolError) => {
                let what = &end.protocol_error;
                self.crashed(&format!("answered with what cannot be read, and was killed ({what})"))
            }
            Some(KillReason::Disconnected) => {
                self.crashed("closed its connection to the worker, and was killed")
            }
            None => self.exited(end.status),
        }
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
                Outcome::Terminated { error }
            }
            WaitStatus::Signaled(_, signal, _) => {
                let hint = self.hint(signal);
                self.crashed(&format!("was killed by signal {} {signal}{hint}", signal as i32))
            }
            status => self.crashed(&format!("ended in an unknown way: {status:?}")),
        }
    }

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

    fn crashed(&self, what: &str) -> Outcome {
        Outcome::Crashed { error: self.describe(what) }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
