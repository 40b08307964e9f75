//! What a handler knows about its job, and may say while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::{JobField, Message};
use crate::claim::ClaimedJob;
use crate::job::{Serializer, to_python};

/// What is to be known of the job: all that a work horse is told of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    id: String,
    queue: String,
    execution_id: String,
    worker: String,
    description: String,
    attempt: u32,
    delivery: u32,
    meta: Map<String, Value>,
    timeout: Option<Duration>,
    pub(crate) serializer: Serializer,
}

/// Who hears of a field of the job that is to be written.
type FieldSink = Box<dyn Fn(&'static str, Vec<u8>) + Send + Sync>;

/// The job a handler runs.
pub struct Context {
    facts: RunInfo,
    deadline: Option<Instant>,
    canceled: Arc<AtomicBool>,
    sink: FieldSink,
}

impl Context {
    pub(crate) fn new(
        running: &ClaimedJob,
        place: RunPlacement<'_>,
        canceled: Arc<AtomicBool>,
        inbox: Sender<Message>,
    ) -> Self {
        let record = &running.record;
        let facts = RunInfo {
            id: record.id.clone(),
            queue: place.queue.to_owned(),
            execution_id: running.execution.clone(),
            worker: place.worker.to_owned(),
            description: record.description.clone(),
            attempt: record.number_of_retries + 1,
            delivery: record.deliveries + 1,
            meta: record.meta.clone(),
            timeout: place.timeout,
            serializer: record.serializer,
        };
        let deadline = place.timeout.map(|timeout| Instant::now() + timeout);
        let (id, execution) = (facts.id.clone(), facts.execution_id.clone());
        let sink: FieldSink = Box::new(move |name, value| {
            let field = JobField { id: id.clone(), execution: execution.clone(), name };
            // A worker that has ended writes nothing any more.
            let _ = inbox.send(Message::FieldUpdate(field, value));
        });
        Context { facts, deadline, canceled, sink }
    }

    /// The same job in a work horse, with so much time left. It is not told of a cancel: it is ended.
    pub(crate) fn for_work_horse(facts: RunInfo, left: Option<Duration>, sink: FieldSink) -> Self {
        let deadline = left.map(|left| Instant::now() + left);
        Context { facts, deadline, canceled: Arc::default(), sink }
    }

    pub(crate) fn info(&self) -> &RunInfo {
        &self.facts
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// The queue it came from.
    pub fn queue(&self) -> &str {
        &self.facts.queue
    }

    /// The name of the worker that runs it.
    pub fn worker(&self) -> &str {
        &self.facts.worker
    }

    /// This run's own id: no other run of this or another job has it. Fit as an idempotency key
    /// for what must not happen twice in one run; the job's id is fit for what must not happen
    /// twice at all.
    pub fn execution_id(&self) -> &str {
        &self.facts.execution_id
    }

    /// What people see in lists.
    pub fn description(&self) -> &str {
        &self.facts.description
    }

    /// 1 for the first try, 2 for the first retry …
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// How often this attempt was handed out: more than 1 when a worker was lost with it.
    pub fn delivery(&self) -> u32 {
        self.facts.delivery
    }

    /// How long it may run; `None` for ever.
    pub fn timeout(&self) -> Option<Duration> {
        self.facts.timeout
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
        &self.facts.meta
    }

    /// Replaces the job's meta: a struct or map. Written within moments; for progress, say.
    ///
    /// # Errors
    /// When it is neither a struct nor a map.
    pub fn save_meta(&self, meta: impl Serialize) -> anyhow::Result<()> {
        let meta = to_python(&meta).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(meta.is_dict(), "meta must be a struct or a map");
        self.save("meta", self.facts.serializer.write(&meta).map_err(anyhow::Error::msg)?);
        Ok(())
    }

    /// What its process wrote for people.
    pub(crate) fn save_log(&self, text: String) {
        self.save("log", text.into_bytes());
    }

    /// A field that its work horse wants written.
    pub(crate) fn save_field(&self, name: &str, value: Vec<u8>) {
        match self.facts.serializer.check(&value) {
            Ok(()) if name == "meta" => self.save("meta", value),
            Ok(()) => {}
            Err(error) => log::warn!(target: "rq_rs", "{}: its {name} is not written: {error}", self.id()),
        }
    }

    fn save(&self, name: &'static str, value: Vec<u8>) {
        (self.sink)(name, value);
    }
}

/// Where and how long a job runs.
pub(crate) struct RunPlacement<'a> {
    pub(crate) queue: &'a str,
    pub(crate) worker: &'a str,
    pub(crate) timeout: Option<Duration>,
}
