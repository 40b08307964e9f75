//! The scheduler of one worker: knows the next tick of each entry, and runs the ticks that are due.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Cron;
use super::tick::{EntryState, MISFIRE_GRACE, TickOutcome, run_tick};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::{Error, Result};

/// Largest number of ticks of one entry in one step; the others follow with the next step.
const MAX_TICKS_PER_STEP: usize = 2000;

/// The entries of one worker.
pub(crate) struct CronScheduler {
    client: Arc<Client>,
    pub(crate) entries: Vec<EntryState>,
    /// Problems of entries by name; the other entries go on.
    problems: BTreeMap<String, String>,
    /// Time at which this scheduler first read the entries. Earlier ticks belong to an older schedule.
    started_at: Option<i64>,
}

impl CronScheduler {
    /// Returns a scheduler of the valid entries, and the errors of the others.
    pub(crate) fn new(client: &Arc<Client>, crons: Vec<Cron>) -> (Self, Vec<Error>) {
        let (mut entries, mut errors): (Vec<EntryState>, _) = (Vec::new(), Vec::new());
        for cron in crons {
            match EntryState::new(client, cron) {
                Ok(entry) if entries.iter().any(|earlier| earlier.cron.name == entry.cron.name) => {
                    let what = format!("cron entry {:?} is there twice", entry.cron.name);
                    errors.push(Error::invalid(what, "give each a name of its own"));
                }
                Ok(entry) => entries.push(entry),
                Err(error) => errors.push(error),
            }
        }
        let client = Arc::clone(client);
        (CronScheduler { client, entries, problems: BTreeMap::new(), started_at: None }, errors)
    }

    /// Problems of entries by name, as of the last [`sync`](Self::sync) and the ticks since.
    pub(crate) fn problems(&self) -> &BTreeMap<String, String> {
        &self.problems
    }

    /// Seconds until the next tick of any entry.
    pub(crate) fn seconds_until_next(&self, now: f64) -> f64 {
        let next = self.entries.iter().map(|entry| entry.due).min().unwrap_or(i64::MAX);
        (next as f64 - now).max(0.0)
    }

    /// Reads from Redis how far each entry is, because other schedulers run its ticks too.
    pub(crate) fn sync(&mut self, now: f64) -> Result<()> {
        let (now, started_at) = (now as i64, *self.started_at.get_or_insert(now as i64));
        let command = |entry: &EntryState| {
            RedisCommand::new("HMGET").arg(&entry.key).arg("last").arg("schedule").arg("job")
        };
        let commands: Vec<RedisCommand> = self.entries.iter().map(command).collect();
        let replies = self.client.call_all(&commands)?;
        self.problems.clear();
        for (entry, reply) in self.entries.iter_mut().zip(replies) {
            let problem = match reply.and_then(reply::list) {
                Ok(fields) => sync_entry(entry, fields, now, started_at)?,
                Err(error) => {
                    entry.due = i64::MAX; // until the next sync
                    Some(format!("{}: {error}", entry.key))
                }
            };
            if let Some(problem) = problem {
                self.problems.insert(entry.cron.name.clone(), problem);
            }
        }
        Ok(())
    }

    /// Runs the ticks that are due. `clock` replaces Redis' clock in tests.
    pub(crate) fn run_due(&mut self, now: f64, clock: Option<f64>) -> Result<Vec<TickOutcome>> {
        let mut outcomes = Vec::new();
        for entry in &mut self.entries {
            let mut left = MAX_TICKS_PER_STEP;
            while entry.due as f64 <= now && left > 0 {
                left -= 1;
                match run_tick(&self.client, entry, (now as i64, clock), &mut outcomes) {
                    // A further tick may be due.
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error @ Error::Unreachable { .. }) => return Err(error),
                    Err(error) => {
                        self.problems.insert(entry.cron.name.clone(), error.to_string());
                        entry.due = i64::MAX; // until the next sync
                    }
                }
            }
        }
        Ok(outcomes)
    }
}

/// Takes over the fields `last`, `schedule` and `job` that Redis keeps of an entry. Returns a problem, if there is
/// one.
fn sync_entry(
    entry: &mut EntryState,
    fields: Vec<Reply>,
    now: i64,
    started_at: i64,
) -> Result<Option<String>> {
    let mut fields = fields.into_iter();
    let mut text = || reply::text(fields.next().unwrap_or_default());
    let (last, schedule, job) = (text()?, text()?, text()?);
    entry.has_enqueued = job.is_some();
    entry.set_last(last);
    let is_in_future = entry.last().is_some_and(|last| last > now + MISFIRE_GRACE);
    let has_changed = schedule.as_deref() != Some(&entry.fingerprint());
    match entry.last() {
        Some(last) => entry.schedule_next(if has_changed { last.max(started_at) } else { last }),
        // The entry begins now.
        None => entry.due = now,
    }
    Ok(is_in_future.then(|| {
        let program = crate::program::name();
        format!("its last tick is in the future; `{program} cron resume` lets it begin anew")
    }))
}
