//! Turns moments into jobs. Any number of tickers may have the same entries: what happens to a tick is decided
//! in Redis, where the last one is kept, by whoever comes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::schedule::Schedule;
use super::{Catchup, Cron, Overlap};
use crate::client::scripts::CRON_TICK;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::enqueue;
use crate::error::{Error, Result};
use crate::job::NewJob;
use crate::queue::Queue;

/// A tick that is noticed so many seconds late was not missed, if the next one is not due yet.
const MISFIRE_GRACE: i64 = 60;
/// How many missed ticks get a job each, at most.
const MAX_CATCHUP: usize = 1000;
/// What can be a moment: up to the year 9999.
const VALID_TIMES: std::ops::Range<i64> = 0..253_402_300_800;
/// How many ticks of one entry one step handles; the others come with the next step.
const MAX_TICKS_PER_STEP: usize = 2000;

/// What came of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TickOutcome {
    Enqueued {
        entry: String,
        id: String,
    },
    /// The job before is not done.
    Skipped {
        entry: String,
    },
}

/// An entry that is in order, and what is known of its ticks.
pub(crate) struct EntryState {
    pub(crate) cron: Cron,
    pub(crate) schedule: Schedule,
    queue: Queue,
    key: String,
    last: Option<i64>,
    /// The same as it lies in Redis, whatever it is.
    stored_last: String,
    pub(crate) has_job: bool,
    /// What Redis had as its schedule, when that was another one.
    is_new: bool,
    due: i64,
}

impl EntryState {
    fn new(client: &Arc<Client>, cron: Cron) -> Result<Self> {
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
            has_job: false,
            is_new: true,
            due: i64::MIN,
        })
    }

    /// Whether Python's workers may run its jobs.
    pub(crate) fn is_rq(&self) -> bool {
        self.queue.client().dialect.payload_format.writes_all_fields
    }

    /// Its last tick, seconds since 1970.
    pub(crate) fn last(&self) -> Option<i64> {
        self.last
    }

    /// Its next tick, as far as is known.
    pub(crate) fn due(&self) -> Option<i64> {
        (self.due > i64::MIN && self.due < i64::MAX).then_some(self.due)
    }

    fn set_last(&mut self, last: Option<String>) {
        self.stored_last = last.unwrap_or_default();
        self.last = self.stored_last.parse().ok().filter(|last| VALID_TIMES.contains(last));
    }

    fn schedule_next(&mut self, since: i64) {
        self.due = self.schedule.next_after(since).unwrap_or(i64::MAX);
    }

    /// As it is kept beside the last tick, to see that it has changed.
    fn fingerprint(&self) -> String {
        format!("{} {}", self.schedule, self.schedule.zone())
    }
}

/// The entries of one worker.
pub(crate) struct CronScheduler {
    client: Arc<Client>,
    pub(crate) entries: Vec<EntryState>,
    /// What is wrong with entries now; the others go on.
    troubles: BTreeMap<String, String>,
    /// Ticks before this moment are those of entries that were other ones then.
    started_at: Option<i64>,
}

impl CronScheduler {
    /// The entries that are in order, and what is wrong with the others.
    pub(crate) fn new(client: &Arc<Client>, crons: Vec<Cron>) -> (Self, Vec<Error>) {
        let (mut entries, mut wrong): (Vec<EntryState>, _) = (Vec::new(), Vec::new());
        for cron in crons {
            match EntryState::new(client, cron) {
                Ok(entry) if entries.iter().any(|other| other.cron.name == entry.cron.name) => {
                    let what = format!("cron entry {:?} is there twice", entry.cron.name);
                    wrong.push(Error::invalid(what, "give each a name of its own"));
                }
                Ok(entry) => entries.push(entry),
                Err(error) => wrong.push(error),
            }
        }
        (
            CronScheduler {
                client: Arc::clone(client),
                entries,
                troubles: BTreeMap::new(),
                started_at: None,
            },
            wrong,
        )
    }

    /// What is wrong with entries now: name, and why.
    pub(crate) fn problems(&self) -> &BTreeMap<String, String> {
        &self.troubles
    }

    /// How many seconds there are until the next tick.
    pub(crate) fn seconds_until_next(&self, now: f64) -> f64 {
        let next = self.entries.iter().map(|entry| entry.due).min().unwrap_or(i64::MAX);
        (next as f64 - now).max(0.0)
    }

    /// Looks how far each entry is: other workers go on too.
    pub(crate) fn sync(&mut self, now: f64) -> Result<()> {
        let began = *self.started_at.get_or_insert(now as i64);
        let call = |entry: &EntryState| {
            RedisCommand::new("HMGET").arg(&entry.key).arg("last").arg("schedule").arg("job")
        };
        let calls: Vec<RedisCommand> = self.entries.iter().map(call).collect();
        let answers = self.client.query_all(&calls)?;
        self.troubles.clear();
        for (entry, answer) in self.entries.iter_mut().zip(answers) {
            let held = match answer.and_then(reply::list) {
                Ok(held) => held,
                Err(error) => {
                    self.troubles.insert(entry.cron.name.clone(), format!("{}: {error}", entry.key));
                    entry.due = i64::MAX; // until the next look
                    continue;
                }
            };
            let mut held = held.into_iter();
            let mut text = || reply::text(held.next().unwrap_or_default());
            let (last, schedule, job) = (text()?, text()?, text()?);
            entry.has_job = job.is_some();
            entry.set_last(last);
            if entry.last.is_some_and(|last| last > now as i64 + MISFIRE_GRACE) {
                let me = crate::program::name();
                let what = format!("its last tick is in the future; `{me} cron resume` lets it begin anew");
                self.troubles.insert(entry.cron.name.clone(), what);
            }
            entry.is_new = schedule.as_deref() != Some(&entry.fingerprint());
            match entry.last {
                Some(last) => entry.schedule_next(if entry.is_new { last.max(began) } else { last }),
                // An interval begins at once, as in RQ; a time of day is waited for.
                None => entry.due = now as i64,
            }
        }
        Ok(())
    }

