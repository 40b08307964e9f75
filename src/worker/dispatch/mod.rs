//! The loop. Each turn it hears what has happened (a slot is done, a watcher was woken, somebody
//! wants it to stop), decides, and sends in one round trip all that is due: finishes, and a claim
//! for the slots that are free. Nothing else moves jobs.

mod control;
mod health;
mod lost_claims;
mod pipeline;
mod prefetch;
mod shutdown;
mod start;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use self::lost_claims::LostClaims;
use self::pipeline::Flight;
use self::prefetch::{UNKNOWN_PACE, WAITS_AT_MOST};
use self::shutdown::UNBLOCK_EVERY;
use crate::claim::{ClaimedJob, Claimer};
use crate::client::{Client, Reply};
use crate::completion::Completion;
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::finish::FinishAck;
use crate::job::{Outcome, RetryState, decide};
use crate::worker::Options;
use crate::worker::event::{Event, EventBus};
use crate::worker::handlers::Handlers;
use crate::worker::heartbeat::WorkerState;
use crate::worker::io_threads::IoThreads;
use crate::worker::message::{Control, Message};
use crate::worker::outbox::Outbox;
use crate::worker::processes::Processes;
use crate::worker::reconnect::ReconnectBackoff;
use crate::worker::stop::{Phase, Stopper};
use crate::worker::summary::Summary;
use crate::worker::thread_pool::{RetireFlag, ThreadPool};
use crate::worker::watchers::Watchers;

const LOOK_SUSPENDED: Duration = Duration::from_secs(1);

/// What all of a worker's rooms share.
pub(crate) struct WorkerContext {
    pub(crate) client: Arc<Client>,
    pub(crate) options: Arc<Options>,
    pub(crate) queues: Vec<QueueKeys>,
    pub(crate) events: EventBus,
    pub(crate) stopper: Stopper,
    pub(crate) state: Arc<WorkerState>,
    pub(crate) on_healthy: Box<dyn Fn() + Send>,
}

/// A job in a slot.
struct Held {
    running: ClaimedJob,
    thread: RetireFlag,
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
    /// A process runs it, which its supervisor ends.
    is_supervised: bool,
    /// What its end means, when somebody has ordered it.
    ordered: Option<Outcome>,
}

/// When to ask for jobs.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// There may be some.
    Now,
    /// There are none; a watcher will say, or it is looked again at this time.
    Later(Option<Instant>),
}

pub(crate) struct Dispatcher {
    worker: WorkerContext,
    claimer: Claimer,
    slots: ThreadPool,
    watchers: Watchers,
    messages: Receiver<Message>,
    inbox: Sender<Message>,
    held: HashMap<u64, Held>,
    /// Threads that run on while their job has ended in Redis, and whether new ones took their slots.
    late: HashMap<u64, bool>,
    tickets: u64,
    /// How many jobs were handed out and not taken back.
    begun: u64,
    /// How long jobs take, the latest ones counting most.
    pace: Duration,
    outbox: Outbox,
    wires: IoThreads,
    flights: Vec<Flight>,
    lost_claims: LostClaims,
    /// How often exchanges have failed. Those that were on their way together count once.
    failures: u64,
    /// Jobs that a claim has brought and nobody has unpacked yet, and when; each has a slot to go to.
    arrived: Vec<(DateTime<Utc>, Reply)>,
    /// How often somebody had news of jobs, which answers that were on their way cannot know.
    news: u64,
    /// Orders for jobs that may be on their way here, and how often they were tried.
    orders: Vec<(Control, u8)>,
    look: Look,
    /// A claim came back empty: its queues are to be watched, but for those that are full.
    is_to_watch: bool,
    outage: ReconnectBackoff,
    idle_since: Option<Instant>,
    leaving_since: Option<Instant>,
    quiet_since: Option<Instant>,
    healthy_at: Option<Instant>,
    is_quieted: bool,
    paused: Vec<usize>,
    /// Queues whose next job waits until one of its handler, this one, has ended here.
    full: HashMap<usize, Option<String>>,
    is_suspended: bool,
    summary: Summary,
}

