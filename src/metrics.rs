//! What Prometheus reads: names and labels of rq-exporter and django-rq, so that existing boards work, and more.

use std::fmt::{self, Display, Write};

use crate::client::Client;
use crate::error::Result;
use crate::printable::needs_escaping;
use crate::snapshot::{self, QueueView, WorkerView};
use crate::stats::{self, BUCKETS, Series};
use crate::wrong_type::WrongTypeKeys;

/// More queues share one name.
const QUEUES: usize = 200;
/// More series of handlers than this are left out.
const HANDLERS: usize = 2000;

/// The whole page, in the text format 0.0.4, and the keys of which it counts nothing.
pub(crate) fn render(client: &Client) -> Result<(String, WrongTypeKeys)> {
    let mut shot = snapshot::fetch(client, &[])?;
    let others = shot.queues.split_off(shot.queues.len().min(QUEUES));
    let mut page = Exposition::default();
    workers(&mut page, &shot.workers);
    let named = shot.queues.len();
    shot.queues.extend(others.into_iter().reduce(QueueView::merge).map(|queue| queue.with_name("other")));
    queues(&mut page, &shot.queues);
    let mut handlers = Vec::new();
    for queue in &shot.queues[..named] {
        for (handler, series) in stats::fetch_handler_series(client, &queue.name)? {
            if handlers.len() < HANDLERS {
                handlers.push((queue.name.clone(), handler, series));
            }
        }
    }
    runs(&mut page, &handlers);
    page.family("rq_redis_used_memory_bytes", "gauge", "Memory that Redis uses");
    page.line("rq_redis_used_memory_bytes", &[], shot.server.used_memory.unwrap_or(0));
    Ok((page.0, shot.odd_keys))
}

fn workers(page: &mut Exposition, workers: &[WorkerView]) {
    page.family("rq_workers", "gauge", "RQ workers");
    for worker in workers {
        let queues = worker.queues.join(",");
        page.line("rq_workers", &[("name", &worker.name), ("state", &worker.state), ("queues", &queues)], 1);
    }
    type Value = fn(&WorkerView) -> f64;
    let counters: [(&str, &str, Value); 6] = [
        ("rq_workers_success_total", "RQ workers success count", |w| w.successful_job_count as f64),
        ("rq_workers_failed_total", "RQ workers fail count", |w| w.failed_job_count as f64),
        ("rq_workers_working_time_total", "RQ workers spent seconds", |w| w.total_working_time),
        ("rq_workers_recovered_total", "Jobs of lost workers put back", |w| w.recovered_count as f64),
        ("rq_workers_stale_total", "Ends of runs that were refused", |w| w.stale_count as f64),
        ("rq_workers_reconnects_total", "Outages of Redis that have ended", |w| w.reconnect_count as f64),
    ];
    for (name, help, value) in counters {
        page.family(name, "counter", help);
        for worker in workers {
            page.line(name, &[("name", &worker.name), ("queues", &worker.queues.join(","))], value(worker));
        }
    }
}

fn queues(page: &mut Exposition, queues: &[QueueView]) {
    page.family("rq_jobs", "gauge", "RQ jobs by state");
    for queue in queues {
        let counts = [
            ("queued", queue.queued + queue.intermediate),
            ("started", queue.started),
            ("finished", queue.finished),
            ("failed", queue.failed),
            ("deferred", queue.deferred),
            ("rate_limited", queue.rate_limited),
            ("scheduled", queue.scheduled),
            ("canceled", queue.canceled),
            ("unreadable", queue.unreadable),
        ];
        for (status, count) in counts {
            page.line("rq_jobs", &[("queue", &queue.name), ("status", status)], count);
        }
    }
    page.family("rq_oldest_waiting_seconds", "gauge", "How long the next job has waited; 0 when none waits");
    for queue in queues {
        let age = queue.oldest_waiting.unwrap_or(0.0);
        page.line("rq_oldest_waiting_seconds", &[("queue", &queue.name)], age);
    }
    page.family("rq_queue_suspended", "gauge", "Whether the queue is suspended by itself");
    for queue in queues {
        page.line("rq_queue_suspended", &[("queue", &queue.name)], u8::from(queue.suspended));
    }
}

/// Counters that outlive workers: they are kept with the queues.
fn runs(page: &mut Exposition, handlers: &[(String, String, Series)]) {
    page.family(
        "rq_runs_total",
        "counter",
        "Runs by how they ended; retried is failed and to be tried again",
    );
    for (queue, handler, series) in handlers {
        let total = series.total;
        for (outcome, count) in
            [("finished", total.finished), ("failed", total.failed), ("retried", total.retried)]
        {
            let labels = [("queue", &**queue), ("handler", handler), ("outcome", outcome)];
            page.line("rq_runs_total", &labels, count);
        }
    }
    page.family("rq_run_seconds", "histogram", "How long runs took");
    for (queue, handler, series) in handlers {
        let labels = [("queue", &**queue), ("handler", &**handler)];
        let mut runs = 0;
        let ends = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, count) in ends.zip(series.buckets) {
            runs += count;
            page.line("rq_run_seconds_bucket", &[labels[0], labels[1], ("le", &end)], runs);
        }
        page.line("rq_run_seconds_sum", &labels, series.seconds);
        page.line("rq_run_seconds_count", &labels, runs);
    }
}

#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let open = if n == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", Escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

/// The value of a label.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                // The format has no other escapes, so that the backslash of ours is escaped.
                c if needs_escaping(c) => write!(f, "\\{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
