//! The dashboard in a real browser: Debian's Chromium, driven by playwright-core. `sh tests/browser/setup.sh`
//! installs both. What people do is in `scenarios.mjs`; this is the env they find.

#![allow(missing_docs, clippy::unwrap_used)]

#[allow(dead_code, unused_imports)]
#[path = "../behaviour/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rq_rs::{Context, Cron, NewJob, Retry};
use serde_json::{Value, json};

use support::{DashboardProcess, Process, RunningWorker, TestEnv};

/// Jobs of every kind, a worker that is busy, and a cron entry.
struct Scene {
    env: TestEnv,
    running_worker: Option<RunningWorker>,
    /// What the job that runs waits for the end of.
    gate: Option<Sender<()>>,
    facts: Value,
}

impl Scene {
    fn new() -> Self {
        Self::at(TestEnv::new())
    }

    fn at(env: TestEnv) -> Self {
        let ((gate, waiting), mail) = (channel::<()>(), env.queue("mail"));
        let failing = |n: usize, handler: &str, error: &str| {
            (0..n).map(|n| NewJob::new(handler, (format!("user{n}@example.com"), error))).collect::<Vec<_>>()
        };
        mail.enqueue_many(failing(7, "send_email", "smtp: connection refused by mx.example.com")).unwrap();
        mail.enqueue_many(failing(5, "render", "template \"welcome\" is missing")).unwrap();
        let again = Retry::every(Duration::from_secs(3600), 3);
        mail.enqueue_job(NewJob::new("send_email", ("late@example.com", "greylisted")).retry(again)).unwrap();
        mail.enqueue_many((0..9).map(|n| NewJob::new("add", (n, 1)))).unwrap();
        let fail = |_: &Context, (_, error): (String, String)| -> anyhow::Result<()> { anyhow::bail!(error) };
        env.drain(env.worker(&["mail"]).handler("send_email", fail).handler("render", fail));
        let failed = mail.failed().ids(0, 1).unwrap().remove(0);
        mail.enqueue_many((0..6).map(|n| NewJob::new("send_email", (format!("next{n}@example.com"), "-"))))
            .unwrap();
        env.queue("reports")
            .enqueue_job(NewJob::new("report", "yearly").after(Duration::from_secs(7200)))
            .unwrap();
        let running = env
            .queue("images")
            .enqueue_job(NewJob::new("resize", "photo.jpg").meta(json!({"progress": 0.4})));
        let running = running.unwrap().id().to_owned();
        let waiting = Mutex::new(waiting);
        let nightly = Cron::new("nightly", "0 3 * * *", NewJob::new("report", "daily")).queue("reports");
        let worker = env.worker(&["images"]).name("ada").concurrency(2).cron(nightly);
        let worker = worker.handler("resize", move |_: &Context, _: String| {
            let _ = waiting.lock().unwrap().recv();
            Ok(())
        });
        let running_worker = RunningWorker::start(worker);
        running_worker.wait_for_start(&running);
        support::eventually("the entry is listed", || {
            !env.cli(&["cron", "list", "--json"]).json().as_array().unwrap().is_empty()
        });
        let facts = json!({"failed": failed, "running": running, "smtp": 7, "other": 5, "program": env!("CARGO_BIN_EXE_rq-rs")});
        Scene { env, running_worker: Some(running_worker), gate: Some(gate), facts }
    }

    fn plays(&self, scenario: &str, words: &[&str]) {
        let dashboard = DashboardProcess::start(&self.env, words);
        let output = self.begins(scenario, &dashboard, &self.facts).finish("");
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }

    fn begins(&self, scenario: &str, dashboard: &DashboardProcess, facts: &Value) -> Process {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/scenarios.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(scenario).arg(format!("http://{}", dashboard.address)).arg(facts.to_string());
        Process::spawn(command, &self.env.environment())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.gate = None;
        if !std::thread::panicking()
            && let Some(running_worker) = self.running_worker.take()
        {
            running_worker.stop();
        }
    }
}

#[test]
fn each_page_is_drawn_and_is_accessible() {
    Scene::new().plays("each_page_is_drawn_and_is_accessible", &[]);
}

