//! Printed text contains no control character and no forged line, whatever jobs, workers and other programs write.

use serde_json::{Value, json};

use crate::support::{DashboardProcess, TestEnv, build_example, run_in};

/// An escape, a carriage return, a newline, a C1 control, direction marks and line separators.
const ODD: &str = "x\u{1b}[2J\r\nforged: line\u{9b}31m\u{202e}\u{2066}\u{200f}\u{2028}\u{7f}\tö";

fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200f}' | '\u{2028}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn is_clean(what: &str, text: &str) {
    assert!(!text.contains(is_odd), "{what}: {:?}", text.lines().find(|line| line.contains(is_odd)));
    assert!(!text.lines().any(|line| line.starts_with("forged")), "{what}: {text}");
}

/// Odd text in each field of each kind of record.
fn fill(env: &TestEnv) {
    let hash = |key: String, fields: &[(&str, &str)]| {
        for (name, value) in fields {
            env.redis::<i64>(&["HSET", &key, name, value]);
        }
    };
    let queue = format!("q{ODD}");
    for name in [queue.as_str(), "default"] {
        env.redis::<i64>(&["SADD", &env.key("queues"), &env.key(&format!("queue:{name}"))]);
    }
    env.redis::<i64>(&["SADD", &env.key("suspended_queues"), &env.key(&format!("queue:{queue}"))]);
    let data = json!([format!("handler{ODD}"), Value::Null, [ODD], {ODD: ODD}]).to_string();
    for (id, status, place) in [
        ("failed", "failed", "failed"),
        ("started", "started", "wip"),
        ("queued", "queued", "none"),
        ("later", "scheduled", "scheduled"),
        (ODD, "failed", "failed"),
    ] {
        let attempts = json!([{"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:01Z",
            "worker_name": ODD, "error": ODD, "retry_in": 1.0}]);
        let record = [
            ("data", data.as_str()),
            ("status", status),
            ("origin", &queue),
            ("description", ODD),
            ("worker_name", ODD),
            ("exc_info", ODD),
            ("retry_error", ODD),
            ("log", ODD),
            ("result", &json!([ODD]).to_string()),
            ("meta", &json!({ODD: ODD}).to_string()),
            ("attempts", &attempts.to_string()),
            ("timeout", ODD),
            ("created_at", ODD),
            ("group_id", ODD),
            ("execution_id", ODD),
            (ODD, ODD),
            ("started_at", "2026-01-01T00:00:00Z"),
        ];
        hash(env.key(&format!("job:{id}")), &record);
        let member = if place == "wip" { format!("{id}:{ODD}") } else { id.to_owned() };
        env.redis::<i64>(&["ZADD", &env.key(&format!("{place}:{queue}")), "4000000000", &member]);
        env.redis::<i64>(&["ZADD", &env.key(&format!("cron_job:entry{ODD}:jobs")), "1", id]);
    }
    for id in ["queued", ODD] {
        env.push(&queue, id);
    }
    let worker = format!("worker{ODD}");
    env.redis::<i64>(&["SADD", &env.key("workers"), &env.key(&format!("worker:{worker}"))]);
    let fields = ["state", "queues", "hostname", "version", "birth", "last_heartbeat", "runs_in", "pid"];
    let record = fields.map(|name| (name, ODD));
    hash(env.key(&format!("worker:{worker}")), &record);
    hash(env.key(&format!("worker:{worker}")), &[("stuck_threads", "3"), ("queues", &queue)]);
    let now: (String, String) = env.redis(&["TIME"]);
    env.redis::<i64>(&["ZADD", &env.key("cron_schedulers"), &now.0, "keeper"]);
    let entry = json!([{"func_name": format!("f{ODD}"), "name": format!("entry{ODD}"), "queue_name": queue,
        "args": json!([ODD]).to_string(), "kwargs": null, "interval": null, "cron": ODD,
        "latest_enqueue_time": null, "next_enqueue_time": null}]);
    hash(env.key("cron_scheduler:keeper"), &[("cron_jobs", &entry.to_string())]);
    env.redis::<i64>(&["SADD", &env.key(&format!("stats:handlers:{queue}")), ODD]);
    hash(env.key(&format!("stats:handler:{} {ODD}", queue.replace(' ', "%20"))), &[("finished", "3")]);
    env.redis::<()>(&["SET", &env.key(&format!("canceled:{queue}")), "of another type"]);
}

