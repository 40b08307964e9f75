//! The entries that somebody has now, as people see them: read from the records of their schedulers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::records::{CronRecord, LOCAL_ZONE, RECORD_TTL};
use super::{Cron, schedule::Schedule};
use crate::bounded_read;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::{Error, Result};
use crate::job::{ExcerptSpec, Excerpts, from_iso, read_json};
use crate::wrong_type::WrongTypeKeys;

/// How many schedulers are looked at, those that were heard of last.
const SCHEDULERS: usize = 1000;
/// So many records are read together, as far as they are small. A larger one is read alone: for a list up to the
/// second number, to find one entry up to the third; and no more than the last of all of them.
const TOGETHER: usize = 20;
const OF_SMALL: &[ExcerptSpec] = &[("cron_jobs", 64 * 1024, 0)];
const OF_LARGE: &[ExcerptSpec] = &[("cron_jobs", 8 * 1024 * 1024, 0)];
const TO_FIND_ONE: &[ExcerptSpec] = &[("cron_jobs", 32 * 1024 * 1024, 0)];
const OF_ALL: usize = 256 * 1024 * 1024;
/// How many bytes of a list are kept: of all its entries; of their arguments; and of the arguments of one.
const KEPT: usize = 4 * 1024 * 1024;
const ARGUMENTS: usize = 768 * 1024;
const ARGUMENTS_OF_ONE: usize = 64 * 1024;
/// About so many bytes has an entry beside its texts.
const PLAIN: usize = 600;
/// How many names a hint has.
const NAMES: usize = 20;

/// An entry, as people see it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CronView {
    pub(crate) name: String,
    pub(crate) schedule: String,
    pub(crate) tz: Option<String>,
    /// Where that is `local`: the zone of the machine that keeps it, as far as it has a name.
    pub(crate) zone: Option<String>,
    pub(crate) handler: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    /// Which of these are left out because they are too large for a list.
    pub(crate) cut: Vec<&'static str>,
    pub(crate) queue: String,
    pub(crate) catchup: Option<String>,
    pub(crate) overlap: Option<String>,
    /// When its next job is due, and when its last one was enqueued.
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) last_job: Option<String>,
    pub(crate) paused: bool,
    /// How many workers or `cron` commands have it now.
    pub(crate) schedulers: usize,
    /// Whether it is Python's, which only Python pauses.
    pub(crate) python: bool,
    #[serde(skip)]
    is_interval: bool,
}

impl CronView {
    /// It, with its arguments as far as there is room for them.
    fn new(noted: &CronRecord, room: &mut usize) -> Self {
        let time = |text: &Option<String>| text.as_deref().and_then(from_iso);
        let ours = noted.extension.as_ref();
        let mut cut = Vec::new();
        let mut fits = |text: &Option<String>, name| {
            let size = text.as_ref().map_or(0, String::len);
            let fits = size <= ARGUMENTS_OF_ONE && size <= *room;
            if fits {
                *room -= size;
            } else {
                cut.push(name);
            }
            fits
        };
        let args = if fits(&noted.args, "args") { noted.args() } else { Vec::new() };
        let kwargs = if fits(&noted.kwargs, "kwargs") { noted.kwargs() } else { Map::new() };
        CronView {
            name: noted.name().to_owned(),
            schedule: noted.schedule(),
            tz: ours.map(|ours| ours.tz.clone()),
            zone: ours.and_then(|ours| ours.zone.clone()),
            handler: noted.func_name.clone(),
            args,
            kwargs,
            cut,
            queue: noted.queue_name.clone(),
            catchup: ours.map(|ours| ours.catchup.clone()),
            overlap: ours.map(|ours| ours.overlap.clone()),
            next: time(&noted.next_enqueue_time),
            last: time(&noted.latest_enqueue_time),
            last_job: None,
            paused: false,
            schedulers: 1,
            python: ours.is_none(),
            is_interval: noted.interval.is_some(),
        }
    }

    /// How many bytes it takes, without its arguments.
    fn size(&self) -> usize {
        let more = [&self.tz, &self.zone, &self.catchup, &self.overlap];
        let more: usize = more.into_iter().flatten().map(String::len).sum();
        PLAIN + self.name.len() + self.schedule.len() + self.handler.len() + self.queue.len() + more
    }
}

