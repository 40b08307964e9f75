//! Jobs whose worker is lost, and ids that were taken and never started. Every worker looks, in
//! small batches; the scripts see to it that each job is taken over once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::dialect::{Facts, QueueKeys};
use crate::error::Result;
use crate::fetch::Running;
use crate::finish::{self, Ending, Kept, Receipt};
use crate::job::{Attempts, Fields, Outcome, Record, Verdict, Whose, decide};
use crate::store::{Call, LOST, PUT_BACK, Store, reply};

/// How many leases one round takes over for a queue.
pub(crate) const BATCH: usize = 100;
/// How many leases are looked at for that.
const LEASES: usize = 1000;
/// How many ids of an intermediate list are looked at.
const LOOKED_AT: usize = 1000;

/// What became of a job that was lost.
pub(crate) enum Recovered {
    /// It is back at the head of its queue.
    Back { id: String },
    /// It was lost too often, and has failed.
    Failed { id: String, error: String },
}

/// Takes over jobs of one queue whose lease has passed. `limits`: how often a job may be lost, and how long those
/// are kept that fail.
pub(crate) fn leases(
    store: &Store,
    queue: &QueueKeys,
    limits: (u32, Kept),
    now: DateTime<Utc>,
) -> Result<Vec<Recovered>> {
    let look = Call::script(&LOST, &[&queue.wip])
        .arg(store.keys.job_prefix())
        .arg(BATCH)
        .arg(LEASES)
        .arg(store.facts.overdue().as_secs());
    let mut endings = Vec::new();
    for one in reply::list(store.ask(&look)?)? {
        let mut parts = reply::list(one)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let member = reply::text(part())?.unwrap_or_default();
        let fields = Fields(reply::pairs(part())?);
        endings.push(take_over(&member, &fields, limits, store.facts, now));
    }
    finish::sort(&mut endings);
    let (mut receipts, mut trouble) = (Vec::new(), None);
    for batch in finish::batches(&endings) {
        let call = finish::call(store, std::slice::from_ref(queue), batch);
        match store.ask(&call).and_then(finish::read) {
            Ok(some) => receipts.extend(some),
            // Those stay where they are; what became of the others is told all the same.
            Err(error) => {
                receipts.extend(batch.iter().map(|_| Receipt::LeaseLost));
                trouble = Some(error);
            }
        }
    }
    let taken = endings
        .into_iter()
        .zip(receipts)
        .filter(|(_, receipt)| matches!(receipt, Receipt::Done | Receipt::DoneAndAwaited));
    let taken: Vec<Recovered> = taken.map(|(ending, _)| told(ending)).collect();
    trouble.filter(|_| taken.is_empty()).map_or(Ok(taken), Err)
}

fn take_over(
    member: &str,
    fields: &Fields,
    (max_deliveries, kept): (u32, Kept),
    facts: &Facts,
    now: DateTime<Utc>,
) -> Ending {
    let (id, execution) = member.rsplit_once(':').unwrap_or((member, ""));
    let record = Record::read(id, fields, Whose::Recovery);
    let worker = record.worker_name.as_deref().unwrap_or("unknown");
    let is_ours = !facts.keeps_books || record.execution_id.as_deref() == Some(execution);
    let outcome = if is_ours {
        let error = format!("lost {} times with its worker, the last one {worker}", record.deliveries);
        Outcome::Lost { error }
    } else {
        // A Python worker's run ends as Python would end it: nobody promised that it may run twice.
        let mut error =
            format!("abandoned by worker {worker}: its lease has passed (RQ's AbandonedJobError)");
        if !record.needs.is_empty() {
            let what = record.needs.join(", ");
            error += &format!("; it asks for {what}, which rq-rs does not have yet and has not looked after");
        }
        Outcome::Crashed { error }
    };
    let within = if is_ours { facts.overdue() } else { Duration::ZERO };
    let verdict = decide(outcome, &Attempts::of(&record), max_deliveries);
    let started_at = record.started_at.unwrap_or(now);
    let worker = record.worker_name.clone().unwrap_or_default();
    let running = Running {
        queue: 0,
        execution: execution.to_owned(),
        record,
        payload: Vec::new(),
        started_at,
        worker,
    };
    finish::end(running, verdict, kept, facts, now).taken_over(within)
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
        let mut call = Call::script(&PUT_BACK, &[&queue.intermediate, &queue.list])
            .arg(store.facts.push_front)
            .arg(&store.books)
            .arg(store.keys.job_prefix());
        let mut any = false;
        for id in here {
            let since = *self.0.entry(id.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= store.facts.forgotten {
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
