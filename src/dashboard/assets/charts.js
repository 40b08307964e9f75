// Bar charts. Finished runs are above the line, failed and retried ones below it, each on its own scale, so that a few
// failures among thousands are visible.

import { h, s } from './dom.js';
import { now } from './api.js';
import { hourMinute, utcDay, number, t, duration } from './text.js';

const sum = (list, name) => list.reduce((all, point) => all + point[name], 0);

/** Runs by minute or day: `step` is 60 or 86400 seconds, and the last point is the current minute or day. */
export function activityChart(key, list, step, label) {
  const isDays = step === 86400;
  const last = Math.floor(now() / 1000 / step) * step;
  const timeAt = (index) => new Date((last - (list.length - 1 - index) * step) * 1000);
  const labelAt = (index) => (isDays ? utcDay(timeAt(index)) : hourMinute(timeAt(index)));
  const totals = { finished: sum(list, 'finished'), failed: sum(list, 'failed'), retried: sum(list, 'retried') };
  const maxFinished = Math.max(0, ...list.map((point) => point.finished));
  const maxFailed = Math.max(0, ...list.map((point) => point.failed + point.retried));
  const isEmpty = maxFinished + maxFailed === 0;
  const summary = isEmpty ? t('chart.nothing') : t('chart.summary', {
    ...totals, most: maxFinished, when: labelAt(list.findIndex((point) => point.finished === maxFinished)),
  });
  const bar = (index, y, height, kind) => (height > 0
    ? s('rect', { class: kind, x: index + 0.12, y, width: 0.76, height }) : null);
  const lane = (kind, scale, bars) => h('div', { class: `lane ${kind}` },
    h('span', { class: 'scale', title: t('chart.most') }, number(scale)),
    s('svg', { viewBox: `0 0 ${list.length} 100`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
      bars, list.map((point, index) => s('rect', {
        class: 'hover-area', x: index, y: 0, width: 1, height: 100,
        'data-tip': `${labelAt(index)}  ${t('chart.tip', point)}`,
      }))));
  const up = list.map((point, index) => {
    const height = point.finished > 0 ? Math.max(2, (point.finished / maxFinished) * 100) : 0;
    return bar(index, 100 - height, height, 'bar-finished');
  });
  const down = list.map((point, index) => {
    const failed = point.failed > 0 ? Math.max(6, (point.failed / maxFailed) * 100) : 0;
    const retried = point.retried > 0 ? Math.max(6, (point.retried / maxFailed) * 100) : 0;
    return [bar(index, 0, failed, 'bar-failed'), bar(index, failed, Math.min(retried, 100 - failed), 'bar-retried')];
  });
  const legend = (kind, n) => h('span', { class: `legend ${kind}` }, h('b', null, number(n)), ' ', t(`status.${kind}`));
  return h('figure', { class: 'chart', 'data-key': key },
    h('figcaption', null,
      h('span', { class: 'visually-hidden' }, `${label}. ${summary}`),
      h('span', { class: 'legends', 'aria-hidden': 'true' }, legend('finished', totals.finished), legend('failed', totals.failed), legend('retried', totals.retried)),
      h('span', { class: 'readout', 'data-keep': true, 'aria-hidden': 'true' })),
    h('div', { class: 'plot', 'aria-hidden': 'true' },
      lane('up', maxFinished, up), lane('down', maxFailed, down),
      h('div', { class: 'axis' }, h('span', null, labelAt(0)), h('span', null, labelAt(Math.floor(list.length / 2))), h('span', null, isDays ? t('chart.today') : t('chart.now'))),
      isEmpty ? h('p', { class: 'nothing' }, summary) : null));
}

/** Quantile of the run times, interpolated within its bucket: Infinity above the last bound, null without runs. */
export function quantile(fraction, bounds, buckets) {
  const all = buckets.reduce((a, b) => a + b, 0);
  if (all === 0) return null;
  let before = 0;
  for (const [index, runs] of buckets.entries()) {
    if (runs > 0 && before + runs >= fraction * all) {
      if (index >= bounds.length) return Infinity;
      const low = index === 0 ? 0 : bounds[index - 1];
      return low + (bounds[index] - low) * ((fraction * all - before) / runs);
    }
    before += runs;
  }
  return Infinity;
}

const bucketLabel = (bounds, index) => (index < bounds.length ? `≤ ${duration(bounds[index])}` : `> ${duration(bounds.at(-1))}`);

/** Run times by bucket. */
export function histogram(bounds, buckets) {
  const max = Math.max(1, ...buckets);
  const used = buckets.flatMap((runs, index) => (runs > 0 ? [`${bucketLabel(bounds, index)}: ${number(runs)}`] : []));
  return s('svg', { class: 'histogram', viewBox: `0 0 ${buckets.length} 20`, preserveAspectRatio: 'none', role: 'img', 'aria-label': used.join(', ') || t('chart.nothing') },
    buckets.map((runs, index) => {
      const height = runs > 0 ? Math.max(1.5, (runs / max) * 20) : 0.6;
      return s('rect', { class: runs > 0 ? 'bar-finished' : 'bar-none', x: index + 0.1, y: 20 - height, width: 0.8, height },
        s('title', null, `${bucketLabel(bounds, index)}: ${number(runs)}`));
    }));
}
