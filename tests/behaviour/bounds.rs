//! Payloads that expand from kilobytes to gigabytes: they are counted before a value is built, and fail their own job only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec_zlib;
use rq_rs::{Context, Dialect, Error, Event, NewJob, PyValue, Status};
use serde_json::{Value, json};

use crate::support::{DashboardProcess, RunningWorker, TestEnv, eventually, run_in};

const MILLIONS: usize = 7_000_000;
/// Time limit to read a payload within the limits, in a debug build.
const ENOUGH_KB: usize = 250_000;
const LIMIT: &str = "the data has more than 1000000 parts, which is the limit";

/// `[1, 1, 1 …]`
fn ones() -> String {
    format!("[{}1]", "1,".repeat(MILLIONS - 1))
}

fn json_bomb() -> Vec<u8> {
    compress_to_vec_zlib(format!("[\"mark\",null,{},{{}}]", ones()).as_bytes(), 6)
}

fn pickle_bomb() -> Vec<u8> {
    let ones = b"K\x01".repeat(MILLIONS);
    compress_to_vec_zlib(&[b"(X\x04\0\0\0markN(".as_slice(), &ones, b"t}t."].concat(), 6)
}

/// Writes bytes to Redis without rq-rs.
fn write(env: &TestEnv, words: &[&[u8]]) {
    let mut connection = redis::Client::open(env.url()).unwrap().get_connection().unwrap();
    let mut command = redis::cmd(std::str::from_utf8(words[0]).unwrap());
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query::<redis::Value>(&mut connection).unwrap();
}

fn put(env: &TestEnv, id: &str, data: &[u8], more: [&[u8]; 2]) {
    let key = env.key(&format!("job:{id}"));
    let fields: [&[u8]; 6] = [b"data", data, b"status", b"queued", b"origin", b"default"];
    write(env, &[&[b"HSET", key.as_bytes()], fields.as_slice(), &more].concat());
    env.push("default", id);
}

/// Peak memory of a process, in KiB.
fn peak(pid: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_payload_that_expands_to_millions_of_values_fails_alone_with_the_limit_named() {
    let env = TestEnv::new();
    let bombs = [json_bomb(), pickle_bomb()];
    assert!(bombs.iter().all(|bomb| bomb.len() < 20_000));
    for n in 0..6 {
        put(&env, &format!("bomb-{n}"), &bombs[n % 2], [b"created_at", b"2026-01-01T00:00:00Z"]);
    }
    let queue = env.queue("default");
    let good = queue.enqueue("echo", "fine").unwrap();
    let mut worker = env.start(&["worker", "-c", "2", "--exec", "*=cat"]);
    worker.wait_for_stderr(&format!("{} finished", good.id()));
    eventually("all have ended", || queue.failed().count() == Ok(6));
    for n in 0..6 {
        let job = queue.job(&format!("bomb-{n}")).unwrap();
        let error = job.exc_info.as_deref().unwrap();
        assert_eq!(error, format!("the record cannot be read: data: the payload cannot be read: {LIMIT}"));
    }
    assert!(peak(&worker.pid()) < ENOUGH_KB, "{} kB", peak(&worker.pid()));

    // Showing one job needs no more memory.
    let limited = format!("ulimit -v {}; exec rq-rs job show", 2 * ENOUGH_KB);
    let folder = tempfile::tempdir().unwrap();
    let shown = run_in(folder.path(), &format!("{limited} bomb-0"), &env.environment()).ok();
    assert!(shown.contains(LIMIT), "{shown}");
    let shown = run_in(folder.path(), &format!("{limited} --json bomb-1"), &env.environment()).json();
    assert_eq!(shown["problems"], json!([format!("data: the payload cannot be read: {LIMIT}")]));
    let dashboard = DashboardProcess::start(&env, &[]);
    for id in ["bomb-0", "bomb-1"] {
        let page = dashboard.get(&format!("/api/jobs/{id}")).json();
        assert!(page["exc_info"].as_str().is_some_and(|text| text.contains(LIMIT)), "{page}");
        assert_eq!(page["cut"], json!(["args", "kwargs"]));
    }
    assert!(peak(&dashboard.process.pid()) < ENOUGH_KB, "{} kB", peak(&dashboard.process.pid()));
}

#[test]
fn meta_and_results_have_the_limits_of_payloads() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let ones = ones();
    let payload = br#"["echo", null, ["x"], {}]"#;
    put(&env, "meta", payload, [b"meta", format!("{{\"a\": {ones}}}").as_bytes()]);
    put(&env, "result", payload, [b"result", ones.as_bytes()]);
    let mut worker = env.start(&["worker", "-c", "1", "--exec", "*=cat"]);
    worker.wait_for_stderr("result finished");
    assert!(peak(&worker.pid()) < ENOUGH_KB, "{} kB", peak(&worker.pid()));
    let failed = queue.job("meta").unwrap();
    assert_eq!(failed.exc_info, Some(format!("the record cannot be read: meta: {LIMIT}")));

    // Another program has written this result.
    let (job, results) = (env.key("job:result"), env.key("results:result"));
    match env.dialect {
        Dialect::Rq => {
            let value = STANDARD.encode(&ones);
            let entry: [&[u8]; 7] =
                [b"XADD", results.as_bytes(), b"*", b"type", b"1", b"return_value", value.as_bytes()];
            write(&env, &entry);
        }
        _ => write(&env, &[b"HSET", job.as_bytes(), b"result", ones.as_bytes()]),
    }
    let read = queue.job("result").unwrap();
    assert!(read.problems.iter().any(|problem| problem.contains(LIMIT)), "{:?}", read.problems);
    let dashboard = DashboardProcess::start(&env, &[]);
    let page = dashboard.get("/api/jobs/result").json();
    assert_eq!(page["status"], "finished");
    assert!(peak(&dashboard.process.pid()) < ENOUGH_KB, "{} kB", peak(&dashboard.process.pid()));
}

