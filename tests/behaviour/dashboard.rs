//! The dashboard's pages and actions.

use std::time::Duration;

use rq_rs::{NewJob, Retry, Status};
use serde_json::{Value, json};

use crate::support::{DashboardProcess, Gate, RunningWorker, TestEnv, eventually};

fn codes(notes: &Value) -> Vec<&str> {
    notes.as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap()).collect()
}

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

/// Makes jobs fail with two errors.
fn failures(env: &TestEnv) {
    let queue = env.queue("mail");
    queue.enqueue_many((0..5).map(|n| NewJob::new("fail", ["boom", "bang"][n % 2]))).unwrap();
    env.drain(env.worker(&["mail"]).concurrency(1));
}

#[test]
fn the_overview_shows_what_info_prints() {
    let env = TestEnv::new();
    failures(&env);
    let dashboard = DashboardProcess::start(&env, &[]);
    let mut page = dashboard.get("/api/overview").json();
    let mut info = env.cli(&["info", "--json"]).json();
    for shot in [&mut page, &mut info] {
        shot["now"] = Value::Null;
        shot["server"] = Value::Null;
        shot["minutes"] = Value::Null;
    }
    assert_eq!(page, info);
    assert_eq!(page["queues"][0]["failed"], 5);
    assert_eq!(dashboard.get("/api/overview").json()["minutes"].as_array().unwrap().len(), 60);
    let site = dashboard.get("/api/site").json();
    assert_eq!((&site["read_only"], &site["prefix"]), (&json!(false), &json!(env.prefix)));
}

#[test]
fn warnings_name_the_trouble_and_the_way_out() {
    let env = TestEnv::new();
    env.queue("nobody").enqueue("add", (1, 2)).unwrap();
    env.queue("other").suspend_all(None).unwrap();
    let queue = env.queue("quiet");
    queue.enqueue("add", (1, 2)).unwrap();
    queue.suspend().unwrap();
    let shot = DashboardProcess::start(&env, &[]).get("/api/overview").json();
    assert_eq!(codes(&shot["warnings"]), ["suspended", "no_worker", "no_worker", "queue_suspended"]);
    let info = env.cli(&["info"]).ok();
    assert!(info.contains("Queue nobody has 1 waiting and no worker"), "{info}");
}

#[test]
fn lists_are_paged_and_filtered_on_the_server() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let bulk = queue
        .enqueue_many((0..250).map(|n| NewJob::new(if n % 50 == 0 { "rare" } else { "add" }, (n, "Text"))))
        .unwrap();
    let dashboard = DashboardProcess::start(&env, &[]);
    let page = dashboard.get("/api/queues/default/queued").json();
    assert_eq!((&page["total"], &page["next"]), (&json!(250), &json!(50)));
    assert_eq!(ids(&page), bulk.ids[..50]);
    let page = dashboard.get("/api/queues/default/queued?offset=240&limit=20").json();
    assert_eq!(
        (ids(&page).as_slice(), &page["next"]),
        (&*bulk.ids[240..].iter().map(|id| &**id).collect::<Vec<_>>(), &Value::Null)
    );
    let newest = dashboard.get("/api/queues/default/queued?order=newest&limit=3").json();
    assert_eq!(ids(&newest), [&*bulk.ids[249], &*bulk.ids[248], &*bulk.ids[247]]);
    let rare = dashboard.get("/api/queues/default/queued?handler=rare").json();
    assert_eq!((ids(&rare).len(), &rare["scanned"], &rare["next"]), (5, &json!(250), &Value::Null));
    let found = dashboard.get("/api/queues/default/queued?text=ADD(249%2C").json();
    assert_eq!(ids(&found), [&*bulk.ids[249]]);
    let count = dashboard.get("/api/queues/default/queued/count?handler=rare").json();
    assert_eq!(count, json!({"matched": 5, "scanned": 250, "total": 250}));
    // A response has a limit, whatever the request asks for.
    let page = dashboard.get("/api/queues/default/queued?limit=99999999&offset=-3").json();
    assert_eq!(ids(&page).len(), 200);
    assert_eq!(dashboard.get("/api/queues/default/nothing").status, 400);
}

