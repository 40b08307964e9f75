//! Repeated jobs, retries, schedulers and cron entries, ours and Python's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rq_rs::{Cron, NewJob, Repeat, Retry};
use serde_json::{Value, json};

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, SIDES, Side};
use crate::support::{Process, RunningWorker, eventually};

fn enqueue(both: &InteropEnv, side: Side) {
    match side {
        Side::Python => drop(both.python(
            "enqueue",
            json!({"queue": "default", "jobs": [
                {"func": "tasks.add", "args": [2, 3], "id": "again", "repeat": {"times": 3, "interval": [0, 1]}},
            ]}),
        )),
        Side::Rust => {
            let intervals = [Duration::ZERO, Duration::from_secs(1)];
            let job = NewJob::new("tasks.add", (2, 3)).id("again").repeat(Repeat::list(intervals, 3));
            both.queue().enqueue_job(job).unwrap();
        }
    }
}

#[test]
fn a_repeated_job_runs_as_often_as_it_says_with_any_producer_and_worker() {
    std::thread::scope(|scope| {
        for producer in SIDES {
            for worker in SIDES {
                scope.spawn(move || {
                    for serializer in SERIALIZERS {
                        let both = InteropEnv::with(RqVersion::Three, serializer);
                        enqueue(&both, producer);
                        eventually("it has run four times", || {
                            match worker {
                                Side::Python => {
                                    drop(both.python(
                                        "work",
                                        json!({"queues": ["default"], "with_scheduler": true}),
                                    ));
                                }
                                Side::Rust => drop(both.env.drain(both.worker())),
                            }
                            both.env.redis::<u64>(&["XLEN", "rq:results:again"]) == 4
                        });
                        let (ours, theirs) =
                            (both.queue().job("again").unwrap(), both.python("job", json!({"id": "again"})));
                        assert_eq!((ours.repeats_left, ours.result.clone()), (Some(0), Some(5.into())));
                        assert_eq!(
                            (&theirs["status"], &theirs["return_value"]),
                            (&json!("finished"), &json!(5))
                        );
                        assert_eq!(both.env.locations("default", "again"), ["finished"]);
                    }
                });
            }
        }
    });
}

#[test]
fn while_our_worker_runs_no_python_scheduler_gets_the_lock_of_its_queue() {
    for rq in [RqVersion::Three, RqVersion::Two] {
        let both = InteropEnv::with(rq, rq_rs::Serializer::Pickle);
        let running_worker = RunningWorker::start(both.worker());
        running_worker.wait_until_idle();
        let locks = both.python("acquire_locks", json!({}));
        assert_eq!(locks, json!({"got": [], "pid": std::process::id()}));
        running_worker.stop();
        assert_eq!(both.python("acquire_locks", json!({})), json!({"got": ["default"], "pid": null}));
    }
}

#[test]
fn python_reads_our_cron_entries() {
    let both = InteropEnv::new();
    let worker = both
        .worker()
        .name("ours")
        .cron(Cron::new("sum", "every 1h", NewJob::new("tasks.add", (1, 2)).meta(json!({"who": "cron"}))))
        .cron(Cron::new("night", "0 3 * * *", NewJob::new("tasks.add", ())).queue("low").tz("Europe/Berlin"));
    let running_worker = RunningWorker::start(worker);
    let ticked =
        running_worker.wait_for_event("a tick", |event| matches!(event, rq_rs::Event::Ticked { .. }));
    let rq_rs::Event::Ticked { id, .. } = ticked else { unreachable!() };
    eventually("it has finished", || both.env.locations("default", &id) == ["finished"]);
    eventually("its record is there", || {
        both.python("cron_schedulers", json!({}))[0]["jobs"][0]["latest_enqueue_time"].is_string()
    });
    let read = both.python("cron_schedulers", json!({}))[0].clone();
    assert_eq!(read["name"], "ours");
    let (sum, night) = (&read["jobs"][0], &read["jobs"][1]);
    assert_eq!(
        (&sum["name"], &sum["func_name"], &sum["interval"]),
        (&json!("sum"), &json!("tasks.add"), &json!(3600))
    );
    assert_eq!((&sum["args"], &sum["ids"], &sum["cron"]), (&json!([1, 2]), &json!([id]), &Value::Null));
    assert_eq!((&night["cron"], &night["queue_name"]), (&json!("0 3 * * *"), &json!("low")));
    assert!(night["next_enqueue_time"].is_string() && night["latest_enqueue_time"].is_null(), "{night}");
    running_worker.stop();
    assert_eq!(both.python("cron_schedulers", json!({})), json!([]));
}

