//! Names of queues: those in Redis, and those that commands accept.

use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::check_queue_name;
use crate::wrong_type::WrongTypeKeys;

/// Refuses a name that is neither valid nor that of an existing queue. Names that Python chose may hold any
/// character.
pub(crate) fn check_existing_or_valid(client: &Client, name: &str) -> Result<()> {
    check_queue_name(name).or_else(|error| {
        let key = client.keys.queue(name).list;
        let known = client.call(&RedisCommand::new("SISMEMBER").arg(client.keys.queues()).arg(key))?;
        if reply::int(&known)? == 1 { Ok(()) } else { Err(error) }
    })
}

/// Fetches the names of all queues that jobs were ever enqueued to, sorted.
pub(crate) fn all_queue_names(client: &Client, wrong_type_keys: &mut WrongTypeKeys) -> Result<Vec<String>> {
    let set = client.keys.queues();
    let keys = wrong_type_keys
        .tolerate(&set, client.call(&RedisCommand::new("SMEMBERS").arg(&set)).and_then(reply::texts))?;
    let mut names: Vec<String> =
        keys.iter().filter_map(|key| client.keys.queue_name(key)).map(str::to_owned).collect();
    names.sort_unstable();
    Ok(names)
}
