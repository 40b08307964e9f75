//! Typed arguments and results.

use rq_rs::{Context, Error, NewJob, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::TestEnv;

#[derive(Serialize, Deserialize)]
struct Email {
    to: String,
    tries: u8,
}

#[test]
fn a_tuple_a_struct_a_scalar_and_nothing_reach_their_handlers() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let tuple = queue.enqueue("add", (2, 3)).unwrap();
    let keywords = queue.enqueue("email", Email { to: "ada".into(), tries: 3 }).unwrap();
    let scalar = queue.enqueue("echo", "hello").unwrap();
    let nothing = queue.enqueue("ping", ()).unwrap();
    let by_position = queue.enqueue("email", ("ada", 3)).unwrap();
    let worker = env
        .worker(&["default"])
        .handler("email", |_: &Context, email: Email| Ok(format!("{} {}", email.to, email.tries)))
        .handler("ping", |_: &Context, (): ()| Ok("pong"));

    assert_eq!(env.drain(worker).finished, 5);

    let returned = |job: &rq_rs::Job| queue.job(job.id()).unwrap().returned::<Value>().unwrap();
    assert_eq!(returned(&tuple), json!(5));
    assert_eq!(returned(&keywords), json!("ada 3"));
    assert_eq!(returned(&by_position), json!("ada 3"));
    assert_eq!(returned(&scalar), json!("hello"));
    assert_eq!(returned(&nothing), json!("pong"));
    assert_eq!(keywords.kwargs, json!({"to": "ada", "tries": 3}).as_object().cloned().unwrap());
}

#[test]
fn arguments_that_do_not_fit_name_the_job_the_handler_and_the_field() {
    let env = TestEnv::new();
    let queue = env.queue("default");
    let job =
        queue.enqueue_job(NewJob::new("email", json!({"to": "ada", "tries": "many"})).id("misfit")).unwrap();
    let worker = env.worker(&["default"]).handler("email", |_: &Context, email: Email| Ok(email.tries));

    assert_eq!(env.drain(worker).failed, 1);

    let error = queue.job(job.id()).unwrap().exc_info.clone().unwrap();
    assert_eq!(
        error,
        "argument `tries`: invalid type: string \"many\", expected u8: the arguments of job misfit do not fit handler email"
    );
}

#[test]
fn a_job_without_a_handler_fails_and_says_which_handlers_there_are() {
    let env = TestEnv::new();
    let job = env.queue("default").enqueue("no_such", ()).unwrap();

    assert_eq!(env.drain(env.worker(&["default"])).failed, 1);

    let error = env.queue("default").job(job.id()).unwrap().exc_info.clone().unwrap();
    assert_eq!(error, "this worker has no handler named \"no_such\"; it has add, echo, fail");
}

#[test]
fn a_handler_knows_its_job() {
    let env = TestEnv::new();
    let queue = env.queue("mail");
    let job = NewJob::new("who", ()).id("me").description("a test").meta(json!({"user": 42}));
    queue.enqueue_job(job).unwrap();
    let worker = env.worker(&["mail"]).name("w1").handler("who", |context: &Context, (): ()| {
        context.save_meta(json!({"user": 42, "progress": 100}))?;
        let left = context.time_left().unwrap().as_secs();
        Ok(json!([
            context.id(),
            context.queue(),
            context.worker(),
            context.description(),
            context.attempt(),
            context.delivery(),
            context.meta(),
            context.execution_id().len(),
            (170..=180).contains(&left),
            context.is_canceled()
        ]))
    });

    assert_eq!(env.drain(worker).finished, 1);

    let job = queue.job("me").unwrap();
    assert_eq!(
        job.returned::<Value>().unwrap(),
        json!(["me", "mail", "w1", "a test", 1, 1, {"user": 42}, 32, true, false])
    );
    assert_eq!(Value::Object(job.meta.clone()), json!({"user": 42, "progress": 100}));
}

#[test]
fn arguments_that_json_cannot_hold_are_refused_before_anything_is_stored() {
    let env = TestEnv::new().in_native_dialect(); // Python's dicts have keys of any kind
    let queue = env.queue("default");
    let bad = [
        NewJob::new("", ()),
        NewJob::new("new\nline", ()),
        NewJob::new("f", ()).id("a b"),
        NewJob::new("f", ()).id("a:b"),
        NewJob::new("f", ()).meta(7),
        NewJob::new("f", std::collections::HashMap::from([((1, 2), 3)])),
    ];
    for job in bad {
        let refused = queue.enqueue_job(job.clone());
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{job:?}: {refused:?}");
    }
    assert_eq!(queue.count().unwrap(), 0);
    let keys: Vec<String> = env.redis(&["KEYS", &env.key("*")]);
    assert_eq!(keys, [""; 0]);
}

#[test]
fn a_payload_of_a_megabyte_passes_and_one_byte_over_the_limit_does_not() {
    let env = TestEnv::new().in_native_dialect(); // which adds no description
    let queue = env.queue("default");
    let size = |text: &str| {
        let probe = NewJob::new("echo", text).id("probe");
        queue.clone().max_payload(0).enqueue_job(probe).unwrap_err()
    };
    let Error::TooLarge { size: overhead, .. } = size("") else {
        panic!("a limit of zero lets nothing pass")
    };
    let limit = 1024 * 1024;
    let fits = "x".repeat(limit - overhead);

    let refused = queue.enqueue("echo", format!("{fits}x"));
    assert!(matches!(refused, Err(Error::TooLarge { size, .. }) if size == limit + 1), "{refused:?}");
    let job = queue.enqueue("echo", &fits).unwrap();
    let worker = env.worker(&["default"]).max_result(2 * limit);

    assert_eq!(env.drain(worker).finished, 1);
    let job = queue.job(job.id()).unwrap();
    assert_eq!((job.status, job.returned::<String>().unwrap() == fits), (Status::Finished, true));
}