#[test]
fn failures_are_grouped_by_error_and_handler_and_requeued_by_a_filter() {
    let env = TestEnv::new();
    failures(&env);
    let dashboard = DashboardProcess::start(&env, &[]);
    let all = dashboard.get("/api/failed").json();
    assert_eq!((&all["total"], &all["scanned"]), (&json!(5), &json!(5)));
    let group = |n: usize| {
        let group = &all["groups"][n];
        (group["handler"].clone(), group["error"].clone(), group["count"].clone())
    };
    assert_eq!(group(0), (json!("fail"), json!("fail failed: boom"), json!(3)));
    assert_eq!(group(1), (json!("fail"), json!("fail failed: bang"), json!(2)));
    let filter = json!({"all": true, "handler": "fail", "error": "BANG"});
    let done = dashboard.post("/api/queues/mail/failed/requeue", &filter).json();
    assert_eq!(done, json!({"done": 2, "failed": 0, "next": null}));
    assert_eq!((env.queue("mail").count().unwrap(), env.queue("mail").failed().count().unwrap()), (2, 3));
    let part = json!({"all": true, "handler": "fail", "error": "fail failed: bo", "exact": true});
    assert_eq!(dashboard.post("/api/queues/mail/failed/delete", &part).json()["done"], 0);
    // An action without a target is refused.
    assert_eq!(dashboard.post("/api/queues/mail/failed/requeue", &json!({})).status, 400);
    let ids = env.queue("mail").failed().ids(0, 2).unwrap();
    let done = dashboard.post("/api/queues/mail/failed/delete", &json!({"ids": ids})).json();
    assert_eq!((&done["done"], env.queue("mail").failed().count().unwrap()), (&json!(2), 1));
}

#[test]
fn bulk_actions_on_a_large_registry_run_in_batches() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..2500).map(|_| NewJob::new("unknown", ()))).unwrap();
    env.drain(env.worker(&["default"]));
    let dashboard = DashboardProcess::start(&env, &[]);
    let (mut next, mut done, mut parts) = (Value::Null, 0, 0);
    loop {
        let answer =
            dashboard.post("/api/queues/default/failed/requeue", &json!({"all": true, "next": next})).json();
        done += answer["done"].as_u64().unwrap();
        next = answer["next"].clone();
        parts += 1;
        if next.is_null() {
            break;
        }
    }
    assert_eq!((done, parts, queue.count().unwrap()), (2500, 3, 2500));
}

/// Repeats the action until there is no next batch; returns the number of jobs.
fn all(dashboard: &DashboardProcess, path: &str) -> u64 {
    let (mut next, mut done) = (Value::Null, 0);
    for _ in 0..100 {
        let answer = dashboard.post(path, &json!({"all": true, "next": next})).json();
        done += answer["done"].as_u64().unwrap();
        next = answer["next"].clone();
        if next.is_null() {
            return done;
        }
    }
    panic!("it has no end");
}

#[test]
fn missing_records_do_not_hide_jobs_from_a_bulk_action() {
    for action in ["requeue", "delete"] {
        let env = TestEnv::new();
        let queue = env.queue("default");
        let bulk = queue.enqueue_many((0..3000).map(|_| NewJob::new("unknown", ()))).unwrap();
        env.drain(env.worker(&["default"]).concurrency(1));
        for id in &bulk.ids[..1000] {
            env.redis::<()>(&["DEL", &env.key(&format!("job:{id}"))]);
        }
        let dashboard = DashboardProcess::start(&env, &[]);
        assert_eq!(all(&dashboard, &format!("/api/queues/default/failed/{action}")), 2000, "{action}");
        assert_eq!(queue.failed().count().unwrap(), 0);
    }
}

#[test]
fn a_bulk_requeue_of_jobs_that_fail_again_at_once_ends() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..2500).map(|_| NewJob::new("unknown", ()))).unwrap();
    env.drain(env.worker(&["default"]));
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    // Scores in the rq dialect are whole seconds, so jobs that fail again may precede some that still wait.
    let done = all(&DashboardProcess::start(&env, &[]), "/api/queues/default/failed/requeue");
    assert!((2000..=2500).contains(&done), "{done}");
    running_worker.stop();
}

