//! Lists of jobs of any size and content: memory, what is left out, and the notes that say so.

use std::process::Command;

use serde_json::json;

use crate::support::{DashboardProcess, Output, Process, TestEnv, eventually};

/// Memory limit of a list, in KiB.
const MOST: u64 = 64 * 1024;

/// A payload compressed by Python.
fn compressed(expression: &str) -> Vec<u8> {
    let script = format!("import sys, zlib, pickle; sys.stdout.buffer.write(zlib.compress({expression}))");
    let output = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Puts jobs with these fields into a registry, without rq-rs.
fn put(env: &TestEnv, registry: &str, ids: &[String], fields: &[(&str, &[u8])]) {
    let mut connection = redis::Client::open(env.url()).unwrap().get_connection().unwrap();
    redis::cmd("SADD").arg(env.key("queues")).arg(env.key("queue:default")).exec(&mut connection).unwrap();
    for (n, id) in ids.iter().enumerate() {
        let mut call = redis::cmd("HSET");
        call.arg(env.key(&format!("job:{id}")));
        call.arg("origin").arg("default");
        for (name, value) in fields {
            call.arg(name).arg(*value);
        }
        call.exec(&mut connection).unwrap();
        let member = if registry == "wip" { format!("{id}:x") } else { id.clone() };
        let score = 4_000_000_000_u64 + n as u64;
        redis::cmd("ZADD")
            .arg(env.key(&format!("{registry}:default")))
            .arg(score)
            .arg(member)
            .exec(&mut connection)
            .unwrap();
    }
}

fn ids(kind: &str, many: usize) -> Vec<String> {
    (0..many).map(|n| format!("{kind}-{n}")).collect()
}

/// Runs `rq-rs ARGS…`; returns its output and peak memory in KiB.
fn measured(env: &TestEnv, words: &[&str]) -> (Output, u64) {
    let script = "import resource, subprocess, sys\n\
        code = subprocess.run(sys.argv[1:]).returncode\n\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n\
        sys.exit(code)";
    let mut command = Command::new("python3");
    command.args(["-c", script, env!("CARGO_BIN_EXE_rq-rs")]).args(words);
    let output = Process::spawn(command, &env.environment()).finish("");
    let peak = output.stderr.lines().last().unwrap().parse().unwrap();
    (output, peak)
}

/// Peak memory of a process, in KiB.
fn peak_of(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Two pages of the worst records, and fifty honest jobs of a megabyte.
fn fill(env: &TestEnv) {
    let bomb = compressed(r#"b'["mark", null, [' + b'1,' * 6_999_999 + b'1], {}]'"#);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    put(env, "failed", &ids("bomb", 50), &[("data", &bomb), ("status", b"failed"), ("exc_info", b"boom")]);
    let honest = format!("[\"mark\", null, [\"{}\"], {{}}]", "x".repeat(1 << 20));
    put(env, "failed", &ids("honest", 50), &[("data", honest.as_bytes()), ("status", b"failed")]);
    let numbers = format!("[\"mark\", null, [[{}1]], {{}}]", "1,".repeat(1 << 19));
    put(env, "failed", &ids("numbers", 50), &[("data", numbers.as_bytes()), ("status", b"failed")]);
    let doubling = compressed(r"b'\x80\x04(\x8c\x04mark\x94N(]\x94' + b'2\x86\x94' * 18 + b't}t.'");
    put(env, "failed", &ids("doubling", 50), &[("data", &doubling), ("status", b"failed")]);
    let maps = format!("[{}1]", "{\"\":0},".repeat(36_000));
    let payload = format!("[\"mark\", null, {maps}, {{}}]");
    let twice = [("data", payload.as_bytes()), ("result", maps.as_bytes()), ("status", b"failed")];
    put(env, "failed", &ids("maps", 20), &twice);
    let large = vec![b'7'; 2 << 20];
    let of_text = ["description", "exc_info", "worker_name", "meta", "result", "timeout", "other", "log"];
    let mut fields: Vec<(&str, &[u8])> = of_text.iter().map(|name| (*name, large.as_slice())).collect();
    fields.extend([("data", br#"["mark", null, [1], {}]"#.as_slice()), ("status", b"failed")]);
    put(env, "failed", &ids("text", 20), &fields);
    *fields.last_mut().unwrap() = ("status", b"started");
    put(env, "wip", &ids("run", 20), &fields);
    put(env, "cron_job", &[], &[]);
    // RQ keeps results of the last run; the native dialect has none.
    let result = "QUFB".repeat(1 << 19);
    for id in ids("text", 20) {
        let key = env.key(&format!("results:{id}"));
        env.redis::<String>(&["XADD", &key, "*", "type", "2", "exc_string", &result]);
        env.redis::<String>(&[
            "XADD",
            &key,
            "*",
            "type",
            "2",
            "exc_string",
            &result,
            "return_value",
            &result,
        ]);
    }
    for id in ids("bomb", 50).iter().chain(&ids("text", 20)) {
        env.redis::<i64>(&["ZADD", &env.key("cron_job:entry:jobs"), "1", id]);
    }
    fill_cron(env);
    env.redis::<i64>(&["SADD", &env.key("workers"), &env.key("worker:large")]);
    for field in ["queues", "hostname", "version", "current_job"] {
        let mut connection = redis::Client::open(env.url()).unwrap().get_connection().unwrap();
        redis::cmd("HSET").arg(env.key("worker:large")).arg(field).arg(&large).exec(&mut connection).unwrap();
    }
}

/// More entries than a list shows, each of the largest size.
fn fill_cron(env: &TestEnv) {
    let now: (String, String) = env.redis(&["TIME"]);
    let entry = |name: String, args: String| {
        json!({
            "func_name": "f", "name": name, "queue_name": "q", "args": args, "kwargs": "{}", "interval": 60,
            "cron": null, "latest_enqueue_time": null, "next_enqueue_time": null,
        })
    };
    let ones = |many: usize| format!("[{}1]", "1,".repeat(many));
    let large = (0..40).map(|n| entry(format!("large-{n}"), ones(30_000)));
    let small = (0..60_000).map(|n| entry(format!("small-{n}"), "[]".to_owned()));
    let jobs = serde_json::Value::from(large.chain(small).collect::<Vec<_>>()).to_string();
    assert!(jobs.len() > 8 << 20);
    env.redis::<()>(&["ZADD", &env.key("cron_schedulers"), &now.0, "large"]);
    env.redis::<()>(&["HSET", &env.key("cron_scheduler:large"), "cron_jobs", &jobs]);
}

#[test]
fn no_list_needs_more_than_64_mib_whatever_is_in_its_records() {
    let env = TestEnv::with_own_redis(&[]);
    fill(&env);
    for words in [
        vec!["failed", "--limit", "1000"],
        vec!["failed", "--json"],
        vec!["cron", "history", "entry", "--json"],
        vec!["info", "--json"],
        vec!["requeue", "bomb-49", "honest-49", "text-19"],
    ] {
        let (output, peak) = measured(&env, &words);
        assert_eq!(output.code, Some(0), "{words:?}: {}", output.stderr);
        assert!(peak < MOST, "{words:?}: {peak} KiB");
    }
    let (output, peak) = measured(&env, &["cron", "list", "--json"]);
    assert!(output.code == Some(1) && peak < MOST, "{peak} KiB: {}", output.stderr);
    let dashboard = DashboardProcess::start(&env, &[]);
    for path in [
        "/api/queues/default/failed?limit=200",
        "/api/queues/default/failed?text=nothing",
        "/api/queues/default/failed/count?error=boom",
        "/api/queues/default/started",
        "/api/failed",
        "/api/workers",
        "/api/overview",
        "/api/cron",
        "/api/cron/entry/history",
        "/api/jobs/bomb-1",
        "/api/jobs/honest-1",
        "/api/jobs/numbers-1",
        "/api/jobs/doubling-1",
        "/api/jobs/maps-1",
        "/api/jobs/text-1",
    ] {
        let answer = dashboard.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.len() < 4 << 20, "{path}: {} bytes", answer.body.len());
        assert!(peak_of(&dashboard.process) < MOST, "{path}: {} KiB", peak_of(&dashboard.process));
    }
    for (path, body) in [
        ("/api/queues/default/failed/requeue", json!({"all": true, "error": "boom"})),
        ("/api/queues/default/failed/delete", json!({"ids": ids("numbers", 50)})),
        ("/api/jobs/bomb-48/cancel", json!({})),
        ("/api/queues/default/queued/cancel", json!({"all": true})),
    ] {
        assert_eq!(dashboard.post(path, &body).status, 200, "{path}");
    }
    assert!(peak_of(&dashboard.process) < MOST, "{} KiB", peak_of(&dashboard.process));
}

/// Writes the record of a worker with this many queues, as the worker does.
fn listens(env: &TestEnv, worker: &str, queues: usize) -> Vec<String> {
    let names: Vec<String> = (0..queues).map(|n| format!("queue-of-a-long-name-{n:06}")).collect();
    let key = env.key(&format!("worker:{worker}"));
    env.redis::<i64>(&["SADD", &env.key("workers"), &key]);
    env.redis::<i64>(&["HSET", &key, "state", "idle", "queues", &names.join(",")]);
    names
}

#[test]
fn a_worker_of_many_queues_is_listed_for_each() {
    let env = TestEnv::new();
    let names = listens(&env, "many", 250);
    let (last, other) = (names.last().unwrap(), "nobody");
    let jobs = [last, other].map(|queue| env.queue(queue).enqueue("noop", ()).unwrap());
    let shot = env.cli(&["info", "--json"]).json();
    assert_eq!(
        (&shot["workers"][0]["queues"], &shot["workers"][0]["queues_cut"]),
        (&json!(names), &json!(false))
    );
    let of =
        |name: &str| shot["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == name).unwrap();
    assert_eq!((&of(last)["workers"], &of(other)["workers"]), (&json!(1), &json!(0)));
    let warnings = shot["warnings"].as_array().unwrap();
    let none: Vec<_> = warnings.iter().filter(|note| note["code"] == "no_worker").collect();
    assert!(none.len() == 1 && none[0]["queue"] == other, "{warnings:?}");
    let why = jobs.map(|job| env.cli(&["job", "explain", job.id()]).ok());
    assert!(!why[0].contains("No worker") && why[1].contains("No worker"), "{why:?}");
}

#[test]
fn a_worker_with_more_queues_than_are_read_may_listen_to_any() {
    let env = TestEnv::new();
    let names = listens(&env, "endless", 30_000);
    let job = env.queue(names.last().unwrap()).enqueue("noop", ()).unwrap();
    let shot = env.cli(&["info", "--json"]).json();
    let shown = shot["workers"][0]["queues"].as_array().unwrap();
    assert_eq!(shot["workers"][0]["queues_cut"], json!(true));
    assert!(shown.len() > 10_000 && shown.iter().zip(&names).all(|(name, one)| name == one));
    assert!(!shot["warnings"].to_string().contains("no_worker"), "{}", shot["warnings"]);
    assert!(!env.cli(&["job", "explain", job.id()]).ok().contains("No worker"));
    let info = env.cli(&["info", names.last().unwrap(), "--raw"]).ok();
    assert!(info.contains("worker endless") && info.trim_end().ends_with(", …"), "{}", info.len());
}

#[test]
fn a_row_names_handler_description_and_error_of_a_job_of_any_size() {
    let env = TestEnv::with_own_redis(&[]);
    fill(&env);
    let rows =
        DashboardProcess::start(&env, &[]).get("/api/queues/default/failed?limit=200&order=oldest").json();
    let row = |id: &str| rows["jobs"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    for id in ["bomb-3", "honest-3", "numbers-3", "doubling-3"] {
        assert_eq!((&row(id)["handler"], &row(id)["status"]), (&json!("mark"), &json!("failed")), "{id}");
    }
    assert_eq!(row("bomb-3")["error"], "boom");
    assert!(row("bomb-3")["description"].as_str().unwrap().starts_with("mark(1,1,1"), "{}", row("bomb-3"));
    assert!(
        row("honest-3")["description"].as_str().unwrap().starts_with("mark(\"xxx"),
        "{}",
        row("honest-3")
    );
    let all = env.cli(&["failed", "--json"]).json();
    let job = |id: &str| all.as_array().unwrap().iter().find(|job| job["id"] == id).unwrap().clone();
    assert_eq!(all.as_array().unwrap().len(), 240);
    for id in ["bomb-3", "honest-3", "numbers-3", "doubling-3"] {
        assert_eq!(
            (&job(id)["handler"], &job(id)["cut"]),
            (&json!("mark"), &json!(["args", "kwargs"])),
            "{id}"
        );
    }
    let cut = job("text-3")["cut"].clone();
    assert_eq!(cut, json!(["description", "exc_info", "log", "meta", "other", "result", "worker_name"]));
}

#[test]
fn a_table_that_is_cut_says_so_and_json_is_all_of_it() {
    let env = TestEnv::new();
    put(&env, "failed", &ids("job", 121), &[("data", br#"["f", null, [], {}]"#), ("status", b"failed")]);
    let table = env.cli(&["failed"]);
    assert!(table.stdout.trim_end().ends_with("50 of 121 failed jobs"), "{table:?}");
    assert!(
        table.stderr.contains("note: 71 more; `rq-rs failed --offset 50` shows the next ones"),
        "{table:?}"
    );
    let rest = env.cli(&["failed", "default", "--offset", "50", "--limit", "70"]);
    assert!(rest.stderr.contains("1 more; `rq-rs failed default --offset 120 --limit 70`"), "{rest:?}");
    let last = env.cli(&["failed", "default", "--offset", "120", "--limit", "70"]);
    assert_eq!((last.stderr.as_str(), last.stdout.contains("job-120")), ("", true));
    let all = env.cli(&["failed", "--json"]);
    assert_eq!((all.stderr.as_str(), all.stdout_json().as_array().unwrap().len()), ("", 121));
    let some = env.cli(&["failed", "--json", "--limit", "3", "--offset", "2"]);
    assert!(some.stderr.contains("116 more; `rq-rs failed --offset 5 --limit 3 --json`"), "{some:?}");
    assert_eq!(some.stdout_json()[0]["id"], "job-2");
    for words in [vec!["failed", "--limit", "0"], vec!["cron", "history", "x", "--limit", "0"]] {
        let refused = env.cli(&words);
        assert!(refused.code == Some(2) && refused.stderr.contains("from 1 on"), "{refused:?}");
    }
    let text: String = all
        .stdout_json()
        .as_array()
        .unwrap()
        .iter()
        .map(|job| format!("{}\n", job["id"].as_str().unwrap()))
        .collect();
    assert_eq!(env.cli_with_input(&["requeue", "-"], &text).ok(), "121 jobs requeued.");
    assert_eq!(env.queue("default").failed().count(), Ok(0));
    assert_eq!(env.cli(&["failed", "--json"]).ok(), "[]");
}

#[test]
fn the_history_of_a_cron_entry_says_when_there_is_more() {
    let env = TestEnv::new();
    for n in 0..30 {
        env.redis::<i64>(&["ZADD", &env.key("cron_job:entry:jobs"), &n.to_string(), &format!("job-{n}")]);
    }
    let table = env.cli(&["cron", "history", "entry"]);
    assert!(table.stderr.contains("10 more; `rq-rs cron history entry --limit 30`"), "{table:?}");
    let all = env.cli(&["cron", "history", "entry", "--json"]);
    assert_eq!((all.stderr.as_str(), all.stdout_json().as_array().unwrap().len()), ("", 30));
}

/// An environment in which some keys have another type.
fn with_odd_keys() -> TestEnv {
    let env = TestEnv::new();
    put(&env, "failed", &ids("good", 3), &[("data", br#"["f", null, [], {}]"#), ("status", b"failed")]);
    for name in ["taken", "zz"] {
        env.redis::<i64>(&["SADD", &env.key("queues"), &env.key(&format!("queue:{name}"))]);
    }
    env.redis::<()>(&["SET", &env.key("failed:taken"), "x"]);
    env.redis::<()>(&["SET", &env.key("scheduled:taken"), "x"]);
    env.redis::<()>(&["SET", &env.key("queue:zz"), "x"]);
    env
}

#[test]
fn a_key_of_another_type_is_named_and_the_others_are_shown() {
    let env = with_odd_keys();
    let odd = env.key("failed:taken");
    for (words, part) in [
        (vec!["failed"], "3 of 3 failed jobs"),
        (vec!["failed", "--json"], "good-2"),
        (vec!["info"], "default"),
        (vec!["info", "--json"], "default"),
        (vec!["metrics"], "rq_jobs{queue=\"default\",status=\"failed\"} 3"),
        (vec!["requeue", "--all"], "3 jobs requeued."),
    ] {
        let output = env.cli(&words);
        assert_eq!(output.code, Some(1), "{words:?}: {output:?}");
        assert!(output.stdout.contains(part) && output.stderr.contains(&odd), "{words:?}: {output:?}");
    }
    env.redis::<()>(&["SET", &env.key("job:taken"), "x"]);
    for verb in ["cancel", "enqueue", "stop"] {
        let output = env.cli(&["job", verb, "taken", "none"]);
        assert!(
            output.code == Some(1) && output.stderr.contains("no job with id none"),
            "{verb}: {output:?}"
        );
    }
    let requeued = env.cli(&["requeue", "taken", "none"]);
    assert!(requeued.code == Some(1) && requeued.stderr.contains("no job with id none"), "{requeued:?}");
    let emptied = env.cli(&["empty", "--all"]);
    assert_eq!(emptied.code, Some(1));
    assert!(emptied.stdout.contains("3 jobs removed from default"), "{emptied:?}");
    assert!(emptied.stderr.contains(&env.key("queue:zz")), "{emptied:?}");
}

#[test]
fn a_failed_job_whose_key_is_of_another_type_is_named() {
    let env = TestEnv::new();
    put(&env, "failed", &ids("good", 2), &[("data", br#"["f", null, [], {}]"#), ("status", b"failed")]);
    env.redis::<i64>(&["ZADD", &env.key("failed:default"), "1", "taken"]);
    env.redis::<i64>(&["ZADD", &env.key("cron_job:entry:jobs"), "1", "taken"]);
    env.redis::<()>(&["SET", &env.key("job:taken"), "x"]);
    for words in [vec!["failed"], vec!["failed", "--json"], vec!["cron", "history", "entry"]] {
        let output = env.cli(&words);
        assert_eq!(output.code, Some(1), "{words:?}: {output:?}");
        assert!(output.stderr.contains(&env.key("job:taken")), "{words:?}: {output:?}");
        assert!(!output.stderr.contains("no job with id"), "{words:?}: {output:?}");
    }
    let some = env.cli(&["requeue", "good-0", "taken"]);
    assert!(some.code == Some(1) && some.stdout.contains("1 job requeued"), "{some:?}");
    assert!(some.stderr.contains("job taken: ") && some.stderr.contains(&env.key("job:taken")), "{some:?}");
    let cancel = env.cli(&["job", "cancel", "taken"]).expect_failure(1);
    assert!(cancel.contains(&env.key("job:taken")), "{cancel}");
}

#[test]
fn requeueing_all_keeps_and_names_jobs_whose_keys_have_another_type() {
    let env = with_odd_keys();
    env.redis::<i64>(&["ZADD", &env.key("failed:default"), "1", "taken"]);
    env.redis::<()>(&["SET", &env.key("job:taken"), "x"]);
    // This queue's failed registry is in order, but its list has another type.
    env.redis::<i64>(&["ZADD", &env.key("failed:zz"), "1", "waits"]);
    let output = env.cli(&["requeue", "--all"]);
    assert!(output.code == Some(1) && output.stdout.contains("3 jobs requeued."), "{output:?}");
    for key in ["failed:taken", "job:taken", "queue:zz"] {
        assert!(output.stderr.contains(&env.key(key)), "{key}: {output:?}");
    }
    assert!(!output.stderr.contains(&env.key("queue:taken")), "{output:?}");
    assert!(!output.stderr.contains("has expired"), "{output:?}");
    for (key, id) in [("failed:default", "taken"), ("failed:zz", "waits")] {
        assert_eq!(env.redis::<Vec<String>>(&["ZRANGE", &env.key(key), "0", "-1"]), [id]);
    }
}

#[test]
fn the_page_names_keys_of_another_type_and_503_means_that_redis_is_away() {
    let env = with_odd_keys();
    let dashboard = DashboardProcess::start(&env, &[]);
    let odd = json!([env.key("failed:taken")]);
    let groups = dashboard.get("/api/failed").json();
    assert_eq!((&groups["total"], &groups["odd_keys"]), (&json!(3), &odd));
    let page = dashboard.get("/api/queues/taken/failed").json();
    assert_eq!((&page["total"], &page["odd_keys"]), (&json!(0), &odd));
    assert_eq!(dashboard.get("/api/scheduled").json()["odd_keys"], json!([env.key("scheduled:taken")]));
    let overview = dashboard.get("/api/overview").json();
    assert_eq!(overview["odd_keys"].as_array().unwrap().len(), 3);
    let warned = overview["warnings"].as_array().unwrap().iter().filter(|note| note["code"] == "odd_key");
    assert_eq!(warned.count(), 3);
    assert_eq!(dashboard.post("/api/queues/taken/failed/requeue", &json!({"all": true})).json()["done"], 0);
    env.redis::<()>(&["SET", &env.key("job:taken"), "x"]);
    assert_eq!(dashboard.get("/api/jobs/taken").status, 409);
    for key in
        ["queues", "workers", "suspended_queues", "cron_schedulers", "cron_job:x:jobs", "stats:queue:default"]
    {
        env.redis::<()>(&["DEL", &env.key(key)]);
        env.redis::<()>(&["SET", &env.key(key), "x"]);
    }
    for path in [
        "/api/overview",
        "/api/failed",
        "/api/workers",
        "/api/scheduled",
        "/api/cron",
        "/api/cron/x/history",
        "/api/metrics",
        "/metrics",
        "/api/queues/default/failed",
    ] {
        assert_eq!(dashboard.get(path).status, 200, "{path}");
    }
    for words in [
        vec!["info"],
        vec!["failed"],
        vec!["requeue", "--all"],
        vec!["cron", "list"],
        vec!["cron", "history", "x"],
        vec!["metrics"],
    ] {
        let output = env.cli(&words);
        assert_eq!(
            (output.code, output.stderr.contains("is of another type")),
            (Some(1), true),
            "{words:?}: {output:?}"
        );
    }
}

#[test]
fn a_queue_name_that_only_python_allows_is_listed_requeued_and_worked() {
    let env = TestEnv::new();
    let job = env.queue("plain").enqueue("echo", "hello").unwrap().id().to_owned();
    env.redis::<i64>(&["SADD", &env.key("queues"), &env.key("queue:a b/c")]);
    env.redis::<i64>(&["HSET", &env.key(&format!("job:{job}")), "origin", "a b/c", "status", "failed"]);
    env.redis::<i64>(&["DEL", &env.key("queue:plain")]);
    env.redis::<i64>(&["ZADD", &env.key("failed:a b/c"), "4000000000", &job]);
    let failed = env.cli(&["failed"]).ok();
    assert!(failed.contains("a b/c") && failed.contains(&job), "{failed}");
    assert!(env.cli(&["failed", "a b/c"]).ok().contains("1 of 1 failed job"));
    env.redis::<i64>(&["ZADD", &env.key("failed:a b/c"), "4000000001", "gone"]);
    let first = env.cli(&["failed", "a b/c", "--limit", "1"]);
    assert!(first.stderr.contains("1 more; `rq-rs failed 'a b/c' --offset 1 --limit 1`"), "{first:?}");
    env.redis::<i64>(&["ZREM", &env.key("failed:a b/c"), "gone"]);
    assert_eq!(env.cli(&["failed", "x y"]).code, Some(2));
    let dashboard = DashboardProcess::start(&env, &[]);
    assert_eq!(dashboard.get("/api/failed").json()["groups"][0]["queue"], "a b/c");
    let page = dashboard.get("/api/queues/a%20b%2Fc/failed").json();
    assert_eq!((&page["total"], &page["jobs"][0]["id"]), (&json!(1), &json!(job)));
    assert_eq!(dashboard.get("/api/overview?queue=a%20b%2Fc").json()["queues"][0]["failed"], 1);
    assert_eq!(dashboard.get("/api/queues/x%20y/failed").status, 400);
    assert_eq!(env.cli(&["requeue", "--all"]).ok(), "1 job requeued.");
    assert_eq!(env.cli(&["info", "a b/c", "--json"]).json()["queues"][0]["queued"], 1);
    let log = env.cli(&["worker", "a b/c", "--burst", "--exec", "*=cat"]);
    assert_eq!(log.code, Some(0), "{log:?}");
    assert_eq!(env.queue("plain").job(&job).unwrap().status, rq_rs::Status::Finished);
    // No program makes such a name.
    assert_eq!(env.cli(&["enqueue", "f", "-q", "a b/c"]).code, Some(2));
    assert_eq!(env.cli(&["worker", "x y", "--burst", "--exec", "*=cat"]).code, Some(2));
}

#[test]
fn ids_that_only_python_allows_can_be_opened_and_acted_on() {
    let env = TestEnv::new();
    let names = ["a b", "x/y", "ünï?#%", "re:port"].map(str::to_owned);
    put(&env, "failed", &names, &[("data", br#"["f", null, [], {}]"#), ("status", b"failed")]);
    let dashboard = DashboardProcess::start(&env, &[]);
    for (id, path) in names.iter().zip(["a%20b", "x%2Fy", "%C3%BCn%C3%AF%3F%23%25", "re%3Aport"]) {
        assert_eq!(dashboard.get(&format!("/api/jobs/{path}")).json()["id"], json!(id));
        assert!(env.cli(&["job", "show", id]).ok().contains("failed"), "{id}");
        assert_eq!(dashboard.post(&format!("/api/jobs/{path}/requeue"), &json!({})).status, 200, "{id}");
        assert_eq!(env.cli(&["job", "delete", id]).ok(), format!("{id} deleted"));
        assert_eq!(dashboard.get(&format!("/api/jobs/{path}")).status, 404);
    }
    env.redis::<i64>(&["SADD", &env.key("job:good:dependents"), "x"]);
    for words in [vec!["job", "delete", "good:dependents"], vec!["job", "show", "good:dependents"]] {
        assert!(env.cli(&words).code != Some(0), "{words:?}");
    }
    assert!(env.redis::<bool>(&["EXISTS", &env.key("job:good:dependents")]));
    assert_eq!(env.cli(&["enqueue", "f", "--job-id", "a b"]).code, Some(2));
}

#[test]
fn failures_that_differ_in_ids_and_numbers_are_one_group_and_are_requeued_together() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    for n in 0..7 {
        let why = format!("no row 0x{n:04x} for 'user{n}' in {}.5 s at 10.0.0.{n}:80", n * n * n);
        queue.enqueue("fail", why).unwrap();
    }
    queue.enqueue("fail", "something else").unwrap();
    env.drain(env.worker(&["default"]));
    let dashboard = DashboardProcess::start(&env, &[]);
    let groups = dashboard.get("/api/failed").json()["groups"].clone();
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["count"]), (2, &json!(7)));
    assert_eq!(groups[0]["kind"], "fail failed: no row # for '…' in # s at #");
    assert!(groups[0]["error"].as_str().unwrap().starts_with("fail failed: no row 0x"), "{groups}");
    for error in [&groups[0]["kind"], &groups[0]["error"]] {
        let text: String = error.as_str().unwrap().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/queues/default/failed?exact=true&handler=fail&error={text}");
        assert_eq!(dashboard.get(&path).json()["jobs"].as_array().unwrap().len(), 7);
    }
    let filter = json!({"all": true, "handler": "fail", "error": groups[0]["kind"], "exact": true});
    assert_eq!(dashboard.post("/api/queues/default/failed/requeue", &filter).json()["done"], 7);
    assert_eq!(queue.failed().count(), Ok(1));
}

#[test]
fn the_error_line_is_the_same_everywhere() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let traceback = "import sys; print('out', file=sys.stderr); d = {}; d['missing']";
    let panic = "echo \"thread 'main' (7) panicked at src/main.rs:2:5:\" >&2; echo 'boom 7' >&2; echo 'note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace' >&2; exit 101";
    let (folder, path) = crate::support::options_file(&format!(
        "[handlers.python]\nexec = \"python3 -c {}\"\n[handlers.rust]\nexec = \"sh {}\"\n[handlers.server]\nexec-server = \"sh {}\"\n",
        "broken.py", "panic.sh", "server.sh"
    ));
    let place = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(place("broken.py"), traceback).unwrap();
    std::fs::write(place("panic.sh"), panic).unwrap();
    let answer = r#"{"error": "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nValueError: wrong\nmore"}"#;
    std::fs::write(place("answer"), answer.to_owned() + "\n").unwrap();
    std::fs::write(place("server.sh"), format!("while read job; do cat {}; done", place("answer"))).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("python3 -c broken.py", &format!("python3 {}", place("broken.py")));
    let text = text.replace("sh panic.sh", &format!("sh {}", place("panic.sh")));
    std::fs::write(&path, text.replace("sh server.sh", &format!("sh {}", place("server.sh")))).unwrap();
    for name in ["python", "rust", "server"] {
        queue.enqueue(name, ()).unwrap();
    }
    let log = env.cli(&["worker", "--burst", "--config", &path, "-c", "1"]).stderr;
    let list = env.cli(&["failed"]).ok();
    let page = DashboardProcess::start(&env, &[]).get("/api/queues/default/failed").body;
    for part in ["KeyError: 'missing'", "boom 7", "ValueError: wrong"] {
        assert!(log.contains(part), "no {part} in the log: {log}");
        assert!(list.contains(part), "no {part} in the list: {list}");
        assert!(page.contains(part), "no {part} on the page: {page}");
    }
    assert!(!list.contains("RUST_BACKTRACE") && !list.contains("Traceback"), "{list}");
    eventually("the attempts say so", || {
        queue
            .failed()
            .ids(0, 9)
            .unwrap()
            .iter()
            .all(|id| !queue.job(id).unwrap().attempts.iter().any(|one| one.error.contains("Traceback")))
    });
}
