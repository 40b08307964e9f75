"""Controls Python RQ for the tests in Rust:

    python drive.py REDIS_URL COMMAND [JSON]

REDIS_URL is redis://... or unix:///path/to/socket. JSON is one object (default {}). Prints one JSON document
and exits 0, or prints an error on stderr and exits 1. rq 3 uses RQ_KEY_PREFIX of the environment; with rq 2 it is
refused. Works with rq 3.0.0 and rq 2.10.

"serializer" is "pickle" (default) or "json" in every command that has it.

  versions        {}                       -> {rq, redis, python}
  enqueue         {queue, serializer, many: bool, jobs: [{func, args, kwargs, samples, id, at_front, timeout,
                  ttl, result_ttl, failure_ttl, meta, description, retry: {max, interval}, repeat: {times, interval}, unique, depends_on,
                  allow_failure, in, rate_limit: {key, concurrency}}]}     -> {ids}
                  samples: one name or a list of names of tasks.SAMPLES, appended to args.
                  depends_on: one id or a list; in: seconds from now (scheduled). Not with many: unique, in.
  enqueue_samples {queue, func, serializer, names}  -> {name: id}; one job per sample, given as its argument.
                  names: only these. With "json" only the samples that survive JSON unchanged.
  samples         {serializer}             -> [names]
  job             {id, serializer}         -> see job(); {exists: false} when there is none
  values          {ids, serializer}        -> [{id, status, value: repr}]; status null when there is no such job
  check_samples   {serializer, results: {name: id}}  -> {wrong: [{name, id, why}], reordered: [names], shared: {name: bool}}
                  reordered: equal, but the keys of a dict came back in another order
                  shared: whether both items of the list are one object, as they were (never with JSON)
  work            {queues, serializer, name, burst, max_jobs, max_idle_time, with_scheduler} -> {done, worked}
  registries      {queue}                  -> {queued, intermediate, started, finished, failed, deferred,
                  scheduled, canceled: [ids], executions: [[job, execution]]}, without RQ's cleanup
  requeue, cancel, delete  {id, serializer}   -> {status}; cancel takes enqueue_dependents
  half_release    {id, serializer}         -> {}; does only the first of the two steps in which RQ releases
                  the dependents of a finished job
  stop            {id, serializer}         -> {worker}
  kill_horse, shutdown     {worker}        -> {}
  publish         {worker, raw}            -> {receivers}
  suspend         {ttl}, resume {}         -> {suspended}
  workers         {}                       -> [worker, as RQ reads its record]
  info            {args: [text]}           -> {code, stdout, stderr} of `rq info`
  dump            {}                       -> {key: {type, ttl, value, decoded}}
"""

import base64
import binascii
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zlib
from collections import OrderedDict
from datetime import datetime, timedelta, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
warnings.simplefilter('ignore')
sys.dont_write_bytecode = True

