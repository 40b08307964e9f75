//! Dumps of Redis, compared key by key: we write what Python writes.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use rq_rs::{NewJob, Retry, Ttl};
use serde_json::{Value, json};

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, Side};

/// Fields that only rq-rs writes. RQ's tools keep them.
const OURS: [&str; 5] = ["execution_id", "deliveries", "retries_made", "retry_error", "attempts"];
/// Fields that differ from run to run.
const VARYING: [&str; 10] = [
    "created_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "last_heartbeat",
    "worker_name",
    "execution_id",
    "execution_started_at",
    "execution_ended_at",
    "exc_string",
];

/// All keys but those of workers. Values that differ from run to run are replaced by whether they are set.
fn dump(both: &InteropEnv) -> BTreeMap<String, Value> {
    let Value::Object(keys) = both.python("dump", json!({})) else { panic!("an object") };
    let is_kept = |key: &str| {
        !["rq:worker", "rq:stats:", "rq:clean_", "rq:queue:default:intermediate:first_seen"]
            .iter()
            .any(|part| key.starts_with(part))
    };
    keys.into_iter().filter(|(key, _)| is_kept(key)).map(|(key, item)| (key, normalize(item))).collect()
}

fn normalize(mut item: Value) -> Value {
    let ttl = item["ttl"].as_i64().unwrap();
    // A few seconds pass between the two dumps.
    item["ttl"] = json!(if ttl > 5 { (ttl + 5) / 10 * 10 } else { ttl });
    let decoded = item.as_object_mut().unwrap().remove("decoded");
    match item["type"].as_str().unwrap() {
        "hash" => item["value"] = fields(&item["value"], decoded.as_ref()),
        "zset" => {
            let members = item["value"].as_array().unwrap().iter();
            // In hundreds of seconds from now, because a few seconds pass between the two dumps.
            let now = Utc::now().timestamp() as f64;
            let later = |score: &Value| match score.as_f64() {
                Some(score) if score > 0.0 => json!(((score - now - 2.0) / 100.0).ceil()),
                _ => json!(score),
            };
            let mut members: Vec<_> = members.map(|pair| json!([pair[0], later(&pair[1])])).collect();
            members.sort_by_key(Value::to_string);
            item["value"] = json!(members);
        }
        "stream" => {
            let decoded = decoded.unwrap();
            let entries = item["value"].as_array().unwrap().iter().zip(decoded.as_array().unwrap());
            item["value"] = entries.map(|(entry, known)| fields(&entry[1], Some(&known[1]))).collect();
        }
        _ => {}
    }
    item
}

fn fields(fields: &Value, decoded: Option<&Value>) -> Value {
    let mut normalized = serde_json::Map::new();
    for (name, value) in fields.as_object().unwrap() {
        if OURS.contains(&name.as_str()) && name != "execution_id" {
            continue;
        }
        let known = decoded.and_then(|decoded| decoded.get(name));
        let value = match known {
            _ if VARYING.contains(&name.as_str()) => json!(if value == "" { "" } else { "set" }),
            Some(known) => json!(known),
            None => value.clone(),
        };
        normalized.insert(name.clone(), value);
    }
    // Only rq-rs writes `execution_id` to a job; RQ writes it to a result.
    if normalized.contains_key("created_at") {
        normalized.remove("execution_id");
    }
    Value::Object(normalized)
}

fn python_enqueues(both: &InteropEnv) {
    let jobs = json!([
        {"func": "tasks.add", "args": [2, 3], "id": "ok"},
        {"func": "tasks.echo", "kwargs": {"name": "it's", "b": true, "a": null, "f": 1.5}, "id": "keywords"},
        {"func": "tasks.add", "args": [1, 2], "id": "first", "at_front": true},
        {"func": "tasks.fail", "args": ["boom"], "id": "bad"},
        {"func": "tasks.fail", "args": ["boom"], "id": "bad-100", "failure_ttl": 100},
        {"func": "tasks.fail", "args": ["boom"], "id": "bad-kept", "failure_ttl": -1},
        {"func": "tasks.add", "args": [1, 2], "id": "kept", "result_ttl": -1},
        {"func": "tasks.add", "args": [1, 2], "id": "unkept", "result_ttl": 0},
        {"func": "tasks.echo", "args": [null], "id": "none", "ttl": 500, "timeout": 77, "description": "a test", "meta": {"k": [1]}},
        {"func": "tasks.fail", "args": ["boom"], "id": "later", "retry": {"max": 2, "interval": [300, 400]}},
        {"func": "tasks.echo", "args": ["x".repeat(100)], "id": "long"},
        {"func": "tasks.add", "args": [1, 2], "id": "scheduled", "in": 5000},
        {"func": "tasks.add", "args": [1, 2], "id": "scheduled-first", "in": 5000, "at_front": true},
    ]);
    both.python("enqueue", json!({"queue": "default", "jobs": jobs}));
}

