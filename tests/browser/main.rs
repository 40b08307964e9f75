//! The dashboard in a real browser: Debian's Chromium, driven by playwright-core. `sh tests/browser/setup.sh`
//! installs both. These tests prepare the jobs and start the dashboard; `scenarios.mjs` has the steps in the browser.

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

/// An environment with jobs in every state, a busy worker and a cron entry.
struct Fixture {
    env: TestEnv,
    running_worker: Option<RunningWorker>,
    /// The running job ends when this sender is dropped.
    gate: Option<Sender<()>>,
    /// Parameters of the scenarios, passed to the script as JSON.
    facts: Value,
}

impl Fixture {
    fn new() -> Self {
        Self::with_env(TestEnv::new())
    }

    fn with_env(env: TestEnv) -> Self {
        let ((gate, waiting), mail) = (channel::<()>(), env.queue("mail"));
        let failing = |n: usize, handler: &str, error: &str| {
            (0..n).map(|n| NewJob::new(handler, (format!("user{n}@example.com"), error))).collect::<Vec<_>>()
        };
        mail.enqueue_many(failing(7, "send_email", "smtp: connection refused by mx.example.com")).unwrap();
        mail.enqueue_many(failing(5, "render", "template \"welcome\" is missing")).unwrap();
        let retry = Retry::every(Duration::from_secs(3600), 3);
        mail.enqueue_job(NewJob::new("send_email", ("late@example.com", "greylisted")).retry(retry)).unwrap();
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
        Fixture { env, running_worker: Some(running_worker), gate: Some(gate), facts }
    }

    /// Runs a scenario against a dashboard with these options.
    fn run_scenario(&self, scenario: &str, args: &[&str]) {
        let dashboard = DashboardProcess::start(&self.env, args);
        let output = self.start_scenario(scenario, &dashboard, &self.facts).finish("");
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }

    fn start_scenario(&self, scenario: &str, dashboard: &DashboardProcess, facts: &Value) -> Process {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/scenarios.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(scenario).arg(format!("http://{}", dashboard.address)).arg(facts.to_string());
        Process::spawn(command, &self.env.environment())
    }
}