/// JSON that is valid but has too many values.
const FLOOD: &str = "import sys, json\nline = sys.stdin.readline()\nprint(json.dumps({'ok': [1] * 1200000} if sys.argv[1:] else [1] * 1200000), flush=True)\nsys.stdin.readline()";

#[test]
fn results_of_programs_servers_and_functions_have_the_limits_of_payloads() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("flood.py");
    std::fs::write(&script, FLOOD).unwrap();
    let ids = queue
        .enqueue_many(["program", "server", "function", "echo"].map(|name| NewJob::new(name, "x")))
        .unwrap()
        .ids;
    let worker = env
        .worker(&["default"])
        .max_result(64 << 20)
        .exec("program", &format!("python3 {}", script.display()))
        .unwrap()
        .exec_server("server", &format!("python3 {} server", script.display()))
        .unwrap()
        .handler("function", |_: &Context, _: String| Ok(vec![1u8; 1_200_000]));
    assert_eq!(env.drain(worker).finished, 1);
    for (id, what) in ids.iter().zip([
        "program wrote a result that cannot be kept as",
        "server returned what cannot be kept as",
        "the result of function cannot be written as",
    ]) {
        let job = queue.job(id).unwrap();
        let error = job.exc_info.as_deref().unwrap();
        assert!(error.starts_with(what) && error.ends_with(LIMIT), "{error}");
        assert_eq!(job.status, Status::Failed);
    }
}

/// A list nested to a depth.
fn nested(depth: usize) -> PyValue {
    (1..depth).fold(PyValue::list([]), |inner, _| PyValue::list([inner]))
}

#[test]
fn a_job_that_no_worker_could_read_is_refused_by_enqueue() {
    let env = TestEnv::new();
    let queue = env.queue("default").max_payload(64 << 20);
    let many = PyValue::list((0..1_000_000).map(|n| PyValue::from(n % 10)));
    for (value, limit) in [
        (nested(250), "nested more than 200 deep"),
        (many, "more than 1000000 parts"),
        (PyValue::from("x".repeat(17 << 20)), "more than 16777216 bytes"),
    ] {
        for job in [
            NewJob::new("echo", (value.clone(),)),
            NewJob::new("echo", ()).meta(PyValue::dict([(PyValue::from("a"), value)])),
        ] {
            let Err(Error::Invalid { what, hint }) = queue.enqueue_job(job) else {
                panic!("{limit}: enqueued")
            };
            assert!(what.contains(limit) && hint.contains("elsewhere"), "{what}: {hint}");
        }
    }
    assert_eq!(queue.count(), Ok(0));
    let deep = format!(":{}1{}", "[".repeat(250), "]".repeat(250));
    let told = env.cli(&["enqueue", "echo", &deep]).expect_failure(2);
    assert!(told.contains("nested more than 200 deep") && told.len() < 1000, "{told}");
}

#[test]
fn the_deepest_allowed_nesting_passes_everywhere() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let deep = nested(190);
    let id = queue
        .enqueue_job(
            NewJob::new("keep", (deep.clone(),)).meta(PyValue::dict([(PyValue::from("a"), deep.clone())])),
        )
        .unwrap()
        .id()
        .to_owned();
    let worker = env.worker(&["default"]).handler("keep", |context: &Context, value: Value| {
        context.save_meta(context.meta())?;
        Ok(value)
    });
    assert_eq!(env.drain(worker).finished, 1);
    let job = queue.job(&id).unwrap();
    assert_eq!(job.returned::<PyValue>().map(|value| value.to_string()), Ok(deep.to_string()));
    assert_eq!(job.problems, [""; 0]);
    env.cli(&["job", "show", &id]).ok();
    env.cli(&["job", "show", &id, "--json"]).ok();
    let dashboard = DashboardProcess::start(&env, &[]);
    assert_eq!(dashboard.get(&format!("/api/jobs/{id}")).status, 200);
}

