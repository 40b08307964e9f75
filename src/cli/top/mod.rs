//! `rq-rs top [QUEUES…]`: a live full-screen view of the snapshot, with keys for actions.

mod action_runner;
mod columns;
mod header;
mod input;
mod keys;
mod model;
mod poller;
mod rows;
mod screen;
mod state;
mod style;
mod table;
mod text;
mod view;

use std::io::{IsTerminal, stdin, stdout};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::KeyEvent;

use super::exit::{Exit, Failure};
use super::output::wants_colour;
use super::redis_options::RedisOptions;
use crate::cli::value_parsers::at_least;
use crate::program;
use crate::queue::check_existing_or_valid;
use action_runner::ActionRunner;
use keys::KeyAction;
use model::UiEvent;
use poller::Poller;
use screen::Screen;
use state::State;

/// Longest time between two frames: clocks on the screen advance without a poll.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);
/// Shortest pause after a poll, in durations of the poll, so that a slow Redis gets no more load.
const POLL_BACKOFF: u32 = 4;

/// Watch queues, workers, running and failed jobs on a full screen, with keys for actions on them
#[derive(Args)]
pub(crate) struct TopCommand {
    /// Show only these queues
    queues: Vec<String>,
    /// Interval of the updates, at least 0.25s
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = at_least("0.25s"))]
    interval: Duration,
    /// Show everything, change nothing
    #[arg(long)]
    read_only: bool,
}

impl TopCommand {
    pub(crate) fn run(self, server: &RedisOptions) -> Result<Exit, Failure> {
        require_terminal()?;
        let client = server.connect_lazily()?;
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        let (sender, events) = channel();
        input::watch_signals(sender.clone())?;
        let state = State::new(&client, self.read_only, wants_colour(&stdout()));
        let mut app = TopApp {
            poller: Poller::start(&client, self.queues, sender.clone()),
            action_runner: ActionRunner::start(&client, sender.clone()),
            interval: self.interval,
            should_poll_now: true,
            next_poll: Instant::now(),
            state,
        };
        let mut screen = Screen::enter()?;
        input::watch_keys(sender);
        app.event_loop(&mut screen, &events)?;
        Ok(Exit::Done)
    }
}

/// Fails unless both stdin and stdout are a terminal that can place its cursor.
fn require_terminal() -> Result<(), Failure> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if stdin().is_terminal() && stdout().is_terminal() && !is_dumb {
        return Ok(());
    }
    let program = program::name();
    Err(Failure::Usage(
        "top needs a terminal, for what it shows and for keys".into(),
        format!(
            "`{program} info --interval 2s` prints again and again, `{program} info --json` is for scripts"
        ),
    ))
}

struct TopApp {
    poller: Poller,
    action_runner: ActionRunner,
    interval: Duration,
    /// `true` if the next poll follows at once instead of at `next_poll`.
    should_poll_now: bool,
    next_poll: Instant,
    state: State,
}

impl TopApp {
    /// Polls, draws and handles events until the user quits.
    fn event_loop(&mut self, screen: &mut Screen, events: &Receiver<UiEvent>) -> Result<(), Failure> {
        loop {
            let now = Instant::now();
            self.poll_if_due(now);
            screen.draw(&mut self.state)?;
            match events.recv_timeout(self.wait_time(now)) {
                // It is time to poll or to draw, which the loop begins with.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(event) => {
                    for event in std::iter::once(event).chain(events.try_iter()) {
                        if self.handle_event(screen, event)?.is_break() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn poll_if_due(&mut self, now: Instant) {
        let is_due = self.should_poll_now || !self.state.is_paused && now >= self.next_poll;
        if is_due && self.state.polling_since.is_none() {
            (self.state.polling_since, self.should_poll_now) = (Some(now), false);
            self.poller.poll(self.state.pane);
        }
    }

    fn wait_time(&self, now: Instant) -> Duration {
        match self.state.polling_since.is_some() || self.state.is_paused {
            true => REDRAW_INTERVAL,
            false => self.next_poll.saturating_duration_since(now).min(REDRAW_INTERVAL),
        }
    }

    /// Returns `Break` when the program is to end.
    fn handle_event(&mut self, screen: &mut Screen, event: UiEvent) -> Result<ControlFlow<()>, Failure> {
        match event {
            UiEvent::Key(key) => return self.on_key(screen, key),
            // Even if the size is the drawn one: it may have been another one in between.
            UiEvent::Resized => screen.reset()?,
            UiEvent::Polled(result) => {
                let duration = result.as_ref().as_ref().map_or(Duration::ZERO, |sample| sample.duration);
                self.next_poll = Instant::now() + self.interval.max(duration * POLL_BACKOFF);
                self.state.on_polled(*result);
            }
            UiEvent::Status(status) => {
                // Show the action's effect without waiting for the next poll.
                self.should_poll_now |= status.is_final;
                self.state.on_status(status);
            }
            UiEvent::Confirm(confirmation) => self.state.ask(*confirmation),
            UiEvent::Quit => return Ok(ControlFlow::Break(())),
            UiEvent::Background => screen.go_to_background()?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn on_key(&mut self, screen: &mut Screen, key: KeyEvent) -> Result<ControlFlow<()>, Failure> {
        let pane = self.state.pane;
        match keys::handle_key(&mut self.state, key) {
            KeyAction::None => {}
            KeyAction::Quit => return Ok(ControlFlow::Break(())),
            KeyAction::Poll => self.should_poll_now = true,
            KeyAction::Run(action) => {
                self.state.is_busy = true;
                self.action_runner.submit(action);
            }
            KeyAction::Interrupt => {
                self.state.show_hint("ending that …");
                self.action_runner.interrupt();
            }
            KeyAction::Background if !input::request_background() => {
                self.state.show_hint("there is no shell to go back to");
            }
            // The signal arrives as the event `Background`, which stops this process.
            KeyAction::Background => {}
            KeyAction::Redraw => screen.reset()?,
        }
        self.should_poll_now |= pane != self.state.pane;
        Ok(ControlFlow::Continue(()))
    }
}
