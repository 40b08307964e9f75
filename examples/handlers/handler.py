"""Runs Python functions for an rq-rs worker:

    rq-rs worker --dialect rq --exec-server '*=python handler.py'

is `rq worker` for an application that enqueues with Python RQ. A job names its function by a dotted path, as
in `app.tasks.send_mail`; it is imported from the current folder or from PYTHONPATH and called with the job's own arguments, pickled ones
included. What it returns is the result, what it raises fails the job with its traceback, what it prints is
kept with the job (`rq-rs job logs ID`). `rq.Retry` as a return value asks for another try, as in RQ.

One line of JSON comes in for each job, one goes out: {"id": …} with "ok", "data", or "error"
and "retry_in".
Python's standard library only.
"""

import base64
import functools
import importlib
import json
import os
import pickle
import sys
import traceback
import zlib


@functools.cache
def find(path):
    """The function or method of this dotted name; the longest part that is a module is imported."""
    parts = path.split(".")
    for n in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:n])
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            # Only a missing module continues the search; a module whose own import fails is an error.
            if error.name is None or not (name + ".").startswith(error.name + "."):
                raise
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    import builtins

    return getattr(builtins, path)


def call_of(job):
    """Function, arguments and keywords, as the enqueuing program meant them."""
    data = base64.b64decode(job["data"])
    try:
        data = zlib.decompress(data)
    except zlib.error:
        pass
    load = pickle.loads if job["serializer"] == "pickle" else json.loads
    name, instance, args, kwargs = load(data)
    if instance is not None:
        return getattr(instance, name), args, kwargs
    return find(name), args, kwargs


def run(job):
    function, args, kwargs = call_of(job)
    result = function(*args, **kwargs)
    kind = type(result)
    if kind.__name__ == "Retry" and kind.__module__.partition(".")[0] == "rq":
        is_last = job["attempt"] > result.max
        interval = result.intervals[0] if result.intervals else 0
        return {"error": "asked to be tried again", "retry_in": -1 if is_last else interval}
    if job["serializer"] == "pickle":
        return {"data": base64.b64encode(pickle.dumps(result)).decode()}
    return {"ok": result}


def answer(job):
    try:
        # A result that JSON cannot hold fails the job.
        return json.dumps({"id": job["id"]} | run(job), allow_nan=False)
    except Exception as error:
        return json.dumps({"id": job["id"], "error": told(error)[-64 * 1024 :]})


def told(error):
    """The traceback, from the job's own code on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    return text.encode("utf-8", "replace").decode()


def main():
    sys.path.insert(0, os.getcwd())
    # Answers have a descriptor of their own; output of functions and their children goes to the log.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    jobs = os.fdopen(os.dup(0), "r", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for line in jobs:
        text = answer(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        out.write(text + "\n")


if __name__ == "__main__":
    main()
