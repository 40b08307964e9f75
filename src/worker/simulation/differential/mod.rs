//! The differential test: random sequences of calls on the model and on a real Redis have equal replies, and leave
//! equal keys behind. Without it the simulation would prove something about the model only.
//!
//! `RQ_SIMULATION=full` runs many more sequences, `RQ_SIMULATION_SEED` begins with another seed.

mod actions;
mod changes;
mod pair;
mod server;
mod snapshot;
mod step;
mod worker_steps;

use std::sync::Arc;

use fastrand::Rng;

use self::pair::Pair;
use self::server::RedisServer;
use self::step::Step;
use super::model::Mutation;
use crate::Dialect;
use crate::client::Client;

/// Number of calls in a sequence.
const STEPS: usize = 40;
/// Number of calls after which all keys are compared.
const COMPARED_EVERY: usize = 4;

/// A real Redis of one dialect, on which sequences run one after the other.
struct Differential {
    client: Arc<Client>,
    dialect: Dialect,
    mutation: Option<Mutation>,
    _server: RedisServer,
}

impl Differential {
    fn start(dialect: Dialect) -> Self {
        let server = RedisServer::start();
        Differential { client: server.client(dialect), dialect, mutation: None, _server: server }
    }

    /// Runs a sequence on both sides, and compares the keys after so many calls and at the end. The error says after
    /// which call they differ.
    fn run(&self, steps: &[Step], compared_every: usize) -> Result<(), String> {
        let mut pair = Pair::new(&self.client, self.dialect);
        pair.model.mutation = self.mutation;
        for (n, step) in steps.iter().enumerate() {
            let applied = pair.apply(step);
            let is_compared = (n + 1) % compared_every == 0 || n + 1 == steps.len();
            let compared = applied.and_then(|()| if is_compared { pair.compare() } else { Ok(()) });
            compared.map_err(|difference| format!("after call {n}, {step:?}: {difference}"))?;
        }
        Ok(())
    }

    /// Drops calls as long as the sequence still fails.
    fn shrink(&self, mut steps: Vec<Step>) -> (Vec<Step>, String) {
        let mut difference = String::new();
        loop {
            let length = steps.len();
            for at in (0..length).rev() {
                let mut fewer = steps.clone();
                fewer.remove(at);
                if let Err(found) = self.run(&fewer, 1) {
                    (steps, difference) = (fewer, found);
                }
            }
            if steps.len() == length {
                return (steps, difference);
            }
        }
    }

    fn check_seed(&self, seed: u64) {
        let steps = random_steps(seed);
        if let Err(difference) = self.run(&steps, COMPARED_EVERY) {
            let (steps, shrunk) = self.shrink(steps);
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!(
                "{} seed {seed}: model and Redis differ {difference}\n\nshrunk to\n  {}\nwhich differs {shrunk}",
                self.dialect,
                steps.join("\n  ")
            );
        }
    }
}

fn random_steps(seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    (0..STEPS).map(|_| Step::random(&mut rng)).collect()
}

fn check(dialect: Dialect) {
    let is_full = std::env::var("RQ_SIMULATION").is_ok_and(|word| word == "full");
    let first = std::env::var("RQ_SIMULATION_SEED").map_or(0, |seed| seed.parse().unwrap());
    let differential = Differential::start(dialect);
    for seed in first..first + if is_full { 30_000 } else { 300 } {
        differential.check_seed(seed);
    }
}

#[test]
fn model_and_redis_agree_in_the_native_dialect() {
    check(Dialect::Native);
}

#[test]
fn model_and_redis_agree_in_the_dialect_rq() {
    check(Dialect::Rq);
}

#[test]
fn every_fault_of_the_model_is_found() {
    let mut differential = Differential::start(Dialect::Rq);
    for mutation in Mutation::ALL {
        differential.mutation = Some(mutation);
        let is_found = |seed: &u64| differential.run(&random_steps(*seed), COMPARED_EVERY).is_err();
        let found = (0..300).find(is_found);
        println!("{mutation:?}: seed {found:?}");
        assert!(found.is_some(), "{mutation:?} is not found");
    }
}
