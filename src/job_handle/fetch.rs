//! Fetching jobs: whole, many in one round trip, or only what actions need.

use std::sync::Arc;

use super::Job;
#[cfg(feature = "cron")]
use crate::bounded_read;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::{Error, Result};
#[cfg(feature = "cron")]
use crate::job::ExcerptSpec;
use crate::job::{RawHash, ReadMode, Record};

/// The fields that actions need. All are short.
#[cfg(feature = "cron")]
const PARTIAL_FIELDS: &[ExcerptSpec] =
    &[("status", 300, 0), ("origin", 4096, 0), ("worker_name", 4096, 0), ("execution_id", 4096, 0)];

impl Job {
    /// Fetches a job to act on it. Its arguments and result, which may be large, are not read.
    #[cfg(feature = "cron")]
    pub(crate) fn fetch_partial(client: &Arc<Client>, id: &str) -> Result<Self> {
        let hash = std::iter::once((client.keys.job(id), None));
        let found = bounded_read::fetch_excerpts(client, hash, PARTIAL_FIELDS)?.pop().unwrap_or(Ok(None))?;
        let excerpts = found.ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
        let fields = excerpts.0.into_iter().map(|(name, excerpt)| (name.as_bytes().to_vec(), excerpt.head));
        let job = Self::new(client, Record::read(id, &RawHash(fields.collect()), ReadMode::Recovery));
        Ok(Job { is_partial: true, ..job })
    }

    #[cfg(not(feature = "cron"))]
    pub(super) fn fetch_partial(client: &Arc<Client>, id: &str) -> Result<Self> {
        Self::fetch(client, id)
    }

    pub(crate) fn fetch(client: &Arc<Client>, id: &str) -> Result<Self> {
        Self::fetch_all(client, &[id])?.pop().unwrap_or_else(|| Err(Error::NotFound { id: id.to_owned() }))
    }

    /// Fetches several jobs in one round trip. The inner errors are those of single jobs: missing, or not readable.
    pub(crate) fn fetch_all<S: AsRef<str>>(client: &Arc<Client>, ids: &[S]) -> Result<Vec<Result<Self>>> {
        let commands: Vec<RedisCommand> =
            ids.iter().flat_map(|id| read_commands(client, id.as_ref())).collect();
        let mut replies = client.call_all(&commands)?.into_iter();
        let mut next_reply = || replies.next().unwrap_or(Ok(Reply::Nil));
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            let hash = next_reply();
            let entry = if client.rq.is_enabled() { next_reply() } else { Ok(Reply::Nil) };
            jobs.push(Self::read(client, id.as_ref(), hash, entry));
        }
        Ok(jobs)
    }

    /// Reads a job from its hash and the newest entry of its results stream.
    fn read(client: &Arc<Client>, id: &str, hash: Result<Reply>, entry: Result<Reply>) -> Result<Self> {
        let pairs = reply::pairs(hash?)?;
        if pairs.is_empty() {
            return Err(Error::NotFound { id: id.to_owned() });
        }
        let mut job = Self::new(client, Record::read(id, &RawHash(pairs), ReadMode::Full));
        if let Some((entry_id, fields)) = reply::first_stream_entry(entry?)? {
            job.last_entry = entry_id;
            // While a job runs again, the entry of its earlier run is no result. A repeated job keeps its last result
            // until the next one.
            if job.status.has_ended() || job.repeats_left.is_some() {
                job.record.apply_result_entry(&RawHash(fields));
            }
        }
        Ok(job)
    }
}

/// The commands that read one job: its hash, and the newest entry of its results stream if there is one.
fn read_commands(client: &Client, id: &str) -> impl Iterator<Item = RedisCommand> {
    let hash = RedisCommand::new("HGETALL").arg(client.keys.job(id));
    let entry = client
        .rq
        .results_stream(id)
        .map(|stream| RedisCommand::new("XREVRANGE").arg(stream).arg("+").arg("-").arg("COUNT").arg(1));
    [hash].into_iter().chain(entry)
}
