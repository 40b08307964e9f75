//! A producer, as in the request handler of a web service.
//!
//!     cargo run --example enqueue

use rq_rs::{NewJob, Queue, Retry};
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let url = std::env::var("RQ_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".into());

    // The request handler enqueues the job and responds at once.
    let queue = Queue::connect(&url, "mail")?;
    let job = queue.enqueue("send_email", ("ada@example.com", "Welcome"))?;
    println!("{}", job.id());

    queue.enqueue_job(
        NewJob::new("send_email", ("grace@example.com", "Hello"))
            .timeout(Duration::from_secs(30))
            .retry(Retry::growing(5)) // 10 s first, doubling, at most an hour
            .at_front(),
    )?;
    let bulk = queue.enqueue_many(
        (0..1000).map(|n| NewJob::new("send_email", (format!("reader{n}@example.com"), "News"))),
    )?;
    println!("{} enqueued", bulk.ids.len());
    Ok(())
}
