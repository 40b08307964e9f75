//! The end of a worker. Draining (the first signal): no claims, runs end. Terminating (the second one, or the end of the
//! grace): what runs is put back.

use std::time::Duration;

use super::rig::Rig;
use super::values::{crashed, job, killed_from_outside, nothing, numbered, returned};

/// A worker of two slots that runs `a`. Its watcher waits.
fn busy_worker() -> Rig {
    let mut worker = Rig::new(2);
    worker.claimed(["a"]);
    worker.actions();
    worker
}

#[test]
fn a_draining_worker_claims_nothing_and_ends_after_its_runs_and_watchers() {
    let mut worker = busy_worker();
    worker.drains();
    assert_eq!(worker.actions(), ["event: stopping, 1 running, 0 unsaved", "unblock watchers"]);
    worker.pop_timed_out("default");
    assert_eq!(worker.actions(), [""; 0]);
    worker.ends("a", returned());
    assert_eq!(worker.actions(), ["send a finished"]);
    worker.replied(nothing());
    assert_eq!(worker.actions(), ["report a finished", "stop"]);
}

#[test]
fn a_worker_without_work_ends_without_a_word() {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    worker.actions();
    worker.drains();
    worker.pop_timed_out("default");
    assert_eq!(worker.actions(), ["unblock watchers", "stop"]);
}

#[test]
fn a_watcher_that_does_not_end_holds_a_drained_worker_for_7_s() {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    worker.drains();
    worker.after(6_999);
    assert!(!worker.has_stopped());
    worker.after(1);
    assert!(worker.has_stopped());
}

#[test]
fn jobs_of_a_claim_in_flight_run_before_a_draining_worker_ends() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.drains();
    worker.actions();
    worker.claimed(["9"]);
    assert_eq!(worker.actions(), ["start 9"]);
}

#[test]
fn a_process_that_is_killed_from_outside_while_the_worker_drains_was_stopped_with_it() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.drains();
    worker.ends("a", killed_from_outside());
    assert_eq!(worker.in_flight(), ["a put back"]);
}

#[test]
fn a_process_that_is_killed_from_outside_while_the_worker_runs_has_failed() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.ends("a", killed_from_outside());
    assert_eq!(worker.in_flight(), ["a failed, claim 1"]);
}

#[test]
fn a_worker_that_terminates_puts_its_runs_back_and_does_not_wait_for_their_threads() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.actions();
    worker.terminates();
    assert_eq!(
        worker.actions(),
        ["cancel a", "abandon a", "cancel b", "abandon b", "send a put back, b put back"]
    );
    worker.replied(nothing());
    assert_eq!(worker.actions(), ["report a put back, b put back", "stop"]);
}

#[test]
fn a_worker_that_terminates_waits_for_its_processes_and_puts_their_jobs_back() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.actions();
    worker.terminates();
    assert_eq!(worker.actions()[0], "cancel a");
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.ends("a", crashed());
    assert_eq!(worker.in_flight(), ["a put back"]);
    worker.replied(nothing());
    assert!(worker.has_stopped());
}

#[test]
fn the_result_of_a_process_is_kept_when_the_worker_terminates() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec")]);
    worker.terminates();
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished"]);
}

#[test]
fn jobs_that_arrive_at_a_worker_that_terminates_do_not_begin() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.terminates();
    worker.actions();
    worker.claimed(["9"]);
    assert_eq!(worker.actions_of("start"), [""; 0]);
    worker.replied(nothing());
    assert!(worker.in_flight().contains(&"9 put back".to_owned()));
}

#[test]
fn a_draining_worker_terminates_when_its_grace_is_over() {
    let mut worker = Rig::with(1, |options| options.grace = Some(Duration::from_secs(5)));
    worker.claimed(["a"]);
    worker.drains();
    worker.actions();
    worker.after(4_999);
    assert_eq!(worker.actions(), [""; 0]);
    worker.after(1);
    assert_eq!(worker.actions(), ["terminate", "cancel a", "abandon a", "send a put back"]);
}

#[test]
fn the_grace_does_not_matter_to_a_drained_worker_that_waits_for_its_watchers() {
    let mut worker = Rig::with(1, |options| options.grace = Some(Duration::from_secs(5)));
    worker.replied(nothing());
    worker.drains();
    worker.actions();
    worker.after(7_000);
    assert_eq!(worker.actions(), ["stop"]);
}

#[test]
fn a_worker_that_terminates_while_redis_is_away_makes_one_more_attempt_at_once() {
    let mut worker = busy_worker();
    worker.ends("a", returned());
    worker.reply_lost();
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.terminates();
    assert_eq!(worker.in_flight(), ["a finished"]);
    worker.reply_lost();
    assert!(worker.has_stopped());
}

#[test]
fn the_last_attempt_of_a_worker_that_terminates_may_succeed() {
    let mut worker = busy_worker();
    worker.ends("a", returned());
    worker.reply_lost();
    worker.terminates();
    worker.replied(nothing());
    worker.pop_timed_out("default");
    assert!(worker.actions_of("report").contains(&"a finished".to_owned()));
    assert!(worker.has_stopped());
}

#[test]
fn unsaved_ends_are_counted_when_a_worker_drains_while_redis_is_away() {
    let mut worker = busy_worker();
    worker.ends("a", returned());
    worker.reply_lost();
    worker.actions();
    worker.drains();
    assert_eq!(worker.events(), ["stopping, 0 running, 1 unsaved"]);
}

#[test]
fn a_worker_that_is_told_to_stop_claims_nothing_with_its_next_writes() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.at_once(|worker| {
        worker.ends("a", returned());
        worker.drains();
    });
    assert_eq!(worker.in_flight(), ["a finished"]);
}

#[test]
fn a_worker_that_is_told_to_stop_while_redis_is_away_claims_nothing_when_redis_is_back() {
    let mut worker = busy_worker();
    worker.ends("a", returned());
    worker.reply_lost();
    worker.drains();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a finished"]);
}

#[test]
fn the_grace_also_ends_a_worker_whose_writes_redis_does_not_take() {
    let mut worker = Rig::with(1, |options| options.grace = Some(Duration::from_secs(5)));
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.drains();
    for _ in 0..50 {
        worker.until_it_sends();
        worker.reply_lost();
        if worker.has_stopped() {
            break;
        }
    }
    let actions = worker.actions();
    assert!(actions.contains(&"terminate".to_owned()), "{actions:?}");
    assert!(actions.last().is_some_and(|last| last.starts_with("stop: ")), "{actions:?}");
}
