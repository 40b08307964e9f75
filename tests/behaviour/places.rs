//! Jobs whose record names a list or registry that does not contain them: a key was deleted, or Redis lost it.

use std::time::Duration;

use rq_rs::{Context, Error, NewJob, Retry, Status};

use crate::support::{Gate, RunningWorker, TestEnv, eventually};

/// A worker whose handler `gate` waits at the gate.
fn worker(env: &TestEnv, gate: &Gate) -> rq_rs::Worker {
    let inside = gate.clone();
    env.worker(&["default"]).handler("gate", move |_: &Context, text: String| {
        inside.wait();
        Ok(text)
    })
}

fn delete(env: &TestEnv, keys: &[&str]) {
    for key in keys {
        env.redis::<i64>(&["DEL", &env.key(key)]);
    }
}

#[test]
fn a_worker_whose_leases_were_deleted_puts_them_back_and_its_result_counts() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let running_worker = RunningWorker::start(worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", "kept").unwrap();
    running_worker.wait_for_start(job.id());
    delete(&env, &["wip:default", &format!("executions:{}", job.id())]);
    eventually("the lease is back", || env.locations("default", job.id()) == ["wip"]);
    gate.open();
    running_worker.wait_for_finish(job.id());
    assert_eq!(env.queue("default").job(job.id()).unwrap().returned::<String>(), Ok("kept".into()));
    assert_eq!((env.locations("default", job.id()), running_worker.stop().stale), (vec!["finished"], 0));
}

#[test]
fn a_result_counts_also_when_the_lease_is_deleted_just_before() {
    let env = TestEnv::new();
    let (url, wip) = (env.url().to_owned(), env.key("wip:default"));
    let job = env.queue("default").enqueue("vandal", ()).unwrap();
    let worker = env.worker(&["default"]).handler("vandal", move |_: &Context, (): ()| {
        let mut connection = redis::Client::open(url.as_str())?.get_connection()?;
        redis::cmd("DEL").arg(&wip).exec(&mut connection)?;
        Ok("done")
    });
    let summary = env.drain(worker);
    assert_eq!((summary.finished, summary.stale), (1, 0));
    assert_eq!(env.locations("default", job.id()), ["finished"]);
}

#[test]
fn a_lease_is_not_restored_for_a_job_that_another_worker_runs() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let running_worker = RunningWorker::start(worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", "x").unwrap();
    running_worker.wait_for_start(job.id());
    // A Python worker that takes the job over leaves our execution id in the record.
    env.redis::<i64>(&["HSET", &env.key(&format!("job:{}", job.id())), "worker_name", "another"]);
    delete(&env, &["wip:default"]);
    gate.open();
    running_worker.wait_for_event("a refusal", |event| matches!(event, rq_rs::Event::Stale { .. }));
    running_worker.stop();
    assert_eq!(env.queue("default").job(job.id()).unwrap().status, Status::Started);
}

#[test]
fn a_job_in_no_list_or_registry_can_be_requeued() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    for id in ["queued", "started", "scheduled", "failed", "canceled"] {
        let job = NewJob::new("add", (1, 1)).id(id).retry(Retry::every(Duration::ZERO, 2));
        let job = if id == "scheduled" { job.after(Duration::from_secs(3600)) } else { job };
        queue.enqueue_job(job).unwrap();
    }
    queue.job("canceled").unwrap().cancel().unwrap();
    for status in ["started", "failed"] {
        env.redis::<i64>(&["HSET", &env.key(&format!("job:{status}")), "status", status]);
    }
    env.redis::<i64>(&["HSET", &env.key("job:started"), "worker_name", "gone", "execution_id", "e1"]);
    delete(&env, &["queue:default", "scheduled:default", "canceled:default", "failed:default"]);
    for id in ["queued", "started", "scheduled", "failed", "canceled"] {
        assert_eq!(env.locations("default", id), [""; 0], "{id}");
        assert_eq!(env.cli(&["requeue", id]).ok(), "1 job requeued.", "{id}");
        assert_eq!(env.locations("default", id), ["queue"], "{id}");
    }
    assert_eq!(env.drain(env.worker(&["default"])).finished, 5);
    let refused = queue.job("queued").unwrap().requeue().unwrap_err();
    assert_eq!(
        refused,
        Error::WrongState { id: "queued".into(), verb: "requeue", status: "finished".into() }
    );
}

