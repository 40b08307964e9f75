//! What only RQ's dialect has: rate limits, groups, and jobs that were let go in two steps. The keys are made by
//! hand, as Python's programs make them; `tests/interop` has those programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rq_rs::{Context, Event, NewJob, Retry, Status, Worker};

use crate::support::{Dash, Door, House, Live, eventually};

/// A house in which the limit `api` has so many slots; of the jobs as many are let in as there is room for.
fn limited(slots: usize, jobs: &[(&str, &str)]) -> House {
    let house = House::new().in_rq();
    house.redis::<i64>(&["SADD", &house.key("rl-keys"), "api"]);
    house.redis::<i64>(&["HSET", &house.key("rl:api"), "concurrency", &slots.to_string()]);
    for (n, (id, handler)) in jobs.iter().enumerate() {
        record(&house, id, handler, &["rate_limit_key", "api", "rate_limit_concurrency", &slots.to_string()]);
        let (place, status) =
            if n < slots { ("allowed", "queued") } else { ("rate_limited", "rate_limited") };
        house.redis::<i64>(&["ZADD", &house.key(&format!("rl:api:{place}")), &n.to_string(), id]);
        house.redis::<i64>(&["HSET", &house.key(&format!("job:{id}")), "status", status]);
        if n < slots {
            house.push("default", id);
        }
    }
    house
}

