//! Records that say that they are somewhere, and are nowhere: somebody has deleted a key, or Redis has lost it.

use std::time::Duration;

use rq_rs::{Context, Error, NewJob, Retry, Status};

use crate::support::{Door, House, Live, eventually};

/// A worker whose handler `door` waits at it.
fn worker(house: &House, door: &Door) -> rq_rs::Worker {
    let inside = door.clone();
    house.worker(&["default"]).handler("door", move |_: &Context, text: String| {
        inside.wait();
        Ok(text)
    })
}

fn delete(house: &House, keys: &[&str]) {
    for key in keys {
        house.redis::<i64>(&["DEL", &house.key(key)]);
    }
}

#[test]
fn a_worker_whose_leases_were_deleted_puts_them_back_and_its_result_counts() {
    let (house, door) = (House::new(), Door::default());
    let live = Live::start(worker(&house, &door));
    let job = house.queue("default").enqueue("door", "kept").unwrap();
    live.sees_started(job.id());
    delete(&house, &["wip:default", &format!("executions:{}", job.id())]);
    eventually("the lease is back", || house.places("default", job.id()) == ["wip"]);
    door.open();
    live.sees_finished(job.id());
    assert_eq!(house.queue("default").job(job.id()).unwrap().returned::<String>(), Ok("kept".into()));
    assert_eq!((house.places("default", job.id()), live.stops().stale), (vec!["finished"], 0));
}

#[test]
fn a_result_counts_also_when_the_lease_is_deleted_just_before() {
    let house = House::new();
    let (url, wip) = (house.url().to_owned(), house.key("wip:default"));
    let job = house.queue("default").enqueue("vandal", ()).unwrap();
    let worker = house.worker(&["default"]).handler("vandal", move |_: &Context, (): ()| {
        let mut connection = redis::Client::open(url.as_str())?.get_connection()?;
        redis::cmd("DEL").arg(&wip).exec(&mut connection)?;
        Ok("done")
    });
    let summary = house.drain(worker);
    assert_eq!((summary.finished, summary.stale), (1, 0));
    assert_eq!(house.places("default", job.id()), ["finished"]);
}

#[test]
fn a_lease_does_not_come_back_for_a_job_that_another_worker_has_in_its_record() {
    let (house, door) = (House::new(), Door::default());
    let live = Live::start(worker(&house, &door));
    let job = house.queue("default").enqueue("door", "x").unwrap();
    live.sees_started(job.id());
    // A Python worker that has taken it over leaves our execution in the record.
    house.redis::<i64>(&["HSET", &house.key(&format!("job:{}", job.id())), "worker_name", "another"]);
    delete(&house, &["wip:default"]);
    door.open();
    live.sees("a refusal", |event| matches!(event, rq_rs::Event::Stale { .. }));
    live.stops();
    assert_eq!(house.queue("default").job(job.id()).unwrap().status, Status::Started);
}

#[test]
fn a_record_that_is_in_no_place_can_be_requeued() {
    let house = House::new();
    let queue = house.queue("default");
    for id in ["queued", "started", "scheduled", "failed", "canceled"] {
        let job = NewJob::new("add", (1, 1)).id(id).retry(Retry::every(Duration::ZERO, 2));
        let job = if id == "scheduled" { job.after(Duration::from_secs(3600)) } else { job };
        queue.enqueue_job(job).unwrap();
    }
    queue.job("canceled").unwrap().cancel().unwrap();
    for status in ["started", "failed"] {
        house.redis::<i64>(&["HSET", &house.key(&format!("job:{status}")), "status", status]);
    }
    house.redis::<i64>(&["HSET", &house.key("job:started"), "worker_name", "gone", "execution_id", "e1"]);
    delete(&house, &["queue:default", "scheduled:default", "canceled:default", "failed:default"]);
    for id in ["queued", "started", "scheduled", "failed", "canceled"] {
        assert_eq!(house.places("default", id), [""; 0], "{id}");
        assert_eq!(house.rq(&["requeue", id]).ok(), "1 job requeued.", "{id}");
        assert_eq!(house.places("default", id), ["queue"], "{id}");
    }
    assert_eq!(house.drain(house.worker(&["default"])).finished, 5);
    let refused = queue.job("queued").unwrap().requeue().unwrap_err();
    assert_eq!(
        refused,
        Error::WrongState { id: "queued".into(), verb: "requeue", status: "finished".into() }
    );
}

