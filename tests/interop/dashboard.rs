//! Python's jobs and workers on our dashboard.

use rq_rs::Status;
use serde_json::{Value, json};

use crate::python::{Both, Rq, SERIALIZERS, Side};
use crate::support::{DashboardProcess, eventually};

fn codes(job: &Value) -> Vec<&str> {
    job["why"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap()).collect()
}

#[test]
fn jobs_of_python_are_shown_with_what_they_wait_for_and_requeued() {
    for serializer in SERIALIZERS {
        let both = Both::with(Rq::Three, serializer);
        let bad = json!({"func": "tasks.fail", "args": ["boom"], "id": "bad"});
        let waits = json!({"func": "tasks.add", "args": [1, 2], "id": "waits", "depends_on": "bad"});
        let good = json!({"func": "tasks.add", "args": [1, 2], "id": "good"});
        both.python("enqueue", json!({"queue": "default", "jobs": [bad, waits, good]}));
        let dashboard = DashboardProcess::start(&both.env, &[]);
        let look = |id: &str| dashboard.get(&format!("/api/jobs/{id}")).json();
        assert_eq!(look("good")["position"], 2);
        assert_eq!(
            (codes(&look("waits")), &look("waits")["waits_for"]),
            (vec!["waits_for"], &json!([{"id": "bad", "status": "queued"}]))
        );
        assert_eq!(look("bad")["waited_for_by"], json!([{"id": "waits", "status": "deferred"}]));
        both.drain(Side::Python);
        assert_eq!((&look("good")["result"], codes(&look("good"))), (&json!(3), vec!["finished"]));
        let bad = look("bad");
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
fn a_worker_of_python_is_shown_and_stopped_and_is_no_reason_to_warn() {
    let both = Both::new();
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
