//! The command line: one file for each command.

mod app;
mod arguments;
mod command_line;
mod config;
mod control;
mod cron;
#[cfg(feature = "dashboard")]
mod dashboard;
mod demo;
mod empty;
mod enqueue;
mod ephemeral_redis;
mod exit;
mod failed;
mod format;
mod info;
mod job;
mod job_logs;
mod job_text;
mod json;
mod logger;
mod metrics;
mod output;
mod pid_file;
mod process_url;
mod progress;
mod python_rq;
mod redis_options;
mod redis_url;
mod reports;
mod requeue;
mod retention;
mod retry_options;
mod service_notify;
mod signals;
mod suspend;
#[cfg(feature = "tls")]
mod tls_options;
#[cfg(feature = "top")]
mod top;
mod value_parsers;
mod worker;

pub use app::App;
