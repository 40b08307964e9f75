//! Arguments and results: values of every supported type, there and back.

use rq_rs::{NewJob, PyValue, Serializer};
use serde_json::json;

use crate::python::{InteropEnv, RqVersion, SERIALIZERS, Side};

#[test]
fn python_s_values_pass_through_a_rust_handler_unchanged() {
    for serializer in SERIALIZERS {
        let both = InteropEnv::with(RqVersion::Three, serializer);
        let ids = both.python("enqueue_samples", json!({"queue": "default", "func": "tasks.echo"}));
        let summary = both.env.drain(both.worker());
        assert_eq!(summary.finished as usize, ids.as_object().unwrap().len(), "{serializer}");
        let checked = both.python("check_samples", json!({"results": ids}));
        assert_eq!(checked["wrong"], json!([]), "{serializer}");
        if serializer == Serializer::Pickle {
            assert_eq!(checked["reordered"], json!([]), "a pickled dict keeps its order");
            assert_eq!(
                checked["shared"],
                json!({"shared": true}),
                "an object that occurs twice stays one object"
            );
        }
    }
}

/// A random value, nested up to this depth.
fn random_value(rng: &mut fastrand::Rng, depth: usize) -> PyValue {
    let kinds = if depth == 0 { 10 } else { 14 };
    let text = |rng: &mut fastrand::Rng| -> String { (0..rng.usize(0..20)).map(|_| rng.char(..)).collect() };
    match rng.usize(0..kinds) {
        0 => PyValue::NONE,
        1 => PyValue::from(rng.bool()),
        2 => PyValue::from(rng.i64(..) >> rng.u32(0..63)),
        3 => PyValue::integer(&format!("{}{:0>40}", rng.i32(1..), rng.u128(..))).unwrap(),
        4 => PyValue::from(rng.f64() * 10_f64.powi(rng.i32(-300..300))),
        5 => PyValue::from(text(rng)),
        6 => PyValue::bytes(&(0..rng.usize(0..300)).map(|_| rng.u8(..)).collect::<Vec<u8>>()),
        7 => PyValue::decimal(&format!("{}.{:09}", rng.i64(..), rng.u32(0..1_000_000_000))).unwrap(),
        8 => PyValue::uuid(&format!("{:032x}", rng.u128(..))).unwrap(),
        9 => {
            let micros = rng.i64(-62_000_000_000_000_000..250_000_000_000_000_000);
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            match rng.u8(0..4) {
                0 => PyValue::datetime(moment).unwrap(),
                1 => PyValue::naive_datetime(moment.naive_utc()).unwrap(),
                2 => PyValue::date(moment.date_naive()).unwrap(),
                _ => PyValue::timedelta(std::time::Duration::from_micros(micros.unsigned_abs())),
            }
        }
        kind => {
            let items: Vec<PyValue> = (0..rng.usize(0..5)).map(|_| random_value(rng, depth - 1)).collect();
            match kind {
                10 => PyValue::list(items),
                11 => PyValue::tuple(items),
                12 => PyValue::set([PyValue::from(rng.i64(..))]),
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
fn values_of_rust_pass_through_python_unchanged() {
    let both = InteropEnv::new();
    let mut rng = fastrand::Rng::with_seed(4);
    let values: Vec<PyValue> = (0..20)
        .map(|_| PyValue::list(std::iter::repeat_with(|| random_value(&mut rng, 4)).take(50)))
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
fn rust_types_become_the_python_types_that_fit() {
    #[derive(serde::Serialize)]
    struct Email<'a> {
        to: &'a str,
        tags: Vec<&'a str>,
        size: (u32, u32),
        parent: Option<u64>,
        large: u128,
    }
    let both = InteropEnv::new();
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

/// The table that the unit tests of the unpickler use.
const ODD: &str = include_str!("../../src/job/payload/python/odd.txt");

#[test]
fn the_table_of_odd_pickles_is_what_python_says() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/odd.py");
    let output = std::process::Command::new(InteropEnv::new().interpreter()).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let differing: Vec<_> =
        printed.lines().zip(ODD.lines()).filter(|(python, table)| python != table).collect();
    assert!(differing.is_empty() && printed.lines().count() == ODD.lines().count(), "{differing:?}");
}
