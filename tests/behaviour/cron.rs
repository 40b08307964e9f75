//! Cron entries: each tick enqueues one job, however many workers have the entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rq_rs::testing::CronClock;
use rq_rs::{Catchup, Context, Cron, Event, NewJob, Overlap, PyValue, Status};

use crate::support::{
    CallLog, Process, RunningWorker, TestEnv, build_example, eventually, options_file, run_in,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn entry(schedule: &str) -> Cron {
    Cron::new("entry", schedule, NewJob::new("noop", ())).tz("UTC")
}

fn clock(env: &TestEnv, entry: Cron) -> CronClock {
    CronClock::new(&env.queue("default"), [entry]).unwrap()
}

/// Number of jobs that are enqueued at each of these times.
fn brings(clock: &mut CronClock, moments: &[&str]) -> Vec<usize> {
    moments.iter().map(|moment| clock.turn_to(at(moment)).unwrap().len()).collect()
}

#[test]
fn a_daily_entry_enqueues_one_job_at_its_time() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("30 3 * * *"));
    let moments =
        ["2026-03-01T03:31:00Z", "2026-03-02T03:29:59Z", "2026-03-02T03:30:00Z", "2026-03-02T03:30:30Z"];
    assert_eq!(brings(&mut clock, &moments), [0, 0, 1, 0]);
    assert_eq!(env.queue("default").count().unwrap(), 1);
}

#[test]
fn an_interval_entry_starts_at_once() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("every 10m"));
    let moments =
        ["2026-03-01T03:31:07Z", "2026-03-01T03:41:06Z", "2026-03-01T03:41:07Z", "2026-03-01T03:51:20Z"];
    assert_eq!(brings(&mut clock, &moments), [1, 0, 1, 1]);
    // Intervals are counted from tick to tick, so a late tick does not shift the next one.
    assert_eq!(brings(&mut clock, &["2026-03-01T04:01:06Z", "2026-03-01T04:01:07Z"]), [0, 1]);
}

#[test]
fn missed_ticks_are_skipped_or_caught_up_as_the_entry_says() {
    for (catchup, made_up) in [(Catchup::None, 0), (Catchup::One, 1), (Catchup::All, 5)] {
        let env = TestEnv::new();
        let hourly = || entry("0 * * * *").catchup(catchup);
        assert_eq!(brings(&mut clock(&env, hourly()), &["2026-03-01T03:31:00Z"]), [0]);
        // Another worker comes later.
        let mut other = clock(&env, hourly());
        assert_eq!(
            brings(&mut other, &["2026-03-01T08:30:00Z", "2026-03-01T08:31:00Z"]),
            [made_up, 0],
            "{catchup}"
        );
        assert_eq!(brings(&mut other, &["2026-03-01T09:00:59Z"]), [1], "{catchup}");
    }
}

#[test]
fn a_tick_within_the_grace_time_counts_as_on_time() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("* * * * *"));
    let moments = ["2026-03-01T03:31:00Z", "2026-03-01T03:32:50Z", "2026-03-01T03:40:10Z"];
    assert_eq!(brings(&mut clock, &moments), [0, 1, 1]);
}

#[test]
fn at_most_the_newest_thousand_missed_ticks_are_caught_up() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("* * * * *").catchup(Catchup::All));
    assert_eq!(brings(&mut clock, &["2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"]), [0, 1000]);
    assert_eq!(env.redis::<usize>(&["ZCARD", &env.key("cron_job:entry:jobs")]), 1000);
}

#[test]
fn overlap_skip_skips_a_tick_while_the_previous_job_is_unfinished() {
    for (overlap, jobs) in [(Overlap::Queue, [1, 1, 1]), (Overlap::Skip, [1, 0, 1])] {
        let env = TestEnv::new();
        let mut clock = clock(&env, entry("* * * * *").overlap(overlap));
        clock.turn_to(at("2026-03-01T03:30:00Z")).unwrap();
        assert_eq!(
            brings(&mut clock, &["2026-03-01T03:31:00Z", "2026-03-01T03:32:00Z"]),
            jobs[..2],
            "{overlap}"
        );
        env.drain(env.worker(&["default"]));
        assert_eq!(brings(&mut clock, &["2026-03-01T03:33:00Z"]), jobs[2..], "{overlap}");
    }
}

