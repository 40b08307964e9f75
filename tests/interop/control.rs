//! Commands to workers, suspension, and the records of workers, in both directions.

use std::time::Duration;

use rq_rs::{Error, Event, NewJob, Retry, Status};
use serde_json::json;

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, Side};
use crate::support::{RunningWorker, WAIT_LIMIT, eventually};

/// A Rust worker named `ours` that runs one long job.
fn start_busy_worker(both: &InteropEnv) -> RunningWorker {
    both.queue()
        .enqueue_job(NewJob::new("tasks.slow", 60).id("long").retry(Retry::every(Duration::ZERO, 1)))
        .unwrap();
    let running_worker = RunningWorker::start(both.worker().name("ours"));
    running_worker.wait_for_start("long");
    running_worker
}

#[test]
fn a_job_of_ours_that_python_stops_is_not_retried() {
    for serializer in SERIALIZERS {
        let both = InteropEnv::with(RqVersion::Three, serializer);
        let running_worker = start_busy_worker(&both);
        assert_eq!(both.python("stop", json!({"id": "long"}))["worker"], "ours");
        running_worker
            .wait_for_event("the end", |event| matches!(event, Event::Failed { id, .. } if id == "long"));
        let job = both.python("job", json!({"id": "long"}));
        assert_eq!((&job["status"], &job["retries_left"]), (&json!("stopped"), &json!(1)));
        assert!(job["exc_info"].as_str().unwrap().starts_with("Job stopped by user"), "{job}");
        assert_eq!(both.env.locations("default", "long"), ["failed"]);
        running_worker.stop();
    }
}

#[test]
fn rust_stops_a_job_of_a_python_worker() {
    for serializer in SERIALIZERS {
        let both = InteropEnv::with(RqVersion::Three, serializer);
        let mut job = both.queue().enqueue("tasks.slow", 60).unwrap();
        assert!(matches!(job.stop(), Err(Error::WrongState { .. })));
        let worker = both.python_worker(json!({"queues": ["default"], "burst": false}));
        eventually("it runs", || both.queue().job(job.id()).unwrap().status == Status::Started);
        // Python subscribes to its commands at about the time at which it starts its first job.
        eventually("the worker listens", || job.clone().stop().is_ok());
        let ended = job.wait::<f64>(WAIT_LIMIT);
        assert!(matches!(&ended, Err(Error::JobFailed { status, .. }) if status == "stopped"), "{ended:?}");
        drop(worker);
    }
}

#[test]
fn kill_horse_crashes_the_running_job_and_it_is_retried() {
    let both = InteropEnv::new();
    let running_worker = start_busy_worker(&both);
    both.python("kill_horse", json!({"worker": "ours"}));
    let retried = running_worker
        .wait_for_event("another try", |event| matches!(event, Event::Retried { id, .. } if id == "long"));
    assert!(retried.to_string().contains("kill-horse"), "{retried}");
    running_worker.wait_for_start("long");
    running_worker.stopper.stop_now();
    assert_eq!(running_worker.join().put_back, 1);
}

#[test]
fn kill_horse_ends_a_program() {
    let both = InteropEnv::new();
    let mut worker = both.env.start(&["worker", "-n", "ours", "--exec", "job=sleep 60"]);
    let id = both.env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    both.python("kill_horse", json!({"worker": "ours"}));
    worker.wait_for_stderr(&format!("{id} failed: killed by the command kill-horse"));
}

#[test]
fn the_command_shutdown_drains_our_worker() {
    let both = InteropEnv::new();
    both.queue().enqueue_job(NewJob::new("tasks.slow", 3).id("short")).unwrap();
    let running_worker = RunningWorker::start(both.worker().name("ours"));
    running_worker.wait_for_start("short");
    both.python("shutdown", json!({"worker": "ours"}));
    running_worker.wait_for_event("stopping", |event| matches!(event, Event::Stopping { .. }));
    assert_eq!(running_worker.join().finished, 1);
    assert_eq!(both.python("workers", json!({})), json!([]));
}

#[test]
fn rust_kills_the_job_of_a_python_worker_and_shuts_the_worker_down() {
    let both = InteropEnv::new();
    assert!(
        both.env
            .cli(&["shutdown", "theirs"])
            .expect_failure(1)
            .contains("no worker named \"theirs\" listens")
    );
    let job = both.queue().enqueue("tasks.slow", 60).unwrap();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": false, "name": "theirs"}));
    eventually("it runs", || both.queue().job(job.id()).unwrap().status == Status::Started);
    eventually("it listens", || both.queue().kill_horse("theirs").is_ok());
    let ended = job.wait::<f64>(WAIT_LIMIT);
    assert!(matches!(&ended, Err(Error::JobFailed { status, .. }) if status == "failed"), "{ended:?}");
    both.env.cli(&["shutdown", "theirs"]).ok();
    eventually("it is gone", || both.python("workers", json!({})) == json!([]));
    drop(worker);
}

#[test]
fn a_malformed_command_changes_nothing() {
    let both = InteropEnv::new();
    let running_worker = start_busy_worker(&both);
    for raw in [
        "",
        "no json",
        "[]",
        "7",
        "{}",
        r#"{"command": 1}"#,
        r#"{"command": "stop-job"}"#,
        r#"{"command": "dance"}"#,
        r#"{"command": "stop-job", "job_id": "another"}"#,
        r#"{"command": "stop-execution", "job_id": "long", "execution_id": "another"}"#,
    ] {
        assert_eq!(both.python("publish", json!({"worker": "ours", "raw": raw}))["receivers"], 1, "{raw}");
    }
    assert_eq!(both.queue().job("long").unwrap().status, Status::Started);
    both.python("stop", json!({"id": "long"}));
    running_worker
        .wait_for_event("the end", |event| matches!(event, Event::Failed { id, .. } if id == "long"));
    running_worker.stop();
}

