//! The worker's own claims whose reply was lost. Redis may have carried them out: their jobs then have leases, and only
//! this worker can know that no run of them has begun. It puts them back as soon as Redis replies again, so that
//! nobody has to wait until the leases expire.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::claim::{ClaimedJob, ExecutionRange};
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{RawHash, ReadMode, Record};

/// `COUNT` of a scan through the leases of a queue.
const SCAN_COUNT: usize = 1000;

/// The lost claims of a worker.
#[derive(Default)]
pub(super) struct LostClaims {
    /// The executions of each claim, and the time when its reply was lost.
    claims: Vec<(ExecutionRange, Instant)>,
    /// `true` if the jobs of all claims were looked up after the last reply was lost.
    are_reclaimed: bool,
}

impl LostClaims {
    pub(super) fn add(&mut self, executions: ExecutionRange) {
        self.are_reclaimed = false;
        let is_extension = self.claims.last_mut().is_some_and(|(last, lost_at)| {
            *lost_at = Instant::now();
            last.try_extend(&executions)
        });
        if !is_extension {
            self.claims.push((executions, Instant::now()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub(super) fn are_reclaimed(&self) -> bool {
        self.are_reclaimed
    }

    pub(super) fn mark_reclaimed(&mut self) {
        self.are_reclaimed = true;
    }

    pub(super) fn clear(&mut self) {
        self.claims.clear();
    }

    /// Fetches the jobs of these claims, the oldest first. Claims whose leases have expired are dropped: recovery gives
    /// their jobs to any worker.
    pub(super) fn fetch_jobs(
        &mut self,
        client: &Client,
        queues: &[QueueKeys],
        (worker, lease): (&str, Duration),
    ) -> Result<Vec<ClaimedJob>> {
        self.claims.retain(|(_, lost_at)| lost_at.elapsed() < lease);
        let (now, mut found) = (Utc::now(), Vec::new());
        for (queue, keys) in queues.iter().enumerate() {
            for member in self.fetch_lease_members(client, &keys.wip)? {
                let Some((id, execution)) = member.rsplit_once(':') else { continue };
                found.push(fetch_job(client, (id, execution), (queue, worker), now)?);
            }
        }
        found.sort_by(|a, b| a.execution.cmp(&b.execution));
        Ok(found)
    }

    /// Fetches the entries of one `wip` that the claims have written.
    fn fetch_lease_members(&self, client: &Client, wip: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (executions, _) in &self.claims {
            scan_lease_members(client, wip, executions, &mut found)?;
        }
        // A scan may return an entry twice.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn fetch_job(
    client: &Client,
    (id, execution): (&str, &str),
    (queue, worker): (usize, &str),
    now: DateTime<Utc>,
) -> Result<ClaimedJob> {
    let hash = client.call(&RedisCommand::new("HGETALL").arg(client.keys.job(id)))?;
    let fields = RawHash(reply::pairs(hash)?);
    let mut record = Record::read(id, &fields, ReadMode::Recovery);
    // The script has counted a delivery, but no run has begun.
    record.deliveries = record.deliveries.saturating_sub(1);
    let started_at = record.started_at.unwrap_or(now);
    let (execution, worker) = (execution.to_owned(), worker.to_owned());
    Ok(ClaimedJob { queue, execution, record, payload: Vec::new(), started_at, worker })
}

fn scan_lease_members(
    client: &Client,
    wip: &str,
    executions: &ExecutionRange,
    found: &mut Vec<String>,
) -> Result<()> {
    let mut cursor = "0".to_owned();
    loop {
        let pattern = format!("*:{}*", executions.prefix());
        let scan = RedisCommand::new("ZSCAN").arg(wip).arg(&cursor).arg("MATCH").arg(pattern);
        let mut parts = reply::list(client.call(&scan.arg("COUNT").arg(SCAN_COUNT))?)?.into_iter();
        cursor = reply::text(parts.next().unwrap_or_default())?.unwrap_or_default();
        let pairs = reply::texts(parts.next().unwrap_or_default())?;
        let members = pairs.into_iter().step_by(2);
        found.extend(members.filter(|member| {
            member.rsplit_once(':').is_some_and(|(_, execution)| executions.contains(execution))
        }));
        if cursor.is_empty() || cursor == "0" {
            return Ok(());
        }
    }
}
