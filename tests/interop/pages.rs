//! The pages of Python's tools that list jobs: each answers, and shows ours.

use rq_rs::{NewJob, Serializer};
use serde_json::{Value, json};

use crate::python::{InteropEnv, RqVersion, SERIALIZERS};
use crate::support::RunningWorker;

fn check_pages(serializer: Serializer) {
    let both = InteropEnv::with(RqVersion::Three, serializer);
    let queue = both.queue();
    let add = |id: &str| NewJob::new("tasks.add", (1, 2)).id(id);
    queue.enqueue_job(add("zz-finished")).unwrap();
    queue.enqueue_job(NewJob::new("tasks.fail", "boom").id("zz-failed")).unwrap();
    queue
        .enqueue_job(NewJob::new("tasks.fail", "x").id("zz-scheduled").retry(rq_rs::Retry::growing(1)))
        .unwrap();
    both.env.drain(both.worker());
    queue.enqueue_job(NewJob::new("tasks.slow", 60).id("zz-started").meta(json!({"user": "ada"}))).unwrap();
    let running_worker = RunningWorker::start(both.worker().concurrency(1).name("zz-worker"));
    running_worker.wait_for_start("zz-started");
    queue.enqueue_job(add("zz-queued")).unwrap();
    queue.enqueue_job(add("zz-canceled")).unwrap();
    queue.job("zz-canceled").unwrap().cancel().unwrap();
    let Value::Object(pages) = both.fetch_pages(&json!({"serializer": serializer.to_string()})) else {
        panic!("an object")
    };
    assert!(pages.len() > 40, "{} pages", pages.len());
    for (name, page) in &pages {
        if page["status"] != 200 {
            // A page that fails with Python's own data too.
            assert!(page.get("known").is_some(), "{name}: {page}");
        }
    }
    for tool in ["rq-dashboard", "django-rq"] {
        for id in ["zz-finished", "zz-failed", "zz-scheduled", "zz-started", "zz-queued"] {
            let shows = |(name, page): (&String, &Value)| {
                name.starts_with(tool) && page["ids"].as_array().is_some_and(|ids| ids.contains(&json!(id)))
            };
            assert!(pages.iter().any(shows), "{tool} does not show {id}");
        }
    }
    let text = |part: &str| {
        let page = pages.iter().find(|(name, page)| name.contains(part) && page["text"].is_string());
        page.unwrap_or_else(|| panic!("{part}: {:?}", pages.keys())).1["text"].as_str().unwrap().to_owned()
    };
    assert!(
        text("rq info").contains("zz-worker") || text("rq info").contains("1 workers"),
        "{}",
        text("rq info")
    );
    assert!(text("exporter").contains("zz-worker"), "{}", text("exporter"));
    // The tools have changed no job of ours.
    assert_eq!(both.env.locations("default", "zz-started"), ["wip"]);
    queue.job("zz-started").unwrap().cancel().unwrap();
    running_worker.wait_for_finish("zz-queued");
    running_worker.stop();
}

#[test]
fn each_page_of_rq_dashboard_django_rq_and_rq_exporter_shows_our_jobs() {
    SERIALIZERS.into_iter().for_each(check_pages);
}

#[test]
fn prometheus_own_parser_reads_our_metrics_and_finds_rq_exporter_s_names() {
    let both = InteropEnv::new();
    both.queue().enqueue("tasks.add", (1, 2)).unwrap();
    both.queue().enqueue("tasks.fail", "boom").unwrap();
    both.env.drain(both.worker());
    let worker = RunningWorker::start(both.worker().name("zz-worker"));
    worker.wait_until_idle();
    let metrics = crate::support::Process::start(&["metrics"], &both.env.environment()).finish("").ok();
    let families = both.python("parse_metrics", json!({ "text": metrics + "\n" }));
    let families = families.as_object().unwrap();
    for (family, labels) in [
        ("rq_workers", vec!["name", "queues", "state"]),
        ("rq_workers_success", vec!["name", "queues"]),
        ("rq_workers_failed", vec!["name", "queues"]),
        ("rq_workers_working_time", vec!["name", "queues"]),
        ("rq_jobs", vec!["queue", "status"]),
    ] {
        let sample = &families[family][1][0];
        let mut found: Vec<&String> = sample[1].as_object().unwrap().keys().collect();
        found.sort();
        assert_eq!(found, labels, "{family}");
    }
    assert_eq!(families["rq_run_seconds"][0], "histogram");
    worker.stop();
}
