// Cron entries, and the runs of one entry.

import { h } from './dom.js';
import { app, path, withQuery } from './state.js';
import { apiPath } from './api.js';
import { bdi, number, secondsBetween, truncate, t, duration, timeNode } from './text.js';
import { badge, button, emptyState, jobLink, link, queueLink, table } from './ui.js';

export const cronPage = {
  load: () => ({ main: '/cron' }),
  title: () => t('nav.cron'),
  draw({ main: entries }) {
    if (entries.length === 0) return emptyState(t('cron.none'), h('p', { class: 'muted' }, t('cron.none_hint')));
    const heads = [{ text: t('cron.name'), row: true }, { text: t('cron.schedule') }, { text: t('queue.one') }, { text: t('filter.handler') },
      { text: t('cron.next'), right: true }, { text: t('cron.last'), right: true }, { text: t('cron.kept_by'), right: true }];
    if (!app.site.read_only) heads.push({ text: t('actions'), hidden: true });
    const rows = entries.map((entry) => {
      const cells = [
        h('div', { class: 'names' }, link(path('cron', entry.name), { class: 'title', title: t('cron.history') }, bdi(entry.name, 120)),
          entry.paused ? badge('paused') : null, entry.python ? badge('python') : null),
        h('div', { class: 'stacked' }, h('code', null, bdi(entry.schedule, 80)), h('span', { class: 'sub' }, entry.tz ? bdi(entry.zone ? `${entry.zone} (${entry.tz})` : entry.tz, 60) : t(entry.python ? 'cron.python_zone' : 'cron.utc'))),
        queueLink(entry.queue), h('span', { class: 'id' }, bdi(entry.handler, 60)),
        entry.paused ? h('span', { class: 'muted' }, t('status.paused')) : timeNode(entry.next),
        entry.last_job ? link(path('jobs', entry.last_job), null, timeNode(entry.last)) : timeNode(entry.last),
        entry.schedulers > 0 ? number(entry.schedulers) : h('span', { class: 'bad', title: t('cron.kept_by_none') }, '0'),
      ];
      if (!app.site.read_only) {
        const actionButton = (action) => button('cron', t(`do.${action}`), { entry: entry.name, action }, { kind: 'small', key: action, name: t('do.to', { what: t(`do.${action}`), name: truncate(entry.name, 80) }) });
        cells.push(h('div', { class: 'row-buttons' }, actionButton('run'), entry.python ? null : actionButton(entry.paused ? 'resume' : 'pause')));
      }
      return { key: entry.name, cells };
    });
    return table({ label: t('nav.cron'), heads, rows, kind: 'cron' });
  },
};

/** Number of runs shown. */
const MAX_HISTORY = 200;

export const cronHistoryPage = {
  load: ({ params: [name] }) => ({ main: withQuery(apiPath('cron', name, 'history'), { limit: MAX_HISTORY }) }),
  title: ({ params: [name] }) => `${truncate(name, 80)} · ${t('nav.cron')}`,
  heading: ({ params: [name] }) => [h('span', { class: 'eyebrow' }, link(path('cron'), null, t('nav.cron'))), ' ', bdi(name, 300)],
  draw({ main: runs }) {
    if (runs.length === 0) return emptyState(t('cron.no_history'));
    const longest = Math.max(0, ...runs.map((run) => (run.ended_at ? secondsBetween(run.started_at, run.ended_at) || 0 : 0)));
    const limitNote = runs.length < MAX_HISTORY ? null : h('p', { class: 'facts-line', 'data-key': 'rest' }, t('cron.newest', { n: MAX_HISTORY }));
    return [limitNote, table({
      label: t('cron.history'), kind: 'history',
      heads: [{ text: t('job.one'), row: true }, { text: t('job.status') }, { text: t('job.enqueued_at'), right: true }, { text: t('cron.waited'), right: true }, { text: t('job.took'), right: true }],
      rows: runs.map((run) => {
        const runTime = run.started_at && run.ended_at ? secondsBetween(run.started_at, run.ended_at) : null;
        return {
          key: run.id,
          cells: [jobLink(run.id), badge(run.status), timeNode(run.at), run.started_at ? duration(secondsBetween(run.at, run.started_at)) : null,
            runTime === null ? null : h('span', { class: 'run' }, h('i', { class: 'run-bar', css: { '--part': `${longest > 0 ? Math.max(2, (runTime / longest) * 100) : 2}%` } }), h('span', null, duration(runTime)))],
        };
      }),
    })];
  },
};
