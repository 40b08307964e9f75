//! The differential test: random sequences of calls on the model and on a real Redis have equal replies, and leave
//! equal keys behind. Without it the simulation would prove something about the model only.
//!
//! `RQ_SIMULATION=full` runs many more sequences, `RQ_SIMULATION_SEED` begins with another seed.

mod actions;
mod changes;
mod pair;
mod random;
mod snapshot;
mod step;
mod worker_steps;

use std::sync::Arc;

use fastrand::Rng;

use self::pair::Pair;
use self::random::Generator;
use self::step::Step;
use super::model::Mutation;
use crate::Dialect;
use crate::client::Client;
use crate::client::test_server::RedisServer;

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

    /// Runs a random sequence on both sides, and returns its calls if there is a difference.
    fn run_random(&self, seed: u64) -> Option<Vec<Step>> {
        let (mut rng, mut pair, mut steps) = (Rng::with_seed(seed), self.pair(), Vec::new());
        while steps.len() < STEPS {
            let step = Generator::new(&mut rng, &pair).step();
            let applied = pair.apply(&step);
            steps.push(step);
            let is_compared = steps.len() % COMPARED_EVERY == 0;
            if applied.is_err() || (is_compared && pair.compare().is_err()) {
                return Some(steps);
            }
        }
        None
    }

    /// Runs these calls on both sides, and compares the keys after each. The error says after which call they differ.
    fn run(&self, steps: &[Step]) -> Result<(), String> {
        let mut pair = self.pair();
        for (n, step) in steps.iter().enumerate() {
            let compared = pair.apply(step).and_then(|()| pair.compare());
            compared.map_err(|difference| format!("after call {n}, {step:?}: {difference}"))?;
        }
        Ok(())
    }

    fn pair(&self) -> Pair {
        let mut pair = Pair::new(&self.client, self.dialect);
        pair.model.mutation = self.mutation;
        pair
    }

    /// Drops calls as long as the sequence still fails.
    fn shrink(&self, mut steps: Vec<Step>) -> (Vec<Step>, String) {
        let mut difference = String::new();
        loop {
            let length = steps.len();
            for at in (0..length).rev() {
                let mut fewer = steps.clone();
                fewer.remove(at);
                if let Err(found) = self.run(&fewer) {
                    (steps, difference) = (fewer, found);
                }
            }
            if steps.len() == length {
                return (steps, difference);
            }
        }
    }

    fn check_seed(&self, seed: u64) {
        let Some(steps) = self.run_random(seed) else { return };
        let (steps, difference) = self.shrink(steps);
        let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        panic!(
            "dialect {}, seed {seed}: model and Redis differ with the calls\n  {}\n{difference}",
            self.dialect,
            steps.join("\n  ")
        );
    }
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
    for dialect in Dialect::ALL {
        let mut differential = Differential::start(dialect);
        for mutation in Mutation::ALL {
            differential.mutation = Some(mutation);
            let is_found = (0..300).any(|seed| differential.run_random(seed).is_some());
            assert!(is_found, "{mutation:?} is not found in the dialect {dialect}");
        }
    }
}
