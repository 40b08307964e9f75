//! `rq-rs top [QUEUES…]`: the snapshot as a screen that lives.

mod act;
mod keys;
mod look;
mod pane;
mod screen;
mod state;
mod text;
mod view;

use std::io::{IsTerminal, stdin, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::KeyEvent;

use super::exit::{Exit, Failure};
use super::output::wants_colour;
use super::redis_options::RedisOptions;
use crate::cli::value_parsers::at_least;
use crate::program;
use crate::queue::check_known;
use act::{Doer, Said};
use keys::Step;
use look::{Look, Looker};
use screen::Screen;
use state::{Question, State};

/// Clocks on the screen go on without a look.
const TICK: Duration = Duration::from_secs(1);
/// A look that takes long is followed by a pause of so many times that, so that it is no load for Redis.
const REST: u32 = 4;

/// Watch queues, workers, running and failed jobs on a full screen, with keys for what is done to them
#[derive(Args)]
pub(crate) struct TopCommand {
    /// Only these queues
    queues: Vec<String>,
    /// Look again every so often, at most four times a second
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = at_least("0.25s"))]
    interval: Duration,
    /// Show everything, change nothing
    #[arg(long)]
    read_only: bool,
}

/// What the screen is told of.
enum Event {
    Key(KeyEvent),
    /// The terminal has another size, or shows nothing of ours any more.
    Resized,
    Looked(Box<Result<Look, String>>),
    Said(Said),
    Asked(Box<Question>),
    /// Somebody asked the process to end, or the terminal is gone.
    End,
    /// Somebody asked the process to stand still.
    Sleep,
}

impl TopCommand {
    pub(crate) fn run(self, server: &RedisOptions) -> Result<Exit, Failure> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let me = program::name();
        if !stdin().is_terminal() || !stdout().is_terminal() || is_dumb {
            return Err(Failure::Usage(
                "top needs a terminal, for what it shows and for keys".into(),
                format!(
                    "`{me} info --interval 2s` prints again and again, `{me} info --json` is for scripts"
                ),
            ));
        }
        let client = server.connect_lazily()?;
        self.queues.iter().try_for_each(|name| check_known(&client, name))?;
        let (tell, events) = channel();
        screen::hear_signals(tell.clone())?;
        let state = State::new(&client, self.read_only, wants_colour(&stdout()));
        let mut live = Live {
            looker: Looker::start(&client, self.queues, tell.clone()),
            doer: Doer::start(&client, tell.clone()),
            interval: self.interval,
            is_wanted: true,
            next: Instant::now(),
            state,
        };
        let mut screen = Screen::enter()?;
        screen::hear_keys(tell);
        live.go_on(&mut screen, &events)?;
        Ok(Exit::Done)
    }
}

/// The screen and all that works for it.
struct Live {
    looker: Looker,
    doer: Doer,
    interval: Duration,
    /// Whether one is to follow at once, whatever the clock says.
    is_wanted: bool,
    /// When the next one is due.
    next: Instant,
    state: State,
}

impl Live {
    fn go_on(&mut self, screen: &mut Screen, events: &Receiver<Event>) -> Result<(), Failure> {
        loop {
            let now = Instant::now();
            let is_due = self.is_wanted || !self.state.is_paused && now >= self.next;
            if is_due && self.state.looking.is_none() {
                (self.state.looking, self.is_wanted) = (Some(now), false);
                self.looker.look(self.state.pane);
            }
            screen.draw(&mut self.state)?;
            let due = self.next.saturating_duration_since(now);
            let wait =
                if self.state.looking.is_some() || self.state.is_paused { TICK } else { due.min(TICK) };
            match events.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(event) => {
                    for event in std::iter::once(event).chain(events.try_iter()) {
                        if !self.hear(screen, event)? {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Whether it goes on.
    fn hear(&mut self, screen: &mut Screen, event: Event) -> Result<bool, Failure> {
        match event {
            Event::Key(key) => return self.step(screen, key),
            // Also when it has the size that was drawn for: it may have had another one meanwhile.
            Event::Resized => screen.renew()?,
            Event::Looked(look) => {
                let took = look.as_ref().as_ref().map_or(Duration::ZERO, |look| look.took);
                self.next = Instant::now() + self.interval.max(took * REST);
                self.state.take(*look);
            }
            Event::Said(said) => {
                // What was done should be seen.
                self.is_wanted |= said.is_over;
                self.state.hear(said);
            }
            Event::Asked(question) => self.state.ask(*question),
            Event::End => return Ok(false),
            Event::Sleep => screen.sleep()?,
        }
        Ok(true)
    }

    fn step(&mut self, screen: &mut Screen, key: KeyEvent) -> Result<bool, Failure> {
        let pane = self.state.pane;
        match keys::press(&mut self.state, key) {
            Step::Stay => {}
            Step::Quit => return Ok(false),
            Step::Look => self.is_wanted = true,
            Step::Do(task) => {
                self.state.is_busy = true;
                self.doer.begin(task);
            }
            Step::Interrupt => {
                self.state.say("ending that …");
                self.doer.interrupt();
            }
            Step::Sleep if !screen::ask_for_sleep() => self.state.say("there is no shell to go back to"),
            Step::Sleep => {}
            Step::Redraw => screen.renew()?,
        }
        self.is_wanted |= pane != self.state.pane;
        Ok(true)
    }
}
