"""Requests every page of the Python tools that lists data, against a Redis that already holds some:

    python pages.py REDIS_URL [JSON]

It needs the environment rq3. REDIS_URL is redis://... or unix:///path/to/socket. JSON is an object:

    serializer   "pickle" (default) or "json", for every queue
    serializers  {queue: "pickle" or "json"}, for some queues
    queues       names of queues to show that have no jobs

Prints one JSON document and exits 0:

    {"<tool> <page>": {"status": 200, "ids": [ids of stored jobs that appear in the page]}, ...}

<page> is the path with the query; the pages of one queue also have "queue" (django-rq numbers the queues).
A page that raises has status 500 and "error", the last line of the exception; and "known", a reason, when the tool
fails in that way with Python RQ's own data too. rq-exporter and rq info also have "text". Job ids must not be
words that the pages contain (`job`, `queue`).

Some pages change data: `rq info` and django-rq clean the registries of every queue.
"""

import json
import logging
import os
import re
import subprocess
import sys
import traceback
import urllib.parse
import warnings

warnings.simplefilter('ignore')
sys.dont_write_bytecode = True

import redis  # noqa: E402
from rq import Queue  # noqa: E402
from rq.defaults import RQ_KEY_PREFIX  # noqa: E402
from rq.serializers import DefaultSerializer, JSONSerializer  # noqa: E402

REGISTRIES = ('queued', 'failed', 'deferred', 'started', 'finished', 'scheduled', 'canceled')
MAX_PAGES = 10  # of one list


class Site:
    """The data in Redis that pages are expected to show, and the responses of the pages."""

    def __init__(self, url, options):
        self.url = url
        self.serializer = options.get('serializer') or 'pickle'
        self.serializers = options.get('serializers') or {}
        self.conn = redis.Redis.from_url(url)
        self.pages = {}
        self.jobs = sorted(self.find_jobs())
        self.origins = {job: self.hget(job, 'origin') for job in self.jobs}
        names = {queue.name for queue in Queue.all(connection=self.conn)}
        names |= set(options.get('queues') or [])
        names |= {origin for origin in self.origins.values() if origin}
        # Not by Worker.all(), which raises at the first malformed field, before any page is requested.
        self.workers = {}
        for key in sorted(self.conn.smembers(f'{RQ_KEY_PREFIX}:workers')):
            queues = (self.conn.hget(key, 'queues') or b'').decode('utf-8', 'replace')
            self.workers[key.decode('utf-8', 'replace')] = [name for name in queues.split(',') if name]
        names.update(*self.workers.values())
        self.queues = sorted(names) or ['default']

    def find_jobs(self):
        start = f'{RQ_KEY_PREFIX}:job:'
        for key in self.conn.scan_iter(match=start + '*', count=1000):
            job = key.decode('utf-8', 'replace')[len(start) :]
            if re.fullmatch('[A-Za-z0-9_-]+', job) and self.conn.type(key) == b'hash':
                yield job

    def is_json(self, queue):
        return self.serializers.get(queue, self.serializer) == 'json'

    def hget(self, job, field):
        return (self.conn.hget(f'{RQ_KEY_PREFIX}:job:{job}', field) or b'').decode('utf-8', 'replace')

    def has_dependencies(self, job):
        return bool(self.hget(job, 'dependency_ids') or self.hget(job, 'dependency_id'))

    def ids_in(self, body):
        return sorted(set(re.findall('[A-Za-z0-9_-]+', body)) & set(self.jobs))

    def request(self, name, function, known=None, queue=None):
        """Calls function() -> (status, body) and records the response. Returns the body, or None when it failed."""
        try:
            status, body = function()
        except Exception as error:
            status, body = 500, None
            entry = {'status': 500, 'ids': [], 'error': last_line(error)}
            reason = known(error) if known else None
            if reason:
                entry['known'] = reason
        else:
            entry = {'status': status, 'ids': self.ids_in(body)}
            if status != 200:
                entry['error'] = body.strip()[-300:]
        if queue is not None:
            entry['queue'] = queue
        self.pages[name] = entry
        return body if status == 200 else None

    def unpickling_reason(self, error):
        """The known reason for pages that show running jobs: both tools unpickle these with any serializer."""
        for job in self.jobs:
            if self.hget(job, 'status') == 'started' and self.is_json(self.origins[job]):
                if 'DeserializationError' in last_line(error):
                    return 'the tool unpickles running jobs with any serializer'
        return None


def last_line(error):
    return ''.join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def quoted(text):
    return urllib.parse.quote(text, safe='')