#[test]
fn a_queue_named_two_dots_is_an_ordinary_queue() {
    let env = TestEnv::new();
    let queue = env.queue("..");
    queue.enqueue("add", (1, 2)).unwrap();
    let dashboard = DashboardProcess::start(&env, &[]);
    assert_eq!(dashboard.post("/api/queues/~../suspend", &json!({})).status, 200);
    assert!(queue.is_suspended().unwrap());
    assert_eq!(dashboard.get("/api/overview").json()["suspended"], false);
    assert_eq!(dashboard.get("/api/queues/~../queued").json()["total"], 1);
}

#[test]
fn data_of_other_programs_break_no_page() {
    let env = TestEnv::new();
    failures(&env);
    env.redis::<()>(&["SADD", &env.key("queues"), &env.key("queue:high priority"), &env.key("queue:")]);
    env.redis::<()>(&["SADD", &env.key("queues"), &env.key("queue:odd")]);
    for registry in ["failed:odd", "scheduled:odd", "wip:odd", "queue:odd"] {
        env.redis::<()>(&["SET", &env.key(registry), "text"]);
    }
    let dashboard = DashboardProcess::start(&env, &[]);
    let pages =
        ["/api/overview", "/api/failed", "/api/scheduled", "/api/workers", "/api/metrics", "/metrics"];
    let lists = ["/api/queues/odd/failed", "/api/queues/odd/queued?order=newest"];
    for path in pages.into_iter().chain(lists) {
        assert_eq!(dashboard.get(path).status, 200, "{path}");
    }
    assert_eq!(dashboard.get("/api/failed").json()["total"], 5);
    env.redis::<()>(&["DEL", &env.key("workers")]);
    env.redis::<()>(&["SET", &env.key("workers"), "text"]);
    assert_eq!(dashboard.get("/api/overview").status, 200);
}

#[test]
fn a_job_is_shown_with_why_it_does_not_run() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let id = queue.enqueue("add", (1, 2)).unwrap().id().to_owned();
    let second = queue.enqueue("add", (1, 2)).unwrap().id().to_owned();
    let dashboard = DashboardProcess::start(&env, &[]);
    let look = |id: &str| dashboard.get(&format!("/api/jobs/{id}")).json();
    let job = look(&second);
    assert_eq!((&job["position"], codes(&job["why"])), (&json!(2), vec!["queued", "no_worker"]));
    assert_eq!(job["actions"], json!(["cancel", "delete"]));
    let mut typed = env.cli(&["job", "show", "--json", &second]).json();
    typed["now"] = job["now"].clone();
    typed["cut"] = json!([]);
    assert_eq!(job, typed);
    let told = env.cli(&["job", "explain", &second]).ok();
    assert!(told.contains("2") && told.contains("No worker listens to queue default"), "{told}");
    queue.suspend().unwrap();
    assert!(codes(&look(&id)["why"]).contains(&"queue_suspended"));
    queue.resume().unwrap();
    env.drain(env.worker(&["default"]));
    assert_eq!((&look(&id)["result"], codes(&look(&id)["why"])), (&json!(3), vec!["finished"]));
    let file = dashboard.get(&format!("/api/jobs/{id}/result"));
    assert_eq!((file.body.as_str(), file.header("content-type")), ("3", Some("text/plain; charset=utf-8")));
    assert!(file.header("content-disposition").unwrap().starts_with("attachment"));
    let large = queue.enqueue("echo", "x".repeat(300_000)).unwrap().id().to_owned();
    let shown = look(&large);
    assert_eq!((&shown["cut"], &shown["args"]), (&json!(["args", "kwargs"]), &json!([])));
    assert_eq!(dashboard.get("/api/jobs/none").status, 404);
    // Python allows any id, but no job has this one.
    assert_eq!(dashboard.get("/api/jobs/no%20id%21").status, 404);
}