#[test]
fn a_new_schedule_does_not_catch_up_ticks_from_before_it() {
    let env = TestEnv::new();
    let mut daily = clock(&env, entry("0 3 * * *").catchup(Catchup::All));
    assert_eq!(brings(&mut daily, &["2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z"]), [0, 1]);
    let mut hourly = clock(&env, entry("0 * * * *").catchup(Catchup::All));
    assert_eq!(brings(&mut hourly, &["2026-03-01T23:30:00Z", "2026-03-02T00:00:00Z"]), [0, 1]);
}

#[test]
fn an_entry_with_an_unreadable_last_tick_goes_on() {
    for odd in ["soon", "-9223372036854775808", "99999999999999999999", ""] {
        let env = TestEnv::new();
        env.redis::<i64>(&["HSET", &env.key("cron_entry:entry"), "last", odd, "schedule", "* * * * * UTC"]);
        let mut clock = clock(&env, entry("* * * * *"));
        let moments = ["2026-03-01T03:31:00Z", "2026-03-01T03:32:00Z", "2026-03-01T03:33:00Z"];
        let jobs = brings(&mut clock, &moments);
        assert_eq!(jobs[2], 1, "{odd}: {jobs:?}");
    }
}

#[test]
fn an_entry_whose_keys_have_another_type_is_named_and_the_others_go_on() {
    let env = TestEnv::new();
    env.redis::<()>(&["SET", &env.key("queue:taken"), "something"]);
    env.redis::<()>(&["SET", &env.key("cron_entry:second"), "something"]);
    let entry = |name: &str, queue: &str| Cron::new(name, "every 1h", NewJob::new("noop", ())).queue(queue);
    let worker = env.worker(&["default"]);
    let worker =
        worker.cron(entry("first", "taken")).cron(entry("second", "ticks")).cron(entry("third", "ticks"));
    let running_worker = RunningWorker::start(worker);
    let ticked =
        running_worker.wait_for_event("the third one", |event| matches!(event, Event::Ticked { .. }));
    assert!(matches!(ticked, Event::Ticked { entry, .. } if entry == "third"));
    let list = env.cli(&["cron", "list", "--json"]);
    assert!(list.stderr.contains(&env.key("cron_entry:second")), "{list:?}");
    assert_eq!((list.code, list.stdout_json().as_array().unwrap().len()), (Some(1), 3));
    running_worker.stop();
}

#[test]
fn missed_ticks_of_short_intervals_are_not_caught_up_one_by_one() {
    for (catchup, jobs) in [(Catchup::None, 1), (Catchup::One, 1), (Catchup::All, 50)] {
        let env = TestEnv::new();
        let mut clock = clock(&env, entry("every 1s").catchup(catchup));
        let moments = ["2026-03-01T03:31:00Z", "2026-03-01T03:31:01Z", "2026-03-01T03:31:51Z"];
        assert_eq!(brings(&mut clock, &moments), [1, 1, jobs], "{catchup}");
    }
}

#[test]
fn a_manual_run_does_not_hide_the_running_job_from_overlap() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(
        "[[cron]]\nname = \"entry\"\nschedule = \"every 1s\"\nhandler = \"noop\"\noverlap = \"skip\"\ndescription = \"said so\"\n",
    );
    let mut scheduler = env.start(&["cron", &path]);
    scheduler.wait_for_stderr("enqueued");
    let id = env.cli(&["cron", "run", "entry"]).ok();
    assert_eq!(env.queue("default").job(&id).unwrap().description, "said so");
    let queue = env.queue("default");
    // The manual run has finished; the first job still waits.
    queue.job(&id).unwrap().cancel().unwrap();
    scheduler.wait_for_stderr("skipped");
    scheduler.wait_for_stderr("skipped");
    assert_eq!(queue.count(), Ok(1));
    scheduler.signal("TERM");
    scheduler.finish("").ok();
}

