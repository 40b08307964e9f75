//! The places of a job: the lists and registries of a queue.

/// A list or registry of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::worker::simulation) enum Place {
    List,
    Intermediate,
    Wip,
    Scheduled,
    Finished,
    Failed,
    Canceled,
    Quarantine,
}

/// Number of places that are lists; the others are sorted sets.
pub(super) const LISTS: usize = 2;
/// Number of places that are sorted sets.
pub(super) const SETS: usize = 6;

impl Place {
    /// Registries of jobs that do not run.
    pub(super) const IDLE: [Place; 5] =
        [Place::Scheduled, Place::Finished, Place::Failed, Place::Canceled, Place::Quarantine];

    pub(super) fn set_index(self) -> usize {
        self as usize - LISTS
    }
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The end with the next id.
    Front,
    Back,
}

/// Returns the job's id in an entry of `wip`.
pub(super) fn job_of(member: &str) -> &str {
    member.rsplit_once(':').map_or(member, |(id, _)| id)
}

/// Returns the entry of `wip` of an execution. Old versions of RQ have no execution.
pub(super) fn lease_member(id: &str, execution: &str) -> String {
    if execution.is_empty() { id.to_owned() } else { format!("{id}:{execution}") }
}

/// Returns the job's id in an entry of a list or registry.
pub(super) fn entry_id(place: Place, member: &str) -> &str {
    if place == Place::Wip { job_of(member) } else { member }
}
