//! `--exec`: any program is a handler.

use std::time::Duration;

use rq_rs::{Dialect, NewJob, Status};
use serde_json::{Value, json};

use crate::support::{House, eventually};

/// Runs one job with a program, and returns what is known of it afterwards.
fn run(house: &House, command: &str, job: NewJob) -> rq_rs::Job {
    let queue = house.queue("default");
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    let worker = house.worker(&["default"]).exec("program", command).unwrap();
    house.drain(worker);
    queue.job(&id).unwrap()
}

fn error(job: &rq_rs::Job) -> &str {
    assert_eq!(job.status, Status::Failed, "{job:?}");
    job.exc_info.as_deref().unwrap()
}

#[test]
fn the_job_comes_as_json_on_standard_input_and_the_result_is_standard_output() {
    let house = House::new();
    let job = NewJob::new("program", json!({"to": "ada"})).id("one").meta(json!({"user": 1}));
    let input: Value = run(&house, "cat", job).returned().unwrap();
    assert!(input["deadline"].as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "id": "one", "queue": "default", "handler": "program", "args": [], "kwargs": {"to": "ada"}, "attempt": 1,
        "meta": {"user": 1}, "deadline": input["deadline"],
    });
    assert_eq!(input, expected);
}

#[test]
fn output_that_is_no_json_is_text_and_none_is_null() {
    let house = House::new();
    for (command, expected) in [
        ("echo hello world", json!("hello world")),
        ("echo [1, 2]", json!([1, 2])),
        ("true", json!(null)),
        ("printf 'two\\nlines\\n'", json!("two\nlines")),
    ] {
        let job = run(&house, command, NewJob::new("program", ()));
        assert_eq!(job.returned::<Value>().unwrap(), expected, "{command}");
    }
}

#[test]
fn output_that_is_no_text_fails_the_job_and_changes_nothing() {
    let house = House::new();
    let job = run(&house, "printf 'caf\\351'", NewJob::new("program", ()));
    let serializer = if house.dialect == Dialect::Rq { "pickle" } else { "json" };
    let expected = format!(
        "program wrote a result that cannot be kept as {serializer}: byte 3 is not UTF-8 text: write JSON or text, \
         bytes in base64"
    );
    assert_eq!(error(&job), expected);
    // What it writes for people is text to be looked at.
    let job = run(&house, "sh -c 'printf caf\\\\351 >&2'", NewJob::new("program", ()));
    assert_eq!((job.returned::<()>(), job.log.as_deref()), (Ok(()), Some("caf\u{fffd}")));
}

