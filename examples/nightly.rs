//! Cron entries. Any number of copies of this program may run; each tick enqueues one job.
//!
//!     cargo run --example nightly -- worker
//!     cargo run --example nightly -- cron list
//!     cargo run --example nightly -- cron run report

use rq_rs::{App, Catchup, Context, Cron, NewJob, Overlap};

fn report(_: &Context, (kind,): (String,)) -> anyhow::Result<String> {
    Ok(format!("the {kind} report"))
}

fn main() -> std::process::ExitCode {
    // If no worker ran at half past three, one job catches up.
    let daily = Cron::new("report", "30 3 * * mon-fri", NewJob::new("report", ("daily",)))
        .tz("Europe/Berlin")
        .catchup(Catchup::One);
    // A tick is skipped while the previous job is unfinished.
    let rates = Cron::new("rates", "every 90s", NewJob::new("report", ("rates",))).overlap(Overlap::Skip);
    App::new().handler("report", report).cron(daily).cron(rates).main()
}
