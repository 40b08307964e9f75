//! Prefetch: a worker of many slots whose jobs are short claims more of them than it has free slots. What waits for a
//! slot for 20 ms goes back, so that another worker may run it.

use super::rig::Rig;
use super::values::{jobs, nothing, numbered, returned};

/// A worker that has run short jobs only, and is idle now.
fn worker_of_short_jobs(slots: usize) -> Rig {
    let mut worker = Rig::new(slots);
    for round in 1..=40 {
        let ids: Vec<String> = (0..worker.asks_for()).map(|n| format!("short-{round}-{n}")).collect();
        worker.replied(jobs(ids.clone()).and_more());
        worker.at_once(|worker| ids.iter().for_each(|id| worker.ends(id, returned())));
    }
    worker.replies_until_idle();
    worker
}

/// A worker with 16 slots that run the jobs 1 to 16, for which the jobs 17 to 24 wait.
fn prefetching_worker() -> Rig {
    let mut worker = worker_of_short_jobs(16);
    worker.actions();
    worker.pop_timed_out("default");
    worker.replied(jobs(numbered(1..=8)).and_more());
    worker.replied(jobs(numbered(9..=16)).and_more());
    worker.replied(jobs(numbered(17..=24)).and_more());
    worker.replied(nothing());
    assert_eq!(worker.actions_of("start"), numbered(1..=24));
    assert_eq!(worker.in_flight(), [""; 0]);
    worker
}

/// What the recall of the jobs 17 to 24 sends: the first job goes to the front last.
const PUT_BACKS: &str = "24 put back unbegun, 23 put back unbegun, 22 put back unbegun, 21 put back unbegun, \
                         20 put back unbegun, 19 put back unbegun, 18 put back unbegun, 17 put back unbegun";

fn recall(worker: &mut Rig) {
    worker.recalled(&["24", "23", "22", "21", "20", "19", "18", "17"]);
}

#[test]
fn short_jobs_are_claimed_before_a_slot_is_free() {
    prefetching_worker();
}

#[test]
fn jobs_are_taken_for_long_until_some_have_ended() {
    let mut worker = Rig::new(16);
    worker.claimed(numbered(1..=8));
    worker.replied(jobs(numbered(9..=16)).and_more());
    assert_eq!(worker.in_flight(), [""; 0]);
}

#[test]
fn a_worker_of_few_slots_never_prefetches() {
    let mut worker = worker_of_short_jobs(15);
    worker.pop_timed_out("default");
    assert_eq!(worker.in_flight(), ["claim 15"]);
    worker.claimed(numbered(1..=15));
    assert_eq!(worker.in_flight(), [""; 0]);
}

#[test]
fn a_job_that_waits_for_a_slot_for_20_ms_is_recalled_and_goes_back_in_the_order_of_its_queue() {
    let mut worker = prefetching_worker();
    assert_eq!(worker.wakes_in(), Some(20));
    worker.after(20);
    assert_eq!(worker.actions(), ["recall"]);
    recall(&mut worker);
    assert_eq!(worker.in_flight(), [PUT_BACKS]);
}

#[test]
fn a_slot_that_gets_free_is_given_to_the_job_that_waits_longest() {
    let mut worker = prefetching_worker();
    worker.after(10);
    worker.ends("1", returned());
    assert_eq!(worker.wakes_in(), Some(10), "the others wait on");
    worker.at_once(|worker| numbered(2..=8).iter().for_each(|job| worker.ends(job, returned())));
    worker.actions();
    worker.after(20);
    assert_eq!(worker.actions_of("recall"), [""; 0], "no job waits any more");
}

#[test]
fn jobs_that_the_pool_has_begun_already_are_asked_for_again_after_another_20_ms() {
    let mut worker = prefetching_worker();
    worker.after(20);
    worker.recalled(&[]);
    worker.actions();
    worker.after(19);
    assert_eq!(worker.actions(), [""; 0]);
    worker.after(1);
    assert_eq!(worker.actions(), ["recall"]);
}

#[test]
fn a_recalled_job_does_not_count_as_begun() {
    let mut worker = prefetching_worker();
    let begun = worker.engine.claims.begun;
    worker.after(20);
    recall(&mut worker);
    assert_eq!(worker.engine.claims.begun, begun - 8);
}

#[test]
fn after_a_recall_nothing_is_prefetched_until_jobs_are_known_to_be_short_again() {
    let mut worker = prefetching_worker();
    worker.after(20);
    recall(&mut worker);
    worker.replied(nothing());
    worker.ends("1", returned());
    assert_eq!(worker.in_flight(), ["1 finished, claim 1"]);
}
