//! The file of `--config`, the environment, the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use rq_rs::{NewJob, Status};

use crate::support::{House, Output, Process, options_file};

/// What `config show` says of each option: value and source.
fn shown(output: Output) -> BTreeMap<String, (Option<String>, String)> {
    let rows: Vec<BTreeMap<String, Option<String>>> = serde_json::from_value(output.json()).unwrap();
    let row = |mut row: BTreeMap<String, Option<String>>| {
        let (option, from) = (row.remove("option").unwrap().unwrap(), row.remove("from").unwrap().unwrap());
        (option, (row.remove("value").unwrap(), from))
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let house = House::new();
    let (_folder, path) = options_file(
        "[worker]\nconcurrency = 3\nmax-jobs = 5\ngrace = \"9s\"\nqueues = [\"a\", \"b\"]\nburst = true\n",
    );
    let mut environment = house.environment();
    environment.push(("RQ_RS_MAX_JOBS".to_owned(), "7".to_owned()));
    let all =
        shown(Process::start(&["--config", &path, "config", "show", "--json"], &environment).finish(""));
    let of = |option: &str| {
        let (value, from) = &all[option];
        (value.clone().unwrap_or_default(), from.rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(of("concurrency"), ("3".to_owned(), "rq-rs.toml:2".to_owned()));
    assert_eq!(of("max-jobs"), ("7".to_owned(), "RQ_RS_MAX_JOBS".to_owned()));
    assert_eq!(of("grace"), ("9s".to_owned(), "rq-rs.toml:4".to_owned()));
    assert_eq!(of("queues"), ("a b".to_owned(), "rq-rs.toml:5".to_owned()));
    assert_eq!(of("burst"), ("true".to_owned(), "rq-rs.toml:6".to_owned()));
    assert_eq!(of("kill-after"), ("5s".to_owned(), "default".to_owned()));
    // Typed options win: this worker listens on another queue.
    let mut worker = house.start(&["--config", &path, "worker", "--exec", "*=cat", "c"]);
    assert!(worker.says("listens on").ends_with("listens on c"));
    worker.finish("").ok();
}

#[test]
fn passwords_of_a_file_are_not_shown() {
    let (_folder, path) = options_file("url = \"redis://ada:secret@127.0.0.1:1/2\"\n");
    let output = Process::start(&["--config", &path, "config", "show"], &[]).finish("").ok();
    assert!(output.contains("127.0.0.1:1/2") && !output.contains("secret"), "{output}");
}

#[test]
fn a_handler_of_the_file_has_its_own_timeout_and_retries() {
    let house = House::new();
    let text = "[worker]\nburst = true\nretry-max = 1\n\n[handlers.fail]\nexec = \"false\"\nretry-max = 4\nretry-interval = [\"1h\"]\n\n\
                [handlers.sleep]\nexec = \"sleep 30\"\ntimeout = \"1s\"\n";
    let (_folder, path) = options_file(text);
    let queue = house.queue("default");
    let fail = queue.enqueue("fail", ()).unwrap();
    let slow = queue.enqueue("sleep", ()).unwrap();
    let own = queue.enqueue_job(NewJob::new("fail", ()).timeout(Duration::from_secs(9))).unwrap();
    house.rq(&["--config", &path, "worker", "--kill-after", "0s"]).ok();
    let fail = queue.job(fail.id()).unwrap();
    assert_eq!((fail.status, fail.retries_left), (Status::Scheduled, Some(3)));
    assert_eq!(queue.job(own.id()).unwrap().timeout, Some(9));
    let slow = queue.job(slow.id()).unwrap();
    let error = slow.exc_info.clone().unwrap_or_default();
    assert!(error.contains("1 s"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line_and_a_suggestion() {
    let house = House::new();
    for (text, part) in [
        (
            "[worker]\nconcurency = 3\n",
            ":2: [worker] has no key \"concurency\"\n hint: did you mean concurrency?",
        ),
        ("\n[worker]\nconcurrency = \"many\"\n", ":3: invalid value 'many' for '--concurrency"),
        ("[worker]\nisolate = \"perhaps\"\n", ":2: isolate: true or false is wanted"),
        ("[worker]\nlease = [\"1s\", \"2s\"]\n", ":2: lease: one value is wanted"),
        ("[worker\n", ":1: unclosed table"),
        ("wrker = 1\n", "did you mean worker?"),
        ("[handlers.x]\nexecc = \"cat\"\n", "did you mean exec?"),
        ("[handlers.x]\nexec = \"cat\"\nexec-server = \"cat\"\n", ":1: exec and exec-server are two ways"),
        ("[handlers.x]\nretry-interval = \"5s\"\n", "--retry-interval without --retry-max"),
        ("[handlers.x]\ntimeout = \"soon\"\n", ":2: timeout: \"soon\" is not a duration"),
        ("[worker]\nurl = \"redis://x\"\n", ":2: [worker] has no key \"url\""),
        ("[worker]\nqueues = [\"--burst\"]\n", ":2: queues: \"--burst\" would be an option"),
        ("handlers = 3\n", ":1: handlers is not a section"),
        ("cron = 3\n", ":1: cron is not a list of sections"),
    ] {
        let (_folder, path) = options_file(text);
        let told = house.rq(&["--config", &path, "worker", "-b", "--exec", "*=cat"]).fails(2);
        assert!(told.contains(part), "{text:?}: {told}");
    }
    assert!(house.rq(&["--config", "/no/such.toml", "info"]).fails(2).contains("/no/such.toml"));
}

#[test]
fn what_is_typed_goes_before_what_says_the_same_in_other_words() {
    let house = House::new();
    let (_folder, path) = options_file(
        "[worker]\nquiet = true\nkeep-finished = \"10/1h\"\nburst = true\n\n[handlers.x]\nexec = \"false\"\n\n[handlers.\"*\"]\nexec = \"sleep 30\"\ntimeout = 1\n",
    );
    let queue = house.queue("default");
    let (ours, other) = (queue.enqueue("x", ()).unwrap(), queue.enqueue("other", ()).unwrap());
    let words = [
        "--config",
        &path,
        "worker",
        "--verbose",
        "--results-ttl",
        "77",
        "--exec",
        "x=cat",
        "--kill-after",
        "0s",
    ];
    let output = house.rq(&words);
    assert!(output.stderr.contains("listens on"), "{output:?}");
    let ttl: i64 = house.redis(&["TTL", &house.key(&format!("job:{}", ours.id()))]);
    assert!((1..=77).contains(&ttl), "{ttl}");
    assert_eq!(queue.job(ours.id()).unwrap().status, Status::Finished);
    let error = queue.job(other.id()).unwrap().exc_info.clone().unwrap();
    assert!(error.contains("timed out after 1 s"), "{error}");
}

#[test]
fn the_environment_s_words_for_yes_and_nothing_are_understood() {
    let house = House::new();
    for (burst, jobs) in [("1", ""), ("yes", ""), ("true", "")] {
        let mut environment = house.environment();
        environment.push(("RQ_RS_BURST".to_owned(), burst.to_owned()));
        environment.push(("RQ_RS_MAX_JOBS".to_owned(), jobs.to_owned()));
        Process::start(&["worker", "-q", "--exec", "*=cat"], &environment).finish("").ok();
    }
}

#[test]
fn a_password_that_is_typed_does_not_cost_a_file_from_a_pipe() {
    let house = House::with_own_redis(&["--requirepass", "secret"]);
    let url = format!("{}?pass=secret", house.url());
    let script = format!(
        "printf '[worker]\\nname = \"piped\"\\nburst = true\\n' | rq-rs -u {url} --config /dev/stdin worker --exec '*=cat' 2>&1"
    );
    let folder = tempfile::tempdir().unwrap();
    let text = crate::support::run_in(folder.path(), &script, &[]).ok();
    assert!(text.contains("worker piped"), "{text}");
    let shown = format!(
        "printf '[[cron]]\\nname = \"x\"\\nschedule = \"@daily\"\\nhandler = \"y\"\\n' | rq-rs -u {url} --config /dev/stdin config show"
    );
    let shown = crate::support::run_in(folder.path(), &shown, &[]).ok();
    assert!(shown.contains("cron.x.schedule") && shown.contains("command line"), "{shown}");
}

#[test]
fn a_large_file_is_read_quickly_enough_to_be_used() {
    let house = House::new();
    let args = "0,\n".repeat(200_000);
    let (_folder, path) = options_file(&format!(
        "[[cron]]\nname = \"x\"\nschedule = \"@daily\"\nhandler = \"x\"\nargs = [{args}]\n"
    ));
    // It was quadratic: a minute.
    let output = house.rq(&["--config", &path, "config", "show", "--json"]);
    assert_eq!(output.code, Some(0));
}
