// The first page: is all well, and if not, where?

import { h } from './dom.js';
import { app, path } from './state.js';
import { bytes, bdi, number, seen, sentence, t, tn, took } from './text.js';
import { badge, button, count, emptyState, icon, link, queueLink, queuePath, section, table } from './ui.js';
import { activity } from './charts.js';

export const overview = {
  load: () => ({ main: '/overview' }),
  title: () => t('nav.overview'),
  draw: ({ main }) => [warnings(main), totals(main), h('div', { class: 'beside' }, hour(main), server(main.server)), queues(main)],
};

const SEVERE = new Set(['no_worker', 'policy', 'memory', 'silent_worker', 'stuck_threads']);

function warnings({ warnings: all }) {
  if (!all?.length) return null;
  const isSevere = (fact) => Number(SEVERE.has(fact.code));
  return h('ul', { class: 'warnings', 'data-key': 'warnings', 'aria-label': t('overview.warnings') }, [...all].sort((a, b) => isSevere(b) - isSevere(a)).map((fact) => {
    const links = {};
    if (fact.queue) links.queue = queueLink(fact.queue, fact.code === 'unreadable' ? 'unreadable' : 'queued');
    if (fact.worker) links.worker = link(path('workers'), { class: 'name' }, bdi(fact.worker, 80));
    return h('li', { class: SEVERE.has(fact.code) ? 'bad' : null, 'data-key': JSON.stringify([fact.code, fact.queue, fact.worker, fact.key]) },
      icon('warn'), h('p', null, sentence('warn', fact, links)));
  }));
}

function totals({ queues: all, workers }) {
  const sum = (name) => all.reduce((n, queue) => n + queue[name], 0);
  const busy = workers.filter((worker) => worker.state === 'busy').length;
  const oldest = all.reduce((most, queue) => Math.max(most, queue.oldest_waiting ?? 0), 0);
  const failedHour = all.reduce((n, queue) => n + queue.last_hour.failed, 0);
  const tile = (name, n, more, href, kind) => h('li', { class: kind ?? null },
    link(href, null, h('span', { class: 'what' }, t(`total.${name}`)), h('b', null, number(n)), h('span', { class: 'more' }, more || '\u00a0')));
  const failed = sum('failed');
  const waiting = sum('queued') + sum('intermediate');
  return h('ul', { class: 'totals', 'data-key': 'totals' },
    tile('waiting', waiting, waiting > 0 && oldest > 0 ? t('total.oldest', { time: took(Math.round(oldest)) }) : '', '#queues'),
    tile('running', sum('started'), tn('total.queues', all.length), path('workers')),
    tile('failed', failed, failedHour > 0 ? t('total.last_hour', { n: failedHour }) : '', path('failed'), failed > 0 ? 'bad' : null),
    tile('scheduled', sum('scheduled'), '', path('scheduled')),
    tile('workers', workers.length, workers.length > 0 ? t('total.busy', { busy, idle: workers.length - busy }) : t('total.no_workers'),
      path('workers'), workers.length === 0 ? 'bad' : null));
}

const hour = ({ minutes }) => section(t('overview.hour'), link(path('metrics-page'), { class: 'quiet' }, t('overview.more_metrics')),
  activity('hour', minutes, 60, t('overview.hour')));

function server(info) {
  const used = info.used_memory;
  const most = info.maxmemory || null;
  const share = most && used !== null ? used / most : null;
  return section(t('overview.server'), null, h('dl', { class: 'facts' },
    h('div', null, h('dt', null, t('server.version')), h('dd', null, bdi(`${info.name} ${info.version}`, 60))),
    h('div', null, h('dt', null, t('server.memory')), h('dd', null,
      most ? t('server.of', { used: bytes(used), most: bytes(most) }) : [bytes(used), ' ', h('span', { class: 'none' }, t('server.no_limit'))],
      share === null ? null : h('span', { class: 'meter', css: { '--part': `${Math.min(100, share * 100)}%` }, 'data-bad': share > 0.9 || null }))),
    h('div', null, h('dt', null, t('server.policy')), h('dd', null, info.maxmemory_policy ? bdi(info.maxmemory_policy, 40) : '–')),
    h('div', null, h('dt', null, t('server.address')), h('dd', { class: 'id' }, bdi(info.address, 120)))));
}

