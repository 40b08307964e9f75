//! rq-rs itself, as its README shows it: an `App` whose worker is the command `worker`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::{Payload, env, handle, produce};
use rq_rs::{App, Context, NewJob, Queue};

/// `produce big N BYTES`: large payloads, one a call.
fn big(queue: &Queue) {
    let number = |n| std::env::args().nth(n).and_then(|v| v.parse().ok()).expect("a number");
    let (n, text) = (number(3) as u64, "x".repeat(number(4)));
    let (cpu, started) = (common::cpu_secs(), Instant::now());
    for n in 0..n {
        let p = Payload { tpl: text.clone(), ..Payload::new(n) };
        queue.enqueue("noop", (p,)).expect("stored");
    }
    common::report(n, started, cpu);
}

fn fill() {
    let queue = Queue::connect(&env("REDIS_URL"), "default").expect("a queue");
    if std::env::args().nth(2).as_deref() == Some("big") {
        return big(&queue);
    }
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
    let pause = Duration::from_millis(common::env_or("PAUSE_MS", 0));
    let noop = move |_: &Context, (p,): (Payload,)| -> anyhow::Result<()> {
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        handle(&p);
        Ok(())
    };
    App::new().handler("noop", noop).main()
}