impl Dispatcher {
    pub(crate) fn new(
        worker: WorkerContext,
        handlers: Handlers,
        (inbox, messages): (Sender<Message>, Receiver<Message>),
    ) -> Self {
        let options = &worker.options;
        let processes = Processes::new(options);
        Dispatcher {
            claimer: Claimer::new(&worker.client, &worker.queues, &options.name, options.lease()),
            slots: ThreadPool::new(options.concurrency, handlers, processes, inbox.clone()),
            wires: IoThreads::new(&worker.client, &inbox),
            watchers: Watchers::start(&worker.client, &worker.queues, &inbox),
            outage: ReconnectBackoff::new(options.broker_max_retries),
            messages,
            inbox,
            worker,
            held: HashMap::new(),
            late: HashMap::new(),
            tickets: 0,
            begun: 0,
            pace: UNKNOWN_PACE,
            outbox: Outbox::default(),
            flights: Vec::new(),
            lost_claims: LostClaims::default(),
            failures: 0,
            arrived: Vec::new(),
            news: 0,
            orders: Vec::new(),
            look: Look::Now,
            is_to_watch: false,
            idle_since: None,
            leaving_since: None,
            quiet_since: None,
            healthy_at: None,
            is_quieted: false,
            paused: Vec::new(),
            full: HashMap::new(),
            is_suspended: false,
            summary: Summary::default(),
        }
    }

    /// Works until there is a reason to end.
    pub(crate) fn run(mut self) -> Result<Summary> {
        self.tell(Event::Ready {
            worker: self.worker.options.name.clone(),
            queues: self.worker.options.queues.clone(),
        });
        let result = self.work();
        self.see_processes_end();
        self.slots.end_processes();
        self.tell_lost_claims();
        result?;
        self.tell(Event::Ended(self.summary));
        Ok(self.summary)
    }

    fn work(&mut self) -> Result<()> {
        loop {
            self.worker.stopper.mark_alive();
            self.receive()?;
            self.end_what_is_over();
            self.give_back_what_waits();
            // First what Redis can do meanwhile, then what is to be done here.
            self.send()?;
            self.unpack();
            self.note_idleness();
            self.tell_health();
            self.see_whether_it_is_stuck()?;
            self.see_whether_to_leave();
            if self.has_left() {
                return Ok(());
            }
        }
    }

    fn tell(&self, event: Event) {
        self.worker.events.emit(&event);
    }

    /// Takes all messages there are; waits for one when there is nothing to do.
    fn receive(&mut self) -> Result<()> {
        let has_news =
            self.has_to_send() || self.next_send().is_some_and(|ended| !self.slots.await_ended(ended));
        let mut next = match has_news {
            true => self.messages.try_recv().ok(),
            false => self.messages.recv_timeout(self.patience()).ok(),
        };
        // Before the last messages, so that what a job saved before its end is heard before it.
        let ended = self.slots.ended();
        next = next.or_else(|| self.messages.try_recv().ok());
        while let Some(message) = next {
            match message {
                Message::Replied { wire, answers } => self.hear_answers(wire, answers)?,
                message => self.hear(message),
            }
            next = self.messages.try_recv().ok();
        }
        for (ticket, outcome) in ended {
            self.hear_end(ticket, outcome);
        }
        if matches!(self.look, Look::Later(Some(at)) if at <= Instant::now()) {
            self.look = Look::Now;
        }
        if self.outage.wants_a_look() {
            self.outage.look_later();
            if self.is_redis_back() {
                self.outage.cut_short();
            }
        }
        Ok(())
    }

