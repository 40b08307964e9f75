//! Runs from their begin to the report of their end.

use super::rig::Rig;
use super::values::{crashed, failed, job, nothing, returned};
use crate::finish::FinishAck;
use crate::job::{Outcome, RetryDirective};

#[test]
fn a_job_begins_when_it_is_claimed_and_its_end_is_reported_when_redis_has_it() {
    let mut worker = Rig::new(1);
    assert_eq!(worker.actions(), ["send claim 1"]);
    worker.claimed(["a"]);
    assert_eq!(worker.actions(), ["start a"]);
    worker.ends("a", returned());
    assert_eq!(worker.actions(), ["send a finished, claim 1"]);
    worker.replied(nothing());
    assert_eq!(worker.actions(), ["report a finished", "watch default", "event: idle"]);
}

#[test]
fn a_run_that_fails_is_followed_by_what_its_job_asks_for() {
    let mut worker = Rig::new(4);
    let retried = |id| job(id).with("retries_left", 1);
    worker.claimed([job("a"), retried("b"), retried("c").with("retry_intervals", "[60]"), retried("d")]);
    let gives_up = Outcome::Failed { error: "no".to_owned(), directive: RetryDirective::GiveUp };
    worker.at_once(|worker| {
        worker.ends("a", failed());
        worker.ends("b", failed());
        worker.ends("c", failed());
        worker.ends("d", gives_up);
    });
    assert_eq!(worker.in_flight(), ["a failed, d failed, b retried at once, c retried later, claim 4"]);
}

#[test]
fn a_job_without_a_policy_of_its_own_is_retried_by_the_workers() {
    let mut worker = Rig::with(1, |options| options.retry = Some(crate::Retry::times(2)));
    worker.claimed(["a"]);
    worker.ends("a", crashed());
    assert_eq!(worker.in_flight(), ["a retried later, claim 1"]);
}

#[test]
fn a_run_whose_lease_is_lost_goes_on_until_it_sees_its_cancel_flag_and_its_end_is_fenced() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.actions();
    // The heartbeat has set the flag.
    worker.wakes();
    assert_eq!(worker.actions(), [""; 0]);
    worker.ends("a", Outcome::Interrupted);
    assert_eq!(worker.in_flight(), ["a put back, claim 1"]);
    worker.replied(nothing().ack("a", FinishAck::Fenced));
    assert_eq!(worker.actions_of("report"), ["a put back (fenced)"]);
}

#[test]
fn a_put_back_job_is_claimed_again_although_the_claim_beside_it_found_nothing() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.ends("a", Outcome::Interrupted);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 1"]);
}

#[test]
fn dependents_that_one_call_did_not_release_are_warned_of() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.replied(nothing().ack("a", FinishAck::DoneWithMoreDependents));
    assert!(worker.events()[0].starts_with("warning: a: more than 10,000 jobs wait for it"));
}

#[test]
fn the_state_of_a_worker_is_busy_while_a_job_runs_and_idle_after_a_claim_that_found_nothing() {
    let mut worker = Rig::new(1);
    assert_eq!(worker.engine.worker_state(), None);
    worker.claimed(["a"]);
    assert_eq!(worker.engine.worker_state(), Some("busy"));
    worker.ends("a", returned());
    assert_eq!(worker.engine.worker_state(), None);
    worker.replied(nothing());
    assert_eq!(worker.engine.worker_state(), Some("idle"));
}
