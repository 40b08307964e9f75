//! Pauses and resumes entries.

use std::sync::Arc;

use super::find::find_entry;
use crate::client::{Client, RedisCommand, reply};
use crate::error::{Error, Result};

/// Returns whether Redis knows the entry: it has ticked, or was paused before.
fn is_known(client: &Client, name: &str) -> Result<bool> {
    Ok(reply::int(&client.call(&RedisCommand::new("EXISTS").arg(client.keys.cron_entry(name)))?)? == 1)
}

/// Refuses entries that cannot be paused here.
fn check_pausable(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    match find_entry(client, name, now) {
        Ok(entry) if entry.is_python() => Err(Error::OfPython { name: name.to_owned() }),
        // A known entry that no scheduler has just now may be paused too.
        Err(error) if !is_known(client, name)? => Err(error),
        _ => Ok(()),
    }
}

/// Pauses an entry: its ticks pass without a job, and are not caught up.
///
/// # Errors
/// [`Error::Invalid`] for an unknown entry, [`Error::OfPython`] for an entry of a scheduler of Python.
pub(crate) fn pause(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    check_pausable(client, name, now)?;
    client.call(&RedisCommand::new("HSET").arg(client.keys.cron_entry(name)).arg("paused").arg(1)).map(drop)
}

/// Resumes an entry. If its last tick is in the future, because Redis' clock was ahead, the entry begins anew. A
/// worker never does so by itself: its own time may just be late.
///
/// # Errors
/// The errors of [`pause`].
pub(crate) fn resume(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    check_pausable(client, name, now)?;
    let key = client.keys.cron_entry(name);
    client.call(&RedisCommand::new("HDEL").arg(&key).arg("paused"))?;
    let last = reply::text(client.call(&RedisCommand::new("HGET").arg(&key).arg("last"))?)?;
    if last.and_then(|last| last.parse::<f64>().ok()).is_some_and(|last| last > now) {
        client.call(&RedisCommand::new("HDEL").arg(key).arg("last"))?;
    }
    Ok(())
}
