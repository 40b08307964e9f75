//! `rq-rs worker [QUEUES…]`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::config::entries::HandlerConfig;
use super::config::unknown_names::check_handlers;
#[cfg(feature = "dashboard")]
use super::dashboard::{AccessOptions, WORKER_OPTION_PREFIX};
use super::exit::{Exit, Failure};
use super::logger::start_logger;
use super::output;
use super::pid_file::write_pid_file;
use super::redis_options::RedisOptions;
use super::retention::RetentionArg;
use super::retry_options::retry_policy;
use super::service_notify::ServiceNotifier;
use super::signals::{HangupFlag, install_signal_handlers};
use super::value_parsers::{at_least, parse_max_result, parse_size};
use crate::cron::Cron;
#[cfg(feature = "dashboard")]
use crate::dashboard::{Health, ServerHandle};
use crate::dialect::Dialect;
use crate::job::{Ttl, parse_duration};
use crate::queue::check_existing_or_valid;
use crate::worker::{Handlers, Run, Stopper};

/// Run jobs
#[derive(Args)]
#[command(
    after_help = "Each option has the same name in the environment (RQ_RS_MAX_JOBS=5) and in the file of --config; see `rq-rs config --help`."
)]
pub(crate) struct WorkerCommand {
    /// The queues, in order of priority
    #[arg(default_value = "default", value_delimiter = ',')]
    queues: Vec<String>,
    /// End when no job is left
    #[arg(short, long)]
    burst: bool,
    /// The worker's name [default: random]
    #[arg(short, long)]
    name: Option<String>,
    /// Number of jobs that run at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: Option<u16>,
    /// Run jobs of this name with a program: the job comes as JSON on its standard input, the result is its standard output; "*" is for all other names
    #[arg(long, value_name = "NAME=COMMAND")]
    exec: Vec<String>,
    /// Run jobs of this name with a program that stays: it gets a line of JSON for each job and answers with one, {"ok": value} or {"error": text}
    #[arg(long, value_name = "NAME=COMMAND")]
    exec_server: Vec<String>,
    /// Run the program's own functions in work horses, processes that a timeout, a stop or a crash ends without harm to others
    #[arg(long)]
    isolate: bool,
    /// Replace a work horse, or a process of --exec-server, after this number of jobs; 0 for never
    #[arg(long, value_name = "N", default_value_t = 1000)]
    horse_max_jobs: u32,
    /// Memory that a work horse may have, as in 512M; one that asks for more aborts, and its job fails
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "isolate")]
    horse_memory: Option<u64>,
    /// Replace a work horse after a job during which its resident memory exceeded this size
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "isolate")]
    horse_recycle: Option<u64>,
    /// Time that a process has to end after its TERM, before it is killed
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    kill_after: Duration,
    /// End after this number of jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_jobs: Option<u64>,
    /// End after this time without jobs
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_idle_time: Option<Duration>,
    /// Time to keep results of jobs that set none of their own [default: 500s]
    #[arg(long, aliases = ["result-ttl", "results_ttl"], value_name = "DURATION", allow_negative_numbers = true)]
    results_ttl: Option<Ttl>,
    /// Number of finished jobs to keep of each queue, and time to keep those that set none of their own, as in 1000/500s, 1000 or /1h
    #[arg(long, value_name = "N/DURATION")]
    keep_finished: Option<RetentionArg>,
    /// Number of failed jobs to keep of each queue, and time to keep those that set none of their own, as in 10000/1y [default: /1y]
    #[arg(long, value_name = "N/DURATION")]
    keep_failed: Option<RetentionArg>,
    /// Largest result, as in 512K, at most 16M; a job with a larger one fails
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = parse_max_result)]
    max_result: u64,
    /// Time to keep the worker's record after its last heartbeat, at least 30s
    #[arg(long, value_name = "DURATION", default_value = "420s", value_parser = at_least("30s"))]
    worker_ttl: Duration,
    /// Time that running jobs have to end after a stop, before they are put back [default: no limit]; 25s fits containers, 20s with processes that may ignore TERM
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    grace: Option<Duration>,
    /// Touch this file about once a second while the worker's loop turns, for probes; systemd's watchdog is notified equally often
    #[arg(long, value_name = "FILE")]
    health_file: Option<PathBuf>,
    /// Time after which a worker that gives no sign of life loses its jobs, at least 1s [default: 30s, in the dialect rq: 45s]
    #[arg(long, value_name = "DURATION", value_parser = at_least("1s"))]
    lease: Option<Duration>,
    /// Interval between searches for jobs of lost workers, at least 0.1s
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = at_least("0.1s"))]
    recover_interval: Duration,
    /// Number of retries of failed jobs that have no policy of their own, at most 100
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    retry_max: u32,
    /// Delays before these retries, may be given several times [default: 10s, doubling, at most 1h]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, value_delimiter = ',')]
    retry_interval: Vec<Duration>,
    /// Go on without cron entries that are invalid, or whose time zone this machine does not know
    #[arg(long)]
    cron_lenient: bool,
    /// A job that is lost this often with its worker fails
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    max_deliveries: u32,
    /// Number of failed attempts in a row to reach a lost Redis, after which the worker ends; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    broker_max_retries: u32,
    /// Serve the dashboard as well, at HOST:PORT, as in 127.0.0.1:9181
    #[cfg(feature = "dashboard")]
    #[arg(long, value_name = "ADDRESS")]
    dashboard: Option<String>,
    #[cfg(feature = "dashboard")]
    #[command(flatten)]
    access: AccessOptions,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Show more
    #[arg(short, long)]
    verbose: bool,
    /// Show warnings only
    #[arg(short, long)]
    quiet: bool,
}

