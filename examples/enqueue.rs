//! A producer: what stands in a web service's request handler.
//!
//!     cargo run --example enqueue

fn main() -> anyhow::Result<()> {
    let url = std::env::var("RQ_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".into());

    // In the request: enqueue, and answer the user at once.
    let queue = rq_rs::Queue::connect(&url, "mail")?;
    let job = queue.enqueue("send_email", ("ada@example.com", "Welcome"))?;
    println!("{}", job.id());
    Ok(())
}
