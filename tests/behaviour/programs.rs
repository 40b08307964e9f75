//! `--exec`: any program is a handler.

use std::time::Duration;

use rq_rs::{Dialect, NewJob, Status};
use serde_json::{Value, json};

use crate::support::{TestEnv, eventually};

/// Runs one job with a program, and returns its final record.
fn run(env: &TestEnv, command: &str, job: NewJob) -> rq_rs::Job {
    let queue = env.queue("default");
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    let worker = env.worker(&["default"]).exec("program", command).unwrap();
    env.drain(worker);
    queue.job(&id).unwrap()
}

fn error(job: &rq_rs::Job) -> &str {
    assert_eq!(job.status, Status::Failed, "{job:?}");
    job.exc_info.as_deref().unwrap()
}

#[test]
fn the_job_comes_as_json_on_standard_input_and_the_result_is_standard_output() {
    let env = TestEnv::new();
    let job = NewJob::new("program", json!({"to": "ada"})).id("one").meta(json!({"user": 1}));
    let input: Value = run(&env, "cat", job).returned().unwrap();
    assert!(input["deadline"].as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "id": "one", "queue": "default", "handler": "program", "args": [], "kwargs": {"to": "ada"}, "attempt": 1,
        "meta": {"user": 1}, "deadline": input["deadline"],
    });
    assert_eq!(input, expected);
}

#[test]
fn output_that_is_not_json_is_text_and_no_output_is_null() {
    let env = TestEnv::new();
    for (command, expected) in [
        ("echo hello world", json!("hello world")),
        ("echo [1, 2]", json!([1, 2])),
        ("true", json!(null)),
        ("printf 'two\\nlines\\n'", json!("two\nlines")),
    ] {
        let job = run(&env, command, NewJob::new("program", ()));
        assert_eq!(job.returned::<Value>().unwrap(), expected, "{command}");
    }
}

#[test]
fn output_that_is_not_utf8_fails_the_job() {
    let env = TestEnv::new();
    let job = run(&env, "printf 'caf\\351'", NewJob::new("program", ()));
    let serializer = if env.dialect == Dialect::Rq { "pickle" } else { "json" };
    let expected = format!(
        "program wrote a result that cannot be kept as {serializer}: byte 3 is not UTF-8 text: write JSON or text, \
         bytes in base64"
    );
    assert_eq!(error(&job), expected);
    // Standard error is shown as text.
    let job = run(&env, "sh -c 'printf caf\\\\351 >&2'", NewJob::new("program", ()));
    assert_eq!((job.returned::<()>(), job.log.as_deref()), (Ok(()), Some("caf\u{fffd}")));
}

