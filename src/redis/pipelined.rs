//! Commands on one connection that are sent before the replies to earlier ones have come.

use redis::Cmd;

use super::pool::{OpenConnection, PoolPermit};
use super::reply::Reply;

/// A connection that carries out commands in the order in which they are sent. A command that Redis rejects gets
/// the reply `None`, and those after it still run. After a broken connection every reply is `None`, and it is
/// unknown what ran: all commands must be safe to repeat.
pub(crate) struct PipelinedConnection<'a> {
    permit: Option<PoolPermit<'a>>,
    connection: Option<OpenConnection>,
    /// Number of replies still to come.
    pending: usize,
}

impl<'a> PipelinedConnection<'a> {
    pub(super) fn new(mut permit: PoolPermit<'a>) -> Self {
        PipelinedConnection { connection: permit.idle.take(), permit: Some(permit), pending: 0 }
    }
}

impl PipelinedConnection<'_> {
    pub(crate) fn send(&mut self, command: &Cmd) {
        self.pending += 1;
        self.connection = self.connection.take().and_then(|mut open| {
            open.connection.send_packed_command(&command.get_packed_command()).ok()?;
            Some(open)
        });
    }

    /// Waits for the reply to the oldest command that has none yet.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        self.pending -= 1;
        let mut open = self.connection.take()?;
        let reply = open.connection.recv_response().ok()?;
        self.connection = Some(open);
        Some(reply).filter(|reply| !matches!(reply, Reply::ServerError(_)))
    }
}

impl Drop for PipelinedConnection<'_> {
    fn drop(&mut self) {
        // With replies still to come the connection would give them to the next borrower.
        if self.pending == 0
            && let (Some(permit), Some(connection)) = (self.permit.take(), self.connection.take())
        {
            permit.return_to_pool(connection);
        }
    }
}
