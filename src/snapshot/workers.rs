//! The records of workers, of which only so much is read as can be shown.

use super::{BATCH, WorkerView};
use crate::bounded_read;
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{ExcerptSpec, Excerpts};
use crate::wrong_type::WrongTypeKeys;

/// More workers are not looked at.
const WORKERS_COUNTED: usize = 20_000;
/// How much is read of what is short in a worker's record.
const WORD: usize = 300;
/// How much is read at first of what is a list; and of a longer one, of so few workers together.
const LIST: usize = 4096;
const LONG: usize = 512 * 1024;
const LONG_TOGETHER: usize = 8;
/// So many bytes are read and kept of the queues of all workers together.
const ROOM: usize = 8 * 1024 * 1024;
/// About so many bytes has a name beside its text.
const NAME: usize = 48;

/// What is read of a worker's record.
const OF_WORKER: &[ExcerptSpec] = &[
    ("state", WORD, 0),
    ("queues", LIST, 0),
    ("hostname", WORD, 0),
    ("pid", WORD, 0),
    ("concurrency", WORD, 0),
    ("version", WORD, 0),
    ("birth", WORD, 0),
    ("last_heartbeat", WORD, 0),
    ("last_fetch", WORD, 0),
    ("successful_job_count", WORD, 0),
    ("failed_job_count", WORD, 0),
    ("total_working_time", WORD, 0),
    ("runs_in", WORD, 0),
    ("quiet", WORD, 0),
    ("memory", WORD, 0),
    ("stuck_threads", WORD, 0),
    ("recovered_count", WORD, 0),
    ("stale_count", WORD, 0),
    ("reconnect_count", WORD, 0),
    ("lease", WORD, 0),
    ("handler_limits", LIST, 0),
];
/// What is read of those whose lists are longer.
const OF_LONG: &[ExcerptSpec] = &[("queues", LONG, 0), ("handler_limits", LONG, 0)];

pub(super) fn fetch_workers(client: &Client, wrong_keys: &mut WrongTypeKeys) -> Result<Vec<WorkerView>> {
    let set = client.keys.workers();
    let mut keys = wrong_keys
        .tolerate(&set, client.query(&RedisCommand::new("SMEMBERS").arg(&set)).and_then(reply::texts))?;
    keys.sort_unstable();
    keys.truncate(WORKERS_COUNTED);
    let (mut workers, mut room) = (Vec::with_capacity(keys.len()), ROOM);
    for keys in keys.chunks(BATCH) {
        let hashes = keys.iter().map(|key| (key.clone(), None));
        let mut records = bounded_read::fetch_excerpts(client, hashes, OF_WORKER)?;
        read_long(client, keys, &mut records, &mut room)?;
        for (key, answer) in keys.iter().zip(records) {
            // A record whose time has passed belongs to a worker that died without a farewell.
            if let (Some(name), Some(parts)) =
                (client.keys.worker_name(key), wrong_keys.tolerate(key, answer)?)
            {
                workers.push(read_worker(name, &parts, &mut room));
            }
        }
    }
    Ok(workers)
}

/// Reads the lists that are longer, as long as there is room for them.
fn read_long(
    client: &Client,
    keys: &[String],
    records: &mut [Result<Option<Excerpts>>],
    room: &mut usize,
) -> Result<()> {
    let is_long = |parts: &Excerpts| {
        OF_LONG.iter().any(|(name, ..)| parts.get(name).is_some_and(|part| !part.is_whole))
    };
    let mut long: Vec<(&String, &mut Excerpts)> = Vec::new();
    for (key, record) in keys.iter().zip(records) {
        if let Ok(Some(parts)) = record
            && is_long(parts)
        {
            long.push((key, parts));
        }
    }
    for some in long.chunks_mut(LONG_TOGETHER) {
        if *room == 0 {
            break;
        }
        let hashes: Vec<_> = some.iter().map(|(key, _)| ((*key).clone(), None)).collect();
        for ((_, parts), answer) in
            some.iter_mut().zip(bounded_read::fetch_excerpts(client, hashes.into_iter(), OF_LONG)?)
        {
            // It may have gone meanwhile: then the beginning stays.
            let Ok(Some(lists)) = answer else { continue };
            for (name, list) in lists.0 {
                *room = room.saturating_sub(list.head.len());
                parts.0.retain(|(one, _)| *one != name);
                parts.0.push((name, list));
            }
        }
    }
    Ok(())
}

/// The names of a list, without one of which only a part was read, and whether there are more.
fn queues_of(parts: &Excerpts, room: &mut usize) -> (Vec<String>, bool) {
    let Some(list) = parts.get("queues") else { return (Vec::new(), false) };
    let text = String::from_utf8_lossy(&list.head);
    let whole = if list.is_whole { &*text } else { text.rsplit_once(',').map_or("", |(whole, _)| whole) };
    let mut names = Vec::new();
    for name in whole.split(',').filter(|name| !name.is_empty()) {
        let Some(left) = room.checked_sub(name.len() + NAME) else { return (names, true) };
        *room = left;
        names.push(name.to_owned());
    }
    (names, !list.is_whole)
}

fn read_worker(name: &str, parts: &Excerpts, room: &mut usize) -> WorkerView {
    let (queues, queues_cut) = queues_of(parts, room);
    let text = |field: &str| parts.text(field);
    let number = |field: &str| text(field).and_then(|value| value.parse::<u64>().ok());
    WorkerView {
        name: name.to_owned(),
        state: text("state").unwrap_or_else(|| "?".to_owned()),
        queues,
        queues_cut,
        hostname: text("hostname").unwrap_or_default(),
        pid: number("pid").and_then(|pid| u32::try_from(pid).ok()),
        concurrency: number("concurrency").and_then(|slots| u32::try_from(slots).ok()),
        version: text("version").unwrap_or_default(),
        birth: text("birth"),
        last_heartbeat: text("last_heartbeat"),
        last_fetch: text("last_fetch"),
        successful_job_count: number("successful_job_count").unwrap_or(0),
        failed_job_count: number("failed_job_count").unwrap_or(0),
        total_working_time: text("total_working_time").and_then(|value| value.parse().ok()).unwrap_or(0.0),
        runs_in: text("runs_in"),
        quiet: number("quiet") == Some(1),
        memory: number("memory"),
        stuck_threads: number("stuck_threads").unwrap_or(0),
        recovered_count: number("recovered_count").unwrap_or(0),
        stale_count: number("stale_count").unwrap_or(0),
        reconnect_count: number("reconnect_count").unwrap_or(0),
        lease: number("lease").and_then(|seconds| i64::try_from(seconds).ok()),
        handler_limits: text("handler_limits")
            .and_then(|text| crate::job::read_json(text.as_bytes()).ok())
            .unwrap_or_default(),
    }
}
