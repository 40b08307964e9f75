//! The driver: the loop of a worker. It gives the engine what has happened, with the time, and carries out its actions.
//! It owns what the engine has not: the connection to Redis, the threads and the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::accounting::record_completion;
use super::context::Context;
use super::engine::{Action, Config, Engine, ExchangeId, MAX_PREFETCH_WAIT, Now, SHUTDOWN_TIMEOUT, Start};
use super::event::Event;
use super::event_bus::EventBus;
use super::exchange_codec::ExchangeCodec;
use super::executor::Executor;
use super::input::Input;
use super::io_threads::IoThreads;
use super::lost_claim_reader;
use super::options::Options;
use super::run::RunId;
use super::state::WorkerState;
use super::stop::Stopper;
use super::summary::Summary;
use super::thread_pool::ThreadPool;
use super::thread_pool::run_queue::RetireFlag;
use super::watchers::Watchers;
use crate::client::{Client, RedisCommand};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::Outcome;

/// The loop iterates at least this often.
const MAX_POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// A heartbeat that is late by more than this means trouble.
const HEARTBEAT_TOLERANCE: Duration = Duration::from_secs(3);
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// Time for which a supervisor may need longer than the limit that the worker sets for its process.
const CHILD_EXIT_MARGIN: Duration = Duration::from_secs(1);

/// State that the driver shares with the other threads of its worker.
pub(super) struct WorkerShared {
    pub(super) client: Arc<Client>,
    pub(super) options: Arc<Options>,
    pub(super) queues: Vec<QueueKeys>,
    pub(super) events: EventBus,
    pub(super) stopper: Stopper,
    pub(super) state: Arc<WorkerState>,
    pub(super) on_healthy: Box<dyn Fn() + Send>,
}

/// The driver's side of a run.
struct RunHandle {
    /// Read by the handler as `Context::is_canceled`. The heartbeat sets it too, when the lease is lost.
    cancel_flag: Arc<AtomicBool>,
    retire_flag: RetireFlag,
    /// The lease that the heartbeat renews.
    lease_member: String,
    /// `true` if a process runs the job.
    is_supervised: bool,
}

/// The driver of a worker; [`run`](Self::run) is its loop.
pub(super) struct Driver {
    worker: WorkerShared,
    engine: Engine,
    codec: Arc<ExchangeCodec>,
    io_threads: IoThreads,
    executor: Arc<Executor>,
    pool: ThreadPool,
    watchers: Watchers,
    inbox: Sender<Input>,
    inputs: Receiver<Input>,
    runs: HashMap<RunId, RunHandle>,
    /// `true` once the loop has waited for an exchange in this iteration.
    has_exchanged: bool,
    health_reported_at: Option<Instant>,
    summary: Summary,
}

impl Driver {
    pub(super) fn new(
        worker: WorkerShared,
        executor: Executor,
        (inbox, inputs): (Sender<Input>, Receiver<Input>),
    ) -> Self {
        let WorkerShared { client, queues, options, .. } = &worker;
        let (executor, codec) = (Arc::new(executor), Arc::new(ExchangeCodec::new(client, queues, options)));
        let executor_of_engine = Arc::clone(&executor);
        let engine = Engine::new(Config {
            options: Arc::clone(options),
            dialect: client.dialect,
            is_supervised: Box::new(move |handler| executor_of_engine.is_supervised(handler)),
            // From the operating system: no other worker has the same.
            seed: uuid::Uuid::new_v4().as_u64_pair().1,
        });
        Driver {
            engine,
            io_threads: IoThreads::new(&codec, &inbox),
            codec,
            pool: ThreadPool::new(&executor, &inbox),
            executor,
            watchers: Watchers::start(client, queues, &inbox),
            runs: HashMap::new(),
            has_exchanged: false,
            health_reported_at: None,
            summary: Summary::default(),
            worker,
            inbox,
            inputs,
        }
    }

    /// Runs jobs until the worker is stopped, or its options end it.
    pub(super) fn run(mut self) -> Result<Summary> {
        self.worker.events.emit(&Event::Ready {
            worker: self.worker.options.name.clone(),
            queues: self.worker.options.queues.clone(),
        });
        let result = self.run_loop();
        self.wait_for_children();
        self.executor.end_processes();
        result?;
        self.worker.events.emit(&Event::Ended(self.summary));
        Ok(self.summary)
    }