#[test]
fn no_command_prints_a_control_character_or_a_forged_line() {
    let env = TestEnv::new();
    fill(&env);
    let (queue, entry, worker) = (format!("q{ODD}"), format!("entry{ODD}"), format!("worker{ODD}"));
    for words in [
        vec!["info"],
        vec!["info", "--json"],
        vec!["info", "--raw"],
        vec!["info", "-R"],
        vec!["info", &queue],
        vec!["failed"],
        vec!["failed", "--json"],
        vec!["failed", &queue, "--limit", "1"],
        vec!["metrics"],
        vec!["job", "show", "failed"],
        vec!["job", "show", "started"],
        vec!["job", "show", "later"],
        vec!["job", "show", ODD],
        vec!["job", "show", "failed", "--json"],
        vec!["job", "explain", "failed"],
        vec!["job", "explain", "queued"],
        vec!["job", "explain", "started"],
        vec!["job", "explain", "later", "--json"],
        vec!["cron", "list"],
        vec!["cron", "list", "--json"],
        vec!["cron", "history", &entry],
        vec!["cron", "history", &entry, "--limit", "1"],
        vec!["cron", "history", ODD],
        vec!["cron", "pause", &entry],
        vec!["cron", "run", &entry],
        vec!["requeue", ODD],
        vec!["requeue", &format!("none{ODD}")],
        vec!["requeue", "--all"],
        vec!["job", "cancel", "later"],
        vec!["job", "stop", "started"],
        vec!["job", "enqueue", ODD],
        vec!["job", "delete", ODD],
        vec!["suspend", &queue],
        vec!["resume"],
        vec!["resume", &queue],
        vec!["quiet", &worker],
        vec!["shutdown", ODD],
        vec!["enqueue", "f", "-q", ODD],
        vec!["worker", &queue, "--burst", "--exec", "*=cat", "--lease", "1s"],
        vec!["empty", "--all"],
    ] {
        let output = env.cli(&words);
        is_clean(&format!("{words:?} on standard output"), &output.stdout);
        is_clean(&format!("{words:?} on standard error"), &output.stderr);
        if words.contains(&"--json") {
            output.stdout_json();
        }
    }
}

#[test]
fn the_dashboard_logs_one_line_for_each_action() {
    let env = TestEnv::new();
    fill(&env);
    let mut dashboard = DashboardProcess::start(&env, &[]);
    let queue: String = format!("q{ODD}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(dashboard.post(&format!("/api/queues/{queue}/suspend"), &json!({})).status, 200);
    is_clean("the log", &dashboard.process.wait_for_stderr("suspend: done"));
    is_clean("metrics", &dashboard.get("/metrics").body);
}

#[test]
fn dashboard_quiet_logs_warnings_only() {
    let env = TestEnv::new();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let dashboard = DashboardProcess::start(&env, &["--quiet"]);
    assert_eq!(dashboard.post("/api/queues/default/empty", &json!({})).status, 200);
    dashboard.process.signal("TERM");
    let output = dashboard.process.finish("");
    assert!(!output.stderr.contains("empty"), "{output:?}");
    assert!(output.stderr.contains("dashboard: http://"), "{output:?}");
}

#[test]
fn rust_log_sets_the_level_without_options() {
    let env = TestEnv::new();
    let log = |filter: &str, more: &[&str]| {
        env.queue("default").enqueue("add", (1, 1)).unwrap();
        let mut environment = env.environment();
        environment.push(("RUST_LOG".to_owned(), filter.to_owned()));
        let words = [&["worker", "--burst", "--exec", "*=cat"], more].concat();
        crate::support::Process::start(&words, &environment).finish("").stderr
    };
    assert!(log("", &[]).contains("finished in"));
    assert!(!log("warn", &[]).contains("finished in"));
    assert!(log("rq_rs=debug", &[]).contains("idle"));
    assert!(log("off", &["--verbose"]).contains("finished in"));
    // A filter for another module, or one with a typing error, changes nothing here.
    for filter in ["sqlx=warn", "hyper=off,sqlx", "wran", "rq_rs=wran", "rq_rss=off"] {
        assert!(log(filter, &[]).contains("finished in"), "{filter}");
    }
    assert!(!log("rq_rs=warn,sqlx=info", &[]).contains("finished in"));
    assert!(!log("sqlx=info,warn", &[]).contains("finished in"));
    assert!(!log("debug", &["--quiet"]).contains("finished in"));
}

#[test]
fn hints_name_the_program_that_was_started() {
    let env = TestEnv::new();
    let program = build_example("nightly");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&program, folder.path().join("shop")).unwrap();
    let shop = |words: &str| run_in(folder.path(), &format!("./shop {words} || true"), &env.environment());
    assert!(shop("info").stdout.contains("the first `shop enqueue` makes one"), "{:?}", shop("info"));
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    assert!(shop("info").stdout.contains("Start one: shop worker default"), "{:?}", shop("info"));
    env.queue("default").suspend().unwrap();
    assert!(shop("resume").stdout.contains("`shop resume default` lets it go on"), "{:?}", shop("resume"));
    assert!(shop("shutdown nobody").stderr.contains("`shop info` shows"), "{:?}", shop("shutdown nobody"));
    for words in
        ["--help", "worker --help", "resume --help", "config --help", "completions --help", "cron --help"]
    {
        let help = shop(words).stdout;
        assert!(!help.contains("rq-rs ") && !help.contains("/rq-rs"), "{words}: {help}");
    }
}
