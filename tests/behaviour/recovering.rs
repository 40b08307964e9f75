//! A worker may die at any moment: its jobs run again, and it can do no harm when it comes back.

use std::time::Duration;

use rq_rs::{Event, NewJob, Status};

use crate::support::{Door, House, Live, Process, eventually};

const QUICK: [&str; 4] = ["--lease", "1s", "--recover-interval", "0.2s"];

/// A worker process with quick recovery.
fn worker(house: &House, words: &[&str]) -> Process {
    house.start(&[&["worker", "-v", "-c", "1"], &QUICK[..], words].concat())
}

#[test]
fn a_job_whose_worker_is_killed_runs_again_and_no_retry_is_used_up() {
    let house = House::new();
    let mut victim = worker(&house, &["--exec", "job=sleep 60"]);
    let id = house.rq(&["enqueue", "job", "--retry-max", "2"]).ok();
    victim.says(&id);
    victim.signal("KILL");
    let mut heir = worker(&house, &["--exec", "job=echo done"]);
    heir.says(&format!("{id} lost its worker"));
    heir.says(&format!("{id} finished"));
    let job = house.queue("default").job(&id).unwrap();
    assert_eq!((job.status, job.deliveries, job.retries_left), (Status::Finished, 2, Some(2)));
    assert_eq!(house.places("default", &id), ["finished"]);
}

#[test]
fn a_burst_worker_finds_what_an_earlier_one_was_lost_with() {
    let house = House::new();
    let mut victim = worker(&house, &["--exec", "job=sleep 60"]);
    let id = house.rq(&["enqueue", "job"]).ok();
    victim.says(&id);
    victim.signal("KILL");
    eventually("the lease has passed", || {
        let now: (f64, u64) = house.redis(&["TIME"]);
        let until: Vec<(String, f64)> =
            house.redis(&["ZRANGE", &house.key("wip:default"), "0", "-1", "WITHSCORES"]);
        until[0].1 - house.lease_margin() + 0.1 < now.0
    });
    house.rq(&["worker", "--burst", "--lease", "1s", "--exec", "job=echo done"]).ok();
    assert_eq!(house.places("default", &id), ["finished"]);
}

#[test]
fn a_job_that_kills_its_workers_fails_after_the_third_and_says_so() {
    let house = House::new();
    let id = house.rq(&["enqueue", "killer", "--retry-max", "5"]).ok();
    for _ in 0..3 {
        let mut victim = worker(&house, &["--exec", "killer=sh -c 'kill -9 $PPID'"]);
        victim.says(&id);
        assert_eq!(victim.finish("").code, None);
    }
    let mut last = worker(&house, &["--exec", "killer=true"]);
    last.says("lost 3 times with its worker");
    let job = house.queue("default").job(&id).unwrap();
    assert!(job.exc_info.as_deref().unwrap().starts_with("lost 3 times with its worker"), "{job:?}");
    assert_eq!((job.retries_left, house.places("default", &id)), (Some(5), vec!["failed"]));
}

#[test]
fn a_worker_that_was_stopped_longer_than_its_lease_changes_nothing_when_it_comes_back() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let slow = format!("job=sh -c 'until test -e {}; do sleep 0.02; done; echo zombie'", gate.display());
    let mut zombie = worker(&house, &["--exec", &slow]);
    let id = house.rq(&["enqueue", "job"]).ok();
    zombie.says(&id);
    zombie.signal("STOP");
    let mut heir = worker(&house, &["--exec", "job=echo heir"]);
    heir.says(&format!("{id} finished"));
    std::fs::write(&gate, "").unwrap();
    zombie.signal("CONT");
    zombie.says("nothing changed");
    assert_eq!(house.queue("default").job(&id).unwrap().returned::<String>(), Ok("heir".into()));
    assert_eq!(house.places("default", &id), ["finished"]);
}

#[test]
fn a_lease_that_has_passed_but_was_not_taken_over_may_still_finish() {
    let house = House::new();
    let mut slow =
        house.start(&["worker", "--lease", "1s", "--recover-interval", "1h", "--exec", "job=sleep 0.5"]);
    let id = house.rq(&["enqueue", "job"]).ok();
    slow.says(&id);
    slow.signal("STOP");
    eventually("the lease has passed", || {
        let now: (f64, u64) = house.redis(&["TIME"]);
        let until: Vec<(String, f64)> =
            house.redis(&["ZRANGE", &house.key("wip:default"), "0", "-1", "WITHSCORES"]);
        until[0].1 - house.lease_margin() < now.0
    });
    slow.signal("CONT");
    slow.says(&format!("{id} finished"));
}

#[test]
fn a_job_longer_than_the_lease_is_not_taken_from_a_worker_that_lives() {
    let (house, door) = (House::new(), Door::default());
    let inside = door.clone();
    let quick = |worker: rq_rs::Worker| {
        worker.lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100))
    };
    let owner =
        Live::start(quick(house.worker(&["default"])).handler("door", move |_: &rq_rs::Context, (): ()| {
            inside.wait();
            Ok(())
        }));
    let job = house.queue("default").enqueue("door", ()).unwrap();
    owner.sees_started(job.id());
    let first: f64 = lease_end(&house);
    let _other = Live::start(quick(house.worker(&["default"])));
    eventually("it is renewed past its first end", || {
        let now: (f64, u64) = house.redis(&["TIME"]);
        now.0 > first + 1.0 && lease_end(&house) > now.0
    });
    door.open();
    owner.sees_finished(job.id());
    assert_eq!(house.queue("default").job(job.id()).unwrap().deliveries, 1);
}

fn lease_end(house: &House) -> f64 {
    let leases: Vec<(String, f64)> =
        house.redis(&["ZRANGE", &house.key("wip:default"), "0", "-1", "WITHSCORES"]);
    leases[0].1 - house.lease_margin()
}

#[test]
fn an_id_that_a_dead_watcher_left_in_the_intermediate_list_goes_back_after_ten_seconds() {
    let house = House::new().native(); // the other dialect waits longer
    let job = house.queue("default").enqueue_job(NewJob::new("add", (1, 1))).unwrap();
    house.redis::<String>(&[
        "RPOPLPUSH",
        &house.key("queue:default"),
        &house.key("queue:default:intermediate"),
    ]);
    let live = Live::start(house.worker(&["default"]).recover_interval(Duration::from_millis(200)));
    live.sees_finished(job.id());
    assert_eq!(live.stops().finished, 1);
    assert_eq!(house.places("default", job.id()), ["finished"]);
}

#[test]
fn a_lease_without_a_record_is_cleared() {
    let house = House::new();
    house.redis::<i64>(&["ZADD", &house.key("wip:default"), "1", "ghost:0123"]);
    house.redis::<i64>(&["ZADD", &house.key("wip:default"), "1", "no-colon"]);
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    let live = Live::start(
        house.worker(&["default"]).lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100)),
    );
    live.sees("a finish", |event| matches!(event, Event::Finished { id, .. } if id == job.id()));
    eventually("the ghost is gone", || house.redis::<i64>(&["ZCARD", &house.key("wip:default")]) == 0);
    live.stops();
}
