//! The events of a worker, and their log texts.

use std::fmt;
use std::time::Duration;

use super::summary::Summary;
use crate::printable::{EscapingWriter, ShortLine};
use crate::program;

/// Something that a worker did or noticed. `Display` is the log text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The worker is ready for jobs.
    Ready {
        /// The name of the worker.
        worker: String,
        /// The names of its queues, in the order of their priority.
        queues: Vec<String>,
    },
    /// The run of a job begins.
    Started {
        /// The job's id.
        id: String,
        /// The name of its queue.
        queue: String,
        /// The job's description: by default, its call.
        description: String,
    },
    /// A job finished, and Redis has confirmed it.
    Finished {
        /// The job's id.
        id: String,
        /// Duration of the run.
        took: Duration,
    },
    /// A job failed for good, and Redis has confirmed it.
    Failed {
        /// The job's id.
        id: String,
        /// The line of the error that says what happened.
        error: String,
    },
    /// A run failed, and the job will be retried.
    Retried {
        /// The job's id.
        id: String,
        /// Time until the next attempt.
        delay: Duration,
        /// The line of the error that says what happened.
        error: String,
    },
    /// A handler asked to be called again later; no failure was counted.
    Snoozed {
        /// The job's id.
        id: String,
        /// Time until the next call.
        delay: Duration,
    },
    /// A job was put back unfinished, because the worker stops.
    PutBack {
        /// The job's id.
        id: String,
    },
    /// A job was claimed and put back before its run began: no slot was free for it, or its
    /// handler is at its concurrency limit.
    NotBegun {
        /// The job's id.
        id: String,
    },
    /// The completion of a run was fenced: nothing was written, because the job was canceled, deleted or recovered
    /// meanwhile.
    Stale {
        /// The job's id.
        id: String,
    },
    /// An id was removed from its queue, because no job waits under this id: it has expired, was deleted, has ended,
    /// or the id was there twice.
    Dropped {
        /// The job's id.
        id: String,
    },
    /// An id was moved to the registry of unreadable jobs: its record cannot be read.
    SetAside {
        /// The id, as far as it is text.
        id: String,
    },
    /// No job waits and no job runs.
    Idle,
    /// All queues are suspended: no job is started until somebody resumes them.
    Suspended,
    /// Redis cannot be used.
    Trouble {
        /// The reason.
        error: String,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// Redis can be used again.
    Back,
    /// A job whose worker was lost runs again: it was put back at the front of its queue. (A lost Python worker's
    /// job is retried as its policy says.)
    Recovered {
        /// The job's id.
        id: String,
    },
    /// The worker claims no jobs until it continues (TSTP, or the command `quiet`).
    Quieted,
    /// A quiet worker starts jobs again.
    GoesOn,
    /// The worker claims no more jobs, and waits for those that run.
    Stopping {
        /// Number of jobs that run.
        running: usize,
        /// Number of jobs that have ended and whose completion could not be saved in Redis yet.
        unsaved: usize,
    },
    /// The worker has ended.
    Ended(Summary),
    /// A queue is suspended: it gives no jobs until somebody resumes it.
    QueueSuspended {
        /// The name of the queue.
        queue: String,
    },
    /// A cron entry was due, and its job was enqueued.
    Ticked {
        /// The name of the entry.
        entry: String,
        /// The id of the job.
        id: String,
    },
    /// A cron entry was due, but its previous job is not done.
    TickSkipped {
        /// The name of the entry.
        entry: String,
    },
    /// Something that a person should know.
    Warning(String),
}

impl Event {
    /// The log level.
    pub(super) fn level(&self) -> log::Level {
        match self {
            Event::Idle | Event::NotBegun { .. } => log::Level::Debug,
            Event::Failed { .. } | Event::Retried { .. } | Event::Stale { .. } | Event::Recovered { .. } => {
                log::Level::Warn
            }
            Event::SetAside { .. } | Event::Trouble { .. } | Event::Warning(_) => log::Level::Warn,
            _ => log::Level::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids and names come from Redis; escaped, they cannot break the log line.
        self.write_text(&mut EscapingWriter(f))
    }
}

impl Event {
    fn write_text(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Event::Ready { worker, queues } => {
                write!(f, "worker {worker} (pid {}) listens on {}", std::process::id(), queues.join(", "))
            }
            Event::Started { id, queue, description } => {
                write!(f, "{queue}: {} ({id})", ShortLine(description))
            }
            Event::Finished { id, took } => write!(f, "{id} finished in {took:.1?}"),
            Event::Failed { id, error } => write!(f, "{id} failed: {}", ShortLine(error)),
            Event::Retried { id, delay, error } => {
                write!(f, "{id} failed, next try in {} s: {}", delay.as_secs(), ShortLine(error))
            }
            Event::Snoozed { id, delay } => {
                write!(f, "{id} asked to be called again in {} s", delay.as_secs_f64())
            }
            Event::PutBack { id } => write!(f, "{id} put back unfinished"),
            Event::NotBegun { id } => write!(f, "{id} goes back to its queue, not begun"),
            Event::Stale { id } => {
                write!(f, "{id} ended here, but it was canceled, deleted or taken over: nothing changed")
            }
            Event::Dropped { id } => write!(f, "{} dropped: expired, deleted or ended", ShortLine(id)),
            Event::SetAside { id } => write!(f, "{} set aside: its record cannot be read", ShortLine(id)),
            Event::Idle => f.write_str("idle"),
            Event::Suspended => write!(f, "suspended; `{} resume` lets it go on", program::name()),
            Event::Trouble { error, retry_in } => {
                write!(f, "{error}; next try in {:.1} s", retry_in.as_secs_f64())
            }
            Event::Back => f.write_str("Redis is back"),
            Event::Recovered { id } => write!(f, "{id} lost its worker and is back in its queue"),
            Event::Quieted => f.write_str("quiet: starting nothing until CONT"),
            Event::GoesOn => f.write_str("going on"),
            Event::Stopping { running, unsaved: 0 } => write!(
                f,
                "stopping when what runs has ended ({running}); a second signal puts it back instead"
            ),
            Event::Stopping { running, unsaved } => write!(
                f,
                "stopping: {running} running, {unsaved} ended but not saved; a second signal gives up on them"
            ),
            Event::Ended(done) => {
                write!(f, "ended: {} finished, {} failed", done.finished, done.failed)?;
                let more = [
                    (done.retried, "to be tried again"),
                    (done.put_back, "put back"),
                    (done.stale, "refused"),
                ];
                more.iter().filter(|(n, _)| *n > 0).try_for_each(|(n, what)| write!(f, ", {n} {what}"))
            }
            Event::QueueSuspended { queue } => {
                write!(f, "{queue} is suspended; `{} resume {queue}` lets it go on", program::name())
            }
            Event::Ticked { entry, id } => write!(f, "cron {}: enqueued {id}", ShortLine(entry)),
            Event::TickSkipped { entry } => {
                write!(f, "cron {}: skipped, its last job is not done", ShortLine(entry))
            }
            Event::Warning(text) => f.write_str(text),
        }
    }
}
