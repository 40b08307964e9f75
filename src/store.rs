//! A server and a dialect: the one way to send commands and scripts.

mod line;
pub(crate) mod reply;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisResult};

pub(crate) use self::line::Line;
use crate::dialect::{Dialect, Facts, Keys};
use crate::error::{Error, Result};
use crate::redis::{Address, Redis, Repeat};
pub(crate) use crate::redis::{Patience, Reply, Script, USUAL_LIMIT};

macro_rules! scripts {
    ($($name:ident = $file:literal $(after $($first:literal),+)?;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                $($(include_str!(concat!("lua/", $first, ".lua")),)+)?
                include_str!(concat!("lua/", $file, ".lua"))
            ))
        });)*
    };
}

scripts! {
    CANCEL = "cancel" after "rq_compat";
    CLAIM = "claim" after "rq_compat", "reset_job";
    RECORD_STATS = "record_stats";
    DELETE = "delete" after "rq_compat";
    EMPTY = "empty" after "rq_compat";
    ENQUEUE = "enqueue";
    ENQUEUE_NOW = "enqueue_now" after "rq_compat", "stale_entry";
    EXPIRE = "expire" after "rq_compat";
    FINISH = "finish" after "rq_compat";
    HEARTBEAT = "heartbeat" after "rq_compat";
    PRUNE_GROUP = "prune_group";
    MAINTAIN_RATE_LIMIT = "maintain_rate_limit" after "rq_compat";
    RATE_LIMITED_JOBS = "rate_limited_jobs" after "rq_compat";
    EXPIRED_LEASES = "expired_leases";
    FIELD_EXCERPTS = "field_excerpts";
    REQUEUE_ORPHAN_IDS = "requeue_orphan_ids" after "rq_compat";
    PROMOTE_DUE = "promote_due" after "rq_compat";
    REQUEUE = "requeue" after "rq_compat", "reset_job", "stale_entry";
    REQUEUE_ORPHAN_JOB = "requeue_orphan_job" after "rq_compat", "reset_job";
    SET_FIELD = "set_field";
    HASH_PREVIEW = "hash_preview";
    TRIM = "trim" after "rq_compat";
    RELEASE_SCHEDULER_LOCK = "release_scheduler_lock";
    MARK_WAITER = "mark_waiter";
}

/// Both in one, as functions. In a call of its own a script has globals of the names that it gives its
/// parameters here.
pub(crate) static FINISH_AND_CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/rq_compat.lua"),
        include_str!("lua/reset_job.lua"),
        "local function finish(KEYS, ARGV)\n",
        include_str!("lua/finish.lua"),
        "end\nlocal function claim(KEYS, ARGV)\n",
        include_str!("lua/claim.lua"),
        "end\n",
        include_str!("lua/finish_and_claim.lua"),
    ))
});

/// Enqueues what is due, so it has that script as a function.
#[cfg(feature = "cron")]
pub(crate) static CRON_TICK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local function enqueue(KEYS, ARGV)\n",
        include_str!("lua/enqueue.lua"),
        "end\n",
        include_str!("lua/cron_tick.lua"),
    ))
});

/// One deployment: a server, a key prefix, a dialect.
pub(crate) struct Store {
    redis: Arc<Redis>,
    patience: Patience,
    pub(crate) keys: Keys,
    /// What `lua/rq_compat.lua` takes: patterns of the keys that only RQ's dialect has, and its commands that push;
    /// empty when there are none.
    pub(crate) books: String,
    pub(crate) facts: &'static Facts,
    /// What was asked for instead of the dialect's own.
    prefix: Option<String>,
}

impl Store {
    /// Connects once, so that a wrong address is known now. Dialect and key prefix are what
    /// `RQ_RS_DIALECT` and `RQ_KEY_PREFIX` say.
    pub(crate) fn connect(url: &str) -> Result<Arc<Self>> {
        Self::connect_within(url, USUAL_LIMIT)
    }

    /// The same with a limit for each call, this one included.
    pub(crate) fn connect_within(url: &str, limit: Duration) -> Result<Arc<Self>> {
        let store = Self::at(url, Patience::within(limit))?;
        store.ask(&Call::command("PING"))?;
        Ok(store)
    }

    /// The same without connecting, for those who can wait until the server is there.
    pub(crate) fn at(url: &str, patience: Patience) -> Result<Arc<Self>> {
        let facts = Dialect::from_environment()?.facts();
        let prefix = std::env::var("RQ_KEY_PREFIX").ok().filter(|prefix| !prefix.is_empty());
        prefix.as_deref().map_or(Ok(()), check_prefix)?;
        Ok(Self::with(Arc::new(Redis::new(Address::parse(url)?)?), patience, facts, prefix))
    }

