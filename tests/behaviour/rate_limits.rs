//! Rate limits, groups and two-step releases, which only the rq dialect has. The keys are made by hand, as Python RQ
//! makes them; `tests/interop` runs the real Python RQ.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rq_rs::{Context, Event, NewJob, Retry, Status, Worker};

use crate::support::{DashboardProcess, Gate, RunningWorker, TestEnv, eventually};

/// An environment in which the limit `api` has this many slots, taken by the first of these jobs.
fn limited(slots: usize, jobs: &[(&str, &str)]) -> TestEnv {
    let env = TestEnv::new().in_rq_dialect();
    env.redis::<i64>(&["SADD", &env.key("rl-keys"), "api"]);
    env.redis::<i64>(&["HSET", &env.key("rl:api"), "concurrency", &slots.to_string()]);
    for (n, (id, handler)) in jobs.iter().enumerate() {
        record(&env, id, handler, &["rate_limit_key", "api", "rate_limit_concurrency", &slots.to_string()]);
        let (place, status) =
            if n < slots { ("allowed", "queued") } else { ("rate_limited", "rate_limited") };
        env.redis::<i64>(&["ZADD", &env.key(&format!("rl:api:{place}")), &n.to_string(), id]);
        env.redis::<i64>(&["HSET", &env.key(&format!("job:{id}")), "status", status]);
        if n < slots {
            env.push("default", id);
        }
    }
    env
}

