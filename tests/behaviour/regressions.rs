//! Regressions: defects that were found and mended.

use std::time::Duration;

use rq_rs::{Context, Event, NewJob, Retry};
use serde::Deserialize;
use serde_json::json;

use crate::support::{RunningWorker, TestEnv, eventually};

/// Number of calls of a command, from `INFO commandstats`.
fn calls(env: &TestEnv, command: &str) -> u64 {
    let stats: String = env.redis(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let count = line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
    count.unwrap_or(0)
}

#[test]
fn one_push_wakes_one_of_many_idle_workers_and_is_not_passed_around() {
    let env = TestEnv::with_own_redis(&[]);
    let workers: Vec<RunningWorker> =
        (0..12).map(|_| RunningWorker::start(env.worker(&["a", "b"]).concurrency(1))).collect();
    workers.iter().for_each(RunningWorker::wait_until_idle);
    eventually("all watchers wait", || {
        env.redis::<String>(&["INFO", "clients"]).contains("blocked_clients:24")
    });
    let before = calls(&env, "brpoplpush");
    for n in 0..10 {
        let job = env.queue("a").enqueue("add", (n, n)).unwrap();
        assert_eq!(job.wait::<i64>(crate::support::WAIT_LIMIT), Ok(2 * n));
    }
    let woken = calls(&env, "brpoplpush") - before;
    assert!(woken <= 60, "{woken} waits for 10 jobs");
    for worker in workers {
        worker.stop();
    }
}

#[test]
fn arguments_whose_own_code_panics_are_one_failed_job() {
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Fragile;
    impl TryFrom<String> for Fragile {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            panic!("cannot read {text}")
        }
    }
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("fragile", "x").unwrap();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let worker = env.worker(&["default"]).concurrency(1).handler("fragile", |_: &Context, _: Fragile| Ok(()));
    let summary = env.drain(worker);
    assert_eq!((summary.failed, summary.finished), (1, 1));
    let error = env.queue("default").job(job.id()).unwrap().exc_info.clone().unwrap();
    assert!(error.contains("cannot read x"), "{error}");
}

#[test]
fn a_callback_that_panics_does_not_end_the_worker() {
    let env = TestEnv::new();
    env.queue("default").enqueue("add", (1, 1)).unwrap();
    let worker = env.worker(&["default"]).on_event(|event| assert!(matches!(event, Event::Idle), "{event}"));
    assert_eq!(env.drain(worker).finished, 1);
}

#[test]
fn a_user_who_may_not_publish_can_do_everything_else() {
    let env = TestEnv::with_own_redis(&[]);
    env.redis::<String>(&["ACL", "SETUSER", "default", "resetchannels"]);
    let queue = env.queue("default");
    for id in ["deleted", "canceled", "waited"] {
        queue.enqueue_job(NewJob::new("add", (1, 1)).id(id)).unwrap();
    }
    assert_eq!(queue.job("deleted").unwrap().delete(), Ok(true));
    assert!(queue.job("canceled").unwrap().cancel().is_ok());
    env.redis::<i64>(&["HSET", &env.key("job:waited"), "waited", "1"]);
    assert_eq!(env.drain(env.worker(&["default"])).finished, 1);
    assert_eq!(env.locations("default", "deleted"), [""; 0]);
    assert_eq!(
        (env.locations("default", "canceled"), env.locations("default", "waited")),
        (vec!["canceled"], vec!["finished"])
    );
}

#[test]
fn no_job_starts_while_redis_refuses_completions_of_its_queue() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..100).map(|n| NewJob::new("add", (n, n)))).unwrap();
    env.redis::<String>(&["SET", &env.key("finished:default"), "a string"]);
    let running_worker = RunningWorker::start(env.worker(&["default"]).concurrency(4));
    running_worker.wait_for_event(
        "what is wrong",
        |event| matches!(event, Event::Warning(text) if text.contains("a wrong type")),
    );
    assert_eq!(queue.count(), Ok(100));
    env.redis::<i64>(&["DEL", &env.key("finished:default")]);
    eventually("all have finished", || queue.finished().count() == Ok(100));
    running_worker.stop();
}

