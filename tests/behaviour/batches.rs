//! What many jobs share, and what must hold for each of them all the same.

use std::sync::Barrier;

use rq_rs::{Context, Error, Event, NewJob};
use serde_json::json;

use crate::support::{Door, House, Ledger, Live, eventually};

#[test]
fn an_id_that_is_twice_in_a_queue_runs_once_at_a_time() {
    let (house, ledger) = (House::new(), Ledger::default());
    let queue = house.queue("default");
    let job = queue.enqueue("slow", ()).unwrap();
    house.push("default", job.id());
    assert_eq!(queue.count().unwrap(), 2);
    let runs = ledger.clone();
    let worker =
        house.worker(&["default"]).concurrency(8).burst(true).handler("slow", move |_: &Context, (): ()| {
            runs.write("ran");
            Ok(())
        });
    let worker = Live::start(worker);
    worker.sees("the second one", |event| matches!(event, Event::Dropped { .. }));
    assert_eq!(worker.ends().finished, 1);
    assert_eq!(ledger.lines(), ["ran"]);
}

#[test]
fn what_a_job_saves_last_is_saved() {
    let house = House::new();
    let queue = house.queue("default");
    let bulk = queue.enqueue_many((0..1000).map(|n| NewJob::new("save", n))).unwrap();
    let worker = house.worker(&["default"]).concurrency(16).handler("save", |job: &Context, n: u64| {
        job.save_meta(json!({ "n": n }))?;
        Ok(())
    });
    assert_eq!(house.drain(worker).finished, 1000);
    for (n, id) in bulk.ids.iter().enumerate() {
        let meta = &queue.job(id).unwrap().meta;
        assert_eq!(meta.get("n"), Some(&json!(n)), "{meta:?}");
    }
}

#[test]
fn five_hundred_runs_that_end_at_one_moment_are_ended_and_others_begin() {
    for house in [House::new().native(), House::new().in_rq()] {
        house.queue("default").enqueue_many((0..1000).map(|_| NewJob::new("meet", ()))).unwrap();
        let all = Barrier::new(500);
        let worker =
            house.worker(&["default"]).concurrency(500).handler("meet", move |_: &Context, (): ()| {
                all.wait();
                Ok(7)
            });
        assert_eq!(house.drain(worker).finished, 1000);
    }
}

#[test]
fn what_was_enqueued_before_a_job_that_cannot_be_is_there() {
    let house = House::with_own_redis(&[]);
    let queue = house.queue("default");
    let jobs = (0..251).map(|n| NewJob::new(if n < 250 { "add" } else { "" }, (n, 1)));
    assert!(matches!(queue.enqueue_many(jobs), Err(Error::Invalid { .. })));
    assert_eq!(queue.count().unwrap(), 250);
}

#[test]
fn payloads_of_any_size_arrive_whole() {
    for house in [House::new().native(), House::new().in_rq()] {
        let queue = house.queue("default");
        for size in [0, 30, 40, 45, 64, 100, 500, 600, 20_000] {
            let text = "é".repeat(size);
            let job = queue.enqueue("echo", (&text,)).unwrap();
            assert_eq!(queue.job(job.id()).unwrap().args, [json!(text)]);
            house.drain(house.worker(&["default"]));
            assert_eq!(queue.job(job.id()).unwrap().result, Some(json!(text)));
        }
    }
}

#[test]
fn a_server_that_is_too_old_for_zmscore_does_the_same() {
    let house = House::with_own_redis(&["--rename-command", "ZMSCORE", ""]);
    house.queue("default").enqueue_many((0..100).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    assert_eq!(house.drain(house.worker(&["default"]).concurrency(16)).finished, 100);
    assert_eq!(house.queue("default").finished().count().unwrap(), 100);
}

#[test]
fn jobs_that_were_claimed_ahead_go_back_when_no_slot_is_free_soon() {
    let (house, door, ledger) = (House::new(), Door::default(), Ledger::default());
    let queue = house.queue("default");
    let short = (0..400).map(|_| NewJob::new("echo", "so that the next ones seem to be short too"));
    let long = (0..16).map(|_| NewJob::new("wait", ()));
    let late = (0..10).map(|n| NewJob::new("note", n).id(format!("late-{n}")));
    queue.enqueue_many(short.chain(long).chain(late)).unwrap();
    let (at_door, notes) = (door.clone(), ledger.clone());
    let worker = house
        .worker(&["default"])
        .concurrency(16)
        .burst(true)
        .handler("wait", move |_: &Context, (): ()| {
            at_door.wait();
            Ok(())
        })
        .handler("note", move |job: &Context, n: u32| {
            notes.write(format!("{n} {}", job.delivery()));
            Ok(())
        });
    let worker = Live::start(worker);
    eventually("only what has a slot is out of the queue", || {
        queue.count().unwrap() <= 10
            && house.redis::<usize>(&["ZCARD", &house.key("wip:default")]) == 16
            && house.redis::<usize>(&["LLEN", &house.key("queue:default:intermediate")]) == 0
            && (0..10).all(|n| !house.places("default", &format!("late-{n}")).contains(&"wip"))
    });
    door.open();
    let summary = worker.ends();
    assert_eq!((summary.finished, summary.put_back), (426, 0));
    let mut ran = ledger.lines();
    ran.sort();
    assert_eq!(ran, (0..10).map(|n| format!("{n} 1")).collect::<Vec<_>>());
}
