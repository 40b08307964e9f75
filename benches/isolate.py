"""What a job costs in threads, work horses, servers and programs, beside Python RQ's process per job."""

import statistics

from harness import HERE, Peer
from report import number, table, where

PYTHON = {"dir": "{here}/peers/python", "venv": "rq", "produce": "{venv}/python rq_produce.py"}
APP = {"dir": "{here}", "produce": "{rust}/peer-rq-rs produce"}
NATIVE, SLOTS = {"RQ_RS_DIALECT": "native"}, 4
RQ_RS = f"{{work}}/../release/rq-rs worker -q -c {SLOTS} --url {{url}} default --dialect rq "

# How it runs, what is measured, and how many jobs.
WAYS = [
    ("threads", APP | {"worker": f"{{rust}}/peer-rq-rs worker -q -c {SLOTS} --url {{url}} default", "env": NATIVE}, 40_000),
    ("work horses: `--isolate`", APP | {
        "worker": f"{{rust}}/peer-rq-rs worker -q -c {SLOTS} --isolate --url {{url}} default", "env": NATIVE}, 20_000),
    ("Python drop-in: `--dialect rq --exec-server '*=python handler.py'`", PYTHON | {
        "worker": RQ_RS + "--exec-server '*=env REDIS_URL={url} {venv}/python {here}/../examples/handlers/handler.py'"}, 5_000),
    ("a program a job: `--exec '*=sh -c …'`", PYTHON | {
        "worker": RQ_RS + """--exec '*=sh -c "printf . >>$BENCH_TALLY"'"""}, 3_000),
    ("Python RQ 3.0.0, `rq worker` (fork a job)", PYTHON | {
        "worker": "{venv}/rq worker -q -u {url} default"}, 300),
]


def run_isolate(redis, put, rounds):
    rates = {}
    for r in range(1, rounds + 1):
        for way in WAYS if r % 2 else reversed(WAYS):
            name, spec, n = way
            peer = Peer({"id": "isolate"} | spec, redis)
            got = peer.drain(n)
            put(name, r, got)
            rates.setdefault(name, []).append((got["jobs_s"], got["worker_cpu_us_job"]))
    base = statistics.median(rate for rate, _ in rates[WAYS[-1][0]])
    lines = []
    for name, _, _ in WAYS:
        jobs, cpu = (statistics.median(x) for x in zip(*rates[name]))
        lines.append([name, number(jobs), number(1e6 / jobs), number(cpu), number(jobs / base, 1)])
    head = ["handlers run in", "jobs/s", "µs", "processor µs", "÷ RQ's default worker"]
    (HERE / "isolate.md").write_text(
        f"""# What isolation costs

Written by `just bench isolate`. No-op jobs, {SLOTS} slots on two cores, medians of {rounds} rounds in one run, every other one
backwards. *processor µs*: of the worker and all its processes, a job.

{where()}

{table(head, lines)}
"""
    )