#[test]
fn a_refused_lease_renewal_puts_recovery_on_hold() {
    let env = TestEnv::with_own_redis(&[]);
    let gate = crate::support::Gate::default();
    let quick = |worker: rq_rs::Worker| {
        let inside = gate.clone();
        let worker = worker.lease(Duration::from_secs(3)).recover_interval(Duration::from_millis(200));
        worker.handler("gate", move |_: &Context, (): ()| {
            inside.wait();
            Ok(())
        })
    };
    let owner = RunningWorker::start(quick(env.worker(&["default"])));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    owner.wait_for_start(job.id());
    let other = RunningWorker::start(quick(env.worker(&["default"])));
    other.wait_until_idle();
    env.redis::<String>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let lease_has_passed = || {
        let now: (f64, u64) = env.redis(&["TIME"]);
        let until: Vec<(String, f64)> =
            env.redis(&["ZRANGE", &env.key("wip:default"), "0", "-1", "WITHSCORES"]);
        until[0].1 - env.lease_grace() + 0.5 < now.0
    };
    eventually("the lease has passed", lease_has_passed);
    env.redis::<String>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    eventually("the owner renews it", || !lease_has_passed());
    gate.open();
    owner.wait_for_finish(job.id());
    assert_eq!(env.queue("default").job(job.id()).unwrap().deliveries, 1);
    assert_eq!((owner.stop().finished, other.stop().finished), (1, 0));
}

#[test]
fn more_expired_leases_than_one_batch_are_recovered_in_one_round() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    queue.enqueue_many((0..250).map(|n| NewJob::new("add", (n, n)).id(format!("j{n}")))).unwrap();
    env.redis::<String>(&["RENAME", &env.key("queue:default"), &env.key("gone")]);
    for n in 0..250 {
        env.redis::<i64>(&["ZADD", &env.key("wip:default"), "1", &format!("j{n}:x")]);
        let job = env.key(&format!("job:j{n}"));
        env.redis::<i64>(&["HSET", &job, "status", "started", "execution_id", "x"]);
    }
    let worker =
        env.worker(&["default"]).lease(Duration::from_secs(1)).recover_interval(Duration::from_secs(3600));
    eventually("Redis is older than a lease", || {
        let info: String = env.redis(&["INFO", "server"]);
        let uptime = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:")).unwrap();
        uptime.trim() != "0"
    });
    assert_eq!(env.drain(worker).finished, 250);
}

#[test]
fn a_burst_worker_with_many_slots_also_runs_what_its_jobs_enqueue() {
    let env = TestEnv::new();
    for round in 0..3 {
        let queue = env.queue("default");
        let inner = queue.clone();
        let worker =
            env.worker(&["default"]).concurrency(64).handler("chain", move |_: &Context, left: u32| {
                if left > 0 {
                    inner.enqueue("chain", left - 1)?;
                }
                Ok(())
            });
        queue.enqueue_many((0..20).map(|_| NewJob::new("chain", 5))).unwrap();
        assert_eq!(env.drain(worker).finished, 120, "round {round}");
    }
}

#[test]
fn a_server_without_info_is_accepted() {
    let env = TestEnv::with_own_redis(&["--rename-command", "INFO", ""]);
    let id = env.cli(&["enqueue", "f", ":1"]).ok();
    env.cli(&["worker", "--burst", "--exec", "f=true"]).ok();
    assert_eq!(env.locations("default", &id), ["finished"]);
}

#[test]
fn a_run_that_is_over_cannot_save_meta() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("late", ()).timeout(Duration::from_secs(1)).meta(json!({"kept": true}));
    let id = queue.enqueue_job(job).unwrap().id().to_owned();
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).handler("late", |context: &Context, (): ()| {
            eventually("its time is over", || context.is_canceled());
            std::thread::park_timeout(Duration::from_millis(50));
            context.save_meta(json!({"kept": false}))?;
            Ok(())
        }));
    running_worker
        .wait_for_event("a failure", |event| matches!(event, Event::Failed { id: one, .. } if *one == id));
    let next = queue.enqueue("add", (1, 1)).unwrap();
    running_worker.wait_for_finish(next.id());
    running_worker.stop();
    assert_eq!(queue.job(&id).unwrap().meta.get("kept"), Some(&json!(true)));
}