#[test]
fn unreadable_cron_records_do_not_hide_the_others() {
    let env = TestEnv::new();
    let now: (String, String) = env.redis(&["TIME"]);
    let jobs = r#"[{"func_name": "app.x", "queue_name": "q", "args": "<not JSON serializable>", "kwargs": null, "interval": 5, "cron": null,
        "latest_enqueue_time": null, "next_enqueue_time": null, "job_timeout": "10m"}, {"what": "ever"}, 7]"#;
    for (name, jobs) in [("good", jobs), ("odd", "no json")] {
        env.redis::<()>(&["ZADD", &env.key("cron_schedulers"), &now.0, name]);
        env.redis::<()>(&["HSET", &env.key(&format!("cron_scheduler:{name}")), "cron_jobs", jobs]);
    }
    env.redis::<()>(&["ZADD", &env.key("cron_schedulers"), &now.0, "taken"]);
    env.redis::<()>(&["SET", &env.key("cron_scheduler:taken"), "something"]);
    let output = env.cli(&["cron", "list", "--json"]);
    assert!(output.stderr.contains(&env.key("cron_scheduler:taken")), "{output:?}");
    let list = output.stdout_json();
    assert_eq!(
        (output.code, list.as_array().unwrap().len(), &list[0]["name"]),
        (Some(1), 1, &"app.x".into())
    );
    assert!(
        env.cli(&["cron", "run", "app.x"]).expect_failure(1).contains("known to its Python program only")
    );
}

/// Writes a scheduler's record with these entries, as a worker does.
fn keeps(env: &TestEnv, scheduler: &str, jobs: &serde_json::Value) {
    let now: (String, String) = env.redis(&["TIME"]);
    env.redis::<()>(&["ZADD", &env.key("cron_schedulers"), &now.0, scheduler]);
    let key = env.key(&format!("cron_scheduler:{scheduler}"));
    env.redis::<()>(&["HSET", &key, "cron_jobs", &jobs.to_string()]);
}

fn kept(name: &str, args: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "func_name": "app.x", "name": name, "queue_name": "default", "args": args.to_string(),
        "kwargs": "{}", "interval": 3600, "cron": null, "latest_enqueue_time": null, "next_enqueue_time": null,
    })
}

#[test]
fn entries_of_any_number_and_size_are_listed_and_run() {
    let env = TestEnv::new();
    let many: Vec<_> =
        (0..2000).map(|n| kept(&format!("many-{n}"), &serde_json::json!(["x".repeat(300)]))).collect();
    keeps(&env, "worker-of-many", &many.clone().into());
    let large = serde_json::json!(["y".repeat(900_000)]);
    let middle = serde_json::json!(["z".repeat(300_000)]);
    keeps(
        &env,
        "worker-of-large",
        &vec![kept("large", &large), kept("middle-1", &middle), kept("middle-2", &middle)].into(),
    );
    // Many workers have the same entries.
    for n in 0..20 {
        keeps(&env, &format!("fleet-{n}"), &many[..300].to_vec().into());
    }
    let list = env.cli(&["cron", "list", "--json"]).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2003);
    let of = |name: &str| list.iter().find(|entry| entry["name"] == name).unwrap();
    assert_eq!(
        (of("many-299")["schedulers"].as_u64(), of("many-300")["schedulers"].as_u64()),
        (Some(21), Some(1))
    );
    for (name, cut) in [("large", vec!["args"]), ("middle-2", vec!["args"]), ("many-1", vec![])] {
        assert_eq!(of(name)["cut"], serde_json::json!(cut), "{name}");
    }
    assert_eq!(of("large")["args"], serde_json::json!([]));
    let table = env.cli(&["cron", "list"]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
    for (name, args) in [("large", &large), ("middle-2", &middle)] {
        let id = env.cli(&["cron", "run", name]).ok();
        assert_eq!(serde_json::json!(env.queue("default").job(&id).unwrap().args), *args);
    }
    let unknown = env.cli(&["cron", "run", "nothing"]).expect_failure(1);
    assert!(unknown.contains("large, many-0") && unknown.contains(", and more"), "{unknown}");
    assert!(unknown.len() < 1000, "{unknown}");
}