#[test]
fn job_enqueue_enqueues_a_job_in_no_list_or_registry_and_keeps_its_counts() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job = NewJob::new("fail", "x").id("again").retry(Retry::every(Duration::from_secs(3600), 2));
    queue.enqueue_job(job).unwrap();
    env.drain(env.worker(&["default"]));
    delete(&env, &["scheduled:default"]);
    assert_eq!(env.cli(&["job", "enqueue", "again"]).ok(), "again enqueued");
    let job = queue.job("again").unwrap();
    assert_eq!((job.status, job.retries_left, job.number_of_retries), (Status::Queued, Some(1), 1));
    assert_eq!(env.locations("default", "again"), ["queue"]);
}

#[test]
fn a_job_in_a_list_or_registry_is_not_put_into_a_second_one() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let queue = env.queue("default");
    queue.enqueue_job(NewJob::new("gate", "x").id("running")).unwrap();
    let running_worker = RunningWorker::start(worker(&env, &gate).concurrency(1));
    running_worker.wait_for_start("running");
    for id in ["waiting", "taken", "deferred"] {
        queue.enqueue_job(NewJob::new("add", (1, 1)).id(id)).unwrap();
    }
    env.redis::<i64>(&["LREM", &env.key("queue:default"), "0", "taken"]);
    env.redis::<i64>(&["RPUSH", &env.key("queue:default:intermediate"), "taken"]);
    env.redis::<i64>(&["LREM", &env.key("queue:default"), "0", "deferred"]);
    env.redis::<i64>(&["ZADD", &env.key("deferred:default"), "1", "deferred"]);
    for (id, place) in
        [("running", "wip"), ("waiting", "queue"), ("taken", "intermediate"), ("deferred", "deferred")]
    {
        for command in [&["requeue", id][..], &["job", "enqueue", id]] {
            let refused = env.cli(command).expect_failure(1);
            assert!(refused.contains("it is queued") || refused.contains("it is started"), "{id}: {refused}");
        }
        assert_eq!(env.locations("default", id), [place], "{id}");
    }
    gate.open();
    running_worker.stop();
}

/// Makes a job whose record says that this worker runs it, in no list or registry.
fn started(env: &TestEnv, id: &str, worker: &str) -> String {
    let key = env.key(&format!("job:{id}"));
    let later = NewJob::new("add", (1, 1)).id(id).after(Duration::from_secs(3600));
    env.queue("default").enqueue_job(later).unwrap();
    delete(env, &["scheduled:default"]);
    let created: String = env.redis(&["HGET", &key, "created_at"]);
    let fields = ["status", "started", "worker_name", worker, "execution_id", "e1", "started_at", &created];
    env.redis::<i64>(&[&["HSET", &key][..], &fields].concat());
    created
}

#[test]
fn a_job_whose_lease_was_deleted_is_not_requeued_while_its_worker_runs_it() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let running_worker = RunningWorker::start(worker(&env, &gate));
    let job = env.queue("default").enqueue("gate", "x").unwrap();
    running_worker.wait_for_start(job.id());
    for command in [&["requeue", job.id()][..], &["job", "enqueue", job.id()]] {
        delete(&env, &["wip:default", &format!("executions:{}", job.id())]);
        let refused = env.cli(command).expect_failure(1);
        assert!(refused.contains("it is started"), "{refused}");
    }
    eventually("the lease is back", || env.locations("default", job.id()) == ["wip"]);
    gate.open();
    running_worker.wait_for_finish(job.id());
    let summary = running_worker.stop();
    assert_eq!((summary.finished, summary.stale), (1, 0));
}

#[test]
fn a_job_of_a_worker_that_runs_something_else_or_nothing_can_be_requeued() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let queue = env.queue("default");
    let running_worker = RunningWorker::start(worker(&env, &gate).name("w").concurrency(1));
    running_worker.wait_until_idle();
    started(&env, "lost", "w");
    queue.enqueue_job(NewJob::new("gate", "x").id("other")).unwrap();
    running_worker.wait_for_start("other");
    // The worker restores the leases of the jobs that it runs, and no others.
    assert_eq!(env.cli(&["requeue", "lost"]).ok(), "1 job requeued.");
    let created = started(&env, "again", "w");
    gate.open();
    running_worker.wait_for_finish("lost");
    let record = env.key("worker:w");
    eventually("it says that it is idle", || {
        let (state, heard): (String, String) = env.redis(&["HMGET", &record, "state", "last_heartbeat"]);
        state == "idle" && heard > created
    });
    let told = env.cli(&["job", "explain", "again"]).ok();
    assert!(told.contains("Requeue it to run it"), "{told}");
    assert_eq!(env.cli(&["requeue", "again"]).ok(), "1 job requeued.");
    running_worker.wait_for_finish("again");
    running_worker.stop();
}

