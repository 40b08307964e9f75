//! Bad input gets an error that says what, where and what to do; exit 1, or 2 for usage.

use std::io::{Read, Write};
use std::net::TcpListener;

use rq_rs::{NewJob, Ttl};
use serde_json::json;

use crate::support::{Output, Process, TestEnv, options_file};

fn with_url(url: &str, words: &[&str]) -> Output {
    Process::start(words, &[("RQ_REDIS_URL".into(), url.into())]).finish("")
}

#[track_caller]
fn refused(output: Output, code: i32, parts: &[&str]) {
    let stderr = output.expect_failure(code);
    for part in parts.iter().chain(&[" hint: "]) {
        assert!(stderr.contains(part), "no {part:?} in: {stderr}");
    }
}

#[test]
fn an_unreachable_redis_is_an_error_with_a_hint() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://127.0.0.1:{port}");
    refused(with_url(&url, &["enqueue", "f"]), 1, &["cannot reach Redis at 127.0.0.1", "--url"]);
    refused(with_url("unix:///no/such/socket", &["info"]), 1, &["cannot reach Redis at /no/such/socket"]);
}

#[test]
fn an_invalid_url_is_a_usage_error() {
    for url in
        ["localhost:6379", "http://localhost", "redis://", "redis://a:pass word@/x/y", "unix:///x?passwd=y"]
    {
        let output = with_url(url, &["info"]);
        assert!(!output.stderr.contains("pass word"), "{output:?}");
        refused(output, 2, &["URL"]);
    }
    refused(with_url("localhost:6379", &["info"]), 2, &["did you mean redis://localhost:6379?"]);
    refused(with_url("/tmp/x.sock", &["info"]), 2, &["did you mean unix:///tmp/x.sock?"]);
    refused(with_url("rediss://localhost", &["info"]), 2, &["TLS"]);
}

#[test]
fn a_server_that_is_not_redis_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    refused(with_url(&url, &["info"]), 1, &["answers, but not as a Redis server does"]);
}

#[test]
fn a_redis_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut request) {
                // The fake server has one reply for each command; all old servers know INFO.
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                for command in text.split('*').skip(1) {
                    let answer = if command.contains("INFO\r\n") && !command.contains("SETINFO") {
                        "$20\r\nredis_version:4.0.14\r\n"
                    } else {
                        "+PONG\r\n"
                    };
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        }
    });
    for words in [vec!["info"], vec!["enqueue", "f"], vec!["worker", "--exec", "*=cat"]] {
        refused(with_url(&url, &words), 1, &["not supported: Redis 4.0.14 at 127.0.0.1", "Redis 5 or later"]);
    }
}

#[test]
fn a_wrong_or_missing_password_is_an_error_that_does_not_show_it() {
    let env = TestEnv::with_own_redis(&["--requirepass", "s3cret", "--port", "0"]);
    let path = env.url().strip_prefix("unix://").unwrap();
    for (url, words) in
        [(env.url().to_owned(), "NOAUTH"), (format!("redis+unix://{path}?pass=wr0ng"), "WRONGPASS")]
    {
        let output = with_url(&url, &["info"]);
        assert!(!output.stderr.contains("wr0ng"), "{output:?}");
        refused(
            output,
            1,
            &["Redis denied access", words, "redis://USER:PASSWORD@HOST:PORT", "unix:///PATH?pass="],
        );
    }
}

#[test]
fn a_password_on_the_command_line_is_hidden_from_the_process_list() {
    let env = TestEnv::new();
    let url = format!("redis+unix://{}?user=ada&pass=s3cret", env.url().strip_prefix("unix://").unwrap());
    let forms = [vec!["-u".to_owned(), url.clone()], vec![format!("--url={url}")]];
    for form in forms {
        let words: Vec<&str> =
            ["worker", "--exec", "*=cat"].into_iter().chain(form.iter().map(String::as_str)).collect();
        let output = Process::start(&words, &[]).finish("");
        assert!(!output.stderr.contains("s3cret"), "{output:?}");
    }
    let tcp = "redis://ada:s3cret@127.0.0.1:1/";
    let mut worker = Process::start(&["info", "-u", tcp, "--interval", "1"], &[]);
    worker.wait_for_stderr("cannot reach Redis at 127.0.0.1:1");
    let command_line = std::fs::read_to_string(format!("/proc/{}/cmdline", worker.pid())).unwrap_or_default();
    assert!(!command_line.contains("s3cret"), "{command_line}");
}

#[test]
fn a_missing_acl_right_is_named() {
    let env = TestEnv::with_own_redis(&[]);
    env.redis::<String>(&["ACL", "SETUSER", "default", "-evalsha"]);
    refused(env.cli(&["enqueue", "f"]), 1, &["NOPERM", "ACL SETUSER"]);
}