impl WorkerCommand {
    pub(crate) fn cron_lenient(&self) -> bool {
        self.cron_lenient
    }

    pub(crate) fn run(
        self,
        redis: &RedisOptions,
        (handlers, of_file): (Handlers, Vec<HandlerConfig>),
        crons: Vec<Cron>,
    ) -> Result<Exit, Failure> {
        start_logger(self.verbose, self.quiet);
        let retry = retry_policy(self.retry_max, &self.retry_interval)?;
        let handlers = self.with_programs(handlers, &of_file, redis.dialect())?;
        check_handlers(&of_file, &handlers, &[]).iter().for_each(output::warn);
        let client = redis.connect()?;
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        let worker =
            self.configure(crate::Worker::with_client(&client, self.queues.clone())?.handlers(handlers));
        let worker = retry.into_iter().fold(worker, crate::Worker::retry);
        let worker = with_handler_settings(worker, of_file);
        let worker = crons.into_iter().fold(worker, crate::Worker::cron).cron_lenient(self.cron_lenient);
        self.pid.as_deref().map_or(Ok(()), write_pid_file)?;
        let notifier = ServiceNotifier::new(self.health_file.clone())?;
        let hangup = install_signal_handlers(&worker.stopper()).unwrap_or_else(|error| {
            output::warn(format_args!("signals end the worker at once: {error}"));
            HangupFlag::default()
        });
        notifier.start_watchdog(worker.stopper())?;
        let on_event = notifier.clone();
        #[cfg(feature = "dashboard")]
        let (health, dashboard) = self.start_dashboard(redis, worker.stopper())?;
        let worker = worker.on_event(move |event| on_event.on_event(event));
        #[cfg(feature = "dashboard")]
        let worker = worker.on_healthy(move || health.mark_ready());
        let summary = worker.run();
        notifier.stop();
        #[cfg(feature = "dashboard")]
        dashboard.into_iter().for_each(ServerHandle::stop);
        let exit = if summary?.put_back == 0 { Exit::Done } else { Exit::PutBack };
        Ok(hangup.exit_or(exit))
    }

    /// Starts the dashboard and the server for metrics, if their options are given.
    #[cfg(feature = "dashboard")]
    fn start_dashboard(
        &self,
        redis: &RedisOptions,
        stopper: Stopper,
    ) -> Result<(Health, Option<ServerHandle>), Failure> {
        let health = Health::of_worker(stopper);
        if self.dashboard.is_none() && !self.access.has_metrics() {
            return Ok((health, None));
        }
        let client = redis.connect_lazily()?;
        self.access.start_metrics(&client, WORKER_OPTION_PREFIX, health.clone())?;
        let start = |address| self.access.start(&client, address, WORKER_OPTION_PREFIX, health.clone());
        let running = self.dashboard.as_deref().map(start).transpose()?;
        Ok((health, running))
    }

