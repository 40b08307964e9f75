//! The chaos test: while jobs run, worker processes and Redis are killed and paused, connections are closed, and Redis
//! runs out of memory. A checker that knows only the keys of rq-rs finds lost jobs.
//!
//! The run is short unless `RQ_CHAOS=full`, which `just chaos` sets. `RQ_CHAOS_SEED` repeats the disruptions of a run.
//! By default all four combinations run: two dialects, threads and processes. `RQ_RS_DIALECT` chooses a dialect,
//! `RQ_CHAOS_RUN` `threads` or `processes`.

#![allow(missing_docs, clippy::unwrap_used)]

mod checker;
mod disruptions;
mod ledger;
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

/// Number of jobs, and of disruptions of each kind.
pub(crate) struct Plan {
    pub(crate) jobs: usize,
    pub(crate) per_second: usize,
    pub(crate) worker_kills: usize,
    pub(crate) redis_kills: usize,
    pub(crate) client_kills: usize,
    pub(crate) worker_pauses: usize,
    pub(crate) out_of_memory: usize,
    pub(crate) demotions: usize,
    pub(crate) script_flushes: usize,
    pub(crate) redis_pauses: usize,
}

const SHORT: Plan = Plan {
    jobs: 10_000,
    per_second: 1_200,
    worker_kills: 8,
    redis_kills: 1,
    client_kills: 2,
    worker_pauses: 2,
    out_of_memory: 1,
    demotions: 1,
    script_flushes: 1,
    redis_pauses: 0,
};

const FULL: Plan = Plan {
    jobs: 100_000,
    per_second: 1_500,
    worker_kills: 50,
    redis_kills: 5,
    client_kills: 6,
    worker_pauses: 6,
    out_of_memory: 4,
    demotions: 3,
    script_flushes: 4,
    redis_pauses: 1,
};

pub(crate) const QUEUES: [&str; 3] = ["high", "middle", "low"];
pub(crate) const PREFIX: &str = "chaos";
/// The time within which some job must end, once the disruptions are over.
const MAX_STANDSTILL: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let handlers = worker::handlers();
    if std::env::args().nth(1).as_deref() == Some(worker::WORKER_ARGUMENT) {
        return worker::main(handlers);
    }
    let (Ok(dialect), Ok(isolation)) = (std::env::var("RQ_RS_DIALECT"), std::env::var("RQ_CHAOS_RUN")) else {
        return run_all_combinations();
    };
    let is_full = std::env::var("RQ_CHAOS").is_ok_and(|value| value == "full");
    let plan = if is_full { FULL } else { SHORT };
    let seed = std::env::var("RQ_CHAOS_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    println!(
        "chaos: dialect {dialect}, {isolation}, seed {seed}, {} jobs (RQ_CHAOS_SEED={seed} repeats the plan of it)",
        plan.jobs
    );
    let problems = run(&plan, seed, &isolation);
    println!("{} passed, {} failed", u8::from(problems.is_empty()), u8::from(!problems.is_empty()));
    for problem in &problems {
        println!("chaos: seed {seed}: {problem}");
    }
    ExitCode::from(u8::from(!problems.is_empty()))
}

/// Runs this program again for each combination. Its workers inherit the variables.
fn run_all_combinations() -> ExitCode {
    let values_of = |name: &str, all: &[&'static str]| match std::env::var(name) {
        Ok(one) => vec![one],
        Err(_) => all.iter().map(ToString::to_string).collect(),
    };
    let mut has_failed = false;
    for isolation in values_of("RQ_CHAOS_RUN", &["threads", "processes"]) {
        for dialect in values_of("RQ_RS_DIALECT", &["native", "rq"]) {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command.env("RQ_RS_DIALECT", dialect).env("RQ_CHAOS_RUN", &isolation);
            has_failed |= !command.status().unwrap().success();
        }
    }
    ExitCode::from(u8::from(has_failed))
}

fn run(plan: &Plan, seed: u64, isolation: &str) -> Vec<String> {
    let started = Instant::now();
    let slots = worker::SLOTS[seed as usize % worker::SLOTS.len()];
    // Three workers with 40 processes each are too much for a small machine.
    let slots = if isolation == "processes" { worker::SLOTS[0] } else { slots };
    let redis = Arc::new(RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]));
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let fleet = Arc::new(worker::Fleet::start(&redis.url(), &ledger, (slots, isolation)));
    let accepted = Arc::new(AtomicUsize::new(0));
    let producer = {
        let (url, accepted) = (redis.url(), Arc::clone(&accepted));
        let (jobs, per_second) = (plan.jobs, plan.per_second);
        std::thread::spawn(move || produce(&url, jobs, per_second, &accepted))
    };
    let schedule = disruptions::Schedule::new(plan, seed);
    let mut violations = schedule.run(&redis, &fleet, &accepted);
    producer.join().unwrap();
    let ended = checker::wait_for_all(&redis.url(), plan.jobs, MAX_STANDSTILL);
    violations.extend(checker::find_violations(&redis.url(), plan.jobs));
    violations.extend(checker::find_leftovers(&redis.url(), plan.jobs));
    let kills = fleet.kills();
    fleet.kill_all();
    let left_behind = fleet.find_survivors();
    let report = ledger::read(&ledger, plan.jobs);
    let bound = kills * slots + report.recovered;
    let rows = [
        ("jobs", plan.jobs),
        ("slots of a worker", slots),
        ("ended", ended),
        ("never ended", report.never_ended.len()),
        ("finished twice", report.finished_twice),
        ("place violations", violations.len()),
        ("extra runs", report.extra_runs),
        ("bound of extra runs", bound),
        ("recovered leases", report.recovered),
        ("refused finishes", report.refused),
        ("worker kills", kills),
        ("processes left behind", left_behind.len()),
        ("longest silence (ms)", report.longest_silence_ms),
        ("seconds in all", started.elapsed().as_secs() as usize),
    ];
    for (name, number) in rows {
        println!("  {name:<24}{number:>10}");
    }
    let mut problems = Vec::new();
    let mut check = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    check(ended == plan.jobs, format!("{} of {} jobs ended", ended, plan.jobs));
    check(report.never_ended.is_empty(), format!("never run to the end: {:?}", &report.never_ended));
    check(report.finished_twice == 0, format!("{} jobs finished twice", report.finished_twice));
    check(violations.is_empty(), format!("places: {:?}", &violations[..violations.len().min(5)]));
    check(left_behind.is_empty(), format!("processes left behind: {left_behind:?}"));
    check(report.extra_runs <= bound, format!("{} extra runs, bound {bound}", report.extra_runs));
    problems
}

/// Enqueues the jobs, and repeats each until it is accepted. `Duplicate` says that an earlier call was, whose reply was
/// lost.
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

/// Repeats the connection until Redis accepts it.
fn connect(url: &str, name: &str) -> Queue {
    loop {
        match Queue::connect(url, name).and_then(|queue| queue.prefix(PREFIX)) {
            Ok(queue) => return queue,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
