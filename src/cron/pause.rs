//! Pausing an entry, and letting it go on.

use std::sync::Arc;

use super::listed::find;
use crate::error::{Error, Result};
use crate::store::{Call, Store, reply};

/// Whether it has ever ticked, or was paused.
fn is_known(store: &Store, name: &str) -> Result<bool> {
    Ok(reply::int(&store.ask(&Call::command("EXISTS").arg(store.keys.cron_entry(name)))?)? == 1)
}

/// Refuses what nobody can pause.
fn check_pausable(store: &Arc<Store>, name: &str, now: f64) -> Result<()> {
    match find(store, name, now) {
        Ok(entry) if entry.is_python() => Err(Error::OfPython { name: name.to_owned() }),
        // One that nobody has just now may be paused too.
        Err(error) if !is_known(store, name)? => Err(error),
        _ => Ok(()),
    }
}

/// Its ticks pass without a job, and are not made up for.
///
/// # Errors
/// [`Error::Invalid`] for an entry that nobody knows, [`Error::OfPython`] for one that only Python keeps.
pub(crate) fn pause(store: &Arc<Store>, name: &str, now: f64) -> Result<()> {
    check_pausable(store, name, now)?;
    store.ask(&Call::command("HSET").arg(store.keys.cron_entry(name)).arg("paused").arg(1)).map(drop)
}

/// It goes on. One whose last tick is in the future, because Redis' clock was ahead, begins anew; no worker may do
/// that by itself, because it might only be late.
///
/// # Errors
/// As [`pause`].
pub(crate) fn resume(store: &Arc<Store>, name: &str, now: f64) -> Result<()> {
    check_pausable(store, name, now)?;
    let key = store.keys.cron_entry(name);
    store.ask(&Call::command("HDEL").arg(&key).arg("paused"))?;
    let last = reply::text(store.ask(&Call::command("HGET").arg(&key).arg("last"))?)?;
    if last.and_then(|last| last.parse::<f64>().ok()).is_some_and(|last| last > now) {
        store.ask(&Call::command("HDEL").arg(key).arg("last"))?;
    }
    Ok(())
}
