//! Pausing an entry, and letting it go on.

use std::sync::Arc;

use super::view::find_entry;
use crate::client::{Client, RedisCommand, reply};
use crate::error::{Error, Result};

/// Whether it has ever ticked, or was paused.
fn is_known(client: &Client, name: &str) -> Result<bool> {
    Ok(reply::int(&client.query(&RedisCommand::new("EXISTS").arg(client.keys.cron_entry(name)))?)? == 1)
}

/// Refuses what nobody can pause.
fn check_pausable(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    match find_entry(client, name, now) {
        Ok(entry) if entry.is_python() => Err(Error::OfPython { name: name.to_owned() }),
        // One that nobody has just now may be paused too.
        Err(error) if !is_known(client, name)? => Err(error),
        _ => Ok(()),
    }
}

/// Its ticks pass without a job, and are not made up for.
///
/// # Errors
/// [`Error::Invalid`] for an entry that nobody knows, [`Error::OfPython`] for one that only Python keeps.
pub(crate) fn pause(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    check_pausable(client, name, now)?;
    client.query(&RedisCommand::new("HSET").arg(client.keys.cron_entry(name)).arg("paused").arg(1)).map(drop)
}

/// It goes on. One whose last tick is in the future, because Redis' clock was ahead, begins anew; no worker may do
/// that by itself, because it might only be late.
///
/// # Errors
/// As [`pause`].
pub(crate) fn resume(client: &Arc<Client>, name: &str, now: f64) -> Result<()> {
    check_pausable(client, name, now)?;
    let key = client.keys.cron_entry(name);
    client.query(&RedisCommand::new("HDEL").arg(&key).arg("paused"))?;
    let last = reply::text(client.query(&RedisCommand::new("HGET").arg(&key).arg("last"))?)?;
    if last.and_then(|last| last.parse::<f64>().ok()).is_some_and(|last| last > now) {
        client.query(&RedisCommand::new("HDEL").arg(key).arg("last"))?;
    }
    Ok(())
}