#[test]
fn a_cron_record_over_the_read_limit_is_marked_as_cut() {
    let env = TestEnv::new();
    let large = serde_json::json!(["y".repeat(900_000)]);
    let jobs: Vec<_> = (0..10).map(|n| kept(&format!("large-{n}"), &large)).collect();
    keeps(&env, "worker", &jobs.into());
    let output = env.cli(&["cron", "list", "--json"]);
    assert_eq!((output.code, output.stdout_json().as_array().unwrap().len()), (Some(1), 9));
    assert!(output.stderr.contains("some entries are not shown"), "{output:?}");
    assert!(!output.stderr.contains("another type"), "{output:?}");
    env.cli(&["cron", "run", "large-9"]).ok();
}

#[test]
fn a_manual_run_has_the_arguments_of_a_tick_or_is_refused() {
    let env = TestEnv::new();
    let digits = PyValue::integer("123456789012345678901234567890").unwrap();
    let exact = NewJob::new("exact", (digits.clone(),)).meta(PyValue::dict([(PyValue::from("n"), digits)]));
    // JSON would show other numbers.
    let bytes = NewJob::new("bytes", (PyValue::bytes(b"a"), PyValue::decimal("1.5").unwrap()));
    let running_worker = RunningWorker::start(
        env.worker(&["other"]).cron(Cron::new("exact", "0 0 1 1 *", exact)).cron(Cron::new(
            "bytes",
            "0 0 1 1 *",
            bytes,
        )),
    );
    running_worker.wait_until_idle();
    eventually("they are noted", || {
        env.cli(&["cron", "list", "--json"]).json().as_array().unwrap().len() == 2
    });
    let id = env.cli(&["cron", "run", "exact"]).ok();
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!(job.call().unwrap().describe(), job.description);
    let seen = CallLog::default();
    let calls = seen.clone();
    env.drain(env.worker(&["default"]).handler("exact", move |_: &Context, value: PyValue| {
        calls.record(value.to_string());
        Ok(())
    }));
    assert_eq!(seen.lines(), ["123456789012345678901234567890"]);
    let refused = env.cli(&["cron", "run", "bytes"]).expect_failure(1);
    assert!(refused.contains("known to its own program only"), "{refused}");
    running_worker.stop();
}

#[test]
fn numbers_in_a_file_that_json_cannot_hold_are_refused() {
    let env = TestEnv::new();
    for number in ["nan", "-inf", "12345678901234567890123"] {
        let (_folder, path) = options_file(&format!(
            "[[cron]]\nname = \"entry\"\nschedule = \"every 1s\"\nhandler = \"noop\"\nargs = [[1, {number}]]\n"
        ));
        let told = env.cli(&["cron", &path]).expect_failure(2);
        assert!(told.contains(&format!(":5: args: {number} is not a JSON number")), "{told}");
    }
}

#[test]
fn a_burst_worker_enqueues_and_runs_what_is_due_before_it_ends() {
    let env = TestEnv::new();
    let worker = env.worker(&["default"]).cron(Cron::new("now", "every 1h", NewJob::new("add", (1, 2))));
    assert_eq!(env.drain(worker).finished, 1);
}

#[test]
fn jitter_delays_the_job() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("every 1h").jitter(Duration::from_secs(3600)));
    let ids = clock.turn_to(Utc::now()).unwrap();
    assert_eq!(env.queue("default").job(&ids[0]).unwrap().status, Status::Scheduled);
}

#[test]
fn an_invalid_entry_is_refused_with_its_reason() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = || NewJob::new("noop", ());
    for (bad, part) in [
        (Cron::new("", "* * * * *", job()), "a name is"),
        (Cron::new("e", "* * * *", job()), "is not a schedule"),
        (Cron::new("e", "* * * * *", job()).tz("Mars"), "is not a time zone"),
        (Cron::new("e", "* * * * *", job()).queue("a b"), "a b"),
        (Cron::new("e", "* * * * *", job().id("x")), "an id and a time of their own"),
        (Cron::new("e", "* * * * *", NewJob::new("", ())), "handler name"),
    ] {
        let error = CronClock::new(&queue, [bad]).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(CronClock::new(&queue, [entry("@daily"), entry("@daily")]).is_err());
}