    /// Adds the programs of the file, of `--exec` and of `--exec-server` to the handlers of the application.
    fn with_programs(
        &self,
        mut handlers: Handlers,
        of_file: &[HandlerConfig],
        dialect: Dialect,
    ) -> Result<Handlers, Failure> {
        let typed = self.programs()?;
        // The command line goes before the file.
        let is_typed = |handler: &HandlerConfig| typed.iter().any(|program| program.name == handler.name);
        for handler in of_file.iter().filter(|handler| !is_typed(handler)) {
            if let Some(command) = &handler.exec {
                handlers.add_command(handler.name.clone(), command)?;
            }
            if let Some(command) = &handler.exec_server {
                handlers.add_server(handler.name.clone(), command)?;
            }
        }
        for Program { name, command, is_server } in typed {
            match is_server {
                false => handlers.add_command(name.to_owned(), command)?,
                true => handlers.add_server(name.to_owned(), command)?,
            }
        }
        if handlers.is_empty() {
            let hint = dialect.spec().handlers_hint;
            return Err(Failure::Usage(
                "this worker has no handlers: every job would fail".into(),
                hint.into(),
            ));
        }
        Ok(handlers)
    }

    /// Parses the values of `--exec` and `--exec-server`.
    fn programs(&self) -> Result<Vec<Program<'_>>, Failure> {
        let exec = self.exec.iter().map(|pair| parse_program("--exec", pair, false));
        let exec_server = self.exec_server.iter().map(|pair| parse_program("--exec-server", pair, true));
        exec.chain(exec_server).collect()
    }

    /// Applies the options to the library's worker.
    fn configure(&self, worker: crate::Worker) -> crate::Worker {
        let mut worker = worker
            .burst(self.burst)
            .worker_ttl(self.worker_ttl)
            .recover_interval(self.recover_interval)
            .max_deliveries(self.max_deliveries)
            .broker_max_retries(self.broker_max_retries)
            .horse_max_jobs(self.horse_max_jobs)
            .kill_after(self.kill_after)
            .max_result(usize::try_from(self.max_result).unwrap_or(usize::MAX))
            .isolate(if self.isolate { Run::Processes } else { Run::Threads });
        if let Some(RetentionArg { count, ttl }) = self.keep_finished {
            worker = count.into_iter().fold(worker, crate::Worker::keep_finished);
            worker = ttl.into_iter().fold(worker, crate::Worker::result_ttl);
        }
        worker = self.results_ttl.into_iter().fold(worker, crate::Worker::result_ttl);
        if let Some(RetentionArg { count, ttl }) = self.keep_failed {
            worker = count.into_iter().fold(worker, crate::Worker::keep_failed);
            worker = ttl.into_iter().fold(worker, crate::Worker::failure_ttl);
        }
        if let Some(bytes) = self.horse_memory {
            worker = worker.horse_memory(bytes);
        }
        if let Some(bytes) = self.horse_recycle {
            worker = worker.horse_recycle(bytes);
        }
        if let Some(lease) = self.lease {
            worker = worker.lease(lease);
        }
        if let Some(name) = &self.name {
            worker = worker.name(name);
        }
        if let Some(slots) = self.concurrency {
            worker = worker.concurrency(usize::from(slots));
        }
        if let Some(jobs) = self.max_jobs {
            worker = worker.max_jobs(jobs);
        }
        if let Some(idle) = self.max_idle_time {
            worker = worker.max_idle_time(idle);
        }
        if let Some(grace) = self.grace {
            worker = worker.grace(grace);
        }
        worker
    }
}

/// A handler of `--exec` or `--exec-server`.
struct Program<'a> {
    name: &'a str,
    command: &'a str,
    is_server: bool,
}

fn parse_program<'a>(option: &str, pair: &'a str, is_server: bool) -> Result<Program<'a>, Failure> {
    match pair.split_once('=') {
        Some((name, command)) if !name.is_empty() => Ok(Program { name, command, is_server }),
        _ => {
            let missing = if pair.starts_with('=') { "name" } else { "command" };
            let what = format!("{option} {pair:?} has no {missing}");
            Err(Failure::Usage(what, "as in --exec 'resize=./resize.sh --fast'".into()))
        }
    }
}

/// Applies the settings of the sections `[handlers.NAME]`.
fn with_handler_settings(mut worker: crate::Worker, of_file: Vec<HandlerConfig>) -> crate::Worker {
    for HandlerConfig { name, timeout, retry, concurrency, .. } in of_file {
        if let Some(timeout) = timeout {
            worker = worker.handler_timeout(&name, timeout);
        }
        if let Some(retry) = retry {
            worker = worker.handler_retry(&name, retry);
        }
        if let Some(limit) = concurrency {
            worker = worker.handler_concurrency(&name, limit);
        }
    }
    worker
}
