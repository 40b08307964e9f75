//! Outages of Redis of each kind, and the worker's behaviour in each.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rq_rs::{Context, Cron, Event, NewJob, Retry, Status, Worker};

use crate::support::{Fault, Gate, Process, Proxy, RunningWorker, TestEnv, eventually};

const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn gate_worker(env: &TestEnv, gate: &Gate) -> Worker {
    let inside = gate.clone();
    env.worker(&["default"]).handler("gate", move |_: &Context, (): ()| {
        inside.wait();
        Ok("through")
    })
}

fn wait_for_disconnect(running_worker: &RunningWorker) {
    running_worker.wait_for_event("trouble", |event| matches!(event, Event::Trouble { .. }));
}

fn wait_for_reconnect(running_worker: &RunningWorker) {
    running_worker.wait_for_event("Redis back", |event| *event == Event::Back);
}

/// Checks that the worker works: it runs a job.
fn check_that_it_runs_a_job(env: &TestEnv, running_worker: &RunningWorker) {
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_finish(job.id());
}

#[test]
fn an_idle_worker_survives_a_restart_of_redis() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_until_idle();
    env.server().kill();
    wait_for_disconnect(&running_worker);
    env.server().launch();
    wait_for_reconnect(&running_worker);
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn a_job_that_ends_while_redis_restarts_is_completed_afterwards() {
    let (env, gate) = (TestEnv::with_own_redis(&DURABLE), Gate::default());
    let running_worker = RunningWorker::start(gate_worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    env.server().kill();
    gate.open();
    wait_for_disconnect(&running_worker);
    env.server().launch();
    running_worker.wait_for_finish(job.id());
    let job = env.queue("default").job(job.id()).unwrap();
    assert_eq!((job.returned::<String>(), job.deliveries), (Ok("through".into()), 1));
    assert_eq!(running_worker.stop().stale, 0);
}

#[test]
fn a_worker_survives_a_redis_that_lost_its_data() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).name("w1").lease(Duration::from_secs(1)));
    running_worker.wait_until_idle();
    env.server().kill();
    env.server().forget_data();
    env.server().launch();
    check_that_it_runs_a_job(&env, &running_worker);
    eventually("the worker is registered again", || env.redis::<bool>(&["EXISTS", &env.key("worker:w1")]));
    running_worker.stop();
}

