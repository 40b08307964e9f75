//! A server and a dialect: the one way to send commands and scripts.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Cmd, RedisError};

use crate::dialect::{Dialect, Facts, Keys};
use crate::error::{Error, Result};
use crate::redis::{Address, Redis};
pub(crate) use crate::redis::{Patience, Reply, Script};

macro_rules! scripts {
    ($($name:ident = $file:literal $(after $first:literal)?;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                $(include_str!(concat!("lua/", $first, ".lua")),)?
                include_str!(concat!("lua/", $file, ".lua"))
            ))
        });)*
    };
}

scripts! {
    CANCEL = "cancel" after "books";
    CLAIM = "claim" after "books";
    COUNT = "count";
    DELETE = "delete" after "books";
    EMPTY = "empty" after "books";
    ENQUEUE = "enqueue";
    ENQUEUE_NOW = "enqueue_now";
    EXPIRE = "expire" after "books";
    FINISH = "finish" after "books";
    HEARTBEAT = "heartbeat" after "books";
    LOST = "lost";
    PEEK = "peek";
    PUT_BACK = "put_back" after "books";
    RELEASE = "release";
    REQUEUE = "requeue";
    SAVE = "save";
    SHOW = "show";
    TRIM = "trim" after "books";
    UNLOCK = "unlock";
    WAIT = "wait";
}

/// Both in one, as functions. In a call of its own a script has globals of the names that it gives its
/// parameters here.
pub(crate) static TURN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/books.lua"),
        "local function finish(KEYS, ARGV)\n",
        include_str!("lua/finish.lua"),
        "end\nlocal function claim(KEYS, ARGV)\n",
        include_str!("lua/claim.lua"),
        "end\n",
        include_str!("lua/turn.lua"),
    ))
});

/// Enqueues what is due, so it has that script as a function.
#[cfg(feature = "cron")]
pub(crate) static TICK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local function enqueue(KEYS, ARGV)\n",
        include_str!("lua/enqueue.lua"),
        "end\n",
        include_str!("lua/tick.lua"),
    ))
});

/// How long a channel may be silent before it is asked whether anybody is there, and how soon it answers.
const ASK_WHETHER_IT_LIVES: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One deployment: a server, a key prefix, a dialect.
pub(crate) struct Store {
    redis: Arc<Redis>,
    pub(crate) keys: Keys,
    /// Patterns of the keys that only RQ's tools read, for scripts; empty when there are none.
    pub(crate) books: String,
    pub(crate) facts: &'static Facts,
    /// What was asked for instead of the dialect's own.
    prefix: Option<String>,
}

impl Store {
    /// Connects once, so that a wrong address is known now. Dialect and key prefix are what
    /// `RQ_RS_DIALECT` and `RQ_KEY_PREFIX` say.
    pub(crate) fn connect(url: &str) -> Result<Arc<Self>> {
        let store = Self::at(url, Patience::WORK)?;
        store.ask(&Call::command("PING"))?;
        Ok(store)
    }

    /// The same without connecting, for those who can wait until the server is there.
    pub(crate) fn at(url: &str, patience: Patience) -> Result<Arc<Self>> {
        let facts = Dialect::from_environment()?.facts();
        let prefix = std::env::var("RQ_KEY_PREFIX").ok().filter(|prefix| !prefix.is_empty());
        prefix.as_deref().map_or(Ok(()), check_prefix)?;
        Ok(Self::with(Arc::new(Redis::new(Address::parse(url)?, patience)?), facts, prefix))
    }

    fn with(redis: Arc<Redis>, facts: &'static Facts, prefix: Option<String>) -> Arc<Self> {
        let keys = Keys::new(prefix.as_deref().unwrap_or(facts.prefix));
        let books = if facts.keeps_books { keys.books() } else { String::new() };
        Arc::new(Store { redis, keys, books, facts, prefix })
    }

    /// The same server under another key prefix.
    pub(crate) fn prefixed(&self, prefix: &str) -> Result<Arc<Self>> {
        check_prefix(prefix)?;
        Ok(Self::with(Arc::clone(&self.redis), self.facts, Some(prefix.to_owned())))
    }

    /// The same server in another dialect.
    pub(crate) fn speaking(&self, dialect: Dialect) -> Arc<Self> {
        Self::with(Arc::clone(&self.redis), dialect.facts(), self.prefix.clone())
    }

    /// The server, without its password.
    pub(crate) fn address(&self) -> String {
        self.redis.address().to_string()
    }

    /// Sends one call that may be repeated without harm: a read, or a script that is
    /// idempotent. A broken connection is replaced and the call sent again, three times in all.
    pub(crate) fn ask(&self, call: &Call) -> Result<Reply> {
        let mut replies = self.ask_all(std::slice::from_ref(call))?;
        replies.pop().unwrap_or(Ok(Reply::Nil))
    }