#[test]
fn a_worker_enqueues_due_entries_and_reports_those_it_cannot() {
    let env = TestEnv::new();
    let worker = env
        .worker(&["default"])
        .handler("tick", |context: &Context, (n,): (u32,)| Ok(n + u32::from(context.queue() == "default")))
        .cron(Cron::new("fine", "every 1h", NewJob::new("tick", (41,))))
        .cron(Cron::new("bad", "every now and then", NewJob::new("tick", (1,))))
        .cron_lenient(true);
    let working = RunningWorker::start(worker);
    let told = working.wait_for_event(
        "the bad entry",
        |event| matches!(event, Event::Warning(text) if text.contains("bad")),
    );
    assert!(told.to_string().contains("every now and then"), "{told}");
    let Event::Ticked { entry, id } =
        working.wait_for_event("a tick", |event| matches!(event, Event::Ticked { .. }))
    else {
        unreachable!()
    };
    // The job may have finished before the event arrived.
    eventually("it has finished", || env.queue("default").job(&id).unwrap().status == Status::Finished);
    assert_eq!(
        (entry.as_str(), env.queue("default").job(&id).unwrap().result.clone()),
        ("fine", Some(42.into()))
    );
    working.stop();
}

#[test]
fn a_worker_with_an_invalid_entry_does_not_start() {
    let env = TestEnv::new();
    let noop = || NewJob::new("noop", ());
    for bad in [
        Cron::new("bad", "every now and then", noop()),
        Cron::new("bad", "@daily", noop()).tz("Mars/Olympus"),
        Cron::new("bad", "@daily", noop()).queue("a b"),
        Cron::new("fine", "@daily", noop()),
    ] {
        let worker = |is_lenient| {
            env.worker(&["default"])
                .handler("noop", |_: &Context, ()| Ok(()))
                .burst(true)
                .cron(entry("@daily"))
                .cron(Cron::new("fine", "@hourly", noop()))
                .cron(bad.clone())
                .cron_lenient(is_lenient)
        };
        let error = worker(false).run().unwrap_err();
        assert!(matches!(&error, rq_rs::Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains("cron entry"), "{error}");
        worker(true).run().unwrap();
    }
}

#[test]
fn a_machine_without_tzdata_is_an_error_and_not_a_silent_entry() {
    let env = TestEnv::new();
    let zones = tempfile::tempdir().unwrap();
    std::fs::copy("/usr/share/zoneinfo/UTC", zones.path().join("UTC")).unwrap();
    let with = |words: &[&str], more: &[(&str, &str)]| {
        let mut environment = env.environment();
        environment.push(("TZDIR".to_owned(), zones.path().to_str().unwrap().to_owned()));
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Process::start(words, &environment)
    };
    let file = |tz: &str| {
        let entry = |name: &str, tz: &str| {
            format!("[[cron]]\nname = {name:?}\nschedule = \"@daily\"\nhandler = \"f\"\n{tz}\n")
        };
        options_file(&(entry("fine", "") + &entry("berlin", &format!("tz = {tz:?}"))))
    };
    let worker = |path: &str| ["--config", path, "worker", "--exec", "*=cat"].map(str::to_owned);
    for (tz, local) in [("Europe/Berlin", "UTC"), ("local", "Europe/Berlin")] {
        let (_folder, path) = file(tz);
        let words = worker(&path);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let told = with(&words, &[("TZ", local)]).finish("").expect_failure(1);
        for part in [
            ":6: ",
            "cron entry \"berlin\"",
            "there is no tzdata",
            "install the system's package tzdata",
            "--cron-lenient",
        ] {
            assert!(told.contains(part), "{tz}: no {part:?} in {told}");
        }
        with(&["cron", &path], &[("TZ", local)]).finish("").expect_failure(1);
        let mut lenient = with(&[&words[..], &["--cron-lenient"]].concat(), &[("TZ", local)]);
        lenient.wait_for_stderr("there is no tzdata");
        lenient.wait_for_stderr("listens");
        eventually("the other entry is kept", || {
            env.cli(&["cron", "list", "--json"]).json()[0]["name"] == "fine"
        });
        lenient.signal("TERM");
        lenient.finish("").ok();
    }
    let (_folder, path) = file("local");
    let words = worker(&path);
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--burst"]).collect();
    with(&words, &[("TZ", "UTC")]).finish("").ok();
}

/// Runs in a mount namespace, which not every machine allows a test to create.
#[test]
fn entries_in_utc_need_no_tzdata() {
    let without = |script: &str, environment: &[(String, String)]| {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("mkdir empty && unshare -rm sh -c 'mount --bind empty /usr/share && {script}'");
        run_in(folder.path(), &script, environment)
    };
    if without("true", &[]).code != Some(0) {
        eprintln!("skipped: no folder can be hidden on this machine (unshare -rm)");
        return;
    }
    let env = TestEnv::new();
    let entry = |name: &str, more: &str| format!("[[cron]]\nname = {name:?}\nhandler = \"f\"\n{more}\n");
    let fine = entry("fields", "schedule = \"0 3 * * *\"")
        + &entry("named", "schedule = \"@daily\"\ntz = \"UTC\"")
        + &entry("interval", "schedule = \"every 90s\"")
        + &entry("local", "schedule = \"@daily\"\ntz = \"local\"");
    let bad = entry("berlin", "schedule = \"@daily\"\ntz = \"Europe/Berlin\"");
    let run = |entries: &str| {
        let (_folder, path) = options_file(entries);
        let mut environment = env.environment();
        environment.push(("TZ".to_owned(), "UTC".to_owned()));
        without(&format!("rq-rs --config {path} worker --burst --exec f=cat"), &environment)
    };
    run(&fine).ok();
    assert_eq!(env.queue("default").finished().count().unwrap(), 1, "the interval is due at once");
    let told = run(&bad).expect_failure(1);
    assert!(told.contains("as is every time zone but UTC"), "{told}");
}

#[test]
fn an_entry_in_local_time_is_shown_as_stored_and_times_have_a_zone() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(
        "[[cron]]\nname = \"tokyo\"\nschedule = \"0 3 * * *\"\nhandler = \"f\"\ntz = \"local\"\n",
    );
    let with = |zone: &str, words: &[&str]| {
        let mut environment = env.environment();
        environment.push(("TZ".to_owned(), zone.to_owned()));
        Process::start(words, &environment)
    };
    let mut worker = with("Asia/Tokyo", &["--config", &path, "worker", "--exec", "*=cat"]);
    worker.wait_for_stderr("listens");
    let list = || with("America/New_York", &["cron", "list", "--json"]).finish("").json();
    eventually("its next tick is known", || list()[0]["next"].is_string());
    let next = list()[0]["next"].as_str().unwrap().to_owned();
    assert!(next.ends_with("T18:00:00Z"), "three o'clock in Tokyo: {next}");
    assert_eq!((&list()[0]["tz"], &list()[0]["zone"]), (&"local".into(), &"Asia/Tokyo".into()));
    let told = with("America/New_York", &["cron", "list"]).finish("").ok();
    assert!(told.contains("Asia/Tokyo (local)"), "{told}");
    assert!(told.contains(":00 -05:00") || told.contains(":00 -04:00"), "{told}");
    with("America/New_York", &["cron", "run", "tokyo"]).finish("").ok();
    let told = with("Asia/Kolkata", &["cron", "history", "tokyo"]).finish("").ok();
    assert!(told.contains(" +05:30"), "{told}");
}

