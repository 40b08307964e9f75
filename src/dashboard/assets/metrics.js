// What was done, by minute, by day and by handler.

import { h } from './dom.js';
import { path, withQuery } from './state.js';
import { bdi, number, seen, t, took } from './text.js';
import { emptyState, link, section, table } from './ui.js';
import { activity, histogram, quantile } from './charts.js';

export const metrics = {
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
            names.map((name) => h('option', { value: name, selected: name === chosen }, seen(name).slice(0, 120)))))),
      h('div', { 'data-key': 'minutes' }, section(t('metrics.minutes'), null, activity('minutes', main.minutes, 60, t('metrics.minutes')))),
      h('div', { 'data-key': 'days' }, section(t('metrics.days'), h('span', { class: 'none' }, t('metrics.utc')), activity('days', main.days, 86400, t('metrics.days')))),
      h('div', { 'data-key': 'handlers' }, section(t('metrics.handlers'), h('span', { class: 'none' }, t('metrics.estimated')), handlers(main))),
    ];
  },
};

function handlers({ handlers: all, bounds }) {
  if (all.length === 0) return emptyState(t('metrics.none'));
  const right = (text) => ({ text, right: true });
  const heads = [{ text: t('filter.handler'), row: true }, { text: t('queue.one') }, right(t('status.finished')), right(t('status.failed')), right(t('status.retried')),
    right(t('metrics.mean')), right('p50'), right('p95'), { text: t('metrics.spread') }];
  const runs = (one) => one.finished + one.failed + one.retried;
  const time = (part, one) => {
    const value = quantile(part, bounds, one.buckets);
    if (value === null) return null;
    return value === Infinity ? `> ${took(bounds.at(-1))}` : `~ ${took(value)}`;
  };
  const rows = [...all].sort((a, b) => b.seconds - a.seconds).map((one) => ({
    key: JSON.stringify([one.queue, one.handler]),
    cells: [
      one.handler === '*' ? h('span', { class: 'none' }, t('metrics.others')) : h('span', { class: 'id' }, bdi(one.handler, 80)),
      link(withQuery(path('metrics-page'), { queue: one.queue }), { class: 'name' }, bdi(one.queue, 60)),
      number(one.finished),
      one.failed > 0 ? link(withQuery(path('queues', one.queue, 'failed'), one.handler === '*' ? {} : { handler: one.handler }), { class: 'count bad' }, number(one.failed)) : h('span', { class: 'count zero' }, '0'),
      number(one.retried), runs(one) > 0 ? took(one.seconds / runs(one)) : null, time(0.5, one), time(0.95, one),
      histogram(bounds, one.buckets),
    ],
  }));
  return table({ label: t('metrics.handlers'), heads, rows, kind: 'handlers' });
}
