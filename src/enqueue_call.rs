//! The call of the script `enqueue`: its arguments and its reply.

use crate::client::scripts::Enqueue;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{Due, RawHash, ReadMode, Record};

/// Code in the script's reply for a job that was stored: see `src/lua/README.md`.
const STORED: i64 = 1;

/// A new job with the fields of its record, ready to be sent.
pub(crate) struct EncodedJob {
    pub(crate) id: String,
    pub(crate) at_front: bool,
    pub(crate) due: Option<Due>,
    /// Seconds that the job may wait in its queue before it expires.
    pub(crate) ttl: Option<i64>,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

impl EncodedJob {
    /// The destination as `lua/lib/store_jobs.lua` reads it: 0 for the back of the queue, 1 for its front, else the time for the
    /// scheduled registry.
    fn destination(&self) -> String {
        match self.due {
            None => u8::from(self.at_front).to_string(),
            Some(Due::After(delay)) => format!("+{}", delay.as_secs_f64()),
            Some(Due::At(time)) => format!("@{time:.3}"),
        }
    }

    /// Appends the job to the arguments of a script that stores jobs.
    pub(crate) fn add_to(&self, call: RedisCommand) -> RedisCommand {
        let ttl = self.ttl.map(|seconds| seconds.to_string()).unwrap_or_default();
        let call = call.arg(&self.id).arg(self.destination()).arg(ttl).arg(self.fields.len() * 2);
        self.fields.iter().fold(call, |call, (field, value)| call.arg(field).arg(value))
    }

    /// Bytes of all values.
    pub(crate) fn encoded_len(&self) -> usize {
        self.fields.iter().map(|(_, value)| value.len()).sum()
    }

    /// The record as Redis stores it now.
    pub(crate) fn into_record(self) -> Record {
        let fields = self.fields.into_iter();
        let pairs = fields.map(|(field, value)| (field.as_bytes().to_vec(), value));
        Record::read(&self.id, &RawHash(pairs.collect()), ReadMode::Full)
    }
}

/// Encodes one script call. Repeating it after a lost reply does not enqueue twice.
pub(crate) fn encode(client: &Client, queue: &QueueKeys, jobs: &[EncodedJob]) -> RedisCommand {
    let call = client.evalsha(&Enqueue {
        list: &queue.list,
        queues: &client.keys.queues(),
        scheduled: &queue.scheduled,
        has_times: jobs.iter().any(|job| job.due.is_some()),
    });
    jobs.iter().fold(call, |call, job| job.add_to(call))
}

/// Decodes the reply: for each job, in order, `true` if it was stored, `false` if its id exists.
pub(crate) fn decode_reply(reply: Reply) -> Result<Vec<bool>> {
    reply::list(reply)?.iter().map(|code| Ok(reply::int(code)? == STORED)).collect()
}

/// The ids that [`Queue::enqueue_many`](crate::Queue::enqueue_many) enqueued, and those it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bulk {
    /// Ids of the jobs that were enqueued, in order.
    pub ids: Vec<String>,
    /// Chosen ids that existed already; those jobs were left as they are.
    pub duplicates: Vec<String>,
}

impl Bulk {
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.duplicates.is_empty()
    }

    /// Adds the reply to the call that sent the jobs with these ids. Does nothing if no call awaits its reply.
    pub(crate) fn record_reply(
        &mut self,
        ids: Option<Vec<String>>,
        reply: Option<Result<Reply>>,
    ) -> Result<()> {
        let (Some(ids), Some(reply)) = (ids, reply) else { return Ok(()) };
        for (id, is_stored) in ids.into_iter().zip(decode_reply(reply?)?) {
            let list = if is_stored { &mut self.ids } else { &mut self.duplicates };
            list.push(id);
        }
        Ok(())
    }
}
