//! A reply is lost: the connection broke while an exchange was in flight. Redis may have carried out all of it or
//! nothing, and the worker cannot know.

use super::rig::Rig;
use super::values::{job, jobs, nothing, numbered, returned};
use crate::finish::FinishAck;

const SEARCH: &str = "search for jobs of lost claims";

/// A worker of one slot has lost the reply to a claim, with which Redis has given it job `a`. The next exchange is in
/// flight.
fn worker_that_lost_a_claim() -> Rig {
    let mut worker = Rig::new(1);
    worker.reply_lost_after_claiming(["a"]);
    worker.until_it_sends();
    worker.actions();
    worker
}

#[test]
fn a_completion_whose_reply_was_lost_is_sent_again() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
}

#[test]
fn the_worker_waits_50_to_200_ms_before_it_sends_anything_after_a_lost_reply() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.ends("a", returned());
    worker.reply_lost();
    worker.ends("b", returned());
    assert_eq!(worker.in_flight(), [""; 0]);
    let waited = worker.until_it_sends();
    assert!((50..=200).contains(&waited), "{waited} ms");
}

#[test]
fn completions_whose_reply_was_lost_are_sent_before_newer_ones() {
    let mut worker = Rig::new(16);
    worker.claimed(["a", "b"]);
    worker.ends("b", returned());
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["b finished"]);
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["b finished, a finished, claim 8"]);
}

#[test]
fn the_end_of_a_run_is_reported_once_and_only_when_redis_has_acknowledged_it() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.actions_of("report"), [""; 0]);
    worker.replied(nothing().ack("a", FinishAck::AlreadyDone));
    assert_eq!(worker.actions_of("report"), ["a finished (already)"]);
    worker.replies_until_idle();
    assert_eq!(worker.actions_of("report"), [""; 0]);
}

#[test]
fn a_job_that_was_taken_over_before_its_completion_was_sent_again_is_reported_as_fenced() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    worker.reply_lost();
    worker.until_it_sends();
    worker.replied(nothing().ack("a", FinishAck::Fenced));
    assert_eq!(worker.actions_of("report"), ["a finished (fenced)"]);
}

#[test]
fn a_field_whose_reply_was_lost_is_written_again() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.writes("a", "meta", "1");
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a.meta=1"]);
}

#[test]
fn a_newer_value_of_a_field_wins_over_one_whose_reply_was_lost() {
    let mut worker = Rig::new(16);
    worker.claimed(["a"]);
    worker.writes("a", "meta", "1");
    worker.writes("a", "meta", "2");
    assert_eq!(worker.in_flight(), ["a.meta=1"]);
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a.meta=2, claim 8"]);
}

#[test]
fn a_popped_id_whose_reply_was_lost_goes_with_the_next_claim() {
    let mut worker = Rig::new(1);
    worker.replied(nothing());
    worker.popped("default", "a");
    assert_eq!(worker.in_flight(), ["claim 1 with a"]);
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["claim 1 with a"]);
}

#[test]
fn a_claim_whose_reply_was_lost_is_not_repeated_under_the_same_executions() {
    let mut worker = Rig::new(2);
    let lost = worker.claim().executions.clone();
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["claim 2"]);
    assert!(!lost.contains(&worker.claim().executions.nth(0)));
}

#[test]
fn jobs_of_a_claim_whose_reply_was_lost_do_not_run_under_that_claim_but_go_back_to_their_queue() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    assert_eq!(worker.actions_of("start"), [""; 0]);
    assert_eq!(worker.in_flight(), ["a put back unbegun"]);
}

#[test]
fn jobs_of_a_lost_claim_are_searched_for_after_the_next_reply_and_not_while_redis_is_away() {
    let mut worker = worker_that_lost_a_claim();
    worker.reply_lost();
    worker.until_it_sends();
    assert!(!worker.actions().contains(&SEARCH.to_owned()));
    worker.replied(nothing());
    assert_eq!(worker.actions()[..2], [SEARCH, "event: back"]);
}

#[test]
fn jobs_of_a_lost_claim_are_searched_for_once_while_the_worker_runs() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    worker.actions();
    worker.replied(nothing());
    assert!(!worker.actions().contains(&SEARCH.to_owned()));
}

#[test]
fn a_search_that_failed_is_repeated_after_the_next_reply() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_fails();
    worker.actions();
    worker.pop_timed_out("default");
    worker.replied(nothing());
    assert_eq!(worker.actions()[1], SEARCH);
}

#[test]
fn jobs_of_a_lost_claim_go_back_in_the_order_of_their_queue() {
    let mut worker = Rig::new(3);
    worker.reply_lost_after_claiming(["a", "b", "c"]);
    worker.until_it_sends();
    worker.replied(nothing());
    worker.search_finds(&["a", "b", "c"]);
    // Each goes to the front, so the first one goes last.
    assert_eq!(worker.in_flight(), ["c put back unbegun, b put back unbegun, a put back unbegun"]);
}

#[test]
fn a_lost_claim_is_not_counted_as_a_delivery_of_its_jobs() {
    let mut worker = Rig::new(1);
    // Redis has counted it already.
    worker.reply_lost_after_claiming([job("a").with("deliveries", 1)]);
    worker.until_it_sends();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    assert_eq!(worker.written("a", "deliveries").as_deref(), Some("0"));
}

#[test]
fn a_job_whose_put_back_waits_in_the_outbox_is_not_put_back_twice() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    // The put back is lost, lost again beside another claim, and then rejected: it waits in the outbox while the worker
    // searches for the jobs of the second claim.
    worker.popped("default", "b");
    worker.reply_lost();
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a put back unbegun, claim 1 with b"]);
    worker.reply_lost();
    worker.until_it_sends();
    worker.replied(nothing().rejects_completions("WRONGTYPE"));
    worker.search_finds(&["a"]);
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["a put back unbegun"]);
}

