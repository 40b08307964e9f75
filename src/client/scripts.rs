//! The Lua scripts, by name. `src/lua/` has their texts.

use std::sync::LazyLock;

use crate::redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal $(after $($first:literal),+)?;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                $($(include_str!(concat!("../lua/", $first, ".lua")),)+)?
                include_str!(concat!("../lua/", $file, ".lua"))
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
        include_str!("../lua/rq_compat.lua"),
        include_str!("../lua/reset_job.lua"),
        "local function finish(KEYS, ARGV)\n",
        include_str!("../lua/finish.lua"),
        "end\nlocal function claim(KEYS, ARGV)\n",
        include_str!("../lua/claim.lua"),
        "end\n",
        include_str!("../lua/finish_and_claim.lua"),
    ))
});

/// Enqueues what is due, so it has that script as a function.
#[cfg(feature = "cron")]
pub(crate) static CRON_TICK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local function enqueue(KEYS, ARGV)\n",
        include_str!("../lua/enqueue.lua"),
        "end\n",
        include_str!("../lua/cron_tick.lua"),
    ))
});
