//! The dashboard with jobs and workers of Python.

use rq_rs::Status;
use serde_json::{Value, json};

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, Side};
use crate::support::{DashboardProcess, eventually};

fn codes(job: &Value) -> Vec<&str> {
    job["why"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap()).collect()
}

#[test]
fn python_s_jobs_are_shown_with_their_dependencies_and_requeued() {
    for serializer in SERIALIZERS {
        let both = InteropEnv::with(RqVersion::Three, serializer);
        let bad = json!({"func": "tasks.fail", "args": ["boom"], "id": "bad"});
        let waiting = json!({"func": "tasks.add", "args": [1, 2], "id": "waits", "depends_on": "bad"});
        let good = json!({"func": "tasks.add", "args": [1, 2], "id": "good"});
        both.python("enqueue", json!({"queue": "default", "jobs": [bad, waiting, good]}));
        let dashboard = DashboardProcess::start(&both.env, &[]);
        let job = |id: &str| dashboard.get(&format!("/api/jobs/{id}")).json();
        assert_eq!(job("good")["position"], 2);
        assert_eq!(
            (codes(&job("waits")), &job("waits")["waits_for"]),
            (vec!["waits_for"], &json!([{"id": "bad", "status": "queued"}]))
        );
        assert_eq!(job("bad")["waited_for_by"], json!([{"id": "waits", "status": "deferred"}]));
        both.drain(Side::Python);
        assert_eq!((&job("good")["result"], codes(&job("good"))), (&json!(3), vec!["finished"]));
        let bad = job("bad");
        assert!(bad["exc_info"].as_str().unwrap().contains("boom") && codes(&bad) == ["failed"], "{bad}");
        let groups = dashboard.get("/api/failed").json();
        assert_eq!(
            (&groups["groups"][0]["handler"], &groups["groups"][0]["count"]),
            (&json!("tasks.fail"), &json!(1))
        );
        let list = dashboard.get("/api/queues/default/failed?handler=tasks.fail").json();
        assert_eq!(list["jobs"][0]["id"], "bad");
        assert_eq!(dashboard.post("/api/jobs/bad/requeue", &json!({})).json()["done"], 1);
        assert_eq!(both.queue().job("bad").unwrap().status, Status::Queued);
    }
}

#[test]
fn a_python_worker_is_shown_without_a_warning_and_its_job_is_stopped() {
    let both = InteropEnv::new();
    let worker = both.python_worker(json!({"queues": ["default"], "burst": false}));
    let dashboard = DashboardProcess::start(&both.env, &[]);
    let workers = || dashboard.get("/api/workers").json()["workers"].clone();
    eventually("it is there", || workers().as_array().unwrap().len() == 1);
    let shown = workers()[0].clone();
    assert_eq!(
        (&shown["queues"], &shown["runs_in"], &shown["memory"]),
        (&json!(["default"]), &Value::Null, &Value::Null)
    );
    both.python(
        "enqueue",
        json!({"queue": "default", "jobs": [{"func": "tasks.slow", "args": [60], "id": "slow"}]}),
    );
    eventually("it runs", || dashboard.get("/api/jobs/slow").json()["status"] == "started");
    let job = dashboard.get("/api/jobs/slow").json();
    assert_eq!(codes(&job), ["running"], "{job}");
    assert_eq!(dashboard.get("/api/workers").json()["running"][0]["id"], "slow");
    assert_eq!(dashboard.get("/api/overview").json()["warnings"], json!([]));
    eventually("it listens", || dashboard.post("/api/jobs/slow/stop", &json!({})).status == 200);
    eventually("it is stopped", || dashboard.get("/api/jobs/slow").json()["status"] == "stopped");
    drop(worker);
}
