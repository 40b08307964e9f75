//! Jobs from enqueue to result, with Python and Rust as producer and as worker, in both serializers.

use std::time::Duration;

use rq_rs::{Error, NewJob, Retry, Status};
use serde_json::json;

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, SIDES, Side};

/// Enqueues one job of each kind. Its id says how it should end.
fn enqueue(both: &InteropEnv, side: Side, flaky: &str) {
    match side {
        Side::Python => {
            let jobs = json!([
                {"func": "tasks.add", "args": [2, 3], "id": "ok"},
                {"func": "tasks.fail", "args": ["boom"], "id": "bad", "failure_ttl": 1000},
                {"func": "tasks.flaky", "args": [flaky, 2], "id": "retried", "retry": {"max": 3}},
                {"func": "tasks.slow", "args": [30], "id": "late", "timeout": 1},
                {"func": "tasks.add", "args": [1, 1], "id": "canceled"},
                {"func": "tasks.add", "args": [1, 1], "id": "deleted"},
                {"func": "tasks.add", "args": [1, 1], "id": "forgotten", "result_ttl": 0},
                {"func": "tasks.add", "args": [1, 1], "id": "kept", "result_ttl": -1, "meta": {"user": 42}},
            ]);
            both.python("enqueue", json!({"queue": "default", "jobs": jobs}));
            if both.rq == RqVersion::Three {
                let again = json!([{"func": "tasks.add", "args": [1, 1], "id": "ok", "unique": true}]);
                let refused = both.try_python("enqueue", json!({"queue": "default", "jobs": again}));
                assert!(refused.as_ref().is_err_and(|error| error.contains("Duplicate")), "{refused:?}");
            }
            let many = json!([
                {"func": "tasks.add", "args": [0, 1], "id": "m1"}, {"func": "tasks.add", "args": [0, 2], "id": "m2"},
            ]);
            both.python("enqueue", json!({"queue": "default", "many": true, "jobs": many}));
            both.python("cancel", json!({"id": "canceled"}));
            both.python("delete", json!({"id": "deleted"}));
        }
        Side::Rust => {
            let queue = both.queue();
            let add = |id: &str| NewJob::new("tasks.add", (1, 1)).id(id);
            let jobs = [
                NewJob::new("tasks.add", (2, 3)).id("ok"),
                NewJob::new("tasks.fail", "boom").id("bad").failure_ttl(Duration::from_secs(1000)),
                NewJob::new("tasks.flaky", (flaky, 2)).id("retried").retry(Retry::every(Duration::ZERO, 3)),
                NewJob::new("tasks.slow", 30).id("late").timeout(Duration::from_secs(1)),
                add("canceled"),
                add("deleted"),
                add("forgotten").result_ttl(rq_rs::Ttl::NONE),
                add("kept").result_ttl(rq_rs::Ttl::FOREVER).meta(json!({"user": 42})),
            ];
            jobs.into_iter().for_each(|job| drop(queue.enqueue_job(job).unwrap()));
            assert!(matches!(queue.enqueue_job(add("ok")), Err(Error::Duplicate { .. })));
            let many = (1..3).map(|n| NewJob::new("tasks.add", (0, n)).id(format!("m{n}")));
            assert_eq!(queue.enqueue_many(many).unwrap().ids, ["m1", "m2"]);
            queue.job("canceled").unwrap().cancel().unwrap();
            assert!(queue.job("deleted").unwrap().delete().unwrap());
        }
    }
}

/// Asserts that both sides read the same status, result and error of each job.
fn assert_ended(both: &InteropEnv, worker: Side) {
    let queue = both.queue();
    let cases = [
        ("ok", Status::Finished, "finished", json!(5)),
        ("bad", Status::Failed, "failed", json!(null)),
        ("retried", Status::Finished, "finished", json!(2)),
        ("late", Status::Failed, "failed", json!(null)),
        ("canceled", Status::Canceled, "canceled", json!(null)),
        ("kept", Status::Finished, "finished", json!(2)),
        ("m1", Status::Finished, "finished", json!(1)),
        ("m2", Status::Finished, "finished", json!(2)),
    ];
    for (id, status, registry, result) in cases {
        let (ours, theirs) = (queue.job(id).unwrap(), both.python("job", json!({"id": id})));
        assert_eq!((ours.status, &theirs["status"]), (status, &json!(status.as_str())), "{id}: {theirs}");
        assert_eq!(both.env.locations("default", id), [registry], "{id}");
        assert_eq!(theirs["return_value"], result, "{id}: {theirs}");
        assert_eq!(ours.result.clone().unwrap_or_default(), result, "{id}: {ours:?}");
        assert_eq!(theirs["exc_info"].as_str(), ours.exc_info.as_deref(), "{id}");
        assert_eq!(ours.problems, [""; 0], "{id}");
    }
    for id in ["deleted", "forgotten"] {
        assert!(matches!(queue.job(id), Err(Error::NotFound { .. })), "{id}");
        assert_eq!(both.python("job", json!({"id": id}))["exists"], json!(false));
    }
    let error = |id: &str| queue.job(id).unwrap().exc_info.clone().unwrap();
    assert!(error("bad").contains("boom"));
    let late = if worker == Side::Python { "exceeded maximum timeout" } else { "timed out after 1 s" };
    assert!(error("late").contains(late), "{}", error("late"));
    assert_eq!(queue.job("retried").unwrap().retries_left, Some(2));
    assert_eq!(queue.job("kept").unwrap().meta["user"], 42);
    assert_eq!(both.python("job", json!({"id": "kept"}))["meta"], json!("{'user': 42}"));
}