/// All entries that somebody has now.
pub(crate) struct Listing {
    /// By name.
    pub(crate) all: Vec<CronView>,
    /// The keys that are not what they should be.
    pub(crate) wrong_keys: WrongTypeKeys,
    /// Whether there is more than is read or kept.
    pub(crate) is_cut: bool,
}

pub(crate) fn list_entries(client: &Arc<Client>, now: f64) -> Result<Listing> {
    let (mut wrong_keys, mut found) = (WrongTypeKeys::default(), BTreeMap::<String, CronView>::new());
    let (mut room, mut arguments, mut is_full) = (KEPT, ARGUMENTS, false);
    let is_cut = for_each_record(client, now, OF_LARGE, &mut wrong_keys, |noted| {
        if let Some(listed) = found.get_mut(noted.name()) {
            listed.schedulers += 1;
        } else {
            let listed = CronView::new(&noted, &mut arguments);
            match room.checked_sub(listed.size()) {
                Some(left) => {
                    room = left;
                    found.insert(listed.name.clone(), listed);
                }
                None => is_full = true,
            }
        }
        Go::On
    })?;
    let mut all: Vec<CronView> = found.into_values().collect();
    for some in all.chunks_mut(SCHEDULERS) {
        read_entries(client, some, &mut wrong_keys)?;
    }
    Ok(Listing { all, wrong_keys, is_cut: is_cut || is_full })
}

/// Whether the next entry is to be looked at.
#[derive(PartialEq)]
enum Go {
    On,
    Home,
}

/// Looks at the entries of one scheduler after the other. Returns whether there is more than is read.
fn for_each_record(
    client: &Client,
    now: f64,
    most: &'static [ExcerptSpec],
    wrong_keys: &mut WrongTypeKeys,
    mut see: impl FnMut(CronRecord) -> Go,
) -> Result<bool> {
    let schedulers = client.keys.cron_schedulers();
    let newest = RedisCommand::new("ZREVRANGEBYSCORE")
        .arg(&schedulers)
        .arg("+inf")
        .arg(now - RECORD_TTL.as_secs_f64())
        .arg("LIMIT")
        .arg(0)
        .arg(SCHEDULERS);
    let names = wrong_keys.tolerate(&schedulers, client.query(&newest).and_then(reply::texts))?;
    let keys: Vec<String> = names.iter().map(|name| client.keys.cron_scheduler(name)).collect();
    let (mut left, mut is_cut) = (OF_ALL, false);
    for keys in keys.chunks(TOGETHER) {
        let hashes = keys.iter().map(|key| (key.clone(), None));
        for (key, record) in keys.iter().zip(bounded_read::fetch_excerpts(client, hashes, OF_SMALL)?) {
            let mut record = wrong_keys.tolerate(key, record)?;
            let is_large = |record: &Excerpts| record.get("cron_jobs").is_some_and(|jobs| !jobs.is_whole);
            if record.as_ref().is_some_and(is_large) && left > 0 {
                let again =
                    bounded_read::fetch_excerpts(client, std::iter::once((key.clone(), None)), most)?.pop();
                record = wrong_keys.tolerate(key, again.unwrap_or(Ok(None)))?;
            }
            let Some(jobs) = record.as_ref().and_then(|record| record.get("cron_jobs")) else { continue };
            left = left.saturating_sub(jobs.head.len());
            is_cut |= !jobs.is_whole;
            if go_through(&jobs.head, &mut see) == Go::Home {
                return Ok(is_cut);
            }
        }
    }
    Ok(is_cut)
}

/// Looks at each entry of a record, as far as the text goes. What cannot be read is of another program, or of a newer
/// one; the rest is seen all the same.
fn go_through(text: &[u8], see: &mut impl FnMut(CronRecord) -> Go) -> Go {
    struct Elements<'a, F>(&'a mut F);
    impl<'de, F: FnMut(&RawValue) -> Go> Visitor<'de> for Elements<'_, F> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> std::result::Result<(), A::Error> {
            while let Some(one) = all.next_element::<&RawValue>()? {
                if self.0(one) == Go::Home {
                    break;
                }
            }
            Ok(())
        }
    }
    let mut go = Go::On;
    let mut look = |one: &RawValue| {
        if let Ok(noted) = read_json::<CronRecord>(one.get().as_bytes())
            && see(noted) == Go::Home
        {
            go = Go::Home;
            return Go::Home;
        }
        Go::On
    };
    // An error is where the text ends, or is no JSON: there is no more to be seen.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_seq(Elements(&mut look));
    go
}