#[test]
fn a_waiting_retry_shows_its_number_and_can_be_enqueued_now() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("fail", "boom").retry(Retry::every(Duration::from_secs(600), 3));
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    env.drain(env.worker(&["default"]));
    let dashboard = DashboardProcess::start(&env, &[]);
    let shown = dashboard.get(&format!("/api/jobs/{id}")).json();
    let why = &shown["why"][0];
    assert_eq!(
        (&why["code"], &why["attempt"], &why["of"], &why["error"]),
        (&json!("retry"), &json!(2), &json!(4), &json!("fail failed: boom"))
    );
    assert_eq!(ids(&dashboard.get("/api/scheduled").json()), [&*id]);
    assert!(dashboard.get("/api/scheduled").json()["jobs"][0]["due"].is_string());
    assert_eq!(dashboard.post(&format!("/api/jobs/{id}/enqueue"), &json!({})).json()["done"], 1);
    let job = queue.job(&id).unwrap();
    assert_eq!(
        (job.status, job.retries_left, queue.ids(0, 5).unwrap()),
        (Status::Queued, Some(2), vec![id.clone()])
    );
    assert_eq!(dashboard.post(&format!("/api/jobs/{id}/enqueue"), &json!({})).status, 409);
    assert!(env.cli(&["job", "enqueue", &id]).expect_failure(1).contains("cannot enqueue"));
}

#[test]
fn running_jobs_are_shown_with_their_worker_and_can_be_stopped() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let waiting = gate.clone();
    let queue = env.queue("default");
    let id = queue.enqueue("wait", ()).unwrap().id().to_owned();
    let worker = env.worker(&["default"]).name("ada").handler("wait", move |_: &rq_rs::Context, ()| {
        waiting.wait();
        Ok(())
    });
    let running_worker = RunningWorker::start(worker.concurrency(1));
    running_worker.wait_for_start(&id);
    let dashboard = DashboardProcess::start(&env, &[]);
    let page = dashboard.get("/api/workers").json();
    assert_eq!((&page["running"][0]["id"], &page["running"][0]["worker_name"]), (&json!(id), &json!("ada")));
    assert_eq!(page["workers"][0]["name"], "ada");
    let shown = dashboard.get(&format!("/api/jobs/{id}")).json();
    assert_eq!(
        (codes(&shown["why"]), &shown["actions"]),
        (vec!["running"], &json!(["stop", "cancel", "delete"]))
    );
    let next = queue.enqueue("add", (1, 2)).unwrap().id().to_owned();
    assert!(codes(&dashboard.get(&format!("/api/jobs/{next}")).json()["why"]).contains(&"workers_busy"));
    assert_eq!(dashboard.post(&format!("/api/jobs/{id}/stop"), &json!({})).json()["done"], 1);
    eventually("it is stopped", || queue.job(&id).unwrap().status == Status::Stopped);
    gate.open();
    assert_eq!(dashboard.post("/api/workers/ada/quiet", &json!({})).status, 200);
    let worker = || dashboard.get("/api/workers").json()["workers"][0].clone();
    eventually("it is quiet", || worker()["state"] == "suspended" && worker()["quiet"] == true);
    assert!(worker()["memory"].as_u64().unwrap() > 1_000_000);
    assert_eq!(dashboard.post("/api/workers/ada/continue", &json!({})).status, 200);
    eventually("it goes on", || worker()["quiet"] == false);
    assert_eq!(dashboard.post("/api/workers/nobody/quiet", &json!({})).status, 404);
    assert_eq!(dashboard.post("/api/workers/ada/shutdown", &json!({})).status, 200);
    running_worker.join();
}

#[test]
fn queues_and_workers_are_suspended_and_resumed() {
    let env = TestEnv::new();
    let queue = env.queue("a:bé%");
    queue.enqueue("add", (1, 2)).unwrap();
    let dashboard = DashboardProcess::start(&env, &[]);
    let path = "/api/queues/a%3Ab%C3%A9%25";
    assert_eq!(dashboard.post(&format!("{path}/suspend"), &json!({})).status, 200);
    assert!(queue.is_suspended().unwrap());
    assert_eq!(dashboard.post(&format!("{path}/resume"), &json!({})).status, 200);
    assert!(!queue.is_suspended().unwrap());
    assert_eq!(dashboard.post("/api/suspend", &json!({})).status, 200);
    assert_eq!(dashboard.get("/api/overview").json()["suspended"], true);
    assert_eq!(dashboard.post("/api/resume", &json!({})).status, 200);
    assert_eq!(dashboard.get("/api/overview").json()["suspended"], false);
    assert_eq!(dashboard.post(&format!("{path}/empty"), &json!({})).json()["done"], 1);
    assert_eq!(dashboard.post("/api/queues/x/explode", &json!({})).status, 404);
}

