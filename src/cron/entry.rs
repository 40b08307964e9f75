//! A cron entry: the job, its schedule, and the policies for missed and overlapping ticks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::schedule::{Schedule, ScheduleError};
use crate::error::{Error, NO_TIME_ZONES, Result};
use crate::job::{NewJob, check_queue_name};
use crate::program;

/// Policy for missed ticks: those that were due while no worker ran. A tick that is less than a minute late is not
/// missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Catchup {
    /// Missed ticks enqueue nothing, as in cron. The default.
    #[default]
    None,
    /// All missed ticks enqueue one job together.
    One,
    /// Each missed tick enqueues a job, the newest thousand at most.
    All,
}

/// Policy for a tick that is due while the job of the tick before is still waiting or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The tick is skipped.
    Skip,
    /// The job of the tick is enqueued too, as in cron and RQ. The default.
    #[default]
    Queue,
}

macro_rules! display_and_parse {
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

display_and_parse!(Catchup: "none" = None, "one" = One, "all" = All);
display_and_parse!(Overlap: "skip" = Skip, "queue" = Queue);

/// A job that is enqueued on a schedule. Any number of workers may have the entry: each tick enqueues one job.
/// Given to [`App::cron`](crate::App::cron) or [`Worker::cron`](crate::Worker::cron).
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
    /// Creates an entry. Workers whose entries have the same name share the ticks. A name has 1 to 200 printable
    /// characters.
    ///
    /// The schedule is five fields (minute, hour, day of month, month, day of week, as in cron: `*/5`, `1-5`,
    /// `mon,wed`, `fri-mon`, `L`), one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`, or an
    /// interval like `every 90s`, which is first due at once.
    ///
    /// A worker with an invalid entry does not start, unless it is [lenient](crate::Worker::cron_lenient).
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

    /// Sets the time zone of the five fields: a name like `Europe/Berlin`, or `local` for the zone of the machine,
    /// as in RQ. With `local` the machines of all workers with this entry must be in the same zone. Default: `UTC`.
    ///
    /// On a day that lacks an hour, a fixed time in that hour is due right after it. On a day that has an hour
    /// twice, a fixed time is due in the first hour only, and a repeated time (`*` or `*/5` in minutes or hours) in
    /// both.
    pub fn tz(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets the queue of the jobs. Default: `default`.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Sets the policy for missed ticks. Default: [`Catchup::None`].
    pub fn catchup(mut self, catchup: Catchup) -> Self {
        self.catchup = catchup;
        self
    }

    /// Sets the policy for a tick that is due while the job before is not finished. Default: [`Overlap::Queue`].
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Delays each job by a random time up to this one, so that not all jobs begin at once. Default: no delay.
    pub fn jitter(mut self, max: Duration) -> Self {
        self.jitter = max;
        self
    }

    /// The name of the entry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first tick after this moment; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid entry, [`Error::Unsupported`] when the system has no time zones.
    pub fn next_after(&self, moment: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let next = self.check()?.next_after(moment.timestamp());
        Ok(next.and_then(|next| DateTime::from_timestamp(next, 0)))
    }

    /// Checks the entry, and returns its schedule.
    pub(crate) fn check(&self) -> Result<Schedule> {
        let invalid = |reason: String| {
            let hint =
                format!("{}; with --cron-lenient a worker goes on without it", program::help_hint("config"));
            Error::invalid(format!("cron entry {:?}: {reason}", self.name), hint)
        };
        if self.name.is_empty() || self.name.len() > 200 || self.name.chars().any(char::is_control) {
            return Err(invalid("a name is 1 to 200 printable characters".to_owned()));
        }
        check_queue_name(&self.queue).map_err(|error| invalid(error.to_string()))?;
        self.job.check().map_err(|error| invalid(error.to_string()))?;
        if self.job.chosen_id().is_some() || self.job.due().is_some() {
            return Err(invalid("its jobs get an id and a time of their own".to_owned()));
        }
        Schedule::parse(&self.schedule, self.zone.as_deref()).map_err(|error| match error {
            ScheduleError::Invalid(reason) => invalid(reason),
            ScheduleError::NoTimeZones(reason) => {
                Error::Unsupported { what: format!("cron entry {:?}: {reason} ({NO_TIME_ZONES})", self.name) }
            }
        })
    }
}
