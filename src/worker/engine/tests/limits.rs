//! Limits of a worker's options: the number of jobs, the time without jobs, the runs of one handler at a time.

use std::time::Duration;

use super::rig::{Rig, names};
use super::values::{job, jobs, nothing, numbered, returned};

/// A worker that runs one job of the handler `work` at a time, with two queues and three slots.
fn worker_with_a_handler_limit() -> Rig {
    let mut worker = Rig::with(3, |options| {
        options.queues = names(["high", "low"]);
        options.handler_concurrency.insert("work".to_owned(), 1);
    });
    worker.actions();
    worker
}

#[test]
fn a_worker_ends_after_its_number_of_jobs() {
    let mut worker = Rig::with(2, |options| options.max_jobs = Some(3));
    worker.claimed(["a", "b"]);
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
    worker.claimed(["c"]);
    worker.ends("b", returned());
    assert_eq!(worker.in_flight(), ["b finished"]);
    worker.replied(nothing());
    assert!(!worker.has_stopped());
    worker.ends("c", returned());
    worker.replied(nothing());
    assert!(worker.has_stopped());
}

#[test]
fn jobs_of_claims_in_flight_count_for_the_number_of_jobs() {
    let mut worker = Rig::with(16, |options| options.max_jobs = Some(10));
    assert_eq!(worker.in_flight(), ["claim 8"]);
    worker.claimed(numbered(1..=8));
    assert_eq!(worker.in_flight(), ["claim 2"]);
}

#[test]
fn jobs_that_were_asked_for_in_vain_do_not_count() {
    let mut worker = Rig::with(2, |options| options.max_jobs = Some(2));
    worker.replied(nothing());
    worker.pop_timed_out("default");
    assert_eq!(worker.in_flight(), ["claim 2"]);
}

#[test]
fn a_worker_ends_after_its_time_without_jobs() {
    let mut worker = Rig::with(1, |options| options.max_idle_time = Some(Duration::from_secs(10)));
    worker.replied(nothing());
    worker.actions();
    worker.after(9_999);
    assert_eq!(worker.actions(), [""; 0]);
    worker.after(1);
    assert_eq!(worker.actions(), ["unblock watchers"]);
    worker.pop_timed_out("default");
    assert!(worker.has_stopped());
}

#[test]
fn the_time_without_jobs_begins_anew_after_each_job() {
    let mut worker = Rig::with(1, |options| options.max_idle_time = Some(Duration::from_secs(10)));
    worker.replied(nothing());
    worker.after(9_000);
    worker.popped("default", "a");
    worker.claimed(["a"]);
    worker.after(60_000);
    worker.ends("a", returned());
    worker.replied(nothing());
    assert_eq!(worker.wakes_in(), Some(10_000));
}

#[test]
fn jobs_over_the_limit_of_their_handler_go_back_in_the_order_of_their_queue() {
    let mut worker = worker_with_a_handler_limit();
    worker.claimed(["a", "b", "c"]);
    assert_eq!(worker.actions_of("start"), ["a"]);
    assert_eq!(worker.in_flight(), ["c put back unbegun, b put back unbegun, claim 2 without high"]);
}

#[test]
fn a_queue_whose_next_job_is_over_its_limit_is_left_out_until_a_run_of_that_handler_ends() {
    let mut worker = worker_with_a_handler_limit();
    worker.claimed(["a", "b", "c"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 2 without high"]);
    worker.claimed([job("d").of("other").in_queue(1)]);
    worker.ends("d", returned());
    assert_eq!(worker.in_flight(), ["d finished"], "what other handlers do does not matter");
    worker.replied(nothing());
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 3"]);
}

#[test]
fn two_queues_that_wait_for_one_handler_are_both_left_out() {
    let mut worker = worker_with_a_handler_limit();
    worker.claimed(["a", "b"]);
    worker.replied(nothing());
    worker.claimed([job("c").in_queue(1)]);
    assert_eq!(worker.in_flight(), ["c put back unbegun"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 2 without high low"]);
    worker.replied(nothing());
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 3"]);
}

#[test]
fn the_watcher_of_a_queue_that_is_left_out_does_not_wait() {
    let mut worker = worker_with_a_handler_limit();
    worker.replied(jobs(["a", "b"]));
    assert_eq!(worker.actions_of("watch"), ["low"]);
}

#[test]
fn other_handlers_run_while_one_is_at_its_limit() {
    let mut worker = worker_with_a_handler_limit();
    worker.claimed([job("a"), job("b").of("other"), job("c").of("other").in_queue(1)]);
    assert_eq!(worker.actions_of("start"), ["a", "b", "c"]);
}

#[test]
fn a_job_over_its_limit_is_not_counted_as_begun() {
    let mut worker = worker_with_a_handler_limit();
    worker.claimed(["a", "b", "c"]);
    assert_eq!(worker.engine.claims.begun, 1);
}