#[test]
fn job_enqueue_puts_a_record_back_that_is_in_no_place_and_its_life_goes_on() {
    let house = House::new();
    let queue = house.queue("default");
    let job = NewJob::new("fail", "x").id("again").retry(Retry::every(Duration::from_secs(3600), 2));
    queue.enqueue_job(job).unwrap();
    house.drain(house.worker(&["default"]));
    delete(&house, &["scheduled:default"]);
    assert_eq!(house.rq(&["job", "enqueue", "again"]).ok(), "again enqueued");
    let job = queue.job("again").unwrap();
    assert_eq!((job.status, job.retries_left, job.number_of_retries), (Status::Queued, Some(1), 1));
    assert_eq!(house.places("default", "again"), ["queue"]);
}

#[test]
fn a_record_that_is_somewhere_is_not_put_into_a_second_place() {
    let (house, door) = (House::new(), Door::default());
    let queue = house.queue("default");
    queue.enqueue_job(NewJob::new("door", "x").id("running")).unwrap();
    let live = Live::start(worker(&house, &door).concurrency(1));
    live.sees_started("running");
    for id in ["waiting", "taken", "deferred"] {
        queue.enqueue_job(NewJob::new("add", (1, 1)).id(id)).unwrap();
    }
    house.redis::<i64>(&["LREM", &house.key("queue:default"), "0", "taken"]);
    house.redis::<i64>(&["RPUSH", &house.key("queue:default:intermediate"), "taken"]);
    house.redis::<i64>(&["LREM", &house.key("queue:default"), "0", "deferred"]);
    house.redis::<i64>(&["ZADD", &house.key("deferred:default"), "1", "deferred"]);
    for (id, place) in
        [("running", "wip"), ("waiting", "queue"), ("taken", "intermediate"), ("deferred", "deferred")]
    {
        for command in [&["requeue", id][..], &["job", "enqueue", id]] {
            let refused = house.rq(command).fails(1);
            assert!(refused.contains("it is queued") || refused.contains("it is started"), "{id}: {refused}");
        }
        assert_eq!(house.places("default", id), [place], "{id}");
    }
    door.open();
    live.stops();
}

/// A job whose record says that this worker runs it, and that is in no place.
fn started(house: &House, id: &str, worker: &str) -> String {
    let key = house.key(&format!("job:{id}"));
    let later = NewJob::new("add", (1, 1)).id(id).after(Duration::from_secs(3600));
    house.queue("default").enqueue_job(later).unwrap();
    delete(house, &["scheduled:default"]);
    let created: String = house.redis(&["HGET", &key, "created_at"]);
    let fields = ["status", "started", "worker_name", worker, "execution_id", "e1", "started_at", &created];
    house.redis::<i64>(&[&["HSET", &key][..], &fields].concat());
    created
}

#[test]
fn a_job_whose_lease_was_deleted_is_not_requeued_while_its_worker_runs_it() {
    let (house, door) = (House::new(), Door::default());
    let live = Live::start(worker(&house, &door));
    let job = house.queue("default").enqueue("door", "x").unwrap();
    live.sees_started(job.id());
    for command in [&["requeue", job.id()][..], &["job", "enqueue", job.id()]] {
        delete(&house, &["wip:default", &format!("executions:{}", job.id())]);
        let refused = house.rq(command).fails(1);
        assert!(refused.contains("it is started"), "{refused}");
    }
    eventually("the lease is back", || house.places("default", job.id()) == ["wip"]);
    door.open();
    live.sees_finished(job.id());
    let summary = live.stops();
    assert_eq!((summary.finished, summary.stale), (1, 0));
}

#[test]
fn a_job_of_a_worker_that_runs_something_else_or_nothing_can_be_requeued() {
    let (house, door) = (House::new(), Door::default());
    let queue = house.queue("default");
    let live = Live::start(worker(&house, &door).name("w").concurrency(1));
    live.sees_idle();
    started(&house, "lost", "w");
    queue.enqueue_job(NewJob::new("door", "x").id("other")).unwrap();
    live.sees_started("other");
    // It puts back the lease of what it runs, and of nothing else.
    assert_eq!(house.rq(&["requeue", "lost"]).ok(), "1 job requeued.");
    let created = started(&house, "again", "w");
    door.open();
    live.sees_finished("lost");
    let record = house.key("worker:w");
    eventually("it says that it is idle", || {
        let (state, heard): (String, String) = house.redis(&["HMGET", &record, "state", "last_heartbeat"]);
        state == "idle" && heard > created
    });
    let told = house.rq(&["job", "explain", "again"]).ok();
    assert!(told.contains("Requeue it to run it"), "{told}");
    assert_eq!(house.rq(&["requeue", "again"]).ok(), "1 job requeued.");
    live.sees_finished("again");
    live.stops();
}