    /// Does what is due. `moment` is what a test takes for now, instead of Redis' clock.
    pub(crate) fn run_due(&mut self, now: f64, moment: Option<f64>) -> Result<Vec<TickOutcome>> {
        let mut ticked = Vec::new();
        for entry in &mut self.entries {
            let mut left = MAX_TICKS_PER_STEP;
            while entry.due as f64 <= now && left > 0 {
                left -= 1;
                match run_tick(&self.client, entry, (now as i64, moment), &mut ticked) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error @ Error::Unreachable { .. }) => return Err(error),
                    Err(error) => {
                        self.troubles.insert(entry.cron.name.clone(), error.to_string());
                        entry.due = i64::MAX; // until the next look
                    }
                }
            }
        }
        Ok(ticked)
    }
}

/// One tick. Returns whether Redis agrees that there may be another.
fn run_tick(
    client: &Arc<Client>,
    entry: &mut EntryState,
    (now, moment): (i64, Option<f64>),
    ticked: &mut Vec<TickOutcome>,
) -> Result<bool> {
    let (tick, has_job) = match (entry.last, entry.schedule.interval()) {
        (None, Some(_)) => (entry.due, true),
        (None, None) => (entry.due, false),
        (Some(_), _) => plan_tick(&entry.schedule, entry.cron.catchup, entry.due, now),
    };
    let what = if has_job { "tick" } else { "pass" };
    let (state, last, id) = run_script(client, entry, what, tick, moment)?;
    entry.set_last(last);
    entry.is_new = false;
    entry.schedule_next(entry.last.unwrap_or(tick));
    let name = entry.cron.name.clone();
    match state {
        1 => {
            entry.has_job = true;
            ticked.push(TickOutcome::Enqueued { entry: name, id });
        }
        2 => ticked.push(TickOutcome::Skipped { entry: name }),
        5 => {
            // Redis' clock says that it is not due yet.
            entry.due = tick;
            return Ok(false);
        }
        _ => {}
    }
    Ok(true)
}

/// The tick that is next, and whether a job follows; `due` is the first one that nobody has seen.
fn plan_tick(schedule: &Schedule, catchup: Catchup, due: i64, now: i64) -> (i64, bool) {
    let in_time = now - MISFIRE_GRACE.min(schedule.interval().unwrap_or(MISFIRE_GRACE));
    if due > in_time {
        return (due, true);
    }
    let newest = schedule.last_until(due, now).unwrap_or(due);
    match catchup {
        Catchup::One => (newest, true),
        Catchup::None => (newest, newest > in_time),
        Catchup::All => {
            let mut tick = newest;
            for _ in 1..MAX_CATCHUP {
                match schedule.previous(tick, due) {
                    Some(before) => tick = before,
                    None => break,
                }
            }
            (tick, true)
        }
    }
}

/// The script call: what came of it, the last tick as Redis has it, and the job's id.
fn run_script(
    client: &Arc<Client>,
    entry: &EntryState,
    what: &str,
    tick: i64,
    moment: Option<f64>,
) -> Result<(i64, Option<String>, String)> {
    let job = with_jitter(&entry.cron);
    let prepared = entry.queue.encode_job(&job)?;
    let id = prepared.id.clone();
    let enqueue = enqueue::encode(client, entry.queue.keys(), std::slice::from_ref(&prepared));
    let keys = [&entry.key, &client.keys.cron_entry_jobs(&entry.cron.name), &client.keys.cron_jobs()];
    let own = RedisCommand::evalsha(&CRON_TICK, &keys.map(String::as_str))
        .arg(what)
        .arg(&entry.cron.name)
        .arg(&entry.stored_last)
        .arg(tick)
        .arg(entry.fingerprint())
        .arg(u8::from(entry.cron.overlap == Overlap::Skip))
        .arg(moment.map(|moment| moment.to_string()).unwrap_or_default());
    let mut answer =
        reply::list(client.query(&RedisCommand::around(&CRON_TICK, &enqueue, &own))?)?.into_iter();
    let mut next = || answer.next().unwrap_or(Reply::Nil);
    let state = reply::int(&next())?;
    Ok((state, reply::text(next())?, id))
}

fn with_jitter(cron: &Cron) -> NewJob {
    if cron.jitter.is_zero() {
        return cron.job.clone();
    }
    cron.job.clone().after(cron.jitter.mul_f64(fastrand::f64()))
}

/// A job now, whatever the schedule says. Returns its id.
pub(crate) fn enqueue_now(client: &Arc<Client>, cron: Cron) -> Result<String> {
    let entry = EntryState::new(client, cron)?;
    Ok(run_script(client, &entry, "run", 0, None)?.2)
}