/// Writes the record of a job that is in no list or registry yet.
fn record(env: &TestEnv, id: &str, handler: &str, more: &[&str]) {
    let (key, data) = (env.key(&format!("job:{id}")), format!(r#"["{handler}", null, [], {{}}]"#));
    let created = "2026-11-22T00:00:00.000000Z";
    let plain = ["HSET", &key, "data", &data, "origin", "default", "created_at", created, "timeout", "180"];
    env.redis::<i64>(&[&plain[..], more].concat());
    env.redis::<i64>(&["SADD", &env.key("queues"), &env.key("queue:default")]);
}

fn members(env: &TestEnv, place: &str) -> Vec<String> {
    env.redis(&["ZRANGE", &env.key(&format!("rl:api:{place}")), "0", "-1"])
}

fn status(env: &TestEnv, id: &str) -> Status {
    env.queue("default").job(id).unwrap().status
}

/// A worker with handlers that finish, fail, and wait at a gate.
fn worker(env: &TestEnv, gate: &Gate) -> Worker {
    let inside = gate.clone();
    env.worker(&["default"])
        .handler("done", |_: &Context, (): ()| Ok(()))
        .handler("broken", |_: &Context, (): ()| -> anyhow::Result<()> { anyhow::bail!("broken") })
        .handler("gate", move |_: &Context, (): ()| {
            inside.wait();
            Ok(())
        })
}

#[test]
fn a_limit_runs_as_many_jobs_at_once_as_it_has_slots() {
    let env = limited(1, &[("a", "count"), ("b", "count"), ("c", "count")]);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let worker = env.worker(&["default"]).concurrency(3).handler("count", move |_: &Context, (): ()| {
        peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        (0..10_000).for_each(|_| std::thread::yield_now());
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(env.drain(worker).finished, 3);
    assert_eq!((most.load(Ordering::SeqCst), members(&env, "allowed").len()), (1, 0));
    // An unused limit is deleted.
    env.drain(env.worker(&["default"]));
    assert!(!env.redis::<bool>(&["EXISTS", &env.key("rl:api")]));
    assert_eq!(env.redis::<i64>(&["SCARD", &env.key("rl-keys")]), 0);
}

#[test]
fn a_failure_and_a_waiting_retry_free_the_slot_of_a_limit() {
    let env = limited(1, &[("a", "broken"), ("b", "broken"), ("c", "done")]);
    let key = env.key("job:b");
    env.redis::<i64>(&["HSET", &key, "retries_left", "1", "retry_intervals", "[3600]"]);
    let summary = env.drain(worker(&env, &Gate::default()));
    assert_eq!((summary.failed, summary.retried, summary.finished), (1, 1, 1));
    assert_eq!((status(&env, "b"), members(&env, "allowed")), (Status::Scheduled, vec![]));
    // A job that becomes due, or is enqueued by hand, needs a slot again.
    env.redis::<i64>(&["ZADD", &env.key("rl:api:allowed"), "1", "another"]);
    env.cli(&["job", "enqueue", "b"]).ok();
    assert_eq!((status(&env, "b"), members(&env, "rate_limited")), (Status::RateLimited, vec!["b".into()]));
    assert_eq!(env.locations("default", "b"), [""; 0]);
}

#[test]
fn a_scheduled_job_that_is_due_waits_for_its_slot() {
    let env = limited(1, &[("holder", "gate")]);
    record(
        &env,
        "due",
        "done",
        &["rate_limit_key", "api", "rate_limit_concurrency", "1", "status", "scheduled"],
    );
    env.redis::<i64>(&["ZADD", &env.key("scheduled:default"), "1", "due"]);
    let gate = Gate::default();
    let running_worker = RunningWorker::start(worker(&env, &gate));
    running_worker.wait_for_start("holder");
    eventually("it waits", || members(&env, "rate_limited") == ["due"]);
    gate.open();
    running_worker.wait_for_finish("due");
    running_worker.stop();
}

#[test]
fn a_requeued_job_waits_for_its_slot_and_no_two_run_at_once() {
    let env = limited(1, &[("bad", "broken"), ("holder", "gate")]);
    let gate = Gate::default();
    let running_worker = RunningWorker::start(worker(&env, &gate));
    running_worker.wait_for_start("holder");
    assert_eq!(env.cli(&["requeue", "bad"]).ok(), "1 job requeued.");
    assert_eq!(
        (status(&env, "bad"), members(&env, "rate_limited")),
        (Status::RateLimited, vec!["bad".into()])
    );
    assert_eq!(env.redis::<i64>(&["LLEN", &env.key("queue:default")]), 0);
    gate.open();
    running_worker.wait_for_event(
        "its second failure",
        |event| matches!(event, Event::Failed { id, .. } if id == "bad"),
    );
    running_worker.stop();
    assert_eq!(members(&env, "allowed"), [""; 0]);
}

#[test]
fn an_id_in_the_list_that_has_no_slot_waits_for_one() {
    let env = limited(1, &[("holder", "gate")]);
    for id in ["x", "y"] {
        record(
            &env,
            id,
            "done",
            &["rate_limit_key", "api", "rate_limit_concurrency", "1", "status", "queued"],
        );
        env.push("default", id);
    }
    let gate = Gate::default();
    let running_worker = RunningWorker::start(worker(&env, &gate).concurrency(3));
    running_worker.wait_for_start("holder");
    eventually("both wait", || members(&env, "rate_limited") == ["x", "y"]);
    gate.open();
    running_worker.wait_for_finish("x");
    running_worker.wait_for_finish("y");
    running_worker.stop();
}

#[test]
fn canceling_deleting_and_emptying_free_slots_of_a_limit() {
    let env = limited(1, &[("a", "done"), ("b", "done"), ("c", "done"), ("d", "done"), ("e", "done")]);
    env.cli(&["job", "cancel", "a"]).ok();
    assert_eq!((members(&env, "allowed"), status(&env, "b")), (vec!["b".into()], Status::Queued));
    env.cli(&["job", "delete", "b"]).ok();
    assert_eq!((members(&env, "allowed"), status(&env, "c")), (vec!["c".into()], Status::Queued));
    // A waiting job leaves the limit's list.
    env.cli(&["job", "cancel", "d"]).ok();
    assert_eq!(members(&env, "rate_limited"), ["e"]);
    assert_eq!(env.queue("default").empty(), Ok(1));
    assert_eq!((members(&env, "allowed"), status(&env, "e")), (vec!["e".into()], Status::Queued));
    assert_eq!(env.drain(worker(&env, &Gate::default())).finished, 1);
}

#[test]
fn a_canceled_run_keeps_its_slot_until_its_handler_stops() {
    for command in ["cancel", "delete"] {
        let env = limited(1, &[("holder", "gate"), ("next", "done")]);
        let gate = Gate::default();
        let running_worker = RunningWorker::start(worker(&env, &gate).lease(Duration::from_secs(1)));
        running_worker.wait_for_start("holder");
        env.cli(&["job", command, "holder"]).ok();
        // Maintenance of limits, by a worker or by `rq info`, sees that the job still runs.
        env.drain(env.worker(&["other"]));
        assert_eq!(
            (members(&env, "allowed"), status(&env, "next")),
            (vec!["holder".into()], Status::RateLimited)
        );
        // The slot is kept for as long as the handler runs.
        let runs = env.key("executions:holder");
        env.redis::<i64>(&["EXPIRE", &runs, "20"]);
        eventually("the run is renewed", || env.redis::<i64>(&["TTL", &runs]) > 60);
        gate.open();
        running_worker.wait_for_finish("next");
        running_worker.stop();
        assert_eq!(members(&env, "allowed"), [""; 0], "{command}");
    }
}

#[test]
fn a_run_whose_job_python_has_canceled_gives_its_slot_back_when_it_ends() {
    let env = limited(1, &[("holder", "gate"), ("next", "done")]);
    let gate = Gate::default();
    let running_worker = RunningWorker::start(worker(&env, &gate).concurrency(1));
    running_worker.wait_for_start("holder");
    // Python RQ leaves the lease of our run in place.
    env.redis::<i64>(&["HSET", &env.key("job:holder"), "status", "canceled"]);
    gate.open();
    running_worker.wait_for_event("a refusal", |event| matches!(event, Event::Stale { .. }));
    assert_ne!(status(&env, "next"), Status::RateLimited);
    running_worker.stop();
}

/// Jobs of the limit that are in no list or registry are enqueued again.
fn let_wait(env: &TestEnv, slots: &str, ids: &[&str]) {
    for id in ids {
        let limit = ["status", "queued", "rate_limit_key", "api", "rate_limit_concurrency", slots];
        record(env, id, "gate", &limit);
        env.cli(&["requeue", id]).ok();
    }
}

#[test]
fn a_job_that_is_requeued_while_its_canceled_run_goes_on_does_not_share_its_slot() {
    // Our commands release the job, or Python RQ, which pushes it onto the queue.
    for is_let_in_by_python in [false, true] {
        let env = limited(2, &[("again", "gate")]);
        let gate = Gate::default();
        let running_worker = RunningWorker::start(worker(&env, &gate).concurrency(4));
        running_worker.wait_for_start("again");
        env.cli(&["job", "cancel", "again"]).ok();
        if is_let_in_by_python {
            env.redis::<i64>(&["ZREM", &env.key("canceled:default"), "again"]);
            env.redis::<i64>(&["HSET", &env.key("job:again"), "status", "queued"]);
            env.push("default", "again");
        } else {
            env.cli(&["requeue", "again"]).ok();
        }
        eventually("it waits", || members(&env, "rate_limited") == ["again"]);
        let told = env.cli(&["job", "explain", "again"]).ok();
        assert!(told.contains("that run still has its slot of rate limit api"), "{told}");
        let_wait(&env, "2", &["b", "c"]);
        running_worker.wait_for_start("b");
        assert_eq!(
            (members(&env, "allowed"), members(&env, "rate_limited")),
            (vec!["again".into(), "b".into()], vec!["again".into(), "c".into()])
        );
        assert_eq!(env.redis::<i64>(&["ZCARD", &env.key("wip:default")]), 1);
        gate.open();
        for id in ["again", "b", "c"] {
            eventually("it has run", || status(&env, id) == Status::Finished);
        }
        running_worker.stop();
        assert_eq!(members(&env, "allowed"), [""; 0]);
    }
}

#[test]
fn a_limit_whose_hash_was_deleted_is_restored_from_its_waiting_jobs() {
    let env = limited(1, &[("holder", "gate"), ("next", "done")]);
    let gate = Gate::default();
    let running_worker = RunningWorker::start(worker(&env, &gate));
    running_worker.wait_for_start("holder");
    env.redis::<i64>(&["DEL", &env.key("rl:api"), &env.key("rl-keys")]);
    // Missing records are skipped without an error.
    env.redis::<i64>(&["ZADD", &env.key("rl:api:rate_limited"), "0", "gone"]);
    let told = env.cli(&["job", "explain", "next"]).ok();
    assert!(told.contains("1 of 1 slots are taken"), "{told}");
    gate.open();
    running_worker.wait_for_finish("next");
    running_worker.stop();
}

#[test]
fn a_limit_without_its_hash_is_maintained_too() {
    let env = limited(0, &[("a", "done"), ("b", "done")]);
    for id in ["a", "b"] {
        env.redis::<i64>(&["HSET", &env.key(&format!("job:{id}")), "rate_limit_concurrency", "1"]);
    }
    env.redis::<i64>(&["DEL", &env.key("rl:api")]);
    assert_eq!(env.drain(worker(&env, &Gate::default())).finished, 2);
}

#[test]
fn slots_of_jobs_that_no_longer_run_are_freed() {
    let env = limited(2, &[("gone", "done"), ("ended", "done"), ("next", "done")]);
    env.redis::<i64>(&["DEL", &env.key("job:gone"), &env.key("queue:default")]);
    env.redis::<i64>(&["HSET", &env.key("job:ended"), "status", "finished"]);
    assert_eq!(env.drain(worker(&env, &Gate::default())).finished, 1);
    assert_eq!(status(&env, "next"), Status::Finished);
}

#[test]
fn jobs_that_wait_for_a_limit_are_counted_and_listed_everywhere() {
    let env = limited(1, &[("a", "done"), ("b", "done"), ("c", "done")]);
    let info = env.cli(&["info"]).ok();
    assert!(info.contains("rate limited"), "{info}");
    assert_eq!(env.cli(&["info", "--json"]).json()["queues"][0]["rate_limited"], 2);
    let metrics = env.cli(&["metrics"]).ok();
    assert!(metrics.contains("rq_jobs{queue=\"default\",status=\"rate_limited\"} 2"), "{metrics}");
    let dashboard = DashboardProcess::start(&env, &[]);
    let page = dashboard.get("/api/queues/default/rate_limited?order=oldest").json();
    let ids: Vec<_> = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
    assert_eq!((&page["total"], ids), (&serde_json::json!(2), vec!["b".into(), "c".into()]));
    let told = env.cli(&["job", "explain", "b"]).ok();
    assert!(told.contains("It waits for rate limit api: 1 of 1 slots are taken"), "{told}");
    env.redis::<i64>(&["ZREM", &env.key("rl:api:rate_limited"), "c"]);
    let told = env.cli(&["job", "explain", "c"]).ok();
    assert!(told.contains("Its record says rate_limited, but it is in no place"), "{told}");
    env.cli(&["requeue", "c"]).ok();
    assert_eq!(members(&env, "rate_limited"), ["b", "c"]);
}

#[test]
fn a_group_without_jobs_is_forgotten() {
    let env = TestEnv::new().in_rq_dialect();
    for id in ["one", "expired"] {
        record(&env, id, "add", &["group_id", id, "status", "queued"]);
        env.redis::<i64>(&["SADD", &env.key(&format!("group:{id}")), id]);
        env.redis::<i64>(&["SADD", &env.key("groups"), id]);
    }
    env.cli(&["job", "delete", "one"]).ok();
    assert_eq!(env.redis::<Vec<String>>(&["SMEMBERS", &env.key("groups")]), ["expired"]);
    env.redis::<i64>(&["DEL", &env.key("job:expired")]);
    env.drain(env.worker(&["default"]));
    assert_eq!(env.redis::<Vec<String>>(&["SMEMBERS", &env.key("groups")]), [""; 0]);
}

#[test]
fn a_job_that_rq_released_half_way_reaches_its_queue() {
    let env = TestEnv::new().in_rq_dialect();
    for (id, more) in [("behind", ["enqueue_at_front", "0"]), ("front", ["enqueue_at_front", "1"])] {
        record(&env, id, "done", &[&["status", "ready_to_enqueue"], &more[..]].concat());
        env.redis::<i64>(&["ZADD", &env.key("ready:default"), "1", id]);
    }
    env.redis::<i64>(&["ZADD", &env.key("ready:default"), "1", "gone"]);
    let told = env.cli(&["job", "explain", "front"]).ok();
    assert!(told.contains("Any worker of queue default puts it into the queue"), "{told}");
    let running_worker = RunningWorker::start(worker(&env, &Gate::default()).concurrency(1));
    running_worker.wait_for_finish("front");
    running_worker.wait_for_finish("behind");
    running_worker.stop();
    assert_eq!(env.redis::<i64>(&["ZCARD", &env.key("ready:default")]), 0);
}

#[test]
fn a_job_that_rq_released_half_way_can_be_canceled_and_deleted() {
    let env = TestEnv::new().in_rq_dialect();
    for id in ["canceled", "deleted"] {
        record(&env, id, "done", &["status", "ready_to_enqueue"]);
        env.redis::<i64>(&["ZADD", &env.key("ready:default"), "1", id]);
    }
    env.cli(&["job", "cancel", "canceled"]).ok();
    env.cli(&["job", "delete", "deleted"]).ok();
    assert_eq!(env.redis::<i64>(&["ZCARD", &env.key("ready:default")]), 0);
    assert_eq!(env.drain(worker(&env, &Gate::default())).finished, 0);
    assert_eq!(env.locations("default", "canceled"), ["canceled"]);
}

#[test]
fn a_plain_job_in_the_native_dialect_has_no_limit_fields() {
    let env = TestEnv::new().in_rq_dialect();
    let queue = env.queue("default");
    let job = queue.enqueue_job(NewJob::new("fail", "x").retry(Retry::every(Duration::ZERO, 1))).unwrap();
    env.drain(env.worker(&["default"]));
    env.cli(&["requeue", job.id()]).ok();
    assert_eq!(env.locations("default", job.id()), ["queue"]);
    assert!(!env.redis::<bool>(&["EXISTS", &env.key("rl-keys")]));
}
