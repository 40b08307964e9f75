"""What bench.py measures with: a private Redis, who used the processors, and a peer's processes."""

import json
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("WORK", HERE.parent / "target" / "bench")).resolve()
TALLY_DIR = Path("/dev/shm") if Path("/dev/shm").is_dir() else WORK
HZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NOISE = 0.15  # more than so many cores used by others meanwhile: measured again
KEEPERS = []


# ---- Redis ------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    """One private server: `mem` writes nothing to disk, `aof` appends and syncs every second."""

    def __init__(self, kind):
        self.kind, self.port = kind, free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        folder = WORK / f"redis-{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.rglob("*.aof*"):
            old.unlink()
        self.sock = folder / "redis.sock"
        aof = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"]
        self.proc = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
            + (aof if kind == "aof" else ["--appendonly", "no"])
            + ["--dir", str(folder), "--unixsocket", str(self.sock), "--daemonize", "no"],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(100):
            try:
                self.con = socket.create_connection(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.05)
        self.file = self.con.makefile("rb")
        assert int(self.info()["process_id"]) == self.proc.pid, "another server has the port"

    def call(self, *args):
        out = b"*%d\r\n" % len(args)
        for a in args:
            a = str(a).encode()
            out += b"$%d\r\n%s\r\n" % (len(a), a)
        self.con.sendall(out)
        return self._read()

    def _read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def info(self):
        text = self.call("INFO", "everything").decode()
        return dict(l.split(":", 1) for l in text.splitlines() if ":" in l)

    def clean(self):
        self.call("FLUSHALL")
        if self.kind == "aof":
            self.call("BGREWRITEAOF")
            while self.info()["aof_rewrite_in_progress"] != "0":
                time.sleep(0.05)
        self.call("CONFIG", "RESETSTAT")

    def stop(self):
        self.proc.terminate()
        self.proc.wait()


def redis_cpu(info):
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def redis_calls(info):
    """Commands by name, and their sum without the harness's own INFO and CONFIG."""
    calls = {}
    for k, v in info.items():
        if k.startswith("cmdstat_"):
            calls[k[8:]] = int(v.split("calls=")[1].split(",")[0])
    ours = ("info", "config|resetstat", "config|get", "flushall", "bgrewriteaof")
    return {k: v for k, v in calls.items() if k not in ours}


# ---- processes --------------------------------------------------------------------------------


def tree(pid):
    """pid and all its descendants: [pid, ...]"""
    children = {}
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                ppid = int(Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(ppid, []).append(int(p))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children.get(p, [])
    return found


def tree_cpu(pid):
    total = 0
    for p in tree(pid):
        try:
            f = Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(x) for x in f[11:15])  # own and reaped children's, user and system
    return total / HZ


def tree_memory(pid):
    rss = pss = count = 0
    for p in tree(pid):
        try:
            text = Path(f"/proc/{p}/smaps_rollup").read_text()
        except OSError:
            continue
        got = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.M))
        if got:
            rss, pss, count = rss + int(got["Rss"]), pss + int(got["Pss"]), count + 1
    return {"rss_mib": rss / 1024, "pss_mib": pss / 1024, "processes": count}


