//! Data: any value of the supported kinds, there and back.

use rq_rs::{NewJob, PyValue, Serializer};
use serde_json::json;

use crate::python::{Both, Rq, SERIALIZERS, Side};

#[test]
fn whatever_python_sends_a_rust_handler_gives_back_unchanged() {
    for serializer in SERIALIZERS {
        let both = Both::with(Rq::Three, serializer);
        let ids = both.python("enqueue_samples", json!({"queue": "default", "func": "tasks.echo"}));
        let summary = both.env.drain(both.worker());
        assert_eq!(summary.finished as usize, ids.as_object().unwrap().len(), "{serializer}");
        let checked = both.python("check_samples", json!({"results": ids}));
        assert_eq!(checked["wrong"], json!([]), "{serializer}");
        if serializer == Serializer::Pickle {
            assert_eq!(checked["reordered"], json!([]), "only JSON objects have no order");
            assert_eq!(checked["shared"], json!({"shared": true}), "one object twice stays one");
        }
    }
}

/// A value of some kind, and of others inside it.
fn some_value(dice: &mut fastrand::Rng, depth: usize) -> PyValue {
    let kinds = if depth == 0 { 10 } else { 14 };
    let text =
        |dice: &mut fastrand::Rng| -> String { (0..dice.usize(0..20)).map(|_| dice.char(..)).collect() };
    match dice.usize(0..kinds) {
        0 => PyValue::NONE,
        1 => PyValue::from(dice.bool()),
        2 => PyValue::from(dice.i64(..) >> dice.u32(0..63)),
        3 => PyValue::integer(&format!("{}{:0>40}", dice.i32(1..), dice.u128(..))).unwrap(),
        4 => PyValue::from(dice.f64() * 10_f64.powi(dice.i32(-300..300))),
        5 => PyValue::from(text(dice)),
        6 => PyValue::bytes(&(0..dice.usize(0..300)).map(|_| dice.u8(..)).collect::<Vec<u8>>()),
        7 => PyValue::decimal(&format!("{}.{:09}", dice.i64(..), dice.u32(0..1_000_000_000))).unwrap(),
        8 => PyValue::uuid(&format!("{:032x}", dice.u128(..))).unwrap(),
        9 => {
            let micros = dice.i64(-62_000_000_000_000_000..250_000_000_000_000_000);
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            match dice.u8(0..4) {
                0 => PyValue::datetime(moment).unwrap(),
                1 => PyValue::naive_datetime(moment.naive_utc()).unwrap(),
                2 => PyValue::date(moment.date_naive()).unwrap(),
                _ => PyValue::timedelta(std::time::Duration::from_micros(micros.unsigned_abs())),
            }
        }
        kind => {
            let items: Vec<PyValue> = (0..dice.usize(0..5)).map(|_| some_value(dice, depth - 1)).collect();
            match kind {
                10 => PyValue::list(items),
                11 => PyValue::tuple(items),
                12 => PyValue::set([PyValue::from(dice.i64(..))]),
                _ => {
                    let mut n = 0;
                    let mut key = || {
                        n += 1;
                        if n % 2 == 0 { PyValue::from(n) } else { PyValue::from(format!("key {n}")) }
                    };
                    let pairs: Vec<_> = items.into_iter().map(|value| (key(), value)).collect();
                    if pairs.len() % 2 == 0 { PyValue::ordered_dict(pairs) } else { PyValue::dict(pairs) }
                }
            }
        }
    }
}

#[test]
fn whatever_rust_sends_python_gives_back_unchanged() {
    let both = Both::new();
    let mut dice = fastrand::Rng::with_seed(4);
    let values: Vec<PyValue> = (0..20)
        .map(|_| PyValue::list(std::iter::repeat_with(|| some_value(&mut dice, 4)).take(50)))
        .collect();
    let jobs = values.iter().map(|value| NewJob::new("tasks.echo", (value.clone(),)));
    let ids = both.queue().enqueue_many(jobs).unwrap().ids;
    both.drain(Side::Python);
    for (id, value) in ids.iter().zip(&values) {
        let back: PyValue = both.queue().job(id).unwrap().returned().unwrap();
        assert!(back == *value, "{value}\nbecame\n{back}");
    }
}

#[test]
fn rust_types_become_what_python_would_use() {
    #[derive(serde::Serialize)]
    struct Email<'a> {
        to: &'a str,
        tags: Vec<&'a str>,
        size: (u32, u32),
        parent: Option<u64>,
        large: u128,
    }
    let both = Both::new();
    let email = Email { to: "ada", tags: vec!["a", "b"], size: (6, 4), parent: None, large: u128::MAX };
    let job = both.queue().enqueue("tasks.echo", email).unwrap();
    both.drain(Side::Python);
    let theirs = both.python("job", json!({"id": job.id()}));
    assert_eq!(
        theirs["result"],
        json!(
            "[[], {'to': 'ada', 'tags': ['a', 'b'], 'size': (6, 4), 'parent': None, 'large': 340282366920938463463374607431768211455}]"
        )
    );
    assert_eq!(theirs["call"], theirs["description"], "the description is Python's own");
}

/// What the unit tests of the unpickler hold ours to.
const ODD: &str = include_str!("../../src/job/payload/python/odd.txt");

#[test]
fn the_table_of_odd_pickles_is_what_python_says() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/odd.py");
    let said = std::process::Command::new(Both::new().interpreter()).arg(script).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    let differing: Vec<_> = said.lines().zip(ODD.lines()).filter(|(python, table)| python != table).collect();
    assert!(differing.is_empty() && said.lines().count() == ODD.lines().count(), "{differing:?}");
}
