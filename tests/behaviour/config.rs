//! The file of `--config`, the environment, the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use rq_rs::{NewJob, Status};

use crate::support::{Output, Process, TestEnv, options_file};

/// Value and source of each option, read from `config show`.
fn shown(output: Output) -> BTreeMap<String, (Option<String>, String)> {
    let rows: Vec<BTreeMap<String, Option<String>>> = serde_json::from_value(output.json()).unwrap();
    let row = |mut row: BTreeMap<String, Option<String>>| {
        let (option, from) = (row.remove("option").unwrap().unwrap(), row.remove("from").unwrap().unwrap());
        (option, (row.remove("value").unwrap(), from))
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_environment_over_the_file() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(
        "[worker]\nconcurrency = 3\nmax-jobs = 5\ngrace = \"9s\"\nqueues = [\"a\", \"b\"]\nburst = true\n",
    );
    let mut environment = env.environment();
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
    let mut worker = env.start(&["--config", &path, "worker", "--exec", "*=cat", "c"]);
    assert!(worker.wait_for_stderr("listens on").ends_with("listens on c"));
    worker.finish("").ok();
}

#[test]
fn passwords_from_a_file_are_not_shown() {
    let (_folder, path) = options_file("url = \"redis://ada:secret@127.0.0.1:1/2\"\n");
    let output = Process::start(&["--config", &path, "config", "show"], &[]).finish("").ok();
    assert!(output.contains("127.0.0.1:1/2") && !output.contains("secret"), "{output}");
}

#[test]
fn a_handler_in_the_file_has_its_own_timeout_and_retries() {
    let env = TestEnv::new();
    let text = "[worker]\nburst = true\nretry-max = 1\n\n[handlers.fail]\nexec = \"false\"\nretry-max = 4\nretry-interval = [\"1h\"]\n\n\
                [handlers.sleep]\nexec = \"sleep 30\"\ntimeout = \"1s\"\n";
    let (_folder, path) = options_file(text);
    let queue = env.queue("default");
    let fail = queue.enqueue("fail", ()).unwrap();
    let slow = queue.enqueue("sleep", ()).unwrap();
    let own = queue.enqueue_job(NewJob::new("fail", ()).timeout(Duration::from_secs(9))).unwrap();
    env.cli(&["--config", &path, "worker", "--kill-after", "0s"]).ok();
    let fail = queue.job(fail.id()).unwrap();
    assert_eq!((fail.status, fail.retries_left), (Status::Scheduled, Some(3)));
    assert_eq!(queue.job(own.id()).unwrap().timeout, Some(9));
    let slow = queue.job(slow.id()).unwrap();
    let error = slow.exc_info.clone().unwrap_or_default();
    assert!(error.contains("1 s"), "{error}");
}

#[test]
fn an_error_in_a_file_names_its_line_and_suggests_a_mend() {
    let env = TestEnv::new();
    for (text, part) in [
        (
            "[worker]\nconcurency = 3\n",
            ":2: [worker] has no key \"concurency\"\n hint: did you mean concurrency?",
        ),
        ("\n[worker]\nconcurrency = \"many\"\n", ":3: invalid value 'many' for '--concurrency"),
        ("[worker]\nisolate = \"perhaps\"\n", ":2: isolate: expected true or false"),
        ("[worker]\nlease = [\"1s\", \"2s\"]\n", ":2: lease: expected one value"),
        ("[worker\n", ":1: unclosed table"),
        ("wrker = 1\n", "did you mean worker?"),
        ("[handlers.x]\nexecc = \"cat\"\n", "did you mean exec?"),
        (
            "[handlers.x]\nexec = \"cat\"\nexec-server = \"cat\"\n",
            ":1: exec and exec-server exclude each other",
        ),
        ("[handlers.x]\nretry-interval = \"5s\"\n", "--retry-interval without --retry-max"),
        ("[handlers.x]\ntimeout = \"soon\"\n", ":2: timeout: \"soon\" is not a duration"),
        ("[worker]\nurl = \"redis://x\"\n", ":2: [worker] has no key \"url\""),
        ("[worker]\nqueues = [\"--burst\"]\n", ":2: queues: \"--burst\" would be an option"),
        ("handlers = 3\n", ":1: handlers is not a section"),
        ("cron = 3\n", ":1: cron is not a list of sections"),
    ] {
        let (_folder, path) = options_file(text);
        let told = env.cli(&["--config", &path, "worker", "-b", "--exec", "*=cat"]).expect_failure(2);
        assert!(told.contains(part), "{text:?}: {told}");
    }
    assert!(env.cli(&["--config", "/no/such.toml", "info"]).expect_failure(2).contains("/no/such.toml"));
}

#[test]
fn an_option_that_is_typed_wins_over_a_conflicting_one_from_elsewhere() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(
        "[worker]\nquiet = true\nkeep-finished = \"10/1h\"\nburst = true\n\n[handlers.x]\nexec = \"false\"\n\n[handlers.\"*\"]\nexec = \"sleep 30\"\ntimeout = 1\n",
    );
    let queue = env.queue("default");
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
    let output = env.cli(&words);
    assert!(output.stderr.contains("listens on"), "{output:?}");
    let ttl: i64 = env.redis(&["TTL", &env.key(&format!("job:{}", ours.id()))]);
    assert!((1..=77).contains(&ttl), "{ttl}");
    assert_eq!(queue.job(ours.id()).unwrap().status, Status::Finished);
    let error = queue.job(other.id()).unwrap().exc_info.clone().unwrap();
    assert!(error.contains("timed out after 1 s"), "{error}");
}