#[test]
fn a_job_of_a_dead_worker_can_be_requeued_when_its_lease_would_have_ended() {
    let env = TestEnv::new();
    let (record, runs) = (env.key("worker:dead"), env.key("executions:lost"));
    let is_back = |told: &str| {
        let explained = env.cli(&["job", "explain", "lost"]).ok();
        assert!(explained.contains(told), "{explained}");
        assert_eq!(env.cli(&["requeue", "lost"]).ok(), "1 job requeued.");
        assert_eq!(env.locations("default", "lost"), ["queue"]);
        assert!(!env.redis::<bool>(&["EXISTS", &runs]));
        delete(&env, &["job:lost", "queue:default"]);
    };
    let dies = |heard: &str, born: &str| {
        let created = started(&env, "lost", "dead");
        let heard = if heard.is_empty() { &created } else { heard };
        let fields = ["last_heartbeat", heard, "lease", "100", "state", "busy", "birth", born];
        env.redis::<i64>(&[&["HSET", &record][..], &fields].concat());
        env.redis::<i64>(&["SADD", &env.key("workers"), &record]);
        if env.lease_grace() > 0.0 {
            // The execution key of the rq dialect outlives its worker.
            let now: (f64, u64) = env.redis(&["TIME"]);
            env.redis::<i64>(&["ZADD", &runs, &(now.0 + 150.0).to_string(), "e1"]);
        }
    };
    let long_ago = "2026-01-01T00:00:00.000000Z";
    dies(long_ago, long_ago);
    is_back("Requeue it to run it");
    // A new worker of the same name does not run that job.
    dies("", "2100-01-01T00:00:00.000000Z");
    is_back("Requeue it to run it");
    dies("", long_ago);
    let told = env.cli(&["job", "explain", "lost"]).ok();
    assert!(told.contains("If that worker is dead, requeueing is refused for"), "{told}");
    let refused = env.cli(&["requeue", "lost"]).expect_failure(1);
    assert!(refused.contains("it is started, and its worker dead was heard of"), "{refused}");
    env.redis::<i64>(&["HSET", &record, "last_heartbeat", long_ago]);
    is_back("Requeue it to run it");
}

#[test]
fn a_queue_too_long_to_search_is_an_error() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let list = env.key("queue:default");
    let fill = "redis.call('DEL', KEYS[1]) for i = 1, 100001 do redis.call('RPUSH', KEYS[1], i) end return 1";
    env.redis::<i64>(&["EVAL", fill, "1", &list]);
    let refused = env.cli(&["requeue", job.id()]).expect_failure(1);
    assert!(refused.contains("too long to be searched"), "{refused}");
    delete(&env, &["queue:default"]);
}

#[test]
fn explain_is_right_about_a_job_whose_record_says_started() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let (key, wip) = (env.key(&format!("job:{}", job.id())), env.key("wip:default"));
    delete(&env, &["queue:default"]);
    let told = || env.cli(&["job", "explain", job.id()]).ok();
    assert!(told().contains("Its record says queued, but it is in no place"), "{}", told());
    env.redis::<i64>(&["HSET", &key, "status", "started", "worker_name", "w", "execution_id", "e1"]);
    assert!(told().contains("Its record says started, but it is in no place"), "{}", told());
    // The lease has expired, and no worker could recover the job.
    env.redis::<i64>(&["ZADD", &wip, "1", &format!("{}:e1", job.id())]);
    assert!(told().contains("no worker of rq-rs listens to queue default"), "{}", told());
    // The worker's record is gone, and another worker is registered.
    let now: (f64, u64) = env.redis(&["TIME"]);
    let end = now.0 + env.lease_grace() + 20.0;
    env.redis::<i64>(&["ZADD", &wip, &end.to_string(), &format!("{}:e1", job.id())]);
    assert!(told().contains("no worker of rq-rs listens to queue default"), "{}", told());
    let heir = RunningWorker::start(env.worker(&["default"]));
    heir.wait_until_idle();
    assert!(
        told().contains("Worker w, which runs it, is gone. Another one takes the job over in"),
        "{}",
        told()
    );
    // The worker's record exists, but its heartbeat is old.
    let (record, then) = (env.key("worker:w"), "2026-01-01T00:00:00.000000Z");
    env.redis::<i64>(&["HSET", &record, "last_heartbeat", then, "runs_in", "threads", "queues", "default"]);
    env.redis::<i64>(&["SADD", &env.key("workers"), &record]);
    assert!(told().contains("Worker w, which runs it, has given no sign of life for"), "{}", told());
    heir.stop();
}

