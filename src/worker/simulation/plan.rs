//! A schedule as a value: all that is planned to happen. It is made from a seed, carried out by the world, and made
//! smaller when it has failed.

use super::clock::Micros;
use crate::dialect::DialectSpec;

/// A schedule.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) dialect: &'static DialectSpec,
    pub(super) queues: usize,
    /// Length of the leases.
    pub(super) lease: Micros,
    /// The time at which the faults stop.
    pub(super) end: Micros,
    /// Age of the Redis server at the begin.
    pub(super) uptime: Micros,
    pub(super) items: Vec<Planned>,
}

/// Something that is planned. Workers and jobs are named by their number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Planned {
    Enqueue {
        at: Micros,
        job: JobPlan,
    },
    Start {
        at: Micros,
        worker: WorkerPlan,
    },
    Exchange {
        worker: usize,
        exchange: u64,
        fault: ExchangeFault,
    },
    /// A heartbeat of a worker that fails, although Redis can be used.
    Heartbeat {
        worker: usize,
        heartbeat: u64,
    },
    Worker {
        at: Micros,
        worker: usize,
        event: WorkerEvent,
    },
    Redis {
        at: Micros,
        event: RedisEvent,
    },
    User {
        at: Micros,
        event: UserEvent,
    },
}

impl Planned {
    /// The time of the item; `None` for a fault of an exchange or heartbeat.
    pub(super) fn at(&self) -> Option<Micros> {
        match self {
            Planned::Enqueue { at, .. }
            | Planned::Start { at, .. }
            | Planned::Worker { at, .. }
            | Planned::Redis { at, .. }
            | Planned::User { at, .. } => Some(*at),
            Planned::Exchange { .. } | Planned::Heartbeat { .. } => None,
        }
    }
}

/// A job and what its runs do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobPlan {
    pub(super) number: usize,
    pub(super) queue: usize,
    pub(super) at_front: bool,
    /// Milliseconds until the job is due.
    pub(super) delay: Option<u64>,
    pub(super) options: JobSetup,
    /// The runs in their order; the last entry is for all further ones.
    pub(super) runs: Vec<RunPlan>,
}

/// The part of a job that its record holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct JobSetup {
    pub(super) handler: u8,
    /// Number of retries, and seconds between them.
    pub(super) retry: Option<(u32, u64)>,
    pub(super) timeout: Option<u64>,
    pub(super) result_ttl: Option<u32>,
    pub(super) repeats: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunPlan {
    pub(super) lasts: Micros,
    pub(super) end: RunEnd,
    /// `true` if the run ends soon after its cancel flag is set.
    pub(super) is_cooperative: bool,
    /// `true` if the run writes a field of its job.
    pub(super) writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RunEnd {
    Return,
    Fail,
    /// The run fails and asks for a retry after these seconds.
    RetryAfter(u64),
    /// The run asks for another one after these milliseconds.
    Snooze(u64),
    GiveUp,
    Crash,
}

/// A worker and its options.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct WorkerPlan {
    pub(super) number: usize,
    pub(super) slots: usize,
    pub(super) burst: bool,
    pub(super) max_jobs: Option<u64>,
    pub(super) max_idle: Option<Micros>,
    pub(super) grace: Option<Micros>,
    /// A handler and the number of its runs at a time.
    pub(super) handler_limit: Option<(u8, usize)>,
    /// Retries of jobs without a policy.
    pub(super) retries: Option<u32>,
    pub(super) max_deliveries: u32,
    /// The handlers that run in processes, as bits.
    pub(super) supervised: u8,
    pub(super) max_attempts: u32,
    pub(super) recover_interval: Micros,
    /// `true` for a worker that starts when the faults have stopped.
    pub(super) is_last: bool,
}

/// A fault of one exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ExchangeFault {
    RequestLost,
    ReplyLost,
    /// Redis carries the commands out this long after the worker has got an error.
    Late(Micros),
    /// Redis carries out the first of the commands only.
    CutAfter(usize),
    Delayed(Micros),
    RepliedTwice,
    FinishRejected(Rejection),
    ClaimRejected(Rejection),
    /// Redis has forgotten the script `finish`: the claim is carried out before it.
    ScriptsForgotten,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rejection {
    OutOfMemory,
    ReadOnly,
    WrongType,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WorkerEvent {
    Kill,
    /// The worker is stopped by a signal, and continues after this time.
    Freeze(Micros),
    Stop,
    StopNow,
    Quiet,
    Continue,
    /// The connection of the dispatcher breaks.
    Cut,
    KillHorse,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RedisEvent {
    /// Redis restarts and keeps its data; it is away for this time.
    Restart(Micros),
    /// Redis restarts and loses its data.
    Flush(Micros),
    /// Nobody reaches Redis for this time.
    Away(Micros),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum UserEvent {
    Cancel(usize),
    Delete(usize),
    /// Somebody deletes the record alone, as if its time to live had passed.
    Forget(usize),
    /// Somebody pushes the id to its queue by hand.
    PushCopy(usize),
    Requeue(usize),
    EnqueueNow(usize),
    /// The reply to an enqueue was lost: the same call again.
    EnqueueAgain(usize),
    /// Another job with the id of this one.
    EnqueueOther(usize),
    StopJob(usize),
    Suspend(usize),
    Resume(usize),
    SuspendAll,
    ResumeAll,
}
