//! The scripts with their keys and arguments.

use redis::Cmd;

use super::declaration::{Argument, AsText, Script, ScriptCall, scripts};

scripts! {
    Cancel("cancel") {
        keys { job, list, intermediate, wip, scheduled, deferred, ready, canceled }
        args {
            id: &'a str,
            ended_at: &'a str,
            /// Seconds to keep the record, or -1.
            ttl: AsText<i64>,
            /// Length of the longest list that is searched.
            max_searched: usize
        }
    }

    Claim("claim") {
        keys { suspended, suspended_queues } then queue_keys
        args {
            /// Number of jobs to claim.
            slots: usize,
            /// Seconds.
            lease: f64,
            worker: &'a str,
            started_at: &'a str,
            /// First part of the execution ids.
            execution_prefix: &'a str,
            /// Number of the first execution: the last part of its id.
            sequence: u32,
            /// Bytes of payload after which the claim stops.
            budget: usize,
            /// `true` to check the types of all keys first.
            checks_keys: bool,
            /// Numbers of queues that are left out, separated by spaces.
            excluded_queues: &'a str
        } then popped_ids
    }

    CronTick("cron_tick") {
        keys { list, queues, scheduled, entry, entry_jobs, entries }
        args {
            mode: &'a str,
            name: &'a str,
            /// The last tick that the caller knows, or empty.
            known_last: &'a str,
            /// Seconds since 1970.
            tick: AsText<i64>,
            /// Schedule and time zone.
            schedule: &'a str,
            /// `true` to skip the tick while the job of the last one has not ended.
            skips_overlap: bool,
            /// A test's time for now.
            clock: Option<f64>,
            has_times: bool
        } then job
    }

    Delete("delete") {
        keys { job, list, intermediate, wip } then registries
        args {
            id: &'a str,
            max_searched: usize,
            /// `enqueued_at` of a job that gets the slot of the deleted one.
            enqueued_at: &'a str
        }
    }

    Empty("empty") {
        keys { list }
        args {
            max_ids: usize,
            /// `enqueued_at` of jobs that get the slot of a deleted one.
            enqueued_at: &'a str
        }
    }

    Enqueue("enqueue") {
        keys { list, queues, scheduled }
        args {
            /// `true` if some of the jobs are scheduled.
            has_times: bool
        } then jobs
    }

    Expire("expire") {
        keys { registry }
        args {
            max_entries: usize,
            /// Seconds that must have passed since the time to drop an entry.
            age: i64
        }
    }

    ExpiredLeases("expired_leases") {
        keys { wip }
        args {
            /// Number of leases that are returned at most.
            max_expired: usize,
            /// Number of leases that are read at most.
            max_read: usize
        }
    }

    FieldExcerpts("field_excerpts") {
        keys { hash } then stream
        args {} then fields
    }

    Finish("finish") {
        keys { list, wip, finished, failed, scheduled }
        args {
            worker: &'a str,
            score_margin: Option<f64>,
            destination: &'a str,
            seconds: &'a str,
            /// Seconds to keep the results.
            result_ttl: AsText<Option<i64>>,
            status: &'a str,
            /// Number of fields.
            names: usize
        } then executions
    }

    HashPreviewCall("hash_preview") {
        keys { hash } then stream
        args {
            /// Bytes of one value at most.
            max_value: usize,
            /// Bytes of all values together at most.
            max_total: usize,
            /// Bytes of the beginning of a value that is too large.
            head: usize,
            max_fields: usize
        } then names
    }

    HeartbeatCall("heartbeat") {
        keys { record, workers, queues } then queue_keys
        args {
            /// Seconds.
            record_ttl: u64,
            /// Seconds.
            lease: f64,
            worker: &'a str,
            last_heartbeat: &'a str,
            /// Number of fields and values of the record.
            values: usize
        } then fields_and_leases
    }

    MaintainRateLimit("maintain_rate_limit") {
        keys {}
        args {
            name: &'a str,
            /// `enqueued_at` of jobs that get a slot.
            enqueued_at: &'a str,
            /// Number of slots that are checked at most.
            max_slots: usize
        }
    }

    MarkWaiter("mark_waiter") {
        keys { job }
        args {}
    }

    MoveToQueue("move_to_queue") {
        keys { registry, list, queues }
        args {
            enqueued_at: &'a str,
            /// `true` to make the jobs as new.
            as_new: bool,
            /// Statuses of the jobs of this registry, separated by spaces.
            statuses: &'a str
        } then ids
    }

    PromoteDue("promote_due") {
        keys { registry, list, queues, unreadable } then lock_and_record
        args {
            enqueued_at: &'a str,
            max_jobs: usize,
            /// The value of the lock that all workers of rq-rs share, empty not to lock.
            scheduler: &'a str
        } then record_fields
    }

    PruneGroup("prune_group") {
        keys { group, groups }
        args {
            name: &'a str,
            cursor: &'a str,
            count: AsText<usize>
        }
    }

    PutBackOrphanedIds("put_back_orphaned_ids") {
        keys { intermediate, list }
        args {} then ids
    }

    RateLimitedJobs("rate_limited_jobs") {
        keys {}
        args {
            /// Empty to count the jobs of all queues.
            queue: &'a str,
            /// Number of jobs that are read of each limit at most.
            max_jobs_per_limit: usize,
            /// Number of jobs that are read in all.
            max_jobs: usize
        }
    }

    RecordStats("record_stats") {
        keys { handlers, queue, others } then series
        args {
            /// Minutes in a ring.
            minutes: i64,
            /// Days in a ring.
            days: i64,
            /// Seconds that a series lives after its last change.
            ttl: u64,
            /// Number of handlers that have a series of their own.
            max_handlers: usize
        } then additions
    }

    ReleaseSchedulerLock("release_scheduler_lock") {
        keys { lock, record }
        args { value: &'a str }
    }

    RequeueStrandedJob("requeue_stranded_job") {
        keys { job, list, intermediate, wip, queues } then registries
        args {
            id: &'a str,
            enqueued_at: &'a str,
            max_searched: usize,
            /// `true` to make the job as new; else it keeps its counts.
            as_new: bool,
            /// Statuses with which a job may be requeued, separated by spaces.
            statuses: &'a str,
            /// `last_heartbeat` of its worker that an earlier call has returned, empty for none.
            seen_heartbeat: &'a str
        }
    }

    SetField("set_field") {
        keys { job }
        args {
            field: &'a str,
            value: &'a [u8],
            /// The execution that must own the job, or empty.
            execution: &'a str
        }
    }

    Trim("trim") {
        keys { registry }
        args {
            /// Number of entries with a time that are kept.
            max_size: u64,
            /// Number of jobs that are deleted at most.
            max_deleted: usize,
            /// Statuses of the jobs of this registry, separated by spaces.
            statuses: &'a str
        }
    }
}
