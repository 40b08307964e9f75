//! The command line as people and scripts use it.

use rq_rs::NewJob;
use serde_json::{Value, json};

use crate::support::TestEnv;

#[test]
fn enqueue_prints_the_id_and_takes_the_argument_forms_of_rq() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "from a file").unwrap();
    let at = format!("@{}", file.display());
    let id =
        env.cli(&["enqueue", "send", "text", ":42", "-7", "to=ada", "tries:=3", &format!("body={at}")]).ok();
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!(json!(job.args), json!(["text", 42, "-7"]));
    assert_eq!(json!(job.kwargs), json!({"to": "ada", "tries": 3, "body": "from a file"}));
}

#[test]
fn enqueue_has_the_options_of_a_job() {
    let env = TestEnv::new();
    env.cli(&["enqueue", "f", "--queue", "mail", "--job-id", "first"]).ok();
    let shown = env
        .cli(&[
            "enqueue",
            "f",
            "-q",
            "mail",
            "--job-id",
            "one",
            "--at-front",
            "--timeout",
            "5m",
            "--ttl",
            "1h",
            "--result-ttl",
            "0",
            "--failure-ttl",
            "-1",
            "--description",
            "a test",
            "--meta",
            r#"{"user": 1}"#,
            "--retry-max",
            "2",
            "--retry-interval",
            "10",
            "--retry-interval",
            "1m",
            "--json",
        ])
        .json();
    let expected = json!({
        "id": "one", "status": "queued", "origin": "mail", "timeout": 300, "ttl": 3600, "result_ttl": 0,
        "failure_ttl": -1, "description": "a test", "meta": {"user": 1}, "retries_left": 2, "retry_intervals": [10, 60],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert_eq!(env.queue("mail").ids(0, 10).unwrap(), ["one", "first"]);
    let duplicate = env.cli(&["enqueue", "f", "--job-id", "one"]).expect_failure(1);
    assert!(duplicate.contains("exists already"), "{duplicate}");
}

#[test]
fn enqueue_wait_prints_the_result_or_says_why_there_is_none() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "--exec", "hello=echo hi", "--exec", "bad=false"]);
    worker.wait_for_stderr("listens on");
    assert_eq!(env.cli(&["enqueue", "hello", "--wait"]).ok(), "hi");
    assert_eq!(
        env.cli(&["enqueue", "hello", "--wait", "--wait-timeout", "10s", "--json"]).json()["result"],
        "hi"
    );
    let failed = env.cli(&["enqueue", "bad", "--wait"]).expect_failure(1);
    assert!(failed.contains("bad exited with code 1") && failed.contains("rq-rs requeue"), "{failed}");
    let late =
        env.cli(&["enqueue", "hello", "-q", "nobody", "--wait", "--wait-timeout", "0.1s"]).expect_failure(1);
    assert!(late.contains("has not ended after 0.1 s") && late.contains("waiting for "), "{late}");
    assert_eq!(env.cli(&["enqueue", "hello", "--wait", "--result-ttl", "0"]).code, Some(2));
}

