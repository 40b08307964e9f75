"""An unmodified application of RQ. `drop_in.py REDIS_URL enqueue PATH` enqueues jobs and prints their ids;
`drop_in.py REDIS_URL check IDS…` prints their statuses, and the results that are wrong."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import redis
import tasks
from rq import Queue
from rq.job import Job

conn = redis.Redis.from_url(sys.argv[1])
if sys.argv[2] == 'enqueue':
    queue = Queue(connection=conn)
    jobs = [
        queue.enqueue(tasks.move, tasks.Point(1, 2), by=tasks.Point(3, 4)),
        queue.enqueue(tasks.Point(1, 1).moved, tasks.Point(1, 1)),
        queue.enqueue(tasks.add, 2, 3),
        queue.enqueue(tasks.give, 'mixed'),
        queue.enqueue(tasks.fail, 'no paper'),
        queue.enqueue(tasks.again, sys.argv[3]),
        queue.enqueue(tasks.slow, 60, job_timeout=1),
        queue.enqueue('math.hypot', 3, 4),
    ]
    print(json.dumps([job.id for job in jobs]))
else:
    jobs = [Job.fetch(id, connection=conn) for id in sys.argv[3:]]
    values = [job.return_value() for job in jobs]
    expected = [tasks.Point(4, 6), tasks.Point(2, 2), 5, tasks.SAMPLES['mixed'], None, 'done', None, 5.0]
    print(json.dumps({
        'wrong': [repr(value) for value, right in zip(values, expected) if value != right],
        'status': [str(getattr(job.get_status(), 'value', job.get_status())) for job in jobs],
        'error': jobs[4].latest_result().exc_string,
    }))