#[test]
fn explain_finds_a_waiting_job_on_a_server_without_lpos() {
    let env = TestEnv::with_own_redis(&["--rename-command", "LPOS", ""]);
    let queue = env.queue("default");
    let ids: Vec<String> = (0..3).map(|n| queue.enqueue("add", (n, 1)).unwrap().id().to_owned()).collect();
    let explained = env.cli(&["job", "explain", &ids[1]]).ok();
    assert!(explained.contains("2 of 3"), "{explained}");
}

#[test]
fn explain_says_who_runs_a_job_that_runs() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let running_worker = RunningWorker::start(worker(&env, &gate).name("busy"));
    let job = env.queue("default").enqueue("gate", "x").unwrap();
    running_worker.wait_for_start(job.id());
    let told = env.cli(&["job", "explain", job.id()]).ok();
    assert!(told.contains("Worker busy has been running it for"), "{told}");
    gate.open();
    running_worker.stop();
}

#[test]
fn explain_names_the_handler_limit_that_blocks_a_queue() {
    let (env, gate) = (TestEnv::new(), Gate::default());
    let queue = env.queue("default");
    let running_worker =
        RunningWorker::start(worker(&env, &gate).concurrency(4).handler_concurrency("gate", 1));
    let ids: Vec<String> =
        (0..3).map(|n| queue.enqueue("gate", n.to_string()).unwrap().id().to_owned()).collect();
    running_worker.wait_for_start(&ids[0]);
    eventually("two wait", || queue.count() == Ok(2));
    let told = |id: &str| env.cli(&["job", "explain", id]).ok();
    assert!(
        told(&ids[1]).contains("run as many jobs of handler gate at once as they may"),
        "{}",
        told(&ids[1])
    );
    let behind = told(&ids[2]);
    assert!(behind.contains(&format!("The next job of the queue, {}, waits", ids[1])), "{behind}");
    assert!(!behind.contains("a worker is free"), "{behind}");
    gate.open();
    running_worker.wait_for_finish(&ids[2]);
    running_worker.stop();
}

#[test]
fn explain_tells_jobs_of_python_workers_from_jobs_that_nobody_runs() {
    let env = TestEnv::new().in_rq_dialect();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let (key, runs) = (env.key(&format!("job:{}", job.id())), env.key(&format!("executions:{}", job.id())));
    delete(&env, &["queue:default"]);
    let started = "2026-11-22T00:00:00.000000Z";
    env.redis::<i64>(&["HSET", &key, "status", "started", "worker_name", "py", "started_at", started]);
    env.redis::<i64>(&["HSET", &env.key("worker:py"), "birth", started, "last_heartbeat", started]);
    env.redis::<i64>(&["SADD", &env.key("workers"), &env.key("worker:py")]);
    let told = || env.cli(&["job", "explain", job.id()]).ok();
    assert!(told().contains("Its record says started, but it is in no place"), "{}", told());
    let now: (f64, u64) = env.redis(&["TIME"]);
    env.redis::<i64>(&["ZADD", &runs, &(now.0 + 150.0).to_string(), "0123"]);
    assert!(told().contains("Worker py has been running it for"), "{}", told());
    let refused = env.cli(&["requeue", job.id()]).expect_failure(1);
    assert!(refused.contains("it is started"), "{refused}");
    let end = (now.0 + 90.0).to_string();
    env.redis::<i64>(&["ZADD", &env.key("wip:default"), &end, &format!("{}:0123", job.id())]);
    assert!(told().contains("Worker py has been running it for"), "{}", told());
}

#[test]
fn explain_names_workers_that_are_quiet_or_silent() {
    let env = TestEnv::new();
    let running_worker = RunningWorker::start(env.worker(&["default"]).name("w"));
    running_worker.wait_until_idle();
    running_worker.stopper.quiet();
    let job = env.queue("default").enqueue("add", (1, 1)).unwrap();
    let told = || env.cli(&["job", "explain", job.id()]).ok();
    eventually("it is quiet", || told().contains("All workers of queue default were told to be quiet"));
    running_worker.stop();
    // A killed worker leaves its record.
    let (record, then) = (env.key("worker:dead"), "2026-01-01T00:00:00.000000Z");
    env.redis::<i64>(&["HSET", &record, "last_heartbeat", then, "runs_in", "threads", "queues", "default"]);
    env.redis::<i64>(&["SADD", &env.key("workers"), &record]);
    assert!(told().contains("No worker of queue default gives a sign of life any more"), "{}", told());
}
