//! Commands from elsewhere: RQ's messages on a channel of the worker's own. What cannot be
//! understood changes nothing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::background::BackgroundThread;
use super::message::{Control, Message};
use super::options::Options;
use super::stop::Stopper;
use crate::client::Client;
use crate::error::Result;
use crate::worker_command::WorkerCommand;

/// How soon the thread notices that the worker ends.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long it waits before it connects again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

pub(super) fn start(
    client: &Arc<Client>,
    options: &Options,
    stopper: &Stopper,
    inbox: &Sender<Message>,
) -> BackgroundThread {
    let listener = CommandListener {
        client: Arc::clone(client),
        channel: client.keys.commands(&options.name),
        stopper: stopper.clone(),
        inbox: inbox.clone(),
    };
    BackgroundThread::start("rq-rs commands", move |stop| listener.run(stop))
}

struct CommandListener {
    client: Arc<Client>,
    channel: String,
    stopper: Stopper,
    inbox: Sender<Message>,
}

impl CommandListener {
    fn run(&self, stop: &Receiver<()>) {
        loop {
            match self.listen(stop) {
                Ok(()) => return,
                // The dispatcher tells people about an outage.
                Err(error) => log::debug!(target: "rq_rs", "commands cannot be heard: {error}"),
            }
            if stop.recv_timeout(RECONNECT_DELAY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn listen(&self, stop: &Receiver<()>) -> Result<()> {
        self.client.dedicated(STOP_CHECK_INTERVAL)?.subscribe_loop(
            &self.channel,
            STOP_CHECK_INTERVAL,
            |message| {
                if let Some(text) = message {
                    self.handle(&text);
                }
                !matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))
            },
        )
    }

    fn handle(&self, text: &[u8]) {
        let order = match serde_json::from_slice(text) {
            Ok(WorkerCommand::Shutdown) => return self.stopper.stop(),
            Ok(WorkerCommand::Quiet) => return self.stopper.quiet(),
            Ok(WorkerCommand::Continue) => return self.stopper.go_on(),
            Ok(WorkerCommand::KillHorse) => Control::Kill,
            Ok(WorkerCommand::StopJob { job_id }) => Control::Stop { job: job_id, execution: None },
            Ok(WorkerCommand::StopExecution { job_id, execution_id }) => {
                Control::Stop { job: job_id, execution: Some(execution_id) }
            }
            Err(error) => {
                let text = String::from_utf8_lossy(text);
                let text = crate::printable::ShortLine(&text).to_string();
                return log::warn!(target: "rq_rs", "a command that cannot be understood: {text}: {error}");
            }
        };
        // A worker that has ended obeys no more.
        let _ = self.inbox.send(Message::Control(order));
    }
}
