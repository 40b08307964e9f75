//! The process of a simulated worker: an engine, and the state of the threads around it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::super::clock::{MAX_TIME_OF_ERROR, MILLISECOND, Micros, micros};
use super::super::events::WorldEvent;
use super::super::exchange_copy::ExchangeCopy;
use super::super::jobs::handler_name;
use super::super::plan::{ExchangeFault, Plan, WorkerPlan};
use super::pool::SimulatedPool;
use crate::claim::{ClaimedJob, ExecutionRange};
use crate::job::Retry;
use crate::orphaned_ids::OrphanTracker;
use crate::worker::engine::{Config, Engine, ExchangeId, Replies};
use crate::worker::input::Input;
use crate::worker::options::Options;
use crate::worker::phase::Phase;
use crate::worker::run::RunId;

/// An exchange on its way.
pub(super) struct InFlight {
    pub(super) id: ExchangeId,
    pub(super) content: ExchangeCopy,
    pub(super) fault: Option<ExchangeFault>,
    /// The connection that it was sent on.
    pub(super) connection: u64,
    pub(super) replies: Option<Replies>,
    /// `true` once the engine has got a reply or an error.
    pub(super) is_answered: bool,
    /// `true` once it has reached Redis, or can no longer.
    pub(super) has_arrived: bool,
}

/// A call for which the loop waits.
pub(super) enum LoopCall {
    Exchange(ExchangeId),
    /// The leases are read first, and then the records.
    Fetch {
        claims: Vec<ExecutionRange>,
        leases: Option<(Micros, Vec<(usize, String)>)>,
        found: Option<Vec<ClaimedJob>>,
    },
    Probe {
        is_usable: bool,
    },
}

/// A run that the pool has, or had when it was abandoned.
pub(super) struct SimulatedRun {
    pub(super) execution: String,
    pub(super) member: String,
    pub(super) job: usize,
    pub(super) handler: Option<String>,
    pub(super) timeout: Option<Micros>,
    pub(super) is_supervised: bool,
    pub(super) is_canceled: bool,
    pub(super) retires: bool,
    /// `true` once the engine knows the run no more.
    pub(super) is_abandoned: bool,
    pub(super) has_begun: bool,
    /// Index of what the run does, among the plans of its job.
    pub(super) nth: usize,
    pub(super) ends_at: Micros,
    /// `true` if the run is ended by its cancel flag or its timeout.
    pub(super) is_cut_short: bool,
}

#[derive(Default)]
pub(super) struct WatcherState {
    pub(super) is_armed: bool,
    /// Number of the wait.
    pub(super) wait: u64,
}

pub(super) struct Process {
    pub(super) plan: WorkerPlan,
    pub(super) name: String,
    pub(super) options: Arc<Options>,
    pub(super) engine: Engine,
    pub(super) rng: Rng,
    pub(super) inbox: VecDeque<Input>,
    /// The time of the next turn.
    pub(super) turn_at: Option<Micros>,
    pub(super) call: Option<LoopCall>,
    pub(super) frozen: Vec<WorldEvent>,
    /// The phase that the stopper asks for.
    pub(super) phase: Phase,
    pub(super) is_quiet: bool,
    pub(super) runs: BTreeMap<RunId, SimulatedRun>,
    /// The execution of each run, by its number.
    pub(super) executions: Vec<String>,
    pub(super) pool: SimulatedPool,
    /// Number of runs that were started and not recalled.
    pub(super) started: u64,
    /// Queues that the worker knows to be suspended: its last claim has said so.
    pub(super) known_suspended: Vec<usize>,
    pub(super) in_flight: Vec<InFlight>,
    pub(super) exchanges: u64,
    pub(super) connection: u64,
    /// The leases that the heartbeat renews, with their queues and runs.
    pub(super) leases: BTreeMap<String, (usize, RunId)>,
    pub(super) heartbeats: u64,
    pub(super) heartbeat: Option<Vec<(usize, String)>>,
    pub(super) heartbeat_at: Micros,
    pub(super) heartbeat_failed_at: Option<Micros>,
    pub(super) watchers: Vec<WatcherState>,
    /// The time until which watchers are unblocked.
    pub(super) unblocks_until: Micros,
    pub(super) orphans: Vec<OrphanTracker>,
}

impl Process {
    pub(super) fn new(plan: &WorkerPlan, schedule: &Plan) -> Self {
        let seed = schedule.seed ^ (plan.number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = Rng::with_seed(seed);
        let options = Arc::new(options(plan, schedule));
        let supervised = plan.supervised;
        let is_supervised = move |handler: Option<&str>| {
            let number: Option<u8> = handler.and_then(|name| name.strip_prefix('h')?.parse().ok());
            number.is_some_and(|number| supervised & (1 << number) != 0)
        };
        let config = Config {
            options: Arc::clone(&options),
            dialect: schedule.dialect,
            is_supervised: Box::new(is_supervised),
            seed: rng.u64(..),
        };
        Process {
            plan: plan.clone(),
            name: options.name.clone(),
            options,
            engine: Engine::new(config),
            rng,
            inbox: VecDeque::new(),
            turn_at: None,
            call: None,
            frozen: Vec::new(),
            phase: Phase::Running,
            is_quiet: false,
            runs: BTreeMap::new(),
            executions: Vec::new(),
            pool: SimulatedPool::default(),
            started: 0,
            known_suspended: Vec::new(),
            in_flight: Vec::new(),
            exchanges: 0,
            connection: 0,
            leases: BTreeMap::new(),
            heartbeats: 0,
            heartbeat: None,
            heartbeat_at: 0,
            heartbeat_failed_at: None,
            watchers: (0..schedule.queues).map(|_| WatcherState::default()).collect(),
            unblocks_until: 0,
            orphans: (0..schedule.queues).map(|_| OrphanTracker::default()).collect(),
        }
    }

    pub(super) fn lease(&self) -> Duration {
        self.options.lease()
    }

    /// Time that a message needs.
    pub(super) fn latency(&mut self) -> Micros {
        match self.rng.u8(..) {
            0..4 => self.rng.u64(1000..40_000),
            _ => self.rng.u64(50..400),
        }
    }

    /// Time after which an unreachable Redis leads to an error.
    pub(super) fn time_of_error(&mut self) -> Micros {
        if self.rng.u8(..4) == 0 {
            self.rng.u64(100 * MILLISECOND..MAX_TIME_OF_ERROR)
        } else {
            self.rng.u64(100..10_000)
        }
    }
}

fn options(plan: &WorkerPlan, schedule: &Plan) -> Options {
    let queues = (0..schedule.queues).map(|queue| format!("q{queue}")).collect();
    let mut options = Options::new(queues);
    options.name = format!("w{}", plan.number);
    options.concurrency = plan.slots;
    options.burst = plan.burst;
    options.max_jobs = plan.max_jobs;
    options.max_idle_time = plan.max_idle.map(Duration::from_micros);
    options.grace = plan.grace.map(Duration::from_micros);
    options.lease = Some(Duration::from_micros(schedule.lease));
    options.recover_interval = Duration::from_micros(plan.recover_interval);
    options.max_deliveries = plan.max_deliveries;
    options.retry = plan.retries.map(|max| Retry::every(Duration::ZERO, max));
    options.broker_max_retries = plan.max_attempts;
    let limit = plan.handler_limit.map(|(handler, max)| (handler_name(handler), max));
    options.handler_concurrency.extend(limit);
    options
}

/// The end of a timeout.
pub(super) fn timeout_of(timeout: Option<Duration>) -> Option<Micros> {
    timeout.map(micros)
}