impl Drop for Fixture {
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
fn every_page_renders_and_is_accessible() {
    Fixture::new().run_scenario("every_page_renders_and_is_accessible", &[]);
}

#[test]
fn every_page_is_translated_into_korean() {
    Fixture::new().run_scenario("every_page_is_translated_into_korean", &[]);
}

#[test]
fn words_do_not_wrap_in_the_middle() {
    Fixture::new().run_scenario("words_do_not_wrap_in_the_middle", &[]);
}

#[test]
fn the_dark_colour_scheme_has_a_dark_background() {
    Fixture::new().run_scenario("the_dark_colour_scheme_has_a_dark_background", &[]);
}

#[test]
fn a_failed_job_is_requeued_from_its_page() {
    Fixture::new().run_scenario("a_failed_job_is_requeued_from_its_page", &[]);
}

#[test]
fn jobs_that_match_a_filter_are_requeued_after_their_exact_number_is_shown() {
    Fixture::new()
        .run_scenario("jobs_that_match_a_filter_are_requeued_after_their_exact_number_is_shown", &[]);
}

#[test]
fn only_checked_jobs_are_deleted() {
    Fixture::new().run_scenario("only_checked_jobs_are_deleted", &[]);
}

#[test]
fn jobs_are_canceled_stopped_and_enqueued_from_the_page() {
    Fixture::new().run_scenario("jobs_are_canceled_stopped_and_enqueued_from_the_page", &[]);
}

#[test]
fn a_queue_is_suspended_and_resumed() {
    Fixture::new().run_scenario("a_queue_is_suspended_and_resumed", &[]);
}

#[test]
fn a_queue_named_by_two_dots_has_its_own_page() {
    let fixture = Fixture::new();
    fixture.env.queue("..").enqueue("add", (1, 2)).unwrap();
    fixture.run_scenario("a_queue_named_by_two_dots_has_its_own_page", &[]);
}

#[test]
fn a_failure_group_links_to_all_of_its_jobs_and_any_id_can_be_opened() {
    let fixture = Fixture::new();
    let (env, queue) = (&fixture.env, fixture.env.queue("groups"));
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
    fixture.run_scenario("a_failure_group_links_to_all_of_its_jobs_and_any_id_can_be_opened", &[]);
}

#[test]
fn cron_entries_and_workers_are_controlled_from_the_page() {
    Fixture::new().run_scenario("cron_entries_and_workers_are_controlled_from_the_page", &[]);
}

#[test]
fn a_refresh_keeps_focus_input_scroll_position_and_checked_rows() {
    Fixture::new().run_scenario("a_refresh_keeps_focus_input_scroll_position_and_checked_rows", &[]);
}

#[test]
fn the_page_works_with_the_keyboard_alone() {
    Fixture::new().run_scenario("the_page_works_with_the_keyboard_alone", &[]);
}

#[test]
fn requests_of_another_site_change_nothing() {
    Fixture::new().run_scenario("requests_of_another_site_change_nothing", &[]);
}

#[test]
fn a_read_only_dashboard_has_no_action_buttons() {
    Fixture::new().run_scenario("a_read_only_dashboard_has_no_action_buttons", &["--read-only"]);
}

#[test]
fn a_password_is_required() {
    let fixture = Fixture::new();
    let dashboard = DashboardProcess::with(&fixture.env, &[], &[("RQ_RS_DASHBOARD_PASSWORD", "sesame")]);
    let output = fixture.start_scenario("a_password_is_required", &dashboard, &fixture.facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn the_page_shows_an_outage_of_redis_and_recovers() {
    let fixture = Fixture::with_env(TestEnv::with_own_redis(&["--appendonly", "yes"]));
    let dashboard = DashboardProcess::start(&fixture.env, &[]);
    let mut browser =
        fixture.start_scenario("the_page_shows_an_outage_of_redis_and_recovers", &dashboard, &fixture.facts);
    browser.wait_for_stderr("page loaded");
    fixture.env.server().kill();
    browser.wait_for_stderr("outage shown");
    fixture.env.server().launch();
    let output = browser.finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// Known attacks on web pages; the tests put them into every text of a job.
const HOSTILE_TEXTS: [&str; 8] = [
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
fn hostile_text_is_shown_as_text() {
    let fixture = Fixture::new();
    let env = &fixture.env;
    // Names may not hold all of the texts above; these have all special characters that they may hold.
    let (queue_name, worker_name) = ("<img>\"'&{x}`$", "<img>\"onx='&`");
    let queue = env.queue(queue_name);
    let mut jobs = Vec::new();
    for text in HOSTILE_TEXTS {
        let call = |handler: &str| {
            let job = NewJob::new(handler, (text, json!({text: [text]}))).description(text);
            job.meta(json!({text: text, "progress": text}))
        };
        // A handler's name must not have control characters.
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
    for text in HOSTILE_TEXTS {
        jobs.push(queue.enqueue("echo", (text, text)).unwrap().id().to_owned());
    }
    let mut facts = fixture.facts.clone();
    facts["hostile_texts"] = json!(HOSTILE_TEXTS);
    facts["queues"] = json!([queue_name, "mail"]);
    facts["jobs"] = json!(jobs.iter().step_by(2).collect::<Vec<_>>());
    let dashboard = DashboardProcess::start(env, &[]);
    let output = fixture.start_scenario("hostile_text_is_shown_as_text", &dashboard, &facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
#[ignore = "writes docs/dashboard: just screenshots"]
fn screenshots() {
    let mut env = TestEnv::with_own_redis(&[]).in_native_dialect();
    env.prefix = "rq-rs".to_owned();
    let fixture = Fixture::with_env(env);
    let mut facts = fixture.facts.clone();
    // A realistic hour of runs, and a job with three attempts.
    let minute = chrono::Utc::now().timestamp() / 60;
    for ago in 1..60 {
        let (finished, failed) = (180 + (ago * 37) % 90, if ago % 23 < 4 { ago % 7 } else { 0 });
        let (field, value) = (
            format!("m{}", (minute - ago) % 180),
            format!("{} {finished} {failed} {}", minute - ago, failed / 2),
        );
        fixture.env.redis::<()>(&["HSET", &fixture.env.key("stats:queue:mail"), &field, &value]);
    }
    let tried =
        NewJob::new("charge", ("order-1042", "EUR 19.90")).retry(Retry::every(Duration::from_millis(1), 2));
    let tried = fixture.env.queue("payments").enqueue_job(tried).unwrap();
    let charge = |_: &Context, _: (String, String)| -> anyhow::Result<()> {
        anyhow::bail!("payment gateway: 503 Service Unavailable")
    };
    while fixture.env.queue("payments").failed().count().unwrap() == 0 {
        fixture.env.drain(fixture.env.worker(&["payments"]).handler("charge", charge));
    }
    facts["failed"] = json!(tried.id());
    facts["folder"] = json!(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboard"));
    let dashboard = DashboardProcess::start(&fixture.env, &[]);
    let output = fixture.start_scenario("screenshots", &dashboard, &facts).finish("");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
