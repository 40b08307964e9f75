//! `--exec-server`: a command that stays and answers a line for each job.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rq_rs::{NewJob, Retry, Status};
use serde_json::{Value, json};

use crate::support::{TestEnv, WAIT_LIMIT, eventually};

/// Writes a program into a temporary folder and returns its path.
fn script(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let shown = file.display().to_string();
    (folder, shown)
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/handlers").join(name)
}

/// Runs jobs in order, and returns their final records.
fn run(env: &TestEnv, command: &str, jobs: Vec<NewJob>) -> Vec<rq_rs::Job> {
    let queue = env.queue("default");
    let ids: Vec<String> =
        jobs.into_iter().map(|job| queue.enqueue_job(job).unwrap().id().to_owned()).collect();
    let server = format!("*={command}");
    env.cli(&["worker", "--burst", "-c", "1", "--kill-after", "1s", "--exec-server", &server]).ok();
    ids.iter().map(|id| queue.job(id).unwrap()).collect()
}

fn error(job: &rq_rs::Job) -> &str {
    assert_eq!(job.status, Status::Failed, "{job:?}");
    job.exc_info.as_deref().unwrap()
}

#[test]
fn a_server_reads_and_writes_one_line_a_job() {
    let env = TestEnv::new();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, os, sys
for line in sys.stdin:
    job = json.loads(line)
    print("working on", job["id"], file=sys.stderr, flush=True)
    print(json.dumps({"id": job["id"], "ok": [os.getpid(), job]}), flush=True)
"#,
    );
    let jobs = vec![
        NewJob::new("first", (1, "two")).id("one").meta(json!({"user": 7})),
        NewJob::new("second", json!({"to": "ada"})).id("two"),
    ];
    let jobs = run(&env, &format!("python3 {file}"), jobs);
    let answers: Vec<(u32, Value)> = jobs.iter().map(|job| job.returned().unwrap()).collect();
    assert_eq!(answers[0].0, answers[1].0, "one process");
    let first = &answers[0].1;
    assert_eq!((&first["handler"], &first["args"]), (&json!("first"), &json!([1, "two"])));
    assert_eq!((&first["meta"], &first["attempt"]), (&json!({"user": 7}), &json!(1)));
    assert_eq!((&first["queue"], &answers[1].1["kwargs"]), (&json!("default"), &json!({"to": "ada"})));
    assert!(first["deadline"].as_str().unwrap().ends_with('Z'));
    assert_eq!(jobs[1].log.as_deref(), Some("working on two"));
}

#[test]
fn a_server_can_fail_retry_or_give_up_a_job() {
    let env = TestEnv::new();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, sys
for line in sys.stdin:
    print(json.dumps(json.loads(line)["args"][0]), flush=True)
"#,
    );
    let say = |answer: Value| NewJob::new("say", (answer,)).retry(Retry::every(Duration::from_secs(60), 1));
    let jobs = run(
        &env,
        &format!("python3 {file}"),
        vec![
            say(json!({"error": "out of paper", "retry_in": -1})),
            say(json!({"error": "busy", "retry_in": 1000})),
            say(json!({"error": "hm"})),
            say(json!({"ok": null})),
            say(json!({"ok": "😀".repeat(250_000)})),
            say(json!({"again_in": 500})),
            say(json!({"again_in": 0})),
        ],
    );
    assert_eq!(
        (jobs[5].status, jobs[5].retries_left, jobs[5].attempts.len()),
        (Status::Scheduled, Some(1), 0)
    );
    assert_eq!(error(&jobs[0]), "say failed: out of paper");
    // A server that always asks for an immediate retry would keep the burst from ending.
    assert_eq!((jobs[6].status, jobs[6].attempts.len()), (Status::Scheduled, 0));
    for (job, least, most) in [(&jobs[1], 900.0, 1001.0), (&jobs[2], 30.0, 61.0)] {
        assert_eq!(job.status, Status::Scheduled, "{job:?}");
        let due: f64 = env.redis(&["ZSCORE", &env.key("scheduled:default"), job.id()]);
        let now: (f64, u64) = env.redis(&["TIME"]);
        assert!((least..=most).contains(&(due - now.0)), "{}", due - now.0);
    }
    assert_eq!(jobs[3].returned::<Value>(), Ok(Value::Null));
    assert_eq!(jobs[4].returned::<String>().map(|text| text.chars().count()), Ok(250_000));
}

#[test]
fn unreadable_output_of_a_server_fails_its_job() {
    let env = TestEnv::new().in_rq_dialect();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, sys
for line in sys.stdin:
    print(json.dumps({"data": json.loads(line)["args"][0]}), flush=True)
"#,
    );
    // Not a pickle, a truncated list, and an object of a Python class.
    let say = |data: &str| NewJob::new("say", (data,));
    let user = "gASMDG15YXBwLm1vZGVsc4wEVXNlcpMpgX1iLg==";
    let jobs = run(&env, &format!("python3 {file}"), vec![say("////"), say("XX1d"), say(user)]);
    for job in &jobs[..2] {
        assert_eq!(job.status, Status::Failed);
        assert!(
            error(job).contains("say returned what cannot be kept as pickle: the pickle"),
            "{}",
            error(job)
        );
    }
    assert_eq!(jobs[2].status, Status::Finished);
}

