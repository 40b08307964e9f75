//! Values that pass from Python's types to JSON's are preserved, or refused with a reason, and never changed in silence.

use rq_rs::{Context, Error, NewJob, PyValue, Serializer, Status};
use serde_json::{Value, json};

use crate::support::TestEnv;

fn number(n: i32) -> PyValue {
    PyValue::from(n)
}

/// Dicts whose keys differ in Python but are equal as text, with the JSON shown for each.
fn alike() -> Vec<(PyValue, Value)> {
    let text = |text: &str| PyValue::from(text);
    let pair = PyValue::tuple([number(1), number(2)]);
    vec![
        (PyValue::dict([(number(1), text("a")), (text("1"), text("b"))]), json!([[1, "a"], ["1", "b"]])),
        (
            PyValue::dict([(text("True"), number(1)), (PyValue::from(true), number(2))]),
            json!([["True", 1], [true, 2]]),
        ),
        (
            PyValue::dict([(PyValue::from(1.5), number(1)), (text("1.5"), number(2))]),
            json!([[1.5, 1], ["1.5", 2]]),
        ),
        (
            PyValue::ordered_dict([(pair, number(1)), (text("(1, 2)"), number(2))]),
            json!([[[1, 2], 1], ["(1, 2)", 2]]),
        ),
        (
            PyValue::dict([(PyValue::bytes(b"a"), number(1)), (text("b'a'"), number(2))]),
            json!([["YQ==", 1], ["b'a'", 2]]),
        ),
        (
            PyValue::dict([(PyValue::NONE, number(1)), (text("None"), number(2))]),
            json!([[null, 1], ["None", 2]]),
        ),
        (
            PyValue::dict([(PyValue::from(f64::NAN), number(1)), (PyValue::from(f64::NAN), number(2))]),
            json!([["nan", 1], ["nan", 2]]),
        ),
        (
            PyValue::dict([(PyValue::decimal("1.5").unwrap(), number(1)), (text("1.5"), number(2))]),
            json!([["1.5", 1], ["1.5", 2]]),
        ),
        // Keys that differ as text become keys of an object.
        (PyValue::dict([(number(1), number(1)), (text("2"), number(2))]), json!({"1": 1, "2": 2})),
    ]
}

#[test]
fn programs_and_servers_get_every_item_of_a_dict() {
    let env = TestEnv::new().in_rq_dialect();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("server.py");
    std::fs::write(
        &server,
        "import sys\nfor line in sys.stdin: print('{\"ok\": ' + line.strip() + '}', flush=True)\n",
    )
    .unwrap();
    let jobs = |name| {
        alike().into_iter().map(move |(dict, _)| {
            NewJob::new(name, (dict.clone(),)).meta(PyValue::dict([(PyValue::from("inside"), dict)]))
        })
    };
    let program = queue.enqueue_many(jobs("program")).unwrap().ids;
    let served = queue.enqueue_many(jobs("server")).unwrap().ids;
    let worker = env.worker(&["default"]).exec("program", "cat").unwrap();
    env.drain(worker.exec_server("server", &format!("python3 {}", server.display())).unwrap());
    for ids in [program, served] {
        for (id, (dict, expected)) in ids.iter().zip(alike()) {
            let job = queue.job(id).unwrap();
            assert_eq!(job.status, Status::Finished, "{job:?}");
            assert_eq!((job.args.len(), &job.args[0]), (1, &expected), "as people see {dict}");
            let seen = job.result.as_ref().unwrap();
            assert_eq!((&seen["args"][0], &seen["meta"]["inside"]), (&expected, &expected), "{dict}");
        }
    }
}

