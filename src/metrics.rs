//! Metrics for Prometheus. Names and labels are those of rq-exporter and django-rq, so that existing dashboards work;
//! some metrics are new.

use std::fmt::{self, Display, Write};

use crate::client::Client;
use crate::error::Result;
use crate::printable::needs_escaping;
use crate::snapshot::{self, QueueView, WorkerView};
use crate::stats::{self, BUCKETS, Series};
use crate::wrong_type::WrongTypeKeys;

/// Largest number of queues with a label of their own. The others share the label `other`.
const MAX_QUEUES: usize = 200;
/// Largest number of series of handlers. The others are left out.
const MAX_HANDLERS: usize = 2000;

/// Renders all metrics in the text format 0.0.4. Returns also the keys of a wrong type, which count as empty.
pub(crate) fn render(client: &Client) -> Result<(String, WrongTypeKeys)> {
    let mut snapshot = snapshot::fetch(client, &[])?;
    let others = snapshot.queues.split_off(snapshot.queues.len().min(MAX_QUEUES));
    let mut page = Exposition::default();
    workers(&mut page, &snapshot.workers);
    let named = snapshot.queues.len();
    snapshot.queues.extend(others.into_iter().reduce(QueueView::merge).map(|queue| queue.with_name("other")));
    queues(&mut page, &snapshot.queues);
    runs(&mut page, &fetch_handlers(client, &snapshot.queues[..named])?);
    page.family("rq_redis_used_memory_bytes", "gauge", "Memory that Redis uses");
    page.sample("rq_redis_used_memory_bytes", &[], snapshot.server.used_memory.unwrap_or(0));
    Ok((page.0, snapshot.wrong_type_keys))
}

/// Fetches the series of the handlers of these queues, as queue, handler and series.
fn fetch_handlers(client: &Client, queues: &[QueueView]) -> Result<Vec<(String, String, Series)>> {
    let mut handlers = Vec::new();
    for queue in queues {
        for (handler, series) in stats::fetch_handler_series(client, &queue.name)? {
            if handlers.len() < MAX_HANDLERS {
                handlers.push((queue.name.clone(), handler, series));
            }
        }
    }
    Ok(handlers)
}

fn workers(page: &mut Exposition, workers: &[WorkerView]) {
    page.family("rq_workers", "gauge", "RQ workers");
    for worker in workers {
        let queues = worker.queues.join(",");
        page.sample(
            "rq_workers",
            &[("name", &worker.name), ("state", &worker.state), ("queues", &queues)],
            1,
        );
    }
    worker_counters(page, workers);
}

fn worker_counters(page: &mut Exposition, workers: &[WorkerView]) {
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
            page.sample(name, &[("name", &worker.name), ("queues", &worker.queues.join(","))], value(worker));
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
            page.sample("rq_jobs", &[("queue", &queue.name), ("status", status)], count);
        }
    }
    queue_states(page, queues);
}

fn queue_states(page: &mut Exposition, queues: &[QueueView]) {
    page.family("rq_oldest_waiting_seconds", "gauge", "How long the next job has waited; 0 when none waits");
    for queue in queues {
        let age = queue.oldest_waiting.unwrap_or(0.0);
        page.sample("rq_oldest_waiting_seconds", &[("queue", &queue.name)], age);
    }
    page.family("rq_queue_suspended", "gauge", "Whether the queue is suspended by itself");
    for queue in queues {
        page.sample("rq_queue_suspended", &[("queue", &queue.name)], u8::from(queue.suspended));
    }
}

/// Runs by handler. These counters outlive workers, because Redis keeps them with the queues.
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
            page.sample("rq_runs_total", &labels, count);
        }
    }
    run_times(page, handlers);
}

fn run_times(page: &mut Exposition, handlers: &[(String, String, Series)]) {
    page.family("rq_run_seconds", "histogram", "How long runs took");
    for (queue, handler, series) in handlers {
        let labels = [("queue", &**queue), ("handler", &**handler)];
        let mut runs = 0;
        let ends = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, count) in ends.zip(series.buckets) {
            runs += count;
            page.sample("rq_run_seconds_bucket", &[labels[0], labels[1], ("le", &end)], runs);
        }
        page.sample("rq_run_seconds_sum", &labels, series.seconds);
        page.sample("rq_run_seconds_count", &labels, runs);
    }
}

/// Text in the exposition format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let open = if n == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", Escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

/// The value of a label, escaped.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                // The format has no other escapes: Prometheus shows the character as `\u{…}`.
                c if needs_escaping(c) => write!(f, "\\{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