    fn run_loop(&mut self) -> Result<()> {
        // The state of the stopper comes first: the worker may be told to stop before it begins.
        self.handle_inputs(None);
        loop {
            self.worker.stopper.mark_alive();
            self.has_exchanged = false;
            while let Some(action) = self.engine.poll(now()) {
                if let Action::Stop(result) = action {
                    return result;
                }
                self.carry_out(action);
            }
            self.submit_runs();
            self.publish_state();
            self.report_health();
            let first = self.wait_for_input();
            self.handle_inputs(first);
        }
    }

    /// Gives the engine everything that has happened, this input first.
    fn handle_inputs(&mut self, first: Option<Input>) {
        // A run sends its field updates before it ends. Its end is taken before the other inputs are read and handled
        // after them, so that the updates come first.
        let ended = self.pool.take_ended();
        let mut next = first.or_else(|| self.inputs.try_recv().ok());
        while let Some(input) = next {
            self.handle(input);
            next = self.inputs.try_recv().ok();
        }
        for (run, outcome) in ended {
            self.on_run_ended(run, outcome);
        }
    }

    /// Waits until something happens or is due.
    fn wait_for_input(&self) -> Option<Input> {
        // The pool sends an input when enough runs have ended for an exchange.
        let may_wait = self.engine.ends_until_send().is_none_or(|count| self.pool.arm_notification(count));
        if !may_wait {
            return self.inputs.try_recv().ok();
        }
        let now = Instant::now();
        let timeout = self.engine.wake_at().map(|at| at.saturating_duration_since(now));
        self.inputs.recv_timeout(timeout.unwrap_or(MAX_POLL_TIMEOUT).min(MAX_POLL_TIMEOUT)).ok()
    }

    fn handle(&mut self, input: Input) {
        if let Input::Replied { exchange, .. } = &input {
            self.io_threads.release(*exchange);
        }
        self.engine.handle(now(), input);
    }

