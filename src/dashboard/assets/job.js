// A job: its state and the reason for it, its history, and all its data.

import { h } from './dom.js';
import { app, path } from './state.js';
import { apiPath, now } from './api.js';
import { bdi, exactTime, number, richText, secondsBetween, sentence, truncate, t, tn, duration, timeNode } from './text.js';
import { badge, button, emptyState, jobLink, link, longText, queueLink, section } from './ui.js';

/** Order of the buttons. */
const ACTION_ORDER = ['requeue', 'enqueue', 'cancel', 'stop', 'delete'];
const FINAL_STATUSES = new Set(['finished', 'failed', 'stopped', 'canceled']);

export const jobPage = {
  load: ({ params: [id] }) => ({ main: apiPath('jobs', id) }),
  title: ({ params: [id] }, data) => truncate(data?.main.description || id, 80),
  heading: ({ params: [id] }, data) => [h('span', { class: 'eyebrow' }, t('job.one')), ' ', bdi(data?.main.description || id, 300)],
  draw: ({ main: job }) => [jobHead(job), explanation(job), progressBar(job), problemList(job), timelineSection(job), outputSections(job), callSection(job), dependencies(job), fieldSection(job)],
};

const diagnosticLinks = (diagnostic) => ({
  ...(diagnostic.queue ? { queue: queueLink(diagnostic.queue) } : {}),
  ...(diagnostic.id ? { id: jobLink(diagnostic.id, 60) } : {}),
  ...(diagnostic.status ? { status: badge(diagnostic.status) } : {}),
  ...(diagnostic.worker ? { worker: link(path('workers'), { class: 'name' }, bdi(diagnostic.worker, 80)) } : {}),
});

function jobHead(job) {
  const actions = ACTION_ORDER.filter((action) => job.actions?.includes(action));
  return h('div', { class: 'page-actions', 'data-key': 'head' },
    h('p', { class: 'facts-line' }, badge(job.status), h('span', { class: 'id' }, bdi(job.id, 300)),
      job.origin ? h('span', null, t('queue.one'), ' ', queueLink(job.origin)) : null),
    app.site.read_only || actions.length === 0 ? null : h('div', { class: 'buttons' }, actions.map((action) => button('job', t(`do.${action}`), { id: job.id, action },
      { kind: action === 'requeue' || action === 'enqueue' ? 'solid' : 'danger', key: action }))));
}

const explanation = (job) => (job.why?.length
  ? h('ul', { class: `why is-${job.status}`, 'data-key': 'why', 'aria-label': t('job.why') }, job.why.map((diagnostic) => h('li', null, h('p', null, sentence('why', diagnostic, diagnosticLinks(diagnostic))))))
  : null);

/** Progress that the handler has written into `meta`: a fraction of 1, or a percentage. */
function progressBar({ meta, status }) {
  const given = ['progress', 'percent', 'percentage'].find((key) => typeof meta?.[key] === 'number' && meta[key] >= 0 && meta[key] <= 100);
  if (!given) return null;
  const value = meta[given];
  const isPart = given === 'progress' && (value < 1 || (value === 1 && status === 'finished'));
  const percent = isPart ? value * 100 : value;
  return h('div', { class: 'progress', 'data-key': 'progress' }, h('label', { for: 'progress' }, t('job.progress')),
    h('progress', { id: 'progress', max: '100', value: String(percent) }), h('b', null, `${number(Math.round(percent))} %`));
}

function problemList(job) {
  const texts = [...job.problems ?? [], ...(job.needs ?? []).map((need) => t('job.needs', { need }))];
  return texts.length === 0 ? null : h('ul', { class: 'warnings', 'data-key': 'problems', 'aria-label': t('job.problems') }, texts.map((text) => h('li', { class: 'bad' }, h('p', null, bdi(text)))));
}