fn rust_enqueues(both: &InteropEnv) {
    let queue = both.queue();
    let seconds = Duration::from_secs;
    #[derive(serde::Serialize)]
    struct Keywords {
        a: Option<u8>,
        b: bool,
        f: f64,
        name: &'static str,
    }
    let fail = |id: &str| NewJob::new("tasks.fail", "boom").id(id);
    let add = |id: &str| NewJob::new("tasks.add", (1, 2)).id(id);
    let jobs = [
        NewJob::new("tasks.add", (2, 3)).id("ok"),
        NewJob::new("tasks.echo", Keywords { a: None, b: true, f: 1.5, name: "it's" }).id("keywords"),
        add("first").at_front(),
        fail("bad"),
        fail("bad-100").failure_ttl(seconds(100)),
        fail("bad-kept").failure_ttl(Ttl::FOREVER),
        add("kept").result_ttl(Ttl::FOREVER),
        add("unkept").result_ttl(Ttl::NONE),
        NewJob::new("tasks.echo", (None::<u8>,))
            .id("none")
            .ttl(seconds(500))
            .timeout(seconds(77))
            .description("a test")
            .meta(json!({"k": [1]})),
        fail("later").retry(Retry::list([seconds(300), seconds(400)], 2)),
        NewJob::new("tasks.echo", "x".repeat(100)).id("long"),
        add("scheduled").after(seconds(5000)),
        add("scheduled-first").after(seconds(5000)).at_front(),
    ];
    jobs.into_iter().for_each(|job| drop(queue.enqueue_job(job).unwrap()));
}

fn same(what: &str, theirs: &BTreeMap<String, Value>, ours: &BTreeMap<String, Value>) {
    let keys = |dump: &BTreeMap<String, Value>| dump.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(theirs), keys(ours), "{what}");
    for (key, value) in theirs {
        assert_eq!(&ours[key], value, "{what}: {key} (left is ours)");
    }
}

#[test]
fn new_jobs_are_written_field_by_field_as_python_writes_them() {
    for serializer in SERIALIZERS {
        let (theirs, ours) =
            (InteropEnv::with(RqVersion::Three, serializer), InteropEnv::with(RqVersion::Three, serializer));
        python_enqueues(&theirs);
        rust_enqueues(&ours);
        let (mut left, mut right) = (dump(&theirs), dump(&ours));
        if serializer == rq_rs::Serializer::Json {
            // Python writes the arguments in a description as Python, we as JSON.
            for dump in [&mut left, &mut right] {
                dump.values_mut()
                    .filter(|item| item["type"] == "hash")
                    .for_each(|item| item["value"]["description"] = json!("…"));
            }
        }
        same(&serializer.to_string(), &left, &right);
    }
}

#[test]
fn pickled_payloads_are_the_very_bytes_that_python_writes() {
    let (theirs, ours) = (InteropEnv::new(), InteropEnv::new());
    python_enqueues(&theirs);
    rust_enqueues(&ours);
    for id in ["ok", "keywords", "first", "bad", "none", "long"] {
        let payload = |both: &InteropEnv| {
            both.python("dump", json!({}))[&format!("rq:job:{id}")]["decoded"]["data"].clone()
        };
        assert_eq!(payload(&theirs), payload(&ours), "{id}");
    }
}

#[test]
fn ended_jobs_are_left_as_python_leaves_them() {
    for serializer in SERIALIZERS {
        let (theirs, ours) =
            (InteropEnv::with(RqVersion::Three, serializer), InteropEnv::with(RqVersion::Three, serializer));
        for both in [&theirs, &ours] {
            python_enqueues(both);
        }
        theirs.drain(Side::Python);
        ours.env.drain(ours.worker().handler("tasks.echo", |_: &rq_rs::Context, value: Value| {
            Ok(match value {
                Value::Object(keywords) => json!([[], keywords]),
                other => other,
            })
        }));
        let (mut theirs, mut ours) = (dump(&theirs), dump(&ours));
        // A dict that passes through a JSON value loses its order.
        for dump in [&mut theirs, &mut ours] {
            dump.remove("rq:results:keywords");
        }
        same(&serializer.to_string(), &theirs, &ours);
    }
}
