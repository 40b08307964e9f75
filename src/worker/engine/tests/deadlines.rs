//! Deadlines: a run past its timeout. A thread cannot be killed: it is told to stop and left alone, and another thread
//! takes its slot. A process is ended by its supervisor.

use super::rig::Rig;
use super::values::{failed, job, nothing, returned};
use crate::error::Error;

/// A worker of one slot after this many runs that were abandoned at their timeout of a second: jobs `1`, `2`, …
fn worker_that_abandoned(runs: usize) -> Rig {
    let mut worker = Rig::new(1);
    for n in 1..=runs {
        worker.claimed([job(&n.to_string()).timeout(1)]);
        worker.actions();
        worker.after(1000);
    }
    worker
}

#[test]
fn a_thread_past_its_timeout_is_abandoned_and_its_job_fails() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").timeout(10)]);
    worker.actions();
    assert_eq!(worker.wakes_in(), Some(10_000));
    worker.after(10_000);
    let actions = worker.actions();
    assert_eq!(actions[0], "cancel a");
    assert!(actions[1].starts_with("event: warning: a: the thread of work runs on past its time"));
    assert_eq!(actions[2..], ["abandon a, replace its thread", "send a failed, claim 1"]);
}

#[test]
fn a_job_that_timed_out_is_retried_as_its_policy_says() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").timeout(10).with("retries_left", 1).with("retry_intervals", "[60]")]);
    worker.after(10_000);
    assert_eq!(worker.in_flight(), ["a retried later, claim 1"]);
}

#[test]
fn a_run_that_ends_in_time_is_left_alone() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").timeout(10)]);
    worker.after(9_999);
    worker.ends("a", returned());
    worker.replied(nothing());
    assert_eq!(worker.wakes_in(), None);
}

#[test]
fn a_job_without_a_timeout_runs_for_ever() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").with("timeout", -1)]);
    assert_eq!(worker.wakes_in(), None);
}

#[test]
fn the_deadline_of_a_process_is_left_to_its_supervisor() {
    let mut worker = Rig::new(1);
    worker.claimed([job("a").of("exec").timeout(10)]);
    worker.actions();
    worker.after(20_000);
    assert_eq!(worker.actions(), [""; 0]);
}

#[test]
fn the_late_result_of_an_abandoned_thread_is_ignored() {
    let mut worker = worker_that_abandoned(1);
    worker.claimed(["b"]);
    worker.actions();
    worker.ends("1", returned());
    assert_eq!(worker.actions(), [""; 0]);
}

#[test]
fn four_abandoned_threads_are_replaced_for_each_slot_and_the_next_one_holds_its_slot() {
    let mut worker = worker_that_abandoned(4);
    assert!(worker.actions().contains(&"abandon 4, replace its thread".to_owned()));
    assert_eq!(worker.engine.max_threads(), 1 + 4);
    worker.claimed([job("5").timeout(1)]);
    worker.actions();
    worker.after(1000);
    assert!(worker.actions().contains(&"abandon 5".to_owned()));
    assert_eq!(worker.in_flight(), ["5 failed"]);
    assert_eq!(worker.engine.abandoned_threads(), 5);
}

#[test]
fn a_worker_whose_slots_are_all_held_by_abandoned_threads_ends_after_its_writes() {
    let mut worker = worker_that_abandoned(5);
    assert!(!worker.has_stopped());
    worker.actions();
    worker.replied(nothing());
    assert_eq!(
        worker.actions(),
        ["report 5 failed".to_owned(), format!("stop: {}", Error::Stuck { threads: 5 })]
    );
}

#[test]
fn a_worker_whose_slots_are_all_held_does_not_end_before_redis_has_its_writes() {
    let mut worker = worker_that_abandoned(5);
    worker.reply_lost();
    assert!(!worker.has_stopped());
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["5 failed"]);
    worker.replied(nothing());
    assert!(worker.has_stopped());
}

#[test]
fn an_abandoned_thread_that_returns_gives_room_for_another_one() {
    let mut worker = worker_that_abandoned(4);
    worker.ends("1", failed());
    worker.claimed([job("5").timeout(1)]);
    worker.actions();
    worker.after(1000);
    assert!(worker.actions().contains(&"abandon 5, replace its thread".to_owned()));
}

#[test]
fn a_slot_that_an_abandoned_thread_holds_is_free_when_the_thread_returns() {
    let mut worker = Rig::new(2);
    worker.claimed(["first"]);
    for n in 1..=9 {
        worker.pop_timed_out("default");
        worker.claimed([job(&n.to_string()).timeout(1)]);
        worker.after(1000);
    }
    assert_eq!(worker.in_flight(), ["9 failed"]);
    worker.replied(nothing());
    worker.ends("9", returned());
    worker.pop_timed_out("default");
    assert_eq!(worker.in_flight(), ["claim 1"]);
}

#[test]
fn the_warning_says_when_too_many_threads_run_on() {
    let mut worker = worker_that_abandoned(1);
    assert!(!worker.events()[0].contains("runs out of slots"));
    worker.claimed([job("2").timeout(1)]);
    worker.actions();
    worker.after(1000);
    let warning = worker.events().remove(0);
    assert!(warning.contains("as 1 others do; with 4 the worker runs out of slots and ends"), "{warning}");
    assert!(warning.contains("--isolate"), "{warning}");
}

#[test]
fn the_timeout_of_a_handler_replaces_the_default_one() {
    let mut worker = Rig::with(1, |options| {
        options.handler_timeout.insert("work".to_owned(), std::time::Duration::from_secs(7));
    });
    worker.claimed(["a"]);
    assert_eq!(worker.wakes_in(), Some(7000));
}
