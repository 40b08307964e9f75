// One job: what it waits for or what became of it, and how it got there.

import { h } from './dom.js';
import { app, path } from './state.js';
import { api, now } from './api.js';
import { bdi, exact, number, rich, seconds, sentence, short, t, tn, took, when } from './text.js';
import { badge, button, emptyState, jobLink, link, long, queueLink, section } from './ui.js';

const ORDER = ['requeue', 'enqueue', 'cancel', 'stop', 'delete'];
const ENDED = new Set(['finished', 'failed', 'stopped', 'canceled']);

export const job = {
  load: ({ params: [id] }) => ({ main: api('jobs', id) }),
  title: ({ params: [id] }, data) => short(data?.main.description || id, 80),
  heading: ({ params: [id] }, data) => [h('span', { class: 'over' }, t('job.one')), ' ', bdi(data?.main.description || id, 300)],
  draw: ({ main: one }) => [head(one), why(one), progress(one), problems(one), timeline(one), output(one), call(one), others(one), fields(one)],
};

const links = (fact) => ({
  ...(fact.queue ? { queue: queueLink(fact.queue) } : {}),
  ...(fact.id ? { id: jobLink(fact.id, 60) } : {}),
  ...(fact.status ? { status: badge(fact.status) } : {}),
  ...(fact.worker ? { worker: link(path('workers'), { class: 'name' }, bdi(fact.worker, 80)) } : {}),
});

function head(one) {
  const may = ORDER.filter((action) => one.actions?.includes(action));
  return h('div', { class: 'page-actions', 'data-key': 'head' },
    h('p', { class: 'facts-line' }, badge(one.status), h('span', { class: 'id' }, bdi(one.id, 300)),
      one.origin ? h('span', null, t('queue.one'), ' ', queueLink(one.origin)) : null),
    app.site.read_only || may.length === 0 ? null : h('div', { class: 'buttons' }, may.map((action) => button('job', t(`do.${action}`), { id: one.id, action },
      { kind: action === 'requeue' || action === 'enqueue' ? 'solid' : 'danger', key: action }))));
}

const why = (one) => (one.why?.length
  ? h('ul', { class: `why is-${one.status}`, 'data-key': 'why', 'aria-label': t('job.why') }, one.why.map((fact) => h('li', null, h('p', null, sentence('why', fact, links(fact))))))
  : null);

/** Callers write how far they are into `meta`: a part of 1, or of 100. */
function progress({ meta, status }) {
  const given = ['progress', 'percent', 'percentage'].find((key) => typeof meta?.[key] === 'number' && meta[key] >= 0 && meta[key] <= 100);
  if (!given) return null;
  const value = meta[given];
  const isPart = given === 'progress' && (value < 1 || (value === 1 && status === 'finished'));
  const percent = isPart ? value * 100 : value;
  return h('div', { class: 'progress', 'data-key': 'progress' }, h('label', { for: 'progress' }, t('job.progress')),
    h('progress', { id: 'progress', max: '100', value: String(percent) }), h('b', null, `${number(Math.round(percent))} %`));
}

function problems(one) {
  const all = [...one.problems ?? [], ...(one.needs ?? []).map((need) => t('job.needs', { need }))];
  return all.length === 0 ? null : h('ul', { class: 'warnings', 'data-key': 'problems', 'aria-label': t('job.problems') }, all.map((text) => h('li', { class: 'bad' }, h('p', null, bdi(text)))));
}

