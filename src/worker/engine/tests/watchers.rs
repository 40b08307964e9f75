//! Watchers: after a claim that found the queues empty, a thread for each queue waits for the next id. Redis moves that
//! id out of its queue, so that the worker has to claim its job or put the id back.

use super::rig::{Rig, names};
use super::values::{connection_broke, nothing, numbered, refused, returned};

/// A worker without jobs, whose watcher waits.
fn idle_worker() -> Rig {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    worker.actions();
    worker
}

#[test]
fn a_claim_that_finds_the_queues_empty_lets_the_watchers_wait() {
    let mut worker = Rig::with(2, |options| options.queues = names(["high", "low"]));
    worker.actions();
    worker.claimed(["a"]);
    assert_eq!(worker.actions(), ["start a", "watch high", "watch low"]);
    assert_eq!(worker.wakes_in(), Some(180_000), "the timeout of the job");
}

#[test]
fn a_claim_that_finds_enough_jobs_leaves_the_watchers_alone() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    assert_eq!(worker.actions_of("watch"), [""; 0]);
}

#[test]
fn a_watcher_that_waits_already_is_not_asked_again() {
    let mut worker = Rig::with(2, |options| options.queues = names(["high", "low"]));
    worker.claimed(["a"]);
    worker.actions();
    worker.popped("low", "b");
    worker.replied(nothing());
    assert_eq!(worker.actions_of("watch"), ["low"]);
}

#[test]
fn a_popped_id_goes_with_the_next_claim() {
    let mut worker = idle_worker();
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["claim 2 with a"]);
}

#[test]
fn a_pop_that_times_out_leads_to_a_claim_that_finds_what_nobody_was_woken_for() {
    let mut worker = idle_worker();
    worker.pop_timed_out("default");
    assert_eq!(worker.in_flight(), ["claim 2"]);
}

#[test]
fn a_pop_that_fails_leads_to_a_claim_within_a_second() {
    let mut worker = idle_worker();
    worker.pop_failed("default", connection_broke());
    assert_eq!(worker.in_flight(), [""; 0]);
    let waited = worker.until_it_sends();
    assert!((250..1000).contains(&waited), "{waited}");
    assert_eq!(worker.in_flight(), ["claim 2"]);
}

#[test]
fn an_id_that_was_popped_for_a_full_worker_goes_back_with_a_claim_for_no_slots() {
    let mut worker = Rig::new(2);
    worker.claimed(["a"]);
    // The claim for the id of `b` takes the last slot; then `c` comes.
    worker.popped("default", "b");
    worker.claimed(["b"]);
    worker.pop_timed_out("default");
    worker.popped("default", "c");
    assert_eq!(worker.in_flight(), ["claim 0 with c"]);
}

#[test]
fn an_id_that_was_popped_for_a_quiet_worker_goes_back_with_a_claim_for_no_slots() {
    let mut worker = idle_worker();
    worker.becomes_quiet();
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["claim 0 with a"]);
}

#[test]
fn an_id_that_was_popped_for_a_draining_worker_goes_back_before_it_ends() {
    let mut worker = idle_worker();
    worker.drains();
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["claim 0 with a"]);
    assert!(!worker.has_stopped());
    worker.replied(nothing());
    assert!(worker.has_stopped());
}

#[test]
fn an_id_whose_claim_redis_rejects_goes_with_the_next_one() {
    let mut worker = idle_worker();
    worker.popped("default", "a");
    worker.replied(nothing().rejects_claim("OOM"));
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["claim 2 with a"]);
}

#[test]
fn an_id_that_was_popped_while_a_claim_was_in_flight_is_claimed_whatever_the_reply_says() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=4));
    worker.ends("1", returned());
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["1 finished", "claim 8 with a"]);
    worker.popped("default", "b");
    // That the queues were empty is no news: the reply is older than the id.
    worker.replied_to(1, nothing());
    assert_eq!(worker.in_flight(), ["1 finished", "claim 8 with b"]);
}

#[test]
fn a_pop_that_redis_refuses_is_no_outage() {
    let mut worker = Rig::with(2, |options| options.broker_max_retries = 1);
    worker.replied(nothing());
    worker.actions();
    for _ in 0..5 {
        worker.pop_failed("default", refused("NOPERM this user may not block"));
        worker.until_it_sends();
        worker.replied(nothing());
    }
    assert_eq!(worker.events(), [""; 0]);
    assert!(worker.is_healthy());
}

#[test]
fn an_id_that_was_popped_for_a_suspended_worker_goes_back_at_once() {
    let mut worker = Rig::new(2);
    worker.replied(nothing());
    worker.pop_timed_out("default");
    worker.replied(nothing().all_suspended());
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["claim 2 with a"], "the script puts it back");
}