    fn on_run_ended(&mut self, run: RunId, outcome: Outcome) {
        self.remove_handle(run);
        self.engine.handle(now(), Input::RunEnded { run, outcome });
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send { exchange, is_alone } => self.send(exchange, is_alone),
            Action::Start(start) => self.start(*start),
            Action::Recall => self.recall(),
            Action::Cancel(run) => self.cancel(run),
            Action::Abandon { run, is_replaced } => self.abandon(run, is_replaced),
            Action::ArmWatcher(queue) => self.watchers.arm(queue),
            Action::UnblockWatchers => self.watchers.unblock_all(&self.worker.client),
            Action::FetchLostClaims(executions) => {
                self.submit_runs();
                let WorkerShared { client, queues, options, .. } = &self.worker;
                let jobs = lost_claim_reader::fetch_jobs(client, queues, &options.name, &executions);
                self.handle(Input::LostClaimsFetched(jobs));
            }
            Action::Probe => {
                self.submit_runs();
                let is_usable = self.probe();
                self.handle(Input::Probed(is_usable));
            }
            Action::Terminate => self.worker.stopper.stop_now(),
            Action::Report(acknowledged) => {
                for (completion, ack) in acknowledged {
                    let event = record_completion(&mut self.summary, &self.worker.state, completion, ack);
                    self.worker.events.emit(&event);
                }
            }
            Action::Emit(event) => self.worker.events.emit(&event),
            // The loop ends.
            Action::Stop(_) => {}
        }
    }

    fn send(&mut self, id: ExchangeId, is_alone: bool) {
        let Some(exchange) = self.engine.exchange(id) else { return };
        let encoded = self.codec.encode(exchange);
        if !is_alone {
            return self.io_threads.send(id, encoded);
        }
        self.submit_runs();
        if std::mem::replace(&mut self.has_exchanged, true) {
            // However many exchanges follow each other, none of them delays an order to stop. The first one does not look
            // for ended runs: more of them have ended when the loop comes to that, and go in one batch.
            self.worker.stopper.mark_alive();
            self.handle_inputs(None);
        }
        let replies = self.codec.send(&encoded);
        self.handle(Input::Replied { exchange: id, replies });
    }

    /// Hands the runs that were started over to the threads. No run waits for Redis, so this comes before each call.
    fn submit_runs(&mut self) {
        self.pool.submit_staged(self.engine.max_threads());
    }

    /// Adds a run to the pool, which gets it with the next [`submit_runs`](Self::submit_runs).
    fn start(&mut self, start: Start) {
        let Start { run, queue, info, job, deadline, is_supervised } = start;
        let cancel_flag = Arc::new(AtomicBool::new(false));
        let lease_member = format!("{}:{}", info.id, info.execution_id);
        self.worker.state.track_lease(lease_member.clone(), queue, &cancel_flag);
        self.worker.events.emit(&Event::Started {
            id: info.id.clone(),
            queue: info.queue.clone(),
            description: info.description.clone(),
        });
        let context = Context::new(info, deadline, Arc::clone(&cancel_flag), self.inbox.clone());
        let retire_flag = self.pool.stage(run, context, job);
        self.runs.insert(run, RunHandle { cancel_flag, retire_flag, lease_member, is_supervised });
    }

    fn recall(&mut self) {
        let recalled = self.pool.recall_overdue(MAX_PREFETCH_WAIT);
        for run in &recalled {
            self.remove_handle(*run);
        }
        self.handle(Input::Recalled(recalled));
    }

    fn cancel(&self, run: RunId) {
        if let Some(handle) = self.runs.get(&run) {
            handle.cancel_flag.store(true, Ordering::Relaxed);
        }
    }

    fn abandon(&mut self, run: RunId, is_replaced: bool) {
        if let Some(handle) = self.remove_handle(run)
            && is_replaced
        {
            handle.retire_flag.set();
        }
    }

    /// Removes the handle of a run that is over for the engine, and lets the heartbeat forget its lease.
    fn remove_handle(&mut self, run: RunId) -> Option<RunHandle> {
        let handle = self.runs.remove(&run)?;
        self.worker.state.untrack_lease(&handle.lease_member);
        Some(handle)
    }

    /// Returns `true` if Redis replies and accepts writes; a replica, or a server that cannot save, does not.
    fn probe(&self) -> bool {
        let WorkerShared { client, options, .. } = &self.worker;
        let record = client.keys.worker(&options.name);
        let renew = RedisCommand::new("EXPIRE").arg(record).arg(options.worker_ttl.as_secs() + 60);
        let replies = client.call_all_single_attempt(&[RedisCommand::new("PING"), renew]);
        replies.is_ok_and(|replies| replies.iter().all(Result::is_ok))
    }

    /// Writes what the heartbeat saves.
    fn publish_state(&self) {
        let state = &self.worker.state;
        if let Some(name) = self.engine.worker_state() {
            state.set_state(name);
        }
        state.set_abandoned_threads(self.engine.abandoned_threads());
    }

    /// Reports an iteration without trouble: Redis can be used and leases are renewed.
    fn report_health(&mut self) {
        let is_due = self.health_reported_at.is_none_or(|at| at.elapsed() >= HEALTH_INTERVAL);
        let max_age = self.worker.options.lease() / 3 + HEARTBEAT_TOLERANCE;
        let leases_are_safe = self.worker.state.has_fresh_heartbeat(max_age);
        if is_due && leases_are_safe && self.engine.is_healthy(Instant::now()) {
            self.health_reported_at = Some(Instant::now());
            self.worker.state.mark_healthy();
            (self.worker.on_healthy)();
        }
    }

    /// Ends the processes of running jobs and waits for them, also when the worker ends with an error.
    fn wait_for_children(&mut self) {
        self.runs.retain(|_, handle| handle.is_supervised);
        for handle in self.runs.values() {
            handle.cancel_flag.store(true, Ordering::Relaxed);
        }
        let kill_timeout = self.worker.options.kill_after + CHILD_EXIT_MARGIN;
        let until = Instant::now() + SHUTDOWN_TIMEOUT.max(kill_timeout);
        while !self.runs.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if self.pool.arm_notification(1) && self.inputs.recv_timeout(left).is_err() {
                return;
            }
            for (run, _) in self.pool.take_ended() {
                self.runs.remove(&run);
            }
        }
    }
}

/// The present.
fn now() -> Now {
    Now { instant: Instant::now(), utc: Utc::now() }
}
