//! New jobs on their way in: the `enqueue` script's arguments and answer.

use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{Due, Fields, Record, Whose};
use crate::store::{Call, ENQUEUE, Reply, Store, reply};

/// A job ready to be sent.
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) at_front: bool,
    pub(crate) due: Option<Due>,
    pub(crate) expires: Option<i64>,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

impl Prepared {
    /// Where it goes: 0 behind the others, 1 before them, else when it is due.
    fn place(&self) -> String {
        match self.due {
            None => u8::from(self.at_front).to_string(),
            Some(Due::After(delay)) => format!("+{}", delay.as_secs_f64()),
            Some(Due::At(time)) => format!("@{time:.3}"),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.fields.iter().map(|(_, value)| value.len()).sum()
    }

    /// The record as it now lies in Redis.
    pub(crate) fn record(self) -> Record {
        let fields = self.fields.into_iter();
        let pairs = fields.map(|(field, value)| (field.as_bytes().to_vec(), value));
        Record::read(&self.id, &Fields(pairs.collect()), Whose::People)
    }
}

/// One script call. Repeating it after a lost reply does not enqueue twice.
pub(crate) fn call(store: &Store, queue: &QueueKeys, jobs: &[Prepared]) -> Call {
    let has_times = jobs.iter().any(|job| job.due.is_some());
    let mut call = Call::script(&ENQUEUE, &[&queue.list, &store.keys.queues(), &queue.scheduled])
        .arg(store.facts.push)
        .arg(store.facts.push_front)
        .arg(store.keys.job_prefix())
        .arg(if has_times { u8::from(store.facts.whole_seconds).to_string() } else { String::new() });
    for job in jobs {
        let expires = job.expires.map(|seconds| seconds.to_string()).unwrap_or_default();
        call = call.arg(&job.id).arg(job.place()).arg(expires).arg(job.fields.len() * 2);
        for (field, value) in &job.fields {
            call = call.arg(field).arg(value);
        }
    }
    call
}

/// Which of the jobs were stored.
pub(crate) fn accepted(answer: Reply) -> Result<Vec<bool>> {
    reply::list(answer)?.iter().map(|stored| Ok(reply::int(stored)? == 1)).collect()
}

/// What [`Queue::enqueue_many`](crate::Queue::enqueue_many) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bulk {
    /// The ids of the jobs that were enqueued, in order.
    pub ids: Vec<String>,
    /// Chosen ids that existed already; those jobs were left as they are.
    pub duplicates: Vec<String>,
}

impl Bulk {
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.duplicates.is_empty()
    }

    pub(crate) fn note(&mut self, ids: Option<Vec<String>>, answer: Option<Result<Reply>>) -> Result<()> {
        let (Some(ids), Some(answer)) = (ids, answer) else { return Ok(()) };
        for (id, is_accepted) in ids.into_iter().zip(accepted(answer?)?) {
            let list = if is_accepted { &mut self.ids } else { &mut self.duplicates };
            list.push(id);
        }
        Ok(())
    }
}
