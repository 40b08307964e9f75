// Runs by minute, by day and by handler.

import { h } from './dom.js';
import { path, withQuery } from './state.js';
import { bdi, number, showControls, t, duration } from './text.js';
import { emptyState, link, section, table } from './ui.js';
import { activityChart, histogram, quantile } from './charts.js';

export const metricsPage = {
  load: ({ query }) => ({ main: withQuery('/metrics', { queue: query.get('queue') }), overview: '/overview' }),
  title: () => t('nav.metrics'),
  draw({ main, overview }, { query }) {
    const chosen = query.get('queue') ?? '';
    const names = overview.queues.map((queue) => queue.name);
    if (chosen && !names.includes(chosen)) names.unshift(chosen);
    return [
      h('form', { class: 'filter', 'data-action': 'filter', action: path('metrics-page'), 'data-key': 'choose' },
        h('label', { class: 'field' }, h('span', null, t('queue.one')),
          h('select', { name: 'queue', 'data-submit': true }, h('option', { value: '', selected: chosen === '' }, t('metrics.all_queues')),
            names.map((name) => h('option', { value: name, selected: name === chosen }, showControls(name).slice(0, 120)))))),
      h('div', { 'data-key': 'minutes' }, section(t('metrics.minutes'), null, activityChart('minutes', main.minutes, 60, t('metrics.minutes')))),
      h('div', { 'data-key': 'days' }, section(t('metrics.days'), h('span', { class: 'muted' }, t('metrics.utc')), activityChart('days', main.days, 86400, t('metrics.days')))),
      h('div', { 'data-key': 'handlers' }, section(t('metrics.handlers'), h('span', { class: 'muted' }, t('metrics.estimated')), handlerTable(main))),
    ];
  },
};

function handlerTable({ handlers: all, bounds }) {
  if (all.length === 0) return emptyState(t('metrics.none'));
  const right = (text) => ({ text, right: true });
  const heads = [{ text: t('filter.handler'), row: true }, { text: t('queue.one') }, right(t('status.finished')), right(t('status.failed')), right(t('status.retried')),
    right(t('metrics.mean')), right('p50'), right('p95'), { text: t('metrics.spread') }];
  const runs = (counts) => counts.finished + counts.failed + counts.retried;
  const time = (part, counts) => {
    const value = quantile(part, bounds, counts.buckets);
    if (value === null) return null;
    return value === Infinity ? `> ${duration(bounds.at(-1))}` : `~ ${duration(value)}`;
  };
  const rows = [...all].sort((a, b) => b.seconds - a.seconds).map((counts) => ({
    key: JSON.stringify([counts.queue, counts.handler]),
    cells: [
      counts.handler === '*' ? h('span', { class: 'muted' }, t('metrics.others')) : h('span', { class: 'id' }, bdi(counts.handler, 80)),
      link(withQuery(path('metrics-page'), { queue: counts.queue }), { class: 'name' }, bdi(counts.queue, 60)),
      number(counts.finished),
      counts.failed > 0 ? link(withQuery(path('queues', counts.queue, 'failed'), counts.handler === '*' ? {} : { handler: counts.handler }), { class: 'count bad' }, number(counts.failed)) : h('span', { class: 'count zero' }, '0'),
      number(counts.retried), runs(counts) > 0 ? duration(counts.seconds / runs(counts)) : null, time(0.5, counts), time(0.95, counts),
      histogram(bounds, counts.buckets),
    ],
  }));
  return table({ label: t('metrics.handlers'), heads, rows, kind: 'handlers' });
}
