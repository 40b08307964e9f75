//! The keys in Redis, all of them and nowhere else. Their names are RQ's.

/// The keys of one deployment. Every key begins with its prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Keys { prefix: prefix.to_owned() }
    }

    /// The prefix, without the colon after it.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    /// Set of queue keys (not names); added to by every enqueue.
    pub(crate) fn queues(&self) -> String {
        self.key("queues")
    }

    /// The key of a job's hash, up to the job's id.
    pub(crate) fn job_prefix(&self) -> String {
        self.key("job:")
    }

    /// Hash: the job.
    pub(crate) fn job(&self, id: &str) -> String {
        format!("{}{id}", self.job_prefix())
    }

    /// Channel on which the end of a job is published if a program waits for it, up to the job's id.
    pub(crate) fn ended_prefix(&self) -> String {
        self.key("ended:")
    }

    /// The keys of one queue.
    pub(crate) fn queue(&self, name: &str) -> QueueKeys {
        let registry = |kind: &str| self.key(&format!("{kind}:{name}"));
        let list = registry("queue");
        QueueKeys {
            intermediate: format!("{list}:intermediate"),
            list,
            wip: registry("wip"),
            finished: registry("finished"),
            failed: registry("failed"),
            scheduled: registry("scheduled"),
            deferred: registry("deferred"),
            ready: registry("ready"),
            canceled: registry("canceled"),
            unreadable: registry("unreadable"),
            workers: registry("workers"),
            scheduler_lock: registry("scheduler-lock"),
        }
    }

    /// Returns the name of the queue with this key; `None` for a key of another deployment or kind.
    pub(crate) fn queue_name<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(":queue:")
    }

    /// String: while it exists, no worker starts a job (RQ's `suspend`).
    pub(crate) fn suspended(&self) -> String {
        self.key("suspended")
    }

    /// Set of the keys of suspended queues. RQ has no such key.
    pub(crate) fn suspended_queues(&self) -> String {
        self.key("suspended_queues")
    }

    /// Set of worker keys (not names).
    pub(crate) fn workers(&self) -> String {
        self.key("workers")
    }

    /// Hash: the record of a worker, with a time to live.
    pub(crate) fn worker(&self, name: &str) -> String {
        self.key(&format!("worker:{name}"))
    }

    /// Channel of the commands to a worker.
    pub(crate) fn commands(&self, worker: &str) -> String {
        self.key(&format!("pubsub:{worker}"))
    }

    /// Set of the ids of jobs that wait for this job.
    pub(crate) fn dependents(&self, id: &str) -> String {
        self.key(&format!("job:{id}:dependents"))
    }

    /// Set of the ids of jobs that this job waits for. Both colons are RQ's.
    pub(crate) fn dependencies(&self, id: &str) -> String {
        self.key(&format!("job::{id}:dependencies"))
    }

    /// Set of a worker's executions, `<job>:<execution>`; see [`script_patterns`](Self::script_patterns).
    pub(crate) fn executions_of_worker(&self, name: &str) -> String {
        self.key(&format!("worker:{name}:executions"))
    }

    /// Stream of the results of a job, one entry for each run.
    pub(crate) fn results(&self, id: &str) -> String {
        self.key(&format!("results:{id}"))
    }

    /// Hash: the counters of a queue. RQ has none of these four keys.
    pub(crate) fn stats(&self, queue: &str) -> String {
        self.key(&format!("stats:queue:{queue}"))
    }

    /// Set of the handlers of a queue that have counters.
    pub(crate) fn stats_handlers(&self, queue: &str) -> String {
        self.key(&format!("stats:handlers:{queue}"))
    }

    /// Hash: the counters of a handler in a queue. The space ends the queue's name; spaces in the name are encoded.
    pub(crate) fn stats_handler(&self, queue: &str, handler: &str) -> String {
        self.key(&format!("stats:handler:{} {handler}", queue.replace(' ', "%20")))
    }

    /// Hash: the counters of all other handlers of a queue together.
    pub(crate) fn stats_others(&self, queue: &str) -> String {
        self.key(&format!("stats:others:{queue}"))
    }

    /// Hash: the record of a scheduler, with a time to live.
    pub(crate) fn rq_scheduler(&self, name: &str) -> String {
        self.key(&format!("scheduler:{name}"))
    }

    /// Sorted set of cron schedulers, score = last heartbeat.
    pub(crate) fn cron_schedulers(&self) -> String {
        self.key("cron_schedulers")
    }

    /// Hash: the record of a cron scheduler, with a time to live.
    pub(crate) fn cron_scheduler(&self, name: &str) -> String {
        self.key(&format!("cron_scheduler:{name}"))
    }

    /// Hash: the last tick of a cron entry. RQ has no such key.
    pub(crate) fn cron_entry(&self, name: &str) -> String {
        self.key(&format!("cron_entry:{name}"))
    }

    /// Sorted set of the names of cron entries, score = time of the last enqueue.
    pub(crate) fn cron_jobs(&self) -> String {
        self.key("cron_jobs")
    }

    /// Sorted set of the ids of a cron entry's jobs, score = time of the enqueue.
    pub(crate) fn cron_entry_jobs(&self, name: &str) -> String {
        self.key(&format!("cron_job:{name}:jobs"))
    }

    /// Set of the names of groups.
    pub(crate) fn groups(&self) -> String {
        self.key("groups")
    }

    /// Set of the ids of a group's jobs.
    pub(crate) fn group(&self, name: &str) -> String {
        self.key(&format!("group:{name}"))
    }

    /// String: RQ's lock of the clean-up of groups. While it exists, the groups were cleaned recently.
    pub(crate) fn clean_groups(&self) -> String {
        self.key("clean_groups")
    }

    /// Set of the names of rate limits.
    pub(crate) fn limits(&self) -> String {
        self.key("rl-keys")
    }

    /// Hash: the record of a rate limit, with its number of slots.
    pub(crate) fn limit(&self, name: &str) -> String {
        self.key(&format!("rl:{name}"))
    }

    /// Sorted set of the ids of jobs that have a slot of a rate limit.
    pub(crate) fn limit_slots(&self, name: &str) -> String {
        self.key(&format!("rl:{name}:allowed"))
    }

    /// Sorted set of the ids of jobs that wait for a slot of a rate limit.
    pub(crate) fn limit_waiting(&self, name: &str) -> String {
        self.key(&format!("rl:{name}:rate_limited"))
    }

    /// Sorted set of a job's executions.
    pub(crate) fn executions(&self, id: &str) -> String {
        self.key(&format!("executions:{id}"))
    }

    /// Hash: one execution, `<job>:<execution>`.
    pub(crate) fn execution(&self, member: &str) -> String {
        self.key(&format!("execution:{member}"))
    }

    /// The keys that scripts make themselves, because only they find out of which job, worker or limit: patterns with
    /// a `*` for its id or name, each with the name by which scripts know it.
    pub(crate) fn script_patterns(&self) -> [(&'static str, String); 14] {
        let queue = self.queue("*");
        [
            ("results", self.results("*")),
            ("execution", self.execution("*")),
            ("executions", self.executions("*")),
            ("worker_executions", self.executions_of_worker("*")),
            ("dependents", self.dependents("*")),
            ("dependencies", self.dependencies("*")),
            ("group", self.group("*")),
            ("group_names", self.groups()),
            ("limit_names", self.limits()),
            ("limit", self.limit("*")),
            ("limit_slots", self.limit_slots("*")),
            ("limit_waiting", self.limit_waiting("*")),
            ("deferred", queue.deferred),
            ("list", queue.list),
        ]
    }

    /// Returns the name of the worker with this key; `None` for a key of another deployment or kind.
    pub(crate) fn worker_name<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(":worker:")
    }
}

