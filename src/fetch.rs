//! Taking jobs: the `claim` script's arguments and answer.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{DEFAULT_TIMEOUT, Fields, Record, Whose, iso};
use crate::store::{CLAIM, Call, Reply, Store, reply};

/// A claim stops after this many bytes of payload, so that many large jobs do not come at once.
const PAYLOAD_BUDGET: usize = 8 * 1024 * 1024;

/// How many leases one step of a scan looks at.
const SCANNED: usize = 1000;

/// A job this worker holds. Consumed by `finish`; not `Clone`, so it cannot end twice.
#[must_use = "a job that was claimed must be finished"]
#[derive(Debug)]
pub(crate) struct Running {
    /// Number of the queue it came from, in the worker's order.
    pub(crate) queue: usize,
    pub(crate) execution: String,
    pub(crate) record: Record,
    /// The payload as it lies in Redis, for those who read it themselves.
    pub(crate) payload: Vec<u8>,
    pub(crate) started_at: DateTime<Utc>,
    /// Who runs it.
    pub(crate) worker: String,
}

impl Running {
    /// How long it may run; `None` for ever.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        match self.record.timeout {
            Some(-1) => None,
            Some(seconds) if seconds > 0 => Some(Duration::from_secs(seconds.unsigned_abs())),
            _ => Some(Duration::from_secs(DEFAULT_TIMEOUT.as_seconds().unsigned_abs())),
        }
    }

    /// The entry in `wip` that is the right to finish it.
    pub(crate) fn member(&self) -> String {
        format!("{}:{}", self.record.id, self.execution)
    }
}

/// An id that a watcher was woken with.
#[derive(Debug)]
pub(crate) struct Woken {
    pub(crate) queue: usize,
    pub(crate) id: Vec<u8>,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    /// Each to be unpacked by [`Fetcher::unpack`].
    pub(crate) jobs: Vec<Reply>,
    /// No queue has anything more.
    pub(crate) is_empty: bool,
    pub(crate) is_suspended: bool,
    /// Queues that give nothing now: they are suspended.
    pub(crate) paused: Vec<usize>,
    /// Queues that give nothing now: another program has taken one of their keys.
    pub(crate) taken: Vec<usize>,
    /// Ids without a record, or of jobs that have ended.
    pub(crate) dropped: Vec<String>,
    /// Ids whose record cannot be read.
    pub(crate) set_aside: Vec<String>,
}

/// The executions that one claim may have started: a range of numbers behind the first half of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimId {
    run: String,
    first: u32,
    behind: u32,
}

impl ClaimId {
    fn covers(&self, execution: &str) -> bool {
        let number = execution.strip_prefix(&self.run).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        number.is_some_and(|number| (self.first..self.behind).contains(&number))
    }

    /// Takes in the claim that came next, if it is that.
    pub(crate) fn join(&mut self, next: &ClaimId) -> bool {
        let follows = self.run == next.run && self.behind == next.first;
        if follows {
            self.behind = next.behind;
        }
        follows
    }
}

/// Jobs that claims of this worker have started without its knowledge, because the answer was lost. The eldest
/// comes first.
pub(crate) fn started_unknown(
    store: &Store,
    queues: &[QueueKeys],
    (worker, claims): (&str, &[ClaimId]),
    now: DateTime<Utc>,
) -> Result<Vec<Running>> {
    let mut found = Vec::new();
    for (queue, keys) in queues.iter().enumerate() {
        for member in members_of(store, &keys.wip, claims)? {
            let Some((id, execution)) = member.rsplit_once(':') else { continue };
            let hash = store.ask(&Call::command("HGETALL").arg(store.keys.job(id)))?;
            let fields = Fields(reply::pairs(hash)?);
            let mut record = Record::read(id, &fields, Whose::Recovery);
            // The start was counted, but nobody has begun it.
            record.deliveries = record.deliveries.saturating_sub(1);
            let started_at = record.started_at.unwrap_or(now);
            let (execution, worker) = (execution.to_owned(), worker.to_owned());
            found.push(Running { queue, execution, record, payload: Vec::new(), started_at, worker });
        }
    }
    found.sort_by(|a, b| a.execution.cmp(&b.execution));
    Ok(found)
}