# ------------------------------------------------------------------------------------------ rq-dashboard


def rq_dashboard(site):
    from flask import Flask
    from rq_dashboard import default_settings
    from rq_dashboard import web

    app = Flask('pages')
    app.config.from_object(default_settings)
    app.config['RQ_DASHBOARD_REDIS_URL'] = site.url
    app.config['PROPAGATE_EXCEPTIONS'] = True
    web.setup_rq_connection(app)
    app.register_blueprint(web.blueprint, url_prefix='')
    client = app.test_client()

    def not_json(error):
        if isinstance(error, TypeError) and re.search("JSON serializable|'<' not supported|keys must be", str(error)):
            return 'rq-dashboard can only show values and meta that Flask can write as JSON'
        return None

    def get(path, known=None, queue=None):
        def call():
            # A dashboard has one serializer for all queues, so it is set for each request.
            web.config.serializer = JSONSerializer if site.is_json(queue) else DefaultSerializer
            answer = client.get(path, follow_redirects=True)
            body = answer.get_data(as_text=True)
            # rq-dashboard answers 200 when it cannot reach Redis.
            return (500 if 'Connection Error' in body[:100] else answer.status_code), body

        return site.request(f'rq-dashboard {path}', call, known, queue)

    for path in ('/', '/0/', '/0/view', '/0/view/queues', '/0/view/workers', '/0/view/jobs'):
        get(path)
    get('/0/data/queues.json')
    get('/0/data/workers.json', site.unpickling_reason)
    for queue in site.queues:
        for registry in REGISTRIES:
            where = f'jobs/{quoted(queue)}/{registry}'
            get(f'/0/view/{where}/8/asc/1', queue=queue)
            body = get(f'/0/data/{where}/8/asc/1.json', queue=queue)
            count = json.loads(body)['pagination']['num_pages'] if body else 0
            for page in range(2, min(count, MAX_PAGES) + 1):
                get(f'/0/view/{where}/8/asc/{page}', queue=queue)
                get(f'/0/data/{where}/8/asc/{page}.json', queue=queue)
            get(f'/0/data/{where}/8/dsc/1.json', queue=queue)
            get(f'/0/data/{where}/1000/asc/1.json', queue=queue)
    for job in site.jobs:
        get(f'/0/view/job/{job}', queue=site.origins[job])
        # A bug of rq-dashboard: with rq 3 this page fails for every job with dependencies.
        if not site.has_dependencies(job):
            get(f'/0/data/job/{job}.json', not_json, queue=site.origins[job])


# ------------------------------------------------------------------------------------------ django-rq