#[test]
fn a_leftover_id_does_not_start_a_job_that_waits_for_its_retry() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("fail", "x").retry(Retry::every(Duration::from_secs(3600), 3)).id("one");
    queue.enqueue_job(job).unwrap();
    env.push("default", "one");
    let summary = env.drain(env.worker(&["default"]).concurrency(1));
    assert_eq!((summary.retried, env.locations("default", "one")), (1, vec!["scheduled"]));
}

#[test]
fn a_due_job_whose_queue_key_has_another_type_stays_scheduled() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("once", ()).retry(Retry::every(Duration::from_secs(1), 1)).id("one");
    queue.enqueue_job(job).unwrap();
    let once = |worker: rq_rs::Worker| {
        worker.handler("once", |context: &Context, (): ()| {
            anyhow::ensure!(context.attempt() > 1, "the first try fails");
            Ok(())
        })
    };
    assert_eq!(env.drain(once(env.worker(&["default"]))).retried, 1);
    env.redis::<String>(&["SET", &env.key("queue:default"), "a string"]);
    let running_worker = RunningWorker::start(once(env.worker(&["default"])));
    running_worker.wait_for_event(
        "a warning",
        |event| matches!(event, Event::Warning(text) if text.contains("WRONGTYPE")),
    );
    assert_eq!(env.locations("other", "one"), [""; 0]);
    assert_eq!(env.redis::<i64>(&["ZCARD", &env.key("scheduled:default")]), 1);
    env.redis::<i64>(&["DEL", &env.key("queue:default")]);
    running_worker.wait_for_finish("one");
    running_worker.stop();
}

#[test]
fn a_requeue_whose_reply_is_lost_is_reported_as_done() {
    use crate::support::{Fault, Proxy};
    let env = TestEnv::new();
    for id in ["warm", "one"] {
        env.queue("default").enqueue_job(NewJob::new("fail", "x").id(id)).unwrap();
    }
    env.drain(env.worker(&["default"]));
    env.queue("default").job("warm").unwrap().requeue().unwrap();
    let mut cuts = 1;
    let proxy = Proxy::start(env.url(), move |words| {
        let hit = cuts > 0 && words.iter().any(|word| word == "one") && words[0] == "EVALSHA";
        cuts -= i32::from(hit);
        if hit { Fault::CutAfter } else { Fault::None }
    });
    env.via(proxy.url()).queue("default").job("one").unwrap().requeue().unwrap();
    assert_eq!(env.locations("default", "one"), ["queue"]);
}

#[test]
fn programs_end_with_their_worker_however_late_the_second_signal_comes() {
    let env = TestEnv::with_own_redis(&[]);
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let exec = format!("job=sh -c 'echo $$ >{}; sleep 60'", pid_file.display());
    let mut worker = env.start(&["worker", "-c", "2", "--broker-max-retries", "1", "--exec", &exec]);
    let id = env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    eventually("the program runs", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'))
    });
    env.server().kill();
    assert_eq!(worker.finish("").code, Some(3));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn a_stopping_worker_whose_redis_is_lost_does_not_spin() {
    let env = TestEnv::with_own_redis(&[]);
    let mut worker = env.start(&["worker", "-c", "2", "--exec", "job=sleep 3"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    worker.wait_for_stderr(&id);
    env.server().kill();
    worker.wait_for_stderr("next try in");
    worker.signal("TERM");
    worker.wait_for_stderr("stopping");
    let ticks = |pid: &str| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.get(11..13).map_or(0, |times| times.iter().filter_map(|time| time.parse::<u64>().ok()).sum())
    };
    let pid = worker.pid();
    let before = ticks(&pid);
    worker.wait_for_stderr("next try in");
    worker.wait_for_stderr("next try in");
    let used = ticks(&pid) - before;
    assert!(used < 20, "{used} ticks of processor time");
    drop(worker);
}