/// The entries of a `wip` that these claims have made.
fn members_of(store: &Store, wip: &str, claims: &[ClaimId]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for claim in claims {
        let mut cursor = "0".to_owned();
        loop {
            let pattern = format!("*:{}*", claim.run);
            let scan = Call::command("ZSCAN").arg(wip).arg(&cursor).arg("MATCH").arg(pattern);
            let mut parts = reply::list(store.ask(&scan.arg("COUNT").arg(SCANNED))?)?.into_iter();
            cursor = reply::text(parts.next().unwrap_or_default())?.unwrap_or_default();
            let pairs = reply::texts(parts.next().unwrap_or_default())?;
            let members = pairs.into_iter().step_by(2);
            found.extend(members.filter(|member| {
                member.rsplit_once(':').is_some_and(|(_, execution)| claim.covers(execution))
            }));
            if cursor.is_empty() || cursor == "0" {
                break;
            }
        }
    }
    // A scan may show an entry twice.
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Claims for one worker.
pub(crate) struct Fetcher {
    keys: Vec<String>,
    worker: String,
    lease: Duration,
    run: String,
    number: u32,
    looked_at: Option<DateTime<Utc>>,
}

impl Fetcher {
    pub(crate) fn new(store: &Store, queues: &[QueueKeys], worker: &str, lease: Duration) -> Self {
        let mut keys = vec![store.keys.suspended(), store.keys.suspended_queues()];
        for queue in queues {
            keys.extend([&queue.list, &queue.intermediate, &queue.wip, &queue.unreadable].map(String::clone));
            keys.extend([&queue.scheduled, &queue.finished, &queue.failed].map(String::clone));
        }
        Fetcher { keys, worker: worker.to_owned(), lease, run: new_run(), number: 0, looked_at: None }
    }

    /// The next claim looks at the types of all keys: some were not what they should be.
    pub(crate) fn look_closely(&mut self) {
        self.looked_at = None;
    }

    /// The executions that the next claim for so many slots may start.
    pub(crate) fn next_claim(&self, slots: usize) -> ClaimId {
        let behind = self.number.saturating_add(u32::try_from(slots).unwrap_or(u32::MAX / 4));
        ClaimId { run: self.run.clone(), first: self.number, behind }
    }

    /// A claim for this many free slots, which passes some queues over. Not to be repeated: it takes other jobs
    /// each time.
    pub(crate) fn call<'a>(
        &mut self,
        store: &Store,
        slots: usize,
        (passed_over, woken): (impl Iterator<Item = &'a usize>, &[Woken]),
        now: DateTime<Utc>,
    ) -> Call {
        // Another program takes a key rarely, and looking costs as much as a job.
        let looks_closely = self.looked_at.is_none_or(|at| (now - at).num_seconds() != 0);
        if looks_closely {
            self.looked_at = Some(now);
        }
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let mut call = Call::script(&CLAIM, &keys)
            .arg(store.facts.pop)
            .arg(store.facts.push_front)
            .arg(store.keys.job_prefix())
            .arg(slots)
            .arg(self.lease.as_secs_f64())
            .arg(&self.worker)
            .arg(iso(now))
            .arg(&self.run)
            .arg(self.number)
            .arg(PAYLOAD_BUDGET)
            .arg(store.facts.margin.as_secs())
            .arg(u8::from(store.facts.whole_seconds))
            .arg(&store.books)
            .arg(u8::from(looks_closely))
            .arg(passed_over.map(ToString::to_string).collect::<Vec<_>>().join(" "));
        for one in woken {
            call = call.arg(one.queue).arg(&one.id);
        }
        self.number += u32::try_from(slots).unwrap_or(u32::MAX / 4);
        if self.number > u32::MAX / 2 {
            self.run = new_run();
            self.number = 0;
        }
        call
    }

    pub(crate) fn read(answer: Reply) -> Result<Claimed> {
        let mut parts = reply::list(answer)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let state = reply::int(&part())?;
        let mut claimed = Claimed { is_empty: state == 0, is_suspended: state == 2, ..Claimed::default() };
        claimed.jobs = reply::list(part())?;
        for queue in reply::list(part())? {
            match reply::int(&queue)? {
                queue @ 0.. => claimed.paused.push(queue as usize),
                taken => claimed.taken.push((-1 - taken) as usize),
            }
        }
        claimed.dropped = reply::texts(part())?;
        claimed.set_aside = reply::texts(part())?;
        Ok(claimed)
    }

    /// What there is to know of one job.
    pub(crate) fn unpack(&self, job: Reply, started_at: DateTime<Utc>) -> Result<Running> {
        let mut parts = reply::list(job)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let queue = reply::int(&part())? as usize;
        let id = reply::text(part())?.unwrap_or_default();
        let execution = reply::text(part())?.unwrap_or_default();
        let fields = Fields(reply::pairs(part())?);
        let record = Record::read(&id, &fields, Whose::Worker);
        let (payload, worker) = (fields.into_payload(), self.worker.clone());
        Ok(Running { queue, execution, record, payload, started_at, worker })
    }
}

/// 24 hex digits; with the eight of the number they make an execution id as long as RQ's.
fn new_run() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(24);
    id
}
