//! Many jobs at once: each job keeps the guarantees that it has alone.

use std::sync::Barrier;

use rq_rs::{Context, Error, Event, NewJob};
use serde_json::json;

use crate::support::{CallLog, Gate, RunningWorker, TestEnv, eventually};

#[test]
fn an_id_twice_in_a_queue_runs_once_at_a_time() {
    let (env, calls) = (TestEnv::new(), CallLog::default());
    let queue = env.queue("default");
    let job = queue.enqueue("slow", ()).unwrap();
    env.push("default", job.id());
    assert_eq!(queue.count().unwrap(), 2);
    let runs = calls.clone();
    let worker =
        env.worker(&["default"]).concurrency(8).burst(true).handler("slow", move |_: &Context, (): ()| {
            runs.record("ran");
            Ok(())
        });
    let worker = RunningWorker::start(worker);
    worker.wait_for_event("the second one", |event| matches!(event, Event::Dropped { .. }));
    assert_eq!(worker.join().finished, 1);
    assert_eq!(calls.lines(), ["ran"]);
}

#[test]
fn the_last_meta_that_a_job_saves_is_kept() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let bulk = queue.enqueue_many((0..200).map(|n| NewJob::new("save", n))).unwrap();
    let worker = env.worker(&["default"]).concurrency(16).handler("save", |job: &Context, n: u64| {
        job.save_meta(json!({ "n": n }))?;
        Ok(())
    });
    assert_eq!(env.drain(worker).finished, 200);
    for (n, id) in bulk.ids.iter().enumerate() {
        let meta = &queue.job(id).unwrap().meta;
        assert_eq!(meta.get("n"), Some(&json!(n)), "{meta:?}");
    }
}

#[test]
fn five_hundred_runs_that_end_at_once_are_completed_and_others_start() {
    for env in [TestEnv::new().in_native_dialect(), TestEnv::new().in_rq_dialect()] {
        env.queue("default").enqueue_many((0..1000).map(|_| NewJob::new("meet", ()))).unwrap();
        let all = Barrier::new(500);
        let worker = env.worker(&["default"]).concurrency(500).handler("meet", move |_: &Context, (): ()| {
            all.wait();
            Ok(7)
        });
        assert_eq!(env.drain(worker).finished, 1000);
    }
}

#[test]
fn jobs_enqueued_before_one_that_is_refused_are_stored() {
    let env = TestEnv::with_own_redis(&[]);
    let queue = env.queue("default");
    let jobs = (0..251).map(|n| NewJob::new(if n < 250 { "add" } else { "" }, (n, 1)));
    assert!(matches!(queue.enqueue_many(jobs), Err(Error::Invalid { .. })));
    assert_eq!(queue.count().unwrap(), 250);
}

#[test]
fn payloads_of_any_size_arrive_whole() {
    for env in [TestEnv::new().in_native_dialect(), TestEnv::new().in_rq_dialect()] {
        let queue = env.queue("default");
        for size in [0, 30, 40, 45, 64, 100, 500, 600, 20_000] {
            let text = "é".repeat(size);
            let job = queue.enqueue("echo", (&text,)).unwrap();
            assert_eq!(queue.job(job.id()).unwrap().args, [json!(text)]);
            env.drain(env.worker(&["default"]));
            assert_eq!(queue.job(job.id()).unwrap().result, Some(json!(text)));
        }
    }
}

#[test]
fn a_server_without_zmscore_works_as_well() {
    let env = TestEnv::with_own_redis(&["--rename-command", "ZMSCORE", ""]);
    env.queue("default").enqueue_many((0..100).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    assert_eq!(env.drain(env.worker(&["default"]).concurrency(16)).finished, 100);
    assert_eq!(env.queue("default").finished().count().unwrap(), 100);
}

#[test]
fn prefetched_jobs_go_back_when_no_slot_is_free_soon() {
    let (env, gate, calls) = (TestEnv::new(), Gate::default(), CallLog::default());
    let queue = env.queue("default");
    let short = (0..400).map(|_| NewJob::new("echo", "so that the next ones seem to be short too"));
    let long = (0..16).map(|_| NewJob::new("wait", ()));
    let late = (0..10).map(|n| NewJob::new("note", n).id(format!("late-{n}")));
    queue.enqueue_many(short.chain(long).chain(late)).unwrap();
    let (at_door, notes) = (gate.clone(), calls.clone());
    let worker = env
        .worker(&["default"])
        .concurrency(16)
        .burst(true)
        .handler("wait", move |_: &Context, (): ()| {
            at_door.wait();
            Ok(())
        })
        .handler("note", move |job: &Context, n: u32| {
            notes.record(format!("{n} {}", job.delivery()));
            Ok(())
        });
    let worker = RunningWorker::start(worker);
    eventually("only what has a slot is out of the queue", || {
        queue.count().unwrap() <= 10
            && env.redis::<usize>(&["ZCARD", &env.key("wip:default")]) == 16
            && env.redis::<usize>(&["LLEN", &env.key("queue:default:intermediate")]) == 0
            && (0..10).all(|n| !env.locations("default", &format!("late-{n}")).contains(&"wip"))
    });
    gate.open();
    let summary = worker.join();
    assert_eq!((summary.finished, summary.put_back), (426, 0));
    let mut ran = calls.lines();
    ran.sort();
    assert_eq!(ran, (0..10).map(|n| format!("{n} 1")).collect::<Vec<_>>());
}
