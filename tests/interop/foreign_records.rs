//! Records that Python or another program has written: they do not crash us, and a job never runs without a feature
//! that its record asks for.

use rq_rs::{Context, Event, PyValue, Serializer};
use serde_json::json;

use crate::python::{InteropEnv, RqVersion, Side};
use crate::support::RunningWorker;

/// Writes a job's record field by field and pushes its id.
fn push_record(both: &InteropEnv, id: &str, fields: &[&str]) {
    both.env.redis::<i64>(&[&["HSET", &format!("rq:job:{id}")], fields].concat());
    both.env.push("default", id);
}

/// The fields of an ordinary record.
const PLAIN: [&str; 10] = [
    "data",
    r#"["tasks.add", null, [1, 2], {}]"#,
    "origin",
    "default",
    "status",
    "queued",
    "created_at",
    "2026-11-22T00:00:00.000000Z",
    "timeout",
    "180",
];

#[test]
fn a_job_with_unsupported_features_fails_with_a_reason_and_does_not_run() {
    let both = InteropEnv::new();
    let needs = [
        ("success_callback_name", "app.done", "a success callback"),
        ("failure_callback_name", "app.oh", "a failure callback"),
        ("stopped_callback_name", "app.oh", "a stopped callback"),
        ("webhooks", r#"[{"url": "http://localhost/"}]"#, "webhooks"),
    ];
    for (field, value, _) in needs {
        push_record(&both, field, &[PLAIN.as_slice(), &[field, value]].concat());
    }
    assert_eq!(both.env.drain(both.worker()).failed, 4);
    for (id, _, what) in needs {
        let error = both.queue().job(id).unwrap().exc_info.clone().unwrap();
        assert!(error.starts_with("not run: this job asks for") && error.contains(what), "{id}: {error}");
    }
    // Once it is requeued, a Python worker runs it.
    both.env.redis::<i64>(&["HDEL", "rq:job:webhooks", "webhooks"]);
    both.python("requeue", json!({"id": "webhooks", "serializer": "json"}));
    both.python("work", json!({"queues": ["default"], "serializer": "json"}));
    assert_eq!(both.env.locations("default", "webhooks"), ["finished"]);
}

#[test]
fn a_payload_that_only_python_can_read_is_refused_by_name_and_left_untouched() {
    let both = InteropEnv::new();
    // (tasks.add, None, (fractions.Fraction(1, 2),), {}), and a call of os.system.
    let fraction = b"\x80\x02(X\x09\x00\x00\x00tasks.addNcfractions\nFraction\nU\x031/2\x85R\x85}t.";
    let system = b"cposix\nsystem\n(S'touch /tmp/rq-rs-was-here'\ntR.";
    for (id, data) in [("fraction", fraction.as_slice()), ("system", system)] {
        let mut connection = redis::Client::open(both.env.url()).unwrap().get_connection().unwrap();
        redis::cmd("HSET")
            .arg(format!("rq:job:{id}"))
            .arg("data")
            .arg(data)
            .arg("status")
            .arg("queued")
            .exec(&mut connection)
            .unwrap();
        both.env.push("default", id);
    }
    assert_eq!(both.env.drain(both.worker()).failed, 2);
    let error = |id: &str| both.queue().job(id).unwrap().exc_info.clone().unwrap();
    assert!(error("fraction").contains("fractions.Fraction"), "{}", error("fraction"));
    assert!(error("system").contains("posix.system"), "{}", error("system"));
    assert!(!std::path::Path::new("/tmp/rq-rs-was-here").exists());
    let mut connection = redis::Client::open(both.env.url()).unwrap().get_connection().unwrap();
    let left: Vec<u8> = redis::cmd("HGET").arg("rq:job:fraction").arg("data").query(&mut connection).unwrap();
    assert_eq!(left, fraction);
}

#[test]
fn malformed_records_that_crash_a_python_worker_do_not_crash_ours() {
    let both = InteropEnv::new();
    let malformed = [
        ("odd-status", "status", "happy"),
        ("odd-timeout", "timeout", "3m"),
        ("odd-date", "created_at", "yesterday"),
        ("odd-retries", "retry_intervals", "7"),
        ("odd-ttl", "result_ttl", "5.0"),
        ("odd-data", "data", "\u{1}\u{2}"),
        ("no-origin", "origin", ""),
        ("no-timeout", "timeout", ""),
    ];
    for (id, field, value) in malformed {
        push_record(&both, id, &PLAIN);
        both.env.redis::<i64>(&["HSET", &format!("rq:job:{id}"), field, value]);
    }
    both.env.push("default", "no.id");
    both.env.push("default", "colon:id");
    both.env.push("default", "no-record");
    both.env.redis::<String>(&["SET", "rq:job:no-hash", "text"]);
    both.env.push("default", "no-hash");
    // An id that a Python worker has left behind which crashed.
    push_record(&both, "poison", &PLAIN);
    both.env.redis::<String>(&[
        "LMOVE",
        "rq:queue:default",
        "rq:queue:default:intermediate",
        "RIGHT",
        "RIGHT",
    ]);
    push_record(&both, "good", &PLAIN);
    let running_worker =
        RunningWorker::start(both.worker().recover_interval(std::time::Duration::from_millis(200)));
    running_worker.wait_for_finish("good");
    running_worker.wait_for_event(
        "the job from the intermediate list",
        |event| matches!(event, Event::Finished { id, .. } if id == "poison"),
    );
    running_worker.stop();
    for (id, _, _) in malformed {
        let place = match id {
            "odd-status" => "unreadable",
            "no-origin" | "no-timeout" => "finished",
            _ => "failed",
        };
        assert_eq!(both.env.locations("default", id), [place], "{id}");
    }
}

#[test]
fn old_jobs_and_hand_made_ones_are_read() {
    let both = InteropEnv::new();
    // A record of RQ 1.x: a date without fraction, plain exc_info, only dependency_id, an uncompressed pickle of protocol 0.
    push_record(
        &both,
        "old",
        &[
            "data",
            "(Vtasks.add\nN(I1\nI2\nt(dt.",
            "status",
            "queued",
            "origin",
            "default",
            "created_at",
            "2020-01-01T00:00:00Z",
            "exc_info",
            "Traceback",
            "dependency_id",
            "gone",
        ],
    );
    assert_eq!(both.env.drain(both.worker()).finished, 1);
    assert_eq!(both.python("job", json!({"id": "old"}))["return_value"], 3);
}

#[test]
fn no_job_of_ours_crashes_a_python_worker() {
    let both = InteropEnv::new();
    let queue = both.queue();
    let retry = rq_rs::Retry::list([], 1);
    let jobs = [
        rq_rs::NewJob::new("tasks.echo", ()).id("no-arguments"),
        rq_rs::NewJob::new("tasks.echo", "x").id("no-words").description(""),
        rq_rs::NewJob::new("tasks.fail", "x").id("no-delays").retry(retry),
        rq_rs::NewJob::new("tasks.add", (1, 1)).id("for-ever").no_timeout(),
        rq_rs::NewJob::new("tasks.add", (1, 1)).id("long").timeout(std::time::Duration::from_secs(1 << 40)),
        rq_rs::NewJob::new("tasks.echo", PyValue::tuple([PyValue::from("größe\u{0}\n")])).id("odd-text"),
    ];
    jobs.into_iter().for_each(|job| drop(queue.enqueue_job(job).unwrap()));
    // A job that a worker of ours releases at its shutdown, and Python runs.
    queue.enqueue_job(rq_rs::NewJob::new("wait", ()).id("stopped").at_front()).unwrap();
    let running_worker =
        RunningWorker::start(both.worker().concurrency(1).handler("wait", |job: &Context, (): ()| {
            while !job.is_canceled() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Ok(())
        }));
    running_worker.wait_for_start("stopped");
    running_worker.stopper.stop_now();
    assert_eq!(running_worker.join().put_back, 1);
    assert_eq!(both.env.locations("default", "stopped"), ["queue"]);
    both.drain(Side::Python);
    for id in ["no-arguments", "no-words", "for-ever", "long", "odd-text"] {
        assert_eq!(both.python("job", json!({"id": id}))["status"], "finished", "{id}");
    }
    for id in ["no-delays", "stopped"] {
        assert_eq!(both.python("job", json!({"id": id}))["status"], "failed", "{id}");
    }
}

#[test]
fn an_id_that_is_enqueued_again_while_it_runs_runs_again() {
    let both = InteropEnv::new();
    let slow = json!({"queue": "default", "jobs": [{"func": "tasks.slow", "args": [0.7], "id": "x"}]});
    both.python("enqueue", slow.clone());
    let running_worker = RunningWorker::start(both.worker().concurrency(1));
    running_worker.wait_for_start("x");
    both.python("enqueue", slow);
    running_worker.wait_for_start("x");
    running_worker.wait_for_finish("x");
    running_worker.stop();
    assert_eq!(both.env.locations("default", "x"), ["finished"]);
}

#[test]
fn a_job_scheduled_by_hand_runs_and_one_at_the_front_goes_there() {
    let both = InteropEnv::new();
    for (id, fields) in [("by-hand", ["status", "created"]), ("front", ["enqueue_at_front", "1"])] {
        push_record(&both, id, &[PLAIN.as_slice(), &["status", "scheduled"], &fields].concat());
        both.env.redis::<i64>(&["LREM", "rq:queue:default", "0", id]);
        both.env.redis::<i64>(&["ZADD", "rq:scheduled:default", "1", id]);
    }
    push_record(&both, "waiting", &PLAIN);
    let running_worker = RunningWorker::start(both.worker().concurrency(1));
    let mut order = Vec::new();
    while order.len() < 3 {
        if let Event::Finished { id, .. } =
            running_worker.wait_for_event("a finish", |event| matches!(event, Event::Finished { .. }))
        {
            order.push(id);
        }
    }
    running_worker.stop();
    assert_eq!(order, ["front", "waiting", "by-hand"]);
}

#[test]
fn a_job_runs_whatever_an_earlier_run_has_left_in_its_record() {
    let both = InteropEnv::new();
    // A Python worker stores a `Retry` that a function returns as its result, an object that we cannot read.
    let retry = ["result", "cfractions\nFraction\n(V1/2\ntR."];
    let odd = ["retry_intervals", "[1.5]", "failure_ttl", "99999999999"];
    push_record(&both, "retried", &[PLAIN.as_slice(), &retry, &odd].concat());
    push_record(&both, "no-status", &[PLAIN.as_slice(), &["status", ""]].concat());
    assert_eq!(both.env.drain(both.worker()).finished, 2);
}

#[test]
fn a_canceled_job_whose_id_a_dead_worker_left_behind_does_not_run() {
    let both = InteropEnv::new();
    push_record(&both, "canceled", &[PLAIN.as_slice(), &["status", "canceled"]].concat());
    let list = "rq:queue:default:intermediate";
    both.env.redis::<String>(&["LMOVE", "rq:queue:default", list, "LEFT", "RIGHT"]);
    let running_worker =
        RunningWorker::start(both.worker().recover_interval(std::time::Duration::from_millis(200)));
    crate::support::eventually("the list is empty", || both.env.redis::<i64>(&["LLEN", list]) == 0);
    assert_eq!(both.env.redis::<i64>(&["LLEN", "rq:queue:default"]), 0);
    assert_eq!(running_worker.stop().finished, 0);
}

#[test]
fn a_job_that_is_deleted_while_it_runs_is_not_recreated() {
    let both = InteropEnv::new();
    both.queue().enqueue_job(rq_rs::NewJob::new("tasks.slow", 60).id("gone")).unwrap();
    let running_worker = RunningWorker::start(both.worker().lease(std::time::Duration::from_secs(1)));
    running_worker.wait_for_start("gone");
    let score = || {
        let range = ["ZRANGE", "rq:wip:default", "0", "-1", "WITHSCORES"];
        both.env.redis::<Vec<(String, f64)>>(&range)[0].1
    };
    both.env.redis::<i64>(&["DEL", "rq:job:gone"]);
    let before = score();
    crate::support::eventually("its lease is renewed", || score() > before + 1.0);
    assert!(!both.env.redis::<bool>(&["EXISTS", "rq:job:gone"]));
    running_worker.stopper.stop_now();
    running_worker.join();
}

#[test]
fn our_retries_do_not_use_up_those_that_a_python_function_returns() {
    let both = InteropEnv::new();
    let fails = rq_rs::NewJob::new("tasks.fail", "x").id("x").retry(rq_rs::Retry::list([], 2));
    both.queue().enqueue_job(fails).unwrap();
    both.drain(Side::Rust);
    let job = both.queue().job("x").unwrap();
    assert_eq!((job.number_of_retries, job.retries_left), (2, Some(0)));
    assert!(!both.env.redis::<bool>(&["HEXISTS", "rq:job:x", "number_of_retries"]));
}

#[test]
fn a_pickle_bomb_is_one_failed_job() {
    let both = InteropEnv::new();
    // x = {'a': 1}; for _ in range(6): x = [x] * 12 — three million values in a few bytes.
    let mut data = b"\x80\x02(X\x0a\x00\x00\x00tasks.echoN}X\x01\x00\x00\x00aK\x01s".to_vec();
    for memo in 0..6_u8 {
        data.extend([b'q', memo, b'0', b']', b'(']);
        data.extend([b'h', memo].repeat(12));
        data.push(b'e');
    }
    data.extend(b"\x85}t.");
    let mut connection = redis::Client::open(both.env.url()).unwrap().get_connection().unwrap();
    redis::cmd("HSET")
        .arg("rq:job:bomb")
        .arg(&[("data", data.as_slice()), ("status", b"queued".as_slice())])
        .exec(&mut connection)
        .unwrap();
    both.env.push("default", "bomb");
    assert_eq!(both.env.drain(both.worker()).failed, 1);
    let error = both.queue().job("bomb").unwrap().exc_info.clone().unwrap();
    assert!(error.contains("the data has more than 1000000 parts"), "{error}");
}

#[test]
fn groups_and_unknown_fields_are_kept() {
    let both = InteropEnv::new();
    let unknown = ["group_id", "g", "of_another", "tool"];
    push_record(&both, "kept", &[PLAIN.as_slice(), &unknown].concat());
    push_record(&both, "unkept", &[PLAIN.as_slice(), &unknown, &["result_ttl", "0"]].concat());
    both.env.redis::<i64>(&["SADD", "rq:group:g", "kept", "unkept"]);
    assert_eq!(both.env.drain(both.worker()).finished, 2);
    let left: Vec<String> = both.env.redis(&["HMGET", "rq:job:kept", "group_id", "of_another"]);
    assert_eq!(left, ["g", "tool"]);
    assert_eq!(both.queue().job("kept").unwrap().other["of_another"], "tool");
    assert_eq!(
        both.env.redis::<Vec<String>>(&["SMEMBERS", "rq:group:g"]),
        ["kept"],
        "a deleted job leaves its group"
    );
}

#[test]
fn failures_of_python_are_grouped_by_their_exception() {
    for rq in [RqVersion::Three, RqVersion::Two] {
        let both = InteropEnv::with(rq, Serializer::Pickle);
        let why = |n: usize| format!("no user {n} in 'table {n}'\nand more");
        let jobs: Vec<_> = (0..3).map(|n| json!({"func": "tasks.fail", "args": [why(n)]})).collect();
        both.python("enqueue", json!({"queue": "a b", "many": true, "jobs": jobs}));
        both.python("work", json!({"queues": ["a b"]}));
        let table = both.env.cli(&["failed"]).ok();
        for part in ["a b", "tasks.fail", "ValueError: no user 2 in 'table 2'", "3 of 3 failed jobs"] {
            assert!(table.contains(part), "{rq:?}: no {part} in {table}");
        }
        let dashboard = crate::support::DashboardProcess::start(&both.env, &[]);
        let groups = dashboard.get("/api/failed").json()["groups"].clone();
        assert_eq!(groups.as_array().unwrap().len(), 1, "{groups}");
        assert_eq!(groups[0]["kind"], "ValueError: no user # in '…'", "{groups}");
        let filter = json!({"all": true, "handler": "tasks.fail", "error": groups[0]["kind"], "exact": true});
        assert_eq!(dashboard.post("/api/queues/a%20b/failed/requeue", &filter).json()["done"], 3);
        let log = both.env.cli(&["worker", "a b", "--burst", "--exec", "*=true"]);
        assert_eq!(log.code, Some(0), "{log:?}");
        assert_eq!(both.env.cli(&["failed"]).ok(), "No failed jobs.");
    }
}
