//! The Lua scripts by name, each with the files that are put in front of it. Their texts and rules are in `src/lua/`.

use std::sync::LazyLock;

use crate::redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal $(with $($library:literal),+)?;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                $($(include_str!(concat!("../lua/", $library, ".lua")),)+)?
                include_str!(concat!("../lua/", $file, ".lua"))
            ))
        });)*
    };
}

scripts! {
    CANCEL = "cancel" with "rq_compat";
    CLAIM = "claim" with "rq_compat", "reset_job";
    DELETE = "delete" with "rq_compat";
    EMPTY = "empty" with "rq_compat";
    ENQUEUE = "enqueue";
    ENQUEUE_NOW = "enqueue_now" with "rq_compat", "leftover_entry";
    EXPIRE = "expire" with "rq_compat";
    EXPIRED_LEASES = "expired_leases";
    FIELD_EXCERPTS = "field_excerpts";
    FINISH = "finish" with "rq_compat";
    HASH_PREVIEW = "hash_preview";
    HEARTBEAT = "heartbeat" with "rq_compat";
    MAINTAIN_RATE_LIMIT = "maintain_rate_limit" with "rq_compat";
    MARK_WAITER = "mark_waiter";
    PROMOTE_DUE = "promote_due" with "rq_compat";
    PRUNE_GROUP = "prune_group";
    RATE_LIMITED_JOBS = "rate_limited_jobs" with "rq_compat";
    RECORD_STATS = "record_stats";
    RELEASE_SCHEDULER_LOCK = "release_scheduler_lock";
    REQUEUE = "requeue" with "rq_compat", "reset_job", "leftover_entry";
    PUT_BACK_ORPHANED_IDS = "put_back_orphaned_ids" with "rq_compat";
    REQUEUE_STRANDED_JOB = "requeue_stranded_job" with "rq_compat", "reset_job";
    SET_FIELD = "set_field";
    TRIM = "trim" with "rq_compat";
}

/// A tick of a cron entry; `enqueue` becomes a function that it calls.
#[cfg(feature = "cron")]
pub(crate) static CRON_TICK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local function enqueue(KEYS, ARGV)\n",
        include_str!("../lua/enqueue.lua"),
        "end\n",
        include_str!("../lua/cron_tick.lua"),
    ))
});
