//! An entry: what is enqueued when, and what happens when it could not be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::schedule::{Schedule, ScheduleError};
use crate::error::{Error, NO_TIME_ZONES, Result};
use crate::job::{NewJob, check_queue_name};
use crate::program;

/// What follows for ticks that nobody was there for. A tick that is less than a minute late was not missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Catchup {
    /// Nothing: the next tick is the next one. As in cron.
    #[default]
    None,
    /// One job for all of them.
    One,
    /// A job for each of them, the newest thousand at most.
    All,
}

/// What follows for a tick while the job of the tick before is still waiting or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is skipped.
    Skip,
    /// Its job is enqueued too. As in cron and RQ.
    #[default]
    Queue,
}

macro_rules! words {
    ($type:ident: $($word:literal = $value:ident),*) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($type::$value => $word),* })
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(word: &str) -> std::result::Result<Self, String> {
                match word {
                    $($word => Ok($type::$value),)*
                    _ => Err(format!("{word:?} is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words!(Catchup: "none" = None, "one" = One, "all" = All);
words!(Overlap: "skip" = Skip, "queue" = Queue);

/// A job that is enqueued again and again, by whichever worker is there: one tick is one job, however many
/// workers have the entry. Given to [`App::cron`](crate::App::cron) or [`Worker::cron`](crate::Worker::cron).
///
/// ```
/// # use std::time::Duration;
/// use rq_rs::{Catchup, Cron, NewJob};
///
/// Cron::new("nightly report", "30 3 * * mon-fri", NewJob::new("report", ("all",)).timeout(Duration::from_secs(3600)))
///     .tz("Europe/Berlin")
///     .queue("low")
///     .catchup(Catchup::One);
/// ```
#[derive(Debug, Clone)]
#[must_use = "an entry does nothing until a worker has it"]
pub struct Cron {
    pub(super) name: String,
    schedule: String,
    zone: Option<String>,
    pub(super) job: NewJob,
    pub(super) queue: String,
    pub(super) catchup: Catchup,
    pub(super) overlap: Overlap,
    pub(super) jitter: Duration,
}

impl Cron {
    /// The name says which entry it is: workers with an entry of the same name share its ticks.
    ///
    /// The schedule is five fields (minute, hour, day of month, month, day of week, as in cron: `*/5`, `1-5`, `mon,wed`, `fri-mon`, `L`), one of
    /// `@hourly @daily @midnight @weekly @monthly @yearly @annually`, or an interval like `every 90s`, which is due at once the first time.
    ///
    /// A worker with a bad entry does not start, unless it is [lenient](crate::Worker::cron_lenient).
    pub fn new(name: impl Into<String>, schedule: impl Into<String>, job: NewJob) -> Self {
        Cron {
            name: name.into(),
            schedule: schedule.into(),
            zone: None,
            job,
            queue: "default".to_owned(),
            catchup: Catchup::default(),
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
        }
    }

    /// The time zone of the fields, by name as in `Europe/Berlin`, or `local` for that of the machine, as in RQ (all that
    /// have the entry must then agree). Default: `UTC`.
    ///
    /// Where a day lacks an hour, a fixed time in it is due at the first moment after it; where a day has an hour twice, a fixed time is due
    /// in the first one only, and what repeats (`*` or `*/5` in minutes or hours) in both.
    pub fn tz(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// The queue of its jobs. Default: `default`.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// What follows for ticks that nobody was there for. Default: [`Catchup::None`].
    pub fn catchup(mut self, catchup: Catchup) -> Self {
        self.catchup = catchup;
        self
    }

    /// What follows for a tick while the job before is not done. Default: [`Overlap::Queue`].
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Each job waits a random time up to this one, so that not all begin at once. Default: none.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it is due next, after this moment.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the entry is not in order.
    pub fn next_after(&self, moment: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let next = self.check()?.next_after(moment.timestamp());
        Ok(next.and_then(|next| DateTime::from_timestamp(next, 0)))
    }

    /// What is wrong with it, or when it is due.
    pub(crate) fn check(&self) -> Result<Schedule> {
        let wrong = |what: String| {
            let hint =
                format!("{}; with --cron-lenient a worker goes on without it", program::help_hint("config"));
            Error::invalid(format!("cron entry {:?}: {what}", self.name), hint)
        };
        if self.name.is_empty() || self.name.len() > 200 || self.name.chars().any(char::is_control) {
            return Err(wrong("a name is 1 to 200 printable characters".to_owned()));
        }
        check_queue_name(&self.queue).map_err(|error| wrong(error.to_string()))?;
        self.job.check().map_err(|error| wrong(error.to_string()))?;
        if self.job.chosen_id().is_some() || self.job.due().is_some() {
            return Err(wrong("its jobs get an id and a time of their own".to_owned()));
        }
        Schedule::parse(&self.schedule, self.zone.as_deref()).map_err(|what| match what {
            ScheduleError::Invalid(what) => wrong(what),
            ScheduleError::NoTimeZones(what) => {
                Error::Unsupported { what: format!("cron entry {:?}: {what} ({NO_TIME_ZONES})", self.name) }
            }
        })
    }
}
