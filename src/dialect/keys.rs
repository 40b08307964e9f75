//! Every Redis key, spelled here and nowhere else. Names are Python RQ's.

/// The keys of one deployment: everything begins with the same prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Keys { prefix: prefix.to_owned() }
    }

    /// What all of them begin with.
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

    /// What stands before a job's id in the key of its hash.
    pub(crate) fn job_prefix(&self) -> String {
        self.key("job:")
    }

    /// Hash: the job.
    pub(crate) fn job(&self, id: &str) -> String {
        format!("{}{id}", self.job_prefix())
    }

    /// Channel: a message is published when a job that somebody waits for has ended.
    pub(crate) fn ended_prefix(&self) -> String {
        self.key("ended:")
    }

    /// All keys of one queue.
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

    /// The name in a queue key, when it is one of ours.
    pub(crate) fn queue_name<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(":queue:")
    }

    /// String: while it exists no worker starts a job. Written by `suspend`.
    pub(crate) fn suspended(&self) -> String {
        self.key("suspended")
    }

    /// Set of the keys of queues that are suspended one by one. Ours, RQ has none.
    pub(crate) fn suspended_queues(&self) -> String {
        self.key("suspended_queues")
    }

    /// Set of worker keys (not names).
    pub(crate) fn workers(&self) -> String {
        self.key("workers")
    }

    /// Hash: a worker's record, with a time to live.
    pub(crate) fn worker(&self, name: &str) -> String {
        self.key(&format!("worker:{name}"))
    }

    /// Channel: commands for a worker.
    pub(crate) fn commands(&self, worker: &str) -> String {
        self.key(&format!("pubsub:{worker}"))
    }

    /// Set: the ids of jobs that wait for this one.
    pub(crate) fn dependents(&self, id: &str) -> String {
        self.key(&format!("job:{id}:dependents"))
    }

    /// Set: the ids of jobs that this one waits for; RQ has two colons there.
    pub(crate) fn dependencies(&self, id: &str) -> String {
        self.key(&format!("job::{id}:dependencies"))
    }

    /// Set: what a worker runs; see [`rq_patterns`](Self::rq_patterns).
    pub(crate) fn executions_of_worker(&self, name: &str) -> String {
        self.key(&format!("worker:{name}:executions"))
    }

    /// Stream: how the runs of a job ended.
    pub(crate) fn results(&self, id: &str) -> String {
        self.key(&format!("results:{id}"))
    }

    /// Hash: what a queue has done, counted. These four are ours, RQ has none.
    pub(crate) fn stats(&self, queue: &str) -> String {
        self.key(&format!("stats:queue:{queue}"))
    }

    /// Set: the handlers of a queue that are counted.
    pub(crate) fn stats_handlers(&self, queue: &str) -> String {
        self.key(&format!("stats:handlers:{queue}"))
    }

    /// Hash: what one of them has done. The space ends the queue's name, which in Python may have one too.
    pub(crate) fn stats_handler(&self, queue: &str, handler: &str) -> String {
        self.key(&format!("stats:handler:{} {handler}", queue.replace(' ', "%20")))
    }

    /// Hash: what all others have done.
    pub(crate) fn stats_others(&self, queue: &str) -> String {
        self.key(&format!("stats:others:{queue}"))
    }

    /// Hash: the record of a scheduler, with a time to live.
    pub(crate) fn scheduler(&self, name: &str) -> String {
        self.key(&format!("scheduler:{name}"))
    }

    /// Sorted set: those who have cron entries, score = last heartbeat.
    pub(crate) fn cron_schedulers(&self) -> String {
        self.key("cron_schedulers")
    }

    /// Hash: the record of one of them, with a time to live.
    pub(crate) fn cron_scheduler(&self, name: &str) -> String {
        self.key(&format!("cron_scheduler:{name}"))
    }

    /// Hash: the last tick of a cron entry. Ours, RQ has none.
    pub(crate) fn cron_entry(&self, name: &str) -> String {
        self.key(&format!("cron_entry:{name}"))
    }

    /// Sorted set: names of cron entries, score = when they were last enqueued.
    pub(crate) fn cron_jobs(&self) -> String {
        self.key("cron_jobs")
    }

    /// Sorted set: ids of the jobs of a cron entry, score = when they were enqueued.
    pub(crate) fn cron_entry_jobs(&self, name: &str) -> String {
        self.key(&format!("cron_job:{name}:jobs"))
    }

    /// Set of the names of groups.
    pub(crate) fn groups(&self) -> String {
        self.key("groups")
    }

    /// Set: the jobs of a group.
    pub(crate) fn group(&self, name: &str) -> String {
        self.key(&format!("group:{name}"))
    }

    /// String: while it exists somebody has looked after the groups a short while ago.
    pub(crate) fn clean_groups(&self) -> String {
        self.key("clean_groups")
    }

    /// Set of the names of rate limits.
    pub(crate) fn limits(&self) -> String {
        self.key("rl-keys")
    }

    /// Hash: how many slots a rate limit has.
    pub(crate) fn limit(&self, name: &str) -> String {
        self.key(&format!("rl:{name}"))
    }

    /// Sorted set: the jobs that have a slot of a rate limit.
    pub(crate) fn limit_slots(&self, name: &str) -> String {
        self.key(&format!("rl:{name}:allowed"))
    }

    /// Sorted set: the jobs that wait for one.
    pub(crate) fn limit_waiting(&self, name: &str) -> String {
        self.key(&format!("rl:{name}:rate_limited"))
    }

    /// Sorted set: the runs of a job.
    pub(crate) fn executions(&self, id: &str) -> String {
        self.key(&format!("executions:{id}"))
    }

    /// The keys of what only RQ's dialect has, as patterns with a `*` for the id or name, in the
    /// order in which `lua/rq_compat.lua` takes them.
    pub(crate) fn rq_patterns(&self) -> String {
        let queue = self.queue("*");
        let patterns = [
            self.results("*"),
            self.key("execution:*"), // hash: one run, `<job>:<execution>`
            self.executions("*"),
            self.executions_of_worker("*"),
            self.dependents("*"),
            self.dependencies("*"),
            self.group("*"),
            self.limit_slots("*"),
            queue.deferred,
            queue.list,
            self.job("*"),
            self.limit_waiting("*"),
            self.limit("*"),
            self.limits(),
            self.groups(),
        ];
        patterns.join(" ")
    }

    /// The name in a worker key, when it is one of ours.
    pub(crate) fn worker_name<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(":worker:")
    }
}

/// The keys of one queue and its registries.
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    /// List of ids that wait.
    pub(crate) list: String,
    /// List of ids that a blocked worker was woken with and has not started yet.
    pub(crate) intermediate: String,
    /// Sorted set `<id>:<execution>`, score = end of the lease.
    pub(crate) wip: String,
    /// Sorted set of ids, score = when the result is forgotten.
    pub(crate) finished: String,
    /// Sorted set of ids (failed and stopped), score = when the failure is forgotten.
    pub(crate) failed: String,
    /// Sorted set of ids, score = when they are due.
    pub(crate) scheduled: String,
    /// Sorted set of ids that wait for other jobs.
    pub(crate) deferred: String,
    /// Sorted set of ids that waited for other jobs and are on their way to their queue. Only RQ lets go in two steps.
    pub(crate) ready: String,
    /// Sorted set of ids, score = when they were canceled.
    pub(crate) canceled: String,
    /// Sorted set of ids whose record cannot be read, score = when they were set aside.
    pub(crate) unreadable: String,
    /// Set of the keys of workers that listen.
    pub(crate) workers: String,
    /// String: the name of the scheduler that moves the jobs that are due.
    pub(crate) scheduler_lock: String,
}
