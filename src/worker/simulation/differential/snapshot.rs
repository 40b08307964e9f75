//! The state of both sides, to be compared.

use std::collections::BTreeMap;

use super::super::model::Place;
use super::pair::{Pair, worker_name};
use super::step::{JOBS, QUEUES, WORKERS};
use crate::client::{RedisCommand, Reply, reply};

/// Scores and times to live may differ by this much, because the clocks of both sides do.
const TOLERANCE: f64 = 30.0;

const LISTS: [Place; 2] = [Place::List, Place::Intermediate];
const SETS: [Place; 6] =
    [Place::Wip, Place::Scheduled, Place::Finished, Place::Failed, Place::Canceled, Place::Quarantine];

/// A key: texts that have to be equal, and numbers that have to be close to each other.
#[derive(Debug, Default, PartialEq)]
struct KeyState {
    texts: Vec<String>,
    numbers: Vec<f64>,
}

/// Keys by name.
type KeyStates = BTreeMap<String, KeyState>;

impl Pair {
    /// Compares all keys. The error says which ones differ.
    pub(super) fn compare(&self) -> Result<(), String> {
        let (model, redis) = (self.model_state(), self.redis_state());
        let mut differences = String::new();
        for (name, ours) in &model {
            let theirs = &redis[name];
            let are_close =
                |(a, b): (&f64, &f64)| a == b || ((a - b).abs() < TOLERANCE && (*a < 1e9) == (*b < 1e9));
            let is_same = ours.texts == theirs.texts
                && ours.numbers.len() == theirs.numbers.len()
                && ours.numbers.iter().zip(&theirs.numbers).all(are_close);
            if !is_same {
                differences += &format!("\n  {name}:\n    model {ours:?}\n    Redis {theirs:?}");
            }
        }
        if differences.is_empty() { Ok(()) } else { Err(format!("the keys differ:{differences}")) }
    }

    fn model_state(&self) -> KeyStates {
        let (model, mut keys) = (&self.model, KeyStates::new());
        for queue in 0..QUEUES {
            for place in LISTS {
                let texts = model.ids(queue, place).iter().cloned().collect();
                keys.insert(format!("{place:?} {queue}"), KeyState { texts, numbers: Vec::new() });
            }
            for place in SETS {
                keys.insert(format!("{place:?} {queue}"), scored(model.entries(queue, place)));
            }
        }
        for id in JOBS {
            let mut texts: Vec<String> = Vec::new();
            for (field, value) in model.record(id).map_or(&[][..], |record| &record.0) {
                texts.push(format!("{} = {}", field.escape_ascii(), value.escape_ascii()));
            }
            texts.sort();
            let numbers = vec![model.record_ttl(id).map_or(ttl_of(texts.is_empty()), |ttl| ttl as f64)];
            keys.insert(format!("job {id}"), KeyState { texts, numbers });
        }
        if self.client.rq.is_enabled() {
            self.add_rq_state(&mut keys);
        }
        keys
    }

    fn add_rq_state(&self, keys: &mut KeyStates) {
        let model = &self.model;
        for id in JOBS {
            let results = model.results(id) as f64;
            let ttl = model.results_ttl(id).map_or(ttl_of(results == 0.0), |ttl| ttl as f64);
            keys.insert(
                format!("results {id}"),
                KeyState { texts: Vec::new(), numbers: vec![results * 1e6, ttl] },
            );
            let (executions, ttl) = model.executions_of(id);
            let mut state = scored(executions.iter().copied());
            state.numbers.push(ttl.map_or(ttl_of(executions.is_empty()), |ttl| ttl as f64));
            keys.insert(format!("executions {id}"), state);
        }
        for worker in (0..WORKERS).map(worker_name) {
            let texts = model.executions_of_worker(&worker).map(str::to_owned).collect();
            keys.insert(format!("executions of {worker}"), KeyState { texts, numbers: Vec::new() });
        }
        for run in &self.runs {
            let member = run.lease_member();
            let hash = model.execution_hashes().find(|(name, _)| *name == member);
            let texts = hash.and_then(|(_, worker)| worker).map(str::to_owned).into_iter().collect();
            let numbers = vec![f64::from(u8::from(hash.is_some())) * 1e6];
            keys.insert(format!("execution {member}"), KeyState { texts, numbers });
        }
    }

