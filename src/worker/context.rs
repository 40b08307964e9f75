//! What a handler knows about its job, and may say while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use super::message::{JobField, Message};
use crate::fetch::Running;
use crate::job::{Serializer, to_python};

/// The job a handler runs.
pub struct Context {
    id: String,
    queue: String,
    execution_id: String,
    worker: String,
    description: String,
    attempt: u32,
    delivery: u32,
    meta: Map<String, Value>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    canceled: Arc<AtomicBool>,
    serializer: Serializer,
    inbox: Sender<Message>,
}

impl Context {
    pub(crate) fn new(
        running: &Running,
        place: Place<'_>,
        canceled: Arc<AtomicBool>,
        inbox: Sender<Message>,
    ) -> Self {
        let record = &running.record;
        Context {
            id: record.id.clone(),
            queue: place.queue.to_owned(),
            execution_id: running.execution.clone(),
            worker: place.worker.to_owned(),
            description: record.description.clone(),
            attempt: record.number_of_retries + 1,
            delivery: record.deliveries + 1,
            meta: record.meta.clone(),
            timeout: place.timeout,
            deadline: place.timeout.map(|timeout| Instant::now() + timeout),
            canceled,
            serializer: record.serializer,
            inbox,
        }
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The queue it came from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The name of the worker that runs it.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// This run's own id: no other run of this or another job has it. Fit as an idempotency key
    /// for what must not happen twice in one run; the job's id is fit for what must not happen
    /// twice at all.
    pub fn execution_id(&self) -> &str {
        &self.execution_id
    }

    /// What people see in lists.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// 1 for the first try, 2 for the first retry …
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How often this attempt was handed out: more than 1 when a worker was lost with it.
    pub fn delivery(&self) -> u32 {
        self.delivery
    }

    /// How long it may run; `None` for ever.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// When its time is over; `None` when it may run for ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How much time it has left; `None` when it may run for ever.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether it should stop: its time is over, it was canceled, or another worker has taken it
    /// over. A thread cannot be stopped from outside, so long handlers should ask now and then;
    /// what they return after that changes nothing.
    pub fn is_canceled(&self) -> bool {
        self.canceled.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The caller's own data, as it was when the run began.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.meta
    }

    /// Replaces the job's meta: a struct or map. Written within moments; for progress, say.
    ///
    /// # Errors
    /// When it is neither a struct nor a map.
    pub fn save_meta(&self, meta: impl Serialize) -> anyhow::Result<()> {
        let meta = to_python(&meta).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(meta.is_dict(), "meta must be a struct or a map");
        self.save("meta", self.serializer.write(&meta).map_err(anyhow::Error::msg)?);
        Ok(())
    }

    /// What its program wrote to standard error.
    pub(crate) fn save_log(&self, text: String) {
        self.save("log", text.into_bytes());
    }

    fn save(&self, name: &'static str, value: Vec<u8>) {
        let field = JobField { id: self.id.clone(), execution: self.execution_id.clone(), name };
        // A worker that has ended writes nothing any more.
        let _ = self.inbox.send(Message::Save(field, value));
    }
}

/// Where and how long a job runs.
pub(crate) struct Place<'a> {
    pub(crate) queue: &'a str,
    pub(crate) worker: &'a str,
    pub(crate) timeout: Option<Duration>,
}