import redis  # noqa: E402
import rq  # noqa: E402
from rq import Queue, Repeat, Retry, Worker, suspension  # noqa: E402
from rq.command import (  # noqa: E402
    PUBSUB_CHANNEL_TEMPLATE,
    send_kill_horse_command,
    send_shutdown_command,
    send_stop_job_command,
)
from rq.exceptions import NoSuchJobError  # noqa: E402
from rq.job import Dependency, Job  # noqa: E402
from rq.registry import (  # noqa: E402
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import DefaultSerializer, JSONSerializer  # noqa: E402

from tasks import SAMPLES  # noqa: E402

COMMANDS = {}


class UsageError(Exception):
    pass


def command(function):
    COMMANDS[function.__name__] = function
    return function


def serializer(args):
    name = args.get('serializer') or 'pickle'
    if name not in ('pickle', 'json'):
        raise UsageError(f'serializer is "pickle" or "json", not {name!r}')
    return JSONSerializer if name == 'json' else DefaultSerializer


def fetch(conn, args, job_id=None):
    return Job.fetch(job_id or args['id'], connection=conn, serializer=serializer(args))


def iso(moment):
    return moment.isoformat() if moment else None


def status_of(job):
    status = job.get_status()
    return getattr(status, 'value', status)


def printable(value):
    """Bytes as text, or {"b64": ...} when they are not printable UTF-8."""
    try:
        text = value.decode('utf-8')
    except UnicodeDecodeError:
        text = None
    if text is None or not all(c.isprintable() or c in '\n\r\t' for c in text):
        return {'b64': base64.b64encode(value).decode()}
    return text


# ------------------------------------------------------------------------------------------ enqueueing


def options(entry):
    """The keyword arguments that prepare_data() and enqueue_call() have in common."""
    out = {
        'args': tuple(entry.get('args') or ()),
        'kwargs': entry.get('kwargs') or {},
        'job_id': entry.get('id'),
        'at_front': bool(entry.get('at_front')),
        'timeout': entry.get('timeout'),
        'ttl': entry.get('ttl'),
        'result_ttl': entry.get('result_ttl'),
        'failure_ttl': entry.get('failure_ttl'),
        'meta': entry.get('meta'),
        'description': entry.get('description'),
    }
    samples = entry.get('samples') or []
    for name in [samples] if isinstance(samples, str) else samples:
        out['args'] += (SAMPLES[name],)
    if entry.get('retry'):
        out['retry'] = Retry(max=entry['retry']['max'], interval=entry['retry'].get('interval', 0))
    if entry.get('repeat'):
        out['repeat'] = Repeat(times=entry['repeat']['times'], interval=entry['repeat'].get('interval', 0))
    if entry.get('rate_limit'):
        # Only rq 3 has rate limits.
        from rq.rate_limit import RateLimit

        out['rate_limit'] = RateLimit(entry['rate_limit']['key'], entry['rate_limit']['concurrency'])
    parents = entry.get('depends_on')
    if parents:
        parents = [parents] if isinstance(parents, str) else parents
        out['depends_on'] = Dependency(jobs=parents, allow_failure=bool(entry.get('allow_failure')))
    return out


@command
def enqueue(conn, args):
    queue = Queue(args.get('queue', 'default'), connection=conn, serializer=serializer(args))
    entries = args['jobs']
    if args.get('many'):
        datas = []
        for entry in entries:
            if entry.get('unique') or entry.get('in'):
                raise UsageError('enqueue_many has neither unique nor in')
            datas.append(Queue.prepare_data(entry['func'], **options(entry)))
        return {'ids': [job.id for job in queue.enqueue_many(datas)]}
    ids = []
    for entry in entries:
        keywords = options(entry)
        keywords['job_timeout'] = keywords.pop('timeout')
        if entry.get('unique'):
            keywords['unique'] = True
        if entry.get('in') is not None:
            due = datetime.now(timezone.utc) + timedelta(seconds=entry['in'])
            ids.append(queue.enqueue_at(due, entry['func'], **keywords).id)
        else:
            ids.append(queue.enqueue(entry['func'], **keywords).id)
    return {'ids': ids}


def names_for(args):
    if serializer(args) is JSONSerializer:
        return [name for name in SAMPLES if survives_json(SAMPLES[name])]
    return list(SAMPLES)


def survives_json(value):
    try:
        return difference(value, json.loads(json.dumps(value, allow_nan=False))) is None
    except (TypeError, ValueError):
        return False


@command
def samples(conn, args):
    return names_for(args)


@command
def enqueue_samples(conn, args):
    queue = Queue(args.get('queue', 'default'), connection=conn, serializer=serializer(args))
    names = args.get('names') or names_for(args)
    return {name: queue.enqueue(args['func'], args=(SAMPLES[name],)).id for name in names}


# ------------------------------------------------------------------------------------------ comparing


def difference(want, got, path='value', ordered=False):
    """Returns None when both are equal in value and type at every depth, else a text that says where they differ.
    The order of a plain dict's keys counts only when `ordered`."""
    if type(want) is not type(got):
        return f'{path}: {type(want).__name__} expected, got {type(got).__name__} {shorten(got)}'
    if isinstance(want, float):
        same = struct.pack('>d', want) == struct.pack('>d', got) or (math.isnan(want) and math.isnan(got))
        return None if same else f'{path}: {want!r} expected, got {got!r}'
    if isinstance(want, (list, tuple)):
        if len(want) != len(got):
            return f'{path}: {len(want)} items expected, got {len(got)}'
        for index, pair in enumerate(zip(want, got)):
            why = difference(*pair, path=f'{path}[{index}]', ordered=ordered)
            if why:
                return why
        return None
    if isinstance(want, (set, frozenset)):
        return None if identities(want) == identities(got) else f'{path}: {shorten(want)} expected, got {shorten(got)}'
    if isinstance(want, dict):
        keys = list if ordered or isinstance(want, OrderedDict) else sorted
        if keys(identity(key) for key in want) != keys(identity(key) for key in got):
            return f'{path}: keys {shorten(list(want))} expected, got {shorten(list(got))}'
        for key, left in want.items():
            why = difference(left, got[key], path=f'{path}[{key!r}]', ordered=ordered)
            if why:
                return why
        return None
    if want != got or repr(want) != repr(got):
        return f'{path}: {shorten(want)} expected, got {shorten(got)}'
    return None


def identity(value):
    """A text that identifies a hashable value together with all types in it."""
    if isinstance(value, tuple):
        return f'({", ".join(identity(item) for item in value)})'
    if isinstance(value, frozenset):
        return f'{{{", ".join(identities(value))}}}'
    return f'{type(value).__name__}:{value!r}'


def identities(values):
    return sorted(identity(value) for value in values)


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + '...'


@command
def check_samples(conn, args):
    wrong, reordered, shared = [], [], {}
    for name, job_id in args['results'].items():
        try:
            job = fetch(conn, args, job_id)
            result = job.latest_result()
            if result is None or result.type is not result.Type.SUCCESSFUL:
                why = f'no successful result; status {status_of(job)}'
            else:
                value = job.return_value()
                why = difference(SAMPLES[name], value)
                if not why and difference(SAMPLES[name], value, ordered=True):
                    reordered.append(name)
                if name == 'shared' and not why:
                    shared[name] = value[0] is value[1]
        except Exception as error:
            why = f'{type(error).__name__}: {error}'
        if why:
            wrong.append({'name': name, 'id': job_id, 'why': why})
    return {'wrong': wrong, 'reordered': reordered, 'shared': shared}


# ------------------------------------------------------------------------------------------ reading jobs


@command
def job(conn, args):
    try:
        job = fetch(conn, args)
    except NoSuchJobError:
        return {'exists': False}
    results = job.results()
    names = [result.type.name for result in results]
    latest = job.latest_result()
    value = job.return_value()
    out = {
        'exists': True,
        'id': job.id,
        'status': status_of(job),
        'result': repr(value),
        'exc_info': latest.exc_string if latest else None,
        'meta': repr(job.meta),
        'worker_name': job.worker_name,
        'origin': job.origin,
        'description': job.description,
        'retries_left': job.retries_left,
        'retry_intervals': job.retry_intervals,
        'timeout': job.timeout,
        'ttl': job.ttl,
        'result_ttl': job.result_ttl,
        'failure_ttl': job.failure_ttl,
        'created_at': iso(job.created_at),
        'enqueued_at': iso(job.enqueued_at),
        'started_at': iso(job.started_at),
        'ended_at': iso(job.ended_at),
        'last_heartbeat': iso(job.last_heartbeat),
        'dependency_ids': list(job._dependency_ids),
        # newest first
        'results': names,
        'result_counts': {name: names.count(name) for name in names},
        'key_ttl': conn.ttl(job.key),
    }
    try:
        out['return_value'] = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        pass
    try:
        out.update(func=job.func_name, args=repr(job.args), kwargs=repr(job.kwargs), call=job.get_call_string())
    except Exception as error:
        out['call_error'] = f'{type(error).__name__}: {error}'
    return out


@command
def values(conn, args):
    out = []
    for job_id in args['ids']:
        try:
            job = fetch(conn, args, job_id)
            out.append({'id': job_id, 'status': status_of(job), 'value': repr(job.return_value())})
        except NoSuchJobError:
            out.append({'id': job_id, 'status': None, 'value': None})
    return out


@command
def registries(conn, args):
    queue = Queue(args.get('queue', 'default'), connection=conn)
    kinds = {
        'started': StartedJobRegistry,
        'finished': FinishedJobRegistry,
        'failed': FailedJobRegistry,
        'deferred': DeferredJobRegistry,
        'scheduled': ScheduledJobRegistry,
        'canceled': CanceledJobRegistry,
    }
    out = {name: kind(queue=queue).get_job_ids(cleanup=False) for name, kind in kinds.items()}
    out['queued'] = queue.get_job_ids()
    out['intermediate'] = [item.decode() for item in conn.lrange(queue.key + ':intermediate', 0, -1)]
    members = conn.zrange(StartedJobRegistry(queue=queue).key, 0, -1)
    out['executions'] = [member.decode().split(':', 1) for member in members]
    return out


# ------------------------------------------------------------------------------------------ workers, control


@command
def work(conn, args):
    queues = args.get('queues') or ['default']
    worker = Worker(queues, name=args.get('name'), connection=conn, serializer=serializer(args))
    worked = worker.work(
        burst=args.get('burst', True),
        logging_level=args.get('logging_level', 'WARNING'),
        max_jobs=args.get('max_jobs'),
        max_idle_time=args.get('max_idle_time'),
        with_scheduler=bool(args.get('with_scheduler')),
    )
    return {'done': True, 'worked': bool(worked)}


@command
def requeue(conn, args):
    job = fetch(conn, args)
    job.requeue()
    return {'status': status_of(job)}


@command
def cancel(conn, args):
    job = fetch(conn, args)
    job.cancel(enqueue_dependents=bool(args.get('enqueue_dependents')))
    return {'status': status_of(job)}


@command
def delete(conn, args):
    job = fetch(conn, args)
    job.delete()
    return {'status': 'deleted'}


@command
def half_release(conn, args):
    parent = fetch(conn, args)
    parent.set_status('finished')
    queue = Queue(parent.origin, connection=conn, serializer=serializer(args))
    queue.move_dependents_to_ready(parent)
    return {}


@command
def stop(conn, args):
    name = fetch(conn, args).worker_name
    send_stop_job_command(conn, args['id'], serializer=serializer(args))
    return {'worker': name}


@command
def kill_horse(conn, args):
    send_kill_horse_command(conn, args['worker'])
    return {}


@command
def shutdown(conn, args):
    send_shutdown_command(conn, args['worker'])
    return {}


@command
def publish(conn, args):
    return {'receivers': conn.publish(PUBSUB_CHANNEL_TEMPLATE % args['worker'], args['raw'])}


@command
def suspend(conn, args):
    suspension.suspend(conn, args.get('ttl'))
    return {'suspended': bool(suspension.is_suspended(conn))}


@command
def resume(conn, args):
    suspension.resume(conn)
    return {'suspended': bool(suspension.is_suspended(conn))}


@command
def workers(conn, args):
    out = []
    for worker in Worker.all(connection=conn):
        state = worker.get_state()
        out.append(
            {
                'name': worker.name,
                'state': getattr(state, 'value', state),
                'queues': worker.queue_names(),
                'pid': worker.pid,
                'hostname': worker.hostname,
                'ip_address': worker.ip_address,
                'version': worker.version,
                'python_version': worker.python_version,
                'successful_job_count': worker.successful_job_count,
                'failed_job_count': worker.failed_job_count,
                'total_working_time': worker.total_working_time,
                'birth_date': iso(worker.birth_date),
                'last_heartbeat': iso(worker.last_heartbeat),
                'current_job': worker.get_current_job_id(),
                'ttl': conn.ttl(worker.key),
            }
        )
    return sorted(out, key=lambda worker: worker['name'])


def rq_info(url, args=()):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'rq.cli', 'info', '-u', url, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
    )