def django_rq(site):
    import django
    from django.conf import settings

    config = {name: {'URL': site.url} for name in site.queues}
    for name in site.queues:
        if site.is_json(name):
            config[name]['SERIALIZER'] = 'rq.serializers.JSONSerializer'
    settings.configure(
        SECRET_KEY='pages',
        DEBUG=False,
        ALLOWED_HOSTS=['*'],
        USE_TZ=True,
        TIME_ZONE='UTC',
        ROOT_URLCONF=__name__,
        STATIC_URL='/static/',
        DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}},
        DEFAULT_AUTO_FIELD='django.db.models.AutoField',
        INSTALLED_APPS=[
            'django.contrib.admin',
            'django.contrib.auth',
            'django.contrib.contenttypes',
            'django.contrib.sessions',
            'django.contrib.messages',
            'django.contrib.staticfiles',
            'django_rq',
        ],
        MIDDLEWARE=[
            'django.contrib.sessions.middleware.SessionMiddleware',
            'django.middleware.common.CommonMiddleware',
            'django.contrib.auth.middleware.AuthenticationMiddleware',
            'django.contrib.messages.middleware.MessageMiddleware',
        ],
        TEMPLATES=[
            {
                'BACKEND': 'django.template.backends.django.DjangoTemplates',
                'APP_DIRS': True,
                'OPTIONS': {
                    'context_processors': [
                        'django.template.context_processors.request',
                        'django.contrib.auth.context_processors.auth',
                        'django.contrib.messages.context_processors.messages',
                    ]
                },
            }
        ],
        LOGGING_CONFIG=None,
        PASSWORD_HASHERS=['django.contrib.auth.hashers.MD5PasswordHasher'],
        RQ_QUEUES=config,
    )
    django.setup()

    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client
    from django.urls import include, path
    from rq.cron import CronScheduler

    # This module is the ROOT_URLCONF.
    globals()['urlpatterns'] = [path('admin/', admin.site.urls), path('django-rq/', include('django_rq.urls'))]
    call_command('migrate', verbosity=0)
    client = Client()
    client.force_login(get_user_model().objects.create_superuser('staff', 'staff@example.com', 'x'))

    def get(where, known=None, queue=None):
        def call():
            answer = client.get(where)
            return answer.status_code, answer.content.decode('utf-8', 'replace')

        return site.request(f'django-rq {where}', call, known, queue)

    def get_list(where, queue):
        """Requests all pages of a list, as its first page links them."""
        body = get(where, queue=queue)
        pages = [int(page) for page in re.findall(r'[?&]page=(\d+)', body or '')]
        for page in range(2, min(max(pages, default=1), MAX_PAGES) + 1):
            get(f'{where}?page={page}', queue=queue)

    get('/admin/')
    get('/admin/django_rq/dashboard/')
    for page in ('', 'stats.json', 'metrics'):
        get(f'/django-rq/{page}')
    for index, queue in enumerate(site.queues):
        base = f'/django-rq/queues/{index}/'
        get_list(base, queue)
        # django-rq has no list of canceled jobs.
        for registry in ('finished', 'failed', 'scheduled', 'started', 'deferred'):
            get_list(f'{base}{registry}/', queue)
        # The last three pages are confirmations; only a POST acts.
        for page in ('details/', 'requeue-all/', 'failed/clear/', 'empty/'):
            get(base + page, queue=queue)
        get(f'/django-rq/workers/{index}/', queue=queue)
        for worker, queues in site.workers.items():
            if queue in queues:
                get(f'/django-rq/workers/{index}/{quoted(worker)}/', site.unpickling_reason, queue)
        for job in site.jobs:
            if site.origins[job] == queue:
                get(f'{base}{job}/', queue=queue)
                for result in results_of(site, job):
                    get(f'{base}{job}/results/{result}/', queue=queue)
    for scheduler in CronScheduler.all(connection=site.conn):
        name = quoted(scheduler.name)
        get(f'/django-rq/cron-schedulers/0/{name}/')
        for job in scheduler.get_jobs():
            if job.name:
                get(f'/django-rq/cron-schedulers/0/{name}/jobs/{quoted(job.name)}/')


def results_of(site, job):
    return [entry.decode() for entry, _ in site.conn.xrevrange(f'{RQ_KEY_PREFIX}:results:{job}')]


# ------------------------------------------------------------------------------------------ rq-exporter, rq info


def rq_exporter(site):
    from rq_exporter import config
    from rq_exporter.exporter import create_app
    from werkzeug.test import Client

    config.REDIS_URL = site.url
    config.LOG_LEVEL = 'ERROR'

    def call():
        answer = Client(create_app()).get('/metrics')
        return answer.status_code, answer.get_data(as_text=True)

    body = site.request('rq-exporter /metrics', call)
    if body:
        lines = [line for line in body.splitlines() if line.startswith('rq_')]
        site.pages['rq-exporter /metrics']['text'] = '\n'.join(lines)


def rq_info(site):
    for options in ((), ('-R',), ('--raw',), ('-Q',), ('-W',)):
        name = ' '.join(('rq info', *options))
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'rq.cli', 'info', '-u', site.url, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        text = done.stdout.decode(errors='replace')
        page = {'status': 200 if done.returncode == 0 else 500, 'ids': site.ids_in(text), 'text': text}
        if done.returncode:
            errors = done.stderr.decode(errors='replace').strip() or f'exit code {done.returncode}'
            page['error'] = errors.splitlines()[-1]
        site.pages[name] = page


def main():
    if not 2 <= len(sys.argv) <= 3:
        print('usage: pages.py REDIS_URL [JSON]', file=sys.stderr)
        return 1
    answer = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)  # errors are part of the output
    site = Site(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) == 3 else {})
    # Tools that only read come first.
    for tool in (rq_exporter, rq_dashboard, rq_info, django_rq):
        try:
            tool(site)
        except Exception as error:
            traceback.print_exc()
            name = tool.__name__.replace('_', ' ' if tool is rq_info else '-')
            site.pages[f'{name} (start)'] = {'status': 500, 'ids': [], 'error': last_line(error)}
    answer.write(json.dumps(site.pages, ensure_ascii=True, allow_nan=False) + '\n')
    answer.close()
    return 0


# django_rq() fills this when the module is used as ROOT_URLCONF under the name __main__.
urlpatterns = []

if __name__ == '__main__':
    sys.exit(main())
