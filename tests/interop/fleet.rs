//! Python's workers and ours on the same queues, while ours are killed with SIGKILL.

use std::time::Duration;

use rq_rs::NewJob;
use serde_json::json;

use crate::python::{InteropEnv, Side};
use crate::support::{Process, eventually};

#[test]
fn no_job_of_a_killed_worker_is_lost_while_a_python_worker_runs_too() {
    let both = InteropEnv::new();
    let jobs: Vec<_> =
        (0..300).map(|n| json!({"func": "tasks.add", "args": [n, 1], "id": format!("j{n}")})).collect();
    both.python("enqueue", json!({"queue": "default", "many": true, "jobs": jobs}));
    let start = || {
        let mut worker = both.env.start(&[
            "worker",
            "-c",
            "4",
            "--lease",
            "3s",
            "--recover-interval",
            "1s",
            // On a slow machine each of the four killed workers may have had the same jobs.
            "--max-deliveries",
            "10",
            "--exec",
            r#"tasks.add=sh -c 'sleep 0.02; jq ".args|add"'"#,
        ]);
        worker.wait_for_stderr("listens on");
        worker
    };
    let kill = |mut worker: Process| {
        worker.wait_for_stderr("j");
        worker.signal("KILL");
        worker.finish("");
    };
    let theirs = both.python_worker(json!({"queues": ["default"], "burst": false}));
    for _ in 0..4 {
        kill(start());
        both.python("info", json!({}));
    }
    let last = start();
    let queue = both.queue();
    eventually("all have ended", || {
        both.python("info", json!({}));
        queue.finished().count().unwrap() + queue.failed().count().unwrap() == 300
    });
    // Python fails a job whose worker is killed, but here only our workers were.
    assert_eq!(queue.failed().ids(0, 10).unwrap(), [""; 0]);
    let ids: Vec<_> = (0..300).map(|n| format!("j{n}")).collect();
    for (n, job) in both.python("values", json!({"ids": ids})).as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&job["status"], &job["value"]),
            (&json!("finished"), &json!((n + 1).to_string())),
            "{job}"
        );
    }
    drop((theirs, last));
}

#[test]
fn a_thousand_jobs_of_python_get_the_right_results_from_our_worker() {
    let both = InteropEnv::new();
    let jobs: Vec<_> =
        (0..1000).map(|n| json!({"func": "tasks.add", "args": [n, 1], "id": format!("j{n}")})).collect();
    both.python("enqueue", json!({"queue": "default", "jobs": jobs}));
    assert_eq!(both.env.drain(both.worker()).finished, 1000);
    let ids: Vec<_> = (0..1000).map(|n| format!("j{n}")).collect();
    for (n, job) in both.python("values", json!({"ids": ids})).as_array().unwrap().iter().enumerate() {
        assert_eq!(job["value"], json!((n + 1).to_string()));
    }
}

#[test]
fn a_python_worker_runs_the_jobs_of_rust() {
    let both = InteropEnv::new();
    let jobs = (0..100).map(|n| NewJob::new("tasks.add", (n, 1)));
    let ids = both.queue().enqueue_many(jobs).unwrap().ids;
    both.drain(Side::Python);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(both.queue().job(id).unwrap().returned::<usize>(), Ok(n + 1));
    }
}

#[test]
fn a_run_that_a_python_worker_lost_ends_as_python_would_end_it() {
    let both = InteropEnv::new();
    both.python(
        "enqueue",
        json!({"queue": "default", "jobs": [
            {"func": "tasks.add", "args": [1, 1], "id": "lost"},
            {"func": "tasks.add", "args": [1, 1], "id": "again", "retry": {"max": 1}},
        ]}),
    );
    both.env.redis::<i64>(&["DEL", "rq:queue:default"]);
    for id in ["lost", "again"] {
        let key = format!("rq:job:{id}");
        both.env.redis::<i64>(&[
            "HSET",
            &key,
            "status",
            "started",
            "worker_name",
            "gone",
            "started_at",
            "2026-11-22T00:00:00.000000Z",
        ]);
        both.env.redis::<i64>(&["ZADD", "rq:wip:default", "1", &format!("{id}:0123")]);
    }
    eventually("Redis is older than a lease", || {
        let info: String = both.env.redis(&["INFO", "server"]);
        let uptime = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:")).unwrap();
        uptime.trim().parse::<u64>().unwrap() > 1
    });
    both.env.drain(both.worker().lease(Duration::from_secs(1)));
    assert_eq!(both.env.locations("default", "lost"), ["failed"]);
    assert_eq!(both.env.locations("default", "again"), ["finished"]);
    assert!(both.queue().job("lost").unwrap().exc_info.clone().unwrap().contains("AbandonedJobError"));
}
