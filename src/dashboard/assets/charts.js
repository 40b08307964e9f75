// Bars by minute or day: what went well above the line, what did not below it, each to its own scale, so that a few failures among thousands are seen.

import { h, s } from './dom.js';
import { now } from './api.js';
import { clock, day, number, t, took } from './text.js';

const sum = (list, name) => list.reduce((all, one) => all + one[name], 0);

/** `step` is 60 or 86400 seconds. The last of `list` is now. */
export function activity(key, list, step, label) {
  const isDays = step === 86400;
  const last = Math.floor(now() / 1000 / step) * step;
  const at = (index) => new Date((last - (list.length - 1 - index) * step) * 1000);
  const name = (index) => (isDays ? day(at(index)) : clock(at(index)));
  const totals = { finished: sum(list, 'finished'), failed: sum(list, 'failed'), retried: sum(list, 'retried') };
  const most = Math.max(0, ...list.map((one) => one.finished));
  const worst = Math.max(0, ...list.map((one) => one.failed + one.retried));
  const nothing = most + worst === 0;
  const summary = nothing ? t('chart.nothing') : t('chart.summary', {
    ...totals, most, when: name(list.findIndex((one) => one.finished === most)),
  });
  const bar = (index, y, height, kind) => (height > 0
    ? s('rect', { class: kind, x: index + 0.12, y, width: 0.76, height }) : null);
  const lane = (kind, scale, bars) => h('div', { class: `lane ${kind}` },
    h('span', { class: 'most', title: t('chart.most') }, number(scale)),
    s('svg', { viewBox: `0 0 ${list.length} 100`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
      bars, list.map((one, index) => s('rect', {
        class: 'hit', x: index, y: 0, width: 1, height: 100,
        'data-tip': `${name(index)}  ${t('chart.tip', one)}`,
      }))));
  const up = list.map((one, index) => {
    const height = one.finished > 0 ? Math.max(2, (one.finished / most) * 100) : 0;
    return bar(index, 100 - height, height, 'bar-finished');
  });
  const down = list.map((one, index) => {
    const failed = one.failed > 0 ? Math.max(6, (one.failed / worst) * 100) : 0;
    const retried = one.retried > 0 ? Math.max(6, (one.retried / worst) * 100) : 0;
    return [bar(index, 0, failed, 'bar-failed'), bar(index, failed, Math.min(retried, 100 - failed), 'bar-retried')];
  });
  const legend = (kind, n) => h('span', { class: `legend ${kind}` }, h('b', null, number(n)), ' ', t(`status.${kind}`));
  return h('figure', { class: 'chart', 'data-key': key },
    h('figcaption', null,
      h('span', { class: 'unseen' }, `${label}. ${summary}`),
      h('span', { class: 'legends', 'aria-hidden': 'true' }, legend('finished', totals.finished), legend('failed', totals.failed), legend('retried', totals.retried)),
      h('span', { class: 'readout', 'data-keep': true, 'aria-hidden': 'true' })),
    h('div', { class: 'plot', 'aria-hidden': 'true' },
      lane('up', most, up), lane('down', worst, down),
      h('div', { class: 'axis' }, h('span', null, name(0)), h('span', null, name(Math.floor(list.length / 2))), h('span', null, isDays ? t('chart.today') : t('chart.now'))),
      nothing ? h('p', { class: 'nothing' }, summary) : null));
}

/** The run time below which this part of the runs stays, from the counts by bucket; null without runs. */
export function quantile(part, bounds, buckets) {
  const all = buckets.reduce((a, b) => a + b, 0);
  if (all === 0) return null;
  let before = 0;
  for (const [index, runs] of buckets.entries()) {
    if (runs > 0 && before + runs >= part * all) {
      if (index >= bounds.length) return Infinity;
      const low = index === 0 ? 0 : bounds[index - 1];
      return low + (bounds[index] - low) * ((part * all - before) / runs);
    }
    before += runs;
  }
  return Infinity;
}

const end = (bounds, index) => (index < bounds.length ? `≤ ${took(bounds[index])}` : `> ${took(bounds.at(-1))}`);

export function histogram(bounds, buckets) {
  const most = Math.max(1, ...buckets);
  const used = buckets.flatMap((runs, index) => (runs > 0 ? [`${end(bounds, index)}: ${number(runs)}`] : []));
  return s('svg', { class: 'histogram', viewBox: `0 0 ${buckets.length} 20`, preserveAspectRatio: 'none', role: 'img', 'aria-label': used.join(', ') || t('chart.nothing') },
    buckets.map((runs, index) => {
      const height = runs > 0 ? Math.max(1.5, (runs / most) * 20) : 0.6;
      return s('rect', { class: runs > 0 ? 'bar-finished' : 'bar-none', x: index + 0.1, y: 20 - height, width: 0.8, height },
        s('title', null, `${end(bounds, index)}: ${number(runs)}`));
    }));
}
