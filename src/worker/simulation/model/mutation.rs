//! Faults that a test can put into the model, by name. A test that holds anything turns red with the fault that breaks
//! it.

/// One rule of the scripts that the model then breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker::simulation) enum Mutation {
    /// `finish` ends the run of any execution, whatever the record names.
    FenceRemoved,
    /// `finish` does not recognize a call that was made before: it answers `Fenced`.
    FinishNotRecognizedWhenRepeated,
    /// `finish` writes the record, and not the place.
    FinishLosesTheJob,
    /// `finish` leaves the lease behind.
    FinishKeepsTheLease,
    /// `finish` puts a job back at the back of its queue, not at the front.
    PutBackToTheBack,
    /// `finish` ends a run in recovery although its worker has renewed the lease.
    RecoveryIgnoresRenewal,
    /// After a recovery the record still names the execution of the lost worker.
    RecoveryKeepsTheExecution,
    /// `expired_leases` returns leases that have not expired.
    RecoveryTakesLiveLeases,
    /// `claim` writes no lease.
    LeaseIsNotWritten,
    /// `claim` leaves the status as it is.
    ClaimForgetsTheStatus,
    /// `claim` does not count deliveries.
    DeliveriesAreNotCounted,
    /// `claim` takes an id for a waiting job, whatever the status in its record.
    ClaimIgnoresTheStatus,
    /// `claim` drops popped ids for which no slot is free.
    PoppedIdIsDropped,
    /// `claim` claims the job of a popped id that is no longer in the intermediate list.
    PoppedIdIsNotChecked,
    /// `claim` claims jobs of suspended queues.
    SuspensionIsIgnored,
    /// `heartbeat` renews no lease.
    LeaseIsNotRenewed,
    /// `heartbeat` restores a lease that was deleted, whatever the record names.
    LostLeaseIsRestored,
    /// `put_back_orphaned_ids` leaves the ids in the intermediate list, too.
    OrphanIsCopied,
    /// `promote_due` takes jobs out of their registry and enqueues none.
    PromotionLosesTheJob,
    /// `enqueue` enqueues an id that exists once more.
    ExistingIdIsEnqueued,
    /// `cancel` leaves the lease of a running job.
    CancelKeepsTheLease,
    /// `delete` leaves the lease of a running job.
    DeleteKeepsTheLease,
    /// `requeue` does not make the job new.
    RequeueKeepsTheCounts,
    /// `set_field` writes the field for any execution.
    FieldIsNotFenced,
}

impl Mutation {
    pub(in crate::worker::simulation) const ALL: [Mutation; 24] = [
        Mutation::FenceRemoved,
        Mutation::FinishNotRecognizedWhenRepeated,
        Mutation::FinishLosesTheJob,
        Mutation::FinishKeepsTheLease,
        Mutation::PutBackToTheBack,
        Mutation::RecoveryIgnoresRenewal,
        Mutation::RecoveryKeepsTheExecution,
        Mutation::RecoveryTakesLiveLeases,
        Mutation::LeaseIsNotWritten,
        Mutation::ClaimForgetsTheStatus,
        Mutation::DeliveriesAreNotCounted,
        Mutation::ClaimIgnoresTheStatus,
        Mutation::PoppedIdIsDropped,
        Mutation::PoppedIdIsNotChecked,
        Mutation::SuspensionIsIgnored,
        Mutation::LeaseIsNotRenewed,
        Mutation::LostLeaseIsRestored,
        Mutation::OrphanIsCopied,
        Mutation::PromotionLosesTheJob,
        Mutation::ExistingIdIsEnqueued,
        Mutation::CancelKeepsTheLease,
        Mutation::DeleteKeepsTheLease,
        Mutation::RequeueKeepsTheCounts,
        Mutation::FieldIsNotFenced,
    ];
}