    /// The same for several calls in one round trip.
    pub(crate) fn ask_all(&self, calls: &[Call]) -> Result<Vec<Result<Reply>>> {
        let mut tries = 1;
        loop {
            match self.exchange(calls) {
                Err(Error::Unreachable { .. }) if tries < self.redis.patience().tries => {
                    std::thread::sleep(Duration::from_millis(50 << (2 * tries)));
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// For calls that may be repeated without harm, and are sent before the answers to earlier ones have come.
    pub(crate) fn stream(&self) -> Stream<'_> {
        Stream { store: self, line: self.redis.stream(), sent: VecDeque::new(), answers: VecDeque::new() }
    }

    /// Sends the calls in one round trip, once. Scripts that the server has forgotten are
    /// loaded, and only those calls sent again.
    pub(crate) fn exchange(&self, calls: &[Call]) -> Result<Vec<Result<Reply>>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<&Cmd> = calls.iter().map(|call| &call.cmd).collect();
        let mut replies = self.redis.send(&commands)?;
        for (call, reply) in calls.iter().zip(&mut replies) {
            if let (Some(script), Err(error)) = (call.script, &*reply)
                && is_noscript(error)
            {
                let load = Call::command("SCRIPT").arg("LOAD").arg(script.source);
                *reply = self.redis.send(&[&load.cmd, &call.cmd])?.pop().unwrap_or(Ok(Reply::Nil));
            }
        }
        Ok(replies.into_iter().map(|reply| reply.map_err(|error| self.redis.meaning(&error))).collect())
    }

    /// A connection of one's own, for a thread that blocks on the server.
    pub(crate) fn line(&self, block: Duration) -> Result<Line<'_>> {
        Ok(Line { redis: &self.redis, connection: self.redis.connect(block)? })
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

/// A dedicated connection. It is dropped with any error: see `redis/connection.rs`.
pub(crate) struct Line<'a> {
    redis: &'a Redis,
    connection: redis::Connection,
}

impl Line<'_> {
    pub(crate) fn call(&mut self, call: &Call) -> Result<Reply> {
        call.cmd.query(&mut self.connection).map_err(|error| self.redis.meaning(&error))
    }

    /// Waits for one message on the channel, from the moment `subscribed` has returned true.
    pub(crate) fn listen(
        &mut self,
        channel: &str,
        wait: Duration,
        subscribed: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let meaning = |error: RedisError| self.redis.meaning(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(meaning)?;
        if subscribed()? {
            pubsub.set_read_timeout(Some(wait)).map_err(meaning)?;
            match pubsub.get_message() {
                Err(error) if !error.is_timeout() => return Err(meaning(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Line<'_> {
    /// Hears the messages of a channel for as long as `hear` returns true; with nothing to hear it is
    /// called every so often with `None`.
    pub(crate) fn messages(
        &mut self,
        channel: &str,
        every: Duration,
        mut hear: impl FnMut(Option<Vec<u8>>) -> bool,
    ) -> Result<()> {
        let meaning = |error: RedisError| self.redis.meaning(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(meaning)?;
        let mut silent = Duration::ZERO;
        loop {
            pubsub.set_read_timeout(Some(every)).map_err(meaning)?;
            let message = match pubsub.get_message() {
                Ok(message) => Some(message.get_payload_bytes().to_vec()),
                Err(error) if error.is_timeout() => None,
                Err(error) => return Err(meaning(error)),
            };
            silent = if message.is_some() { Duration::ZERO } else { silent + every };
            if silent > ASK_WHETHER_IT_LIVES {
                // A half-dead connection is silent too; this one is answered.
                pubsub.set_read_timeout(Some(ANSWER_WITHIN)).map_err(meaning)?;
                pubsub.subscribe(channel).map_err(meaning)?;
                silent = Duration::ZERO;
            }
            if !hear(message) {
                return Ok(());
            }
        }
    }
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

/// Readers for replies whose shape our own scripts fix; anything else is `Corrupt`.
pub(crate) mod reply {
    use super::Reply;
    use crate::error::{Error, Result};

    pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    pub(crate) fn int(reply: &Reply) -> Result<i64> {
        match reply {
            Reply::Int(n) => Ok(*n),
            Reply::Nil => Ok(0),
            other => Err(odd(other)),
        }
    }

    pub(crate) fn list(reply: Reply) -> Result<Vec<Reply>> {
        match reply {
            Reply::Array(items) | Reply::Set(items) => Ok(items),
            Reply::Nil => Ok(Vec::new()),
            other => Err(odd(&other)),
        }
    }

    pub(crate) fn bytes(reply: Reply) -> Result<Option<Vec<u8>>> {
        match reply {
            Reply::BulkString(bytes) => Ok(Some(bytes)),
            Reply::SimpleString(text) => Ok(Some(text.into_bytes())),
            Reply::Okay => Ok(Some(b"OK".to_vec())),
            Reply::Nil | Reply::Boolean(false) => Ok(None),
            other => Err(odd(&other)),
        }
    }

    /// Bytes that are not UTF-8 are shown with replacement characters.
    pub(crate) fn text(reply: Reply) -> Result<Option<String>> {
        Ok(bytes(reply)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(crate) fn texts(reply: Reply) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for item in list(reply)? {
            texts.extend(text(item)?);
        }
        Ok(texts)
    }

    /// The field-value pairs of a hash.
    pub(crate) fn pairs(reply: Reply) -> Result<Pairs> {
        let mut items = list(reply)?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            pairs.push((bytes(field)?.unwrap_or_default(), bytes(value)?.unwrap_or_default()));
        }
        Ok(pairs)
    }

    /// The first entry of a stream: its id, and its field-value pairs.
    pub(crate) fn entry(reply: Reply) -> Result<Option<(String, Pairs)>> {
        let Some(entry) = list(reply)?.into_iter().next() else { return Ok(None) };
        let mut parts = list(entry)?.into_iter();
        let id = text(parts.next().unwrap_or_default())?.unwrap_or_default();
        Ok(Some((id, pairs(parts.next().unwrap_or_default())?)))
    }

    fn odd(reply: &Reply) -> Error {
        let mut what = format!("a reply of Redis: {reply:?}");
        what.truncate(what.floor_char_boundary(200));
        Error::Corrupt { what }
    }
}
