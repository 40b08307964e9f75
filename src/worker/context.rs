//! The context of a handler: its job, its deadline, and the fields that it saves while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use super::input::Input;
use super::run::{JobField, RunInfo};
use crate::job::to_python;

/// Receives fields of the job's record that are to be saved.
type FieldSink = Box<dyn Fn(&'static str, Vec<u8>) + Send + Sync>;

/// The job that a handler runs.
pub struct Context {
    info: RunInfo,
    deadline: Option<Instant>,
    cancel_flag: Arc<AtomicBool>,
    sink: FieldSink,
}

impl Context {
    pub(crate) fn new(
        info: RunInfo,
        deadline: Option<Instant>,
        cancel_flag: Arc<AtomicBool>,
        inbox: Sender<Input>,
    ) -> Self {
        let (id, execution) = (info.id.clone(), info.execution_id.clone());
        let sink: FieldSink = Box::new(move |name, value| {
            let field = JobField { id: id.clone(), execution: execution.clone(), name };
            // This fails only when the worker has ended, and then nothing is saved any more.
            let _ = inbox.send(Input::FieldUpdate(field, value));
        });
        Context { info, deadline, cancel_flag, sink }
    }

    /// The context in a work horse. It has no cancel flag: a canceled job's work horse is killed.
    pub(crate) fn for_work_horse(info: RunInfo, left: Option<Duration>, sink: FieldSink) -> Self {
        let deadline = left.map(|left| Instant::now() + left);
        Context { info, deadline, cancel_flag: Arc::default(), sink }
    }

    /// The data of the run, without its deadline and cancel flag.
    pub(crate) fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The id of the job.
    pub fn id(&self) -> &str {
        &self.info.id
    }

    /// The name of the queue that the job was claimed from.
    pub fn queue(&self) -> &str {
        &self.info.queue
    }

    /// The name of the worker that runs the job.
    pub fn worker(&self) -> &str {
        &self.info.worker
    }

    /// The id of this run (RQ's execution id). Each run of a job has another one. Use it as an idempotency
    /// key for what must happen at most once per run, and the job's id for what must happen at most once per
    /// job.
    pub fn execution_id(&self) -> &str {
        &self.info.execution_id
    }

    /// The description of the job, as lists show it. By default, its call.
    pub fn description(&self) -> &str {
        &self.info.description
    }

    /// The number of the attempt: 1 for the first one, 2 for the first retry.
    pub fn attempt(&self) -> u32 {
        self.info.attempt
    }

    /// The number of claims of this attempt: more than 1 if a worker was lost with the job.
    pub fn delivery(&self) -> u32 {
        self.info.delivery
    }

    /// The timeout of the job; `None` if it has none.
    pub fn timeout(&self) -> Option<Duration> {
        self.info.timeout
    }

    /// The end of the timeout; `None` if the job has none.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time until the deadline, zero after it; `None` if the job has no timeout.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the handler should stop: the job is past its deadline, was canceled, or was recovered
    /// by another worker. A thread cannot be stopped from outside, so long handlers should check this now and
    /// then. A result that they return afterwards is ignored.
    pub fn is_canceled(&self) -> bool {
        self.cancel_flag.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The job's meta (data of the application's own), as it was when the run began.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.info.meta
    }

    /// Replaces the job's meta, for example to show progress. It is saved in the background, within moments.
    ///
    /// # Errors
    /// An error if the meta is neither a struct nor a map, or cannot be written by the job's serializer.
    pub fn save_meta(&self, meta: impl Serialize) -> anyhow::Result<()> {
        let meta = to_python(&meta).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(meta.is_dict(), "meta must be a struct or a map");
        self.save("meta", self.info.serializer.write(&meta).map_err(anyhow::Error::msg)?);
        Ok(())
    }

    /// Saves the log of the job's process.
    pub(crate) fn save_log(&self, text: String) {
        self.save("log", text.into_bytes());
    }

    /// Saves a field that the job's work horse has sent. Only a meta is allowed.
    pub(crate) fn save_field(&self, name: &str, value: Vec<u8>) {
        match self.info.serializer.check(&value) {
            Ok(()) if name == "meta" => self.save("meta", value),
            Ok(()) => {}
            Err(error) => log::warn!(target: "rq_rs", "{}: its {name} is not written: {error}", self.id()),
        }
    }

    fn save(&self, name: &'static str, value: Vec<u8>) {
        (self.sink)(name, value);
    }
}