#[test]
fn a_server_that_dies_hangs_or_prints_garbage_costs_one_job() {
    let env = TestEnv::new();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, os, signal, sys, time
for line in sys.stdin:
    job = json.loads(line)
    what = job["handler"]
    if what == "die":
        print("dying now", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "leave":
        sys.exit(0)
    if what == "hang":
        time.sleep(1000)
    if what == "babble":
        print("la la la", flush=True)
    if what == "chatter":
        print(json.dumps({"ok": 1}) + "\n" + json.dumps({"ok": 2}), flush=True)
    if what == "other":
        print(json.dumps({"id": "somebody", "ok": 1}), flush=True)
        continue
    if what == "mute":
        os.close(1)
        time.sleep(1000)
    if what == "flood":
        sys.stdout.write("x" * 20_000_000)
    print(json.dumps({"ok": os.getpid()}), flush=True)
"#,
    );
    let cases = [
        ("die", "die was killed by signal 11 SIGSEGV: dying now"),
        ("leave", "leave exited with code 0 in the middle of the job"),
        ("hang", "hang timed out after 1 s"),
        ("babble", "babble answered with what cannot be read, and was killed (expected value"),
        ("chatter", "chatter answered with what cannot be read, and was killed (trailing characters"),
        (
            "other",
            "other answered with what cannot be read, and was killed (it answers for another job, somebody)",
        ),
        ("mute", "mute closed its connection to the worker, and was killed"),
        ("flood", "flood answered with what cannot be read, and was killed (a line is too long)"),
    ];
    let jobs = cases.iter().flat_map(|(name, _)| {
        [NewJob::new(*name, ()).timeout(Duration::from_secs(1)), NewJob::new("fine", ())]
    });
    let jobs = run(&env, &format!("python3 {file}"), jobs.collect());
    for (pair, (_, reason)) in jobs.chunks(2).zip(cases) {
        assert!(error(&pair[0]).starts_with(reason), "{reason}: {}", error(&pair[0]));
        assert!(pair[1].returned::<u32>().is_ok(), "after {reason}: {:?}", pair[1]);
    }
}

#[test]
fn a_server_is_recycled_after_its_limit_of_jobs_and_invalid_commands_are_refused() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let (_folder, file) = script(
        "server.py",
        "import json, os, sys\nfor line in sys.stdin:\n    print(json.dumps({'ok': os.getpid()}), flush=True)\n",
    );
    let ids = queue.enqueue_many((0..6).map(|_| NewJob::new("pid", ()))).unwrap().ids;
    let server = format!("pid=python3 {file}");
    env.cli(&["worker", "--burst", "-c", "1", "--horse-max-jobs", "2", "--exec-server", &server]).ok();
    let mut pids: Vec<u32> = ids.iter().map(|id| queue.job(id).unwrap().returned().unwrap()).collect();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    assert!(
        env.cli(&["worker", "--exec-server", "cat"])
            .expect_failure(2)
            .contains("--exec-server \"cat\" has no command")
    );
    env.cli(&["worker", "--exec-server", "x=no-such-program"]).expect_failure(2);
    let twice = env.cli(&["worker", "--exec", "x=cat", "--exec-server", "x=cat"]).expect_failure(2);
    assert!(twice.contains("two handlers named \"x\""), "{twice}");
}

#[test]
fn handler_py_runs_python_functions_by_their_dotted_path() {
    let env = TestEnv::new();
    let (folder, _) = script(
        "tasks.py",
        "import os\ndef add(a, b=0):\n    print('adding', flush=True)\n    return a + b\ndef broken():\n    raise ValueError('no paper')\nclass Mail:\n    @staticmethod\n    def send(to):\n        return 'sent to ' + to\n",
    );
    let command =
        format!("env PYTHONPATH={} python3 {}", folder.path().display(), example("handler.py").display());
    let jobs = run(
        &env,
        &command,
        vec![
            NewJob::new("tasks.add", (1, 2)),
            NewJob::new("tasks.add", json!({"a": 3, "b": 4})),
            NewJob::new("tasks.broken", ()),
            NewJob::new("tasks.Mail.send", "ada"),
            NewJob::new("math.sqrt", 16),
            NewJob::new("tasks.nothing", ()),
            NewJob::new("no.such.module", ()),
        ],
    );
    assert_eq!((jobs[0].returned::<i64>(), jobs[0].log.as_deref()), (Ok(3), Some("adding")));
    assert_eq!(jobs[1].returned::<i64>(), Ok(7));
    assert!(error(&jobs[2]).starts_with("tasks.broken failed: Traceback"), "{:?}", jobs[2].exc_info);
    assert!(error(&jobs[2]).ends_with("ValueError: no paper"));
    assert_eq!(jobs[3].returned::<String>().as_deref(), Ok("sent to ada"));
    assert_eq!(jobs[4].returned::<f64>(), Ok(4.0));
    assert!(error(&jobs[5]).contains("has no attribute 'nothing'"), "{:?}", jobs[5].exc_info);
    assert!(error(&jobs[6]).contains("no"), "{:?}", jobs[6].exc_info);
}