#[test]
fn the_cron_commands_list_and_run_python_s_entries() {
    let both = InteropEnv::new();
    assert_eq!(both.python("register_cron", json!({})), json!(["sum"]));
    let rq = |words: &[&str]| Process::start(words, &both.env.environment()).finish("");
    let list = rq(&["cron", "list", "--json"]).json();
    let names: Vec<&Value> = list.as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, [&json!("sum"), &json!("tasks.add")]);
    assert_eq!(
        (&list[0]["schedule"], &list[0]["args"], &list[0]["python"]),
        (&json!("every 3600s"), &json!([1, 2]), &json!(true))
    );
    assert!(list[0]["last"].is_string() && list[1]["next"].is_string(), "{list}");
    assert_eq!(rq(&["cron", "history", "sum", "--json"]).json().as_array().unwrap().len(), 1);
    assert!(rq(&["cron", "pause", "sum"]).expect_failure(1).contains("knows no pause"));
    let id = rq(&["cron", "run", "tasks.add"]).ok();
    let theirs = both.python("job", json!({"id": id.trim()}));
    assert_eq!((&theirs["origin"], &theirs["status"]), (&json!("low"), &json!("queued")));
    let worker =
        both.env.worker(&["low"]).handler("tasks.add", |_: &rq_rs::Context, sum: Sum| Ok(sum.a + sum.b));
    both.env.drain(worker);
    assert_eq!(both.python("job", json!({"id": id.trim()}))["return_value"], json!(3));
}

#[derive(serde::Deserialize)]
struct Sum {
    a: i64,
    b: i64,
}

/// Each failed run is scheduled with the delay that a Python worker would choose.
#[test]
fn retry_delays_of_random_policies_are_python_s() {
    let both = InteropEnv::new();
    let rng = &mut fastrand::Rng::new();
    let cases: Vec<(u32, Vec<u64>)> = (0..40)
        .map(|_| {
            let max_retries = rng.u32(1..6);
            (max_retries, (0..rng.usize(1..8)).map(|_| rng.u64(100..100_000)).collect())
        })
        .collect();
    let theirs = both.python("retry_intervals", json!({ "cases": cases }));
    let theirs: Vec<Vec<u64>> = serde_json::from_value(theirs).unwrap();
    for (n, (max_retries, intervals)) in cases.iter().enumerate() {
        let delays = intervals.iter().map(|seconds| Duration::from_secs(*seconds));
        let job =
            NewJob::new("tasks.fail", "boom").id(format!("job-{n}")).retry(Retry::list(delays, *max_retries));
        both.queue().enqueue_job(job).unwrap();
    }
    for run in 0..5 {
        both.drain(Side::Rust);
        let now: (i64, i64) = both.env.redis(&["TIME"]);
        for (n, delays) in theirs.iter().enumerate().filter(|(_, delays)| run < delays.len()) {
            let id = format!("job-{n}");
            let due: i64 = both.env.redis(&["ZSCORE", "rq:scheduled:default", &id]);
            let expected = i64::try_from(delays[run]).unwrap();
            assert!(
                (expected - 60..=expected + 1).contains(&(due - now.0)),
                "{:?}: {run}: {}",
                cases[n],
                due - now.0
            );
            both.env.redis::<i64>(&["ZADD", "rq:scheduled:default", "1", &id]);
        }
    }
    both.drain(Side::Rust);
    assert_eq!(both.queue().failed().count(), Ok(40));
}

