//! Jobs at their time: entries that any number of copies of this program keep together.
//!
//!     cargo run --example nightly -- worker
//!     cargo run --example nightly -- cron list
//!     cargo run --example nightly -- cron run report

use rq_rs::{App, Catchup, Context, Cron, NewJob, Overlap};

fn report(_: &Context, (kind,): (String,)) -> anyhow::Result<String> {
    Ok(format!("the {kind} report"))
}

fn main() -> std::process::ExitCode {
    // If nobody was there at half past three, one job makes up for it.
    let daily = Cron::new("report", "30 3 * * mon-fri", NewJob::new("report", ("daily",)))
        .tz("Europe/Berlin")
        .catchup(Catchup::One);
    // Not while the last one still runs.
    let rates = Cron::new("rates", "every 90s", NewJob::new("report", ("rates",))).overlap(Overlap::Skip);
    App::new().handler("report", report).cron(daily).cron(rates).main()
}
