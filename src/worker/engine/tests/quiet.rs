//! A quiet worker claims no jobs until it continues.

use super::rig::Rig;
use super::values::{nothing, numbered, returned};

#[test]
fn a_quiet_worker_claims_nothing_and_its_runs_go_on() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.actions();
    worker.becomes_quiet();
    assert_eq!(worker.actions(), ["event: quiet"]);
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), [""; 0]);
    assert_eq!(worker.engine.worker_state(), Some("busy"));
}

#[test]
fn a_worker_that_continues_claims_at_once() {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    worker.becomes_quiet();
    worker.actions();
    worker.continues();
    assert_eq!(worker.actions(), ["event: going on", "send claim 2"]);
}

#[test]
fn a_job_that_was_claimed_before_the_worker_became_quiet_runs() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.becomes_quiet();
    worker.actions();
    worker.claimed(["9"]);
    assert_eq!(worker.actions_of("start"), ["9"]);
}

#[test]
fn the_state_of_a_quiet_worker_is_suspended() {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    assert_eq!(worker.engine.worker_state(), Some("idle"));
    worker.becomes_quiet();
    assert_eq!(worker.engine.worker_state(), Some("suspended"));
}

#[test]
fn a_quiet_worker_that_drains_ends() {
    let mut worker = Rig::new(2);
    worker.becomes_quiet();
    worker.replied(nothing());
    worker.drains();
    worker.pop_timed_out("default");
    assert!(worker.has_stopped());
}
