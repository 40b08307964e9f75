//! Every program in examples/ runs.

use std::path::Path;
use std::process::Command;

use crate::support::{Output, Process, TestEnv, run_in};

/// `cargo run --example NAME -- WORDS…`
fn example(env: &TestEnv, name: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--example", name, "--"])
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    Process::spawn(command, &env.environment()).finish("")
}

#[test]
fn send_email_is_a_whole_command_line() {
    let env = TestEnv::new();
    let id =
        example(&env, "send_email", &["enqueue", "send_email", "to=ada@example.com", "subject=Welcome"]).ok();
    let busy =
        example(&env, "send_email", &["enqueue", "send_email", "to=x@busy.example.com", "subject=Hi"]).ok();
    example(&env, "send_email", &["worker", "--burst"]).ok();
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!(job.returned::<String>().unwrap(), "sent \"Welcome\" to ada@example.com (try 1)");
    assert_eq!(env.locations("default", &busy), ["scheduled"]);
}

#[test]
fn isolated_loses_only_the_jobs_that_hang_or_crash() {
    let env = TestEnv::new();
    let enqueue =
        |words: &[&str]| example(&env, "isolated", &[&["enqueue", "count_words"], words].concat()).ok();
    let ids = [
        enqueue(&["one two three"]),
        enqueue(&["endless", "--timeout", "1"]),
        enqueue(&["poison"]),
        enqueue(&["one"]),
    ];
    example(&env, "isolated", &["worker", "--isolate", "--burst", "-q"]).ok();
    let jobs = ids.map(|id| env.queue("default").job(&id).unwrap());
    assert_eq!((jobs[0].returned::<usize>(), jobs[3].returned::<usize>()), (Ok(3), Ok(1)));
    let error = |job: &rq_rs::Job| job.exc_info.clone().unwrap_or_default();
    assert_eq!(error(&jobs[1]), "count_words timed out after 1 s: reading 7 bytes");
    assert_eq!(error(&jobs[2]), "count_words was killed by signal 6 SIGABRT: reading 6 bytes");
}

#[test]
fn nightly_keeps_its_entries() {
    let env = TestEnv::new();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--example", "nightly", "--", "worker"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut worker = Process::spawn(command, &env.environment());
    worker.wait_for_stderr("cron rates: enqueued");
    let list = env.cli(&["cron", "list", "--json"]).json();
    assert_eq!((&list[0]["name"], &list[1]["catchup"]), (&"rates".into(), &"one".into()));
    let id = env.cli(&["cron", "run", "report"]).ok();
    worker.wait_for_stderr(&format!("{id} finished"));
    env.cli(&["shutdown", &env.redis::<Vec<String>>(&["ZRANGE", &env.key("cron_schedulers"), "0", "-1"])[0]])
        .ok();
    worker.finish("").ok();
}

#[test]
fn the_grafana_board_uses_metrics_that_exist() {
    let env = TestEnv::new();
    env.queue("default").enqueue("x", ()).unwrap();
    env.cli(&["worker", "-b", "-q", "--exec", "*=cat"]).ok();
    let worker = env.start(&["worker", "--exec", "*=cat"]);
    crate::support::eventually("a worker is seen", || env.cli(&["metrics"]).ok().contains("rq_workers{"));
    let page = env.cli(&["metrics"]).ok();
    let board: serde_json::Value = serde_json::from_str(include_str!("../../examples/grafana.json")).unwrap();
    let text = board.to_string();
    let mut names: Vec<&str> = text
        .split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("rq_"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 10, "{names:?}");
    let documented = include_str!("../../docs/metrics.md");
    for name in names {
        assert!(page.lines().any(|line| line.starts_with(name)), "{name} is not among the metrics");
        assert!(documented.contains(name.trim_end_matches("_bucket")), "{name} is not in docs/metrics.md");
    }
    worker.signal("TERM");
    worker.finish("").ok();
}

#[test]
fn enqueue_and_send_email_understand_each_other() {
    let env = TestEnv::new();
    let text = example(&env, "enqueue", &[]).ok();
    let (id, rest) = text.split_once('\n').unwrap();
    assert_eq!(rest, "1000 enqueued");
    example(&env, "send_email", &["worker", "mail", "--burst", "-q"]).ok();
    let shown = env.cli(&["job", "show", id, "--json"]).json();
    assert_eq!(shown["result"], "sent \"Welcome\" to ada@example.com (try 1)");
}

#[test]
fn post_likes_recounts_and_fails_where_it_must() {
    let env = TestEnv::with_own_redis(&[]);
    let text = example(&env, "post_likes", &[]).ok();
    let expected = "post 42 has 3 likes\n1 finished, 2 tried again, 1 failed\nfailed: Some(\"recount_likes failed: no post 404\")";
    assert_eq!(text, expected);
}

#[test]
fn scripting_requeues_by_a_filter() {
    let env = TestEnv::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = run_in(&examples, "./scripting.sh", &env.environment()).ok();
    assert_eq!(text, "failed: charge resize\n1 job requeued.\nwaiting: 1, failed: 1");
}

#[test]
fn from_python_takes_positions_and_keywords() {
    let env = TestEnv::new();
    let id = env.cli(&["enqueue", "tasks.resize", "cat.jpg", ":320", "height:=240"]).ok();
    example(&env, "from_python", &["worker", "--burst"]).ok();
    let result = env.queue("default").job(&id).unwrap().returned::<String>();
    assert_eq!(result.unwrap(), "cat.jpg resized to 320x240 by Rust");
}

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "enqueue.rs",
            "from_python.rs",
            "grafana.json",
            "handlers",
            "isolated.rs",
            "nightly.rs",
            "post_likes.rs",
            "rq-rs.toml",
            "scripting.sh",
            "send_email.rs"
        ]
    );
}
