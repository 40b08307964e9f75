"""What 200 slow clients of `worker --dashboard` cost: how soon /livez answers, and how fast the worker drains.

    python3 benches/dashboard.py [ROUNDS]

One Redis, one worker with 4 slots and a handler that adds two numbers (the example `misbehaving`), the same work each
time: without a dashboard, with one, and with one that 200 slow clients and a poller bother. The order within a round
is drawn by lot; medians are printed. The clients take processor too, from the same two cores.
"""

import http.client
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = 80_000
SLOW = 200


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slow(threading.Thread):
    """Clients that send a byte a second, and come again when they are shown out."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stop = port, threading.Event()

    def run(self):
        sockets = []
        while not self.stop.is_set():
            while len(sockets) < SLOW:
                try:
                    s = socket.create_connection(("127.0.0.1", self.port))
                except OSError:
                    return  # the worker has ended
                s.setblocking(False)
                sockets.append(s)
            for s in list(sockets):
                try:
                    s.send(b"G")
                except OSError:
                    s.close()
                    sockets.remove(s)
            self.stop.wait(1)
        for s in sockets:
            s.close()


class Poller(threading.Thread):
    """Asks /livez twenty times a second on a connection of its own each time."""

    def __init__(self, port, may_end):
        super().__init__(daemon=True)
        self.port, self.may_end, self.stop, self.took = port, may_end, threading.Event(), []

    def run(self):
        while not self.stop.is_set():
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/livez")
                assert connection.getresponse().status == 200
            except OSError:
                if self.may_end:
                    return  # the worker has
                raise
            finally:
                connection.close()
            self.took.append(time.perf_counter() - began)
            self.stop.wait(0.05)


def fill(redis, jobs):
    """As `enqueue` writes them, through redis-cli: it is the drain that is measured."""
    def words(*texts):
        return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(t), t) for t in texts)

    pipe = subprocess.Popen(["redis-cli", "-p", str(redis), "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    pipe.stdin.write(words(b"FLUSHALL") + words(b"SADD", b"rq-rs:queues", b"rq-rs:queue:default"))
    for n in range(jobs):
        job = b"job-%d" % n
        fields = (b"data", b'["add",null,[1,2],{}]', b"status", b"queued", b"origin", b"default", b"created_at", b"2026-11-26T12:00:00.000000Z")
        pipe.stdin.write(words(b"HSET", b"rq-rs:job:" + job, *fields) + words(b"LPUSH", b"rq-rs:queue:default", job))
    pipe.stdin.close()
    assert pipe.wait() == 0


def cpu():
    """Seconds of processor that children which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def drain(program, redis, kind):
    env = dict(os.environ, RQ_REDIS_URL=f"redis://127.0.0.1:{redis}")
    fill(redis, JOBS)
    port = free_port()
    words = [program, "worker", "--burst", "--quiet", "-c", "4"]
    if kind != "without":
        words += ["--dashboard", f"127.0.0.1:{port}"]
    helpers = []
    began, used = time.perf_counter(), cpu()
    worker = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL)
    if kind == "slow clients":
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.005)
        helpers = [Slow(port), Poller(port, True)]
        for helper in helpers:
            helper.start()
    assert worker.wait(120) == 0
    took = time.perf_counter() - began
    used = cpu() - used
    for helper in helpers:
        helper.stop.set()
        helper.join()
    return JOBS / took, used / JOBS * 1e6


def livez(program, redis):
    """On a worker that is busy with jobs of a millisecond for ten seconds."""
    env = dict(os.environ, RQ_REDIS_URL=f"redis://127.0.0.1:{redis}")
    fill(redis, 600_000)
    port = free_port()
    worker = subprocess.Popen(
        [program, "worker", "--quiet", "-c", "4", "--dashboard", f"127.0.0.1:{port}"], env=env, stderr=subprocess.DEVNULL
    )
    time.sleep(1)
    slow, poller = Slow(port), Poller(port, False)
    slow.start()
    time.sleep(1)
    poller.start()
    time.sleep(8)
    poller.stop.set()
    slow.stop.set()
    poller.join()
    worker.terminate()
    worker.wait()
    took = sorted(poller.took)
    return [1000 * x for x in (took[len(took) // 2], took[int(len(took) * 0.99)], took[-1])], len(took)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    subprocess.run(["cargo", "build", "--release", "--quiet", "--example", "misbehaving"], cwd=ROOT, check=True)
    program = os.path.join(ROOT, "target/release/examples/misbehaving")
    redis = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(["redis-server", "--port", str(redis), "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            rates = {"without": [], "with": [], "slow clients": []}
            for _ in range(rounds):
                for kind in random.sample(list(rates), len(rates)):
                    rates[kind].append(drain(program, redis, kind))
            for kind, found in rates.items():
                jobs, micros = (statistics.median(one) for one in zip(*found))
                ratio = statistics.median(a[0] / b[0] for a, b in zip(found, rates["without"]))
                print(f"{kind:14}{jobs:10,.0f} jobs/s {ratio:6.2f} of without, same round; {micros:5.1f} us of processor a job")
            (p50, p99, most), n = livez(program, redis)
            print(f"/livez beside {SLOW} slow clients and a busy worker: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.1f} ms of {n}")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
