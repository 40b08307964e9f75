"""What only rq-rs is measured for: growth (jobs, queues, processes, payloads), start, slots with work."""

import json
import os
import shlex
import statistics
import subprocess
import time

from harness import HERE, WORK, Peer, tree_memory, wait_until_quiet

RUST = WORK / "rust" / "release"
WORKER = "{rust}/peer-rq-rs worker -q -c 64 --url {url} "


def ours(redis, worker=WORKER + "default", dialect="native", **env):
    return Peer(
        {
            "id": "rq-rs", "dir": "{work}", "produce": "{rust}/peer-rq-rs produce", "worker": worker,
            "env": {"RQ_RS_DIALECT": dialect} | env,
        },
        redis,
    )


def run_own(redis, put):
    """put(what, figures) for each."""
    queued(redis, put)
    queues(redis, put)
    workers(redis, put)
    slots(redis, put)
    with_work(redis, put)
    payloads(redis, put)
    start(redis, put)


def queued(redis, put):
    """A and B with so many jobs in the queue: each drain ends after 1,000 or 100,000 jobs."""
    for n, drained, rounds in ((1_000, 1_000, 15), (100_000, 100_000, 3), (5_000_000, 100_000, 1)):
        peer = ours(redis)
        rates, singles = [], []
        for _ in range(rounds):
            redis.clean()
            peer.produce("fill", n)
            wait_until_quiet()
            singles.append(min(n, 20_000) / peer.produce("single", min(n, 20_000))["secs"])
            rates.append(peer.rate_of(drained))
        put(f"{n:,} queued", {"jobs_s": statistics.median(rates), "enqueue_s": statistics.median(singles)})


def queues(redis, put):
    for n in (1, 5, 20):
        names = " ".join(f"q{i}" for i in range(n - 1)) + " default"
        rates = [ours(redis, WORKER + names).drain(150_000) for _ in range(3)]
        latency = ours(redis, WORKER + names).latency(200)
        put(f"{n} queues", {
            "jobs_s": statistics.median(r["jobs_s"] for r in rates),
            "p50_us": latency["p50_us"], "p99_us": latency["p99_us"],
        })


def workers(redis, put):
    for n in (1, 2, 4):
        command = shlex.quote(" & ".join([WORKER + "default"] * n) + " & wait")
        rates = [ours(redis, f"sh -c {command}").drain(200_000) for _ in range(3)]
        put(f"{n} processes", {
            "jobs_s": statistics.median(r["jobs_s"] for r in rates),
            "redis_cores": statistics.median(r["redis_cores"] for r in rates),
        })


def slots(redis, put):
    """Throughput against slots, and where a job's microseconds go."""
    for n in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        worker = WORKER.replace("-c 64", f"-c {n}") + "default"
        runs = [ours(redis, worker).drain(min(150_000, 30_000 + n * 2_000)) for _ in range(3)]
        middle = sorted(runs, key=lambda r: r["jobs_s"])[1]
        wanted = ("jobs_s", "redis_cpu_us_job", "worker_cpu_us_job", "commands_job", "net_in_job", "net_out_job")
        calls = middle["commands"].get("evalsha", 0) / middle["n"]
        put(f"{n} slots", {k: middle[k] for k in wanted} | {"scripts_job": calls})


def with_work(redis, put):
    """1 ms of waiting in each handler, 32 slots: 32,000 jobs a second are all that is there."""
    worker = WORKER.replace("-c 64", "-c 32") + "default"
    rates = [ours(redis, worker, PAUSE_MS="1").drain(100_000)["jobs_s"] for _ in range(3)]
    ideal = 32 / json.loads(subprocess.check_output([RUST / "raw", "pause", "1000"]))["secs"] * 1000
    put("32 slots, 1 ms each", {"jobs_s": statistics.median(rates), "ideal_s": ideal})


def payloads(redis, put):
    """1 MB each: in and out, beside raw SET and GET of as much."""
    n, size = 300, 1_000_000
    redis.clean()
    peer = ours(redis)
    wait_until_quiet()
    into = n / peer.produce("big", n, size)["secs"]
    out = peer.rate_of(n)
    redis.clean()
    raw = json.loads(subprocess.check_output(
        [RUST / "raw", "big", str(n), str(size)], env=os.environ | {"REDIS_URL": redis.url}))
    put("1 MB payloads", {"enqueue_s": into, "jobs_s": out, "raw_set_s": n / raw["set"], "raw_get_s": n / raw["get"]})


def start(redis, put):
    """From the command to a worker that is ready, and a whole `rq-rs enqueue`."""
    binary = HERE.parent / "target" / "release" / "rq-rs"
    redis.clean()
    ready, once = [], []
    for _ in range(20):
        t = time.monotonic()
        worker = subprocess.Popen(
            [binary, "worker", "--exec", "*=true", "--url", redis.url, "empty"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        while b"listens on" not in worker.stdout.readline():
            assert worker.poll() is None
        ready.append(time.monotonic() - t)
        worker.terminate()
        worker.communicate()
        t = time.monotonic()
        subprocess.run([binary, "enqueue", "--url", redis.url, "noop"], check=True, stdout=subprocess.DEVNULL)
        once.append(time.monotonic() - t)
    idle = subprocess.Popen([binary, "worker", "-q", "--exec", "*=true", "--url", redis.url, "empty"])
    time.sleep(2)
    memory = tree_memory(idle.pid)["rss_mib"]
    idle.terminate()
    idle.wait()
    put("start", {
        "worker_ready_ms": statistics.median(ready) * 1e3, "enqueue_ms": statistics.median(once) * 1e3,
        "idle_mib": memory,
    })