/** What happened when, the oldest first. */
function history(one) {
  const all = [];
  const add = (at, kind, text, more = null, run = null) => {
    if (at) all.push({ at, kind, text, more, run });
  };
  const attempts = one.attempts ?? [];
  const failedRuns = (one.number_of_retries ?? 0) + (one.status === 'failed' ? 1 : 0);
  // A run that was not followed by another ended a life of the job: who requeues it begins a new one.
  const lives = attempts.reduce((all, run) => {
    const isNew = all.length === 0 || all.at(-1).at(-1).retry_in === null;
    return isNew ? [...all, [run]] : [...all.slice(0, -1), [...all.at(-1), run]];
  }, []);
  const numbers = lives.flatMap((runs) => runs.map((_, index) => index + 1));
  const skipped = lives.length > 1 ? 0 : Math.max(0, failedRuns - attempts.length);
  add(one.created_at, 'created', t('time.created'));
  if (one.enqueued_at && one.enqueued_at !== one.created_at) {
    add(one.enqueued_at, 'queued', t(attempts.length > 0 ? 'time.enqueued_last' : 'time.enqueued'), one.origin ? queueLink(one.origin) : null);
  }
  if (skipped > 0 && attempts.length > 0) add(attempts[0].started_at, 'gap', tn('time.skipped', skipped));
  attempts.forEach((run, index) => {
    const isLast = index === attempts.length - 1 && one.status === 'failed' && run.retry_in === null;
    const next = run.retry_in === null ? t('time.no_retry') : t('time.retry_after', { time: took(run.retry_in) });
    const more = [h('p', { class: 'error' }, bdi(run.error, 300)),
      h('p', null, rich('time.by', { worker: h('span', { class: 'id' }, bdi(run.worker_name, 60)) }), ' · ', next)];
    add(run.started_at, 'failed', t(isLast ? 'time.failed_last' : 'time.failed', { n: skipped + numbers[index] }), more, seconds(run.started_at, run.ended_at));
  });
  const latest = attempts.at(-1);
  const isTold = latest && one.started_at && Math.abs(seconds(latest.started_at, one.started_at)) < 0.002;
  const by = one.worker_name ? h('span', null, rich('time.by', { worker: h('span', { class: 'id' }, bdi(one.worker_name, 60)) })) : null;
  const n = (one.number_of_retries ?? 0) + 1;
  if (one.started_at && one.status === 'started') {
    add(one.started_at, 'started', t('time.running', { n }), h('p', null, by, by ? ' · ' : null, rich('time.running_for', { time: when(one.started_at, true) })), Math.max(0, (now() - Date.parse(one.started_at)) / 1000));
  } else if (one.started_at && !isTold) {
    const kind = one.status === 'scheduled' || one.status === 'queued' ? (one.result !== null && one.result !== undefined ? 'finished' : 'created') : one.status;
    const run = one.ended_at && one.ended_at >= one.started_at ? seconds(one.started_at, one.ended_at) : null;
    const error = one.status === 'failed' && one.exc_info ? h('p', { class: 'error' }, bdi(one.exc_info.split('\n', 1)[0], 300)) : null;
    add(one.started_at, kind, t(`time.run_${kind}`, { n }), [by, error], run);
  }
  if (one.status === 'canceled' && one.ended_at && (isTold || !one.started_at)) add(one.ended_at, 'canceled', t('time.canceled'));
  all.sort((a, b) => (Date.parse(a.at) - Date.parse(b.at)));
  if (!ENDED.has(one.status) && one.due) {
    const left = one.retries_left;
    const isRetry = (one.number_of_retries ?? 0) > 0 && attempts.length > 0;
    all.push({ at: one.due, kind: 'next', text: isRetry ? t('time.next_retry') : t('time.next'), more: isRetry && left !== null ? t('time.left', { n: left }) : null, run: null });
  } else if (one.status === 'queued' || one.status === 'deferred' || one.status === 'rate_limited' || one.status === 'ready_to_enqueue') {
    all.push({ at: null, kind: 'next', text: badge(one.status), more: one.position ? tn('time.position', one.position) : null, run: null });
  }
  return all;
}

function timeline(one) {
  const all = history(one);
  if (all.length === 0) return null;
  const longest = Math.max(0, ...all.map((item) => item.run ?? 0));
  return h('div', { 'data-key': 'timeline' }, section(t('job.timeline'), one.deliveries > 1 ? h('span', { class: 'caution' }, tn('job.deliveries', one.deliveries)) : null,
    h('ol', { class: 'timeline' }, all.map((item) => h('li', { class: `at-${item.kind}` },
      h('div', { class: 'moment' }, h('b', null, item.text),
        item.run === null ? null : h('span', { class: 'run' }, h('i', { class: 'run-bar', css: { '--part': `${longest > 0 ? Math.max(2, (item.run / longest) * 100) : 2}%` } }),
          item.kind === 'started' ? null : took(item.run)),
        item.at && item.kind !== 'gap' ? h('span', { class: 'times' }, when(item.at), h('span', { class: 'exact' }, exact(item.at))) : null),
      item.more ? h('div', { class: 'more' }, item.more) : null)))));
}

const json = (value) => JSON.stringify(value, null, 2);
const isHidden = (value) => app.site.hide_args && (value === null || value === undefined);
const isCut = (one, name) => one.cut?.includes(name) === true;
const tooLarge = () => h('p', { class: 'none' }, t('job.too_large'));
const hidden = () => h('p', { class: 'none' }, t('job.hidden'));

