//! A worker may die at any moment: its jobs run again, and a worker that comes back late changes nothing.

use std::time::Duration;

use rq_rs::{Event, NewJob, Status};

use crate::support::{Gate, Process, RunningWorker, TestEnv, eventually};

const QUICK: [&str; 4] = ["--lease", "1s", "--recover-interval", "0.2s"];

/// Starts a worker process with short lease and recovery intervals.
fn worker(env: &TestEnv, words: &[&str]) -> Process {
    env.start(&[&["worker", "-v", "-c", "1"], &QUICK[..], words].concat())
}

#[test]
fn a_job_whose_worker_is_killed_runs_again_and_no_retry_is_used_up() {
    let env = TestEnv::new();
    let mut victim = worker(&env, &["--exec", "job=sleep 60"]);
    let id = env.cli(&["enqueue", "job", "--retry-max", "2"]).ok();
    victim.wait_for_stderr(&id);
    victim.signal("KILL");
    let mut heir = worker(&env, &["--exec", "job=echo done"]);
    heir.wait_for_stderr(&format!("{id} lost its worker"));
    heir.wait_for_stderr(&format!("{id} finished"));
    let job = env.queue("default").job(&id).unwrap();
    assert_eq!((job.status, job.deliveries, job.retries_left), (Status::Finished, 2, Some(2)));
    assert_eq!(env.locations("default", &id), ["finished"]);
}

#[test]
fn a_burst_worker_recovers_jobs_of_an_earlier_one_that_died() {
    let env = TestEnv::new();
    let mut victim = worker(&env, &["--exec", "job=sleep 60"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    victim.wait_for_stderr(&id);
    victim.signal("KILL");
    eventually("the lease has passed", || {
        let now: (f64, u64) = env.redis(&["TIME"]);
        let until: Vec<(String, f64)> =
            env.redis(&["ZRANGE", &env.key("wip:default"), "0", "-1", "WITHSCORES"]);
        until[0].1 - env.lease_grace() + 0.1 < now.0
    });
    env.cli(&["worker", "--burst", "--lease", "1s", "--exec", "job=echo done"]).ok();
    assert_eq!(env.locations("default", &id), ["finished"]);
}

#[test]
fn a_job_that_kills_three_workers_fails_with_that_reason() {
    let env = TestEnv::new();
    let id = env.cli(&["enqueue", "killer", "--retry-max", "5"]).ok();
    for _ in 0..3 {
        let mut victim = worker(&env, &["--exec", "killer=sh -c 'kill -9 $PPID'"]);
        victim.wait_for_stderr(&id);
        assert_eq!(victim.finish("").code, None);
    }
    let mut last = worker(&env, &["--exec", "killer=true"]);
    last.wait_for_stderr("lost 3 times with its worker");
    let job = env.queue("default").job(&id).unwrap();
    assert!(job.exc_info.as_deref().unwrap().starts_with("lost 3 times with its worker"), "{job:?}");
    assert_eq!((job.retries_left, env.locations("default", &id)), (Some(5), vec!["failed"]));
}

#[test]
fn a_worker_that_was_stopped_longer_than_its_lease_changes_nothing_when_it_comes_back() {
    let env = TestEnv::new();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let slow = format!("job=sh -c 'until test -e {}; do sleep 0.02; done; echo zombie'", gate.display());
    let mut zombie = worker(&env, &["--exec", &slow]);
    let id = env.cli(&["enqueue", "job"]).ok();
    zombie.wait_for_stderr(&id);
    zombie.signal("STOP");
    let mut heir = worker(&env, &["--exec", "job=echo heir"]);
    heir.wait_for_stderr(&format!("{id} finished"));
    std::fs::write(&gate, "").unwrap();
    zombie.signal("CONT");
    zombie.wait_for_stderr("nothing changed");
    assert_eq!(env.queue("default").job(&id).unwrap().returned::<String>(), Ok("heir".into()));
    assert_eq!(env.locations("default", &id), ["finished"]);
}

#[test]
fn a_lease_that_has_passed_but_was_not_taken_over_may_still_finish() {
    let env = TestEnv::new();
    let mut slow =
        env.start(&["worker", "--lease", "1s", "--recover-interval", "1h", "--exec", "job=sleep 0.5"]);
    let id = env.cli(&["enqueue", "job"]).ok();
    slow.wait_for_stderr(&id);
    slow.signal("STOP");
    eventually("the lease has passed", || {
        let now: (f64, u64) = env.redis(&["TIME"]);
        let until: Vec<(String, f64)> =
            env.redis(&["ZRANGE", &env.key("wip:default"), "0", "-1", "WITHSCORES"]);
        until[0].1 - env.lease_grace() < now.0
    });
    slow.signal("CONT");
    slow.wait_for_stderr(&format!("{id} finished"));
}

#[test]
fn a_job_longer_than_the_lease_is_not_taken_from_a_worker_that_lives() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let inside = gate.clone();
    let quick = |worker: rq_rs::Worker| {
        worker.lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100))
    };
    let owner = RunningWorker::start(quick(env.worker(&["default"])).handler(
        "gate",
        move |_: &rq_rs::Context, (): ()| {
            inside.wait();
            Ok(())
        },
    ));
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    owner.wait_for_start(job.id());
    let first: f64 = lease_end(&env);
    let _other = RunningWorker::start(quick(env.worker(&["default"])));
    eventually("it is renewed past its first end", || {
        let now: (f64, u64) = env.redis(&["TIME"]);
        now.0 > first + 1.0 && lease_end(&env) > now.0
    });
    gate.open();
    owner.wait_for_finish(job.id());
    assert_eq!(env.queue("default").job(job.id()).unwrap().deliveries, 1);
}