#[test]
fn words_are_split_as_in_a_shell_but_no_shell_runs() {
    let house = House::new();
    let job = run(&house, r#"printf %s| 'a b' "c;d" $HOME `id` *"#, NewJob::new("program", ()));
    assert_eq!(job.returned::<String>().unwrap(), "a b|c;d|$HOME|`id`|*|");
}

#[test]
fn standard_error_is_kept_the_last_64_kib_of_it() {
    let house = House::new();
    let job = run(&house, "sh -c 'echo careful >&2; echo 1'", NewJob::new("program", ()));
    assert_eq!((job.returned::<u8>(), job.log.as_deref()), (Ok(1), Some("careful")));
    let flood = "sh -c 'yes | head -c 1000000 >&2; echo the end >&2; exit 3'";
    let job = run(&house, flood, NewJob::new("program", ()));
    assert!(error(&job).starts_with("program exited with code 3: the end\n\nStandard error:\n"));
    assert!(error(&job).ends_with("the end"));
    assert!(job.log.as_deref().unwrap().len() <= 64 * 1024);
}

#[test]
fn how_a_program_ended_is_told_truly() {
    let house = House::new();
    for (command, expected) in [
        ("sh -c 'exit 3'", "program exited with code 3"),
        ("sh -c 'kill -SEGV $$'", "program was killed by signal 11 SIGSEGV"),
        ("sh -c 'kill -KILL $$'", "program was killed by signal 9 SIGKILL (possible out-of-memory kill)"),
    ] {
        let job = run(&house, command, NewJob::new("program", ()));
        assert_eq!(error(&job), expected);
    }
}

#[test]
fn exit_code_75_asks_for_another_try_ten_seconds_later() {
    let house = House::new();
    let job = run(&house, "sh -c 'exit 75'", NewJob::new("program", ()));
    assert_eq!((job.status, house.places("default", job.id())), (Status::Scheduled, vec!["scheduled"]));
    let due: f64 = house.redis(&["ZSCORE", &house.key("scheduled:default"), job.id()]);
    let now: (f64, u64) = house.redis(&["TIME"]);
    assert!((8.0..=11.0).contains(&(due - now.0)), "{}", due - now.0);
}

#[test]
fn a_time_out_ends_the_whole_process_group_even_what_ignores_term() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 60 & echo $! >>{0}; echo $$ >>{0}; wait", pids.display());
    let job = NewJob::new("program", ()).timeout(Duration::from_secs(1));
    let job = run(&house, &format!("sh -c '{script}'"), job);
    assert_eq!(error(&job), "program timed out after 1 s");
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        eventually("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    let stubborn = "sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'";
    let job = run(&house, stubborn, NewJob::new("program", ()).timeout(Duration::from_secs(1)));
    assert_eq!(error(&job), "program timed out after 1 s, ignored TERM and was killed 5 s later");
}

#[test]
fn a_program_that_forks_floods_or_closes_its_input_does_not_wedge_the_worker() {
    let house = House::new();
    let forks = run(&house, "sh -c 'sleep 60 & echo forked'", NewJob::new("program", ()));
    assert_eq!(forks.returned::<String>(), Ok("forked".into()));
    let escapes = run(&house, "sh -c 'setsid sleep 5 & echo escaped'", NewJob::new("program", ()));
    assert_eq!(escapes.returned::<String>(), Ok("escaped".into()));
    let floods = run(&house, "sh -c 'yes | head -c 50000000'", NewJob::new("program", ()));
    assert_eq!(error(&floods), "program wrote a result of 50000000 bytes, over the limit of 1048576");
    let closes = run(&house, "sh -c 'exec 0<&-; echo closed'", NewJob::new("program", "x".repeat(900_000)));
    assert_eq!(closes.returned::<String>(), Ok("closed".into()));
    let large = run(&house, "wc -c", NewJob::new("program", "x".repeat(900_000)).id("large"));
    assert!(large.returned::<u64>().unwrap() > 900_000);
}

#[test]
fn a_program_learns_its_job_from_its_environment_and_nothing_of_redis() {
    let house = House::new();
    house.queue("default").enqueue_job(NewJob::new("env", ()).id("one")).unwrap();
    house.rq(&["worker", "--burst", "--exec", "*=env"]).ok();
    let text = house.queue("default").job("one").unwrap().returned::<String>().unwrap();
    for line in ["RQ_RS_JOB_ID=one", "RQ_RS_QUEUE=default", "RQ_RS_ATTEMPT=1"] {
        assert!(text.lines().any(|one| one == line), "{text}");
    }
    assert!(!text.contains("REDIS") && !text.contains("unix://"), "{text}");
}

#[test]
fn a_running_program_is_ended_when_its_job_is_canceled() {
    let house = House::new();
    let mut worker = house.start(&["worker", "--exec", "sleep=sleep 60"]);
    let id = house.rq(&["enqueue", "sleep"]).ok();
    worker.says(&id);
    assert!(house.rq(&["job", "cancel", &id]).ok().contains("canceled while it ran"));
    worker.says("nothing changed");
    assert_eq!(house.places("default", &id), ["canceled"]);
}

#[test]
fn a_command_that_cannot_work_is_refused_at_the_start() {
    let house = House::new();
    for command in ["", "'unbalanced", "/no/such/program", "no-such-program-anywhere"] {
        assert!(house.worker(&["default"]).exec("program", command).is_err(), "{command}");
    }
    let twice = house.rq(&["worker", "--exec", "x=cat", "--exec", "x=true"]).fails(2);
    assert!(twice.contains("two handlers named \"x\""), "{twice}");
    assert!(house.rq(&["worker", "--exec", "cat"]).fails(2).contains("has no command"));
    assert!(house.rq(&["worker", "--exec", "x=no-such-program"]).fails(2).contains("no program"));
}

#[test]
fn eight_slots_of_the_stock_binary_drain_a_thousand_jobs() {
    let house = House::new();
    let queue = house.queue("default");
    queue.enqueue_many((0..1_000).map(|n| NewJob::new("echo", n).id(format!("job-{n}")))).unwrap();
    house.rq(&["worker", "--burst", "-q", "-c", "8", "--exec", "echo=cat"]).ok();
    assert_eq!((queue.count(), queue.finished().count()), (Ok(0), Ok(1_000)));
    let input: Value = queue.job("job-999").unwrap().returned().unwrap();
    assert_eq!(input["args"], json!([999]));
}
