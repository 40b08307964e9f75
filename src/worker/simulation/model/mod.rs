//! A small model of Redis in memory, for one deployment: the queues, registries and records of jobs, and the scripts
//! that change them as typed calls. Each call does what its script in `src/lua/` does, in both dialects; the
//! differential test holds both equal.
//!
//! The model has a clock that its caller sets, no randomness, and no errors: everything is deterministic. In the
//! dialect rq it also has the executions and the length of the results stream of each job.
//!
//! Not in the model: keys of a wrong type, rate limits, groups, dependents and deferred jobs, records of workers, the
//! lock of RQ's schedulers, channels, statistics, the removal of old entries from registries. Lists are never too long
//! to be searched.

mod actions;
mod by_hand;
mod check;
mod claim;
mod enqueue;
mod executions;
mod finish;
mod intermediate;
mod leases;
mod moves;
mod mutation;
mod place;
mod reads;
mod reclaim;
mod record;
mod requeue;
mod sorted_set;
mod state;

pub(super) use mutation::Mutation;
pub(super) use place::Place;
pub(super) use state::RedisModel;