#[test]
fn environment_variables_may_say_yes_no_or_nothing() {
    let env = TestEnv::new();
    for (burst, jobs) in [("1", ""), ("yes", ""), ("true", "")] {
        let mut environment = env.environment();
        environment.push(("RQ_RS_BURST".to_owned(), burst.to_owned()));
        environment.push(("RQ_RS_MAX_JOBS".to_owned(), jobs.to_owned()));
        Process::start(&["worker", "-q", "--exec", "*=cat"], &environment).finish("").ok();
    }
}

#[test]
fn a_password_on_standard_input_does_not_consume_a_configuration_from_a_pipe() {
    let env = TestEnv::with_own_redis(&["--requirepass", "secret"]);
    let url = format!("{}?pass=secret", env.url());
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
    let env = TestEnv::new();
    let args = "0,\n".repeat(200_000);
    let (_folder, path) = options_file(&format!(
        "[[cron]]\nname = \"x\"\nschedule = \"@daily\"\nhandler = \"x\"\nargs = [{args}]\n"
    ));
    // Reading was quadratic once, and took a minute.
    let output = env.cli(&["--config", &path, "config", "show", "--json"]);
    assert_eq!(output.code, Some(0));
}

#[test]
fn unknown_names_get_a_suggestion() {
    let env = TestEnv::new();
    let with = |variables: &[(&str, &str)], words: &[&str]| {
        let mut environment = env.environment();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Process::start(words, &environment).finish("")
    };
    // A command that uses Redis warns too: a wrong name may lead it to another Redis.
    for words in [vec!["enqueue", "f"], vec!["info"], vec!["cron", "list"]] {
        let output = with(&[("RQ_RS_DIALEKT", "rq")], &words);
        assert!(output.stderr.contains("did you mean RQ_RS_DIALECT?"), "{words:?}: {output:?}");
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    let told = with(&[("RQ_RS_WORKER_GRACE", "5s"), ("RQ_RS_WORKER_PROCES", "1")], &["info"]).stderr;
    assert!(told.contains("RQ_RS_WORKER_GRACE is no option of rq-rs; did you mean RQ_RS_GRACE?"), "{told}");
    assert!(!told.contains("mean RQ_RS_WORKER_PROCESS"), "{told}");
    assert!(with(&[("RQ_RS_WORKER_PROCESS", "")], &["info"]).stderr.is_empty());
    let (_folder, path) =
        options_file("[handlers.resize]\nexec = \"cat\"\n[handlers.risize]\ntimeout = \"5m\"\n");
    let variables =
        [("RQ_RS_GRACEE", "5s"), ("RQ_RS_DIALEKT", "rq"), ("RQ_RS_GRACE", "5s"), ("RQ_RS_QUEUE", "mail")];
    let worker = with(&variables, &["--config", &path, "worker", "--burst"]);
    assert_eq!(worker.code, Some(0), "{worker:?}");
    let shown = with(&variables, &["--config", &path, "config", "show"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    for told in [&worker.stderr, &shown.stderr] {
        for part in [
            "warning: RQ_RS_GRACEE is no option of rq-rs; did you mean RQ_RS_GRACE?",
            "warning: RQ_RS_DIALEKT is no option of rq-rs; did you mean RQ_RS_DIALECT?",
            "warning: RQ_RS_QUEUE is no option of rq-rs; did you mean RQ_RS_QUEUES?",
            "warning: [handlers.risize]: there is no handler of this name; did you mean resize?",
        ] {
            assert!(told.contains(part), "no {part:?} in: {told}");
        }
        assert_eq!(told.matches("warning: ").count(), 4, "{told}");
    }
    // With a program for every name no job name is unknown, and variables for a job's program are no typing errors.
    let all = ["--config", &path, "worker", "--burst", "--exec", "*=cat"];
    let of_job = [("RQ_RS_JOB_ID", "x"), ("RQ_RS_QUEUE", "mail"), ("RQ_RS_ATTEMPT", "1")];
    assert!(!with(&of_job, &all).stderr.contains("warning: "));
    let known = [("RQ_RS_EXEC", "*=cat"), ("RQ_RS_DASHBOARD_TOKEN", "x"), ("RQ_RS_RESULT_TTL", "1h")];
    let shown = with(&known, &["--config", &path, "config", "show"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
    let dashboard = with(&variables[..1], &["dashboard", "--listen", "nowhere"]);
    assert!(dashboard.stderr.contains("did you mean RQ_RS_GRACE?"), "{dashboard:?}");
}

#[test]
fn both_names_of_the_result_ttl_work_everywhere() {
    let env = TestEnv::new();
    for word in ["result-ttl", "results-ttl"] {
        let option = format!("--{word}");
        let variable = format!("RQ_RS_{}", word.to_uppercase().replace('-', "_"));
        let ttl = |output: Output| shown(output).remove("results-ttl").unwrap().0;
        let (_folder, path) = options_file(&format!("[worker]\n{word} = \"7m\"\n"));
        assert_eq!(
            ttl(env.cli(&["--config", &path, "config", "show", "--json"])).as_deref(),
            Some("7m"),
            "{word}"
        );
        let mut environment = env.environment();
        environment.push((variable.clone(), "8m".to_owned()));
        let shown = Process::start(&["config", "show", "--json"], &environment).finish("");
        assert_eq!(ttl(shown).as_deref(), Some("8m"), "{variable}");
        env.cli(&["worker", "--burst", "--exec", "*=cat", &option, "9m"]).ok();
        let job = env.cli(&["enqueue", "f", &option, "10m", "--json"]).json();
        assert_eq!(job["result_ttl"], 600, "{option}");
        let entry =
            format!("[[cron]]\nname = \"a\"\nschedule = \"@daily\"\nhandler = \"f\"\n{word} = \"7m\"\n");
        let (_folder, path) = options_file(&entry);
        env.cli(&["--config", &path, "config", "show"]).ok();
    }
    let (_folder, path) = options_file("[worker]\nresult-ttl = 1\nresults-ttl = 2\n");
    assert!(
        env.cli(&["--config", &path, "config", "show"]).expect_failure(2).contains("set the same option")
    );
}

#[test]
fn the_result_limit_is_an_option() {
    let env = TestEnv::new();
    let id = env.cli(&["enqueue", "f"]).ok();
    env.cli(&["worker", "--burst", "--max-result", "1K", "--exec", "*=head -c 5000 /dev/zero"]).ok();
    let told = env.cli(&["job", "show", &id]).ok();
    assert!(told.contains("over the limit of 1024"), "{told}");
}

#[test]
fn a_wrong_value_in_the_environment_names_its_variable() {
    let env = TestEnv::new();
    let with = |variable: &str, value: &str, words: &[&str]| {
        let mut environment = env.environment();
        environment.push((variable.to_owned(), value.to_owned()));
        Process::start(words, &environment).finish("")
    };
    let worker = ["worker", "--burst", "--exec", "*=cat"];
    for (variable, value, words) in [
        ("RQ_RS_GRACE", "x", &["config", "show"][..]),
        ("RQ_RS_GRACE", "x", &worker),
        ("RQ_RS_RETRY_INTERVAL", "1s,x", &worker),
        ("RQ_RS_REDIS_TIMEOUT", "x", &["info"]),
        ("RQ_RS_CRON_LENIENT", "maybe", &worker),
        ("RQ_RS_CRON_LENIENT", "maybe", &["config", "show"]),
        ("RQ_RS_DASHBOARD_READ_ONLY", "maybe", &["dashboard", "--listen", "nowhere"]),
    ] {
        let told = with(variable, value, words).expect_failure(2);
        assert!(told.contains(variable) && told.contains(" hint: "), "{variable} {words:?}: {told}");
        assert_eq!(told.matches("error:").count(), 1, "{variable} {words:?}: {told}");
    }
    // A typed option wins, and its error quotes what was typed.
    let told = with("RQ_RS_GRACE", "x", &["worker", "--grace", "x"]).expect_failure(2);
    assert!(!told.contains("RQ_RS_GRACE:"), "{told}");
    let entry = |name: &str, more: &str| {
        format!("[[cron]]\nname = {name:?}\nschedule = \"@daily\"\nhandler = \"f\"\n{more}")
    };
    let entries = entry("fine", "") + &entry("bad", "timeout = 0\n");
    let (_folder, path) = options_file(&entries);
    with("RQ_RS_CRON_LENIENT", "0", &["cron", &path]).expect_failure(2);
    assert!(
        with("RQ_RS_CRON_LENIENT", "maybe", &["cron", &path])
            .expect_failure(2)
            .contains("RQ_RS_CRON_LENIENT")
    );
    let (_folder, of_file) = options_file(&(entries + "[worker]\ncron-lenient = true\n"));
    for (value, path) in [("1", &path), ("", &of_file)] {
        let mut environment = env.environment();
        environment.push(("RQ_RS_CRON_LENIENT".to_owned(), value.to_owned()));
        let mut process = Process::start(&["cron", path], &environment);
        process.wait_for_stderr("schedules 1 cron entries");
        process.signal("TERM");
        process.finish("").ok();
    }
}

#[test]
fn defaults_are_shown_as_they_are() {
    let all = shown(TestEnv::new().cli(&["config", "show", "--json"]));
    for (option, value) in [("redis-timeout", "10s"), ("max-result", "1M"), ("kill-after", "5s")] {
        assert_eq!(all[option], (Some(value.to_owned()), "default".to_owned()), "{option}");
    }
}
