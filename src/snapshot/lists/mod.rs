//! Lists of jobs: the ids in queues and registries, the rows that show jobs, and the filters and pages over them.

pub(super) mod filter;
pub(super) mod id_scan;
pub(super) mod ids;
pub(super) mod job_list;
pub(super) mod job_scan;
pub(super) mod matching;
pub(super) mod page;
pub(super) mod rate_limited;
pub(super) mod row;