    fn with(
        redis: Arc<Redis>,
        patience: Patience,
        facts: &'static Facts,
        prefix: Option<String>,
    ) -> Arc<Self> {
        let keys = Keys::new(prefix.as_deref().unwrap_or(facts.prefix));
        let books = format!("{} {} {}", keys.books(), facts.push, facts.push_front);
        let books = if facts.keeps_books { books } else { String::new() };
        Arc::new(Store { redis, patience, keys, books, facts, prefix })
    }

    /// The same server under another key prefix.
    pub(crate) fn prefixed(&self, prefix: &str) -> Result<Arc<Self>> {
        check_prefix(prefix)?;
        Ok(Self::with(Arc::clone(&self.redis), self.patience, self.facts, Some(prefix.to_owned())))
    }

    /// The same server in another dialect.
    pub(crate) fn speaking(&self, dialect: Dialect) -> Arc<Self> {
        Self::with(Arc::clone(&self.redis), self.patience, dialect.facts(), self.prefix.clone())
    }

    /// The same server and connections, for calls that wait longer or less long.
    pub(crate) fn patient(&self, patience: Patience) -> Arc<Self> {
        Self::with(Arc::clone(&self.redis), patience, self.facts, self.prefix.clone())
    }

    /// The server, without its password.
    pub(crate) fn address(&self) -> String {
        self.redis.address().to_string()
    }

    /// Sends one call that may be repeated without harm: a read, or a script that is
    /// idempotent. A broken connection is replaced and the call sent again, as often and as long as the
    /// store's patience says.
    pub(crate) fn ask(&self, call: &Call) -> Result<Reply> {
        let mut replies = self.ask_all(std::slice::from_ref(call))?;
        replies.pop().unwrap_or(Ok(Reply::Nil))
    }

    /// The same for several calls in one round trip.
    pub(crate) fn ask_all(&self, calls: &[Call]) -> Result<Vec<Result<Reply>>> {
        let until = Instant::now() + self.patience.whole;
        let mut tries = 1;
        loop {
            let pause = Duration::from_millis(50 << (2 * tries.min(5)));
            match self.send(calls, until, Repeat::Harmless) {
                Err(Error::Unreachable { .. })
                    if tries < self.patience.tries && Instant::now() + pause < until =>
                {
                    std::thread::sleep(pause);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// One try, for calls that may be repeated without harm. It is a try on a connection that lives: one that
    /// was closed while it was idle is replaced.
    #[cfg(feature = "worker")]
    pub(crate) fn ask_once(&self, calls: &[Call]) -> Result<Vec<Result<Reply>>> {
        self.send(calls, Instant::now() + self.patience.whole, Repeat::Harmless)
    }

    /// For calls that may be repeated without harm, and are sent before the answers to earlier ones have come.
    pub(crate) fn stream(&self) -> Stream<'_> {
        Stream { store: self, line: self.redis.stream(), sent: VecDeque::new(), answers: VecDeque::new() }
    }

    /// Sends the calls in one round trip, once: they must not be carried out twice.
    pub(crate) fn exchange(&self, calls: &[Call]) -> Result<Vec<Result<Reply>>> {
        self.send(calls, Instant::now() + self.patience.whole, Repeat::Never)
    }

    /// Scripts that the server has forgotten are loaded, and only those calls sent again.
    fn send(&self, calls: &[Call], until: Instant, repeat: Repeat) -> Result<Vec<Result<Reply>>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let limits = (self.patience, until);
        let commands: Vec<&Cmd> = calls.iter().map(|call| &call.cmd).collect();
        let mut replies = self.redis.send(&commands, limits, repeat)?;
        for (call, reply) in calls.iter().zip(&mut replies) {
            if let (Some(script), Err(error)) = (call.script, &*reply)
                && is_noscript(error)
            {
                let load = Call::command("SCRIPT").arg("LOAD").arg(script.source);
                let both = [&load.cmd, &call.cmd];
                *reply = self.redis.send(&both, limits, repeat)?.pop().unwrap_or(Ok(Reply::Nil));
            }
        }
        let meaning = |reply: RedisResult<Reply>| reply.map_err(|error| self.redis.meaning(&error));
        let replies: Vec<Result<Reply>> = replies.into_iter().map(meaning).collect();
        let is_unknown = |reply: &Result<Reply>| reply.as_ref().is_err_and(Error::is_unknown_command);
        if replies.iter().any(is_unknown) && self.is_sentinel(limits) {
            return Err(Error::a_sentinel(&self.address()));
        }
        Ok(replies)
    }

    /// A Sentinel answers to few commands, and this is one of them.
    fn is_sentinel(&self, limits: (Patience, Instant)) -> bool {
        let role = redis::cmd("ROLE");
        let reply = self.redis.send(&[&role], limits, Repeat::Harmless).ok().and_then(|mut all| all.pop());
        let Some(Ok(Reply::Array(parts))) = reply else { return false };
        matches!(parts.first(), Some(Reply::BulkString(role)) if role == b"sentinel")
    }

    /// A connection of one's own, for a thread that blocks on the server.
    pub(crate) fn line(&self, block: Duration) -> Result<Line<'_>> {
        Ok(Line { redis: &self.redis, connection: self.redis.connect(block, self.patience)? })
    }
}

/// Calls that are carried out in order, whose answers come later.
pub(crate) struct Stream<'a> {
    store: &'a Store,
    line: crate::redis::Stream<'a>,
    sent: VecDeque<Call>,
    answers: VecDeque<Result<Reply>>,
}