/// Checks each form that docs/time.md shows; refused forms have the error text that it shows.
#[test]
fn the_forms_of_schedules_are_as_documented() {
    let docs = include_str!("../../docs/time.md");
    let rows = docs.lines().filter_map(|line| {
        let (schedule, what) = line.strip_prefix("| `")?.split_once("` | ")?;
        let is_schedule =
            schedule.split(' ').count() >= 5 || schedule.starts_with('@') || schedule.starts_with("every ");
        let is_code = schedule.contains('`') || schedule.starts_with("rq-rs");
        (is_schedule && !is_code).then_some((schedule, what))
    });
    let mut counts = [0, 0];
    for (schedule, what) in rows {
        let known = Cron::new("e", schedule, NewJob::new("noop", ())).next_after(Utc::now());
        match what.strip_prefix("refused: ") {
            None => assert!(known.is_ok_and(|next| next.is_some()), "{schedule}"),
            Some(words) => {
                let words = words.trim_end_matches(" |").trim_matches('`');
                let told = known.unwrap_err().to_string();
                assert!(told.contains(words), "{schedule}: {told}");
            }
        }
        counts[usize::from(what.starts_with("refused"))] += 1;
    }
    assert_eq!(counts, [18, 7], "rows of docs/time.md");
}

/// The program in `tests/fixtures/ticking`.
fn ticking() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build_example("ticking"))
}

