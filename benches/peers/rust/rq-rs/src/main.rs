//! rq-rs itself, as its README shows it: an `App` whose worker is the command `worker`.

use std::process::ExitCode;

use common::{Payload, env, handle, produce};
use rq_rs::{App, Context, NewJob, Queue};

/// As many queues as QUEUES says; the jobs are in the last one, so that all others are looked at.
fn fill() {
    let name = std::env::var("QUEUE").unwrap_or_else(|_| "default".into());
    let queue = Queue::connect(&env("REDIS_URL"), &name).expect("a queue");
    let bulk = async |ps: Vec<Payload>| {
        let jobs = ps.into_iter().map(|p| NewJob::new("noop", (p,)));
        queue.enqueue_many(jobs).expect("stored");
    };
    let single = async |p: Payload| drop(queue.enqueue("noop", (p,)).expect("stored"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(produce(single, Some(bulk)));
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("produce") {
        fill();
        return ExitCode::SUCCESS;
    }
    let noop = |_: &Context, (p,): (Payload,)| -> anyhow::Result<()> {
        handle(&p);
        Ok(())
    };
    App::new().handler("noop", noop).main()
}