#[test]
fn handler_mjs_runs_javascript_functions_by_their_name() {
    if std::process::Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: no node here");
        return;
    }
    let env = TestEnv::new();
    let (_folder, file) = script(
        "tasks.mjs",
        "export const add = (a, b) => { console.log('adding'); return a + b; };\nexport const mail = { send: async ({ to }) => 'sent to ' + to };\nexport function broken() { throw new Error('no paper'); }\nexport function later() { throw Object.assign(new Error('busy'), { retryIn: 60 }); }\n",
    );
    let command = format!("node {} {file}", example("handler.mjs").display());
    let jobs = run(
        &env,
        &command,
        vec![
            NewJob::new("add", (1, 2)),
            NewJob::new("mail.send", json!({"to": "ada"})),
            NewJob::new("broken", ()),
            NewJob::new("later", ()),
            NewJob::new("nothing", ()),
        ],
    );
    assert_eq!((jobs[0].returned::<i64>(), jobs[0].log.as_deref()), (Ok(3), Some("adding")));
    assert_eq!(jobs[1].returned::<String>().as_deref(), Ok("sent to ada"));
    assert!(error(&jobs[2]).starts_with("broken failed: Error: no paper"), "{:?}", jobs[2].exc_info);
    assert_eq!(jobs[3].status, Status::Scheduled);
    assert!(error(&jobs[4]).contains("exports no function nothing"), "{:?}", jobs[4].exc_info);
}

#[test]
fn an_answer_after_the_timeout_is_dropped_and_costs_no_other_job() {
    let env = TestEnv::new();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, signal, sys, time
def farewell(*_):
    print(json.dumps({"ok": "in time, honestly"}), flush=True)
    time.sleep(0.3)
    sys.exit(0)
signal.signal(signal.SIGTERM, farewell)
for line in sys.stdin:
    if json.loads(line)["handler"] == "hang":
        time.sleep(1000)
    print(json.dumps({"ok": 1}), flush=True)
"#,
    );
    let hang = NewJob::new("hang", ()).timeout(Duration::from_secs(1));
    let jobs = run(&env, &format!("python3 {file}"), vec![hang, NewJob::new("fine", ())]);
    assert!(error(&jobs[0]).starts_with("hang timed out after 1 s"), "{:?}", jobs[0].exc_info);
    assert_eq!(jobs[1].returned::<u8>(), Ok(1));
}

#[test]
fn an_answer_belongs_to_the_job_that_it_names() {
    let env = TestEnv::new();
    let (_folder, file) = script(
        "server.py",
        r#"
import json, sys, time
for line in sys.stdin:
    job = json.loads(line)
    answer = json.dumps({"id": job["id"], "ok": job["args"][0]})
    print(answer, flush=True)
    # Once more, behind a blank line, about when the next job comes.
    time.sleep(0.001 * (job["args"][0] % 3))
    print("\n" + answer, flush=True)
"#,
    );
    let jobs = run(&env, &format!("python3 {file}"), (0..60).map(|n| NewJob::new("number", n)).collect());
    for (n, job) in jobs.iter().enumerate() {
        if job.status == Status::Finished {
            assert_eq!(job.returned::<usize>(), Ok(n), "another one's answer");
        }
    }
    assert!(jobs.iter().any(|job| job.status == Status::Finished));
}

#[test]
fn a_server_that_died_while_it_was_idle_gets_no_job() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // A child process keeps the pipes open.
    let server = format!(
        "*=sh -c 'sleep 1000 & echo $$ > {}; while read job; do echo \"{{\\\"ok\\\": 1}}\"; done'",
        pid.display()
    );
    let _worker = env.start(&["worker", "-c", "1", "--exec-server", &server]);
    assert_eq!(queue.enqueue("a", ()).unwrap().wait::<u8>(WAIT_LIMIT), Ok(1));
    let idle = std::fs::read_to_string(&pid).unwrap();
    std::process::Command::new("kill").args(["-9", idle.trim()]).status().unwrap();
    eventually("it is dead", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", idle.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    assert_eq!(queue.enqueue("b", ()).unwrap().wait::<u8>(WAIT_LIMIT), Ok(1));
}

#[test]
fn handler_py_fails_a_job_whose_result_is_not_json_and_goes_on() {
    let env = TestEnv::new();
    let command = format!("python3 {}", example("handler.py").display());
    let not_json = NewJob::new("builtins.float", "nan");
    let jobs = run(&env, &command, vec![not_json, NewJob::new("math.sqrt", 4)]);
    if env.dialect == rq_rs::Dialect::Native {
        assert!(error(&jobs[0]).contains("not JSON compliant"), "{:?}", jobs[0].exc_info);
    }
    assert_eq!(jobs[1].returned::<f64>(), Ok(2.0));
}