#[test]
fn a_full_redis_refuses_cleanly_and_still_hands_out_work() {
    let env = TestEnv::with_own_redis(&[]);
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    env.redis::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    refused(env.cli(&["enqueue", "f", "--job-id", "late"]), 1, &["OOM", "maxmemory"]);
    assert!(!env.redis::<bool>(&["EXISTS", &env.key("job:late")]));
    assert_eq!(env.drain(env.worker(&["default"])).finished, 1);
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn an_eviction_policy_that_may_drop_jobs_is_a_warning() {
    let env = TestEnv::with_own_redis(&["--maxmemory-policy", "allkeys-lru"]);
    let log = env.cli(&["worker", "--burst", "--exec", "*=cat"]).stderr;
    assert!(log.contains("maxmemory-policy is allkeys-lru") && log.contains("noeviction"), "{log}");
}

#[test]
fn invalid_names_and_durations_are_usage_errors() {
    let env = TestEnv::new();
    let (file, deep) = ("@/no/such/file", "[".repeat(201) + &"]".repeat(201));
    for (words, code, part) in [
        (vec!["enqueue", "f", "--job-id", "a b"], 2, "\"a b\" cannot be a job id"),
        (vec!["enqueue", "f", "-q", "a,b"], 2, "\"a,b\" cannot be a queue name"),
        (vec!["enqueue", "f", "-q", "x:intermediate"], 2, "cannot be a queue name"),
        (vec!["enqueue", "", ":1"], 2, "cannot be a handler name"),
        (vec!["enqueue", "f", ":{"], 2, "is not JSON"),
        (vec!["enqueue", "f", file], 2, "cannot read /no/such/file"),
        (vec!["enqueue", "f", "--meta", "7"], 2, "--meta is not a JSON object"),
        (vec!["enqueue", "f", "--meta", &deep], 2, "--meta: the data is nested more than 200 deep"),
        (vec!["enqueue", "f", "--meta", &deep], 2, "hint: store the data elsewhere"),
        (vec!["enqueue", "f", "%d items"], 2, r#":'"%text"'"#),
        (vec!["cron"], 2, "cron needs a file of entries, or one of list"),
        (vec!["enqueue", "f", "--retry-interval", "10"], 2, "without --retry-max"),
        (vec!["enqueue", "f", "--timeout", "0"], 2, "no time"),
        (vec!["enqueue", "f", "--ttl", "0"], 2, "no time to wait"),
        (vec!["job", "show", "a b"], 1, "no job with id a b"),
        (vec!["job", "show", "missing"], 1, "no job with id missing"),
        (vec!["info", "a b"], 2, "cannot be a queue name"),
        (vec!["worker", "a b", "--exec", "*=cat"], 2, "cannot be a queue name"),
        (vec!["worker"], 2, "no handlers"),
        (vec!["info", "--prefix", "a b"], 2, "cannot be a key prefix"),
    ] {
        refused(env.cli(&words), code, &[part]);
    }
    env.cli(&["enqueue", "f", r#":"%d items""#]).ok();
    for words in [
        vec!["enqueue", "f", "--timeout", "soon"],
        vec!["enqueue"],
        vec!["no-such-command"],
        vec!["worker", "-c", "0"],
        vec!["enqueue", "f", "--retry-max", "1000"],
    ] {
        assert_eq!(env.cli(&words).code, Some(2), "{words:?}");
    }
    let payload = format!("x={}", "y".repeat(100_000));
    refused(env.cli(&["enqueue", "f", &payload, "--max-payload", "50000"]), 1, &["over the limit of 50000"]);
}

#[test]
fn values_below_the_minimum_are_refused_and_not_rounded() {
    let env = TestEnv::new();
    let worker = ["worker", "--burst", "--exec", "*=cat"];
    for (option, value, part) in [
        ("--lease", "0", "at least 1s"),
        ("--lease", "0.9s", "at least 1s"),
        ("--worker-ttl", "1", "at least 30s"),
        ("--recover-interval", "0", "at least 0.1s"),
        ("--max-deliveries", "0", "1.."),
        ("--max-jobs", "0", "1.."),
        ("--max-result", "0", "not a size"),
        ("--max-result", "20M", "at most 16M"),
        ("--horse-memory", "0", "not a size"),
        ("--concurrency", "0", "1.."),
        ("--retry-max", "101", "0..=100"),
    ] {
        let told = env.cli(&[&worker[..], &[option, value]].concat()).expect_failure(2);
        assert!(told.contains(option) && told.contains(part), "{option} {value}: {told}");
    }
    for (words, part) in [
        (vec!["info", "--interval", "0"], "at least 0.1s"),
        (vec!["top", "--interval", "0.1s"], "at least 0.25s"),
        (vec!["cron", "history", "x", "--limit", "0"], "a number from 1"),
        (vec!["suspend", "--duration", "0"], "less than a second"),
        (vec!["enqueue", "f", "--repeat", "0"], "1.."),
    ] {
        let told = env.cli(&words).expect_failure(2);
        assert!(told.contains(part), "{words:?}: {told}");
    }
    let cron =
        |more: &str| format!("[[cron]]\nname = \"a\"\nschedule = \"@daily\"\nhandler = \"f\"\n{more}\n");
    for (text, part) in [
        (cron("timeout = 0"), "a job needs time to run"),
        (cron("ttl = 0"), "no time to wait"),
        (cron("retry-max = 101"), "0 to 100"),
        ("[handlers.f]\nexec = \"cat\"\ntimeout = \"0s\"\n".into(), "a job needs time to run"),
        ("[handlers.f]\nexec = \"cat\"\nconcurrency = 0\n".into(), "a number from 1"),
    ] {
        let (_folder, path) = options_file(&text);
        let told = env.cli(&["--config", &path, "config", "show"]);
        assert!([Some(1), Some(2)].contains(&told.code) && told.stderr.contains(part), "{text}: {told:?}");
    }
    // RQ stores whole seconds. A shorter time is rounded up, so that a short delay does not become none.
    let words = ["enqueue", "f", "--retry-max", "1", "--retry-interval", "0.2", "--repeat", "1", "--json"];
    let job = env
        .cli(&[&words[..], &["--repeat-interval", "0.2", "--timeout", "0.2", "--ttl", "0.2"]].concat())
        .json();
    assert_eq!((&job["retry_intervals"], &job["repeat_intervals"]), (&json!([1]), &json!([1])), "{job}");
    assert_eq!((&job["timeout"], &job["ttl"]), (&json!(1), &json!(1)), "{job}");
    assert!(env.queue("default").enqueue_job(NewJob::new("f", ()).ttl(Ttl::NONE)).is_err());
}

#[test]
fn an_unknown_option_is_not_suggested_as_a_job_name() {
    let env = TestEnv::new();
    for words in [
        vec!["worker", "--logging_level", "DEBUG"],
        vec!["worker", "--frobnicate"],
        vec!["enqueue", "f", "--frobnicate"],
        vec!["info", "-z"],
        vec!["--frobnicate"],
        vec!["job", "--frobnicate"],
    ] {
        let told = env.cli(&words).expect_failure(2);
        assert!(!told.contains("as a value") && !told.contains("-- --"), "{words:?}: {told}");
    }
    assert!(env.cli(&["infos"]).expect_failure(2).contains("'info'"), "other tips are kept");
    for words in [
        vec!["worker", "--burst", "--exec", "*=cat", "--", "--logging_level", "DEBUG"],
        vec!["enqueue", "f", "--queue=-x"],
        vec!["info", "--", "-x"],
        vec!["suspend", "--", "-x"],
        vec!["empty", "--", "-x"],
        vec!["requeue", "--all", "--queue=-x"],
    ] {
        let told = env.cli(&words).expect_failure(2);
        assert!(told.contains("looks like an option, and cannot be a queue name"), "{words:?}: {told}");
    }
    let (_folder, path) =
        options_file("[[cron]]\nname = \"a\"\nschedule = \"@daily\"\nhandler = \"f\"\nqueue = \"-x\"\n");
    assert!(env.cli(&["--config", &path, "config", "show"]).stderr.contains("looks like an option"));
}

#[test]
fn options_of_python_rq_work_or_have_a_hint() {
    let env = TestEnv::new();
    for (words, hint) in [
        ("worker-pool -n 4", "`worker -c N --isolate`"),
        ("worker -c settings", "--config FILE"),
        ("info -c settings", "--config FILE"),
        ("worker --logging_level DEBUG", "-v shows more"),
        ("worker --logging-level=DEBUG", "-v shows more"),
        ("worker -lDEBUG", "-v shows more"),
        ("worker -ds random", "in the order in which these are named"),
        ("worker -d", "failed jobs are kept"),
        ("worker --path src", "PYTHONPATH"),
        ("enqueue f --depends-on j1", "depends_on="),
        ("enqueue f --id j1", "--job-id ID"),
        ("enqueue f %(1,2)", ":JSON or key:=JSON"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        refused(env.cli(&words), 2, &[hint]);
    }
    env.cli(&["enqueue", "f", ":1", "-j", "app.Job", "-P", "src"]).ok();
    env.cli(&["info", "-S", "json", "--worker-class", "rq.SimpleWorker"]).ok();
    env.cli(&["worker", "--burst", "-S", "json", "-s", "--job-monitoring-interval", "5", "--exec", "*=cat"])
        .ok();
    let words = ["worker", "--dialect", "rq"];
    refused(env.cli(&words), 2, &["no handlers", "--exec-server '*=python handler.py'"]);
}