#[test]
fn a_worker_survives_a_redis_that_stops_answering() {
    let (env, gate) = (TestEnv::with_own_redis(&[]), Gate::default());
    let running_worker = RunningWorker::start(gate_worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    env.server().signal("STOP");
    gate.open();
    running_worker.wait_for_event(
        "trouble",
        |event| matches!(event, Event::Trouble { error, .. } if error.contains("does not answer")),
    );
    env.server().signal("CONT");
    running_worker.wait_for_finish(job.id());
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn a_worker_survives_a_redis_that_became_a_replica() {
    let env = TestEnv::with_own_redis(&[]);
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_until_idle();
    env.redis::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    running_worker.wait_for_event(
        "trouble",
        |event| matches!(event, Event::Trouble { error, .. } if error.contains("READONLY")),
    );
    env.redis::<String>(&["REPLICAOF", "NO", "ONE"]);
    wait_for_reconnect(&running_worker);
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn a_worker_survives_a_redis_that_is_loading() {
    let env = TestEnv::with_own_redis(&[&DURABLE[..], &["--key-load-delay", "500"]].concat());
    let running_worker = RunningWorker::start(env.worker(&["default"]));
    running_worker.wait_until_idle();
    env.queue("other").enqueue_many((0..3_000).map(|n| NewJob::new("add", (n, n)))).unwrap();
    env.server().kill();
    wait_for_disconnect(&running_worker);
    env.server().launch();
    wait_for_reconnect(&running_worker);
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn a_worker_survives_the_loss_of_every_connection() {
    let (env, gate) = (TestEnv::with_own_redis(&[]), Gate::default());
    let running_worker = RunningWorker::start(gate_worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    env.redis::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    gate.open();
    running_worker.wait_for_finish(job.id());
    env.redis::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn redis_refuses_blocking_commands_and_the_worker_polls() {
    let env = TestEnv::with_own_redis(&[]);
    env.redis::<String>(&["ACL", "SETUSER", "default", "-brpoplpush"]);
    let running_worker = RunningWorker::start(env.worker(&["default"]).broker_max_retries(1));
    running_worker.wait_until_idle();
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn a_worker_survives_a_redis_without_memory() {
    let (env, gate) = (TestEnv::with_own_redis(&[]), Gate::default());
    let running_worker = RunningWorker::start(gate_worker(&env, &gate).lease(Duration::from_secs(1)));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    env.redis::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let wip = env.key("wip:default");
    let lease = || env.redis::<Vec<(String, f64)>>(&["ZRANGE", &wip, "0", "-1", "WITHSCORES"])[0].1;
    let first = lease();
    eventually("leases are renewed", || lease() > first);
    gate.open();
    running_worker.wait_for_finish(job.id());
    env.redis::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    check_that_it_runs_a_job(&env, &running_worker);
    running_worker.stop();
}

#[test]
fn the_limit_of_reconnects_ends_the_worker_with_code_3() {
    let env = TestEnv::with_own_redis(&[]);
    let mut worker = env.start(&["worker", "--exec", "*=cat", "--broker-max-retries", "2", "-v"]);
    worker.wait_for_stderr("idle");
    env.server().kill();
    worker.wait_for_stderr("next try in");
    let output = worker.finish("");
    assert!(output.stderr.contains("gave up on Redis after 3 tries: cannot reach Redis at"), "{output:?}");
    assert_eq!(output.code, Some(3));
}

#[test]
fn an_enqueue_whose_reply_is_lost_does_not_run_twice() {
    for cut in [Fault::CutBefore, Fault::CutAfter] {
        let env = TestEnv::new();
        let mut left = 1;
        let proxy = Proxy::start(env.url(), move |words| {
            let hit = words[0] == "EVALSHA" && left > 0;
            left -= i32::from(hit);
            if hit { cut } else { Fault::None }
        });
        let queue = env.via(proxy.url()).queue("default");
        let chosen = queue.enqueue_job(NewJob::new("add", (1, 1)).id("chosen")).unwrap();
        let bulk = queue.enqueue_many((0..3).map(|n| NewJob::new("add", (n, n)))).unwrap();
        assert_eq!((chosen.id(), bulk.ids.len(), bulk.duplicates.len()), ("chosen", 3, 0), "{cut:?}");
        assert_eq!(env.queue("default").count(), Ok(4), "{cut:?}");
    }
}

#[test]
fn a_completion_whose_reply_is_lost_is_applied_once() {
    let env = TestEnv::new();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    env.drain(env.worker(&["default"])); // Redis knows the scripts now: the cut hits a real finish
    let mut cuts = 2;
    let proxy = Proxy::start(env.url(), move |words| {
        // Claim and completion both contain the job's key prefix; only the completion contains `finished`.
        let hit = cuts > 0 && words.iter().any(|word| word == "finished");
        cuts -= i32::from(hit);
        if hit { Fault::CutAfter } else { Fault::None }
    });
    let job = env.queue("default").enqueue("add", (20, 22)).unwrap();
    let running_worker = RunningWorker::start(env.via(proxy.url()).worker(&["default"]));
    running_worker.wait_for_finish(job.id());
    let summary = running_worker.stop();
    assert_eq!((summary.finished, summary.stale), (1, 0));
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

/// Starts a proxy that carries out one claim and loses its reply.
fn proxy_that_loses_a_claim(env: &TestEnv) -> Proxy {
    env.drain(env.worker(&["default"])); // Redis knows the scripts now: the cut hits a real claim
    let (mut cuts, is_claim) = (1, env.claim_detector());
    Proxy::start(env.url(), move |words| {
        let hit = cuts > 0 && is_claim(words);
        cuts -= i32::from(hit);
        if hit { Fault::CutAfter } else { Fault::None }
    })
}

#[test]
fn jobs_of_a_claim_whose_reply_is_lost_go_back_at_once_in_order_uncounted() {
    let env = TestEnv::new();
    let proxy = proxy_that_loses_a_claim(&env);
    let queue = env.queue("default");
    let bulk = queue.enqueue_many((0..5).map(|n| NewJob::new("add", (n, n)))).unwrap();
    let running_worker = RunningWorker::start(env.via(proxy.url()).worker(&["default"]).concurrency(3));
    let ids = bulk.ids;
    let mut back: Vec<String> = Vec::new();
    while back.len() < 3 {
        let event =
            running_worker.wait_for_event("a job goes back", |event| matches!(event, Event::NotBegun { .. }));
        back.extend(match event {
            Event::NotBegun { id } => Some(id),
            _ => None,
        });
    }
    back.sort_by_key(|id| ids.iter().position(|one| one == id));
    assert_eq!(back, ids[..3]);
    eventually("all finish", || ids.iter().all(|id| env.locations("default", id) == ["finished"]));
    assert_eq!(running_worker.stop().finished, 5);
    assert!(ids.iter().all(|id| queue.job(id).unwrap().deliveries == 1));
}

#[test]
fn a_worker_whose_registration_is_cut_off_works() {
    for cut in [Fault::CutBefore, Fault::CutAfter] {
        let env = TestEnv::new();
        env.drain(env.worker(&["default"]));
        let mut cuts = 1;
        let record = env.key("worker:cut");
        let proxy = Proxy::start(env.url(), move |words| {
            let hit = cuts > 0 && words[0] == "EVALSHA" && words.contains(&record);
            cuts -= i32::from(hit);
            if hit { cut } else { Fault::None }
        });
        let running_worker = RunningWorker::start(env.via(proxy.url()).worker(&["default"]).name("cut"));
        check_that_it_runs_a_job(&env, &running_worker);
        running_worker.stop();
    }
}

#[test]
fn jobs_that_outlast_the_grace_time_are_put_back_with_code_4() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "--grace", "0.3s", "--exec", "job=sleep 60"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    worker.signal("TERM");
    worker.wait_for_stderr("put back unfinished");
    assert_eq!(worker.finish("").code, Some(4));
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!((env.locations("default", &id), job.deliveries), (vec!["queue"], 0));
}

#[test]
fn tstp_makes_a_worker_quiet_and_cont_resumes_it() {
    let env = TestEnv::new();
    let mut worker = env.start(&["worker", "-v", "--exec", "job=echo done"]);
    worker.wait_for_stderr("idle");
    worker.signal("TSTP");
    worker.wait_for_stderr("quiet");
    let id = env.cli(&["enqueue", "job"]).ok();
    eventually("it is in its queue", || env.locations("default", &id) == ["queue"]);
    worker.signal("CONT");
    worker.wait_for_stderr(&format!("{id} finished"));
    worker.signal("TERM");
    assert_eq!(worker.finish("").code, Some(0));
}

#[test]
fn an_idle_worker_reports_a_revoked_right_once_and_its_return_once() {
    let env = TestEnv::with_own_redis(&[]);
    let mut worker =
        env.start(&["worker", "--exec", "*=cat", "--lease", "1s", "--recover-interval", "0.1s", "-v"]);
    worker.wait_for_stderr("idle");
    env.redis::<String>(&["ACL", "SETUSER", "default", "-@scripting"]);
    worker.wait_for_stderr("default: Redis denied access: NOPERM");
    let refused = || {
        let errors = env.redis::<String>(&["INFO", "errorstats"]);
        errors.split("errorstat_NOPERM:count=").nth(1)?.lines().next()?.trim().parse::<u32>().ok()
    };
    eventually("duties are tried again", || refused().is_some_and(|count| count >= 30));
    env.redis::<String>(&["ACL", "SETUSER", "default", "+@scripting"]);
    worker.wait_for_stderr("default: no more: Redis denied access: NOPERM");
    worker.signal("TERM");
    let output = worker.finish("");
    let warnings = output.stderr.lines().filter(|line| line.contains("default: Redis denied")).count();
    assert_eq!(warnings, 1, "{output:?}");
}

#[test]
fn the_health_file_is_touched_during_an_outage_and_not_after_the_worker() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("health"), folder.path().join("notify"));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::support::WAIT_LIMIT)).unwrap();
    let mut environment = env.environment();
    environment.push(("NOTIFY_SOCKET".to_owned(), path.display().to_string()));
    let words = ["worker", "--exec", "*=cat", "-v", "--health-file", file.to_str().unwrap()];
    let mut worker = Process::start(&words, &environment);
    let hears = |wanted: &str| {
        let mut message = [0; 1024];
        loop {
            let length = socket.recv(&mut message).unwrap();
            if String::from_utf8_lossy(&message[..length]).contains(wanted) {
                return;
            }
        }
    };
    worker.wait_for_stderr("idle");
    env.server().kill();
    worker.wait_for_stderr("next try in");
    // Messages sent earlier are received too, but there cannot be this many.
    let touched = || std::fs::metadata(&file).and_then(|meta| meta.modified()).unwrap();
    for _ in 0..3 {
        let before = touched();
        eventually("the health file is touched", || touched() > before);
        hears("WATCHDOG=1");
    }
    env.server().launch();
    worker.wait_for_stderr("Redis is back");
    worker.signal("TERM");
    hears("STOPPING=1");
    assert_eq!(worker.finish("").code, Some(0));
    assert!(!file.exists());
}

#[test]
fn an_idle_worker_reports_a_replica_once_and_its_end_once() {
    let env = TestEnv::with_own_redis(&[]);
    let words = ["worker", "--exec", "*=cat", "--lease", "1s", "-v"];
    let mut worker = env.start(&words);
    worker.wait_for_stderr("idle");
    env.redis::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    worker.wait_for_stderr("the worker's record is not renewed: Redis refused: READONLY");
    let refused = || {
        let errors = env.redis::<String>(&["INFO", "errorstats"]);
        errors.split("errorstat_READONLY:count=").nth(1)?.lines().next()?.trim().parse::<u32>().ok()
    };
    eventually("more beats are refused", || refused().is_some_and(|count| count >= 5));
    env.redis::<String>(&["REPLICAOF", "NO", "ONE"]);
    worker.wait_for_stderr("heartbeats are written again");
    worker.signal("TERM");
    let output = worker.finish("");
    assert_eq!(output.stderr.matches("is not renewed").count(), 1, "{output:?}");
}

#[test]
fn the_health_file_is_touched_while_the_worker_lives_and_only_then() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("health");
    let words = ["worker", "--exec", "*=sleep 60", "-v", "-c", "1", "--health-file", file.to_str().unwrap()];
    let mut worker = env.start(&words);
    worker.wait_for_stderr("idle");
    let touched = || std::fs::metadata(&file).and_then(|meta| meta.modified()).unwrap();
    let is_touched_again = |what: &str| {
        let before = touched();
        eventually(what, || touched() > before);
    };
    is_touched_again("idle is well");
    env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr("default: job()");
    is_touched_again("every slot busy is well");
    assert!(env.cli(&["info"]).ok().contains("fetched"));
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    eventually("the job is put back", || {
        worker.signal("TERM");
        env.queue("default").count() == Ok(1)
    });
    worker.finish("");
    assert!(!file.exists());
}

#[test]
fn systemd_gets_ready_watchdog_and_status() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::support::WAIT_LIMIT)).unwrap();
    let mut environment = env.environment();
    environment.push(("NOTIFY_SOCKET".to_owned(), path.display().to_string()));
    let worker = crate::support::Process::start(&["worker", "--exec", "*=cat"], &environment);
    let mut heard = String::new();
    while !(heard.contains("READY=1") && heard.contains("STATUS=") && heard.contains("WATCHDOG=1")) {
        let mut message = [0; 1024];
        let length = socket.recv(&mut message).unwrap();
        heard += &String::from_utf8_lossy(&message[..length]);
    }
    drop(worker);
}

