//! Redis replies, but rejects completions: they stay in the outbox.

use super::rig::{Rig, names};
use super::values::{job, jobs, nothing, returned};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key";
const OUT_OF_MEMORY: &str = "OOM command not allowed";

/// A worker of two slots whose run of `a` has ended, while `b` runs.
fn worker_with_a_completion() -> Rig {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
    worker.actions();
    worker
}

#[test]
fn rejected_completions_are_sent_again_after_a_second() {
    let mut worker = worker_with_a_completion();
    worker.replied(nothing().rejects_completions(WRONG_TYPE));
    assert_eq!(worker.until_it_sends(), 1000);
    assert_eq!(worker.in_flight(), ["a finished"]);
    worker.replied(nothing());
    assert_eq!(worker.actions_of("report"), ["a finished"]);
}

#[test]
fn a_key_of_a_wrong_type_is_reported_and_holds_up_no_claims() {
    let mut worker = worker_with_a_completion();
    worker.replied(jobs([""; 0]).and_more().rejects_completions(WRONG_TYPE));
    assert_eq!(worker.events(), ["trouble"]);
    assert_eq!(worker.in_flight(), ["claim 1"]);
    assert!(worker.is_healthy());
}

#[test]
fn completions_that_end_meanwhile_wait_with_the_rejected_ones() {
    let mut worker = worker_with_a_completion();
    worker.replied(nothing().rejects_completions(WRONG_TYPE));
    worker.after(500);
    worker.ends("b", returned());
    assert_eq!(worker.in_flight(), [""; 0]);
    assert_eq!(worker.until_it_sends(), 500);
    assert_eq!(worker.in_flight(), ["a finished, b finished"]);
}

#[test]
fn the_completions_of_other_queues_are_written() {
    let mut worker = Rig::with(2, |options| options.queues = names(["high", "low"]));
    worker.claimed([job("a"), job("b").in_queue(1)]);
    worker.at_once(|worker| {
        worker.ends("a", returned());
        worker.ends("b", returned());
    });
    assert_eq!(worker.in_flight(), ["a finished, b finished, claim 2"]);
    worker.replied(nothing().rejects_completions_of(0, WRONG_TYPE));
    assert_eq!(worker.actions_of("report"), ["b finished"]);
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a finished"]);
}

#[test]
fn another_error_than_a_wrong_type_is_an_outage() {
    let mut worker = worker_with_a_completion();
    worker.replied(jobs([""; 0]).and_more().rejects_completions(OUT_OF_MEMORY));
    assert_eq!(worker.events(), ["trouble"]);
    assert_eq!(worker.in_flight(), [""; 0]);
    assert!(!worker.is_healthy());
}

#[test]
fn a_claimed_job_goes_back_if_completions_of_its_queue_were_rejected_and_runs_if_it_is_of_another_queue() {
    let mut worker = Rig::with(3, |options| options.queues = names(["broken", "fine"]));
    worker.claimed(["a"]);
    worker.at_once(|worker| {
        worker.ends("a", returned());
        worker.popped("fine", "d");
    });
    assert_eq!(worker.in_flight(), ["a finished, claim 3 with d"]);
    worker.actions();
    worker.replied(jobs([job("c"), job("d").in_queue(1)]).rejects_completions(WRONG_TYPE));
    assert_eq!(worker.actions_of("start"), ["d"]);
    worker.replies_until_idle();
    worker.after(1000);
    assert!(worker.in_flight()[0].contains("c put back unbegun"), "{:?}", worker.in_flight());
}

#[test]
fn the_completions_beside_a_rejected_claim_are_written() {
    let mut worker = worker_with_a_completion();
    worker.replied(nothing().rejects_claim(OUT_OF_MEMORY));
    assert_eq!(worker.actions()[0], "report a finished");
}

#[test]
fn a_worker_that_terminates_does_not_wait_for_a_rejected_completion() {
    let mut worker = worker_with_a_completion();
    worker.terminates();
    worker.replied(nothing().rejects_completions(WRONG_TYPE));
    worker.until_it_sends();
    worker.replied(nothing().rejects_completions(WRONG_TYPE));
    assert!(worker.has_stopped());
    assert!(worker.actions_of("stop:")[0].contains(WRONG_TYPE));
}
