use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::constants::quote;
use super::declaration::{AsText, Script};
use super::table::*;
use super::texts::ScriptTexts;
use crate::client::test_server::RedisServer;
use crate::client::{Client, RedisCommand, Reply};
use crate::dialect::{Dialect, Keys, QueueKeys};

/// Every character that a key prefix may have.
const ANY_PREFIX: &str = "AZaz09_.:{}-";

/// Writes all scripts of both dialects to a folder, as they are sent.
fn write_texts(folder: &Path) {
    for dialect in Dialect::ALL {
        let texts = ScriptTexts::new(dialect.spec(), &Keys::new(ANY_PREFIX));
        for (_, script) in ALL {
            std::fs::write(folder.join(format!("{}.{dialect}.lua", script.name)), texts.text(script))
                .unwrap();
        }
    }
}

#[test]
fn luacheck_finds_no_fault_in_the_scripts_as_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lua/.luacheckrc");
    let mut luacheck = Command::new("luacheck");
    luacheck.args(["--config", config, "--quiet", "--no-color"]).arg(folder.path());
    let output = luacheck.output().expect("luacheck is installed: sh scripts/setup.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Names of the Lua files in a folder of `src/lua/`.
fn lua_files(folder: &str) -> BTreeSet<String> {
    let entries =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lua").join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(".lua")?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn every_file_is_a_declared_script_or_has_functions_that_scripts_use() {
    assert_eq!(lua_files(""), ALL.into_iter().map(|(_, script)| script.name.to_owned()).collect());
    let texts = ScriptTexts::new(Dialect::Rq.spec(), &Keys::new("p"));
    let sent: String = ALL.into_iter().map(|(_, script)| texts.text(script)).collect();
    for folder in ["lib", "lib/rq"] {
        for file in lua_files(folder) {
            let path = format!("{}/src/lua/{folder}/{file}.lua", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines().filter(|line| line.starts_with("local ")) {
                assert!(sent.contains(line), "no script needs this of {folder}/{file}.lua: {line}");
            }
        }
    }
}

#[test]
fn constants_are_quoted() {
    assert_eq!(quote(ANY_PREFIX), format!("'{ANY_PREFIX}'"));
    assert_eq!(quote("it's \\\n\u{e9}"), r"'it\039s\032\092\010\195\169'");
}

#[test]
fn a_text_has_what_its_script_names_and_no_more() {
    let [native, rq] = Dialect::ALL.map(|dialect| ScriptTexts::new(dialect.spec(), &Keys::new("p")));
    let (_, script) = ALL.into_iter().find(|(_, script)| script.name == "put_back_orphaned_ids").unwrap();
    let text = native.text(script);
    let expected = "local PUSH_FRONT = 'RPUSH'\n\
                    local JOB_PREFIX = 'p:job:'\n\
                    local RQ = false\n\
                    local function executions_key(name) return 'p:executions:' .. name end\n\
                    local HAS_ENDED = { finished = true, failed = true, stopped = true, canceled = true }\n\
                    local function require_type(command, ...)\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains(
            "local INTERMEDIATE, LIST, FIRST_ARG = KEYS[1], KEYS[2], 1\nrequire_type('LLEN', LIST)\n"
        )
    );
    assert_ne!(native.digest(script), rq.digest(script));
    let (_, delete) = ALL.into_iter().find(|(_, script)| script.name == "delete").unwrap();
    assert!(
        native.text(delete).contains("local function do_nothing() end\nlocal end_executions = do_nothing\n")
    );
    assert!(!rq.text(delete).contains("do_nothing"));
}

/// A deployment with one waiting job, `a`.
struct Fixture {
    client: Arc<Client>,
    queue: QueueKeys,
    job: String,
}

impl Fixture {
    fn new(client: &Arc<Client>) -> Self {
        let fixture =
            Fixture { client: Arc::clone(client), queue: client.keys.queue("q"), job: client.keys.job("a") };
        fixture.run("FLUSHALL");
        fixture.add_job("a", "queued");
        fixture.run(&format!("{} {} a", client.dialect.push, fixture.queue.list));
        fixture
    }