/// Five programs with the same entries are killed at random, over the two days of the year on which the clocks change.
#[test]
fn five_workers_that_are_killed_at_random_enqueue_one_job_a_minute() {
    for (first, nights) in [("2026-03-28T23:00:00Z", 1), ("2026-10-24T22:00:00Z", 1)] {
        let env = TestEnv::new();
        let now = env.key("test-clock");
        let set = |moment: i64| env.redis::<()>(&["SET", &now, &moment.to_string()]);
        let start = || {
            let mut command = Command::new(ticking());
            command.args([env.url(), &now]);
            Process::spawn(command, &env.environment())
        };
        let count = |queue: &str| env.queue(queue).count().unwrap();
        let dice = &mut fastrand::Rng::new();
        let begin = at(first).timestamp();
        set(begin);
        let mut workers: Vec<Process> = (0..5).map(|_| start()).collect();
        eventually("all entries have begun", || {
            env.redis::<bool>(&["HEXISTS", &env.key("cron_entry:minutes"), "last"]) && count("intervals") == 1
        });
        let mut minute = 0;
        while minute < 25 * 60 {
            // At times no program runs for a while.
            let outage = if dice.u32(0..100) == 0 { dice.usize(2..20) } else { 0 };
            let killed = if outage > 0 { 5 } else { usize::from(dice.u32(0..25) == 0) };
            minute += 1 + outage;
            set(begin + minute as i64 * 60);
            for _ in 0..killed {
                let worker = workers.remove(dice.usize(0..workers.len()));
                worker.signal("KILL");
                workers.push(start());
            }
            eventually("each minute has its job", || count("minutes") >= minute);
        }
        eventually("the intervals have their jobs", || count("intervals") > minute / 7);
        env.redis::<()>(&["DEL", &now]);
        workers.into_iter().for_each(|worker| drop(worker.finish("")));
        let counts: BTreeMap<&str, usize> =
            ["minutes", "nights", "intervals"].map(|queue| (queue, count(queue))).into();
        let expected =
            BTreeMap::from([("minutes", minute), ("nights", nights), ("intervals", 1 + minute / 7)]);
        assert_eq!(counts, expected, "{first}");
    }
}

const ENTRIES: &str = r#"
[handlers.report]
exec = "cat"

[[cron]]
name = "often"
schedule = "every 1h"
handler = "report"
args = ["all", 1, { a = [true] }]
queue = "low"
meta = { who = "cron" }

[[cron]]
name = "nightly"
schedule = "30 3 * * mon-fri"
tz = "Europe/Berlin"
handler = "report"
kwargs = { dry_run = false }
timeout = "10m"
retry-max = 3

[[cron]]
name = "bad"
schedule = "30 25 * * *"
handler = "report"
"#;