#[test]
fn a_value_that_json_would_change_is_not_written_as_json() {
    let env = TestEnv::new();
    let queue = env.queue("default").serializer(Serializer::Json).unwrap();
    let refused = |value: PyValue| match queue.enqueue("echo", (value.clone(),)) {
        Err(Error::Invalid { what, .. }) => what,
        other => panic!("{value} was enqueued: {other:?}"),
    };
    // JSON writes a boolean key as `true`; a key must be text or a number.
    let truth = PyValue::dict([(PyValue::from(true), number(1)), (PyValue::from("true"), number(2))]);
    let are_alike = |(dict, shown): (PyValue, Value)| {
        (shown.is_array() && !dict.to_string().contains("True")).then_some(dict)
    };
    for dict in alike().into_iter().filter_map(are_alike).chain([truth]) {
        refused(dict);
    }
    assert!(refused(alike()[0].0.clone()).contains("a dict has two keys that are both \"1\" as text"));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let what = refused(PyValue::list([PyValue::from(1.5), PyValue::from(number)]));
        assert!(what.contains("JSON has no word for nan and inf"), "{what}");
    }
    assert!(queue.enqueue("echo", (None::<f64>, 1.5)).is_ok());
}

#[test]
fn nan_and_infinity_are_never_written_as_null() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let worker = || {
        env.worker(&["default"])
            .handler("nan", |_: &Context, (): ()| Ok((f64::NAN, 1.0)))
            .handler("float", |_: &Context, number: f64| Ok(number.is_nan()))
            .handler("json", |_: &Context, value: Value| Ok(value.is_null()))
    };
    let made = queue.enqueue("nan", ()).unwrap();
    env.drain(worker());
    let made = queue.job(made.id()).unwrap();
    if env.dialect == rq_rs::Dialect::Native {
        let error = made.exc_info.as_deref().unwrap();
        assert_eq!(
            error,
            "the result of nan cannot be written as json: JSON has no word for nan and inf: give them as text, or none at all"
        );
        return;
    }
    assert!(made.returned::<(f64, f64)>().unwrap().0.is_nan());
    assert_eq!(made.result, Some(json!(["nan", 1.0])));
    let ids = queue.enqueue_many(["float", "json"].map(|name| NewJob::new(name, (f64::NAN,)))).unwrap().ids;
    env.drain(worker());
    assert_eq!(queue.job(&ids[0]).unwrap().returned(), Ok(true));
    let refused = queue.job(&ids[1]).unwrap();
    assert!(refused.exc_info.as_deref().unwrap().contains("JSON has no word for nan"), "{refused:?}");
}

#[test]
fn enqueue_wait_prints_any_result_as_json() {
    let env = TestEnv::new().in_rq_dialect();
    let worker = crate::support::RunningWorker::start(env.worker(&["default"]).handler(
        "odd",
        |_: &Context, (): ()| {
            Ok(PyValue::dict([
                (number(1), PyValue::from(f64::INFINITY)),
                (PyValue::NONE, PyValue::bytes(b"a")),
            ]))
        },
    ));
    let printed = env.cli(&["enqueue", "odd", "--wait"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), json!({"1": "inf", "None": "YQ=="}));
    worker.stop();
}

#[test]
fn data_tagged_by_a_server_must_be_valid() {
    let env = TestEnv::new().in_native_dialect();
    let queue = env.queue("default");
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("server.py");
    let text = "import base64, json, sys\nfor line in sys.stdin:\n    data = json.loads(line)['args'][0].encode('latin-1')\n    print(json.dumps({'data': base64.b64encode(data).decode()}), flush=True)\n";
    std::fs::write(&server, text).unwrap();
    let words = ["{\"fine\": [1, 2.0]}", "oops", "\"caf\u{e9}\"", "[1] [2]"];
    let ids = queue.enqueue_many(words.map(|word| NewJob::new("data", word))).unwrap().ids;
    env.drain(
        env.worker(&["default"]).exec_server("data", &format!("python3 {}", server.display())).unwrap(),
    );
    assert_eq!(queue.job(&ids[0]).unwrap().result, Some(json!({"fine": [1, 2.0]})));
    for id in &ids[1..] {
        let job = queue.job(id).unwrap();
        assert_eq!(
            job.exc_info.as_deref(),
            Some("data returned what cannot be kept as json: it is not JSON")
        );
    }
}
