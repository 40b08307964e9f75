//! The outage matrix: what Redis does, and what becomes of the work.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rq_rs::{Context, Cron, Event, NewJob, Retry, Status, Worker};

use crate::support::{Cut, Door, House, Live, Process, Proxy, eventually};

const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn door_worker(house: &House, door: &Door) -> Worker {
    let inside = door.clone();
    house.worker(&["default"]).handler("door", move |_: &Context, (): ()| {
        inside.wait();
        Ok("through")
    })
}

fn sees_trouble(live: &Live) {
    live.sees("trouble", |event| matches!(event, Event::Trouble { .. }));
}

fn sees_back(live: &Live) {
    live.sees("Redis back", |event| *event == Event::Back);
}

/// A worker that is well: it runs a job.
fn runs_a_job(house: &House, live: &Live) {
    let job = house.queue("default").enqueue("add", (1, 1)).unwrap();
    live.sees_finished(job.id());
}

#[test]
fn redis_restarts_while_the_worker_is_idle() {
    let house = House::with_own_redis(&DURABLE);
    let live = Live::start(house.worker(&["default"]));
    live.sees_idle();
    house.server().kill();
    sees_trouble(&live);
    house.server().launch();
    sees_back(&live);
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn redis_restarts_while_a_job_runs_and_its_end_is_kept_until_it_is_back() {
    let (house, door) = (House::with_own_redis(&DURABLE), Door::default());
    let live = Live::start(door_worker(&house, &door));
    let job = house.queue("default").enqueue("door", ()).unwrap();
    live.sees_started(job.id());
    house.server().kill();
    door.open();
    sees_trouble(&live);
    house.server().launch();
    live.sees_finished(job.id());
    let job = house.queue("default").job(job.id()).unwrap();
    assert_eq!((job.returned::<String>(), job.deliveries), (Ok("through".into()), 1));
    assert_eq!(live.stops().stale, 0);
}

#[test]
fn redis_is_replaced_by_an_empty_one() {
    let house = House::with_own_redis(&DURABLE);
    let live = Live::start(house.worker(&["default"]).name("w1").lease(Duration::from_secs(1)));
    live.sees_idle();
    house.server().kill();
    house.server().forget_data();
    house.server().launch();
    runs_a_job(&house, &live);
    eventually("the worker is registered again", || {
        house.redis::<bool>(&["EXISTS", &house.key("worker:w1")])
    });
    live.stops();
}

#[test]
fn redis_goes_silent() {
    let (house, door) = (House::with_own_redis(&[]), Door::default());
    let live = Live::start(door_worker(&house, &door));
    let job = house.queue("default").enqueue("door", ()).unwrap();
    live.sees_started(job.id());
    house.server().signal("STOP");
    door.open();
    live.sees(
        "trouble",
        |event| matches!(event, Event::Trouble { error, .. } if error.contains("does not answer")),
    );
    house.server().signal("CONT");
    live.sees_finished(job.id());
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn redis_becomes_read_only_after_a_failover() {
    let house = House::with_own_redis(&[]);
    let live = Live::start(house.worker(&["default"]));
    live.sees_idle();
    house.redis::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    live.sees("trouble", |event| matches!(event, Event::Trouble { error, .. } if error.contains("READONLY")));
    house.redis::<String>(&["REPLICAOF", "NO", "ONE"]);
    sees_back(&live);
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn redis_is_loading_for_a_while() {
    let house = House::with_own_redis(&[&DURABLE[..], &["--key-load-delay", "500"]].concat());
    let live = Live::start(house.worker(&["default"]));
    live.sees_idle();
    house.queue("other").enqueue_many((0..3_000).map(|n| NewJob::new("add", (n, n)))).unwrap();
    house.server().kill();
    sees_trouble(&live);
    house.server().launch();
    sees_back(&live);
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn redis_drops_every_client() {
    let (house, door) = (House::with_own_redis(&[]), Door::default());
    let live = Live::start(door_worker(&house, &door));
    let job = house.queue("default").enqueue("door", ()).unwrap();
    live.sees_started(job.id());
    house.redis::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    door.open();
    live.sees_finished(job.id());
    house.redis::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn redis_refuses_blocking_commands_and_the_worker_polls() {
    let house = House::with_own_redis(&[]);
    house.redis::<String>(&["ACL", "SETUSER", "default", "-brpoplpush"]);
    let live = Live::start(house.worker(&["default"]).broker_max_retries(1));
    live.sees_idle();
    for _ in 0..3 {
        runs_a_job(&house, &live);
    }
    live.stops();
}

#[test]
fn redis_is_full_while_jobs_run() {
    let (house, door) = (House::with_own_redis(&[]), Door::default());
    let live = Live::start(door_worker(&house, &door).lease(Duration::from_secs(1)));
    let job = house.queue("default").enqueue("door", ()).unwrap();
    live.sees_started(job.id());
    house.redis::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let wip = house.key("wip:default");
    let lease = || house.redis::<Vec<(String, f64)>>(&["ZRANGE", &wip, "0", "-1", "WITHSCORES"])[0].1;
    let first = lease();
    eventually("leases are renewed", || lease() > first);
    door.open();
    live.sees_finished(job.id());
    house.redis::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    runs_a_job(&house, &live);
    live.stops();
}

#[test]
fn the_budget_of_retries_ends_the_worker_with_code_3() {
    let house = House::with_own_redis(&[]);
    let mut worker = house.start(&["worker", "--exec", "*=cat", "--broker-max-retries", "2", "-v"]);
    worker.says("idle");
    house.server().kill();
    worker.says("next try in");
    let output = worker.finish("");
    assert!(output.stderr.contains("gave up on Redis after 3 tries: cannot reach Redis at"), "{output:?}");
    assert_eq!(output.code, Some(3));
}

#[test]
fn an_enqueue_whose_answer_is_lost_does_not_run_twice() {
    for cut in [Cut::Before, Cut::After] {
        let house = House::new();
        let mut left = 1;
        let proxy = Proxy::start(house.url(), move |words| {
            let hit = words[0] == "EVALSHA" && left > 0;
            left -= i32::from(hit);
            if hit { cut } else { Cut::No }
        });
        let queue = house.through(proxy.url()).queue("default");
        let chosen = queue.enqueue_job(NewJob::new("add", (1, 1)).id("chosen")).unwrap();
        let bulk = queue.enqueue_many((0..3).map(|n| NewJob::new("add", (n, n)))).unwrap();
        assert_eq!((chosen.id(), bulk.ids.len(), bulk.duplicates.len()), ("chosen", 3, 0), "{cut:?}");
        assert_eq!(house.queue("default").count(), Ok(4), "{cut:?}");
    }
}

#[test]
fn a_finish_whose_answer_is_lost_is_done_once() {
    let house = House::new();
    house.queue("default").enqueue("add", (1, 1)).unwrap();
    house.drain(house.worker(&["default"])); // Redis knows the scripts now: the cut hits a real finish
    let mut cuts = 2;
    let proxy = Proxy::start(house.url(), move |words| {
        // The claim and the finish name the job key prefix; only the finish says finished.
        let hit = cuts > 0 && words.iter().any(|word| word == "finished");
        cuts -= i32::from(hit);
        if hit { Cut::After } else { Cut::No }
    });
    let job = house.queue("default").enqueue("add", (20, 22)).unwrap();
    let live = Live::start(house.through(proxy.url()).worker(&["default"]));
    live.sees_finished(job.id());
    let summary = live.stops();
    assert_eq!((summary.finished, summary.stale), (1, 0));
    assert_eq!(house.places("default", job.id()), ["finished"]);
}

/// Redis carries out a claim of these workers, and its answer is lost.
fn loses_a_claim(house: &House) -> Proxy {
    house.drain(house.worker(&["default"])); // Redis knows the scripts now: the cut hits a real claim
    let (mut cuts, pop) = (1, house.pop());
    Proxy::start(house.url(), move |words| {
        let hit = cuts > 0 && words.iter().any(|word| word == pop);
        cuts -= i32::from(hit);
        if hit { Cut::After } else { Cut::No }
    })
}

#[test]
fn jobs_of_a_claim_whose_answer_is_lost_go_back_at_once_in_order_and_no_start_is_counted() {
    let house = House::new();
    let proxy = loses_a_claim(&house);
    let queue = house.queue("default");
    let bulk = queue.enqueue_many((0..5).map(|n| NewJob::new("add", (n, n)))).unwrap();
    let live = Live::start(house.through(proxy.url()).worker(&["default"]).concurrency(3));
    let ids = bulk.ids;
    let mut back: Vec<String> = Vec::new();
    while back.len() < 3 {
        let event = live.sees("a job goes back", |event| matches!(event, Event::NotBegun { .. }));
        back.extend(match event {
            Event::NotBegun { id } => Some(id),
            _ => None,
        });
    }
    back.sort_by_key(|id| ids.iter().position(|one| one == id));
    assert_eq!(back, ids[..3]);
    eventually("all finish", || ids.iter().all(|id| house.places("default", id) == ["finished"]));
    assert_eq!(live.stops().finished, 5);
    assert!(ids.iter().all(|id| queue.job(id).unwrap().deliveries == 1));
}

#[test]
fn a_burst_worker_runs_the_jobs_of_a_claim_whose_answer_was_lost() {
    let house = House::new();
    let proxy = loses_a_claim(&house);
    let ids = house.queue("default").enqueue_many((0..4).map(|n| NewJob::new("add", (n, n)))).unwrap().ids;
    let summary = house.through(proxy.url()).worker(&["default"]).burst(true).run().unwrap();
    assert_eq!(summary.finished, 4);
    assert!(ids.iter().all(|id| house.places("default", id) == ["finished"]));
}

#[test]
fn a_worker_whose_registration_is_cut_works_all_the_same() {
    for cut in [Cut::Before, Cut::After] {
        let house = House::new();
        house.drain(house.worker(&["default"]));
        let mut cuts = 1;
        let record = house.key("worker:cut");
        let proxy = Proxy::start(house.url(), move |words| {
            let hit = cuts > 0 && words[0] == "EVALSHA" && words.contains(&record);
            cuts -= i32::from(hit);
            if hit { cut } else { Cut::No }
        });
        let live = Live::start(house.through(proxy.url()).worker(&["default"]).name("cut"));
        runs_a_job(&house, &live);
        live.stops();
    }
}

#[test]
fn grace_ends_and_what_runs_is_put_back_with_code_4() {
    let house = House::new();
    let mut worker = house.start(&["worker", "--grace", "0.3s", "--exec", "job=sleep 60"]);
    let id = house.rq(&["enqueue", "job"]).ok();
    worker.says(&id);
    worker.signal("TERM");
    worker.says("put back unfinished");
    assert_eq!(worker.finish("").code, Some(4));
    let job = house.queue("default").job(&id).unwrap();
    assert_eq!((house.places("default", &id), job.deliveries), (vec!["queue"], 0));
}

#[test]
fn tstp_quiets_a_worker_and_cont_lets_it_go_on() {
    let house = House::new();
    let mut worker = house.start(&["worker", "-v", "--exec", "job=echo done"]);
    worker.says("idle");
    worker.signal("TSTP");
    worker.says("quiet");
    let id = house.rq(&["enqueue", "job"]).ok();
    eventually("it is in its queue", || house.places("default", &id) == ["queue"]);
    worker.signal("CONT");
    worker.says(&format!("{id} finished"));
    worker.signal("TERM");
    assert_eq!(worker.finish("").code, Some(0));
}

#[test]
fn a_right_that_is_taken_away_is_told_of_once_by_an_idle_worker_and_its_end_too() {
    let house = House::with_own_redis(&[]);
    let mut worker =
        house.start(&["worker", "--exec", "*=cat", "--lease", "1s", "--recover-interval", "0.1s", "-v"]);
    worker.says("idle");
    house.redis::<String>(&["ACL", "SETUSER", "default", "-@scripting"]);
    worker.says("default: Redis denied access: NOPERM");
    let refused = || {
        let errors = house.redis::<String>(&["INFO", "errorstats"]);
        errors.split("errorstat_NOPERM:count=").nth(1)?.lines().next()?.trim().parse::<u32>().ok()
    };
    eventually("duties are tried again", || refused().is_some_and(|count| count >= 30));
    house.redis::<String>(&["ACL", "SETUSER", "default", "+@scripting"]);
    worker.says("default: no more: Redis denied access: NOPERM");
    worker.signal("TERM");
    let output = worker.finish("");
    let warnings = output.stderr.lines().filter(|line| line.contains("default: Redis denied")).count();
    assert_eq!(warnings, 1, "{output:?}");
}

#[test]
fn signs_of_life_go_on_while_redis_is_away_and_stop_with_the_worker() {
    let house = House::with_own_redis(&DURABLE);
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("health"), folder.path().join("notify"));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut environment = house.environment();
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
    worker.says("idle");
    house.server().kill();
    worker.says("next try in");
    // What was sent before is heard, too: so many cannot have been.
    let touched = || std::fs::metadata(&file).and_then(|meta| meta.modified()).unwrap();
    for _ in 0..3 {
        let before = touched();
        eventually("the health file is touched", || touched() > before);
        hears("WATCHDOG=1");
    }
    house.server().launch();
    worker.says("Redis is back");
    worker.signal("TERM");
    hears("STOPPING=1");
    assert_eq!(worker.finish("").code, Some(0));
    assert!(!file.exists());
}

#[test]
fn a_replica_is_told_of_once_by_an_idle_worker_and_its_end_too() {
    let house = House::with_own_redis(&[]);
    let words = ["worker", "--exec", "*=cat", "--lease", "1s", "-v"];
    let mut worker = house.start(&words);
    worker.says("idle");
    house.redis::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    worker.says("the worker's record is not renewed: Redis refused: READONLY");
    let refused = || {
        let errors = house.redis::<String>(&["INFO", "errorstats"]);
        errors.split("errorstat_READONLY:count=").nth(1)?.lines().next()?.trim().parse::<u32>().ok()
    };
    eventually("more beats are refused", || refused().is_some_and(|count| count >= 5));
    house.redis::<String>(&["REPLICAOF", "NO", "ONE"]);
    worker.says("heartbeats are written again");
    worker.signal("TERM");
    let output = worker.finish("");
    assert_eq!(output.stderr.matches("is not renewed").count(), 1, "{output:?}");
}

#[test]
fn the_health_file_is_touched_while_the_worker_lives_and_only_then() {
    let house = House::with_own_redis(&DURABLE);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("health");
    let words = ["worker", "--exec", "*=sleep 60", "-v", "-c", "1", "--health-file", file.to_str().unwrap()];
    let mut worker = house.start(&words);
    worker.says("idle");
    let touched = || std::fs::metadata(&file).and_then(|meta| meta.modified()).unwrap();
    let is_touched_again = |what: &str| {
        let before = touched();
        eventually(what, || touched() > before);
    };
    is_touched_again("idle is well");
    house.rq(&["enqueue", "job"]).ok();
    worker.says("default: job()");
    is_touched_again("every slot busy is well");
    assert!(house.rq(&["info"]).ok().contains("fetched"));
    worker.signal("TERM");
    worker.says("stopping");
    eventually("the job is put back", || {
        worker.signal("TERM");
        house.queue("default").count() == Ok(1)
    });
    worker.finish("");
    assert!(!file.exists());
}

#[test]
fn systemd_is_told_ready_watchdog_and_status() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut environment = house.environment();
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
    let house = House::with_own_redis(&DURABLE);
    let queue = house.queue("default");
    let retry = Retry::list([Duration::from_secs(2)], 3);
    let job = queue.enqueue_job(NewJob::new("pay", ()).retry(retry)).unwrap();
    let mut first = house.start(&["worker", "--exec", "pay=false"]);
    first.says("next try in 2 s");
    first.signal("KILL");
    house.server().restart();
    let waiting = queue.job(job.id()).unwrap();
    assert_eq!((waiting.status, waiting.retries_left), (Status::Scheduled, Some(2)));
    let mut second = house.start(&["worker", "--exec", "pay=true", "--max-jobs", "1"]);
    second.says("finished");
    second.finish("").ok();
    let job = queue.job(job.id()).unwrap();
    assert_eq!((job.status, job.number_of_retries, job.attempts.len()), (Status::Finished, 1, 1));
}

#[test]
fn cron_entries_go_on_after_redis_was_away_and_nothing_is_enqueued_twice() {
    let house = House::with_own_redis(&DURABLE);
    let entry = || Cron::new("often", "every 1s", NewJob::new("noop", ())).queue("ticks");
    let workers = [(); 2].map(|()| Live::start(house.worker(&["default"]).cron(entry())));
    let count = || house.queue("ticks").count().unwrap_or(0);
    eventually("it ticks", || count() >= 2);
    house.server().kill();
    workers.iter().for_each(sees_trouble);
    house.server().launch();
    let before = count();
    eventually("it ticks again", || count() > before);
    let mut ids = house.queue("ticks").ids(0, 100).unwrap();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
    // Each tick is a second of its own.
    let scores: Vec<(String, f64)> = {
        let flat: Vec<String> =
            house.redis(&["ZRANGE", &house.key("cron_job:often:jobs"), "0", "-1", "WITHSCORES"]);
        flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].parse().unwrap())).collect()
    };
    let span = scores.last().unwrap().1 - scores[0].1;
    assert!(scores.len() as f64 <= span + 2.0, "{} ticks in {span} s", scores.len());
    for live in workers {
        live.stops();
    }
}

#[test]
fn a_file_for_supervisors_that_cannot_be_written_is_told_once() {
    let house = House::new();
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
        let told = house.rq(&[&worker[..], &[option, path]].concat()).fails(1);
        assert!(told.contains(&format!("cannot write {path}")) && told.contains(option), "{told}");
    }
    let health = inner.join("health");
    let mut worker = house.start(&[&worker[..], &["--health-file", health.to_str().unwrap()]].concat());
    worker.says("listens");
    std::fs::remove_dir_all(&inner).unwrap();
    worker.says("probes may take this worker for dead");
    // It is touched about once a second, and this takes longer.
    let job = house.queue("default").enqueue("wait", ()).unwrap();
    eventually("some touches later", || {
        house.queue("default").job(job.id()).unwrap().status == Status::Finished
    });
    std::fs::create_dir(&inner).unwrap();
    worker.says("is touched again");
    worker.signal("TERM");
    let told = worker.finish("").stderr;
    assert_eq!(told.matches("cannot touch").count(), 1, "{told}");
}
