//! What a worker tells: to its listeners, and as log lines.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Summary, panics};
use crate::printable::{EscapingWriter, ShortLine};
use crate::program;

/// Something a worker did or noticed. `Display` is the log line.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// It is ready for jobs.
    Ready {
        /// Its name.
        worker: String,
        /// The queues it listens on, in order.
        queues: Vec<String>,
    },
    /// A job was started.
    Started {
        /// The job.
        id: String,
        /// Its queue.
        queue: String,
        /// What it calls.
        description: String,
    },
    /// A job finished, and Redis knows.
    Finished {
        /// The job.
        id: String,
        /// How long it ran.
        took: Duration,
    },
    /// A job failed for good, and Redis knows.
    Failed {
        /// The job.
        id: String,
        /// The line of the error that says what happened.
        error: String,
    },
    /// A run failed; the job will be tried again.
    Retried {
        /// The job.
        id: String,
        /// After this delay.
        delay: Duration,
        /// The line of the error that says what happened.
        error: String,
    },
    /// A handler has asked to be called again later, and no failure was counted.
    Snoozed {
        /// The job.
        id: String,
        /// After this delay.
        delay: Duration,
    },
    /// A job was put back unfinished, because the worker stops.
    PutBack {
        /// The job.
        id: String,
    },
    /// A job was claimed and goes back to its queue: there was no slot for it, or its handler has a limit.
    NotBegun {
        /// The job.
        id: String,
    },
    /// The end of a run was refused: the job was canceled, deleted or taken over meanwhile.
    Stale {
        /// The job.
        id: String,
    },
    /// An id was dropped from its queue: it has expired, was deleted, or has ended already.
    Dropped {
        /// The job.
        id: String,
    },
    /// An id was set aside: its record cannot be read.
    SetAside {
        /// The id, as far as it is text.
        id: String,
    },
    /// No job waits, none runs.
    Idle,
    /// No job is started until somebody resumes.
    Suspended,
    /// Redis cannot be used now.
    Trouble {
        /// Why.
        error: String,
        /// When it will be tried again.
        retry_in: Duration,
    },
    /// Redis can be used again.
    Back,
    /// A job whose worker was lost is back at the head of its queue.
    Recovered {
        /// The job.
        id: String,
    },
    /// It starts nothing until it is told to go on.
    Quieted,
    /// It starts jobs again.
    GoesOn,
    /// It starts nothing more and waits for what runs.
    Stopping {
        /// Jobs that run.
        running: usize,
        /// Jobs that have ended, which Redis could not be told yet.
        unsaved: usize,
    },
    /// It has ended.
    Ended(Summary),
    /// A queue gives no jobs until somebody resumes it.
    QueueSuspended {
        /// The queue.
        queue: String,
    },
    /// A cron entry was due, and its job is enqueued.
    Ticked {
        /// The entry.
        entry: String,
        /// The job.
        id: String,
    },
    /// A cron entry was due, but its job before is not done.
    TickSkipped {
        /// The entry.
        entry: String,
    },
    /// Something a person should know.
    Warning(String),
}

impl Event {
    fn level(&self) -> log::Level {
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
        // Ids and names come from Redis: the line stays one, whatever they hold.
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

type Callback = Box<dyn Fn(&Event) + Send + Sync>;

/// Who is told. The log always is.
#[derive(Clone, Default)]
pub(crate) struct EventBus(Arc<Vec<Callback>>);

impl EventBus {
    pub(crate) fn add(&mut self, hear: Callback) {
        if let Some(all) = Arc::get_mut(&mut self.0) {
            all.push(hear);
        }
    }

    pub(crate) fn emit(&self, event: &Event) {
        log::log!(target: "rq_rs", event.level(), "{event}");
        for hear in self.0.iter() {
            if let Err(panic) = panics::catch_panic(|| hear(event)) {
                log::error!(target: "rq_rs", "a listener {panic}");
            }
        }
    }
}