#[test]
fn entries_of_a_file_run_in_a_worker_and_are_listed() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(ENTRIES);
    let told = env.cli(&["--config", &path, "worker", "low"]).expect_failure(2);
    assert!(told.contains("rq-rs.toml:22: cron entry \"bad\"") && told.contains("--cron-lenient"), "{told}");
    assert!(env.cli(&["cron", &path]).expect_failure(2).contains("rq-rs.toml:22"));
    let mut worker = env.start(&["--config", &path, "worker", "low", "--cron-lenient"]);
    worker.wait_for_stderr("rq-rs.toml:22: cron entry \"bad\"");
    worker.wait_for_stderr("cron often: enqueued");
    eventually("its job has finished", || {
        env.cli(&["cron", "history", "often", "--json"]).json()[0]["status"] == "finished"
    });

    let list = env.cli(&["cron", "list", "--json"]).json();
    assert_eq!((list[0]["name"].as_str(), list[1]["name"].as_str()), (Some("nightly"), Some("often")));
    assert_eq!(list[0]["kwargs"], serde_json::json!({"dry_run": false}));
    assert_eq!(
        (&list[0]["last"], &list[0]["paused"], &list[0]["schedulers"]),
        (&serde_json::Value::Null, &false.into(), &1.into())
    );
    let next = list[0]["next"].as_str().unwrap();
    assert!(next.ends_with("T01:30:00Z") || next.ends_with("T02:30:00Z"), "{next}");
    assert!(env.cli(&["cron", "list"]).ok().contains("Europe/Berlin"));

    let history = env.cli(&["cron", "history", "often", "--json"]).json();
    assert_eq!(history[0]["status"], "finished");
    let job = env.queue("low").job(history[0]["id"].as_str().unwrap()).unwrap();
    assert_eq!((job.args[1].clone(), job.meta["who"].clone()), (1.into(), "cron".into()));
    assert!(env.cli(&["cron", "history", "nightly"]).ok().contains("No jobs yet"));

    let id = env.cli(&["cron", "run", "nightly"]).ok();
    let job = env.queue("default").job(id.trim()).unwrap();
    assert_eq!(
        (job.timeout, job.retries_left, job.kwargs["dry_run"].clone()),
        (Some(600), Some(3), false.into())
    );
    assert_eq!(env.cli(&["cron", "history", "nightly", "--json"]).json()[0]["id"], id.trim());

    for command in ["run", "pause", "resume", "history"] {
        assert!(
            env.cli(&["cron", command, "nobody"]).expect_failure(1).contains("there are: nightly, often")
        );
    }
    worker.signal("TERM");
    worker.finish("").ok();
    assert!(env.cli(&["cron", "list"]).ok().contains("No worker has cron entries now"));
}

#[test]
fn a_paused_entry_skips_its_ticks() {
    let env = TestEnv::new();
    let mut clock = clock(&env, entry("* * * * *").catchup(Catchup::All));
    assert_eq!(brings(&mut clock, &["2026-03-01T03:30:00Z", "2026-03-01T03:31:00Z"]), [0, 1]);
    env.redis::<()>(&["HSET", &env.key("cron_entry:entry"), "paused", "1"]);
    assert_eq!(brings(&mut clock, &["2026-03-01T03:33:00Z"]), [0]);
    env.redis::<()>(&["HDEL", &env.key("cron_entry:entry"), "paused"]);
    assert_eq!(brings(&mut clock, &["2026-03-01T03:33:30Z", "2026-03-01T03:34:00Z"]), [0, 1]);
}

#[test]
fn entries_are_paused_for_all_workers_by_name() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(ENTRIES);
    let mut scheduler = env.start(&["cron", &path, "--cron-lenient"]);
    scheduler.wait_for_stderr("schedules 2 cron entries");
    scheduler.wait_for_stderr("cron often: enqueued");
    env.cli(&["cron", "pause", "often"]).ok();
    assert!(env.cli(&["cron", "list"]).ok().contains("paused"));
    env.cli(&["cron", "resume", "often"]).ok();
    assert!(!env.cli(&["cron", "list"]).ok().contains("paused"));
    // An entry whose last tick is in the future, by a wrong clock, recovers.
    env.redis::<i64>(&["HSET", &env.key("cron_entry:often"), "last", "9000000000"]);
    env.cli(&["cron", "resume", "often"]).ok();
    assert!(!env.redis::<bool>(&["HEXISTS", &env.key("cron_entry:often"), "last"]));
    // This worker runs no jobs itself.
    assert_eq!(env.queue("low").count().unwrap(), 1);
    scheduler.signal("TERM");
    scheduler.finish("").ok();
}

#[test]
fn a_file_without_a_valid_entry_is_refused() {
    let env = TestEnv::new();
    let (_folder, path) = options_file(&format!("url = \"redis://127.0.0.1:1\"\n{ENTRIES}"));
    let environment: Vec<_> =
        env.environment().into_iter().filter(|(name, _)| name != "RQ_REDIS_URL").collect();
    let told = Process::start(&["cron", &path, "--cron-lenient"], &environment).finish("").expect_failure(1);
    assert!(told.contains("127.0.0.1:1"), "the file says where Redis is: {told}");
    for text in ["", "[[cron]]\nname = \"x\"\n", "[[cron]]\nnmae = \"x\"\n"] {
        let (_folder, path) = options_file(text);
        env.cli(&["cron", &path]).expect_failure(2);
    }
    assert!(env.cli(&["cron", "/no/such/file"]).expect_failure(2).contains("/no/such/file"));
}
