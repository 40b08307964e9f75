//! Claims: how many jobs a worker asks Redis for, and when.

use super::rig::Rig;
use super::values::{jobs, nothing, numbered, returned};
use crate::job::Outcome;

/// A worker with 16 slots, eight of which run the jobs 1 to 8. A claim for the others is in flight.
fn half_busy_worker() -> Rig {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker
}

fn end_all(worker: &mut Rig, ids: &[String]) {
    worker.at_once(|worker| ids.iter().for_each(|id| worker.ends(id, returned())));
}

#[test]
fn a_new_worker_claims_for_all_its_slots() {
    assert_eq!(Rig::new(3).in_flight(), ["claim 3"]);
    assert_eq!(Rig::new(15).in_flight(), ["claim 15"]);
}

#[test]
fn a_claim_is_for_free_slots_only() {
    let mut worker = Rig::new(3);
    worker.replied(jobs(["a", "b"]).and_more());
    assert_eq!(worker.in_flight(), ["claim 1"]);
    worker.claimed(["c"]);
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.ends("b", returned());
    assert_eq!(worker.in_flight(), ["b finished, claim 1"]);
}

#[test]
fn from_16_slots_on_a_claim_is_for_at_most_half_of_them() {
    assert_eq!(Rig::new(16).in_flight(), ["claim 8"]);
    assert_eq!(Rig::new(64).in_flight(), ["claim 32"]);
}

#[test]
fn the_next_claim_is_sent_before_the_runs_of_the_last_one_begin() {
    let mut worker = Rig::new(16);
    worker.actions();
    worker.claimed(numbered(1..=8));
    assert_eq!(worker.actions()[..2], ["send claim 8", "start 1"]);
}

#[test]
fn with_many_slots_a_second_exchange_follows_the_first_when_a_quarter_of_the_slots_is_free() {
    let mut worker = half_busy_worker();
    end_all(&mut worker, &numbered(1..=3));
    assert_eq!(worker.in_flight(), ["claim 8"]);
    worker.ends("4", returned());
    assert_eq!(worker.in_flight(), ["claim 8", "1 finished, 2 finished, 3 finished, 4 finished, claim 4"]);
}

#[test]
fn with_many_slots_a_second_exchange_follows_the_first_when_as_many_completions_wait() {
    let mut worker = half_busy_worker();
    worker.drains();
    end_all(&mut worker, &numbered(1..=4));
    assert_eq!(worker.in_flight(), ["claim 8", "1 finished, 2 finished, 3 finished, 4 finished"]);
}

#[test]
fn there_are_never_more_than_two_exchanges_in_flight() {
    let mut worker = half_busy_worker();
    end_all(&mut worker, &numbered(1..=4));
    end_all(&mut worker, &numbered(5..=8));
    assert_eq!(worker.in_flight().len(), 2);
    worker.claimed(numbered(9..=16));
    assert_eq!(worker.in_flight().len(), 2);
}

#[test]
fn with_few_slots_there_is_one_exchange_at_a_time() {
    let mut worker = Rig::new(15);
    worker.claimed(numbered(1..=15));
    worker.ends("1", returned());
    end_all(&mut worker, &numbered(2..=15));
    assert_eq!(worker.in_flight(), ["1 finished, claim 1"]);
}

#[test]
fn the_pool_reports_each_end_while_no_exchange_is_in_flight_and_else_the_last_one_that_fills_a_second() {
    let mut worker = half_busy_worker();
    assert_eq!(worker.engine.ends_until_send(), Some(4));
    worker.ends("1", returned());
    assert_eq!(worker.engine.ends_until_send(), Some(3));
    end_all(&mut worker, &numbered(2..=4));
    assert_eq!(worker.engine.ends_until_send(), None);
    worker.replied(nothing());
    worker.replied(nothing());
    assert_eq!(worker.engine.ends_until_send(), Some(1));
}

#[test]
fn fields_are_written_before_the_completions_of_their_exchange() {
    let mut worker = Rig::new(1);
    worker.claimed(["a"]);
    worker.at_once(|worker| {
        worker.ends("a", returned());
        worker.writes("a", "meta", "1");
    });
    assert_eq!(worker.in_flight(), ["a.meta=1, a finished, claim 1"]);
}

#[test]
fn an_exchange_with_fields_is_alone_in_flight_because_two_may_overtake_each_other() {
    let mut worker = Rig::new(16);
    worker.replied(jobs(numbered(1..=8)).and_more());
    worker.replied(nothing());
    worker.writes("8", "meta", "1");
    end_all(&mut worker, &numbered(1..=4));
    assert_eq!(worker.in_flight(), ["8.meta=1"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["1 finished, 2 finished, 3 finished, 4 finished"]);
}

#[test]
fn a_field_waits_until_no_exchange_is_in_flight() {
    let mut worker = half_busy_worker();
    worker.writes("8", "meta", "1");
    end_all(&mut worker, &numbered(1..=4));
    assert_eq!(worker.in_flight(), ["claim 8"]);
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["8.meta=1, 1 finished, 2 finished, 3 finished, 4 finished"]);
}

#[test]
fn a_claim_whose_connection_still_works_is_repeated_after_an_error_of_redis() {
    let mut worker = Rig::new(1);
    worker.replied(nothing().rejects_claim("OOM command not allowed"));
    assert_eq!(worker.in_flight(), [""; 0]);
    worker.until_it_sends();
    assert_eq!(worker.in_flight(), ["claim 1"]);
}

#[test]
fn keys_are_checked_by_one_claim_a_second() {
    let mut worker = Rig::new(1);
    assert!(worker.claim().checks_keys);
    worker.claimed(["a"]);
    worker.after(999);
    worker.ends("a", returned());
    assert!(!worker.claim().checks_keys);
    worker.claimed(["a"]);
    worker.after(1);
    worker.ends("a", returned());
    assert!(worker.claim().checks_keys);
}

#[test]
fn keys_are_checked_after_completions_were_rejected() {
    let mut worker = Rig::new(2);
    worker.claimed(["a", "b"]);
    worker.ends("a", returned());
    worker.replied(jobs(["c"]).rejects_completions("WRONGTYPE"));
    worker.ends("b", returned());
    assert!(worker.claim().checks_keys);
}

#[test]
fn an_id_without_a_job_and_one_that_cannot_be_read_are_reported() {
    let mut worker = Rig::new(2);
    worker.actions();
    worker.replied(nothing().dropped("a").quarantined("b"));
    assert_eq!(worker.events()[..2], ["a dropped", "b set aside"]);
}

#[test]
fn with_few_slots_claimed_jobs_begin_before_the_next_exchange_occupies_the_loop() {
    let mut worker = Rig::new(3);
    worker.claimed(["a", "b", "c"]);
    worker.at_once(|worker| {
        worker.ends("a", Outcome::Interrupted);
        worker.ends("b", Outcome::Interrupted);
    });
    assert_eq!(worker.in_flight(), ["a put back, b put back, claim 2"]);
    worker.actions();
    worker.claimed(["d"]);
    assert_eq!(
        worker.actions(),
        ["report a put back, b put back", "start d", "watch default", "send claim 1"]
    );
}
