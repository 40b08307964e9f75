"""Part F: what one client without a queue library gets out of the same server."""

import json
import os
import subprocess

from harness import WORK, Window, wait_until_quiet


def raw(redis, *args, url=None):
    out = subprocess.run(
        [str(WORK / "rust" / "release" / "raw"), *map(str, args)],
        env=os.environ | {"REDIS_URL": url or redis.url}, stdout=subprocess.PIPE, timeout=300,
    )
    if out.returncode:
        raise RuntimeError(f"raw {args}")
    return json.loads(out.stdout) if out.stdout else None


def raw_run(redis, fill, args, n, url=None):
    redis.clean()
    raw(redis, fill, n)
    redis.call("CONFIG", "RESETSTAT")
    wait_until_quiet()
    window = Window(redis)
    out = raw(redis, *args, url=url)
    got = window.stop(out["cpu"])
    return {
        "n": out["n"], "jobs_s": out["n"] / out["secs"], "secs": out["secs"],
        "client_cores": out["cpu"] / out["secs"], "redis_cores": got["redis_cpu"] / got["secs"],
        "redis_cpu_us_job": got["redis_cpu"] / out["n"] * 1e6,
        "client_cpu_us_job": out["cpu"] / out["n"] * 1e6,
        "commands_job": sum(got["commands"].values()) / out["n"],
        "noise": got["noise"],
    }


def control(redis):
    """A short fixed piece of work between two peers: shows the machine's drift."""
    return raw_run(redis, "fill-list", ["poplrem", 1, 40000], 40000)


def raw_cases(redis):
    """(name, function)"""
    yield "BRPOPLPUSH + LREM a job", lambda: raw_run(redis, "fill-list", ["poplrem", 1, 100_000], 100_000)
    for batch, n in ((1, 60_000), (10, 200_000), (50, 300_000)):
        for clients in (1, 2):
            name = f"scripts of {batch}, {clients} client{'s' if clients > 1 else ''}"
            yield name, lambda b=batch, c=clients, n=n: raw_run(redis, "fill-hash", ["script", b, c], n)