/** Events of the job, oldest first. */
function events(job) {
  const all = [];
  const add = (at, kind, text, more = null, run = null) => {
    if (at) all.push({ at, kind, text, more, run });
  };
  const attempts = job.attempts ?? [];
  const failedRuns = (job.number_of_retries ?? 0) + (job.status === 'failed' ? 1 : 0);
  // A run without a retry ended the job; runs after it belong to a requeue and are counted from 1 again.
  const lives = attempts.reduce((all, run) => {
    const isNew = all.length === 0 || all.at(-1).at(-1).retry_in === null;
    return isNew ? [...all, [run]] : [...all.slice(0, -1), [...all.at(-1), run]];
  }, []);
  const numbers = lives.flatMap((runs) => runs.map((_, index) => index + 1));
  const skipped = lives.length > 1 ? 0 : Math.max(0, failedRuns - attempts.length);
  add(job.created_at, 'created', t('time.created'));
  if (job.enqueued_at && job.enqueued_at !== job.created_at) {
    add(job.enqueued_at, 'queued', t(attempts.length > 0 ? 'time.enqueued_last' : 'time.enqueued'), job.origin ? queueLink(job.origin) : null);
  }
  if (skipped > 0 && attempts.length > 0) add(attempts[0].started_at, 'gap', tn('time.skipped', skipped));
  attempts.forEach((run, index) => {
    const isLast = index === attempts.length - 1 && job.status === 'failed' && run.retry_in === null;
    const next = run.retry_in === null ? t('time.no_retry') : t('time.retry_after', { time: duration(run.retry_in) });
    const more = [h('p', { class: 'error' }, bdi(run.error, 300)),
      h('p', null, richText('time.by', { worker: h('span', { class: 'id' }, bdi(run.worker_name, 60)) }), ' · ', next)];
    add(run.started_at, 'failed', t(isLast ? 'time.failed_last' : 'time.failed', { n: skipped + numbers[index] }), more, secondsBetween(run.started_at, run.ended_at));
  });
  const latest = attempts.at(-1);
  const isLatestShown = latest && job.started_at && Math.abs(secondsBetween(latest.started_at, job.started_at)) < 0.002;
  const by = job.worker_name ? h('span', null, richText('time.by', { worker: h('span', { class: 'id' }, bdi(job.worker_name, 60)) })) : null;
  const n = (job.number_of_retries ?? 0) + 1;
  if (job.started_at && job.status === 'started') {
    add(job.started_at, 'started', t('time.running', { n }), h('p', null, by, by ? ' · ' : null, richText('time.running_for', { time: timeNode(job.started_at, true) })), Math.max(0, (now() - Date.parse(job.started_at)) / 1000));
  } else if (job.started_at && !isLatestShown) {
    const kind = job.status === 'scheduled' || job.status === 'queued' ? (job.result !== null && job.result !== undefined ? 'finished' : 'created') : job.status;
    const run = job.ended_at && job.ended_at >= job.started_at ? secondsBetween(job.started_at, job.ended_at) : null;
    const error = job.status === 'failed' && job.exc_info ? h('p', { class: 'error' }, bdi(job.exc_info.split('\n', 1)[0], 300)) : null;
    add(job.started_at, kind, t(`time.run_${kind}`, { n }), [by, error], run);
  }
  if (job.status === 'canceled' && job.ended_at && (isLatestShown || !job.started_at)) add(job.ended_at, 'canceled', t('time.canceled'));
  all.sort((a, b) => (Date.parse(a.at) - Date.parse(b.at)));
  if (!FINAL_STATUSES.has(job.status) && job.due) {
    const left = job.retries_left;
    const isRetry = (job.number_of_retries ?? 0) > 0 && attempts.length > 0;
    all.push({ at: job.due, kind: 'next', text: isRetry ? t('time.next_retry') : t('time.next'), more: isRetry && left !== null ? t('time.left', { n: left }) : null, run: null });
  } else if (job.status === 'queued' || job.status === 'deferred' || job.status === 'rate_limited' || job.status === 'ready_to_enqueue') {
    all.push({ at: null, kind: 'next', text: badge(job.status), more: job.position ? tn('time.position', job.position) : null, run: null });
  }
  return all;
}

function timelineSection(job) {
  const items = events(job);
  if (items.length === 0) return null;
  const longest = Math.max(0, ...items.map((item) => item.run ?? 0));
  return h('div', { 'data-key': 'timeline' }, section(t('job.timeline'), job.deliveries > 1 ? h('span', { class: 'caution' }, tn('job.deliveries', job.deliveries)) : null,
    h('ol', { class: 'timeline' }, items.map((item) => h('li', { class: `at-${item.kind}` },
      h('div', { class: 'moment' }, h('b', null, item.text),
        item.run === null ? null : h('span', { class: 'run' }, h('i', { class: 'run-bar', css: { '--part': `${longest > 0 ? Math.max(2, (item.run / longest) * 100) : 2}%` } }),
          item.kind === 'started' ? null : duration(item.run)),
        item.at && item.kind !== 'gap' ? h('span', { class: 'times' }, timeNode(item.at), h('span', { class: 'exact' }, exactTime(item.at))) : null),
      item.more ? h('div', { class: 'more' }, item.more) : null)))));
}

const prettyJson = (value) => JSON.stringify(value, null, 2);
const isHidden = (value) => app.site.hide_args && (value === null || value === undefined);
const isCut = (job, name) => job.cut?.includes(name) === true;
const tooLargeNote = () => h('p', { class: 'muted' }, t('job.too_large'));
const hiddenNote = () => h('p', { class: 'muted' }, t('job.hidden'));