#[test]
fn a_job_of_a_dead_worker_can_be_requeued_when_its_lease_would_have_ended() {
    let house = House::new();
    let (record, runs) = (house.key("worker:dead"), house.key("executions:lost"));
    let is_back = |told: &str| {
        let explained = house.rq(&["job", "explain", "lost"]).ok();
        assert!(explained.contains(told), "{explained}");
        assert_eq!(house.rq(&["requeue", "lost"]).ok(), "1 job requeued.");
        assert_eq!(house.places("default", "lost"), ["queue"]);
        assert!(!house.redis::<bool>(&["EXISTS", &runs]));
        delete(&house, &["job:lost", "queue:default"]);
    };
    let dies = |heard: &str, born: &str| {
        let created = started(&house, "lost", "dead");
        let heard = if heard.is_empty() { &created } else { heard };
        let fields = ["last_heartbeat", heard, "lease", "100", "state", "busy", "birth", born];
        house.redis::<i64>(&[&["HSET", &record][..], &fields].concat());
        house.redis::<i64>(&["SADD", &house.key("workers"), &record]);
        if house.lease_margin() > 0.0 {
            // What RQ's dialect keeps of a run lives on when its worker is dead.
            let now: (f64, u64) = house.redis(&["TIME"]);
            house.redis::<i64>(&["ZADD", &runs, &(now.0 + 150.0).to_string(), "e1"]);
        }
    };
    let long_ago = "2026-01-01T00:00:00.000000Z";
    dies(long_ago, long_ago);
    is_back("Requeue it to run it");
    // Another one of its name runs nothing of it.
    dies("", "2100-01-01T00:00:00.000000Z");
    is_back("Requeue it to run it");
    dies("", long_ago);
    let told = house.rq(&["job", "explain", "lost"]).ok();
    assert!(told.contains("If that worker is dead, requeueing is refused for"), "{told}");
    let refused = house.rq(&["requeue", "lost"]).fails(1);
    assert!(refused.contains("it is started, and its worker dead was heard of"), "{refused}");
    house.redis::<i64>(&["HSET", &record, "last_heartbeat", long_ago]);
    is_back("Requeue it to run it");
}

#[test]
fn a_queue_that_is_too_long_to_be_searched_is_told_of() {
    let house = House::new();
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    let list = house.key("queue:default");
    let fill = "redis.call('DEL', KEYS[1]) for i = 1, 100001 do redis.call('RPUSH', KEYS[1], i) end return 1";
    house.redis::<i64>(&["EVAL", fill, "1", &list]);
    let refused = house.rq(&["requeue", job.id()]).fails(1);
    assert!(refused.contains("too long to be searched"), "{refused}");
    delete(&house, &["queue:default"]);
}

#[test]
fn explain_says_what_is_true_of_a_job_whose_record_says_that_it_runs() {
    let house = House::new();
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    let (key, wip) = (house.key(&format!("job:{}", job.id())), house.key("wip:default"));
    delete(&house, &["queue:default"]);
    let told = || house.rq(&["job", "explain", job.id()]).ok();
    assert!(told().contains("Its record says queued, but it is in no place"), "{}", told());
    house.redis::<i64>(&["HSET", &key, "status", "started", "worker_name", "w", "execution_id", "e1"]);
    assert!(told().contains("Its record says started, but it is in no place"), "{}", told());
    // A lease that has passed, and nobody who could take the job over.
    house.redis::<i64>(&["ZADD", &wip, "1", &format!("{}:e1", job.id())]);
    assert!(told().contains("no worker of rq-rs listens to queue default"), "{}", told());
    // Its worker's record is gone, and another worker is there.
    let now: (f64, u64) = house.redis(&["TIME"]);
    let end = now.0 + house.lease_margin() + 20.0;
    house.redis::<i64>(&["ZADD", &wip, &end.to_string(), &format!("{}:e1", job.id())]);
    assert!(told().contains("no worker of rq-rs listens to queue default"), "{}", told());
    let heir = Live::start(house.worker(&["default"]));
    heir.sees_idle();
    assert!(
        told().contains("Worker w, which runs it, is gone. Another one takes the job over in"),
        "{}",
        told()
    );
    // Its record is there, and it has not been heard of.
    let (record, then) = (house.key("worker:w"), "2026-01-01T00:00:00.000000Z");
    house.redis::<i64>(&["HSET", &record, "last_heartbeat", then, "runs_in", "threads", "queues", "default"]);
    house.redis::<i64>(&["SADD", &house.key("workers"), &record]);
    assert!(told().contains("Worker w, which runs it, has given no sign of life for"), "{}", told());
    heir.stops();
}

