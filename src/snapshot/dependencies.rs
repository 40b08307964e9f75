//! Jobs that a job depends on, and jobs that depend on it.

use serde::Serialize;

use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::Status;

/// Largest number of dependencies, and of dependents, that are shown.
const MAX_DEPENDENCIES: usize = 100;

/// A job on the other side of a dependency.
#[derive(Debug, Serialize)]
pub(crate) struct Dependency {
    pub(crate) id: String,
    /// `None` when its record is gone.
    pub(crate) status: Option<Status>,
}

/// Fetches the jobs that this job waits for, and the jobs that wait for it.
pub(super) fn fetch_dependencies(client: &Client, id: &str) -> Result<(Vec<Dependency>, Vec<Dependency>)> {
    let keys = [client.keys.dependencies(id), client.keys.dependents(id)];
    // A part of each set is enough, however large it is.
    let scan = |key| RedisCommand::new("SSCAN").arg(key).arg(0).arg("COUNT").arg(MAX_DEPENDENCIES);
    let mut replies = client.call_all(&keys.map(scan))?.into_iter();
    let mut next = || fetch_statuses(client, replies.next().unwrap_or(Ok(Reply::Nil)));
    Ok((next()?, next()?))
}

/// Reads the ids of an SSCAN reply, and fetches the status of each job.
fn fetch_statuses(client: &Client, reply: Result<Reply>) -> Result<Vec<Dependency>> {
    let members = reply.and_then(reply::list).unwrap_or_default().into_iter().nth(1);
    let mut members = members.map_or(Ok(Vec::new()), reply::texts)?;
    members.truncate(MAX_DEPENDENCIES);
    let prefix = client.keys.job_prefix();
    let id = |member: String| member.strip_prefix(&prefix).map(str::to_owned).unwrap_or(member);
    let ids: Vec<String> = members.into_iter().map(id).collect();
    let status = |id: &String| RedisCommand::new("HGET").arg(client.keys.job(id)).arg("status");
    let statuses = client.call_all(&ids.iter().map(status).collect::<Vec<_>>())?;
    let dependency = |(id, status): (String, Result<Reply>)| {
        let status = status.and_then(reply::text).unwrap_or_default();
        Dependency { id, status: status.and_then(|status| status.parse().ok()) }
    };
    Ok(ids.into_iter().zip(statuses).map(dependency).collect())
}
