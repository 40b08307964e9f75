//! Dependents and rate limits: jobs that RQ enqueues only when another job has ended, which our worker runs.

use rq_rs::Retry;
use serde_json::{Value, json};

use crate::python::{InteropEnv, Side};
use crate::support::RunningWorker;

fn add(id: &str, more: Value) -> Value {
    let mut job = json!({"func": "tasks.add", "args": [1, 2], "id": id});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

fn enqueue(both: &InteropEnv, jobs: &[Value]) {
    both.python("enqueue", json!({"queue": "default", "jobs": jobs}));
}

#[test]
fn a_chain_of_dependents_runs_on_our_worker() {
    let both = InteropEnv::new();
    enqueue(
        &both,
        &[
            add("one", json!({})),
            add("two", json!({"depends_on": "one", "result_ttl": 0})),
            add("three", json!({"depends_on": "two"})),
            add("front", json!({"depends_on": "one", "at_front": true})),
        ],
    );
    assert_eq!(both.env.drain(both.worker()).finished, 4);
    for id in ["one", "three", "front"] {
        assert_eq!(both.env.locations("default", id), ["finished"], "{id}");
    }
}

#[test]
fn a_failure_releases_only_the_dependents_that_allow_it() {
    let both = InteropEnv::new();
    let bad = json!({"func": "tasks.fail", "args": ["boom"], "id": "bad"});
    enqueue(
        &both,
        &[
            bad,
            add("patient", json!({"depends_on": "bad"})),
            add("tolerant", json!({"depends_on": "bad", "allow_failure": true})),
        ],
    );
    let summary = both.env.drain(both.worker());
    assert_eq!((summary.finished, summary.failed), (1, 1));
    assert_eq!(both.env.locations("default", "patient"), ["deferred"]);
    assert_eq!(both.env.locations("default", "tolerant"), ["finished"]);
}

#[test]
fn a_job_waits_for_all_its_dependencies_on_either_side() {
    let both = InteropEnv::new();
    enqueue(
        &both,
        &[
            add("ours", json!({})),
            add("theirs", json!({"in": 1000})),
            add("child", json!({"depends_on": ["ours", "theirs"]})),
        ],
    );
    both.drain(Side::Rust);
    assert_eq!(both.env.locations("default", "child"), ["deferred"]);
    both.env.redis::<i64>(&["ZREM", "rq:scheduled:default", "theirs"]);
    both.env.push("default", "theirs");
    both.env.redis::<i64>(&["HSET", "rq:job:theirs", "status", "queued"]);
    both.drain(Side::Python);
    assert_eq!(both.env.locations("default", "child"), ["finished"]);
}

#[test]
fn a_dependent_that_is_added_while_its_parent_runs_here_is_released() {
    let both = InteropEnv::new();
    both.queue().enqueue_job(rq_rs::NewJob::new("tasks.slow", 0.7).id("parent")).unwrap();
    let running_worker = RunningWorker::start(both.worker());
    running_worker.wait_for_start("parent");
    enqueue(&both, &[add("child", json!({"depends_on": "parent"}))]);
    running_worker.wait_for_finish("parent");
    running_worker.wait_for_finish("child");
    running_worker.stop();
}

#[test]
fn neither_a_retry_nor_a_stop_releases_dependents() {
    let both = InteropEnv::new();
    let again = rq_rs::NewJob::new("tasks.fail", "x").id("again").retry(Retry::growing(1));
    both.queue().enqueue_job(again).unwrap();
    both.queue().enqueue_job(rq_rs::NewJob::new("tasks.slow", 60).id("stopped")).unwrap();
    enqueue(
        &both,
        &[
            add("after-again", json!({"depends_on": "again", "allow_failure": true})),
            add("after-stopped", json!({"depends_on": "stopped", "allow_failure": true})),
        ],
    );
    let running_worker = RunningWorker::start(both.worker());
    running_worker.wait_for_start("stopped");
    both.python("stop", json!({"id": "stopped"}));
    running_worker.wait_for_event(
        "the end",
        |event| matches!(event, rq_rs::Event::Failed { id, .. } if id == "stopped"),
    );
    running_worker.stop();
    for id in ["after-again", "after-stopped"] {
        assert_eq!(both.env.locations("default", id), ["deferred"], "{id}");
    }
}

#[test]
fn a_dependent_that_python_has_half_released_runs_on_our_worker() {
    let both = InteropEnv::new();
    both.python("enqueue", json!({"queue": "a", "jobs": [add("p", json!({}))]}));
    both.python("enqueue", json!({"queue": "default", "jobs": [add("c", json!({"depends_on": "p"}))]}));
    both.python("half_release", json!({"id": "p"}));
    assert_eq!(both.env.redis::<i64>(&["ZCARD", "rq:ready:default"]), 1);
    assert_eq!(both.env.drain(both.worker()).finished, 1);
    assert_eq!(both.env.locations("default", "c"), ["finished"]);
}

/// An `add` with a rate limit of one job at a time.
fn limited(id: &str, more: Value) -> Value {
    let mut job = add(id, json!({"rate_limit": {"key": "api", "concurrency": 1}}));
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

#[test]
fn rate_limited_jobs_run_one_at_a_time_and_leave_no_keys_behind() {
    for worker in [Side::Rust, Side::Python] {
        let both = InteropEnv::new();
        let first = limited("one", json!({}));
        enqueue(&both, &[first, limited("two", json!({})), limited("three", json!({"depends_on": "one"}))]);
        assert_eq!(both.python("job", json!({"id": "two"}))["status"], "rate_limited");
        both.env.drain(both.worker().max_jobs(1));
        both.drain(worker);
        for id in ["one", "two", "three"] {
            assert_eq!(both.env.locations("default", id), ["finished"], "{id}");
        }
        both.python("info", json!({}));
        assert_eq!(both.env.redis::<i64>(&["SCARD", "rq:rl-keys"]), 0);
    }
}

#[test]
fn maintenance_by_python_keeps_the_slot_of_a_canceled_job_that_still_runs_here() {
    for side in [Side::Rust, Side::Python] {
        for verb in ["cancel", "delete"] {
            maintenance_keeps_the_slot(side, verb);
        }
    }
}

fn maintenance_keeps_the_slot(side: Side, verb: &str) {
    let both = InteropEnv::new();
    let slow = json!({"func": "tasks.stubborn", "args": []});
    enqueue(&both, &[limited("holder", slow), limited("next", json!({}))]);
    let gate = crate::support::Gate::default();
    let inside = gate.clone();
    let running_worker =
        RunningWorker::start(both.worker().handler("tasks.stubborn", move |_: &rq_rs::Context, (): ()| {
            inside.wait();
            Ok(())
        }));
    running_worker.wait_for_start("holder");
    match side {
        Side::Rust => drop(both.env.cli(&["job", verb, "holder"]).ok()),
        Side::Python => drop(both.python(verb, json!({"id": "holder"}))),
    }
    both.python("info", json!({}));
    assert_eq!(both.python("job", json!({"id": "next"}))["status"], "rate_limited");
    gate.open();
    running_worker.wait_for_finish("next");
    running_worker.stop();
}
