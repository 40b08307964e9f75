//! Looks for the jobs of lost claims: claims whose reply was lost, although Redis may have carried them out.

use chrono::{DateTime, Utc};

use crate::claim::{ClaimedJob, ExecutionRange};
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{RawHash, ReadMode, Record};

/// `COUNT` of a scan through the leases of a queue.
const SCAN_COUNT: usize = 1000;

/// Fetches the jobs that have leases of these executions of the worker, the oldest first.
pub(super) fn fetch_jobs(
    client: &Client,
    queues: &[QueueKeys],
    worker: &str,
    claims: &[ExecutionRange],
) -> Result<Vec<ClaimedJob>> {
    let (now, mut found) = (Utc::now(), Vec::new());
    for (queue, keys) in queues.iter().enumerate() {
        for member in fetch_lease_members(client, &keys.wip, claims)? {
            let Some((id, execution)) = member.rsplit_once(':') else { continue };
            let hash = client.call(&RedisCommand::new("HGETALL").arg(client.keys.job(id)))?;
            let fields = RawHash(reply::pairs(hash)?);
            found.push(job_of_lost_claim((id, execution), &fields, (queue, worker), now));
        }
    }
    found.sort_by(|a, b| a.execution.cmp(&b.execution));
    Ok(found)
}

/// Fetches the entries of one `wip` that the claims have written.
fn fetch_lease_members(client: &Client, wip: &str, claims: &[ExecutionRange]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for executions in claims {
        scan_lease_members(client, wip, executions, &mut found)?;
    }
    // A scan may return an entry twice.
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The job of a lost claim, as its record says. The script has counted a delivery, but no run has begun.
pub(super) fn job_of_lost_claim(
    (id, execution): (&str, &str),
    fields: &RawHash,
    (queue, worker): (usize, &str),
    now: DateTime<Utc>,
) -> ClaimedJob {
    let mut record = Record::read(id, fields, ReadMode::Recovery);
    record.deliveries = record.deliveries.saturating_sub(1);
    let started_at = record.started_at.unwrap_or(now);
    let (execution, worker) = (execution.to_owned(), worker.to_owned());
    ClaimedJob { queue, execution, record, payload: Vec::new(), started_at, worker }
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