#[test]
fn retries_without_intervals_run_on_a_python_worker_without_a_scheduler() {
    for rq in [RqVersion::Three, RqVersion::Two] {
        let both = InteropEnv::with(rq, rq_rs::Serializer::Pickle);
        let words =
            ["enqueue", "tasks.fail", "boom", "--retry-max", "2", "--dialect", "rq", "--job-id", "twice"];
        Process::start(&words, &both.env.environment()).finish("").ok();
        both.python("work", json!({"queues": ["default"], "with_scheduler": false}));
        assert_eq!(both.env.locations("default", "twice"), ["failed"], "after its last retry");
        assert_eq!(both.queue().job("twice").unwrap().retries_left, Some(0));
    }
}

/// A field of a cron expression.
fn field(rng: &mut fastrand::Rng, (low, high): (u32, u32), names: &[&str]) -> String {
    let one = |rng: &mut fastrand::Rng| match rng.usize(0..names.len() * 2 + 4) {
        n if n < names.len() => names[n].to_owned(),
        _ => rng.u32(low..=high).to_string(),
    };
    match rng.u32(0..10) {
        0..=3 => "*".to_owned(),
        4 | 5 => one(rng),
        6 => {
            let first = rng.u32(low..high);
            format!("{first}-{}", rng.u32(first + 1..=high))
        }
        7 => format!("*/{}", rng.u32(2..=high)),
        8 => {
            let first = rng.u32(low..high);
            format!("{first}-{}/{}", rng.u32(first + 1..=high), rng.u32(1..=5))
        }
        _ => format!("{},{}", rng.u32(low..=high), one(rng)),
    }
}

#[test]
fn cron_expressions_mean_the_same_as_in_croniter() {
    let both = InteropEnv::new();
    let seed = fastrand::u64(..);
    let rng = &mut fastrand::Rng::with_seed(seed);
    let (months, days) = (["jan", "JUN", "dec"], ["mon", "FRI", "sun"]);
    let mut cases: Vec<(String, i64)> = Vec::new();
    for _ in 0..3000 {
        let fields = [
            field(rng, (0, 59), &[]),
            field(rng, (0, 23), &[]),
            field(rng, (1, 31), &[]),
            field(rng, (1, 12), &months),
            field(rng, (0, 6), &days),
        ];
        // The one difference: to cron a range of all days is a restriction, so that either the day of the month or
        // the weekday must match; to croniter it is `*`.
        if ["1-31", "1-31/1"].contains(&&*fields[2]) || ["0-6", "0-6/1"].contains(&&*fields[4]) {
            continue;
        }
        cases.push((fields.join(" "), 1_700_000_000 + rng.i64(0..300_000_000)));
    }
    cases.extend(
        ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@midnight"]
            .map(|name| (name.to_owned(), 1_700_000_000)),
    );
    let others = [
        "5/15 * * * *",
        "0 22-2 * * *",
        "50-10 * * * *",
        "0 0 * * fri-mon",
        "0 0 * * fri-sun",
        "0 0 * * 5-7",
        "0 0 * * 7-2",
        "0 0 * nov-feb *",
        "0 0 28-3 * *",
        "0 0 5/10 * *",
        "0 0 * 3/4 *",
        "0 0 * * 1/2",
        "0 0 L * *",
        "0 0 15W * *",
        "0 0 ? * 5",
        "0 0 * * 5#2",
        "0 0 * * L5",
        "0 0 * * l5",
        "1,2,,3 * * * *",
        "*/0 * * * *",
        "mon * * * *",
        "@reboot",
    ];
    cases.extend(others.map(|fields| (fields.to_owned(), 1_700_000_000 + rng.i64(0..300_000_000))));
    let theirs = both.python("croniter", json!({ "cases": cases }));
    for ((expression, moment), theirs) in cases.iter().zip(theirs.as_array().unwrap()) {
        let entry = Cron::new("entry", expression, NewJob::new("noop", ())).tz("UTC");
        let mut at = DateTime::<Utc>::from_timestamp(*moment, 0).unwrap();
        let ours: Vec<Value> = (0..5)
            .map_while(|_| {
                at = entry.next_after(at).ok()??;
                Some(at.timestamp().into())
            })
            .collect();
        match theirs {
            Value::Array(theirs) => assert_eq!(&ours, theirs, "{expression} after {moment} (seed {seed})"),
            error => {
                assert!(ours.is_empty(), "{expression} after {moment}: {error}, but {ours:?} (seed {seed})");
            }
        }
    }
}
