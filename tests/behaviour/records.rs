//! What strangers may have left in Redis never stops the loop, and is not thrown away.

use rq_rs::{Error, Event};

use crate::support::{Door, House, Live, eventually};

impl House {
    fn hash(&self, id: &str, fields: &[&str]) {
        let key = self.key(&format!("job:{id}"));
        self.redis::<i64>(&[&["HSET", &key], fields].concat());
        self.push("default", id);
    }
}

const GOOD: [&str; 4] = ["data", r#"["echo", null, ["x"], {}]"#, "status", "queued"];

#[test]
fn a_record_that_cannot_be_read_fails_with_its_reason_and_its_bytes_are_kept() {
    let house = House::new();
    for (id, fields) in [
        ("bad-json", vec!["data", "{oops", "status", "queued"]),
        ("not-a-call", vec!["data", "[1, 2, 3]", "status", "queued"]),
        ("method", vec!["data", r#"["f", {"self": 1}, [], {}]"#, "status", "queued"]),
        ("no-data", vec!["status", "queued", "origin", "default"]),
        ("bad-timeout", [&GOOD[..], &["timeout", "soon"]].concat()),
        ("bad-ttl", [&GOOD[..], &["result_ttl", "1e99"]].concat()),
        ("bad-date", [&GOOD[..], &["created_at", "yesterday"]].concat()),
        ("bad-meta", [&GOOD[..], &["meta", "\u{1}"]].concat()),
    ] {
        house.hash(id, &fields);
    }
    let good = house.queue("default").enqueue("echo", "still here").unwrap();

    let summary = house.drain(house.worker(&["default"]));

    assert_eq!((summary.failed, summary.finished), (8, 1));
    for (id, reason) in
        [("bad-json", "data"), ("no-data", "data: missing"), ("bad-timeout", "timeout: \"soon\"")]
    {
        let job = house.queue("default").job(id).unwrap();
        let error = job.exc_info.as_deref().unwrap();
        assert!(error.starts_with("the record cannot be read: ") && error.contains(reason), "{error}");
        assert_eq!(house.places("default", id), ["failed"]);
    }
    let kept: String = house.redis(&["HGET", &house.key("job:bad-json"), "data"]);
    assert_eq!(kept, "{oops");
    assert_eq!(house.places("default", good.id()), ["finished"]);
}

#[test]
fn what_is_no_job_at_all_is_set_aside_and_counted() {
    let house = House::new();
    for odd in ["a b", "a:b", "ü", "a\nb"] {
        house.push("default", odd);
    }
    house.redis::<String>(&["SET", &house.key("job:a-string"), "not a hash"]);
    house.push("default", "a-string");
    house.hash("odd-status", &["data", GOOD[1], "status", "happy"]);
    house.redis::<i64>(&["SADD", &house.key("queues"), &house.key("queue:default")]);
    let good = house.queue("default").enqueue("echo", "still here").unwrap();

    let live = Live::start(house.worker(&["default"]));
    live.sees("a set aside", |event| matches!(event, Event::SetAside { id } if id == "odd-status"));
    live.sees_finished(good.id());
    live.stops();

    assert_eq!(house.queue("default").unreadable().count(), Ok(6));
    assert_eq!(house.redis::<String>(&["GET", &house.key("job:a-string")]), "not a hash");
    assert!(house.rq(&["info"]).ok().contains("6 unreadable"));
}

#[test]
fn an_id_without_a_record_and_a_left_over_of_an_ended_job_are_dropped() {
    let house = House::new();
    let done = house.queue("default").enqueue("echo", "x").unwrap();
    house.drain(house.worker(&["default"]));
    house.push("default", "no-such-job");
    house.push("default", done.id());
    let live = Live::start(house.worker(&["default"]));
    live.sees("a drop", |event| matches!(event, Event::Dropped { id } if id == "no-such-job"));
    live.sees("a drop", |event| matches!(event, Event::Dropped { id } if id == done.id()));
    assert_eq!(live.stops().finished, 0);
    assert_eq!(house.places("default", done.id()), ["finished"]);
}

#[test]
fn a_key_that_is_taken_while_the_worker_runs_costs_no_job() {
    let house = House::new();
    let live = Live::start(house.worker(&["default"]));
    let first = house.queue("default").enqueue("echo", "x").unwrap();
    live.sees_finished(first.id());
    house.redis::<String>(&["SET", &house.key("unreadable:default"), "a string"]);
    house.push("default", "no.id");
    let good = house.queue("default").enqueue("echo", "x").unwrap();
    live.sees("a pause", |event| matches!(event, Event::Warning(text) if text.contains("a wrong type")));
    house.redis::<i64>(&["DEL", &house.key("unreadable:default")]);
    live.sees_finished(good.id());
    live.stops();
    assert_eq!(house.places("default", "no.id"), ["unreadable"]);
}

#[test]
fn a_queue_whose_keys_another_program_has_taken_does_not_stop_the_others() {
    let house = House::new();
    house.redis::<String>(&["SET", &house.key("queue:taken"), "a string"]);
    house.redis::<String>(&["SET", &house.key("wip:broken"), "a string"]);
    let stuck = house.queue("broken").enqueue("echo", "x").unwrap();
    let refused = house.queue("taken").enqueue_job(rq_rs::NewJob::new("echo", "x").id("refused"));
    assert!(
        matches!(&refused, Err(Error::Refused { reason }) if reason.contains("WRONGTYPE")),
        "{refused:?}"
    );
    assert!(!house.redis::<bool>(&["EXISTS", &house.key("job:refused")]));
    let good = house.queue("default").enqueue("echo", "x").unwrap();

    assert_eq!(house.drain(house.worker(&["taken", "broken", "default"])).finished, 1);

    assert_eq!(house.places("default", good.id()), ["finished"]);
    let waiting: Vec<String> = house.redis(&["LRANGE", &house.key("queue:broken"), "0", "-1"]);
    assert_eq!(waiting, [stuck.id()]);
}

#[test]
fn a_result_that_finds_its_registry_taken_is_kept_and_the_other_queues_go_on() {
    let (house, door) = (House::new(), Door::default());
    let inside = door.clone();
    let worker = house.worker(&["default", "other"]).handler("door", move |_: &rq_rs::Context, (): ()| {
        inside.wait();
        Ok("kept")
    });
    let live = Live::start(worker);
    let job = house.queue("default").enqueue("door", ()).unwrap();
    live.sees_started(job.id());
    house.redis::<String>(&["SET", &house.key("finished:default"), "a string"]);
    door.open();
    live.sees(
        "trouble",
        |event| matches!(event, Event::Trouble { error, .. } if error.contains("WRONGTYPE")),
    );
    assert_eq!(house.redis::<i64>(&["ZCARD", &house.key("wip:default")]), 1);
    let other = house.queue("other").enqueue("add", (1, 1)).unwrap();
    live.sees_finished(other.id());
    let waiting = house.queue("default").enqueue("add", (1, 1)).unwrap();
    eventually("no more of this queue is started", || house.queue("default").count() == Ok(1));
    house.redis::<i64>(&["DEL", &house.key("finished:default")]);
    live.sees_finished(job.id());
    live.sees_finished(waiting.id());
    live.stops();
    assert_eq!(house.places("default", job.id()), ["finished"]);
}

#[test]
fn a_server_that_forgets_its_scripts_makes_no_difference() {
    let house = House::with_own_redis(&[]);
    let live = Live::start(house.worker(&["default"]));
    live.sees_idle();
    for _ in 0..3 {
        house.redis::<String>(&["SCRIPT", "FLUSH"]);
        let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
        live.sees_finished(job.id());
    }
    live.stops();
}
