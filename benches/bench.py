#!/usr/bin/env python3
"""Measures rq-rs beside other Redis job queues. Python's standard library only.

    benches/bench.py all                 everything, then benches/results.md
    benches/bench.py run [ID ...]        A to E of these queues (see peers.toml)
    benches/bench.py raw                 F, the raw limit
    benches/bench.py own                 growth, start, slots: rq-rs alone
    benches/bench.py isolate             threads, work horses, servers, programs: benches/isolate.md
    benches/bench.py profile             slots only, then docs/performance.md and its plots
    benches/bench.py report              the tables once more, of what was measured last
Each measurement is one line of JSON in target/bench/results.jsonl; report.py makes tables of them.
"""

import argparse
import json
import signal
import sys
import time
import tomllib

import isolate
import own
import report
from harness import HERE, KEEPERS, TALLY_DIR, WORK, Peer, Redis, round_n, settle, start_keepers
from raw import control, raw_cases

DRAIN_SECS, ENQUEUE_SECS = 3.0, 1.5
OUT = WORK / "results.jsonl"


class Run:
    def __init__(self, server):
        self.server, self.redis = server, Redis(server)

    def put(self, peer, part, round_, got):
        row = {"peer": peer, "part": part, "server": self.server, "round": round_, "at": time.time(), **got}
        with OUT.open("a") as f:
            f.write(json.dumps(row) + "\n")
        short = {k: round(v, 2) for k, v in got.items() if isinstance(v, (int, float))}
        short |= {k: v for k, v in got.items() if k == "error"}
        print(f"{time.strftime('%T')} r{round_} {peer} {part} {short}", flush=True)

    def attempt(self, peer, part, round_, measure):
        try:
            got = settle(measure)
        except Exception as e:  # the other peers are measured all the same, and the table has a gap
            got = {"error": str(e)}
        self.put(peer, part, round_, got)
        return got

    def sizes(self, peer):
        """How many jobs make a drain and an enqueue run of the wanted length on this machine."""
        path = WORK / "sizes.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        if peer.id not in known:
            n = 300
            while True:
                rate = peer.drain(n)["jobs_s"]
                if n / rate > 1.0 or n >= 100_000:
                    break
                n = round_n(min(100_000, max(n * 2, rate * 2)))
            got = {"drain": round_n(rate * DRAIN_SECS)}
            got["single"] = round_n(peer.enqueue("single", 1000)["jobs_s"] * ENQUEUE_SECS)
            if peer.spec.get("bulk"):
                got["bulk"] = round_n(max(1000, peer.enqueue("bulk", 10_000)["jobs_s"] * ENQUEUE_SECS))
            known[peer.id] = got
            path.write_text(json.dumps(known, indent=1))
        return known[peer.id]

    def measure(self, spec, round_, is_first):
        peer = Peer(spec, self.redis)
        only = spec.get("only", "ABCD")
        n = self.sizes(peer)
        if "A" in only:
            self.attempt(peer.id, "A", round_, lambda: peer.drain(n["drain"]))
        if "B" in only and is_first:
            for mode in [m for m in ("single", "bulk") if m in n]:
                self.attempt(peer.id, f"B-{mode}", round_, lambda: peer.enqueue(mode, n[mode]))
        if "C" in only and spec.get("latency", True):
            self.attempt(peer.id, "C", round_, peer.latency)
        if "D" in only and round_ == 1:
            self.attempt(peer.id, "D-idle", round_, peer.idle_memory)
            if is_first:
                self.attempt(peer.id, "D-pending", round_, lambda: peer.pending_bytes(50_000))
                if spec.get("finished"):
                    self.attempt(peer.id, "D-finished", round_, lambda: peer.finished_bytes(min(20_000, n["drain"])))

    def peers(self, specs, rounds):
        for r in range(1, rounds + 1):
            seen = set()
            self.attempt("control", "control", r, lambda: control(self.redis))
            # Every other round backwards, so that nobody is always measured first.
            for spec in specs if r % 2 else reversed(specs):
                is_first = spec["family"] not in seen
                seen.add(spec["family"])
                try:
                    self.measure(spec, r, is_first)
                except Exception as e:
                    self.put(spec["id"], "sizes", r, {"error": str(e)})
                self.attempt("control", "control", r, lambda: control(self.redis))

    def raw(self, rounds):
        for r in range(1, rounds + 1):
            for name, measure in raw_cases(self.redis):
                self.attempt(name, "F", r, measure)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["all", "run", "raw", "own", "isolate", "profile", "report"])
    ap.add_argument("ids", nargs="*")
    ap.add_argument("--server", choices=["mem", "aof"], default="mem")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--no-keepers", action="store_true", help="see start_keepers() in harness.py")
    opt = ap.parse_intermixed_args()
    specs = tomllib.loads((HERE / "peers.toml").read_text())["peer"]
    unknown = set(opt.ids) - {s["id"] for s in specs}
    if unknown:
        sys.exit(f"bench.py: no queue is called {', '.join(sorted(unknown))}; see benches/peers.toml")
    specs = [s for s in specs if not opt.ids or s["id"] in opt.ids]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    WORK.mkdir(parents=True, exist_ok=True)
    if opt.what == "report":
        report.results(OUT, specs)
        return report.performance(OUT)
    if opt.what in ("all", "profile"):
        OUT.unlink(missing_ok=True)
    run = Run(opt.server)
    if not opt.no_keepers:
        KEEPERS.extend(start_keepers())
    put_own = lambda what, got: run.put("rq-rs", what, 1, got)
    try:
        if opt.what in ("all", "raw"):
            run.raw(opt.rounds)
        if opt.what in ("all", "run"):
            run.peers(specs, opt.rounds)
        if opt.what in ("all", "own"):
            own.run_own(run.redis, put_own)
        elif opt.what == "isolate":
            isolate.run_isolate(run.redis, lambda what, r, got: run.put(what, "isolate", r, got), opt.rounds)
        elif opt.what == "profile":
            own.slots(run.redis, put_own)
    finally:
        run.redis.stop()
        for k in KEEPERS:
            k.kill()
        for old in TALLY_DIR.glob("rq-rs-bench-*.tally"):
            old.unlink()
    if opt.what == "all":
        report.results(OUT, specs)
    if opt.what in ("all", "profile"):
        report.performance(OUT)


if __name__ == "__main__":
    main()
