// The first page: warnings, totals, the last hour, the server and all queues.

import { h } from './dom.js';
import { app, path } from './state.js';
import { byteSize, bdi, number, showControls, sentence, t, tn, duration } from './text.js';
import { badge, button, countLink, emptyState, icon, link, queueLink, queuePath, section, table } from './ui.js';
import { activityChart } from './charts.js';

export const overviewPage = {
  load: () => ({ main: '/overview' }),
  title: () => t('nav.overview'),
  draw: ({ main }) => [warnings(main), totals(main), h('div', { class: 'beside' }, lastHour(main), serverFacts(main.server)), queueTable(main)],
};

/** Warnings that are shown first, and in red. */
const SEVERE = new Set(['no_worker', 'policy', 'memory', 'silent_worker', 'stuck_threads']);

function warnings({ warnings: all }) {
  if (!all?.length) return null;
  const isSevere = (diagnostic) => Number(SEVERE.has(diagnostic.code));
  return h('ul', { class: 'warnings', 'data-key': 'warnings', 'aria-label': t('overview.warnings') }, [...all].sort((a, b) => isSevere(b) - isSevere(a)).map((diagnostic) => {
    const links = {};
    if (diagnostic.queue) links.queue = queueLink(diagnostic.queue, diagnostic.code === 'unreadable' ? 'unreadable' : 'queued');
    if (diagnostic.worker) links.worker = link(path('workers'), { class: 'name' }, bdi(diagnostic.worker, 80));
    return h('li', { class: SEVERE.has(diagnostic.code) ? 'bad' : null, 'data-key': JSON.stringify([diagnostic.code, diagnostic.queue, diagnostic.worker, diagnostic.key]) },
      icon('warn'), h('p', null, sentence('warn', diagnostic, links)));
  }));
}

function totals({ queues: all, workers }) {
  const sum = (name) => all.reduce((n, queue) => n + queue[name], 0);
  const busy = workers.filter((worker) => worker.state === 'busy').length;
  const oldest = all.reduce((max, queue) => Math.max(max, queue.oldest_waiting ?? 0), 0);
  const failedHour = all.reduce((n, queue) => n + queue.last_hour.failed, 0);
  const tile = (name, n, more, href, kind) => h('li', { class: kind ?? null },
    link(href, null, h('span', { class: 'what' }, t(`total.${name}`)), h('b', null, number(n)), h('span', { class: 'more' }, more || '\u00a0')));
  const failed = sum('failed');
  const waiting = sum('queued') + sum('intermediate');
  return h('ul', { class: 'totals', 'data-key': 'totals' },
    tile('waiting', waiting, waiting > 0 && oldest > 0 ? t('total.oldest', { time: duration(Math.round(oldest)) }) : '', '#queues'),
    tile('running', sum('started'), tn('total.queues', all.length), path('workers')),
    tile('failed', failed, failedHour > 0 ? t('total.last_hour', { n: failedHour }) : '', path('failed'), failed > 0 ? 'bad' : null),
    tile('scheduled', sum('scheduled'), '', path('scheduled')),
    tile('workers', workers.length, workers.length > 0 ? t('total.busy', { busy, idle: workers.length - busy }) : t('total.no_workers'),
      path('workers'), workers.length === 0 ? 'bad' : null));
}

const lastHour = ({ minutes }) => section(t('overview.hour'), link(path('metrics-page'), { class: 'subtle' }, t('overview.more_metrics')),
  activityChart('hour', minutes, 60, t('overview.hour')));

function serverFacts(info) {
  const used = info.used_memory;
  const limit = info.maxmemory || null;
  const share = limit && used !== null ? used / limit : null;
  return section(t('overview.server'), null, h('dl', { class: 'facts' },
    h('div', null, h('dt', null, t('server.version')), h('dd', null, bdi(`${info.name} ${info.version}`, 60))),
    h('div', null, h('dt', null, t('server.memory')), h('dd', null,
      limit ? t('server.of', { used: byteSize(used), most: byteSize(limit) }) : [byteSize(used), ' ', h('span', { class: 'muted' }, t('server.no_limit'))],
      share === null ? null : h('span', { class: 'meter', css: { '--part': `${Math.min(100, share * 100)}%` }, 'data-bad': share > 0.9 || null }))),
    h('div', null, h('dt', null, t('server.policy')), h('dd', null, info.maxmemory_policy ? bdi(info.maxmemory_policy, 40) : '–')),
    h('div', null, h('dt', null, t('server.address')), h('dd', { class: 'id' }, bdi(info.address, 120)))));
}