function output(one) {
  const parts = [];
  if (isCut(one, 'exc_info')) parts.push(h('div', { 'data-key': 'error' }, section(t('job.error'), null, tooLarge())));
  if (one.exc_info) parts.push(h('div', { 'data-key': 'error' }, section(t('job.error'), null, long('error', one.exc_info, t('job.error'), 'bad'))));
  if (one.status === 'finished' || isCut(one, 'result') || (one.result !== null && one.result !== undefined)) {
    const save = !isCut(one, 'result') && (one.result === null || one.result === undefined) ? null : h('a', { class: 'button', href: `${path('api', 'jobs', one.id)}/result`, download: true, 'data-native': true }, t('job.save'));
    parts.push(h('div', { 'data-key': 'result' }, section(t('job.result'), save, isCut(one, 'result') ? tooLarge() : isHidden(one.result) ? hidden() : long('result', json(one.result ?? null), t('job.result')))));
  }
  if (one.log) parts.push(h('div', { 'data-key': 'log' }, section(t('job.log'), h('span', { class: 'none' }, t('job.log_what')), long('log', one.log, t('job.log')))));
  return parts;
}

function call(one) {
  const isSecret = isHidden(one.args) && isHidden(one.kwargs);
  const args = one.args ?? [];
  const kwargs = one.kwargs ?? {};
  const shown = [h('p', { class: 'handler id' }, one.handler ? bdi(one.handler, 300) : h('span', { class: 'none' }, t('job.no_handler')))];
  if (isCut(one, 'args') || isCut(one, 'kwargs')) shown.push(tooLarge());
  if (isSecret) shown.push(hidden());
  else if (args.length === 0 && !isCut(one, 'args') && !isCut(one, 'kwargs') && Object.keys(kwargs).length === 0) shown.push(h('p', { class: 'none' }, t('job.no_args')));
  else {
    if (args.length > 0) shown.push(h('h3', null, t('job.args')), long('args', json(args), t('job.args')));
    if (Object.keys(kwargs).length > 0) shown.push(h('h3', null, t('job.kwargs')), long('kwargs', json(kwargs), t('job.kwargs')));
  }
  if (isCut(one, 'meta')) shown.push(h('h3', null, t('job.meta')), tooLarge());
  else if (isHidden(one.meta)) shown.push(h('h3', null, t('job.meta')), hidden());
  else if (Object.keys(one.meta ?? {}).length > 0) shown.push(h('h3', null, t('job.meta')), long('meta', json(one.meta), t('job.meta')));
  return h('div', { 'data-key': 'call' }, section(t('job.call'), null, ...shown));
}

function others(one) {
  const list = (title, all) => (all?.length
    ? [h('h3', null, title), h('ul', { class: 'others' }, all.map(({ id, status }) => h('li', { 'data-key': id }, jobLink(id), ' ', badge(status))))] : []);
  const shown = [...list(t('job.waits_for'), one.waits_for), ...list(t('job.waited_for_by'), one.waited_for_by)];
  return shown.length === 0 ? null : h('div', { 'data-key': 'others' }, section(t('job.dependencies'), null, ...shown));
}

/** What has been shown above already, or has no meaning to people. */
const TOLD = new Set(['id', 'status', 'origin', 'handler', 'args', 'kwargs', 'meta', 'result', 'exc_info', 'log', 'attempts', 'problems', 'needs', 'other',
  'why', 'waits_for', 'waited_for_by', 'actions', 'description', 'error', 'due', 'now']);
const SPANS = new Set(['timeout', 'ttl', 'result_ttl', 'failure_ttl']);

function value(key, given) {
  if (key.endsWith('_at') || key === 'last_heartbeat') return given ? [exact(given), ' ', h('span', { class: 'none' }, '(', when(given), ')')] : null;
  if (SPANS.has(key)) return given === -1 ? t('job.for_ever') : took(given);
  if (key.endsWith('_intervals')) return given.length > 0 ? given.map((n) => took(n)).join(', ') : null;
  if (typeof given === 'boolean') return t(given ? 'yes' : 'no');
  if (typeof given === 'number') return number(given);
  if (typeof given === 'object') return bdi(JSON.stringify(given), 2000);
  if (key === 'runs_in') return t(`worker.in_${given}`);
  return bdi(given, 2000);
}

function fields(one) {
  const known = Object.entries(one).filter(([key, given]) => !TOLD.has(key) && given !== null && given !== undefined);
  const rows = [...known.map(([key, given]) => [key, value(key, given)]), ...Object.entries(one.other ?? {}).map(([key, text]) => [key, bdi(text, 2000)])].filter(([, shown]) => shown !== null);
  if (rows.length === 0) return emptyState(t('job.no_fields'));
  return h('div', { 'data-key': 'fields' }, section(t('job.fields'), null,
    h('dl', { class: 'facts fields' }, rows.map(([key, shown]) => h('div', { 'data-key': key }, h('dt', { class: 'id' }, short(key, 80)), h('dd', null, shown))))));
}
