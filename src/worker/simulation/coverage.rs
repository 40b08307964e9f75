//! Counters of what happens in the schedules, so that a test can assert that each fault, cause and path occurs.

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Schedules,
    Steps,
    JobsEnqueued,
    RunsBegun,
    RequestLost,
    ReplyLost,
    ExchangeLate,
    ExchangeCut,
    ReplyDelayed,
    RepliesOvertook,
    RepliedTwice,
    FinishRejected,
    ClaimRejected,
    ScriptsForgotten,
    HeartbeatFailed,
    WorkerKilled,
    KilledWithRuns,
    WorkerFrozen,
    WorkerStopped,
    WorkerQuieted,
    WorkerGaveUp,
    WorkerStuck,
    GraceOver,
    BurstEnded,
    MaxJobsEnded,
    IdleEnded,
    KillHorse,
    StopJob,
    RedisRestarted,
    RedisFlushed,
    RedisAway,
    Canceled,
    CanceledWhileRunning,
    Deleted,
    Forgotten,
    CopyPushed,
    Requeued,
    EnqueuedNow,
    EnqueuedAgain,
    Suspended,
    WokenByWatcher,
    PutBackPopped,
    OrphanPutBack,
    Promoted,
    SecondExchange,
    Recalled,
    OverHandlerLimit,
    LostClaimReclaimed,
    LostClaimExpired,
    Fenced,
    AlreadyDone,
    Recovered,
    RecoveredAsFailed,
    RecoveredOfLostWorker,
    RecoveredOfFrozenWorker,
    RecoveredOfCutWorker,
    RecoveredAfterOutage,
    RecoveredUnsaved,
    RecoveryOnHold,
    RecoveryFenced,
    LeaseLost,
    FieldWritten,
    FieldFenced,
    Abandoned,
    AbandonedReplaced,
    TimedOutSupervised,
    Retried,
    Snoozed,
    Repeated,
    Finished,
    Failed,
    PutBackAtShutdown,
    Overlapped,
    Probed,
}

/// Number of marks.
const MARKS: usize = Mark::Probed as usize + 1;

/// All marks.
const MARK_LIST: [Mark; MARKS] = [
    Mark::Schedules,
    Mark::Steps,
    Mark::JobsEnqueued,
    Mark::RunsBegun,
    Mark::RequestLost,
    Mark::ReplyLost,
    Mark::ExchangeLate,
    Mark::ExchangeCut,
    Mark::ReplyDelayed,
    Mark::RepliesOvertook,
    Mark::RepliedTwice,
    Mark::FinishRejected,
    Mark::ClaimRejected,
    Mark::ScriptsForgotten,
    Mark::HeartbeatFailed,
    Mark::WorkerKilled,
    Mark::KilledWithRuns,
    Mark::WorkerFrozen,
    Mark::WorkerStopped,
    Mark::WorkerQuieted,
    Mark::WorkerGaveUp,
    Mark::WorkerStuck,
    Mark::GraceOver,
    Mark::BurstEnded,
    Mark::MaxJobsEnded,
    Mark::IdleEnded,
    Mark::KillHorse,
    Mark::StopJob,
    Mark::RedisRestarted,
    Mark::RedisFlushed,
    Mark::RedisAway,
    Mark::Canceled,
    Mark::CanceledWhileRunning,
    Mark::Deleted,
    Mark::Forgotten,
    Mark::CopyPushed,
    Mark::Requeued,
    Mark::EnqueuedNow,
    Mark::EnqueuedAgain,
    Mark::Suspended,
    Mark::WokenByWatcher,
    Mark::PutBackPopped,
    Mark::OrphanPutBack,
    Mark::Promoted,
    Mark::SecondExchange,
    Mark::Recalled,
    Mark::OverHandlerLimit,
    Mark::LostClaimReclaimed,
    Mark::LostClaimExpired,
    Mark::Fenced,
    Mark::AlreadyDone,
    Mark::Recovered,
    Mark::RecoveredAsFailed,
    Mark::RecoveredOfLostWorker,
    Mark::RecoveredOfFrozenWorker,
    Mark::RecoveredOfCutWorker,
    Mark::RecoveredAfterOutage,
    Mark::RecoveredUnsaved,
    Mark::RecoveryOnHold,
    Mark::RecoveryFenced,
    Mark::LeaseLost,
    Mark::FieldWritten,
    Mark::FieldFenced,
    Mark::Abandoned,
    Mark::AbandonedReplaced,
    Mark::TimedOutSupervised,
    Mark::Retried,
    Mark::Snoozed,
    Mark::Repeated,
    Mark::Finished,
    Mark::Failed,
    Mark::PutBackAtShutdown,
    Mark::Overlapped,
    Mark::Probed,
];

#[derive(Debug, Clone)]
pub(super) struct Coverage([u64; MARKS]);

impl Default for Coverage {
    fn default() -> Self {
        Coverage([0; MARKS])
    }
}

impl Coverage {
    pub(super) fn count(&mut self, mark: Mark) {
        self.0[mark as usize] += 1;
    }

    pub(super) fn add(&mut self, mark: Mark, count: u64) {
        self.0[mark as usize] += count;
    }

    pub(super) fn get(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    pub(super) fn merge(&mut self, other: &Coverage) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
    }

    /// The counts for each mark, with its name.
    pub(super) fn all(&self) -> Vec<(String, u64)> {
        MARK_LIST.iter().map(|mark| (format!("{mark:?}"), self.get(*mark))).collect()
    }
}
