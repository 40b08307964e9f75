//! Statistics and metrics: counts, rates and times.

use std::time::Duration;

use rq_rs::{NewJob, Retry};
use serde_json::{Value, json};

use crate::support::{TestEnv, eventually};

/// Runs jobs with each outcome.
fn work(env: &TestEnv) {
    let queue = env.queue("default");
    queue.enqueue_many((0..30).map(|n| NewJob::new("add", (n, 1)))).unwrap();
    queue.enqueue_many((0..3).map(|_| NewJob::new("fail", "boom"))).unwrap();
    let again = NewJob::new("fail", "boom").retry(Retry::every(Duration::from_secs(3600), 1));
    queue.enqueue_job(again).unwrap();
    env.drain(env.worker(&["default"]));
}

/// Value of this line of the metrics.
fn value(page: &str, line: &str) -> Option<f64> {
    page.lines().find_map(|one| one.strip_prefix(line)?.trim().parse().ok())
}

#[test]
fn runs_are_counted_by_queue_and_handler() {
    let env = TestEnv::new();
    work(&env);
    let info = env.cli(&["info", "--json"]).json();
    assert_eq!(info["queues"][0]["last_hour"], json!({"finished": 30, "failed": 3, "retried": 1}));
    assert_eq!(info["queues"][0]["today"], info["queues"][0]["last_hour"]);
    let page = env.cli(&["metrics"]).ok();
    let runs = |handler: &str, outcome: &str| {
        let labels = format!("{{queue=\"default\",handler=\"{handler}\",outcome=\"{outcome}\"}}");
        value(&page, &format!("rq_runs_total{labels}"))
    };
    assert_eq!(
        (runs("add", "finished"), runs("fail", "failed"), runs("fail", "retried")),
        (Some(30.0), Some(3.0), Some(1.0))
    );
    let of = |rest: &str| value(&page, &format!("rq_run_seconds_{rest}"));
    assert_eq!(of("count{queue=\"default\",handler=\"add\"}"), Some(30.0));
    assert_eq!(of("bucket{queue=\"default\",handler=\"add\",le=\"+Inf\"}"), Some(30.0));
    assert!(of("sum{queue=\"default\",handler=\"add\"}").is_some_and(|seconds| seconds < 10.0), "{page}");
    assert_eq!(value(&page, "rq_jobs{queue=\"default\",status=\"failed\"}"), Some(3.0));
    // A second worker adds to the same series.
    work(&env);
    assert_eq!(env.cli(&["info", "--json"]).json()["queues"][0]["last_hour"]["finished"], 60);
}

#[test]
fn the_age_of_the_oldest_waiting_job_is_known() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    assert_eq!(env.cli(&["info", "default", "--json"]).json()["queues"][0]["oldest_waiting"], Value::Null);
    let job = queue.enqueue("add", (1, 1)).unwrap();
    queue.enqueue("add", (2, 2)).unwrap();
    let key = env.key(&format!("job:{}", job.id()));
    env.redis::<i64>(&["HSET", &key, "enqueued_at", "2026-01-01T00:00:00.000000Z"]);
    let age = env.cli(&["info", "--json"]).json()["queues"][0]["oldest_waiting"].as_f64().unwrap();
    assert!(age > 86_400.0, "{age}");
    assert!(
        value(&env.cli(&["metrics"]).ok(), "rq_oldest_waiting_seconds{queue=\"default\"}").unwrap()
            > 86_400.0
    );
}

#[test]
fn a_worker_s_counts_are_seen_while_it_runs() {
    let env = TestEnv::new();
    let worker = env.start(&["worker", "--exec", "*=cat", "--name", "seen"]);
    env.queue("default").enqueue("anything", ()).unwrap();
    eventually("it is counted", || {
        let page = env.cli(&["metrics"]).ok();
        value(&page, "rq_workers_success_total{name=\"seen\",queues=\"default\"}") == Some(1.0)
            && value(&page, "rq_runs_total{queue=\"default\",handler=\"anything\",outcome=\"finished\"}")
                == Some(1.0)
    });
    worker.signal("TERM");
    worker.finish("").ok();
}

#[test]
fn handlers_over_the_limit_share_a_series_of_fixed_size() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    for _ in 0..2 {
        queue.enqueue_many((0..260).map(|n| NewJob::new(format!("handler-{n:03}"), ()))).unwrap();
        env.cli(&["worker", "-b", "-q", "--exec", "handler-000=cat", "-c", "2"]).ok();
    }
    let series: Vec<String> = env.redis(&["KEYS", &env.key("stats:handler:*")]);
    assert_eq!(series.len(), 200);
    let page = env.cli(&["metrics"]).ok();
    let total: f64 = page
        .lines()
        .filter_map(|line| line.strip_prefix("rq_runs_total")?.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!(total, 520.0);
    assert!(page.contains("handler=\"*\""));
}

#[test]
fn names_cannot_inject_metrics() {
    let env = TestEnv::new();
    env.queue("default").enqueue("a\"} 1\\nforged", ()).unwrap();
    env.cli(&["worker", "-b", "-q", "--exec", "*=cat"]).ok();
    let page = env.cli(&["metrics"]).ok();
    assert!(page.contains(r#"handler="a\"} 1\\nforged""#), "{page}");
}