#[test]
fn a_retry_survives_a_killed_worker_a_killed_redis_and_another_worker_runs_it() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let queue = env.queue("default");
    let retry = Retry::list([Duration::from_secs(2)], 3);
    let job = queue.enqueue_job(NewJob::new("pay", ()).retry(retry)).unwrap();
    let mut first = env.start(&["worker", "--exec", "pay=false"]);
    first.wait_for_stderr("next try in 2 s");
    first.signal("KILL");
    env.server().restart();
    let waiting = queue.job(job.id()).unwrap();
    assert_eq!((waiting.status, waiting.retries_left), (Status::Scheduled, Some(2)));
    let mut second = env.start(&["worker", "--exec", "pay=true", "--max-jobs", "1"]);
    second.wait_for_stderr("finished");
    second.finish("").ok();
    let job = queue.job(job.id()).unwrap();
    assert_eq!((job.status, job.number_of_retries, job.attempts.len()), (Status::Finished, 1, 1));
}

#[test]
fn cron_entries_go_on_after_redis_was_away_and_nothing_is_enqueued_twice() {
    let env = TestEnv::with_own_redis(&DURABLE);
    let entry = || Cron::new("often", "every 1s", NewJob::new("noop", ())).queue("ticks");
    let workers = [(); 2].map(|()| RunningWorker::start(env.worker(&["default"]).cron(entry())));
    let count = || env.queue("ticks").count().unwrap_or(0);
    eventually("it ticks", || count() >= 2);
    env.server().kill();
    workers.iter().for_each(wait_for_disconnect);
    env.server().launch();
    let before = count();
    eventually("it ticks again", || count() > before);
    let mut ids = env.queue("ticks").ids(0, 100).unwrap();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
    // Each tick belongs to a second of its own.
    let scores: Vec<(String, f64)> = {
        let flat: Vec<String> =
            env.redis(&["ZRANGE", &env.key("cron_job:often:jobs"), "0", "-1", "WITHSCORES"]);
        flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].parse().unwrap())).collect()
    };
    let span = scores.last().unwrap().1 - scores[0].1;
    assert!(scores.len() as f64 <= span + 2.0, "{} ticks in {span} s", scores.len());
    for running_worker in workers {
        running_worker.stop();
    }
}