def machine_cpu():
    """CPU seconds so far: all but idle, those at low priority (nice), those the host took."""
    f = [int(x) / HZ for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return {"busy": sum(f[:3]) + sum(f[5:7]), "nice": f[1], "steal": f[7]}


def rivals():
    """CPU seconds so far of every process at normal priority that is not this harness's: {pid: s}"""
    mine, found = set(tree(os.getpid())), {}
    for p in os.listdir("/proc"):
        if p.isdigit() and int(p) not in mine:
            try:
                f = Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(f[16]) < 5 and f[1] != "2":
                found[int(p)] = sum(int(x) for x in f[11:13]) / HZ
    return found


class Window:
    """CPU seconds by whom between start and stop: Redis, the worker's processes, everyone else."""

    def __init__(self, redis, pid=None):
        self.redis, self.pid, self.rivals = redis, pid, rivals()
        self.keepers = sum(tree_cpu(k.pid) for k in KEEPERS)
        self.t, self.machine = time.monotonic(), machine_cpu()
        self.info = redis.info()
        self.worker = tree_cpu(pid) if pid else 0.0

    def stop(self, extra_cpu=0.0):
        info, secs = self.redis.info(), time.monotonic() - self.t
        worker = (tree_cpu(self.pid) - self.worker if self.pid else 0.0) + extra_cpu
        machine = {k: (v - self.machine[k]) / secs for k, v in machine_cpu().items()}
        keepers = sum(tree_cpu(k.pid) for k in KEEPERS) - self.keepers
        others = sum(v - self.rivals[p] for p, v in rivals().items() if p in self.rivals)
        before, calls = redis_calls(self.info), redis_calls(info)
        calls = {k: v - before.get(k, 0) for k, v in calls.items()}
        return {
            "secs": secs,
            "redis_cpu": redis_cpu(info) - redis_cpu(self.info),
            "worker_cpu": worker,
            "commands": {k: v for k, v in sorted(calls.items()) if v},
            "net_in": int(info["total_net_input_bytes"]) - int(self.info["total_net_input_bytes"]),
            "net_out": int(info["total_net_output_bytes"]) - int(self.info["total_net_output_bytes"]),
            # rivals: others' cores at normal priority; niced: at low priority; stolen: by the host
            "noise": {
                "rivals": others / secs,
                "niced": max(0.0, machine["nice"] - keepers / secs),
                "stolen": machine["steal"],
            },
        }


def wait_until_quiet():
    """Others share the machine: waits up to 40 s while somebody computes at normal priority."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        others, t = rivals(), time.monotonic()
        time.sleep(0.4)
        used = sum(v - others[p] for p, v in rivals().items() if p in others)
        if used / (time.monotonic() - t) < 0.1:
            return


def start_keepers():
    """One endless loop a core in SCHED_IDLE: it runs only where nothing else wants to, so the
    virtual CPUs never halt. Without it a wake-up costs a trip through the hypervisor, and the
    results follow the load of the host's other guests."""

    def idle():
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    loop = [sys.executable, "-c", "while True: pass"]
    return [subprocess.Popen(loop, preexec_fn=idle) for _ in range(os.cpu_count())]


def cpu_speed():
    """Millions of additions a second in one Python loop: how fast a core is just now."""
    best = 0.0
    for _ in range(3):
        t, x = time.perf_counter(), 0
        for i in range(100_000):
            x += i
        best = max(best, 0.1 / (time.perf_counter() - t))
    return best


# ---- a peer -----------------------------------------------------------------------------------


class Peer:
    def __init__(self, spec, redis):
        self.spec, self.redis, self.id = spec, redis, spec["id"]
        self.tally = TALLY_DIR / f"rq-rs-bench-{os.getpid()}.tally"
        self.log = WORK / "logs" / f"{self.id}.log"
        self.log.parent.mkdir(exist_ok=True)

    def env(self, mode):
        return os.environ | {
            "REDIS_URL": self.redis.url,
            "BENCH_TALLY": str(self.tally),
            "BENCH_MODE": mode,
            **self.spec.get("env", {}),
        }

    def command(self, key):
        venv = WORK / "venvs" / self.spec.get("venv", "") / "bin"
        rust = WORK / "rust" / "release"
        return shlex.split(self.spec[key].format(venv=venv, rust=rust, url=self.redis.url, here=HERE, work=WORK))

    def produce(self, *args):
        out = subprocess.run(
            self.command("produce") + [str(a) for a in args],
            cwd=self.spec["dir"].format(work=WORK, here=HERE), env=self.env("drain"),
            stdout=subprocess.PIPE, stderr=self.log.open("ab"), timeout=600,
        )
        if out.returncode:
            raise RuntimeError(f"{self.id}: producer failed, see its log")
        return json.loads(out.stdout.splitlines()[-1])

    def start(self, mode):
        self.tally.write_bytes(b"")
        self.proc = subprocess.Popen(
            self.command("worker"), cwd=self.spec["dir"].format(work=WORK, here=HERE), env=self.env(mode),
            stdin=subprocess.DEVNULL, stdout=self.log.open("ab"), stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self.proc.pid

    def stop(self):
        """Ends the worker's own session, which start() made."""
        for sig, patience in ((signal.SIGTERM, 4), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.proc.pid, sig)
                self.proc.wait(patience)
            except (subprocess.TimeoutExpired, ProcessLookupError):
                pass
            end = time.monotonic() + patience
            while time.monotonic() < end:
                try:
                    os.killpg(self.proc.pid, 0)
                except ProcessLookupError:
                    return
                time.sleep(0.02)

    def done(self):
        return self.tally.stat().st_size

    def lines(self):
        return self.tally.read_bytes().count(b"\n")

    def until(self, test, limit, every):
        end = time.monotonic() + limit
        while not test():
            if self.proc.poll() is not None:
                raise RuntimeError(f"{self.id}: the worker ended ({self.proc.returncode}), see its log")
            if time.monotonic() > end:
                raise RuntimeError(f"{self.id}: not done within {limit:.0f} s (tally {self.done()})")
            time.sleep(every)

    # A and E
    def drain(self, n, limit=150):
        most = self.spec.get("max_backlog", n)
        if n <= most:
            return self.drain_once(n, limit)
        runs = [self.drain_once(most, limit) for _ in range(min(6, -(-n // most)))]
        got = dict(runs[-1])
        for k, v in got.items():
            if isinstance(v, (int, float)):
                got[k] = statistics.fmean(r[k] for r in runs)
        got["noise"] = {k: max(r["noise"][k] for r in runs) for k in got["noise"]}
        return got | {"n": most * len(runs), "drains": len(runs)}

    def drain_once(self, n, limit):
        self.redis.clean()
        fill = self.produce("fill", n)
        assert fill["n"] == n
        self.redis.call("CONFIG", "RESETSTAT")
        wait_until_quiet()
        t0 = time.monotonic()
        window = Window(self.redis)
        pid = self.start("drain")
        try:
            window.pid = pid
            self.until(lambda: self.done() > 0, 60, 0.001)
            t1, first = time.monotonic(), self.done()
            self.until(lambda: self.done() >= n, limit, 0.001 if n < 10_000 else 0.004)
            t2, done = time.monotonic(), self.done()
            got = window.stop()
            memory = tree_memory(pid)
            time.sleep(0.3)
            extra = self.done() - n
        finally:
            self.stop()
        secs = t2 - t1
        return {
            "n": n,
            "jobs_s": (done - first) / secs,
            "jobs_s_from_start": n / (t2 - t0),
            "secs": secs,
            "startup_secs": t1 - t0,
            "run_again": extra,
            "commands_job": sum(got["commands"].values()) / n,
            "redis_cpu_us_job": got["redis_cpu"] / n * 1e6,
            "worker_cpu_us_job": got["worker_cpu"] / n * 1e6,
            "redis_cores": got["redis_cpu"] / (t2 - t0),
            "worker_cores": got["worker_cpu"] / (t2 - t0),
            "net_in_job": got["net_in"] / n,
            "net_out_job": got["net_out"] / n,
            "commands": got["commands"],
            "noise": got["noise"],
            "after": memory,
        }

    # B
    def enqueue(self, mode, n):
        self.redis.clean()
        wait_until_quiet()
        window = Window(self.redis)
        out = self.produce(mode, n)
        got = window.stop(out["cpu"])
        return {
            "n": n,
            "jobs_s": n / out["secs"],
            "secs": out["secs"],
            "producer_cpu_us_job": out["cpu"] / n * 1e6,
            "redis_cpu_us_job": got["redis_cpu"] / n * 1e6,
            "commands_job": sum(got["commands"].values()) / n,
            "noise": got["noise"],
        }

    # C
    def latency(self, samples=200):
        gap = self.spec.get("gap_ms", 20)
        self.redis.clean()
        self.start("latency")
        try:
            time.sleep(1.0)
            self.produce("lat", 20, gap)
            self.until(lambda: self.lines() >= 20, 60, 0.05)
            time.sleep(1.0)
            self.tally.write_bytes(b"")
            wait_until_quiet()
            window = Window(self.redis, self.proc.pid)
            self.produce("lat", samples, gap)
            self.until(lambda: self.lines() >= samples, 60, 0.05)
            got = window.stop()
        finally:
            self.stop()
        pairs = [l.split() for l in self.tally.read_text().splitlines()]
        us = sorted((int(b) - int(a)) / 1000 for a, b in pairs)[:samples]
        pick = lambda q: us[min(len(us) - 1, int(q * len(us)))]
        return {
            "samples": len(us), "p50_us": pick(0.5), "p90_us": pick(0.9), "p99_us": pick(0.99),
            "max_us": us[-1], "mean_us": statistics.fmean(us), "noise": got["noise"],
        }

    # D
    def idle_memory(self):
        self.redis.clean()
        pid = self.start("drain")
        try:
            time.sleep(3.0)
            window = Window(self.redis, pid)
            time.sleep(3.0)
            got = window.stop()
            memory = tree_memory(pid)
        finally:
            self.stop()
        return memory | {
            "idle_worker_cores": got["worker_cpu"] / got["secs"],
            "idle_commands_s": sum(got["commands"].values()) / got["secs"],
        }

    def rate_of(self, n):
        """Jobs a second over the first n that a worker drains of a queue that is filled already."""
        self.start("drain")
        try:
            self.until(lambda: self.done() > 0, 60, 0.0005)
            t, first = time.monotonic(), self.done()
            self.until(lambda: self.done() >= n, 150, 0.0005)
            return (self.done() - first) / (time.monotonic() - t)
        finally:
            self.stop()

    def finished_bytes(self, n):
        """Of a job that has ended, while its result is kept; without what an empty server takes."""
        self.redis.clean()
        before = int(self.redis.info()["used_memory"])
        self.produce("fill", n)
        self.start("drain")
        try:
            self.until(lambda: self.done() >= n, 300, 0.01)
            time.sleep(0.5)
            return {"n": n, "bytes_job": (int(self.redis.info()["used_memory"]) - before) / n}
        finally:
            self.stop()

    def pending_bytes(self, n):
        self.redis.clean()
        before = int(self.redis.info()["used_memory"])
        self.produce("fill", n)
        time.sleep(0.2)
        return {"n": n, "bytes_job": (int(self.redis.info()["used_memory"]) - before) / n}


# ---- measurements that others disturb ---------------------------------------------------------


def noise(got):
    return got["noise"]["rivals"] if "noise" in got else 0.0


def settle(measure, tries=3):
    """Takes a measurement again while others disturbed it; answers the quietest of the tries."""
    best = None
    for _ in range(tries):
        speed = cpu_speed()
        got = measure()
        got["cpu_speed"] = (speed + cpu_speed()) / 2
        if best is None or noise(got) < noise(best):
            best = got
        if noise(got) <= NOISE:
            break
    return best


def round_n(x):
    digits = 10 ** max(0, len(str(int(x))) - 2)
    return max(100, int(x) // digits * digits)