#[test]
fn runs_go_on_while_replies_are_lost() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.actions();
    worker.reply_lost();
    worker.after(10);
    assert_eq!(worker.actions_of("cancel"), [""; 0]);
    assert_eq!(worker.actions_of("abandon"), [""; 0]);
    worker.ends("1", returned());
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["1 finished, claim 8"]);
}

#[test]
fn a_lost_claim_older_than_a_lease_is_left_to_recovery() {
    let mut worker = Rig::with(1, |options| options.broker_max_retries = 0);
    worker.reply_lost_after_claiming(["a"]);
    worker.until_it_sends();
    worker.after(29_000);
    worker.actions();
    worker.reply_lost_after_claiming(["b"]);
    worker.until_it_sends();
    worker.after(1_000);
    worker.replied(nothing());
    assert!(worker.actions().contains(&SEARCH.to_owned()), "the second claim is younger");
    worker.search_finds(&["b"]);
    assert_eq!(worker.in_flight(), ["b put back unbegun"]);
}

#[test]
fn a_worker_that_lost_no_claim_within_a_lease_searches_for_nothing() {
    let mut worker = worker_that_lost_a_claim();
    worker.after(30_000);
    worker.actions();
    worker.replied(nothing());
    assert!(!worker.actions().contains(&SEARCH.to_owned()));
}

#[test]
fn a_worker_that_drains_ends_only_when_no_job_of_a_lost_claim_is_left() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_finds(&[]);
    worker.actions();
    worker.drains();
    worker.pop_timed_out("default");
    assert_eq!(worker.actions(), ["unblock watchers", SEARCH]);
    // Redis has read the lost claim late.
    worker.search_finds(&["a"]);
    assert_eq!(worker.actions(), ["send a put back unbegun"]);
    worker.replied(nothing());
    assert_eq!(worker.actions(), ["report a put back unbegun", SEARCH]);
    worker.search_finds(&[]);
    assert_eq!(worker.actions(), ["stop"]);
}

#[test]
fn a_worker_that_drains_searches_again_each_second_while_the_search_fails() {
    let mut worker = worker_that_lost_a_claim();
    worker.replied(nothing());
    worker.search_finds(&[]);
    worker.drains();
    worker.pop_timed_out("default");
    worker.search_fails();
    worker.actions();
    worker.after(999);
    assert_eq!(worker.actions(), [""; 0]);
    worker.after(1);
    assert_eq!(worker.actions(), [SEARCH]);
}

#[test]
fn a_burst_worker_puts_the_jobs_of_its_lost_claim_back_and_runs_them_before_it_ends() {
    let mut worker = Rig::with(1, |options| options.burst = true);
    worker.reply_lost_after_claiming(["a"]);
    worker.until_it_sends();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 1"]);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    assert!(!worker.has_stopped());
    worker.replies_until_idle();
    worker.search_finds(&[]);
    assert!(worker.has_stopped());
}

#[test]
fn a_worker_that_terminates_does_not_search_again_but_warns() {
    let mut worker = worker_that_lost_a_claim();
    worker.terminates();
    worker.replied(nothing());
    worker.search_fails();
    worker.pop_timed_out("default");
    let actions = worker.actions();
    assert!(
        actions.iter().any(|action| action.contains("the answer to the last claim was lost")),
        "{actions:?}"
    );
    assert_eq!(actions.last().map(String::as_str), Some("stop"));
}

#[test]
fn a_worker_that_ends_without_redis_warns_that_jobs_of_its_last_claim_wait_until_their_leases_expire() {
    let mut worker = Rig::with(1, |options| options.broker_max_retries = 1);
    worker.reply_lost();
    worker.until_it_sends();
    worker.actions();
    worker.reply_lost();
    let actions = worker.actions();
    assert!(actions[0].starts_with("event: warning: the answer to the last claim was lost"), "{actions:?}");
    assert!(actions[1].starts_with("stop: "), "{actions:?}");
}

#[test]
fn two_replies_that_are_lost_together_count_as_one_failure() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.at_once(|worker| numbered(1..=4).iter().for_each(|job| worker.ends(job, returned())));
    assert_eq!(worker.in_flight(), ["claim 8", "1 finished, 2 finished, 3 finished, 4 finished, claim 4"]);
    worker.actions();
    worker.reply_lost();
    worker.reply_lost();
    assert_eq!(worker.events(), ["trouble"]);
    worker.until_it_sends();
    assert_eq!(worker.in_flight()[0], "1 finished, 2 finished, 3 finished, 4 finished, claim 8");
    worker.replied(jobs([""; 0]).and_more());
    assert_eq!(worker.events(), ["back"]);
}

#[test]
fn a_job_of_a_lost_claim_is_not_put_back_again_while_its_put_back_is_in_flight() {
    let mut worker = Rig::new(16);
    worker.claimed(["long"]);
    worker.pop_timed_out("default");
    worker.reply_lost_after_claiming(["a"]);
    worker.until_it_sends();
    worker.replied(nothing());
    worker.search_finds(&["a"]);
    worker.popped("default", "b");
    assert_eq!(worker.in_flight(), ["a put back unbegun", "claim 8 with b"]);
    worker.reply_lost_to(1);
    worker.after(1000);
    worker.wakes();
    assert_eq!(worker.in_flight(), ["a put back unbegun", "claim 8 with b"]);
    worker.replied_to(1, nothing());
    worker.search_finds(&["a"]);
    worker.replied(nothing());
    let sent_again = worker.in_flight().iter().any(|exchange| exchange.contains("put back"));
    assert!(!sent_again, "it was on its way: {:?}", worker.in_flight());
}