    /// Reads everything in one round trip.
    fn redis_state(&self) -> KeyStates {
        let mut reads: Vec<Read> = Vec::new();
        for queue in 0..QUEUES {
            for place in LISTS {
                let command = RedisCommand::new("LRANGE").arg(self.key(queue, place)).arg(0).arg(-1);
                reads.push((format!("{place:?} {queue}"), command, ordered));
            }
            for place in SETS {
                let command = RedisCommand::new("ZRANGE").arg(self.key(queue, place)).arg(0).arg(-1);
                reads.push((format!("{place:?} {queue}"), command.arg("WITHSCORES"), with_scores));
            }
        }
        for id in JOBS {
            let (name, key) = (format!("job {id}"), self.client.keys.job(id));
            reads.push((name.clone(), RedisCommand::new("HGETALL").arg(&key), hash));
            reads.push((name, RedisCommand::new("TTL").arg(key), number));
        }
        if self.client.rq.is_enabled() {
            self.add_rq_reads(&mut reads);
        }
        let (commands, names): (Vec<_>, Vec<_>) =
            reads.into_iter().map(|(name, command, read)| (command, (name, read))).unzip();
        let mut keys = KeyStates::new();
        let replies = self.client.call_all(&commands).unwrap();
        for ((name, read), reply) in names.into_iter().zip(replies) {
            read(keys.entry(name).or_default(), reply.unwrap());
        }
        keys
    }

    fn add_rq_reads(&self, reads: &mut Vec<Read>) {
        let (rq, keys) = (&self.client.rq, &self.client.keys);
        for id in JOBS {
            let (name, stream) = (format!("results {id}"), rq.results_stream(id).unwrap());
            reads.push((name.clone(), RedisCommand::new("XLEN").arg(&stream), count));
            reads.push((name, RedisCommand::new("TTL").arg(stream), number));
            let (name, executions) = (format!("executions {id}"), rq.executions(id).unwrap());
            let command = RedisCommand::new("ZRANGE").arg(&executions).arg(0).arg(-1).arg("WITHSCORES");
            reads.push((name.clone(), command, with_scores));
            reads.push((name, RedisCommand::new("TTL").arg(executions), number));
        }
        for worker in (0..WORKERS).map(worker_name) {
            let command = RedisCommand::new("SMEMBERS").arg(keys.executions_of_worker(&worker));
            reads.push((format!("executions of {worker}"), command, unordered));
        }
        for run in &self.runs {
            let member = run.lease_member();
            let (name, key) = (format!("execution {member}"), keys.execution(&member));
            reads.push((name.clone(), RedisCommand::new("HMGET").arg(&key).arg("worker_name"), unordered));
            reads.push((name, RedisCommand::new("EXISTS").arg(key), count));
        }
    }
}

/// A key's name, the command that reads it, and the reader of the reply.
type Read = (String, RedisCommand, fn(&mut KeyState, Reply));

/// The reply of `TTL` for a key that never expires or, if it is empty, does not exist.
fn ttl_of(is_empty: bool) -> f64 {
    if is_empty { -2e6 } else { -1e6 }
}

/// Members are compared by name. The order of scores that differ by less than the tolerance is not compared.
fn scored<'a>(entries: impl Iterator<Item = (f64, &'a str)>) -> KeyState {
    let mut entries: Vec<(&str, f64)> = entries.map(|(score, member)| (member, score)).collect();
    entries.sort_by_key(|(member, _)| *member);
    let (texts, numbers) = entries.into_iter().map(|(member, score)| (member.to_owned(), score)).unzip();
    KeyState { texts, numbers }
}

fn ordered(state: &mut KeyState, value: Reply) {
    state.texts = reply::texts(value).unwrap();
}

fn unordered(state: &mut KeyState, value: Reply) {
    ordered(state, value);
    state.texts.sort();
}

fn with_scores(state: &mut KeyState, value: Reply) {
    let texts = reply::texts(value).unwrap();
    let entries = texts.chunks(2).map(|entry| (entry[1].parse().unwrap(), entry[0].as_str()));
    *state = scored(entries);
}

fn hash(state: &mut KeyState, value: Reply) {
    let pairs = reply::pairs(value).unwrap().into_iter();
    state.texts =
        pairs.map(|(field, value)| format!("{} = {}", field.escape_ascii(), value.escape_ascii())).collect();
    state.texts.sort();
}

fn number(state: &mut KeyState, value: Reply) {
    let seconds = reply::int(&value).unwrap() as f64;
    state.numbers.push(if seconds < 0.0 { seconds * 1e6 } else { seconds });
}

/// Numbers that have to be equal are far from each other.
fn count(state: &mut KeyState, value: Reply) {
    state.numbers.push(reply::int(&value).unwrap() as f64 * 1e6);
}