#[test]
fn a_pid_or_health_file_that_cannot_be_written_is_reported_once() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("run");
    std::fs::create_dir(&inner).unwrap();
    let worker = ["worker", "--exec", "*=sleep 2.5"];
    let missing = folder.path().join("no/such/folder");
    for (option, path) in [
        ("--pid", "/dev/full"),
        ("--pid", missing.to_str().unwrap()),
        ("--health-file", missing.to_str().unwrap()),
    ] {
        let told = env.cli(&[&worker[..], &[option, path]].concat()).expect_failure(1);
        assert!(told.contains(&format!("cannot write {path}")) && told.contains(option), "{told}");
    }
    let health = inner.join("health");
    let mut worker = env.start(&[&worker[..], &["--health-file", health.to_str().unwrap()]].concat());
    worker.wait_for_stderr("listens");
    std::fs::remove_dir_all(&inner).unwrap();
    worker.wait_for_stderr("probes may take this worker for dead");
    // The file is touched about once a second, and the job takes longer.
    let job = env.queue("default").enqueue("wait", ()).unwrap();
    eventually("some touches later", || {
        env.queue("default").job(job.id()).unwrap().status == Status::Finished
    });
    std::fs::create_dir(&inner).unwrap();
    worker.wait_for_stderr("is touched again");
    worker.signal("TERM");
    let told = worker.finish("").stderr;
    assert_eq!(told.matches("cannot touch").count(), 1, "{told}");
}