#[test]
fn cron_entries_are_shown_paused_and_run() {
    let env = TestEnv::new();
    let entry = rq_rs::Cron::new("nightly", "0 3 * * *", NewJob::new("add", (1, 2))).queue("default");
    let running_worker = RunningWorker::start(env.worker(&["other"]).cron(entry));
    running_worker.wait_until_idle();
    let dashboard = DashboardProcess::start(&env, &[]);
    eventually("it is listed", || dashboard.get("/api/cron").json().as_array().unwrap().len() == 1);
    assert_eq!(dashboard.get("/api/cron").json()[0]["name"], "nightly");
    assert_eq!(dashboard.post("/api/cron/nightly/pause", &json!({})).status, 200);
    assert_eq!(dashboard.get("/api/cron").json()[0]["paused"], true);
    assert_eq!(dashboard.post("/api/cron/nightly/resume", &json!({})).status, 200);
    assert_eq!(dashboard.post("/api/cron/nightly/run", &json!({})).status, 200);
    let history = dashboard.get("/api/cron/nightly/history").json();
    assert_eq!((history.as_array().unwrap().len(), &history[0]["status"]), (1, &json!("queued")));
    assert_eq!(dashboard.post("/api/cron/weekly/pause", &json!({})).status, 400);
    running_worker.stop();
}

#[test]
fn history_by_minutes_and_days_and_run_times_are_shown() {
    let env = TestEnv::new();
    failures(&env);
    let history = DashboardProcess::start(&env, &[]).get("/api/metrics?queue=mail").json();
    let failed = |list: &Value| {
        list.as_array().unwrap().iter().map(|one| one["failed"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((history["minutes"].as_array().unwrap().len(), failed(&history["minutes"])), (180, 5));
    assert_eq!((history["days"].as_array().unwrap().len(), failed(&history["days"])), (90, 5));
    let handler = &history["handlers"][0];
    assert_eq!((&handler["handler"], &handler["failed"]), (&json!("fail"), &json!(5)));
    let runs: u64 = handler["buckets"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(
        (runs, history["bounds"].as_array().unwrap().len()),
        (5, handler["buckets"].as_array().unwrap().len() - 1)
    );
}

#[test]
fn metrics_and_probes_have_their_paths() {
    let env = TestEnv::new();
    failures(&env);
    let dashboard = DashboardProcess::start(&env, &[]);
    let page = dashboard.get("/metrics");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(page.body.contains("rq_jobs{queue=\"mail\",status=\"failed\"} 5"));
    assert_eq!((dashboard.get("/livez").status, dashboard.get("/readyz").status), (200, 200));
}

#[test]
fn the_dashboard_starts_without_redis_and_recovers() {
    let env = TestEnv::with_own_redis(&[]);
    env.server().kill();
    let dashboard = DashboardProcess::start(&env, &[]);
    let away = dashboard.get("/api/overview");
    assert_eq!((away.status, away.body.contains("Redis cannot be reached")), (503, true));
    assert!(!away.body.contains(env.url()), "{}", away.body);
    assert_eq!(
        (dashboard.get("/livez").status, dashboard.get("/readyz").status, dashboard.get("/").status),
        (200, 503, 200)
    );
    env.server().launch();
    eventually("it is back", || {
        dashboard.get("/api/overview").status == 200 && dashboard.get("/readyz").status == 200
    });
}

#[test]
fn a_worker_serves_the_dashboard_and_its_probes_describe_the_worker() {
    let env = TestEnv::with_own_redis(&[]);
    let words =
        ["worker", "--dashboard", "127.0.0.1:0", "--exec", "*=cat", "--name", "ada", "--dashboard-read-only"];
    let dashboard = DashboardProcess::of(env.start(&words));
    eventually("it is ready", || dashboard.get("/readyz").status == 200);
    assert_eq!(dashboard.get("/livez").status, 200);
    assert_eq!(dashboard.get("/api/site").json()["read_only"], true);
    eventually("it shows itself", || dashboard.get("/api/workers").json()["workers"][0]["name"] == "ada");
    env.server().kill();
    assert_eq!((dashboard.get("/livez").status, dashboard.get("/readyz").status), (200, 503));
    env.server().launch();
    eventually("it is back", || dashboard.get("/readyz").status == 200);
    dashboard.process.signal("TERM");
    let output = dashboard.process.finish("");
    assert_eq!(output.code, Some(0), "{output:?}");
}