@command
def info(conn, args):
    done = rq_info(args['url'], args.get('args') or ())
    return {
        'code': done.returncode,
        'stdout': done.stdout.decode(errors='replace'),
        'stderr': done.stderr.decode(errors='replace'),
    }


@command
def versions(conn, args):
    return {'rq': rq.__version__, 'redis': redis.__version__, 'python': '.'.join(map(str, sys.version_info[:3]))}


# ------------------------------------------------------------------------------------------ dump


@command
def acquire_locks(conn, args):
    from rq.scheduler import RQScheduler

    scheduler = RQScheduler([Queue('default', connection=conn)], connection=conn)
    pid = Queue('default', connection=conn).scheduler_pid
    got = list(scheduler.acquire_locks())
    if got:
        scheduler.release_locks()
    return {'got': got, 'pid': pid}


@command
def cron_schedulers(conn, args):
    from rq.cron import CronScheduler

    return [
        {
            'name': scheduler.name,
            'config_file': scheduler.config_file,
            'jobs': [
                job.to_dict() | {'args': list(job.args), 'kwargs': job.kwargs, 'ids': job.get_job_ids(conn)}
                for job in scheduler.get_jobs()
            ],
        }
        for scheduler in CronScheduler.all(conn)
    ]


@command
def register_cron(conn, args):
    from rq.cron import CronScheduler
    import tasks

    scheduler = CronScheduler(conn, name='python')
    scheduler.register(tasks.add, 'default', args=(1, 2), interval=3600, name='sum')
    scheduler.register(tasks.add, 'low', kwargs={'a': 1, 'b': 2}, cron='0 3 * * *')
    scheduler.register_birth()
    jobs = scheduler.enqueue_jobs()
    scheduler.save()
    return [job.name for job in jobs]