#[test]
fn explain_says_who_runs_a_job_that_runs() {
    let (house, door) = (House::new(), Door::default());
    let live = Live::start(worker(&house, &door).name("busy"));
    let job = house.queue("default").enqueue("door", "x").unwrap();
    live.sees_started(job.id());
    let told = house.rq(&["job", "explain", job.id()]).ok();
    assert!(told.contains("Worker busy has been running it for"), "{told}");
    door.open();
    live.stops();
}

#[test]
fn explain_names_the_limit_of_a_handler_that_holds_a_queue_up() {
    let (house, door) = (House::new(), Door::default());
    let queue = house.queue("default");
    let live = Live::start(worker(&house, &door).concurrency(4).handler_concurrency("door", 1));
    let ids: Vec<String> =
        (0..3).map(|n| queue.enqueue("door", n.to_string()).unwrap().id().to_owned()).collect();
    live.sees_started(&ids[0]);
    eventually("two wait", || queue.count() == Ok(2));
    let told = |id: &str| house.rq(&["job", "explain", id]).ok();
    assert!(
        told(&ids[1]).contains("run as many jobs of handler door at once as they may"),
        "{}",
        told(&ids[1])
    );
    let behind = told(&ids[2]);
    assert!(behind.contains(&format!("The next job of the queue, {}, waits", ids[1])), "{behind}");
    assert!(!behind.contains("a worker is free"), "{behind}");
    door.open();
    live.sees_finished(&ids[2]);
    live.stops();
}

#[test]
fn explain_knows_what_a_python_worker_runs_and_what_nobody_runs() {
    let house = House::new().in_rq();
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    let (key, runs) =
        (house.key(&format!("job:{}", job.id())), house.key(&format!("executions:{}", job.id())));
    delete(&house, &["queue:default"]);
    let started = "2026-11-22T00:00:00.000000Z";
    house.redis::<i64>(&["HSET", &key, "status", "started", "worker_name", "py", "started_at", started]);
    house.redis::<i64>(&["HSET", &house.key("worker:py"), "birth", started, "last_heartbeat", started]);
    house.redis::<i64>(&["SADD", &house.key("workers"), &house.key("worker:py")]);
    let told = || house.rq(&["job", "explain", job.id()]).ok();
    assert!(told().contains("Its record says started, but it is in no place"), "{}", told());
    let now: (f64, u64) = house.redis(&["TIME"]);
    house.redis::<i64>(&["ZADD", &runs, &(now.0 + 150.0).to_string(), "0123"]);
    assert!(told().contains("Worker py has been running it for"), "{}", told());
    let refused = house.rq(&["requeue", job.id()]).fails(1);
    assert!(refused.contains("it is started"), "{refused}");
    let end = (now.0 + 90.0).to_string();
    house.redis::<i64>(&["ZADD", &house.key("wip:default"), &end, &format!("{}:0123", job.id())]);
    assert!(told().contains("Worker py has been running it for"), "{}", told());
}

#[test]
fn explain_names_workers_that_are_quiet_or_silent() {
    let house = House::new();
    let live = Live::start(house.worker(&["default"]).name("w"));
    live.sees_idle();
    live.stopper.quiet();
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    let told = || house.rq(&["job", "explain", job.id()]).ok();
    eventually("it is quiet", || told().contains("All workers of queue default were told to be quiet"));
    live.stops();
    // A worker that was killed leaves its record.
    let (record, then) = (house.key("worker:dead"), "2026-01-01T00:00:00.000000Z");
    house.redis::<i64>(&["HSET", &record, "last_heartbeat", then, "runs_in", "threads", "queues", "default"]);
    house.redis::<i64>(&["SADD", &house.key("workers"), &record]);
    assert!(told().contains("No worker of queue default gives a sign of life any more"), "{}", told());
}
