//! Redis cannot be used: delays between the attempts, probes that end them early, and the end of all attempts.

use super::rig::Rig;
use super::values::{jobs, nothing, numbered, returned};

/// A worker of one slot in a delay that is longer than a probe's interval. Redis cannot be reached.
fn worker_in_a_long_delay() -> Rig {
    let mut worker = Rig::new(1);
    for _ in 0..50 {
        worker.reply_lost();
        worker.actions();
        worker.after(1600);
        if worker.in_flight().is_empty() {
            return worker;
        }
    }
    panic!("all delays are short")
}

#[test]
fn delays_grow_with_each_failed_attempt_to_30_s_at_most() {
    let mut worker = Rig::new(1);
    let attempts = (1..=30).map(|attempt| {
        worker.replied(nothing().rejects_claim("OOM command not allowed"));
        let limit = if attempt < 9 { 100 << attempt } else { 30_000 };
        (worker.until_it_sends(), limit)
    });
    let attempts: Vec<(u128, u128)> = attempts.collect();
    assert!(attempts.iter().all(|(delay, limit)| (50..=*limit).contains(delay)), "{attempts:?}");
    assert!(attempts[20..].iter().any(|(delay, _)| *delay > 10_000), "{attempts:?}");
}

#[test]
fn nothing_is_sent_during_a_delay() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.ends("a", returned());
    worker.reply_lost();
    worker.ends("b", returned());
    worker.popped("default", "c");
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a finished, b finished, claim 2 with c"]);
}

#[test]
fn each_failed_attempt_is_reported_and_the_return_of_redis_once() {
    let mut worker = Rig::new(1);
    for _ in 0..3 {
        worker.reply_lost();
        worker.until_it_sends();
    }
    assert_eq!(worker.events(), ["trouble", "trouble", "trouble"]);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.replied(nothing());
    assert_eq!(worker.events(), ["back", "idle"]);
}

#[test]
fn a_probe_ends_a_delay_when_redis_can_be_used_again() {
    let mut worker = worker_in_a_long_delay();
    assert!(worker.actions().contains(&"probe".to_owned()));
    worker.probed(false);
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.probed(true);
    assert_eq!(worker.in_flight(), ["claim 1"]);
}

#[test]
fn there_is_a_probe_about_each_second() {
    let mut worker = worker_in_a_long_delay();
    worker.actions();
    let next = worker.wakes_in().unwrap();
    assert!((0..=1500).contains(&next), "{next}");
}

#[test]
fn an_error_that_a_probe_would_not_meet_is_not_probed_for() {
    let mut worker = Rig::new(1);
    for _ in 0..20 {
        worker.replied(nothing().rejects_claim("OOM command not allowed"));
        worker.until_it_sends();
    }
    assert!(!worker.actions().contains(&"probe".to_owned()));
}

#[test]
fn a_worker_ends_when_its_attempts_are_used_up() {
    let mut worker = Rig::with(1, |options| options.broker_max_retries = 2);
    for _ in 0..2 {
        worker.reply_lost();
        worker.until_it_sends();
    }
    assert!(!worker.has_stopped());
    worker.actions();
    worker.reply_lost();
    assert!(worker.actions_of("stop:")[0].contains("the connection broke"));
}

#[test]
fn a_success_gives_all_attempts_back() {
    let mut worker = Rig::with(1, |options| options.broker_max_retries = 2);
    for _ in 0..10 {
        worker.reply_lost();
        worker.until_it_sends();
        worker.replied(jobs([""; 0]).and_more());
    }
    assert!(!worker.has_stopped());
}

#[test]
fn probes_do_not_count_as_attempts() {
    let mut worker = Rig::with(1, |options| options.broker_max_retries = 1);
    worker.reply_lost();
    for _ in 0..5 {
        worker.probed(false);
    }
    assert!(!worker.has_stopped());
}

#[test]
fn exchanges_that_were_in_flight_together_and_fail_count_as_one_attempt() {
    let mut worker = Rig::with(16, |options| options.broker_max_retries = 1);
    worker.claimed(numbered(1..=8));
    worker.at_once(|worker| numbered(1..=4).iter().for_each(|job| worker.ends(job, returned())));
    assert_eq!(worker.in_flight().len(), 2);
    worker.reply_lost();
    worker.reply_lost();
    assert!(!worker.has_stopped());
    worker.until_it_sends();
    worker.reply_lost();
    assert!(worker.has_stopped());
}

#[test]
fn a_worker_in_an_outage_is_not_healthy() {
    let mut worker = Rig::new(1);
    assert!(worker.is_healthy());
    worker.reply_lost();
    assert!(!worker.is_healthy());
    worker.until_it_sends();
    assert!(!worker.is_healthy());
    worker.replied(nothing());
    assert!(worker.is_healthy());
}

#[test]
fn a_worker_whose_reply_is_late_is_not_healthy() {
    let mut worker = Rig::new(1);
    worker.after(1000);
    assert!(worker.is_healthy());
    worker.after(1);
    assert!(!worker.is_healthy());
    worker.replied(nothing());
    assert!(worker.is_healthy());
}