/** Of very many queues, those in which something happens or waits. */
const MOST = 300;
const weight = (queue) => queue.failed + queue.queued + queue.started + queue.scheduled + queue.last_hour.finished + queue.last_hour.failed;
const most = (all) => [...all].sort((a, b) => weight(b) - weight(a)).slice(0, MOST).sort((a, b) => (a.name < b.name ? -1 : 1));

function queues({ queues: all, suspended }) {
  const toggle = suspended
    ? button('all', t('all.resume'), { action: 'resume' }, { kind: 'solid' })
    : button('all', t('all.suspend'), { action: 'suspend' });
  // Only RQ's dialect has rate limits.
  const isLimited = all.some((queue) => queue.rate_limited > 0);
  const heads = [
    { text: t('queue.one'), row: true },
    ...['queued', 'started', 'scheduled', 'deferred', ...(isLimited ? ['rate_limited'] : []), 'finished', 'failed', 'canceled'].map((name) => ({ text: t(`status.${name}`), right: true })),
    { text: t('queue.oldest'), right: true }, { text: t('queue.hour'), right: true }, { text: t('nav.workers'), right: true },
  ];
  if (!app.site.read_only) heads.push({ text: t('actions'), hidden: true });
  const isAll = app.route.query.get('queues') === 'all' || all.length <= MOST;
  const shown = isAll ? all : most(all);
  const more = isAll ? null : h('p', { class: 'section-foot' }, t('overview.part', { n: shown.length, total: all.length }), ' ', link('?queues=all', null, t('overview.all')));
  const rows = shown.map((queue) => {
    const n = (registry, value, kind) => count(value, queuePath(queue.name, registry), kind);
    const { finished, failed } = queue.last_hour;
    const cells = [
      h('div', { class: 'names' }, queueLink(queue.name), queue.suspended || suspended ? badge('suspended') : null,
        queue.unreadable > 0 ? link(queuePath(queue.name, 'unreadable'), { class: 'badge is-failed' }, tn('queue.unreadable', queue.unreadable)) : null),
      n('queued', queue.queued + queue.intermediate), n('started', queue.started), n('scheduled', queue.scheduled), n('deferred', queue.deferred),
      ...(isLimited ? [n('rate_limited', queue.rate_limited)] : []),
      n('finished', queue.finished), n('failed', queue.failed, 'bad'), n('canceled', queue.canceled),
      queue.oldest_waiting === null ? null : took(Math.round(queue.oldest_waiting)),
      finished + failed === 0 ? null : [h('span', { title: t('status.finished') }, number(finished)), ' / ',
        h('span', { class: failed > 0 ? 'bad' : 'none', title: t('status.failed') }, number(failed))],
      queue.workers > 0 ? link(path('workers'), { class: 'count' }, number(queue.workers)) : h('span', { class: queue.queued > 0 ? 'bad' : 'count zero' }, '0'),
    ];
    const named = seen(queue.name);
    if (!app.site.read_only) {
      cells.push(h('div', { class: 'row-buttons' }, queue.suspended
        ? button('queue', t('do.resume'), { queue: queue.name, action: 'resume' }, { kind: 'small', name: t('queue.resume_name', { queue: named }) })
        : button('queue', t('do.suspend'), { queue: queue.name, action: 'suspend' }, { kind: 'small', name: t('queue.suspend_name', { queue: named }) })));
    }
    return { key: queue.name, cells };
  });
  return h('div', { id: 'queues', 'data-key': 'queues' }, section(t('overview.queues'), toggle,
    rows.length === 0 ? emptyState(t('overview.no_queues')) : [table({ label: t('overview.queues'), heads, rows, kind: 'queues' }), more]));
}