/// The keys of one queue and its registries.
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    /// List of the ids of waiting jobs.
    pub(crate) list: String,
    /// List of ids that a blocking pop has moved out of the queue and that are not claimed yet.
    pub(crate) intermediate: String,
    /// Sorted set of running jobs, `<job>:<execution>`, score = end of the lease plus the dialect's score offset.
    pub(crate) wip: String,
    /// Sorted set of the ids of finished jobs, score = time at which the record expires.
    pub(crate) finished: String,
    /// Sorted set of the ids of failed and stopped jobs, score = time at which the record expires.
    pub(crate) failed: String,
    /// Sorted set of the ids of scheduled jobs, score = time at which they are due.
    pub(crate) scheduled: String,
    /// Sorted set of the ids of jobs that wait for other jobs.
    pub(crate) deferred: String,
    /// Sorted set of the ids of jobs on their way from deferred to their queue. RQ moves them in two steps.
    pub(crate) ready: String,
    /// Sorted set of the ids of canceled jobs, score = time of the cancellation.
    pub(crate) canceled: String,
    /// Sorted set of ids whose record cannot be read, score = time at which a worker found that.
    pub(crate) unreadable: String,
    /// Set of the keys of workers of this queue.
    pub(crate) workers: String,
    /// String: RQ's lock of the scheduler that enqueues due jobs, with the scheduler's name.
    pub(crate) scheduler_lock: String,
}

impl QueueKeys {
    /// The registries of jobs that do not run.
    pub(crate) fn idle_registries(&self) -> [&str; 7] {
        [
            &self.scheduled,
            &self.deferred,
            &self.ready,
            &self.finished,
            &self.failed,
            &self.canceled,
            &self.unreadable,
        ]
    }
}