    /// How long nothing can happen that nobody would send a message about.
    fn patience(&self) -> Duration {
        let mut moments: Vec<Instant> = self.held.values().filter_map(|held| held.deadline).collect();
        let waits_to_send = self.flights.is_empty() && (self.outbox.is_due() || self.wanted() > 0);
        moments.extend(self.outage.until().filter(|_| waits_to_send));
        if let Look::Later(at) = self.look {
            moments.extend(at);
        }
        let options = &self.worker.options;
        match (self.leaving_since, self.worker.stopper.phase()) {
            (None, _) => {
                moments
                    .extend(self.idle_since.zip(options.max_idle_time).map(|(since, limit)| since + limit));
            }
            (Some(since), mode) if mode != Phase::Terminating && !self.is_quiet() => {
                moments.extend(options.grace.map(|grace| since + grace));
            }
            _ => {}
        }
        moments.extend(self.outbox.retry_at());
        moments.extend(self.slots.is_ahead().then(|| Instant::now() + WAITS_AT_MOST));
        if self.waits_for_others() {
            moments.push(Instant::now() + UNBLOCK_EVERY);
        }
        let first = moments.into_iter().min();
        first.map_or(LOOK_SUSPENDED, |at| at.saturating_duration_since(Instant::now()).min(LOOK_SUSPENDED))
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::FieldUpdate(field, value) => drop(self.outbox.saves.insert(field, value)),
            Message::Popped(woken) => {
                self.watchers.disarmed(woken.queue);
                self.outbox.woken.push(woken);
                // Else the claim would ask for nothing, and put the id back before the next idle worker.
                self.look_now();
            }
            Message::PopTimedOut { queue } => {
                self.watchers.disarmed(queue);
                self.look_now();
            }
            Message::PopFailed { queue, error } => {
                // A claim will show whether Redis is away. If only waiting is refused, this is a poll.
                log::debug!(target: "rq_rs", "cannot wait for jobs: {error}");
                self.watchers.disarmed(queue);
                let wait = Duration::from_millis(fastrand::u64(250..1000));
                self.look = Look::Later(Some(Instant::now() + wait));
            }
            Message::Control(order) => self.hear_order(order, 0),
            Message::StopperChanged => self.hear_stopper(),
            Message::RunsCompleted | Message::LeaseLost | Message::Replied { .. } => {}
        }
    }

    /// There may be jobs, whatever an answer says that is on its way already.
    fn look_now(&mut self) {
        self.look = Look::Now;
        self.news += 1;
    }

    fn hear_end(&mut self, ticket: u64, outcome: Outcome) {
        match self.held.remove(&ticket) {
            Some(held) => {
                self.slots.release();
                // Whoever stops the service may tell its processes too.
                let was_told_to_end = match (self.worker.stopper.phase(), &outcome) {
                    (Phase::Terminating, _) => held.is_supervised,
                    (Phase::Draining, Outcome::Terminated { .. }) => true,
                    _ => false,
                };
                let outcome = match outcome {
                    Outcome::Returned(result) => Outcome::Returned(result),
                    outcome => match held.ordered {
                        Some(ordered) => ordered,
                        None if was_told_to_end => Outcome::Interrupted,
                        None => outcome,
                    },
                };
                self.conclude(held.running, outcome);
            }
            None => {
                match self.late.remove(&ticket) {
                    Some(false) => self.slots.release(),
                    _ => self.slots.came_back(),
                }
                self.worker.state.set_abandoned_threads(self.late.len());
            }
        }
    }

    // ---- decide ----

    /// The one way out of a run.
    fn conclude(&mut self, mut running: ClaimedJob, outcome: Outcome) {
        self.make_room(running.record.handler.as_deref());
        let options = &self.worker.options;
        if let (Some(policy), false) =
            (options.retry_policy(&running.record), matches!(outcome, Outcome::Returned(_)))
        {
            running.record.apply_default_retry(policy, fastrand::f64);
        }
        self.worker.state.untrack_lease(&running.lease_member());
        let verdict = decide(outcome, &RetryState::from_record(&running.record), options.max_deliveries);
        let ending =
            Completion::new(running, verdict, options.retention(), self.worker.client.dialect, Utc::now());
        self.note_pace(ending.took);
        self.outbox.endings.push(ending);
    }

    /// Written first, told then.
    fn report(&mut self, ending: Completion, receipt: FinishAck) {
        if receipt == FinishAck::DoneWithMoreDependents {
            self.tell(Event::Warning(format!(
                "{}: more than 10,000 jobs wait for it; those that were not released need Python's \
                 queue.enqueue_dependents",
                ending.id
            )));
        }
        let event = self.summary.count(&self.worker.state, ending, receipt);
        self.tell(event);
    }

    /// Idle is: nothing runs, and as far as is known nothing waits.
    fn note_idleness(&mut self) {
        let is_idle = self.is_quiet() && self.look != Look::Now;
        match (is_idle, self.idle_since) {
            (false, _) => self.idle_since = None,
            (true, Some(_)) => {}
            (true, None) => {
                self.idle_since = Some(Instant::now());
                self.tell(Event::Idle);
            }
        }
        let state = match (self.held.is_empty(), self.is_suspended || self.is_quieted, self.idle_since) {
            (false, ..) => "busy",
            (true, true, _) => "suspended",
            (true, false, Some(_)) => "idle",
            (true, false, None) => return,
        };
        self.worker.state.set_state(state);
    }
}
