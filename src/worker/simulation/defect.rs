//! Defects that a test puts around the engine, by name: in what the other threads of a worker do, and in what the engine
//! is told. A simulation that holds anything turns red with each of them. Defects of the scripts are those of the model.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// The heartbeat forgets the leases of some runs.
    LeaseIsNotTracked,
    /// An id that woke a watcher is dropped: the watcher reports the end of its time.
    WokenIdIsDropped,
    /// The end of a watcher's wait is not reported.
    WatcherEndIsDropped,
    /// A failed blocking move is not reported.
    WatcherFailureIsDropped,
    /// The client sends an exchange again whose reply was lost.
    ExchangeIsRepeated,
    /// Two calls of `finish` with other times: the reply of the second one is returned.
    FinishIsSentTwice,
    /// Recovery takes leases although a heartbeat has just failed, or Redis has just started.
    RecoveryIsNeverOnHold,
    /// Nobody puts orphaned ids back.
    OrphansStay,
    /// Nobody recovers expired leases.
    NobodyRecovers,
    /// Nobody promotes jobs that are due.
    NobodyPromotes,
    /// A look for the jobs of lost claims finds none.
    LostClaimsAreNotFound,
    /// A failed exchange is reported as a successful one with nothing in it.
    FailureLooksEmpty,
    /// A failed exchange is reported as one whose completions were written.
    FailureLooksDone,
    /// Acknowledgements come in another order than their completions.
    AcksAreSwapped,
    /// The jobs of a claim are lost on the way to the engine: the reply has none.
    ClaimedJobsAreDropped,
    /// Runs that were recalled from the pool are not reported.
    RecalledAreDropped,
    /// Runs that have begun are recalled.
    BegunAreRecalled,
    /// Some ends of runs are not reported.
    EndIsDropped,
    /// The cancel flag of a run is not set.
    CancelIsIgnored,
    /// The worker is not told that it has to drain.
    StopIsNotTold,
    /// The worker is not told that it continues.
    ContinueIsNotTold,
}

impl Defect {
    pub(super) const ALL: [Defect; 21] = [
        Defect::LeaseIsNotTracked,
        Defect::WokenIdIsDropped,
        Defect::WatcherEndIsDropped,
        Defect::WatcherFailureIsDropped,
        Defect::ExchangeIsRepeated,
        Defect::FinishIsSentTwice,
        Defect::RecoveryIsNeverOnHold,
        Defect::OrphansStay,
        Defect::NobodyRecovers,
        Defect::NobodyPromotes,
        Defect::LostClaimsAreNotFound,
        Defect::FailureLooksEmpty,
        Defect::FailureLooksDone,
        Defect::AcksAreSwapped,
        Defect::ClaimedJobsAreDropped,
        Defect::RecalledAreDropped,
        Defect::BegunAreRecalled,
        Defect::EndIsDropped,
        Defect::CancelIsIgnored,
        Defect::StopIsNotTold,
        Defect::ContinueIsNotTold,
    ];
}
