//! Reading what is as large as somebody else has made it: some fields and their ends, or all that can be shown.

use crate::client::scripts::{FIELD_EXCERPTS, HASH_PREVIEW};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::{Error, Result};
use crate::job::{Excerpt, ExcerptSpec, Excerpts, KNOWN_FIELDS, OmittedField, RawHash, Record};

/// A value larger than this is not shown, nor are more than so many bytes of one job.
pub(crate) const MAX_VALUE_SIZE: usize = 256 * 1024;
const MAX_JOB_SIZE: usize = 512 * 1024;
/// How much is read of a value that is not shown.
const EXCERPT_SIZE: usize = 4096;
/// Of a hash with more fields only those are read that have a name of RQ's or ours.
const MAX_FIELDS: usize = 200;

/// Reads these ends of these hashes in one round trip, each with a stream of results or none; `None` for one that
/// is not there, an error for one that is no hash.
pub(crate) fn fetch_excerpts(
    client: &Client,
    keys: impl Iterator<Item = (String, Option<String>)>,
    wants: &'static [ExcerptSpec],
) -> Result<Vec<Result<Option<Excerpts>>>> {
    let call = |(hash, stream): (String, Option<String>)| {
        let mut call = RedisCommand::evalsha(
            &FIELD_EXCERPTS,
            &[Some(&*hash), stream.as_deref()].into_iter().flatten().collect::<Vec<_>>(),
        );
        for (name, head, tail) in wants {
            call = call.arg(*name).arg(*head).arg(*tail);
        }
        call
    };
    let answers = client.query_all(&keys.map(call).collect::<Vec<_>>())?;
    Ok(answers.into_iter().map(|answer| answer.and_then(|answer| read_excerpts(answer, wants))).collect())
}

fn read_excerpts(answer: Reply, wants: &'static [ExcerptSpec]) -> Result<Option<Excerpts>> {
    if matches!(answer, Reply::Nil | Reply::Boolean(false)) {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(wants.len());
    for ((name, ..), value) in wants.iter().zip(reply::list(answer)?) {
        match value {
            Reply::Array(ends) => {
                let mut ends = ends.into_iter().skip(1).map(reply::bytes);
                let mut next = || ends.next().unwrap_or(Ok(None)).map(Option::unwrap_or_default);
                parts.push((*name, Excerpt { head: next()?, tail: next()?, is_whole: false }));
            }
            value => parts.extend(reply::bytes(value)?.map(|value| (*name, Excerpt::whole(value)))),
        }
    }
    Ok(Some(Excerpts(parts)))
}

/// A hash and the newest entry of its stream, without what is too large to be shown.
pub(crate) struct HashPreview {
    fields: RawHash,
    entry: RawHash,
    /// The names of what is too large, and how it begins.
    cut: Vec<OmittedField>,
}

/// Reads them in one round trip; [`NotFound`](Error::NotFound) for a job that is not there.
pub(crate) fn fetch_previews<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Result<HashPreview>>> {
    let call = |id: &S| {
        let (hash, stream) = (client.keys.job(id.as_ref()), client.rq.results_stream(id.as_ref()));
        let keys: Vec<&str> = std::iter::once(&*hash).chain(stream.as_deref()).collect();
        let call = RedisCommand::evalsha(&HASH_PREVIEW, &keys)
            .arg(MAX_VALUE_SIZE)
            .arg(MAX_JOB_SIZE)
            .arg(EXCERPT_SIZE)
            .arg(MAX_FIELDS);
        KNOWN_FIELDS.iter().chain(&["data"]).fold(call, |call, name| call.arg(*name))
    };
    let answers = client.query_all(&ids.iter().map(call).collect::<Vec<_>>())?;
    let read = |(id, answer): (&S, Result<Reply>)| read_preview(id.as_ref(), answer?);
    Ok(ids.iter().zip(answers).map(read).collect())
}

fn read_preview(id: &str, answer: Reply) -> Result<HashPreview> {
    if matches!(answer, Reply::Nil | Reply::Boolean(false)) {
        return Err(Error::NotFound { id: id.to_owned() });
    }
    let mut halves = reply::list(answer)?.into_iter();
    let mut cut = Vec::new();
    let mut half = || read_fields(halves.next().unwrap_or_default(), &mut cut);
    let (fields, entry) = (half()?, half()?);
    Ok(HashPreview { fields, entry, cut })
}

impl HashPreview {
    /// The record, and the names of its fields that are left out.
    pub(crate) fn read(self, id: &str) -> (Record, Vec<&'static str>) {
        Record::read_within(id, (self.fields, self.entry), self.cut, MAX_VALUE_SIZE)
    }
}

fn read_fields(half: Reply, cut: &mut Vec<OmittedField>) -> Result<RawHash> {
    let mut items = reply::list(half)?.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let name = reply::bytes(name)?.unwrap_or_default();
        match value {
            Reply::Array(parts) => {
                let head = parts.into_iter().nth(1).map_or(Ok(None), reply::bytes)?;
                cut.push((String::from_utf8_lossy(&name).into_owned(), head.unwrap_or_default()));
            }
            value => pairs.push((name, reply::bytes(value)?.unwrap_or_default())),
        }
    }
    Ok(RawHash(pairs))
}