/// What Redis knows better than any one scheduler.
fn read_entries(client: &Arc<Client>, all: &mut [CronView], wrong_keys: &mut WrongTypeKeys) -> Result<()> {
    let jobs = client.keys.cron_jobs();
    let entry = |listed: &CronView| {
        RedisCommand::new("HMGET")
            .arg(client.keys.cron_entry(&listed.name))
            .arg("last")
            .arg("job")
            .arg("paused")
    };
    let enqueued = |listed: &CronView| RedisCommand::new("ZSCORE").arg(&jobs).arg(&listed.name);
    let calls = all.iter().flat_map(|listed| [entry(listed), enqueued(listed)]).collect::<Vec<_>>();
    let mut answers = client.query_all(&calls)?.into_iter();
    for listed in all {
        let (answer, at) =
            (answers.next().unwrap_or(Ok(Reply::Nil)), answers.next().unwrap_or(Ok(Reply::Nil)));
        let at = wrong_keys.tolerate(&jobs, at.and_then(reply::text))?.and_then(|at| at.parse::<f64>().ok());
        listed.last = at.and_then(|at| DateTime::from_timestamp_millis((at * 1000.0) as i64));
        let key = client.keys.cron_entry(&listed.name);
        let mut held = wrong_keys.tolerate(&key, answer.and_then(reply::list))?.into_iter();
        let mut text = || reply::text(held.next().unwrap_or(Reply::Nil));
        let last = text()?.and_then(|last| last.parse().ok());
        (listed.last_job, listed.paused) = (text()?, text()?.is_some());
        let Some(last) = last.filter(|_| !listed.python) else { continue };
        // Whoever reads this may be in another zone than whoever keeps the entry.
        let named = listed.zone.as_deref().or(listed.tz.as_deref().filter(|tz| *tz != LOCAL_ZONE));
        let zone = if listed.is_interval { Some("UTC") } else { named };
        let schedule = zone.and_then(|zone| Schedule::parse(&listed.schedule, Some(zone)).ok());
        let next = schedule.and_then(|schedule| schedule.next_after(last));
        listed.next = next.and_then(|next| DateTime::from_timestamp(next, 0)).max(listed.next);
    }
    Ok(())
}

/// An entry as its scheduler wrote it down, whole.
pub(crate) struct StoredEntry(CronRecord);

impl StoredEntry {
    pub(crate) fn is_python(&self) -> bool {
        self.0.extension.is_none()
    }

    /// It, to be enqueued now.
    ///
    /// # Errors
    /// [`Error::Invalid`] when its scheduler could not write its arguments down.
    pub(crate) fn cron(&self) -> Result<Cron> {
        let is_json = |text: &Option<String>| {
            text.as_deref().is_none_or(|text| read_json::<Value>(text.as_bytes()).is_ok())
        };
        if [&self.0.args, &self.0.kwargs, &self.0.meta].into_iter().all(is_json) {
            return Ok(self.0.cron());
        }
        let whose = if self.is_python() { "its Python program" } else { "its own program" };
        Err(Error::invalid(
            format!("the arguments of cron entry {:?} are known to {whose} only", self.0.name()),
            "enqueue the job from there",
        ))
    }
}

/// The one of this name.
pub(crate) fn find_entry(client: &Arc<Client>, name: &str, now: f64) -> Result<StoredEntry> {
    let (mut names, mut more, mut found) = (BTreeSet::new(), false, None);
    let is_cut = for_each_record(client, now, TO_FIND_ONE, &mut WrongTypeKeys::default(), |noted| {
        if noted.name() == name {
            found = Some(noted);
            return Go::Home;
        }
        if !names.contains(noted.name()) {
            names.insert(noted.name().to_owned());
        }
        if names.len() > NAMES {
            names.pop_last();
            more = true;
        }
        Go::On
    })?;
    let unknown = || {
        let names: Vec<String> = names.into_iter().collect();
        let hint = match (names.as_slice(), more || is_cut) {
            ([], _) => "no worker has entries now; start one that has it".to_owned(),
            (names, false) => format!("there are: {}", names.join(", ")),
            (names, true) => format!("there are: {}, and more", names.join(", ")),
        };
        Error::invalid(format!("there is no cron entry {name:?}"), hint)
    };
    found.map(StoredEntry).ok_or_else(unknown)
}
