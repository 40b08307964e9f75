//! Bounded reads of hashes whose size somebody else controls: excerpts (the beginning and the end) of some fields, or
//! previews (all fields, without the values that are too large).

use crate::client::scripts::{FieldExcerpts, HashPreviewCall};
use crate::client::{Client, Reply, reply};
use crate::error::{Error, Result};
use crate::job::{Excerpt, ExcerptSpec, Excerpts, KNOWN_FIELDS, OmittedField, RawHash, Record};

/// Limit of a value in a preview, in bytes.
pub(crate) const MAX_VALUE_SIZE: usize = 256 * 1024;
/// Limit of all values of a job in a preview, in bytes.
const MAX_JOB_SIZE: usize = 512 * 1024;
/// Bytes that are read of a value over the limit.
const EXCERPT_SIZE: usize = 4096;
/// A hash with more fields is read only in its fields with names of RQ's or rq-rs'.
const MAX_FIELDS: usize = 200;

/// Fetches excerpts of hashes in one round trip. Each hash comes with the results stream of its job or `None`; the
/// fields of the stream's newest entry are read too. The reply is `None` for a hash that does not exist, and an error
/// for a key of another type.
pub(crate) fn fetch_excerpts(
    client: &Client,
    keys: impl Iterator<Item = (String, Option<String>)>,
    specs: &'static [ExcerptSpec],
) -> Result<Vec<Result<Option<Excerpts>>>> {
    let call = |(hash, stream): (String, Option<String>)| {
        let stream = stream.as_deref();
        let call = client.evalsha(&FieldExcerpts { hash: &hash, stream: stream.as_slice() });
        specs.iter().fold(call, |call, (name, head, tail)| call.arg(*name).arg(*head).arg(*tail))
    };
    let replies = client.call_all(&keys.map(call).collect::<Vec<_>>())?;
    Ok(replies.into_iter().map(|reply| reply.and_then(|reply| read_excerpts(reply, specs))).collect())
}

fn read_excerpts(reply: Reply, specs: &'static [ExcerptSpec]) -> Result<Option<Excerpts>> {
    if matches!(reply, Reply::Nil | Reply::Boolean(false)) {
        return Ok(None);
    }
    let mut excerpts = Vec::with_capacity(specs.len());
    for ((name, ..), value) in specs.iter().zip(reply::list(reply)?) {
        match value {
            // Size, beginning, end.
            Reply::Array(parts) => {
                let mut parts = parts.into_iter().skip(1).map(reply::bytes);
                let mut next = || parts.next().unwrap_or(Ok(None)).map(Option::unwrap_or_default);
                excerpts.push((*name, Excerpt { head: next()?, tail: next()?, is_whole: false }));
            }
            value => excerpts.extend(reply::bytes(value)?.map(|value| (*name, Excerpt::whole(value)))),
        }
    }
    Ok(Some(Excerpts(excerpts)))
}

/// A job's hash and the newest entry of its results stream, without the values that are too large.
pub(crate) struct HashPreview {
    fields: RawHash,
    entry: RawHash,
    /// The values that are too large: field and beginning.
    omitted: Vec<OmittedField>,
}

/// Fetches previews of jobs in one round trip. The inner errors are those of single jobs, such as
/// [`NotFound`](Error::NotFound).
pub(crate) fn fetch_previews<S: AsRef<str>>(client: &Client, ids: &[S]) -> Result<Vec<Result<HashPreview>>> {
    let call = |id: &S| {
        let (hash, stream) = (client.keys.job(id.as_ref()), client.rq.results_stream(id.as_ref()));
        let call = client.evalsha(&HashPreviewCall {
            hash: &hash,
            stream: stream.as_deref().as_slice(),
            max_value: MAX_VALUE_SIZE,
            max_total: MAX_JOB_SIZE,
            head: EXCERPT_SIZE,
            max_fields: MAX_FIELDS,
        });
        KNOWN_FIELDS.iter().chain(&["data"]).fold(call, |call, name| call.arg(*name))
    };
    let replies = client.call_all(&ids.iter().map(call).collect::<Vec<_>>())?;
    let read = |(id, reply): (&S, Result<Reply>)| read_preview(id.as_ref(), reply?);
    Ok(ids.iter().zip(replies).map(read).collect())
}

fn read_preview(id: &str, reply: Reply) -> Result<HashPreview> {
    if matches!(reply, Reply::Nil | Reply::Boolean(false)) {
        return Err(Error::NotFound { id: id.to_owned() });
    }
    let mut halves = reply::list(reply)?.into_iter();
    let mut omitted = Vec::new();
    let mut next = || read_fields(halves.next().unwrap_or_default(), &mut omitted);
    let (fields, entry) = (next()?, next()?);
    Ok(HashPreview { fields, entry, omitted })
}

fn read_fields(reply: Reply, omitted: &mut Vec<OmittedField>) -> Result<RawHash> {
    let mut items = reply::list(reply)?.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let name = reply::bytes(name)?.unwrap_or_default();
        match value {
            // Size, beginning.
            Reply::Array(parts) => {
                let head = parts.into_iter().nth(1).map_or(Ok(None), reply::bytes)?;
                omitted.push((String::from_utf8_lossy(&name).into_owned(), head.unwrap_or_default()));
            }
            value => pairs.push((name, reply::bytes(value)?.unwrap_or_default())),
        }
    }
    Ok(RawHash(pairs))
}

impl HashPreview {
    /// Returns the record, and the names of the fields that are left out.
    pub(crate) fn read(self, id: &str) -> (Record, Vec<&'static str>) {
        Record::read_within(id, (self.fields, self.entry), self.omitted, MAX_VALUE_SIZE)
    }
}