/** With more queues than this, only the busiest ones are shown. */
const MAX_QUEUES = 300;
const activityOf = (queue) => queue.failed + queue.queued + queue.started + queue.scheduled + queue.last_hour.finished + queue.last_hour.failed;
const busiest = (all) => [...all].sort((a, b) => activityOf(b) - activityOf(a)).slice(0, MAX_QUEUES).sort((a, b) => (a.name < b.name ? -1 : 1));

function queueTable({ queues: all, suspended }) {
  const toggle = suspended
    ? button('all', t('all.resume'), { action: 'resume' }, { kind: 'solid' })
    : button('all', t('all.suspend'), { action: 'suspend' });
  // Rate limits exist in RQ's dialect only.
  const isLimited = all.some((queue) => queue.rate_limited > 0);
  const heads = [
    { text: t('queue.one'), row: true },
    ...['queued', 'started', 'scheduled', 'deferred', ...(isLimited ? ['rate_limited'] : []), 'finished', 'failed', 'canceled'].map((name) => ({ text: t(`status.${name}`), right: true })),
    { text: t('queue.oldest'), right: true }, { text: t('queue.hour'), right: true }, { text: t('nav.workers'), right: true },
  ];
  if (!app.site.read_only) heads.push({ text: t('actions'), hidden: true });
  const isAll = app.route.query.get('queues') === 'all' || all.length <= MAX_QUEUES;
  const visible = isAll ? all : busiest(all);
  const showAll = isAll ? null : h('p', { class: 'section-foot' }, t('overview.part', { n: visible.length, total: all.length }), ' ', link('?queues=all', null, t('overview.all')));
  const rows = visible.map((queue) => {
    const registryCount = (registry, value, kind) => countLink(value, queuePath(queue.name, registry), kind);
    const { finished, failed } = queue.last_hour;
    const cells = [
      h('div', { class: 'names' }, queueLink(queue.name), queue.suspended || suspended ? badge('suspended') : null,
        queue.unreadable > 0 ? link(queuePath(queue.name, 'unreadable'), { class: 'badge is-failed' }, tn('queue.unreadable', queue.unreadable)) : null),
      registryCount('queued', queue.queued + queue.intermediate), registryCount('started', queue.started), registryCount('scheduled', queue.scheduled), registryCount('deferred', queue.deferred),
      ...(isLimited ? [registryCount('rate_limited', queue.rate_limited)] : []),
      registryCount('finished', queue.finished), registryCount('failed', queue.failed, 'bad'), registryCount('canceled', queue.canceled),
      queue.oldest_waiting === null ? null : duration(Math.round(queue.oldest_waiting)),
      finished + failed === 0 ? null : [h('span', { title: t('status.finished') }, number(finished)), ' / ',
        h('span', { class: failed > 0 ? 'bad' : 'muted', title: t('status.failed') }, number(failed))],
      queue.workers > 0 ? link(path('workers'), { class: 'count' }, number(queue.workers)) : h('span', { class: queue.queued > 0 ? 'bad' : 'count zero' }, '0'),
    ];
    const name = showControls(queue.name);
    if (!app.site.read_only) {
      cells.push(h('div', { class: 'row-buttons' }, queue.suspended
        ? button('queue', t('do.resume'), { queue: queue.name, action: 'resume' }, { kind: 'small', name: t('queue.resume_name', { queue: name }) })
        : button('queue', t('do.suspend'), { queue: queue.name, action: 'suspend' }, { kind: 'small', name: t('queue.suspend_name', { queue: name }) })));
    }
    return { key: queue.name, cells };
  });
  return h('div', { id: 'queues', 'data-key': 'queues' }, section(t('overview.queues'), toggle,
    rows.length === 0 ? emptyState(t('overview.no_queues')) : [table({ label: t('overview.queues'), heads, rows, kind: 'queues' }), showAll]));
}
