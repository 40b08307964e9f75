//! RQ's commands `stop-job` and `kill-horse`.

use super::rig::Rig;
use super::values::{crashed, job, jobs, nothing, numbered, returned};
use crate::worker::input::{ControlMessage, Input};

#[test]
fn a_stopped_job_in_a_thread_is_told_to_stop_and_its_run_ends_at_once() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.actions();
    worker.stop_job("a");
    assert_eq!(worker.actions(), ["cancel a", "abandon a, replace its thread", "send a stopped, claim 1"]);
}

#[test]
fn a_stopped_job_in_a_process_ends_when_its_process_has_ended() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.actions();
    worker.stop_job("a");
    assert_eq!(worker.actions(), ["cancel a"]);
    worker.ends("a", crashed());
    assert_eq!(worker.in_flight(), ["a stopped, claim 1"]);
}

#[test]
fn the_result_of_a_process_that_ended_before_it_was_stopped_is_kept() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.stop_job("a");
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
}

#[test]
fn kill_horse_ends_all_runs_as_crashed() {
    let mut worker = Rig::new(3);
    worker.claimed([job("a"), job("b").with("retries_left", 1), job("c").of("exec")]);
    worker.kill_horse();
    assert_eq!(worker.in_flight(), ["a failed, b retried at once, claim 2"]);
    worker.replied(nothing());
    worker.replied(nothing());
    worker.ends("c", crashed());
    assert_eq!(worker.in_flight(), ["c failed"]);
}

#[test]
fn other_jobs_run_on_when_one_is_stopped() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.actions();
    worker.stop_job("a");
    assert_eq!(worker.actions_of("cancel"), ["a"]);
}

#[test]
fn a_stop_for_another_execution_of_the_job_is_ignored() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.actions();
    let execution = Some("an earlier one".to_owned());
    worker.tell(Input::Control(ControlMessage::Stop { job: "a".to_owned(), execution }));
    assert_eq!(worker.actions(), [""; 0]);
}

#[test]
fn a_stop_for_an_unknown_job_is_dropped() {
    let mut worker = Rig::new(2);
    worker.claimed(["a"]);
    worker.stop_job("b");
    worker.popped("default", "b");
    worker.claimed(["b"]);
    assert_eq!(worker.actions_of("cancel"), [""; 0]);
}

#[test]
fn a_job_that_is_stopped_while_its_claim_is_in_flight_is_stopped_when_it_begins() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    assert_eq!(worker.in_flight(), ["claim 8"]);
    worker.stop_job("9");
    worker.actions();
    worker.claimed(["9"]);
    assert_eq!(
        worker.actions(),
        ["start 9", "watch default", "cancel 9", "abandon 9, replace its thread", "send 9 stopped"]
    );
}

#[test]
fn a_stop_whose_job_three_claims_have_not_brought_is_dropped() {
    let is_stopped_after = |claims: usize| {
        let mut worker = Rig::new(64);
        worker.claimed(["0", "long"]);
        worker.ends("0", returned());
        worker.stop_job("late");
        for n in 1..=claims {
            worker.popped("default", "id");
            worker.replied_to(1, jobs([n.to_string()]));
        }
        worker.popped("default", "id");
        worker.replied_to(1, jobs(["late"]));
        worker.actions_of("cancel").contains(&"late".to_owned())
    };
    assert!(is_stopped_after(2));
    assert!(!is_stopped_after(3));
}