fn check_round_trip(both: &InteropEnv, producer: Side, worker: Side) {
    let folder = tempfile::tempdir().unwrap();
    enqueue(both, producer, folder.path().join("calls").to_str().unwrap());
    both.drain(worker);
    assert_ended(both, worker);

    // The other side requeues the failed job, and it fails again.
    match producer {
        Side::Python => both.queue().job("bad").unwrap().requeue().unwrap(),
        Side::Rust => drop(both.python("requeue", json!({"id": "bad"}))),
    }
    assert_eq!(both.env.locations("default", "bad"), ["queue"]);
    assert_eq!(both.queue().job("bad").unwrap().exc_info, None);
    both.drain(worker);
    assert_eq!(both.env.locations("default", "bad"), ["failed"]);
    let left: Vec<String> = both.env.redis(&["KEYS", "rq:execution*"]);
    assert_eq!(left, [""; 0], "no key of an execution is left");
}

#[test]
fn any_producer_and_any_worker_understand_each_other_in_pickle_and_json() {
    std::thread::scope(|scope| {
        for producer in SIDES {
            scope.spawn(move || {
                for worker in SIDES {
                    for serializer in SERIALIZERS {
                        check_round_trip(&InteropEnv::with(RqVersion::Three, serializer), producer, worker);
                    }
                }
            });
        }
    });
}

#[test]
fn rq_2_and_rq_rs_run_jobs_of_each_other() {
    for (producer, worker) in [(Side::Python, Side::Rust), (Side::Rust, Side::Python)] {
        check_round_trip(&InteropEnv::with(RqVersion::Two, rq_rs::Serializer::Pickle), producer, worker);
    }
}

#[test]
fn scheduled_jobs_are_enqueued_by_either_side() {
    let both = InteropEnv::new();
    both.python(
        "enqueue",
        json!({"queue": "default", "jobs": [{"func": "tasks.add", "args": [1, 2], "id": "soon", "in": 1}]}),
    );
    assert_eq!(both.env.locations("default", "soon"), ["scheduled"]);
    let running_worker = crate::support::RunningWorker::start(both.worker());
    running_worker.wait_for_finish("soon");
    running_worker.stop();

    both.queue().enqueue_job(NewJob::new("tasks.add", (2, 3)).id("ours").after(Duration::ZERO)).unwrap();
    crate::support::eventually("Python's scheduler enqueues it, and its worker runs it", || {
        both.python("work", json!({"queues": ["default"], "with_scheduler": true}));
        both.env.locations("default", "ours") == ["finished"]
    });

    let later = NewJob::new("tasks.fail", "x").id("later").retry(Retry::every(Duration::from_secs(1), 1));
    both.queue().enqueue_job(later).unwrap();
    both.drain(Side::Rust);
    assert_eq!(both.env.locations("default", "later"), ["scheduled"]);
    crate::support::eventually("it is due", || {
        both.python("work", json!({"queues": ["default"], "with_scheduler": true}));
        both.env.locations("default", "later") == ["failed"]
    });
}

#[test]
fn while_a_python_scheduler_holds_the_lock_our_worker_enqueues_no_scheduled_job() {
    let both = InteropEnv::new();
    both.python(
        "enqueue",
        json!({"queue": "default", "jobs": [{"func": "tasks.add", "args": [1, 2], "id": "due", "in": 0}]}),
    );
    both.env.redis::<String>(&["SET", "rq:scheduler-lock:default", "somebody"]);
    both.env.redis::<i64>(&["ZADD", "rq:scheduled:default", "1", "due"]);
    assert_eq!(both.env.drain(both.worker()).finished, 0);
    assert_eq!(both.env.locations("default", "due"), ["scheduled"]);
    both.env.redis::<i64>(&["DEL", "rq:scheduler-lock:default"]);
    assert_eq!(both.env.drain(both.worker()).finished, 1);
}

#[test]
fn waiting_for_a_python_worker_ends_when_the_job_does() {
    let both = InteropEnv::new();
    let job = both.queue().enqueue("tasks.add", (20, 22)).unwrap();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": false}));
    assert_eq!(job.wait::<i64>(crate::support::WAIT_LIMIT), Ok(42));
    let bad = both.queue().enqueue("tasks.fail", "boom").unwrap();
    let failed = bad.wait::<i64>(crate::support::WAIT_LIMIT);
    assert!(
        matches!(&failed, Err(Error::JobFailed { error, .. }) if error.contains("ValueError: boom")),
        "{failed:?}"
    );
    drop(worker);
}
