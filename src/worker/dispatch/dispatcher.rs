//! The data of the dispatcher. Its loop is in `run_loop.rs`, and each other file of this folder has the methods of one
//! subject.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::exchange::Exchange;
use super::lost_claims::LostClaims;
use crate::claim::{ClaimedJob, Claimer, ExecutionIds};
use crate::client::Client;
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::event_bus::EventBus;
use crate::worker::executor::Executor;
use crate::worker::io_threads::IoThreads;
use crate::worker::message::{ControlMessage, Message};
use crate::worker::options::Options;
use crate::worker::outbox::Outbox;
use crate::worker::reconnect::ReconnectBackoff;
use crate::worker::state::WorkerState;
use crate::worker::stop::Stopper;
use crate::worker::summary::Summary;
use crate::worker::thread_pool::ThreadPool;
use crate::worker::thread_pool::run_queue::{RetireFlag, RunId};
use crate::worker::watchers::Watchers;

/// Assumed run time of a job before any has ended: long, so that nothing is prefetched.
pub(super) const INITIAL_RUN_TIME: Duration = Duration::from_secs(1);

/// State that the dispatcher shares with the other threads of its worker.
pub(crate) struct WorkerShared {
    pub(crate) client: Arc<Client>,
    pub(crate) options: Arc<Options>,
    pub(crate) queues: Vec<QueueKeys>,
    pub(crate) events: EventBus,
    pub(crate) stopper: Stopper,
    pub(crate) state: Arc<WorkerState>,
    pub(crate) on_healthy: Box<dyn Fn() + Send>,
}

/// A job that has a slot, or waits for one.
pub(super) struct ActiveRun {
    pub(super) job: ClaimedJob,
    pub(super) retire_flag: RetireFlag,
    /// Set when the run is to end: by a control, at the deadline, or by the heartbeat when the lease is lost. The
    /// handler reads it by `Context::is_canceled`.
    pub(super) cancel_flag: Arc<AtomicBool>,
    /// The moment at which the dispatcher abandons the run; `None` if a supervisor enforces the deadline.
    pub(super) deadline: Option<Instant>,
    /// `true` if a process runs the job, which its supervisor ends.
    pub(super) is_supervised: bool,
    /// The outcome that a [`ControlMessage`] has set for the run. A result of the handler has precedence.
    pub(super) control_outcome: Option<Outcome>,
}

/// State of claiming: the next exchange may include a claim only when there may be jobs.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum ClaimState {
    /// There may be jobs.
    Ready,
    /// The queues gave no jobs: the next claim waits for a watcher, or until this moment.
    WaitUntil(Option<Instant>),
}

impl ClaimState {
    pub(super) fn wait_ends_at(self) -> Option<Instant> {
        match self {
            ClaimState::Ready => None,
            ClaimState::WaitUntil(at) => at,
        }
    }
}

/// The dispatcher of a worker; [`run`](Self::run) is its loop.
pub(crate) struct Dispatcher {
    pub(super) worker: WorkerShared,
    pub(super) pool: ThreadPool,
    pub(super) watchers: Watchers,
    pub(super) io_threads: IoThreads,
    pub(super) inbox: Sender<Message>,
    pub(super) messages: Receiver<Message>,

    // Claims.
    pub(super) claimer: Arc<Claimer>,
    pub(super) execution_ids: ExecutionIds,
    pub(super) keys_checked_at: Option<DateTime<Utc>>,
    pub(super) claim_state: ClaimState,
    /// Counts the reasons to claim. If it has grown since an exchange was sent, the dispatcher claims again, whatever
    /// the reply says.
    pub(super) wakeup_epoch: u64,
    /// `true` after a claim that found the queues empty.
    pub(super) must_arm_watchers: bool,
    pub(super) is_suspended: bool,
    pub(super) is_quiet: bool,
    /// Queues that give no jobs now: suspended, or with a key of the wrong type.
    pub(super) unavailable_queues: Vec<usize>,
    /// Queues whose next job has a handler at its limit, with the name of that handler.
    pub(super) queues_at_limit: HashMap<usize, Option<String>>,
    /// Number of runs that were given to the pool, without prefetched ones that were put back.
    pub(super) runs_begun: u64,
    /// Moving average of the run times, the latest counting most.
    pub(super) mean_run_time: Duration,
    pub(super) lost_claims: LostClaims,

    // Runs.
    /// Claimed jobs whose runs have not begun. Each has a slot or may be prefetched.
    pub(super) arrived: Vec<Result<ClaimedJob>>,
    pub(super) runs: HashMap<RunId, ActiveRun>,
    pub(super) next_run: u64,
    /// Controls for jobs that may be in a claim in flight, each with the number of times that it found no run.
    pub(super) pending_controls: Vec<(ControlMessage, u8)>,

    // Exchanges with Redis.
    pub(super) outbox: Outbox,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) next_exchange: u64,
    /// Number of failures. Exchanges that were in flight together fail together, and count once.
    pub(super) failure_epoch: u64,
    pub(super) backoff: ReconnectBackoff,
    pub(super) health_reported_at: Option<Instant>,

    // Phases, from running to stopped.
    pub(super) idle_since: Option<Instant>,
    pub(super) draining_since: Option<Instant>,
    /// The moment since which a draining worker has no work left.
    pub(super) drained_at: Option<Instant>,
    pub(super) summary: Summary,
}

impl Dispatcher {
    pub(crate) fn new(
        worker: WorkerShared,
        executor: Executor,
        (inbox, messages): (Sender<Message>, Receiver<Message>),
    ) -> Self {
        let (client, queues, options) = (&worker.client, &worker.queues, &worker.options);
        Dispatcher {
            pool: ThreadPool::new(options.concurrency, executor, inbox.clone()),
            watchers: Watchers::start(client, queues, &inbox),
            io_threads: IoThreads::new(client, &inbox),
            claimer: Arc::new(Claimer::new(client, queues, &options.name, options.lease())),
            execution_ids: ExecutionIds::new(random_bits()),
            keys_checked_at: None,
            claim_state: ClaimState::Ready,
            wakeup_epoch: 0,
            must_arm_watchers: false,
            is_suspended: false,
            is_quiet: false,
            unavailable_queues: Vec::new(),
            queues_at_limit: HashMap::new(),
            runs_begun: 0,
            mean_run_time: INITIAL_RUN_TIME,
            lost_claims: LostClaims::default(),
            arrived: Vec::new(),
            runs: HashMap::new(),
            next_run: 0,
            pending_controls: Vec::new(),
            outbox: Outbox::default(),
            exchanges: Vec::new(),
            next_exchange: 0,
            failure_epoch: 0,
            backoff: ReconnectBackoff::new(options.broker_max_retries),
            health_reported_at: None,
            idle_since: None,
            draining_since: None,
            drained_at: None,
            summary: Summary::default(),
            worker,
            inbox,
            messages,
        }
    }

    pub(super) fn emit(&self, event: Event) {
        self.worker.events.emit(&event);
    }

    /// Allows a claim now, whatever the reply to a claim in flight says.
    pub(super) fn request_claim(&mut self) {
        self.claim_state = ClaimState::Ready;
        self.wakeup_epoch += 1;
    }
}

/// Random bits of the operating system: no two workers have the same.
pub(super) fn random_bits() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}
