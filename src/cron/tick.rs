//! The ticks of one entry. Any number of schedulers may have the same entry: Redis keeps its last tick, and the
//! scheduler that comes first turns a tick into a job.

use std::sync::Arc;

use super::schedule::Schedule;
use super::{Catchup, Cron, Overlap};
use crate::client::scripts::{AsText, CronTick};
use crate::client::{Client, Reply, reply};
use crate::error::Result;
use crate::job::NewJob;
use crate::queue::Queue;

/// Seconds by which a tick may be late without counting as missed, unless the next tick is due.
pub(super) const MISFIRE_GRACE: i64 = 60;
/// Largest number of missed ticks that get a job each.
const MAX_CATCHUP: usize = 1000;
/// Times that a tick can have, in seconds since 1970: up to the year 9999.
const VALID_TIMES: std::ops::Range<i64> = 0..253_402_300_800;

/// Outcomes in the reply of the script that this worker acts on. The others (paused, passed, another worker was first)
/// need no action: the entry takes over the last tick that the script returns.
const ENQUEUED: i64 = 1;
const SKIPPED: i64 = 2;
const NOT_DUE: i64 = 5;

/// The outcome of a tick that was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TickOutcome {
    Enqueued {
        entry: String,
        id: String,
    },
    /// The job of the tick before is not finished.
    Skipped {
        entry: String,
    },
}

/// A valid entry with the state of its ticks.
pub(crate) struct EntryState {
    pub(crate) cron: Cron,
    pub(crate) schedule: Schedule,
    queue: Queue,
    pub(super) key: String,
    last: Option<i64>,
    /// The last tick as Redis keeps it, valid or not: the script compares it.
    stored_last: String,
    /// `true` if the entry has ever enqueued a job.
    pub(crate) has_enqueued: bool,
    /// The next tick; `i64::MAX` when none is known.
    pub(super) due: i64,
}

impl EntryState {
    pub(super) fn new(client: &Arc<Client>, cron: Cron) -> Result<Self> {
        let (schedule, queue) = (cron.check()?, Queue::with_client(client, &cron.queue)?);
        queue.encode_job(&cron.job)?;
        let key = client.keys.cron_entry(&cron.name);
        Ok(EntryState {
            cron,
            schedule,
            queue,
            key,
            last: None,
            stored_last: String::new(),
            has_enqueued: false,
            due: i64::MIN,
        })
    }

    /// Returns whether Python's workers may run the jobs too.
    pub(crate) fn is_shared_with_python(&self) -> bool {
        self.queue.client().dialect.is_shared_with_python
    }

    /// The last tick in seconds since 1970.
    pub(crate) fn last(&self) -> Option<i64> {
        self.last
    }

    /// The next tick in seconds since 1970, as far as it is known.
    pub(crate) fn due(&self) -> Option<i64> {
        (self.due > i64::MIN && self.due < i64::MAX).then_some(self.due)
    }

    pub(super) fn set_last(&mut self, last: Option<String>) {
        self.stored_last = last.unwrap_or_default();
        self.last = self.stored_last.parse().ok().filter(|last| VALID_TIMES.contains(last));
    }

    pub(super) fn schedule_next(&mut self, since: i64) {
        self.due = self.schedule.next_after(since).unwrap_or(i64::MAX);
    }

    /// Schedule and zone as they are kept beside the last tick, to notice that they have changed.
    pub(super) fn fingerprint(&self) -> String {
        format!("{} {}", self.schedule, self.schedule.zone())
    }
}

/// Runs the next tick of an entry. `clock` replaces Redis' clock in tests. Returns whether a further tick may be due.
pub(super) fn run_tick(
    client: &Arc<Client>,
    entry: &mut EntryState,
    (now, clock): (i64, Option<f64>),
    outcomes: &mut Vec<TickOutcome>,
) -> Result<bool> {
    let (tick, enqueues) = next_tick(entry, now);
    let mode = if enqueues { "tick" } else { "pass" };
    let (outcome, last, id) = run_script(client, entry, mode, tick, clock)?;
    entry.set_last(last);
    entry.schedule_next(entry.last.unwrap_or(tick));
    let name = entry.cron.name.clone();
    match outcome {
        ENQUEUED => {
            entry.has_enqueued = true;
            outcomes.push(TickOutcome::Enqueued { entry: name, id });
        }
        SKIPPED => outcomes.push(TickOutcome::Skipped { entry: name }),
        NOT_DUE => {
            // Redis' clock is behind the time at which the tick was found to be due.
            entry.due = tick;
            return Ok(false);
        }
        _ => {}
    }
    Ok(true)
}