#[test]
fn info_shows_queues_and_workers_and_changes_nothing() {
    let env = TestEnv::with_own_redis(&[]).in_native_dialect(); // whose keys nobody else adds to
    assert!(env.cli(&["info"]).ok().contains("No queues yet"));
    env.queue("mail").enqueue_many((0..3).map(|n| NewJob::new("f", n))).unwrap();
    let mut worker = env.start(&["worker", "other", "-n", "w1", "--exec", "*=cat"]);
    worker.wait_for_stderr("listens on");
    let before: i64 = env.redis(&["DBSIZE"]);
    let text = env.cli(&["info"]).ok();
    for part in ["mail", "1 queue, 3 jobs waiting", "w1", "other", "1 worker"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let facts = env.cli(&["info", "--json"]).json();
    assert_eq!((&facts["queues"][0]["name"], &facts["queues"][0]["queued"]), (&json!("mail"), &json!(3)));
    assert_eq!((&facts["workers"][0]["name"], &facts["suspended"]), (&json!("w1"), &json!(false)));
    assert_eq!(env.cli(&["info", "--raw", "-Q"]).ok(), "queue mail 3, 0 executing, 0 finished, 0 failed");
    assert!(env.cli(&["info", "mail", "-R", "-W"]).ok().contains("mail: –"));
    assert_eq!(env.redis::<i64>(&["DBSIZE"]), before);
}

#[test]
fn names_from_other_programs_do_not_move_the_cursor() {
    let env = TestEnv::with_own_redis(&[]);
    env.redis::<i64>(&["SADD", &env.key("queues"), &env.key("queue:\u{1b}[31mred\nline")]);
    let worker = env.key("worker:w");
    env.redis::<i64>(&["HSET", &worker, "state", "\u{1b}[2J", "queues", "x", "pid", "1"]);
    env.redis::<i64>(&["SADD", &env.key("workers"), &worker]);
    for words in [&["info"][..], &["info", "--raw"], &["info", "-R"]] {
        let text = env.cli(words).ok();
        assert!(!text.contains('\u{1b}') && text.contains("red"), "{text:?}");
    }
}

#[test]
fn failed_lists_jobs_for_people_and_for_scripts() {
    let env = TestEnv::new();
    assert_eq!(env.cli(&["failed"]).ok(), "No failed jobs.");
    assert_eq!(env.cli(&["failed", "--json"]).json(), json!([]));
    for queue in ["a", "b"] {
        env.queue(queue).enqueue_job(NewJob::new("fail", queue).id(queue)).unwrap();
    }
    env.drain(env.worker(&["a", "b"]));
    let text = env.cli(&["failed"]).ok();
    for part in ["fail failed: a", "fail failed: b", "2 of 2 failed jobs"] {
        assert!(text.contains(part), "{text}");
    }
    let list = env.cli(&["failed", "b", "--json"]).json();
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["id"], &list[0]["handler"]),
        (1, &json!("b"), &json!("fail"))
    );
    let second = env.cli(&["failed", "--offset", "1", "--limit", "1", "--json"]).json();
    assert_eq!((second.as_array().unwrap().len(), &second[0]["id"]), (1, &json!("b")));
}

#[test]
fn job_show_cancel_and_delete() {
    let env = TestEnv::new();
    env.queue("default").enqueue_job(NewJob::new("echo", "x").id("one")).unwrap();
    assert_eq!(env.cli(&["job", "show", "one", "--json"]).json()["args"], json!(["x"]));
    assert_eq!(env.cli(&["job", "cancel", "one"]).ok(), "one canceled");
    assert!(
        env.cli(&["job", "cancel", "one"])
            .expect_failure(1)
            .contains("cannot cancel job one: it is canceled")
    );
    let text = env.cli(&["job", "show", "one"]).ok();
    assert!(text.contains("status       canceled") && text.contains("echo("), "{text}");
    assert_eq!(env.cli(&["job", "delete", "one"]).ok(), "one deleted");
    for verb in ["show", "cancel", "delete"] {
        assert!(env.cli(&["job", verb, "one"]).expect_failure(1).contains("no job with id one"));
    }
}

#[test]
fn empty_removes_what_waits() {
    let env = TestEnv::new();
    for queue in ["a", "b", "c"] {
        env.queue(queue).enqueue("f", ()).unwrap();
    }
    assert_eq!(env.cli(&["empty", "a"]).ok(), "1 job removed from a");
    assert_eq!(
        env.cli(&["empty", "--all"]).ok(),
        "0 jobs removed from a\n1 job removed from b\n1 job removed from c"
    );
    assert_eq!(env.cli(&["empty"]).code, Some(2));
}

#[test]
fn suspend_and_resume_all_or_one_queue() {
    let env = TestEnv::new();
    env.queue("mail").enqueue("f", ()).unwrap();
    env.cli(&["suspend"]).ok();
    assert!(env.cli(&["info"]).ok().starts_with("All workers are suspended"));
    env.cli(&["worker", "mail", "--burst", "--exec", "f=true"]).ok();
    assert_eq!(env.queue("mail").count(), Ok(1));
    env.cli(&["resume"]).ok();
    env.cli(&["suspend", "mail"]).ok();
    assert_eq!(env.cli(&["info", "--json"]).json()["queues"][0]["suspended"], json!(true));
    env.cli(&["resume", "mail"]).ok();
    env.cli(&["worker", "mail", "--burst", "--exec", "f=true"]).ok();
    assert_eq!(env.queue("mail").count(), Ok(0));
    assert_eq!(env.cli(&["suspend", "--duration", "0.5"]).code, Some(2));
}