#[test]
fn python_cancels_and_deletes_jobs_that_our_worker_runs() {
    for verb in ["cancel", "delete"] {
        let both = InteropEnv::new();
        let running_worker = start_busy_worker(&both);
        both.python(verb, json!({"id": "long"}));
        running_worker
            .wait_for_event("a lost lease", |event| matches!(event, Event::Stale { id } if id == "long"));
        let places = both.env.locations("default", "long");
        assert_eq!(places, if verb == "cancel" { vec!["canceled"] } else { vec![] });
        assert_eq!(both.env.redis::<Vec<String>>(&["KEYS", "rq:execution*"]), [""; 0]);
        running_worker.stop();
    }
}

#[test]
fn rust_cancels_the_job_of_a_python_worker_and_its_lease_is_removed() {
    let both = InteropEnv::new();
    let mut job = both.queue().enqueue("tasks.slow", 2).unwrap();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": true}));
    eventually("it runs", || both.queue().job(job.id()).unwrap().status == Status::Started);
    assert_eq!(job.cancel(), Ok(Status::Started));
    assert_eq!(both.env.redis::<i64>(&["ZCARD", "rq:wip:default"]), 0);
    drop(worker);
}

#[test]
fn suspend_and_resume_work_from_either_side() {
    let both = InteropEnv::new();
    both.python("suspend", json!({}));
    both.queue().enqueue_job(NewJob::new("tasks.add", (1, 1)).id("held")).unwrap();
    let running_worker = RunningWorker::start(both.worker());
    running_worker.wait_for_event("suspension", |event| *event == Event::Suspended);
    both.python("resume", json!({}));
    running_worker.wait_for_finish("held");
    running_worker.stop();
    both.env.cli(&["suspend"]).ok();
    assert_eq!(both.python("samples", json!({})).as_array().map(Vec::is_empty), Some(false));
    assert!(both.env.redis::<bool>(&["EXISTS", "rq:suspended"]));
    both.env.cli(&["resume"]).ok();
    assert!(!both.env.redis::<bool>(&["EXISTS", "rq:suspended"]));
}

#[test]
fn python_reads_a_worker_of_ours_as_one_of_its_own() {
    let both = InteropEnv::new();
    let running_worker = start_busy_worker(&both);
    let ours = || both.python("workers", json!({}))[0].clone();
    eventually("it is busy", || ours()["state"] == "busy");
    let worker = ours();
    assert_eq!((&worker["name"], &worker["queues"]), (&json!("ours"), &json!(["default"])));
    assert_eq!(worker["current_job"], "long");
    for field in
        ["pid", "hostname", "ip_address", "version", "python_version", "birth_date", "last_heartbeat"]
    {
        assert!(!worker[field].is_null(), "{field}: {worker}");
    }
    let info = both.python("info", json!({}));
    assert_eq!(info["code"], 0);
    assert!(info["stdout"].as_str().unwrap().contains("ours"), "{info}");
    both.python("stop", json!({"id": "long"}));
    eventually("it is counted", || ours()["failed_job_count"] == 1);
    eventually("it is idle", || ours()["state"] == "idle");
    assert_eq!(ours()["current_job"], json!(null));
    assert!(ours()["total_working_time"].as_f64().unwrap() > 0.0);
    running_worker.stop();
    assert_eq!(both.python("workers", json!({})), json!([]));
}

#[test]
fn a_name_that_a_python_worker_has_is_refused() {
    let both = InteropEnv::new();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": false, "name": "taken"}));
    eventually("it is there", || both.python("workers", json!({}))[0]["name"] == "taken");
    let refused = both.worker().name("taken").run();
    assert!(matches!(refused, Err(Error::NameTaken { .. })), "{refused:?}");
    drop(worker);
}

#[test]
fn both_sides_use_the_same_key_prefix() {
    let mut both = InteropEnv::new();
    both.env.prefix = "{shop}:rq".to_owned();
    both.python(
        "enqueue",
        json!({"queue": "default", "jobs": [{"func": "tasks.add", "args": [1, 2], "id": "one"}]}),
    );
    both.drain(Side::Rust);
    assert_eq!(both.python("job", json!({"id": "one"}))["return_value"], 3);
    let unprefixed: Vec<String> = both.env.redis(&["KEYS", "rq*"]);
    assert_eq!(unprefixed, [""; 0]);
}

#[test]
fn a_job_that_is_canceled_while_python_runs_it_can_still_be_stopped() {
    let both = InteropEnv::new();
    let job = both.queue().enqueue("tasks.slow", 60).unwrap();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": false}));
    eventually("it runs", || both.queue().job(job.id()).unwrap().status == Status::Started);
    let output = both.env.cli(&["job", "cancel", job.id()]).ok();
    assert!(output.contains("`job stop` ends it"), "{output}");
    // Python subscribes to its commands at about the time at which it starts its first job.
    eventually("it is stopped", || {
        both.env.cli(&["job", "stop", job.id()]);
        both.queue().job(job.id()).unwrap().status == Status::Stopped
    });
    drop(worker);
}
