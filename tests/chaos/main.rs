//! The chaos test: real worker processes and a real Redis are killed, stopped, cut off and filled up
//! while jobs run. A checker that knows nothing of rq-rs but its keys says whether anything was lost.
//!
//! `just chaos` is the long run; without `RQ_CHAOS=full` it is a short one. `RQ_CHAOS_SEED` repeats one.
//! Both dialects have their turn, unless `RQ_RS_DIALECT` names one; and work horses, unless `RQ_CHAOS_RUN` says
//! `threads` or `processes`.

#![allow(missing_docs, clippy::unwrap_used)]

mod checker;
mod ledger;
mod storm;
#[allow(dead_code, unused_imports)]
#[path = "../behaviour/support/mod.rs"]
mod support;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rq_rs::{Error, NewJob, Queue, Ttl};
use support::RedisServer;

/// How much of everything.
pub(crate) struct Plan {
    pub(crate) jobs: usize,
    pub(crate) per_second: usize,
    pub(crate) worker_kills: usize,
    pub(crate) redis_kills: usize,
    pub(crate) client_kills: usize,
    pub(crate) zombies: usize,
    pub(crate) full: usize,
    pub(crate) flips: usize,
    pub(crate) flushes: usize,
    pub(crate) stalls: usize,
}

const SHORT: Plan = Plan {
    jobs: 10_000,
    per_second: 1_200,
    worker_kills: 8,
    redis_kills: 1,
    client_kills: 2,
    zombies: 2,
    full: 1,
    flips: 1,
    flushes: 1,
    stalls: 0,
};

const FULL: Plan = Plan {
    jobs: 100_000,
    per_second: 1_500,
    worker_kills: 50,
    redis_kills: 5,
    client_kills: 6,
    zombies: 6,
    full: 4,
    flips: 3,
    flushes: 4,
    stalls: 1,
};

pub(crate) const QUEUES: [&str; 3] = ["high", "middle", "low"];
pub(crate) const PREFIX: &str = "chaos";
/// Nothing may stand still for longer than this once the storm is over.
const STANDSTILL: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let handlers = worker::handlers();
    if std::env::args().nth(1).as_deref() == Some(worker::WORD) {
        return worker::main(handlers);
    }
    let (Ok(dialect), Ok(place)) = (std::env::var("RQ_RS_DIALECT"), std::env::var("RQ_CHAOS_RUN")) else {
        return in_each_way();
    };
    let is_full = std::env::var("RQ_CHAOS").is_ok_and(|value| value == "full");
    let plan = if is_full { FULL } else { SHORT };
    let seed = std::env::var("RQ_CHAOS_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    println!(
        "chaos: dialect {dialect}, {place}, seed {seed}, {} jobs (RQ_CHAOS_SEED={seed} repeats the plan of it)",
        plan.jobs
    );
    let problems = run(&plan, seed, &place);
    println!("{} passed, {} failed", u8::from(problems.is_empty()), u8::from(!problems.is_empty()));
    for problem in &problems {
        println!("chaos: seed {seed}: {problem}");
    }
    ExitCode::from(u8::from(!problems.is_empty()))
}

/// The library reads the variable itself, in the workers too.
fn in_each_way() -> ExitCode {
    let asked = |name: &str, all: &[&'static str]| match std::env::var(name) {
        Ok(one) => vec![one],
        Err(_) => all.iter().map(ToString::to_string).collect(),
    };
    let mut has_failed = false;
    for place in asked("RQ_CHAOS_RUN", &["threads", "processes"]) {
        for dialect in asked("RQ_RS_DIALECT", &["native", "rq"]) {
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            again.env("RQ_RS_DIALECT", dialect).env("RQ_CHAOS_RUN", &place);
            has_failed |= !again.status().unwrap().success();
        }
    }
    ExitCode::from(u8::from(has_failed))
}

fn run(plan: &Plan, seed: u64, place: &str) -> Vec<String> {
    let started = Instant::now();
    let slots = worker::SLOTS[seed as usize % worker::SLOTS.len()];
    // Three workers with 40 processes each are too much for a small machine.
    let slots = if place == "processes" { worker::SLOTS[0] } else { slots };
    let redis = Arc::new(RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]));
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let fleet = Arc::new(worker::Fleet::start(&redis.url(), &ledger, (slots, place)));
    let accepted = Arc::new(AtomicUsize::new(0));
    let producer = {
        let (url, accepted) = (redis.url(), Arc::clone(&accepted));
        let (jobs, per_second) = (plan.jobs, plan.per_second);
        std::thread::spawn(move || produce(&url, jobs, per_second, &accepted))
    };
    let storm = storm::Storm::new(plan, seed);
    let checks = storm.rage(&redis, &fleet, &accepted);
    producer.join().unwrap();
    let ended = checker::wait_for_all(&redis.url(), plan.jobs, STANDSTILL);
    let mut violations = checks;
    violations.extend(checker::violations(&redis.url(), plan.jobs));
    violations.extend(checker::left_over(&redis.url(), plan.jobs));
    let kills = fleet.kills();
    fleet.end();
    let left_behind = fleet.left_behind();
    let report = ledger::read(&ledger, plan.jobs);
    let bound = kills * slots + report.recovered;
    let rows = [
        ("jobs", plan.jobs),
        ("slots of a worker", slots),
        ("ended", ended),
        ("never run to the end", report.never_ended.len()),
        ("finished twice", report.finished_twice),
        ("place violations", violations.len()),
        ("extra runs", report.extra_runs),
        ("bound of extra runs", bound),
        ("recovered leases", report.recovered),
        ("stale ends refused", report.stale),
        ("worker kills", kills),
        ("processes left behind", left_behind.len()),
        ("longest silence (ms)", report.longest_silence_ms),
        ("seconds in all", started.elapsed().as_secs() as usize),
    ];
    for (what, number) in rows {
        println!("  {what:<24}{number:>10}");
    }
    let mut problems = Vec::new();
    let mut must = |is_so: bool, what: String| {
        if !is_so {
            problems.push(what);
        }
    };
    must(ended == plan.jobs, format!("{} of {} jobs ended", ended, plan.jobs));
    must(report.never_ended.is_empty(), format!("never run to the end: {:?}", &report.never_ended));
    must(report.finished_twice == 0, format!("{} jobs finished twice", report.finished_twice));
    must(violations.is_empty(), format!("places: {:?}", &violations[..violations.len().min(5)]));
    must(left_behind.is_empty(), format!("processes left behind: {left_behind:?}"));
    must(report.extra_runs <= bound, format!("{} extra runs, bound {bound}", report.extra_runs));
    problems
}

/// Enqueues job after job, each until it is accepted. `Duplicate` means it was, by a lost answer.
fn produce(url: &str, jobs: usize, per_second: usize, accepted: &AtomicUsize) {
    let queues = QUEUES.map(|name| connect(url, name));
    let started = Instant::now();
    for n in 0..jobs {
        let due = Duration::from_secs_f64(n as f64 / per_second as f64);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let job = NewJob::new("work", n).id(format!("j{n}")).result_ttl(Ttl::FOREVER);
        loop {
            match queues[n % QUEUES.len()].enqueue_job(job.clone()) {
                Ok(_) | Err(Error::Duplicate { .. }) => break,
                Err(error) if error.is_temporary() => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("enqueue: {error}"),
            }
        }
        accepted.store(n + 1, Ordering::Release);
    }
}

/// Redis may be away just now.
fn connect(url: &str, name: &str) -> Queue {
    loop {
        match Queue::connect(url, name).and_then(|queue| queue.prefix(PREFIX)) {
            Ok(queue) => return queue,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