impl Stream<'_> {
    pub(crate) fn send(&mut self, call: Call) {
        self.line.send(&call.cmd);
        self.sent.push_back(call);
    }

    /// The answer to the oldest call that has none yet. Whatever went wrong, the call is sent again, as any
    /// other is; and those behind it that went wrong too, before anything new is sent.
    pub(crate) fn answer(&mut self) -> Option<Result<Reply>> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let call = self.sent.pop_front()?;
        if let Some(reply) = self.line.answer() {
            return Some(Ok(reply));
        }
        let behind: Vec<(Call, Option<Reply>)> =
            self.sent.drain(..).map(|call| (call, self.line.answer())).collect();
        let answer = self.store.ask(&call);
        for (call, reply) in behind {
            self.answers.push_back(reply.map_or_else(|| self.store.ask(&call), Ok));
        }
        Some(answer)
    }
}

fn is_noscript(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::NoScript)
}

/// RQ's rule for `RQ_KEY_PREFIX`.
fn check_prefix(prefix: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:{}-".contains(c);
    if !prefix.is_empty() && prefix.len() <= 100 && prefix.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{prefix:?} cannot be a key prefix"),
        "1 to 100 characters of A-Z a-z 0-9 _ . : { } -",
    ))
}

/// A command or a script with its keys and arguments.
pub(crate) struct Call {
    cmd: Cmd,
    script: Option<&'static Script>,
}

impl Call {
    pub(crate) fn command(name: &str) -> Self {
        Call { cmd: redis::cmd(name), script: None }
    }

    pub(crate) fn script(script: &'static Script, keys: &[&str]) -> Self {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len()).arg(keys);
        Call { cmd, script: Some(script) }
    }

    /// The same with its text instead of its digest: it is never sent again behind what follows it.
    pub(crate) fn whole_script(script: &'static Script, keys: &[&str]) -> Self {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(script.source).arg(keys.len()).arg(keys);
        Call { cmd, script: None }
    }

    /// One call for two. The script gets the number of the first one's arguments, then those of both.
    pub(crate) fn both(script: &'static Script, first: &Call, second: &Call) -> Self {
        let (first, second) = (first.parts(), second.parts());
        let keys = [first.0, second.0].concat();
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len()).arg(keys).arg(first.1.len()).arg(first.1).arg(second.1);
        Call { cmd, script: Some(script) }
    }

    /// One call whose script uses another one as a function: keys of `inner` first, its arguments last.
    #[cfg(feature = "cron")]
    pub(crate) fn around(script: &'static Script, inner: &Call, outer: &Call) -> Self {
        let (inner, outer) = (inner.parts(), outer.parts());
        let keys = [inner.0, outer.0].concat();
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len()).arg(keys).arg(outer.1).arg(inner.1);
        Call { cmd, script: Some(script) }
    }

    /// Keys and arguments of a script.
    fn parts(&self) -> (Vec<&[u8]>, Vec<&[u8]>) {
        let mut all = self.cmd.args_iter().skip(2).filter_map(|arg| match arg {
            redis::Arg::Simple(bytes) => Some(bytes),
            _ => None,
        });
        let count = all.next().and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let keys = all.by_ref().take(count.unwrap_or(0)).collect();
        (keys, all.collect())
    }

    pub(crate) fn arg(mut self, arg: impl redis::ToRedisArgs) -> Self {
        self.cmd.arg(arg);
        self
    }
}