    fn add_job(&self, id: &str, status: &str) {
        self.run(&format!("HSET {} status {status} origin q data x", self.client.keys.job(id)));
    }

    /// Makes the job a running one, in the execution `e`.
    fn start_job(&self, lease_score: &str) {
        self.run(&format!("HSET {} status started execution_id e worker_name w", self.job));
        self.run(&format!("DEL {}", self.queue.list));
        self.run(&format!("ZADD {} {lease_score} a:e", self.queue.wip));
    }

    /// Moves the job to a registry.
    fn put_into(&self, registry: &str, score: i64, status: &str) {
        self.run(&format!("HSET {} status {status}", self.job));
        self.run(&format!("DEL {}", self.queue.list));
        self.run(&format!("ZADD {registry} {score} a"));
    }

    fn run(&self, command: &str) {
        let mut words = command.split(' ');
        let command = RedisCommand::new(words.next().unwrap());
        self.client.call(&words.fold(command, RedisCommand::arg)).unwrap();
    }
}

type Example = (RedisCommand, &'static str);

/// A call of each script, and its reply. A script without one does not compile.
fn example(index: Index, f: &Fixture) -> Example {
    match index {
        Index::Cancel => cancel(f),
        Index::Claim => claim(f),
        Index::CronTick => cron_tick(f),
        Index::Delete => delete(f),
        Index::Empty => {
            (f.client.evalsha(&Empty { list: &f.queue.list, max_ids: 5, enqueued_at: "T" }), "{1 1}")
        }
        Index::Enqueue => enqueue(f),
        Index::Expire => expire(f),
        Index::ExpiredLeases => expired_leases(f),
        Index::FieldExcerpts => field_excerpts(f),
        Index::Finish => finish(f),
        Index::HashPreviewCall => hash_preview(f),
        Index::HeartbeatCall => heartbeat(f),
        Index::MaintainRateLimit => {
            let call = MaintainRateLimit { name: "limit", enqueued_at: "T", max_slots: 5 };
            (f.client.evalsha(&call), "nil")
        }
        Index::MarkWaiter => (f.client.evalsha(&MarkWaiter { job: &f.job }), "queued"),
        Index::MoveToQueue => move_to_queue(f),
        Index::PromoteDue => promote_due(f),
        Index::PruneGroup => prune_group(f),
        Index::PutBackOrphanedIds => put_back_orphaned_ids(f),
        Index::RateLimitedJobs => {
            let call = RateLimitedJobs { queue: "", max_jobs_per_limit: 5, max_jobs: 5 };
            (f.client.evalsha(&call), "{}")
        }
        Index::RecordStats => record_stats(f),
        Index::ReleaseSchedulerLock => release_scheduler_lock(f),
        Index::RequeueStrandedJob => requeue_stranded_job(f),
        Index::SetField => {
            let call = SetField { job: &f.job, field: "meta", value: b"{}", execution: "" };
            (f.client.evalsha(&call), "1")
        }
        Index::Trim => trim(f),
    }
}

fn cancel(f: &Fixture) -> Example {
    let queue = &f.queue;
    let call = Cancel {
        job: &f.job,
        list: &queue.list,
        intermediate: &queue.intermediate,
        wip: &queue.wip,
        scheduled: &queue.scheduled,
        deferred: &queue.deferred,
        ready: &queue.ready,
        canceled: &queue.canceled,
        id: "a",
        ended_at: "T",
        ttl: AsText(100),
        max_searched: 5,
    };
    (f.client.evalsha(&call), "queued")
}

fn claim(f: &Fixture) -> Example {
    let queue = &f.queue;
    f.add_job("b", "queued");
    f.run(&format!("LPUSH {} b", queue.intermediate));
    let queue_keys = [&queue.list, &queue.intermediate, &queue.wip, &queue.unreadable];
    let others = [&queue.scheduled, &queue.finished, &queue.failed];
    let queue_keys: Vec<&str> = queue_keys.into_iter().chain(others).map(String::as_str).collect();
    let call = f.client.evalsha(&Claim {
        suspended: &f.client.keys.suspended(),
        suspended_queues: &f.client.keys.suspended_queues(),
        queue_keys: &queue_keys,
        slots: 5,
        lease: 30.0,
        worker: "w",
        started_at: "T",
        execution_prefix: "e",
        sequence: 255,
        budget: 1000,
        checks_keys: true,
        excluded_queues: "",
    });
    let reply = "{0 {{0 b e000000ff {status queued origin q data x}} \
                 {0 a e00000100 {status queued origin q data x}}} {} {} {}}";
    (call.arg(0).arg("b"), reply)
}

fn cron_tick(f: &Fixture) -> Example {
    let call = f.client.evalsha(&CronTick {
        list: &f.queue.list,
        queues: &f.client.keys.queues(),
        scheduled: &f.queue.scheduled,
        entry: &f.client.keys.cron_entry("n"),
        entry_jobs: &f.client.keys.cron_entry_jobs("n"),
        entries: &f.client.keys.cron_jobs(),
        mode: "tick",
        name: "n",
        known_last: "",
        tick: AsText(60),
        schedule: "s",
        skips_overlap: true,
        clock: None,
        has_times: false,
    });
    (call.arg("b").arg(0).arg("").arg(2).arg("created_at").arg("T"), "{1 60}")
}

fn delete(f: &Fixture) -> Example {
    let queue = &f.queue;
    let call = Delete {
        job: &f.job,
        list: &queue.list,
        intermediate: &queue.intermediate,
        wip: &queue.wip,
        registries: &queue.idle_registries(),
        id: "a",
        max_searched: 5,
        enqueued_at: "T",
    };
    (f.client.evalsha(&call), "1")
}

fn enqueue(f: &Fixture) -> Example {
    let call = f.client.evalsha(&Enqueue {
        list: &f.queue.list,
        queues: &f.client.keys.queues(),
        scheduled: &f.queue.scheduled,
        has_times: true,
    });
    let add = |call: RedisCommand, id: &str, destination: &str| {
        call.arg(id).arg(destination).arg("").arg(2).arg("created_at").arg("T")
    };
    (add(add(add(add(call, "b", "0"), "c", "1"), "d", "+5"), "a", "0"), "{1 1 1 0}")
}

fn expire(f: &Fixture) -> Example {
    f.run(&format!("ZADD {} 1 gone", f.queue.finished));
    (f.client.evalsha(&Expire { registry: &f.queue.finished, max_entries: 5, age: 5 }), "1")
}

fn expired_leases(f: &Fixture) -> Example {
    f.start_job("1");
    let call = f.client.evalsha(&ExpiredLeases { wip: &f.queue.wip, max_expired: 5, max_read: 5 });
    (call, "{{a:e {status started origin q data x execution_id e worker_name w}}}")
}

fn field_excerpts(f: &Fixture) -> Example {
    let stream = f.client.rq.results_stream("a");
    let call = f.client.evalsha(&FieldExcerpts { hash: &f.job, stream: stream.as_deref().as_slice() });
    (call.arg("status").arg(2).arg(1).arg("data").arg(2).arg(1), "{{6 qu d} x}")
}

fn finish(f: &Fixture) -> Example {
    f.start_job("99999999999");
    let call = f.client.evalsha(&Finish {
        list: &f.queue.list,
        wip: &f.queue.wip,
        finished: &f.queue.finished,
        failed: &f.queue.failed,
        scheduled: &f.queue.scheduled,
        worker: "w",
        score_margin: None,
        destination: "finished",
        seconds: "500",
        result_ttl: AsText(Some(500)),
        status: "finished",
        names: 1,
    });
    let call = call.arg("ended_at").arg("a").arg("e").arg("T");
    (if f.client.rq.is_enabled() { call.arg(2).arg("type").arg(1) } else { call }, "{1}")
}

fn hash_preview(f: &Fixture) -> Example {
    let stream = f.client.rq.results_stream("a");
    let stream = stream.as_deref();
    let call = HashPreviewCall {
        hash: &f.job,
        stream: stream.as_slice(),
        max_value: 5,
        max_total: 100,
        head: 2,
        max_fields: 10,
    };
    (f.client.evalsha(&call), "{{status {6 qu} origin q data x} {}}")
}

fn heartbeat(f: &Fixture) -> Example {
    f.start_job("1");
    let call = f.client.evalsha(&HeartbeatCall {
        record: &f.client.keys.worker("w"),
        workers: &f.client.keys.workers(),
        queues: &f.client.keys.queues(),
        queue_keys: &[&f.queue.workers, &f.queue.wip, &f.queue.list],
        record_ttl: 60,
        lease: 30.0,
        worker: "w",
        last_heartbeat: "T",
        values: 2,
    });
    (call.arg("state").arg("busy").arg(0).arg("a:e").arg(0).arg("lost:e"), "{lost:e}")
}

fn move_to_queue(f: &Fixture) -> Example {
    f.put_into(&f.queue.failed, 1, "failed");
    let call = f.client.evalsha(&MoveToQueue {
        registry: &f.queue.failed,
        list: &f.queue.list,
        queues: &f.client.keys.queues(),
        enqueued_at: "T",
        as_new: true,
        statuses: "failed stopped",
    });
    (call.arg("a").arg("a").arg("none"), "{1 0 0}")
}

fn promote_due(f: &Fixture) -> Example {
    f.put_into(&f.queue.scheduled, 1, "scheduled");
    let call = f.client.evalsha(&PromoteDue {
        registry: &f.queue.scheduled,
        list: &f.queue.list,
        queues: &f.client.keys.queues(),
        unreadable: &f.queue.unreadable,
        lock_and_record: &[&f.queue.scheduler_lock, &f.client.keys.rq_scheduler("s")],
        enqueued_at: "T",
        max_jobs: 5,
        scheduler: "s",
    });
    (call.arg("name").arg("s"), "1")
}

fn prune_group(f: &Fixture) -> Example {
    let (group, groups) = (f.client.keys.group("g"), f.client.keys.groups());
    f.run(&format!("SADD {group} gone"));
    f.run(&format!("SADD {groups} g"));
    let call = PruneGroup { group: &group, groups: &groups, name: "g", cursor: "0", count: AsText(5) };
    (f.client.evalsha(&call), "0")
}

fn put_back_orphaned_ids(f: &Fixture) -> Example {
    let (intermediate, list) = (&f.queue.intermediate, &f.queue.list);
    f.run(&format!("LPUSH {intermediate} a"));
    (f.client.evalsha(&PutBackOrphanedIds { intermediate, list }).arg("a").arg("none"), "1")
}

fn record_stats(f: &Fixture) -> Example {
    let call = f.client.evalsha(&RecordStats {
        handlers: &f.client.keys.stats_handlers("q"),
        queue: &f.client.keys.stats("q"),
        others: &f.client.keys.stats_others("q"),
        series: &[&f.client.keys.stats_handler("q", "h"), &f.client.keys.stats_handler("q", "i")],
        minutes: 60,
        days: 7,
        ttl: 100,
        max_handlers: 1,
    });
    let call = call.arg("h").arg("i").arg(0).arg("count").arg(1).arg(1).arg(0).arg(0);
    (call.arg(1).arg("time").arg(5).arg(1).arg(1).arg(2).arg("time").arg(5).arg(1).arg(1), "nil")
}

fn release_scheduler_lock(f: &Fixture) -> Example {
    let (lock, record) = (&f.queue.scheduler_lock, &f.client.keys.rq_scheduler("s"));
    f.run(&format!("SET {lock} s"));
    (f.client.evalsha(&ReleaseSchedulerLock { lock, record, value: "s" }), "1")
}

fn requeue_stranded_job(f: &Fixture) -> Example {
    f.start_job("1");
    f.run(&format!("DEL {}", f.queue.wip));
    let call = RequeueStrandedJob {
        job: &f.job,
        list: &f.queue.list,
        intermediate: &f.queue.intermediate,
        wip: &f.queue.wip,
        queues: &f.client.keys.queues(),
        registries: &f.queue.idle_registries(),
        id: "a",
        enqueued_at: "T",
        max_searched: 5,
        as_new: false,
        statuses: "started",
        seen_heartbeat: "",
    };
    (f.client.evalsha(&call), "1")
}

fn trim(f: &Fixture) -> Example {
    f.put_into(&f.queue.finished, 1, "finished");
    let call = Trim { registry: &f.queue.finished, max_size: 0, max_deleted: 5, statuses: "finished" };
    (f.client.evalsha(&call), "1")
}

/// Patterns of the keys that a call may touch: those that it declares, and those that the script makes itself of the
/// constants that it names.
fn allowed_keys(client: &Client, script: &Script, call: &RedisCommand) -> BTreeSet<String> {
    let words: Vec<String> = call.cmd.args_iter().map(word).collect();
    let count: usize = words[2].parse().unwrap();
    let text = client.scripts.text(script);
    let made = client.keys.script_patterns().into_iter().map(|(name, pattern)| {
        (if pattern.contains('*') { format!("{name}_key") } else { name.to_uppercase() }, pattern)
    });
    let prefixes = [("JOB_PREFIX", client.keys.job("*")), ("WORKER_PREFIX", client.keys.worker("*"))];
    let prefixes = prefixes.into_iter().map(|(name, pattern)| (name.to_owned(), pattern));
    let is_named = |(name, _): &(String, String)| text.matches(&**name).count() > 1; // beside its definition
    let made = made.chain(prefixes).filter(is_named).map(|(_, pattern)| pattern);
    words[3..3 + count].iter().cloned().chain(made).collect()
}

fn word(arg: redis::Arg<&[u8]>) -> String {
    match arg {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// Makes a user who may use these keys only.
fn allow(admin: &Client, keys: &BTreeSet<String>) {
    let user = RedisCommand::new("ACL").arg("SETUSER").arg("probe").arg("on").arg(">secret").arg("+@all");
    let user = keys.iter().fold(user.arg("resetkeys").arg("allchannels"), |user, key| {
        user.arg(format!("~{}", key.replace(' ', "?")))
    });
    admin.call(&user).unwrap();
    admin.call(&RedisCommand::new("ACL").arg("LOG").arg("RESET")).unwrap();
}

fn show(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "nil".to_owned(),
        Reply::Int(n) => n.to_string(),
        Reply::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Array(items) => format!("{{{}}}", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_script_touches_only_the_keys_that_it_declares_or_makes_of_constants() {
    for dialect in Dialect::ALL {
        let server = RedisServer::start();
        let admin = server.client(dialect).with_prefix(ANY_PREFIX).unwrap();
        allow(&admin, &BTreeSet::new());
        let probe = server.client_with(dialect, "?user=probe&pass=secret");
        for (index, script) in ALL {
            let (call, expected) = example(index, &Fixture::new(&admin));
            allow(&admin, &allowed_keys(&admin, script, &call));
            let reply = probe.with_prefix(ANY_PREFIX).unwrap().call(&call);
            assert_eq!(reply.as_ref().map(show), Ok(expected.to_owned()), "{} in {dialect}", script.name);
            let denied = admin.call(&RedisCommand::new("ACL").arg("LOG")).unwrap();
            assert_eq!(denied, Reply::Array(Vec::new()), "{} in {dialect}", script.name);
        }
    }
}
