//! Queues that give no jobs: all are suspended, one is suspended, or another program uses a key of one.

use super::rig::{Rig, names};
use super::values::{jobs, nothing, returned};

fn worker_of_two_queues() -> Rig {
    let mut worker = Rig::with(2, |options| options.queues = names(["high", "low"]));
    worker.actions();
    worker
}

#[test]
fn a_suspended_worker_asks_again_each_second() {
    let mut worker = Rig::new(2);
    worker.replied(nothing().all_suspended());
    assert_eq!(worker.until_it_sends(), 1000);
    worker.replied(nothing().all_suspended());
    assert_eq!(worker.until_it_sends(), 1000);
    assert_eq!(worker.in_flight(), ["claim 2"]);
}

#[test]
fn a_suspended_worker_says_so_once_for_each_suspension() {
    let mut worker = Rig::new(1);
    for _ in 0..2 {
        worker.replied(nothing().all_suspended());
        worker.until_it_sends();
    }
    assert_eq!(worker.events(), ["all suspended", "idle"]);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.replied(nothing().all_suspended());
    assert_eq!(worker.events()[0], "all suspended");
}

#[test]
fn the_watchers_of_a_suspended_worker_do_not_wait() {
    let mut worker = worker_of_two_queues();
    worker.replied(nothing().all_suspended());
    assert_eq!(worker.actions_of("watch"), [""; 0]);
}

#[test]
fn one_suspended_queue_is_asked_again_each_second_and_reported_once() {
    let mut worker = worker_of_two_queues();
    worker.replied(nothing().suspended(0));
    assert_eq!(worker.events(), ["high suspended", "idle"]);
    assert_eq!(worker.until_it_sends(), 1000);
    worker.replied(nothing().suspended(0));
    assert!(!worker.events().contains(&"high suspended".to_owned()));
}

#[test]
fn only_the_watchers_of_queues_that_are_not_suspended_wait() {
    let mut worker = worker_of_two_queues();
    worker.replied(nothing().suspended(0));
    assert_eq!(worker.actions_of("watch"), ["low"]);
    worker.until_it_sends();
    worker.replied(nothing());
    assert_eq!(worker.actions_of("watch"), ["high"]);
}

#[test]
fn the_jobs_of_other_queues_run_while_one_is_suspended() {
    let mut worker = worker_of_two_queues();
    worker.replied(jobs(["a"]).suspended(0));
    assert_eq!(worker.actions_of("start"), ["a"]);
}

#[test]
fn a_queue_with_a_key_of_another_program_is_warned_of_once_and_its_keys_are_checked_by_each_claim() {
    let mut worker = worker_of_two_queues();
    worker.replied(nothing().wrong_type(1));
    assert!(worker.events()[0].starts_with("warning: queue low gives no jobs: a key of it has a wrong type"));
    worker.popped("high", "a");
    assert!(worker.claim().checks_keys, "although the last claim has just done so");
    worker.replied(nothing().wrong_type(1));
    assert!(!worker.events().iter().any(|event| event.starts_with("warning")));
    assert_eq!(worker.until_it_sends(), 1000);
}

#[test]
fn the_watcher_of_a_queue_with_a_key_of_another_program_does_not_wait() {
    let mut worker = worker_of_two_queues();
    worker.replied(nothing().wrong_type(1));
    assert_eq!(worker.actions_of("watch"), ["high"]);
}

#[test]
fn the_state_of_a_worker_is_suspended_until_a_claim_is_answered_otherwise() {
    let mut worker = Rig::new(1);
    worker.replied(nothing().all_suspended());
    assert_eq!(worker.engine.worker_state(), Some("suspended"));
    worker.until_it_sends();
    worker.replied(nothing());
    assert_eq!(worker.engine.worker_state(), Some("idle"));
}
