//! The command listener: receives RQ's worker commands on the worker's pub/sub channel. Any other message is logged and
//! ignored.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use super::background::BackgroundThread;
use super::input::{ControlMessage, Input};
use super::options::Options;
use super::stop::Stopper;
use crate::client::Client;
use crate::error::Result;
use crate::printable::ShortLine;
use crate::worker_command::RemoteCommand;

/// Interval at which the thread checks whether the worker ends.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Pause before the thread connects again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

pub(super) fn start(
    client: &Arc<Client>,
    options: &Options,
    stopper: &Stopper,
    inbox: &Sender<Input>,
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
    inbox: Sender<Input>,
}

impl CommandListener {
    fn run(&self, stop: &Receiver<()>) {
        loop {
            match self.listen(stop) {
                Ok(()) => return,
                // The driver reports outages.
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
                !matches!(stop.try_recv(), Err(TryRecvError::Disconnected))
            },
        )
    }

    fn handle(&self, text: &[u8]) {
        let control = match serde_json::from_slice(text) {
            Ok(RemoteCommand::Shutdown) => return self.stopper.stop(),
            Ok(RemoteCommand::Quiet) => return self.stopper.quiet(),
            Ok(RemoteCommand::Continue) => return self.stopper.go_on(),
            Ok(RemoteCommand::KillHorse) => ControlMessage::Kill,
            Ok(RemoteCommand::StopJob { job_id }) => ControlMessage::Stop { job: job_id, execution: None },
            Ok(RemoteCommand::StopExecution { job_id, execution_id }) => {
                ControlMessage::Stop { job: job_id, execution: Some(execution_id) }
            }
            Err(error) => {
                let text = String::from_utf8_lossy(text);
                let text = ShortLine(&text).to_string();
                return log::warn!(target: "rq_rs", "a command that cannot be understood: {text}: {error}");
            }
        };
        // This fails only when the worker has ended.
        let _ = self.inbox.send(Input::Control(control));
    }
}