@command
def retry_intervals(conn, args):
    """{cases: [[max, intervals]]} -> the delays before each retry."""
    found = []
    for max_retries, intervals in args['cases']:
        job = Job.create('tasks.add', connection=conn)
        job.retry_intervals = intervals
        delays = []
        for left in range(max_retries, 0, -1):
            job.retries_left = left
            delays.append(job.get_retry_interval())
        found.append(delays)
    return found


@command
def parse_metrics(conn, args):
    """{text} -> {family: [type, samples]}, read by Prometheus' own parser."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        family.name: [family.type, [[s.name, s.labels, s.value] for s in family.samples]]
        for family in text_string_to_metric_families(args['text'])
    }


@command
def croniter(conn, args):
    """{cases: [[expression, moment]]} -> the next five moments each, or the error, in UTC."""
    from croniter import croniter as schedule_of

    found = []
    for expression, moment in args['cases']:
        try:
            schedule = schedule_of(expression, moment)
            found.append([int(schedule.get_next(float)) for _ in range(5)])
        except Exception as error:
            found.append(str(error))
    return found


def decoded(raw):
    """Decodes serialized bytes: {"format": e.g. "base64+zlib+pickle", "repr": ...}."""
    layers = []
    try:
        blob = base64.b64decode(raw, validate=True)
        # Plain text can look like base64; only zlib, pickle and JSON inside count.
        if blob and (blob[:1] in b'\x78\x80' or is_json(blob)) and not is_json(raw):
            layers.append('base64')
            raw = blob
    except (binascii.Error, ValueError):
        pass
    if raw[:1] == b'\x78':
        try:
            raw = zlib.decompress(raw)
            layers.append('zlib')
        except zlib.error:
            pass
    if raw[:1] == b'\x80' and raw[-1:] == b'.':
        try:
            return {'format': '+'.join([*layers, 'pickle']), 'repr': repr(pickle.loads(raw))}
        except Exception as error:
            return {'format': '+'.join([*layers, 'pickle']), 'error': f'{type(error).__name__}: {error}'}
    try:
        return {'format': '+'.join([*layers, 'json']), 'repr': repr(json.loads(raw))}
    except (ValueError, UnicodeDecodeError):
        pass
    try:
        return {'format': '+'.join([*layers, 'text']), 'repr': repr(raw.decode('utf-8'))}
    except UnicodeDecodeError:
        return {'format': '+'.join([*layers, 'bytes']), 'repr': repr(raw)}


def is_json(raw):
    try:
        json.loads(raw)
        return True
    except (ValueError, UnicodeDecodeError):
        return False


SERIALIZED = ('data', 'meta', 'result', 'exc_info', 'return_value', 'exc_string')


def name_of(raw):
    return raw.decode('utf-8', 'backslashreplace')


def fields_of(fields):
    text = {name_of(field): printable(value) for field, value in fields.items()}
    known = {name_of(field): decoded(value) for field, value in fields.items() if name_of(field) in SERIALIZED}
    return text, known


@command
def dump(conn, args):
    keys = {}
    for key in sorted(conn.scan_iter('*', count=1000)):
        kind = conn.type(key).decode()
        item = {'type': kind, 'ttl': conn.ttl(key)}
        if kind == 'string':
            item['value'] = printable(conn.get(key))
        elif kind == 'list':
            item['value'] = [printable(value) for value in conn.lrange(key, 0, -1)]
        elif kind == 'set':
            item['value'] = [printable(value) for value in sorted(conn.smembers(key))]
        elif kind == 'zset':
            # redis-py gives (member, score); an infinite score is the text "inf" or "-inf".
            pairs = conn.zrange(key, 0, -1, withscores=True)
            item['value'] = [[printable(member), score if math.isfinite(score) else str(score)] for member, score in pairs]
        elif kind == 'hash':
            item['value'], known = fields_of(conn.hgetall(key))
            if known:
                item['decoded'] = known
        elif kind == 'stream':
            item['value'], item['decoded'] = [], []
            for entry, fields in conn.xrange(key):
                text, known = fields_of(fields)
                item['value'].append([entry.decode(), text])
                item['decoded'].append([entry.decode(), known])
        elif kind == 'none':
            continue
        keys[name_of(key)] = item
    return keys


# ------------------------------------------------------------------------------------------ main


def main():
    # A job may print: its output goes to stderr, so that stdout has the JSON alone.
    answer = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.set_inheritable(answer.fileno(), False)
    os.dup2(2, 1)
    try:
        if not 3 <= len(sys.argv) <= 4 or sys.argv[2] not in COMMANDS:
            raise UsageError(f'usage: drive.py REDIS_URL {"|".join(sorted(COMMANDS))} [JSON]')
        url, name = sys.argv[1:3]
        args = json.loads(sys.argv[3]) if len(sys.argv) == 4 else {}
        if not isinstance(args, dict):
            raise UsageError('the argument is one JSON object')
        if os.environ.get('RQ_KEY_PREFIX', 'rq') != 'rq' and int(rq.__version__.split('.')[0]) < 3:
            raise UsageError(f'rq {rq.__version__} does not know RQ_KEY_PREFIX')
        args['url'] = url
        out = COMMANDS[name](redis.Redis.from_url(url), args)
        text = json.dumps(out, ensure_ascii=True, allow_nan=False)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyError as error:
        print(f'KeyError: {error} (a missing argument or an unknown sample?)', file=sys.stderr)
        return 1
    except Exception as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    answer.write(text + '\n')
    answer.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