function outputSections(job) {
  const parts = [];
  if (isCut(job, 'exc_info')) parts.push(h('div', { 'data-key': 'error' }, section(t('job.error'), null, tooLargeNote())));
  if (job.exc_info) parts.push(h('div', { 'data-key': 'error' }, section(t('job.error'), null, longText('error', job.exc_info, t('job.error'), 'bad'))));
  if (job.status === 'finished' || isCut(job, 'result') || (job.result !== null && job.result !== undefined)) {
    const save = !isCut(job, 'result') && (job.result === null || job.result === undefined) ? null : h('a', { class: 'button', href: `${path('api', 'jobs', job.id)}/result`, download: true, 'data-native': true }, t('job.save'));
    parts.push(h('div', { 'data-key': 'result' }, section(t('job.result'), save, isCut(job, 'result') ? tooLargeNote() : isHidden(job.result) ? hiddenNote() : longText('result', prettyJson(job.result ?? null), t('job.result')))));
  }
  if (job.log) parts.push(h('div', { 'data-key': 'log' }, section(t('job.log'), h('span', { class: 'muted' }, t('job.log_what')), longText('log', job.log, t('job.log')))));
  return parts;
}

function callSection(job) {
  const isHiddenCall = isHidden(job.args) && isHidden(job.kwargs);
  const args = job.args ?? [];
  const kwargs = job.kwargs ?? {};
  const content = [h('p', { class: 'handler id' }, job.handler ? bdi(job.handler, 300) : h('span', { class: 'muted' }, t('job.no_handler')))];
  if (isCut(job, 'args') || isCut(job, 'kwargs')) content.push(tooLargeNote());
  if (isHiddenCall) content.push(hiddenNote());
  else if (args.length === 0 && !isCut(job, 'args') && !isCut(job, 'kwargs') && Object.keys(kwargs).length === 0) content.push(h('p', { class: 'muted' }, t('job.no_args')));
  else {
    if (args.length > 0) content.push(h('h3', null, t('job.args')), longText('args', prettyJson(args), t('job.args')));
    if (Object.keys(kwargs).length > 0) content.push(h('h3', null, t('job.kwargs')), longText('kwargs', prettyJson(kwargs), t('job.kwargs')));
  }
  if (isCut(job, 'meta')) content.push(h('h3', null, t('job.meta')), tooLargeNote());
  else if (isHidden(job.meta)) content.push(h('h3', null, t('job.meta')), hiddenNote());
  else if (Object.keys(job.meta ?? {}).length > 0) content.push(h('h3', null, t('job.meta')), longText('meta', prettyJson(job.meta), t('job.meta')));
  return h('div', { 'data-key': 'call' }, section(t('job.call'), null, ...content));
}

function dependencies(job) {
  const dependencyList = (title, all) => (all?.length
    ? [h('h3', null, title), h('ul', { class: 'others' }, all.map(({ id, status }) => h('li', { 'data-key': id }, jobLink(id), ' ', badge(status))))] : []);
  const content = [...dependencyList(t('job.waits_for'), job.waits_for), ...dependencyList(t('job.waited_for_by'), job.waited_for_by)];
  return content.length === 0 ? null : h('div', { 'data-key': 'others' }, section(t('job.dependencies'), null, ...content));
}

/** Fields that other sections show, or that mean nothing to users. */
const SHOWN_ELSEWHERE = new Set(['id', 'status', 'origin', 'handler', 'args', 'kwargs', 'meta', 'result', 'exc_info', 'log', 'attempts', 'problems', 'needs', 'other',
  'why', 'waits_for', 'waited_for_by', 'actions', 'description', 'error', 'due', 'now']);
/** Fields whose values are seconds. */
const DURATIONS = new Set(['timeout', 'ttl', 'result_ttl', 'failure_ttl']);

function fieldValue(key, given) {
  if (key.endsWith('_at') || key === 'last_heartbeat') return given ? [exactTime(given), ' ', h('span', { class: 'muted' }, '(', timeNode(given), ')')] : null;
  if (DURATIONS.has(key)) return given === -1 ? t('job.for_ever') : duration(given);
  if (key.endsWith('_intervals')) return given.length > 0 ? given.map((n) => duration(n)).join(', ') : null;
  if (typeof given === 'boolean') return t(given ? 'yes' : 'no');
  if (typeof given === 'number') return number(given);
  if (typeof given === 'object') return bdi(JSON.stringify(given), 2000);
  if (key === 'runs_in') return t(`worker.in_${given}`);
  return bdi(given, 2000);
}

function fieldSection(job) {
  const known = Object.entries(job).filter(([key, given]) => !SHOWN_ELSEWHERE.has(key) && given !== null && given !== undefined);
  const rows = [...known.map(([key, given]) => [key, fieldValue(key, given)]), ...Object.entries(job.other ?? {}).map(([key, text]) => [key, bdi(text, 2000)])].filter(([, shown]) => shown !== null);
  if (rows.length === 0) return emptyState(t('job.no_fields'));
  return h('div', { 'data-key': 'fields' }, section(t('job.fields'), null,
    h('dl', { class: 'facts fields' }, rows.map(([key, shown]) => h('div', { 'data-key': key }, h('dt', { class: 'id' }, truncate(key, 80)), h('dd', null, shown))))));
}
