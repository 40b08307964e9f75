//! Tests of the simulation, and tests by it. `RQ_SIMULATION_SEED=n` runs one seed and prints what happens (with
//! `RQ_SIMULATION_DIALECT=rq` in that dialect, with `RQ_SIMULATION_DEFECT=name` with that defect); `RQ_SIMULATION=full` runs a million seeds in each dialect.

#![allow(clippy::print_stdout)] // Rates and failing schedules are for people.

use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::coverage::Coverage;
use super::defect::Defect;
use super::model::Mutation;
use super::plan::Planned;
use super::schedule;
use super::shrink::shrink;
use super::trace::Trace;
use super::world::{Report, Sabotage, run};
use crate::dialect::{Dialect, DialectSpec};

fn run_seed(seed: u64, dialect: &'static DialectSpec, sabotage: Sabotage) -> Report {
    run(&schedule::plan(seed, dialect), sabotage, Trace::Off)
}

/// The failing schedule, made smaller, with everything that happens in it.
fn describe(seed: u64, dialect: &'static DialectSpec, sabotage: Sabotage) -> String {
    let plan = schedule::plan(seed, dialect);
    let Some(violation) = run(&plan, sabotage, Trace::Off).violation else {
        return "no violation".to_owned();
    };
    let small = shrink(&plan, sabotage, violation.rule);
    let report = run(&small, sabotage, Trace::Text(Vec::new()));
    let mut text = format!("seed {seed}, dialect {}: broken: {}\n", dialect.name, violation.rule);
    for item in &small.items {
        text += &format!("  {item:?}\n");
    }
    for line in report.trace.lines() {
        text += &format!("{}\n", line.chars().take(1200).collect::<String>());
    }
    let violation = report.violation.unwrap_or(violation);
    text + &format!("{}: {}\n", violation.rule, violation.details)
}

/// Broken rules, each with the number of seeds and the first of them.
type Broken = BTreeMap<&'static str, (u64, u64)>;

/// Runs seeds on all cores, until a few rules are broken.
fn run_all(seeds: u64, dialect: &'static DialectSpec, has_progress: bool) -> (Coverage, Broken) {
    let (next, total) = (AtomicU64::new(0), Mutex::new((Coverage::default(), Broken::new())));
    let started = Instant::now();
    let work = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let report = run_seed(seed, dialect, Sabotage::default());
            coverage.merge(&report.coverage);
            if let Some(violation) = report.violation {
                let mut total = total.lock().unwrap();
                let (count, first) = total.1.entry(violation.rule).or_insert((0, seed));
                (*count, *first) = (*count + 1, seed.min(*first));
            }
            if has_progress && seed > 0 && seed.is_multiple_of(100_000) {
                let rate = seed as f64 / started.elapsed().as_secs_f64() * 60.0;
                println!("{}: {seed} schedules, {rate:.0} a minute", dialect.name);
            }
        }
        total.lock().unwrap().0.merge(&coverage);
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    total.into_inner().unwrap()
}

#[test]
fn a_seed_repeats_exactly() {
    let hash = |seed: u64, dialect: Dialect| {
        let plan = schedule::plan(seed, dialect.spec());
        run(&plan, Sabotage::default(), Trace::Hash(DefaultHasher::new())).trace.hash()
    };
    for dialect in [Dialect::Native, Dialect::Rq] {
        for seed in 0..100 {
            assert_eq!(hash(seed, dialect), hash(seed, dialect), "seed {seed}, dialect {dialect}");
        }
    }
}

#[test]
fn one_seed_is_repeated() {
    let Ok(seed) = std::env::var("RQ_SIMULATION_SEED") else { return };
    let dialect: Dialect =
        std::env::var("RQ_SIMULATION_DIALECT").map_or(Dialect::Native, |name| name.parse().unwrap());
    let name = std::env::var("RQ_SIMULATION_DEFECT").unwrap_or_default();
    let defect = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    let mutation = Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == name);
    println!("{}", describe(seed.parse().unwrap(), dialect.spec(), Sabotage { defect, mutation }));
}

/// Runs seeds in one dialect. No rule may be broken, and everything that is counted has to happen.
fn assert_promises(dialect: Dialect) {
    let is_full = std::env::var("RQ_SIMULATION").is_ok_and(|size| size == "full");
    let seeds = std::env::var("RQ_SIMULATION_COUNT").ok().and_then(|count| count.parse().ok());
    let seeds = seeds.unwrap_or(if is_full { FULL_SEEDS } else { DEFAULT_SEEDS });
    let started = Instant::now();
    let (coverage, broken) = run_all(seeds, dialect.spec(), is_full);
    let rate = seeds as f64 / started.elapsed().as_secs_f64() * 60.0;
    println!("{dialect}: {seeds} schedules, {rate:.0} a minute; broken: {broken:?}");
    let mut never = Vec::new();
    for (name, count) in coverage.all() {
        println!("  {name:26} {:10.1} in 10,000 schedules", count as f64 * 10_000.0 / seeds as f64);
        never.extend((count == 0).then_some(name));
    }
    for (_, first) in broken.values() {
        println!("{}", describe(*first, dialect.spec(), Sabotage::default()));
    }
    assert!(broken.is_empty(), "broken in {dialect}: {broken:?}");
    assert!(never.is_empty() || seeds < DEFAULT_SEEDS, "never in {seeds} schedules of {dialect}: {never:?}");
}

#[test]
fn simulated_workers_keep_every_promise() {
    assert_promises(Dialect::Native);
}

#[test]
fn simulated_workers_keep_every_promise_in_the_dialect_rq() {
    assert_promises(Dialect::Rq);
}

/// Seeds of the short and of the long run, for each dialect.
const DEFAULT_SEEDS: u64 = 1000;
const FULL_SEEDS: u64 = 1_000_000;
/// Seeds with which each defect has to be found.
const SEEDS_OF_DEFECT: u64 = 500;

/// The first seed with which the sabotaged simulation breaks a rule, and the rule.
fn first_violation(sabotage: Sabotage) -> Option<(u64, &'static str)> {
    (0..SEEDS_OF_DEFECT).find_map(|seed| {
        let violation = run_seed(seed, Dialect::Native.spec(), sabotage).violation;
        violation.map(|violation| (seed, violation.rule))
    })
}

#[test]
fn every_fault_of_the_scripts_is_found() {
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        let found = first_violation(Sabotage { mutation: Some(mutation), defect: None });
        println!("{mutation:?}: {found:?}");
        missed.extend(found.is_none().then_some(mutation));
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_defect_around_the_engine_is_found() {
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        let found = first_violation(Sabotage { defect: Some(defect), mutation: None });
        println!("{defect:?}: {found:?}");
        missed.extend(found.is_none().then_some(defect));
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn a_failing_schedule_is_shrunk_to_what_it_needs() {
    let sabotage = Sabotage { mutation: Some(Mutation::FinishNotRecognizedWhenRepeated), defect: None };
    let plan = schedule::plan(0, Dialect::Native.spec());
    let violation = run(&plan, sabotage, Trace::Off).violation.unwrap();
    let small = shrink(&plan, sabotage, violation.rule);
    let loses_reply = |item: &Planned| matches!(item, Planned::Exchange { .. });
    let is_small = small.items.len() <= 4 && small.items.iter().any(loses_reply);
    assert!(
        plan.items.len() > 10 && is_small,
        "a job, a worker and a lost reply are enough: {:?}",
        small.items
    );
    let again = run(&small, sabotage, Trace::Off).violation.unwrap();
    assert_eq!(again.rule, violation.rule);
}