#[test]
fn command_words_are_split_as_in_a_shell_but_no_shell_runs() {
    let env = TestEnv::new();
    let job = run(&env, r#"printf %s| 'a b' "c;d" $HOME `id` *"#, NewJob::new("program", ()));
    assert_eq!(job.returned::<String>().unwrap(), "a b|c;d|$HOME|`id`|*|");
}

#[test]
fn the_last_64_kib_of_standard_error_are_kept() {
    let env = TestEnv::new();
    let job = run(&env, "sh -c 'echo careful >&2; echo 1'", NewJob::new("program", ()));
    assert_eq!((job.returned::<u8>(), job.log.as_deref()), (Ok(1), Some("careful")));
    let flood = "sh -c 'yes | head -c 1000000 >&2; echo the end >&2; exit 3'";
    let job = run(&env, flood, NewJob::new("program", ()));
    assert!(error(&job).starts_with("program exited with code 3: the end\n\nStandard error:\n"));
    assert!(error(&job).ends_with("the end"));
    assert!(job.log.as_deref().unwrap().len() <= 64 * 1024);
}

#[test]
fn the_error_says_truly_how_a_program_ended() {
    let env = TestEnv::new();
    for (command, expected) in [
        ("sh -c 'exit 3'", "program exited with code 3"),
        ("sh -c 'kill -SEGV $$'", "program was killed by signal 11 SIGSEGV"),
        ("sh -c 'kill -KILL $$'", "program was killed by signal 9 SIGKILL (possible out-of-memory kill)"),
    ] {
        let job = run(&env, command, NewJob::new("program", ()));
        assert_eq!(error(&job), expected);
    }
}

#[test]
fn exit_code_75_asks_for_another_try_ten_seconds_later() {
    let env = TestEnv::new();
    let job = run(&env, "sh -c 'exit 75'", NewJob::new("program", ()));
    assert_eq!((job.status, env.locations("default", job.id())), (Status::Scheduled, vec!["scheduled"]));
    let due: f64 = env.redis(&["ZSCORE", &env.key("scheduled:default"), job.id()]);
    let now: (f64, u64) = env.redis(&["TIME"]);
    assert!((8.0..=11.0).contains(&(due - now.0)), "{}", due - now.0);
}

#[test]
fn a_time_out_ends_the_whole_process_group_even_what_ignores_term() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 60 & echo $! >>{0}; echo $$ >>{0}; wait", pids.display());
    let job = NewJob::new("program", ()).timeout(Duration::from_secs(1));
    let job = run(&env, &format!("sh -c '{script}'"), job);
    assert_eq!(error(&job), "program timed out after 1 s");
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        eventually("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    let stubborn = "sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'";
    let job = run(&env, stubborn, NewJob::new("program", ()).timeout(Duration::from_secs(1)));
    assert_eq!(error(&job), "program timed out after 1 s, ignored TERM and was killed 5 s later");
}

#[test]
fn a_program_that_forks_floods_or_closes_its_input_does_not_wedge_the_worker() {
    let env = TestEnv::new();
    let forks = run(&env, "sh -c 'sleep 60 & echo forked'", NewJob::new("program", ()));
    assert_eq!(forks.returned::<String>(), Ok("forked".into()));
    let escapes = run(&env, "sh -c 'setsid sleep 5 & echo escaped'", NewJob::new("program", ()));
    assert_eq!(escapes.returned::<String>(), Ok("escaped".into()));
    let floods = run(&env, "sh -c 'yes | head -c 50000000'", NewJob::new("program", ()));
    assert_eq!(error(&floods), "program wrote a result of 50000000 bytes, over the limit of 1048576");
    let closes = run(&env, "sh -c 'exec 0<&-; echo closed'", NewJob::new("program", "x".repeat(900_000)));
    assert_eq!(closes.returned::<String>(), Ok("closed".into()));
    let large = run(&env, "wc -c", NewJob::new("program", "x".repeat(900_000)).id("large"));
    assert!(large.returned::<u64>().unwrap() > 900_000);
}

#[test]
fn a_program_gets_its_job_in_the_environment_and_not_the_redis_url() {
    let env = TestEnv::new();
    env.queue("default").enqueue_job(NewJob::new("env", ()).id("one")).unwrap();
    env.cli(&["worker", "--burst", "--exec", "*=env"]).ok();
    let text = env.queue("default").job("one").unwrap().returned::<String>().unwrap();
    for line in ["RQ_RS_JOB_ID=one", "RQ_RS_QUEUE=default", "RQ_RS_ATTEMPT=1"] {
        assert!(text.lines().any(|one| one == line), "{text}");
    }
    assert!(!text.contains("REDIS") && !text.contains("unix://"), "{text}");
}

#[test]
fn a_running_program_is_ended_when_its_job_is_canceled() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "--exec", "sleep=sleep 60"]);
    let id = env.cli(&["enqueue", "sleep"]).ok();
    worker.wait_for_stderr(&id);
    assert!(env.cli(&["job", "cancel", &id]).ok().contains("canceled while it ran"));
    worker.wait_for_stderr("nothing changed");
    assert_eq!(env.locations("default", &id), ["canceled"]);
}

#[test]
fn a_command_that_cannot_work_is_refused_at_the_start() {
    let env = TestEnv::new();
    for command in ["", "'unbalanced", "/no/such/program", "no-such-program-anywhere"] {
        assert!(env.worker(&["default"]).exec("program", command).is_err(), "{command}");
    }
    let twice = env.cli(&["worker", "--exec", "x=cat", "--exec", "x=true"]).expect_failure(2);
    assert!(twice.contains("two handlers named \"x\""), "{twice}");
    assert!(env.cli(&["worker", "--exec", "cat"]).expect_failure(2).contains("has no command"));
    assert!(env.cli(&["worker", "--exec", "x=no-such-program"]).expect_failure(2).contains("no program"));
}

#[test]
fn eight_slots_of_the_stock_binary_drain_a_thousand_jobs() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..1_000).map(|n| NewJob::new("echo", n).id(format!("job-{n}")))).unwrap();
    env.cli(&["worker", "--burst", "-q", "-c", "8", "--exec", "echo=cat"]).ok();
    assert_eq!((queue.count(), queue.finished().count()), (Ok(0), Ok(1_000)));
    let input: Value = queue.job("job-999").unwrap().returned().unwrap();
    assert_eq!(input["args"], json!([999]));
}
