//! Burst: a worker that ends when no job is left. It waits for what it may have caused itself: jobs that its runs have
//! enqueued, and jobs that it has put back.

use super::rig::Rig;
use super::values::{failed, job, nothing, numbered, returned};

fn burst_worker(slots: usize) -> Rig {
    Rig::with(slots, |options| options.burst = true)
}

#[test]
fn a_burst_worker_ends_when_it_has_found_no_jobs() {
    let mut worker = burst_worker(2);
    worker.actions();
    worker.replied(nothing());
    assert_eq!(worker.actions(), ["event: idle", "stop"]);
}

#[test]
fn a_burst_worker_waits_for_the_runs_it_has_claimed_and_then_asks_again() {
    let mut worker = burst_worker(2);
    worker.claimed(["a"]);
    worker.ends("a", returned());
    assert_eq!(worker.in_flight(), ["a finished"]);
    // The run may have enqueued a job.
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 2"]);
    assert!(!worker.has_stopped());
    worker.replied(nothing());
    assert!(worker.has_stopped());
}

#[test]
fn a_burst_worker_runs_a_job_again_that_it_has_retried_at_once() {
    let mut worker = burst_worker(1);
    worker.claimed([job("a").with("retries_left", 1)]);
    worker.ends("a", failed());
    assert_eq!(worker.in_flight(), ["a retried at once, claim 1"]);
    // The claim was carried out before the completion.
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 1"]);
    worker.claimed(["a"]);
    assert!(!worker.has_stopped());
}

#[test]
fn a_burst_worker_waits_for_no_watcher() {
    let mut worker = burst_worker(2);
    worker.claimed(["a"]);
    assert_eq!(worker.actions_of("watch"), [""; 0]);
}

#[test]
fn a_burst_worker_of_many_slots_asks_again_for_what_its_runs_may_have_enqueued_since_its_claim() {
    let mut worker = burst_worker(16);
    worker.claimed(numbered(1..=8));
    worker.at_once(|worker| numbered(1..=8).iter().for_each(|job| worker.ends(job, returned())));
    assert_eq!(worker.in_flight().len(), 2);
    worker.replied_to(1, nothing());
    // This claim was sent before the runs had ended: that it found nothing is no news.
    worker.replied(nothing());
    assert_eq!(worker.in_flight(), ["claim 8", "claim 8"]);
    worker.replied(nothing());
    worker.replied(nothing());
    assert!(worker.has_stopped());
}
