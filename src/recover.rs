//! Jobs whose worker is lost, and ids that were taken and never started. Every worker looks, in
//! small batches; the scripts see to it that each job is taken over once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::fetch::Running;
use crate::finish::{self, Ending, Receipt};
use crate::job::{Attempts, Fields, Outcome, Record, Ttl, Verdict, decide};
use crate::store::{Call, LOST, PUT_BACK, Store, reply};

/// How many leases one round takes over for a queue.
pub(crate) const BATCH: usize = 100;
/// An id may be this long in the intermediate list before it is taken for forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// How many ids of an intermediate list are looked at.
const LOOKED_AT: usize = 1000;

/// What became of a job that was lost.
pub(crate) enum Recovered {
    /// It is back at the head of its queue.
    Back { id: String },
    /// It was lost too often, and has failed.
    Failed { id: String, error: String },
}

/// Takes over jobs of one queue whose lease has passed.
pub(crate) fn leases(
    store: &Store,
    queue: &QueueKeys,
    max_deliveries: u32,
    now: DateTime<Utc>,
) -> Result<Vec<Recovered>> {
    let look = Call::script(&LOST, &[&queue.wip]).arg(store.keys.job_prefix()).arg(BATCH);
    let mut endings = Vec::new();
    for one in reply::list(store.ask(&look)?)? {
        let mut parts = reply::list(one)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let member = reply::text(part())?.unwrap_or_default();
        let fields = Fields(reply::pairs(part())?);
        endings.push(take_over(&member, &fields, max_deliveries, now));
    }
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let receipts = finish::read(store.ask(&finish::call(store, queue, &endings))?)?;
    let taken = endings.into_iter().zip(receipts).filter(|(_, receipt)| *receipt == Receipt::Done);
    Ok(taken.map(|(ending, _)| told(ending)).collect())
}

fn take_over(member: &str, fields: &Fields, max_deliveries: u32, now: DateTime<Utc>) -> Ending {
    let (id, execution) = member.rsplit_once(':').unwrap_or((member, ""));
    let record = Record::read(id, fields);
    let worker = record.worker_name.as_deref().unwrap_or("unknown");
    let error = format!("lost {} times with its worker, the last one {worker}", record.deliveries);
    let verdict = decide(Outcome::Lost { error }, &Attempts::of(&record), max_deliveries);
    let started_at = record.started_at.unwrap_or(now);
    let running = Running { queue: 0, execution: execution.to_owned(), record, started_at };
    finish::end(running, verdict, Ttl::NONE, now).taken_over()
}

fn told(ending: Ending) -> Recovered {
    match ending.verdict {
        Verdict::Fail { error, .. } => Recovered::Failed { id: ending.id, error },
        _ => Recovered::Back { id: ending.id },
    }
}

/// Ids seen in an intermediate list, and since when.
#[derive(Default)]
pub(crate) struct Seen(HashMap<Vec<u8>, Instant>);

impl Seen {
    /// Puts ids back that have been in the list too long. Should one have left and come again
    /// meanwhile, it only goes back to the head: whoever took it finds that it is not his.
    pub(crate) fn put_back(&mut self, store: &Store, queue: &QueueKeys, now: Instant) -> Result<usize> {
        let look = Call::command("LRANGE").arg(&queue.intermediate).arg(0).arg(LOOKED_AT - 1);
        let mut here = Vec::new();
        for id in reply::list(store.ask(&look)?)? {
            here.extend(reply::bytes(id)?);
        }
        self.0.retain(|id, _| here.contains(id));
        let mut call =
            Call::script(&PUT_BACK, &[&queue.intermediate, &queue.list]).arg(store.dialect.push_front);
        let mut any = false;
        for id in here {
            let since = *self.0.entry(id.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= FORGOTTEN {
                self.0.remove(&id);
                call = call.arg(id);
                any = true;
            }
        }
        if !any {
            return Ok(0);
        }
        Ok(usize::try_from(reply::int(&store.ask(&call)?)?).unwrap_or(0))
    }
}