#[test]
fn each_page_is_there_in_korean() {
    Scene::new().plays("each_page_is_there_in_korean", &[]);
}

#[test]
fn no_word_is_broken_in_the_middle() {
    Scene::new().plays("no_word_is_broken_in_the_middle", &[]);
}

#[test]
fn dark_is_dark() {
    Scene::new().plays("dark_is_dark", &[]);
}

#[test]
fn a_failed_job_is_requeued_from_its_page() {
    Scene::new().plays("a_failed_job_is_requeued_from_its_page", &[]);
}

#[test]
fn all_that_a_filter_fits_are_requeued_after_the_exact_number_was_shown() {
    Scene::new().plays("all_that_a_filter_fits_are_requeued_after_the_exact_number_was_shown", &[]);
}

#[test]
fn chosen_jobs_are_deleted_and_nothing_else() {
    Scene::new().plays("chosen_jobs_are_deleted_and_nothing_else", &[]);
}

#[test]
fn jobs_are_canceled_stopped_and_enqueued() {
    Scene::new().plays("jobs_are_canceled_stopped_and_enqueued", &[]);
}

#[test]
fn a_queue_is_suspended_and_goes_on() {
    Scene::new().plays("a_queue_is_suspended_and_goes_on", &[]);
}

#[test]
fn a_queue_with_an_odd_name_is_that_queue() {
    let scene = Scene::new();
    scene.env.queue("..").enqueue("add", (1, 2)).unwrap();
    scene.plays("a_queue_with_an_odd_name_is_that_queue", &[]);
}

#[test]
fn a_group_leads_to_all_of_its_jobs_and_any_id_can_be_opened() {
    let scene = Scene::new();
    let (env, queue) = (&scene.env, scene.env.queue("groups"));
    queue
        .enqueue_many((0..4).map(|n| NewJob::new("fail", format!("no user {n}{n} in 'table {n}'"))))
        .unwrap();
    env.drain(env.worker(&["groups"]));
    for id in ["a b", "x/y z"] {
        let key = env.key(&format!("job:{id}"));
        let data = r#"["fail", null, [], {}]"#;
        env.redis::<i64>(&[
            "HSET", &key, "data", data, "status", "failed", "origin", "groups", "exc_info", "odd",
        ]);
        env.redis::<i64>(&["ZADD", &env.key("failed:groups"), "4000000000", id]);
    }
    env.redis::<()>(&["SET", &env.key("scheduled:groups"), "of another type"]);
    scene.plays("a_group_leads_to_all_of_its_jobs_and_any_id_can_be_opened", &[]);
}

#[test]
fn cron_entries_and_workers_are_steered() {
    Scene::new().plays("cron_entries_and_workers_are_steered", &[]);
}

#[test]
fn what_changes_is_drawn_without_losing_anything() {
    Scene::new().plays("what_changes_is_drawn_without_losing_anything", &[]);
}

#[test]
fn everything_is_done_with_the_keyboard() {
    Scene::new().plays("everything_is_done_with_the_keyboard", &[]);
}

#[test]
fn another_site_changes_nothing() {
    Scene::new().plays("another_site_changes_nothing", &[]);
}

#[test]
fn where_only_reading_is_allowed_there_is_nothing_to_press() {
    Scene::new().plays("where_only_reading_is_allowed_there_is_nothing_to_press", &["--read-only"]);
}