#[test]
fn demo_runs_on_a_private_redis_and_leaves_nothing_behind() {
    let env = TestEnv::new();
    let output = crate::support::Process::start(&["demo"], &[]).finish("");
    let text = output.ok();
    for part in [
        "6 jobs finished, 1 failed",
        "503 Service Unavailable",
        "order 4711 confirmed",
        "1 queue, 0 jobs waiting",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let socket = text.split("unix://").nth(1).unwrap().split(' ').next().unwrap();
    assert!(!std::path::Path::new(socket).exists());
    let given = env.cli(&["demo", "--url", env.url()]).ok();
    assert!(
        given.contains("This demo uses the Redis at") && given.contains("order 4711 confirmed"),
        "{given}"
    );
    assert_eq!(env.queue("demo").finished().count(), Ok(7));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(env.cli(&["completions", shell]).ok().contains("requeue"), "{shell}");
    }
}

#[test]
fn output_is_plain_without_a_terminal_and_a_closed_pipe_is_no_error() {
    let env = TestEnv::new();
    env.queue("mail").enqueue("f", ()).unwrap();
    let output = crate::support::run_in(
        std::path::Path::new("/"),
        "rq-rs info | head -1; rq-rs info",
        &env.environment(),
    );
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(!output.stdout.contains('\u{1b}'));
    assert!(!env.cli(&["job", "show", "missing"]).stderr.contains('\u{1b}'));
}

#[test]
fn text_of_jobs_cannot_move_the_cursor() {
    let env = TestEnv::new();
    let job = NewJob::new("fail", "\u{1b}[2Jgone\nforged").id("one").description("a\u{1b}[31mb");
    env.queue("default").enqueue_job(job).unwrap();
    let log = env.cli(&["worker", "--burst", "--exec", "*=false"]).stderr;
    env.drain(env.worker(&["default"]));
    env.cli(&["requeue", "one"]).ok();
    env.drain(env.worker(&["default"]));
    for text in [log, env.cli(&["failed"]).ok(), env.cli(&["job", "show", "one"]).ok()] {
        assert!(!text.contains('\u{1b}') && !text.contains("\nforged"), "{text:?}");
    }
}

#[test]
fn json_of_a_job_has_the_names_of_rq() {
    let env = TestEnv::new();
    let id = env.cli(&["enqueue", "f"]).ok();
    let shown = env.cli(&["job", "show", &id, "--json"]).json();
    for name in [
        "id",
        "status",
        "origin",
        "description",
        "created_at",
        "enqueued_at",
        "started_at",
        "ended_at",
        "result",
        "exc_info",
        "meta",
        "timeout",
        "handler",
        "args",
        "kwargs",
        "worker_name",
        "ttl",
        "result_ttl",
        "failure_ttl",
    ] {
        assert!(shown.get(name).is_some(), "{name}: {shown}");
    }
    assert_eq!(shown["result"], Value::Null);
}

#[test]
fn retries_without_intervals_are_those_that_every_worker_of_the_dialect_serves() {
    let env = TestEnv::new();
    let words = ["enqueue", "f", "--retry-max", "2", "--json"];
    let job = |more: &[&str]| env.cli(&[&words[..], more].concat()).json();
    let is_rq = env.dialect == rq_rs::Dialect::Rq;
    let usual = job(&[])["retry_intervals"].clone();
    match is_rq {
        true => assert_eq!(usual, json!([0])),
        false => assert!((9..=11).contains(&usual[0].as_u64().unwrap()), "{usual}"),
    }
    let rq = job(&["--dialect", "rq"]);
    assert_eq!((&rq["retry_intervals"], &rq["retries_left"]), (&json!([0]), &json!(2)));
    let chosen = job(&["--dialect", "rq", "--retry-interval", "5"]);
    assert_eq!(chosen["retry_intervals"], json!([5]));
}