/// The record of a job that is nowhere yet.
fn record(house: &House, id: &str, handler: &str, more: &[&str]) {
    let (key, data) = (house.key(&format!("job:{id}")), format!(r#"["{handler}", null, [], {{}}]"#));
    let created = "2026-11-22T00:00:00.000000Z";
    let plain = ["HSET", &key, "data", &data, "origin", "default", "created_at", created, "timeout", "180"];
    house.redis::<i64>(&[&plain[..], more].concat());
    house.redis::<i64>(&["SADD", &house.key("queues"), &house.key("queue:default")]);
}

fn members(house: &House, place: &str) -> Vec<String> {
    house.redis(&["ZRANGE", &house.key(&format!("rl:api:{place}")), "0", "-1"])
}

fn status(house: &House, id: &str) -> Status {
    house.queue("default").job(id).unwrap().status
}

/// Handlers that end, fail, and wait at a door.
fn worker(house: &House, door: &Door) -> Worker {
    let inside = door.clone();
    house
        .worker(&["default"])
        .handler("done", |_: &Context, (): ()| Ok(()))
        .handler("broken", |_: &Context, (): ()| -> anyhow::Result<()> { anyhow::bail!("broken") })
        .handler("door", move |_: &Context, (): ()| {
            inside.wait();
            Ok(())
        })
}

#[test]
fn jobs_of_a_limit_run_as_many_at_once_as_it_has_slots() {
    let house = limited(1, &[("a", "count"), ("b", "count"), ("c", "count")]);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let worker = house.worker(&["default"]).concurrency(3).handler("count", move |_: &Context, (): ()| {
        peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        (0..10_000).for_each(|_| std::thread::yield_now());
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(house.drain(worker).finished, 3);
    assert_eq!((most.load(Ordering::SeqCst), members(&house, "allowed").len()), (1, 0));
    // A limit that nobody needs any more is forgotten.
    house.drain(house.worker(&["default"]));
    assert!(!house.redis::<bool>(&["EXISTS", &house.key("rl:api")]));
    assert_eq!(house.redis::<i64>(&["SCARD", &house.key("rl-keys")]), 0);
}

#[test]
fn a_failure_and_a_retry_that_waits_let_the_next_one_in() {
    let house = limited(1, &[("a", "broken"), ("b", "broken"), ("c", "done")]);
    let key = house.key("job:b");
    house.redis::<i64>(&["HSET", &key, "retries_left", "1", "retry_intervals", "[3600]"]);
    let summary = house.drain(worker(&house, &Door::default()));
    assert_eq!((summary.failed, summary.retried, summary.finished), (1, 1, 1));
    assert_eq!((status(&house, "b"), members(&house, "allowed")), (Status::Scheduled, vec![]));
    // When it is due, or somebody wants it now, it has to have a slot again.
    house.redis::<i64>(&["ZADD", &house.key("rl:api:allowed"), "1", "another"]);
    house.rq(&["job", "enqueue", "b"]).ok();
    assert_eq!(
        (status(&house, "b"), members(&house, "rate_limited")),
        (Status::RateLimited, vec!["b".into()])
    );
    assert_eq!(house.places("default", "b"), [""; 0]);
}

#[test]
fn a_scheduled_job_that_is_due_waits_for_its_slot() {
    let house = limited(1, &[("holder", "door")]);
    record(
        &house,
        "due",
        "done",
        &["rate_limit_key", "api", "rate_limit_concurrency", "1", "status", "scheduled"],
    );
    house.redis::<i64>(&["ZADD", &house.key("scheduled:default"), "1", "due"]);
    let door = Door::default();
    let live = Live::start(worker(&house, &door));
    live.sees_started("holder");
    eventually("it waits", || members(&house, "rate_limited") == ["due"]);
    door.open();
    live.sees_finished("due");
    live.stops();
}

#[test]
fn a_requeued_job_waits_for_its_slot_and_no_two_run_at_once() {
    let house = limited(1, &[("bad", "broken"), ("holder", "door")]);
    let door = Door::default();
    let live = Live::start(worker(&house, &door));
    live.sees_started("holder");
    assert_eq!(house.rq(&["requeue", "bad"]).ok(), "1 job requeued.");
    assert_eq!(
        (status(&house, "bad"), members(&house, "rate_limited")),
        (Status::RateLimited, vec!["bad".into()])
    );
    assert_eq!(house.redis::<i64>(&["LLEN", &house.key("queue:default")]), 0);
    door.open();
    live.sees("its second failure", |event| matches!(event, Event::Failed { id, .. } if id == "bad"));
    live.stops();
    assert_eq!(members(&house, "allowed"), [""; 0]);
}

#[test]
fn an_id_in_the_list_that_has_no_slot_waits_for_one() {
    let house = limited(1, &[("holder", "door")]);
    for id in ["x", "y"] {
        record(
            &house,
            id,
            "done",
            &["rate_limit_key", "api", "rate_limit_concurrency", "1", "status", "queued"],
        );
        house.push("default", id);
    }
    let door = Door::default();
    let live = Live::start(worker(&house, &door).concurrency(3));
    live.sees_started("holder");
    eventually("both wait", || members(&house, "rate_limited") == ["x", "y"]);
    door.open();
    live.sees_finished("x");
    live.sees_finished("y");
    live.stops();
}

#[test]
fn canceling_deleting_and_emptying_let_the_next_one_in() {
    let house = limited(1, &[("a", "done"), ("b", "done"), ("c", "done"), ("d", "done"), ("e", "done")]);
    house.rq(&["job", "cancel", "a"]).ok();
    assert_eq!((members(&house, "allowed"), status(&house, "b")), (vec!["b".into()], Status::Queued));
    house.rq(&["job", "delete", "b"]).ok();
    assert_eq!((members(&house, "allowed"), status(&house, "c")), (vec!["c".into()], Status::Queued));
    // One that waits leaves its place.
    house.rq(&["job", "cancel", "d"]).ok();
    assert_eq!(members(&house, "rate_limited"), ["e"]);
    assert_eq!(house.queue("default").empty(), Ok(1));
    assert_eq!((members(&house, "allowed"), status(&house, "e")), (vec!["e".into()], Status::Queued));
    assert_eq!(house.drain(worker(&house, &Door::default())).finished, 1);
}

#[test]
fn a_job_that_is_taken_back_while_it_runs_keeps_its_slot_until_its_handler_has_stopped() {
    for command in ["cancel", "delete"] {
        let house = limited(1, &[("holder", "door"), ("next", "done")]);
        let door = Door::default();
        let live = Live::start(worker(&house, &door).lease(Duration::from_secs(1)));
        live.sees_started("holder");
        house.rq(&["job", command, "holder"]).ok();
        // A look at limits, as every worker and `rq info` have it, sees that it still runs.
        house.drain(house.worker(&["other"]));
        assert_eq!(
            (members(&house, "allowed"), status(&house, "next")),
            (vec!["holder".into()], Status::RateLimited)
        );
        // As long as it runs, however long that is.
        let runs = house.key("executions:holder");
        house.redis::<i64>(&["EXPIRE", &runs, "20"]);
        eventually("the run is renewed", || house.redis::<i64>(&["TTL", &runs]) > 60);
        door.open();
        live.sees_finished("next");
        live.stops();
        assert_eq!(members(&house, "allowed"), [""; 0], "{command}");
    }
}

#[test]
fn a_run_whose_job_python_has_canceled_gives_its_slot_back_when_it_ends() {
    let house = limited(1, &[("holder", "door"), ("next", "done")]);
    let door = Door::default();
    let live = Live::start(worker(&house, &door).concurrency(1));
    live.sees_started("holder");
    // Python's programs leave the lease of our run where it is.
    house.redis::<i64>(&["HSET", &house.key("job:holder"), "status", "canceled"]);
    door.open();
    live.sees("a refusal", |event| matches!(event, Event::Stale { .. }));
    assert_ne!(status(&house, "next"), Status::RateLimited);
    live.stops();
}

/// Jobs of the limit that are in no place get one.
fn let_wait(house: &House, slots: &str, ids: &[&str]) {
    for id in ids {
        let limit = ["status", "queued", "rate_limit_key", "api", "rate_limit_concurrency", slots];
        record(house, id, "door", &limit);
        house.rq(&["requeue", id]).ok();
    }
}

#[test]
fn a_job_that_is_requeued_while_its_canceled_run_goes_on_does_not_share_its_slot() {
    // Whoever lets it in: our commands, or a program of Python, which puts it into the list.
    for is_let_in_by_python in [false, true] {
        let house = limited(2, &[("again", "door")]);
        let door = Door::default();
        let live = Live::start(worker(&house, &door).concurrency(4));
        live.sees_started("again");
        house.rq(&["job", "cancel", "again"]).ok();
        if is_let_in_by_python {
            house.redis::<i64>(&["ZREM", &house.key("canceled:default"), "again"]);
            house.redis::<i64>(&["HSET", &house.key("job:again"), "status", "queued"]);
            house.push("default", "again");
        } else {
            house.rq(&["requeue", "again"]).ok();
        }
        eventually("it waits", || members(&house, "rate_limited") == ["again"]);
        let told = house.rq(&["job", "explain", "again"]).ok();
        assert!(told.contains("that run still has its slot of rate limit api"), "{told}");
        let_wait(&house, "2", &["b", "c"]);
        live.sees_started("b");
        assert_eq!(
            (members(&house, "allowed"), members(&house, "rate_limited")),
            (vec!["again".into(), "b".into()], vec!["again".into(), "c".into()])
        );
        assert_eq!(house.redis::<i64>(&["ZCARD", &house.key("wip:default")]), 1);
        door.open();
        for id in ["again", "b", "c"] {
            eventually("it has run", || status(&house, id) == Status::Finished);
        }
        live.stops();
        assert_eq!(members(&house, "allowed"), [""; 0]);
    }
}

#[test]
fn a_limit_whose_hash_was_deleted_gets_it_back_from_those_that_wait() {
    let house = limited(1, &[("holder", "door"), ("next", "done")]);
    let door = Door::default();
    let live = Live::start(worker(&house, &door));
    live.sees_started("holder");
    house.redis::<i64>(&["DEL", &house.key("rl:api"), &house.key("rl-keys")]);
    // What is gone says nothing, and is passed over.
    house.redis::<i64>(&["ZADD", &house.key("rl:api:rate_limited"), "0", "gone"]);
    let told = house.rq(&["job", "explain", "next"]).ok();
    assert!(told.contains("1 of 1 slots are taken"), "{told}");
    door.open();
    live.sees_finished("next");
    live.stops();
}

#[test]
fn a_limit_without_its_hash_is_looked_after_too() {
    let house = limited(0, &[("a", "done"), ("b", "done")]);
    for id in ["a", "b"] {
        house.redis::<i64>(&["HSET", &house.key(&format!("job:{id}")), "rate_limit_concurrency", "1"]);
    }
    house.redis::<i64>(&["DEL", &house.key("rl:api")]);
    assert_eq!(house.drain(worker(&house, &Door::default())).finished, 2);
}

#[test]
fn slots_of_jobs_that_do_not_need_them_are_free_again() {
    let house = limited(2, &[("gone", "done"), ("ended", "done"), ("next", "done")]);
    house.redis::<i64>(&["DEL", &house.key("job:gone"), &house.key("queue:default")]);
    house.redis::<i64>(&["HSET", &house.key("job:ended"), "status", "finished"]);
    assert_eq!(house.drain(worker(&house, &Door::default())).finished, 1);
    assert_eq!(status(&house, "next"), Status::Finished);
}

#[test]
fn jobs_that_wait_for_a_limit_are_counted_and_listed_everywhere() {
    let house = limited(1, &[("a", "done"), ("b", "done"), ("c", "done")]);
    let info = house.rq(&["info"]).ok();
    assert!(info.contains("rate limited"), "{info}");
    assert_eq!(house.rq(&["info", "--json"]).json()["queues"][0]["rate_limited"], 2);
    let metrics = house.rq(&["metrics"]).ok();
    assert!(metrics.contains("rq_jobs{queue=\"default\",status=\"rate_limited\"} 2"), "{metrics}");
    let dash = Dash::start(&house, &[]);
    let page = dash.get("/api/queues/default/rate_limited?order=oldest").json();
    let ids: Vec<_> = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
    assert_eq!((&page["total"], ids), (&serde_json::json!(2), vec!["b".into(), "c".into()]));
    let told = house.rq(&["job", "explain", "b"]).ok();
    assert!(told.contains("It waits for rate limit api: 1 of 1 slots are taken"), "{told}");
    house.redis::<i64>(&["ZREM", &house.key("rl:api:rate_limited"), "c"]);
    let told = house.rq(&["job", "explain", "c"]).ok();
    assert!(told.contains("Its record says rate_limited, but it is in no place"), "{told}");
    house.rq(&["requeue", "c"]).ok();
    assert_eq!(members(&house, "rate_limited"), ["b", "c"]);
}

#[test]
fn a_group_without_jobs_is_forgotten() {
    let house = House::new().in_rq();
    for id in ["one", "expired"] {
        record(&house, id, "add", &["group_id", id, "status", "queued"]);
        house.redis::<i64>(&["SADD", &house.key(&format!("group:{id}")), id]);
        house.redis::<i64>(&["SADD", &house.key("groups"), id]);
    }
    house.rq(&["job", "delete", "one"]).ok();
    assert_eq!(house.redis::<Vec<String>>(&["SMEMBERS", &house.key("groups")]), ["expired"]);
    house.redis::<i64>(&["DEL", &house.key("job:expired")]);
    house.drain(house.worker(&["default"]));
    assert_eq!(house.redis::<Vec<String>>(&["SMEMBERS", &house.key("groups")]), [""; 0]);
}

#[test]
fn a_job_that_rq_let_go_half_way_reaches_its_queue() {
    let house = House::new().in_rq();
    for (id, more) in [("behind", ["enqueue_at_front", "0"]), ("front", ["enqueue_at_front", "1"])] {
        record(&house, id, "done", &[&["status", "ready_to_enqueue"], &more[..]].concat());
        house.redis::<i64>(&["ZADD", &house.key("ready:default"), "1", id]);
    }
    house.redis::<i64>(&["ZADD", &house.key("ready:default"), "1", "gone"]);
    let told = house.rq(&["job", "explain", "front"]).ok();
    assert!(told.contains("Any worker of queue default puts it into the queue"), "{told}");
    let live = Live::start(worker(&house, &Door::default()).concurrency(1));
    live.sees_finished("front");
    live.sees_finished("behind");
    live.stops();
    assert_eq!(house.redis::<i64>(&["ZCARD", &house.key("ready:default")]), 0);
}

#[test]
fn a_job_that_rq_let_go_half_way_can_be_canceled_and_deleted() {
    let house = House::new().in_rq();
    for id in ["canceled", "deleted"] {
        record(&house, id, "done", &["status", "ready_to_enqueue"]);
        house.redis::<i64>(&["ZADD", &house.key("ready:default"), "1", id]);
    }
    house.rq(&["job", "cancel", "canceled"]).ok();
    house.rq(&["job", "delete", "deleted"]).ok();
    assert_eq!(house.redis::<i64>(&["ZCARD", &house.key("ready:default")]), 0);
    assert_eq!(house.drain(worker(&house, &Door::default())).finished, 0);
    assert_eq!(house.places("default", "canceled"), ["canceled"]);
}

#[test]
fn a_plain_job_of_this_dialect_knows_nothing_of_limits() {
    let house = House::new().in_rq();
    let queue = house.queue("default");
    let job = queue.enqueue_job(NewJob::new("fail", "x").retry(Retry::every(Duration::ZERO, 1))).unwrap();
    house.drain(house.worker(&["default"]));
    house.rq(&["requeue", job.id()]).ok();
    assert_eq!(house.places("default", job.id()), ["queue"]);
    assert!(!house.redis::<bool>(&["EXISTS", &house.key("rl-keys")]));
}