#[test]
fn a_password_is_asked_for() {
    let scene = Scene::new();
    let dashboard = DashboardProcess::with(&scene.env, &[], &[("RQ_RS_DASHBOARD_PASSWORD", "sesame")]);
    let output = scene.begins("a_password_is_asked_for", &dashboard, &scene.facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn while_redis_is_away_the_page_says_so_and_heals() {
    let scene = Scene::at(TestEnv::with_own_redis(&["--appendonly", "yes"]));
    let dashboard = DashboardProcess::start(&scene.env, &[]);
    let mut browser =
        scene.begins("while_redis_is_away_the_page_says_so_and_heals", &dashboard, &scene.facts);
    browser.wait_for_stderr("shown");
    scene.env.server().kill();
    browser.wait_for_stderr("told");
    scene.env.server().launch();
    let output = browser.finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// What has been used against pages like this one, in everything that a job can bring.
const CORPUS: [&str; 8] = [
    "<script>window.hacked=1</script>",
    "\"><img src=x onerror=window.hacked=1>",
    "'><svg/onload=window.hacked=1>",
    "javascript:window.hacked=1//",
    "</textarea></title></pre><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "{{constructor.constructor('window.hacked=1')()}}${window.hacked=1}",
    "<base href=//evil.example/><link rel=stylesheet href=//evil.example/x.css><meta http-equiv=refresh content=0;url=//evil.example>",
    "\u{202e}\u{1b}[31m\u{0}<math><mtext></form><form><mglyph><style></math><img src onerror=window.hacked=1>",
];

#[test]
fn hostile_text_is_text() {
    let scene = Scene::new();
    let env = &scene.env;
    // As much as a name may hold.
    let (queue_name, worker_name) = ("<img>\"'&{x}`$", "<img>\"onx='&`");
    let queue = env.queue(queue_name);
    let mut jobs = Vec::new();
    for text in CORPUS {
        let call = |handler: &str| {
            let job = NewJob::new(handler, (text, json!({text: [text]}))).description(text);
            job.meta(json!({text: text, "progress": text}))
        };
        // A handler's name has no control characters.
        let name = text.trim_start_matches(['\u{202e}', '\u{1b}']).replace('\0', "");
        for handler in ["echo", "fail", &*name] {
            jobs.push(queue.enqueue_job(call(handler)).unwrap().id().to_owned());
        }
    }
    let worker = env.worker(&[queue_name]).name(worker_name);
    let worker = worker.handler("echo", |_: &Context, all: (String, Value)| Ok(all));
    let worker = worker.handler("fail", |_: &Context, (text, _): (String, Value)| -> anyhow::Result<()> {
        anyhow::bail!(text)
    });
    env.drain(worker);
    for text in CORPUS {
        jobs.push(queue.enqueue("echo", (text, text)).unwrap().id().to_owned());
    }
    let mut facts = scene.facts.clone();
    facts["corpus"] = json!(CORPUS);
    facts["queues"] = json!([queue_name, "mail"]);
    facts["jobs"] = json!(jobs.iter().step_by(2).collect::<Vec<_>>());
    let dashboard = DashboardProcess::start(env, &[]);
    let output = scene.begins("hostile_text_is_text", &dashboard, &facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
#[ignore = "writes docs/dashboard: just screenshots"]
fn screenshots() {
    let mut env = TestEnv::with_own_redis(&[]).in_native_dialect();
    env.prefix = "rq-rs".to_owned();
    let scene = Scene::at(env);
    let mut facts = scene.facts.clone();
    // An hour like any other, and a job that was tried three times.
    let minute = chrono::Utc::now().timestamp() / 60;
    for ago in 1..60 {
        let (finished, failed) = (180 + (ago * 37) % 90, if ago % 23 < 4 { ago % 7 } else { 0 });
        let (field, value) = (
            format!("m{}", (minute - ago) % 180),
            format!("{} {finished} {failed} {}", minute - ago, failed / 2),
        );
        scene.env.redis::<()>(&["HSET", &scene.env.key("stats:queue:mail"), &field, &value]);
    }
    let tried =
        NewJob::new("charge", ("order-1042", "EUR 19.90")).retry(Retry::every(Duration::from_millis(1), 2));
    let tried = scene.env.queue("payments").enqueue_job(tried).unwrap();
    let charge = |_: &Context, _: (String, String)| -> anyhow::Result<()> {
        anyhow::bail!("payment gateway: 503 Service Unavailable")
    };
    while scene.env.queue("payments").failed().count().unwrap() == 0 {
        scene.env.drain(scene.env.worker(&["payments"]).handler("charge", charge));
    }
    facts["failed"] = json!(tried.id());
    facts["folder"] = json!(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboard"));
    let dashboard = DashboardProcess::start(&scene.env, &[]);
    let output = scene.begins("screenshots", &dashboard, &facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