fn lease_end(env: &TestEnv) -> f64 {
    let leases: Vec<(String, f64)> = env.redis(&["ZRANGE", &env.key("wip:default"), "0", "-1", "WITHSCORES"]);
    leases[0].1 - env.lease_grace()
}

#[test]
fn an_id_that_a_dead_watcher_left_in_the_intermediate_list_goes_back_after_ten_seconds() {
    let env = TestEnv::new().in_native_dialect(); // the other dialect waits longer
    let job = env.queue("default").enqueue_job(NewJob::new("add", (1, 1))).unwrap();
    env.redis::<String>(&["RPOPLPUSH", &env.key("queue:default"), &env.key("queue:default:intermediate")]);
    let running_worker =
        RunningWorker::start(env.worker(&["default"]).recover_interval(Duration::from_millis(200)));
    running_worker.wait_for_finish(job.id());
    assert_eq!(running_worker.stop().finished, 1);
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_lease_without_a_record_is_cleared() {
    let env = TestEnv::new();
    env.redis::<i64>(&["ZADD", &env.key("wip:default"), "1", "ghost:0123"]);
    env.redis::<i64>(&["ZADD", &env.key("wip:default"), "1", "no-colon"]);
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let running_worker = RunningWorker::start(
        env.worker(&["default"]).lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100)),
    );
    running_worker
        .wait_for_event("a finish", |event| matches!(event, Event::Finished { id, .. } if id == job.id()));
    eventually("the ghost is gone", || env.redis::<i64>(&["ZCARD", &env.key("wip:default")]) == 0);
    running_worker.stop();
}

#[test]
fn a_job_that_is_lost_too_often_keeps_its_earlier_attempts() {
    let env = TestEnv::new();
    let kill_at_retry = r#"job=sh -c 'test "$RQ_RS_ATTEMPT" = 1 && exit 3; kill -9 $PPID'"#;
    let id = env.cli(&["enqueue", "job", "--retry-max", "1"]).ok();
    let victim = worker(&env, &["--exec", kill_at_retry]);
    assert_eq!(victim.finish("").code, None);
    let mut last = worker(&env, &["--max-deliveries", "1", "--exec", "job=true"]);
    last.wait_for_stderr("lost 1 times with its worker");
    let job = env.queue("default").job(&id).unwrap();
    let errors: Vec<&str> = job.attempts.iter().map(|attempt| attempt.error.as_str()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("exited with code 3") && errors[1].starts_with("lost 1 times"), "{errors:?}");
}

#[test]
fn an_old_lease_of_a_job_that_runs_again_is_removed_and_the_run_goes_on() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let inside = gate.clone();
    let quick =
        env.worker(&["default"]).lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100));
    let worker = quick.handler("gate", move |_: &rq_rs::Context, (): ()| {
        inside.wait();
        Ok(())
    });
    let running_worker = RunningWorker::start(worker);
    let job = env.queue("default").enqueue("gate", ()).unwrap();
    running_worker.wait_for_start(job.id());
    // Python overwrites the record of a job whose worker is lost, when it enqueues another one under its id.
    let (wip, old_lease) = (env.key("wip:default"), format!("{}:0123", job.id()));
    env.redis::<i64>(&["ZADD", &wip, "1", &old_lease]);
    eventually("the old lease is gone", || {
        env.redis::<Option<String>>(&["ZSCORE", &wip, &old_lease]).is_none()
    });
    gate.open();
    running_worker.wait_for_finish(job.id());
    let summary = running_worker.stop();
    assert_eq!((summary.finished, summary.failed, summary.stale), (1, 0, 0), "{summary:?}");
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_lost_job_of_a_python_worker_fails_although_its_record_names_an_earlier_execution_of_ours() {
    let env = TestEnv::new().in_rq_dialect();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let (list, key) = (env.key("queue:default"), env.key(&format!("job:{}", job.id())));
    env.redis::<String>(&["LPOP", &list]);
    // Python writes neither `execution_id` nor removes it.
    env.redis::<i64>(&["HSET", &key, "status", "started", "execution_id", "0123", "worker_name", "py"]);
    env.redis::<i64>(&["HSET", &key, "started_at", "2026-01-01T00:00:00.000000Z"]);
    env.redis::<i64>(&["ZADD", &env.key("wip:default"), "1", &format!("{}:4567", job.id())]);
    let running_worker = RunningWorker::start(
        env.worker(&["default"]).lease(Duration::from_secs(1)).recover_interval(Duration::from_millis(100)),
    );
    running_worker
        .wait_for_event("a failure", |event| matches!(event, Event::Failed { id, .. } if id == job.id()));
    running_worker.stop();
    assert_eq!(env.locations("default", job.id()), ["failed"]);
}