/// Chooses the tick to run, and whether it enqueues a job. The first tick of an interval does, as in RQ; the first
/// tick of a time of day only marks where the entry begins.
fn next_tick(entry: &EntryState, now: i64) -> (i64, bool) {
    match (entry.last, entry.schedule.interval()) {
        (None, Some(_)) => (entry.due, true),
        (None, None) => (entry.due, false),
        (Some(_), _) => plan_tick(&entry.schedule, entry.cron.catchup, entry.due, now),
    }
}

/// Chooses among missed ticks. `due` is the first tick that has not been run.
fn plan_tick(schedule: &Schedule, catchup: Catchup, due: i64, now: i64) -> (i64, bool) {
    let missed_until = now - MISFIRE_GRACE.min(schedule.interval().unwrap_or(MISFIRE_GRACE));
    if due > missed_until {
        return (due, true);
    }
    let newest = schedule.last_until(due, now).unwrap_or(due);
    match catchup {
        Catchup::One => (newest, true),
        Catchup::None => (newest, newest > missed_until),
        Catchup::All => {
            let back = std::iter::successors(Some(newest), |tick| schedule.previous(*tick, due));
            (back.take(MAX_CATCHUP).last().unwrap_or(newest), true)
        }
    }
}

/// Calls the script in its mode `tick`, `pass` or `run`. Returns the outcome, the last tick as Redis keeps it, and the
/// id of the job.
fn run_script(
    client: &Arc<Client>,
    entry: &EntryState,
    mode: &str,
    tick: i64,
    clock: Option<f64>,
) -> Result<(i64, Option<String>, String)> {
    let job = entry.queue.encode_job(&with_jitter(&entry.cron))?;
    let id = job.id.clone();
    let call = client.evalsha(&CronTick {
        list: &entry.queue.keys().list,
        queues: &client.keys.queues(),
        scheduled: &entry.queue.keys().scheduled,
        entry: &entry.key,
        entry_jobs: &client.keys.cron_entry_jobs(&entry.cron.name),
        entries: &client.keys.cron_jobs(),
        mode,
        name: &entry.cron.name,
        known_last: &entry.stored_last,
        tick: AsText(tick),
        schedule: &entry.fingerprint(),
        skips_overlap: entry.cron.overlap == Overlap::Skip,
        clock,
        has_times: job.due.is_some(),
    });
    let mut values = reply::list(client.call(&job.add_to(call))?)?.into_iter();
    let mut next = || values.next().unwrap_or(Reply::Nil);
    let outcome = reply::int(&next())?;
    Ok((outcome, reply::text(next())?, id))
}

fn with_jitter(cron: &Cron) -> NewJob {
    if cron.jitter.is_zero() {
        return cron.job.clone();
    }
    cron.job.clone().after(cron.jitter.mul_f64(fastrand::f64()))
}

/// Enqueues the job of an entry now, whatever its schedule says. Returns the job's id.
pub(crate) fn enqueue_now(client: &Arc<Client>, cron: Cron) -> Result<String> {
    let entry = EntryState::new(client, cron)?;
    Ok(run_script(client, &entry, "run", 0, None)?.2)
}

#[cfg(test)]
mod tests {
    use super::{Catchup, Schedule, plan_tick};

    const HOUR: i64 = 3600;

    #[test]
    fn missed_ticks_are_caught_up_by_the_policy() {
        let hourly = Schedule::parse("0 * * * *", None).expect("a schedule");
        let plan = |catchup, now| plan_tick(&hourly, catchup, HOUR, now);
        for catchup in [Catchup::None, Catchup::One, Catchup::All] {
            assert_eq!(plan(catchup, HOUR + 59), (HOUR, true), "a tick within the grace is not missed");
        }
        let late = 3 * HOUR + 120;
        assert_eq!(plan(Catchup::None, late), (3 * HOUR, false));
        assert_eq!(plan(Catchup::One, late), (3 * HOUR, true));
        assert_eq!(plan(Catchup::All, late), (HOUR, true));
        assert_eq!(plan(Catchup::None, 3 * HOUR + 30), (3 * HOUR, true), "the newest tick is not missed");
        assert_eq!(plan(Catchup::All, 2000 * HOUR + 120), (1001 * HOUR, true), "the newest thousand");
    }
}