#[test]
fn numbers_on_the_command_line_keep_all_their_digits() {
    let env = TestEnv::new();
    let digits = "123456789012345678901234567890";
    env.cli(&["enqueue", "number", &format!(":{digits}"), &format!("named:=[{digits}]")]).ok();
    let running_worker = RunningWorker::start(
        env.worker(&["default"]).handler("number", |_: &Context, all: PyValue| Ok(all.to_string())),
    );
    let Event::Finished { id, .. } =
        running_worker.wait_for_event("a finish", |event| matches!(event, Event::Finished { .. }))
    else {
        unreachable!()
    };
    running_worker.stop();
    let seen: String = env.queue("default").job(&id).unwrap().returned().unwrap();
    assert_eq!(seen, format!("{{'args': [{digits}], 'kwargs': {{'named': [{digits}]}}}}"));
}

#[test]
fn a_payload_within_the_limits_takes_memory_in_proportion() {
    let env = TestEnv::new();
    let objects = format!("[\"wc\",null,[{}1],{{}}]", "{\"a\":1},".repeat(330_000));
    let payload = compress_to_vec_zlib(objects.as_bytes(), 6);
    assert!(payload.len() < 4_000);
    for id in ["one", "two"] {
        put(&env, id, &payload, [b"created_at", b"2026-01-01T00:00:00Z"]);
    }
    let mut worker = env.start(&["worker", "-c", "2", "--exec", "*=wc -c"]);
    worker.wait_for_stderr("finished");
    worker.wait_for_stderr("finished");
    assert!(peak(&worker.pid()) < ENOUGH_KB, "{} kB", peak(&worker.pid()));
    assert!(env.queue("default").job("one").unwrap().returned::<usize>().unwrap() > 330_000 * 8);
}

#[derive(serde::Deserialize)]
struct Letter {
    to: String,
    pages: u64,
    text: String,
}

#[test]
fn arguments_of_any_size_are_read_in_the_same_way() {
    let env = TestEnv::new();
    let texts = [10, 500_000].map(|size| "x".repeat(size));
    // Of equal keys the last one counts, as in JSON and Python.
    let others: String = (0..10).map(|n| format!("\"k{n}\": [{n}, null, 1.5], ")).collect();
    for (n, text) in texts.iter().enumerate() {
        let letter = format!(
            "{{\"to\": \"bob\", {others}\"pages\": 1, \"text\": \"{text}\", \"to\": \"ada\", \"pages\": 2}}"
        );
        for handler in ["typed", "json", "raw", "wc"] {
            let payload = format!("[\"{handler}\", null, [{letter}], {{}}]");
            put(&env, &format!("{handler}{n}"), payload.as_bytes(), [b"created_at", b"2026-01-01T00:00:00Z"]);
        }
    }
    let worker = env
        .worker(&["default"])
        .handler("typed", |_: &Context, letter: Letter| {
            Ok(json!([letter.to, letter.pages, letter.text.len()]))
        })
        .handler("raw", |_: &Context, (text,): (Box<serde_json::value::RawValue>,)| {
            let letter: Letter = serde_json::from_str(text.get())?;
            Ok(json!([letter.to, letter.pages, letter.text.len()]))
        })
        .handler("json", |_: &Context, letter: Value| {
            let text = letter["text"].as_str().unwrap();
            anyhow::ensure!(letter["k9"] == json!([9, null, 1.5]) && letter.as_object().unwrap().len() == 13);
            Ok(json!([letter["to"], letter["pages"], text.len()]))
        })
        .exec("wc", "python3 -c 'import json,sys; a=json.load(sys.stdin)[\"args\"][0]; print(json.dumps([a[\"to\"], a[\"pages\"], len(a[\"text\"])]))'")
        .unwrap();
    let running_worker = RunningWorker::start(worker);
    let mut described = Vec::new();
    for _ in 0..8 {
        let Event::Started { id, description, .. } =
            running_worker.wait_for_event("a start", |event| matches!(event, Event::Started { .. }))
        else {
            unreachable!()
        };
        described.push((id, description));
    }
    eventually("all have ended", || env.queue("default").finished().count() == Ok(8));
    running_worker.stop();
    for (id, description) in described {
        let size = if id.ends_with('0') { 10 } else { 500_000 };
        let job = env.queue("default").job(&id).unwrap();
        assert_eq!(job.result, Some(json!(["ada", 2, size])), "{id}");
        assert!(description.starts_with(&format!("{}({{\"", &id[..id.len() - 1])), "{description}");
        assert!(description.len() < 200);
    }
}
