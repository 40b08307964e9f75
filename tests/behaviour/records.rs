//! Unreadable data of other programs in Redis never stops the worker, and is not deleted.

use rq_rs::{Error, Event};

use crate::support::{Gate, RunningWorker, TestEnv, eventually};

impl TestEnv {
    fn hash(&self, id: &str, fields: &[&str]) {
        let key = self.key(&format!("job:{id}"));
        self.redis::<i64>(&[&["HSET", &key], fields].concat());
        self.push("default", id);
    }
}

const GOOD: [&str; 4] = ["data", r#"["echo", null, ["x"], {}]"#, "status", "queued"];

#[test]
fn a_record_that_cannot_be_read_fails_with_its_reason_and_its_bytes_are_kept() {
    let env = TestEnv::new();
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
        env.hash(id, &fields);
    }
    let good = env.queue("default").enqueue("echo", "still here").unwrap();

    let summary = env.drain(env.worker(&["default"]));

    assert_eq!((summary.failed, summary.finished), (8, 1));
    for (id, reason) in
        [("bad-json", "data"), ("no-data", "data: missing"), ("bad-timeout", "timeout: \"soon\"")]
    {
        let job = env.queue("default").job(id).unwrap();
        let error = job.exc_info.as_deref().unwrap();
        assert!(error.starts_with("the record cannot be read: ") && error.contains(reason), "{error}");
        assert_eq!(env.locations("default", id), ["failed"]);
    }
    let kept: String = env.redis(&["HGET", &env.key("job:bad-json"), "data"]);
    assert_eq!(kept, "{oops");
    assert_eq!(env.locations("default", good.id()), ["finished"]);
}

#[test]
fn an_entry_that_is_not_a_job_is_quarantined_and_counted() {
    let env = TestEnv::new();
    for odd in ["a b", "a:b", "ü", "a\nb"] {
        env.push("default", odd);
    }
    env.redis::<String>(&["SET", &env.key("job:a-string"), "not a hash"]);
    env.push("default", "a-string");
    env.hash("odd-status", &["data", GOOD[1], "status", "happy"]);
    env.redis::<i64>(&["SADD", &env.key("queues"), &env.key("queue:default")]);
    let good = env.queue("default").enqueue("echo", "still here").unwrap();

    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker
        .wait_for_event("a set aside", |event| matches!(event, Event::SetAside { id } if id == "odd-status"));
    running_worker.wait_for_finish(good.id());
    running_worker.stop();

    assert_eq!(env.queue("default").unreadable().count(), Ok(6));
    assert_eq!(env.redis::<String>(&["GET", &env.key("job:a-string")]), "not a hash");
    assert!(env.cli(&["info"]).ok().contains("6 unreadable"));
}

#[test]
fn an_id_without_a_record_and_a_leftover_id_of_an_ended_job_are_dropped() {
    let env = TestEnv::new();
    let done = env.queue("default").enqueue("echo", "x").unwrap();
    env.drain(env.worker(&["default"]));
    env.push("default", "no-such-job");
    env.push("default", done.id());
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker
        .wait_for_event("a drop", |event| matches!(event, Event::Dropped { id } if id == "no-such-job"));
    running_worker
        .wait_for_event("a drop", |event| matches!(event, Event::Dropped { id } if id == done.id()));
    assert_eq!(running_worker.stop().finished, 0);
    assert_eq!(env.locations("default", done.id()), ["finished"]);
}

#[test]
fn a_key_that_changes_its_type_while_the_worker_runs_costs_no_job() {
    let env = TestEnv::new();
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    let first = env.queue("default").enqueue("echo", "x").unwrap();
    running_worker.wait_for_finish(first.id());
    env.redis::<String>(&["SET", &env.key("unreadable:default"), "a string"]);
    env.push("default", "no.id");
    let good = env.queue("default").enqueue("echo", "x").unwrap();
    running_worker.wait_for_event(
        "a pause",
        |event| matches!(event, Event::Warning(text) if text.contains("a wrong type")),
    );
    env.redis::<i64>(&["DEL", &env.key("unreadable:default")]);
    running_worker.wait_for_finish(good.id());
    running_worker.stop();
    assert_eq!(env.locations("default", "no.id"), ["unreadable"]);
}

#[test]
fn a_queue_whose_keys_have_another_type_does_not_stop_the_others() {
    let env = TestEnv::new();
    env.redis::<String>(&["SET", &env.key("queue:taken"), "a string"]);
    env.redis::<String>(&["SET", &env.key("wip:broken"), "a string"]);
    let stuck = env.queue("broken").enqueue("echo", "x").unwrap();
    let refused = env.queue("taken").enqueue_job(rq_rs::NewJob::new("echo", "x").id("refused"));
    assert!(
        matches!(&refused, Err(Error::Refused { reason }) if reason.contains("WRONGTYPE")),
        "{refused:?}"
    );
    assert!(!env.redis::<bool>(&["EXISTS", &env.key("job:refused")]));
    let good = env.queue("default").enqueue("echo", "x").unwrap();

    assert_eq!(env.drain(env.worker(&["taken", "broken", "default"])).finished, 1);

    assert_eq!(env.locations("default", good.id()), ["finished"]);
    let waiting: Vec<String> = env.redis(&["LRANGE", &env.key("queue:broken"), "0", "-1"]);
    assert_eq!(waiting, [stuck.id()]);
}

#[test]
fn a_completion_whose_registry_has_another_type_waits_and_the_other_queues_go_on() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let inside = gate.clone();
    let worker = env.worker(&["default", "other"]).handler("gate", move |_: &rq_rs::Context, (): ()| {
        inside.wait();
        Ok("kept")
    });
    let running_worker = RunningWorker::start(worker);
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    env.redis::<String>(&["SET", &env.key("finished:default"), "a string"]);
    gate.open();
    running_worker.wait_for_event(
        "trouble",
        |event| matches!(event, Event::Trouble { error, .. } if error.contains("WRONGTYPE")),
    );
    assert_eq!(env.redis::<i64>(&["ZCARD", &env.key("wip:default")]), 1);
    let other = env.queue("other").enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_finish(other.id());
    let waiting = env.queue("default").enqueue("add", (1, 1)).unwrap();
    eventually("no more of this queue is started", || env.queue("default").count() == Ok(1));
    env.redis::<i64>(&["DEL", &env.key("finished:default")]);
    running_worker.wait_for_finish(job.id());
    running_worker.wait_for_finish(waiting.id());
    running_worker.stop();
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_server_that_forgets_its_scripts_makes_no_difference() {
    let env = TestEnv::with_own_redis(&[]);
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_until_idle();
    for _ in 0..3 {
        env.redis::<String>(&["SCRIPT", "FLUSH"]);
        let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
        running_worker.wait_for_finish(job.id());
    }
    running_worker.stop();
}
