//! `rq-rs demo`: a tour of five minutes that uses only the public API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::ephemeral_redis::EphemeralRedis;
use super::exit::{Exit, Failure};
use super::format::pluralize;
use super::info::InfoCommand;
use super::output::{print, print_lines};
use super::process_url::url_was_typed;
use super::progress::ProgressBar;
use super::redis_options::RedisOptions;
use crate::printable::first_line;
use crate::program;
use crate::{Context, Event, NewJob, Queue, Worker};

/// Run a few believable jobs: one fails, is requeued, and succeeds
#[derive(Args)]
pub(crate) struct DemoCommand {}

impl DemoCommand {
    pub(crate) fn run(self, options: &RedisOptions) -> Result<Exit, Failure> {
        if url_was_typed() {
            let client = options.connect()?;
            print(format_args!("This demo uses the Redis at {}, queue demo.", client.address()))?;
            print("")?;
            return run_steps(&Queue::with_client(&client, "demo")?);
        }
        let redis = EphemeralRedis::start()?;
        print(format_args!("A private {} runs at {} until this demo ends.", redis.program, redis.url()))?;
        print("")?;
        run_steps(&Queue::with_client(&options.connect_to(&redis.url())?, "demo")?)
    }
}

/// The state of the payment service: `true` if it is up. The service starts down.
type PaymentService = Arc<AtomicBool>;

fn run_steps(queue: &Queue) -> Result<Exit, Failure> {
    print("1. A web service enqueues what would keep its users waiting:")?;
    let jobs = jobs();
    let total = jobs.len();
    let webhook = queue.enqueue_many(jobs)?.ids.pop().unwrap_or_default();
    for id in queue.ids(0, total)? {
        print(format_args!("     {}", first_line(&queue.job(&id)?.description, 70)))?;
    }

    print("")?;
    print("2. A worker runs them:")?;
    let payments = PaymentService::default();
    run_worker(queue, &payments, total)?;

    print("")?;
    print("3. One has failed. It is not lost: it waits in the failed registry, with its reason:")?;
    for id in queue.failed().ids(0, 10)? {
        let job = queue.job(&id)?;
        print(format_args!("     {id}"))?;
        print(format_args!("     {}", first_line(job.exc_info.as_deref().unwrap_or_default(), 90)))?;
    }

    print("")?;
    let me = program::name();
    print(format_args!(
        "4. The payment service is back. The job is requeued (`{me} requeue ID`) and succeeds:"
    ))?;
    payments.store(true, Ordering::Relaxed);
    queue.job(&webhook)?.requeue()?;
    run_worker(queue, &payments, 1)?;
    let result: String = queue.job(&webhook)?.returned()?;
    print(format_args!("     {result}"))?;

    print("")?;
    print(format_args!("5. `{me} info` shows it all:"))?;
    print("")?;
    print_lines(InfoCommand::queue_overview(queue)?)?;
    Ok(Exit::Done)
}

/// Returns typical jobs of a web service.
fn jobs() -> Vec<NewJob> {
    let mut jobs: Vec<NewJob> = ["ada@example.com", "grace@example.com", "edsger@example.com"]
        .into_iter()
        .map(|to| NewJob::new("send_email", json!({"to": to, "subject": "Welcome"})))
        .collect();
    jobs.push(NewJob::new("resize_image", ("cat.jpg", 640, 480)));
    jobs.push(NewJob::new("fetch_rates", "EUR"));
    jobs.push(
        NewJob::new("archive_posts", json!({"older_than_days": 365})).timeout(Duration::from_secs(600)),
    );
    jobs.push(NewJob::new("call_webhook", ("https://pay.example.com/hook", 4711)));
    jobs
}

/// Runs a worker until the queue is empty.
fn run_worker(queue: &Queue, payments: &PaymentService, total: usize) -> Result<(), Failure> {
    let (payments, bar) = (Arc::clone(payments), Arc::new(ProgressBar::new(total, false)));
    let progress = Arc::clone(&bar);
    let summary = Worker::with_client(queue.client(), vec![queue.name().to_owned()])?
        .name("demo")
        .concurrency(2)
        .burst(true)
        .handler("send_email", |_: &Context, email: serde_json::Value| {
            simulate_work(format!("sent to {}", email["to"]))
        })
        .handler("resize_image", |_: &Context, (name, w, h): (String, u32, u32)| {
            simulate_work(format!("{name} is {w}×{h}"))
        })
        .handler("fetch_rates", |_: &Context, currency: String| simulate_work(format!("1 {currency} = 1.07")))
        .handler("archive_posts", |_: &Context, _: serde_json::Value| {
            simulate_work("1,204 posts archived".to_owned())
        })
        .handler("call_webhook", move |_: &Context, (url, order): (String, u64)| {
            anyhow::ensure!(payments.load(Ordering::Relaxed), "{url} answered 503 Service Unavailable");
            simulate_work(format!("order {order} confirmed"))
        })
        .on_event(move |event| match event {
            Event::Started { description, .. } => progress.set_message(first_line(description, 50)),
            Event::Finished { .. } | Event::Failed { .. } => progress.increment(),
            _ => {}
        })
        .run()?;
    drop(bar);
    print(format_args!(
        "     {} finished, {} failed",
        pluralize(summary.finished as usize, "job"),
        summary.failed
    ))
}

/// Sleeps as long as such a job may take, so that the progress can be seen.
fn simulate_work(result: String) -> anyhow::Result<String> {
    std::thread::sleep(Duration::from_millis(150));
    Ok(result)
}
