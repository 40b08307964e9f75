// Workers: state, queues, running jobs, problems.

import { h } from './dom.js';
import { app, path } from './state.js';
import { now } from './api.js';
import { bdi, byteSize, number, truncate, t, tn, duration, timeNode } from './text.js';
import { badge, button, emptyState, link, queueLink, table } from './ui.js';

/** Age of the last heartbeat above which a worker is marked, in seconds; it sends one every few seconds. */
const SILENCE_LIMIT = 60;
/** Queues and jobs listed for each worker. */
const MAX_LISTED = 8;

export const workersPage = {
  load: () => ({ main: '/workers' }),
  title: () => t('nav.workers'),
  draw({ main }) {
    const workers = main.workers;
    if (workers.length === 0) return emptyState(t('worker.none'), h('p', { class: 'muted' }, h('code', null, 'rq-rs worker')));
    const jobs = new Map();
    for (const job of main.running) {
      if (!jobs.has(job.worker_name)) jobs.set(job.worker_name, []);
      jobs.get(job.worker_name).push(job);
    }
    const heads = [{ text: t('worker.one'), row: true }, { text: t('job.status') }, { text: t('worker.queues') }, { text: t('worker.now'), wide: true },
      { text: t('worker.done'), right: true }, { text: t('server.memory'), right: true }, { text: t('worker.working'), right: true }, { text: t('worker.heartbeat'), right: true }];
    if (!app.site.read_only) heads.push({ text: t('actions'), hidden: true });
    const busy = workers.filter((worker) => worker.state === 'busy').length;
    return [h('p', { class: 'facts-line', 'data-key': 'sum' }, h('span', null, tn('worker.sum', workers.length)), main.worker_count > workers.length ? h('span', { class: 'caution' }, tn('bulk.more', main.worker_count - workers.length)) : null, h('span', null, t('total.busy', { busy, idle: workers.length - busy }))),
      table({ label: t('nav.workers'), heads, kind: 'workers', rows: workers.map((worker) => row(worker, jobs.get(worker.name) ?? [])) })];
  },
};

function row(worker, jobs) {
  // Python RQ's workers (without `runs_in`) send no heartbeat for minutes while they are idle.
  const silent = worker.last_heartbeat && worker.runs_in ? (now() - Date.parse(worker.last_heartbeat)) / 1000 : 0;
  const where = [worker.hostname, worker.pid].filter((part) => part !== null && part !== '').join(':');
  const program = worker.version ? (/^[\d.]/.test(worker.version) ? `v${worker.version}` : worker.version) : '';
  const cells = [
    h('div', { class: 'stacked' }, h('span', { class: 'title id', title: truncate(worker.name, 300) }, bdi(worker.name, 60)),
      h('span', { class: 'sub' }, bdi([where, program].filter(Boolean).join(' · '), 120), worker.runs_in ? ` · ${t(`worker.in_${worker.runs_in === 'processes' ? 'processes' : 'threads'}`)}` : null),
      problemBadges(worker)),
    h('div', { class: 'names' }, badge(worker.state), worker.quiet ? badge('quiet') : null),
    h('div', { class: 'names' }, worker.queues.slice(0, MAX_LISTED).map((name) => queueLink(name)), worker.queues.length > MAX_LISTED || worker.queues_cut ? h('span', { class: 'muted', title: truncate(worker.queues.join(', '), 1000) }, `+${Math.max(0, worker.queues.length - MAX_LISTED)}${worker.queues_cut ? '…' : ''}`) : null),
    h('div', { class: 'stacked' },
      worker.concurrency === null ? null : h('span', { class: 'slots' },
        h('span', { class: 'meter', css: { '--part': `${Math.min(100, (jobs.length / Math.max(1, worker.concurrency)) * 100)}%` } }),
        t('worker.slots', { busy: jobs.length, slots: worker.concurrency })),
      jobs.length > 0 ? h('ul', { class: 'running-jobs' }, jobs.slice(0, MAX_LISTED).map((job) => h('li', { 'data-key': job.id },
        link(path('jobs', job.id), { title: truncate(job.id, 200) }, bdi(job.description || job.handler || job.id, 90)), ' ', h('span', { class: 'muted' }, timeNode(job.started_at, true)))),
      jobs.length > MAX_LISTED ? h('li', { class: 'muted' }, tn('bulk.more', jobs.length - MAX_LISTED)) : null) : null),
    [h('span', { title: t('status.finished') }, number(worker.successful_job_count)), ' / ',
      h('span', { class: worker.failed_job_count > 0 ? null : 'muted', title: t('status.failed') }, number(worker.failed_job_count))],
    worker.memory === null ? null : byteSize(worker.memory),
    h('div', { class: 'stacked' }, h('span', null, duration(worker.total_working_time)), worker.birth ? h('span', { class: 'sub' }, t('worker.up'), ' ', timeNode(worker.birth, true)) : null),
    h('span', { class: silent > SILENCE_LIMIT ? 'bad' : null }, timeNode(worker.last_heartbeat), silent > SILENCE_LIMIT ? h('span', { class: 'sub own-line' }, t('worker.silent')) : null),
  ];
  if (!app.site.read_only) {
    const act = (action, kind = '') => button('worker', t(`do.${action}`), { worker: worker.name, action }, { kind: `small ${kind}`, key: action, name: t('do.to', { what: t(`do.${action}`), name: truncate(worker.name, 80) }) });
    cells.push(h('div', { class: 'row-buttons' }, worker.runs_in ? act(worker.quiet ? 'continue' : 'quiet') : null, act('kill-horse', 'danger'), act('shutdown', 'danger')));
  }
  return { key: worker.name, cells, kind: silent > SILENCE_LIMIT ? 'silent' : null };
}

function problemBadges(worker) {
  const counters = [['stuck_threads', 'is-failed'], ['recovered_count', ''], ['stale_count', ''], ['reconnect_count', '']].filter(([name]) => worker[name] > 0);
  return counters.length === 0 ? null : h('span', { class: 'names' }, counters.map(([name, kind]) => h('span', { class: `badge ${kind}`, title: t(`worker.${name}_what`) }, tn(`worker.${name}`, worker[name]))));
}
