// Lists of jobs: a queue's registries, what is scheduled, what has failed.

import { h } from './dom.js';
import { app, path, withQuery } from './state.js';
import { api } from './api.js';
import { bdi, number, rich, seconds, short, t, tn, took, when } from './text.js';
import { badge, button, emptyState, icon, jobCell, link, queueLink, queuePath, REGISTRIES, section, table } from './ui.js';

const BULK = {
  queued: ['cancel', 'delete'],
  started: ['cancel'],
  scheduled: ['enqueue', 'cancel', 'delete'],
  deferred: ['cancel', 'delete'],
  rate_limited: ['cancel', 'delete'],
  finished: ['delete'],
  failed: ['requeue', 'delete'],
  canceled: ['requeue', 'delete'],
  unreadable: ['delete'],
};
const SORTED = new Set(['started', 'finished', 'failed', 'canceled', 'deferred']);
const LIMITS = [50, 100, 200];

const asked = (query, ...names) => Object.fromEntries(names.map((name) => [name, query.get(name)]).filter(([, value]) => value));
const FILTER = ['handler', 'error', 'text', 'exact'];
/** An exact one is that of a group: handler and kind of error are to be these. */
const filterOf = (query) => {
  const { exact, ...filter } = asked(query, ...FILTER);
  return exact === 'true' ? { ...filter, exact: true } : filter;
};
const isRead = () => app.site.read_only;

export const queue = {
  load({ params: [name, registry], query }) {
    return { main: withQuery(api('queues', name, registry), asked(query, 'offset', 'limit', 'order', ...FILTER)), overview: withQuery('/overview', { queue: name }) };
  },
  title: ({ params: [name, registry] }) => `${short(name, 80)} · ${t(`status.${registry}`)}`,
  heading: ({ params: [name] }) => [h('span', { class: 'over' }, t('queue.one')), ' ', bdi(name, 300)],
  draw: (data, route) => jobs(data, route),
};

export const scheduled = {
  load: ({ query }) => ({ main: withQuery('/scheduled', asked(query, 'offset', 'limit')) }),
  title: () => t('nav.scheduled'),
  draw: (data, route) => jobs(data, { ...route, params: [null, 'scheduled'] }),
};

function jobs({ main, overview }, route) {
  const [name, registry] = route.params;
  const one = overview?.queues?.find((queue) => queue.name === name);
  return [
    name === null ? null : head(name, one, overview),
    name === null ? null : tabs(name, registry, one, main),
    name === null ? null : filters(name, registry, route.query),
    // What was asked for before is not the answer to this.
    ...(app.seen !== location.search ? [h('p', { class: 'loading', 'data-key': 'loading' }, t('loading'))] : [
      oddKeys(main),
      bar(main, name, registry, route.query),
      list(main, name, registry),
      pager(main, name, registry, route.query),
    ]),
  ];
}

/** What another program has taken is not shown, and named. */
function oddKeys({ odd_keys: all }) {
  if (!all?.length) return null;
  return h('ul', { class: 'warnings', 'data-key': 'odd' }, all.map((key) => h('li', { 'data-key': key }, icon('warn'), h('span', null, t('list.odd_key', { key: short(key, 300) })))));
}

function head(name, one, overview) {
  if (!one) return null;
  const isSuspended = one.suspended || overview.suspended;
  return h('div', { class: 'page-actions', 'data-key': 'head' },
    h('p', { class: 'facts-line' },
      isSuspended ? badge('suspended') : null,
      link(path('workers'), null, tn('queue.workers', one.workers)),
      one.oldest_waiting === null ? null : h('span', null, t('total.oldest', { time: took(Math.round(one.oldest_waiting)) })),
      h('span', null, t('queue.last_hour', one.last_hour))),
    isRead() ? null : h('div', { class: 'buttons' },
      one.suspended ? button('queue', t('do.resume'), { queue: name, action: 'resume' }, { kind: 'solid' })
        : button('queue', t('do.suspend'), { queue: name, action: 'suspend' }),
      one.queued > 0 ? button('empty', t('queue.empty'), { queue: name }, { kind: 'danger' }) : null));
}

function tabs(name, registry, one, main) {
  const total = (other) => {
    if (other === registry) return main.total;
    if (!one) return null;
    return other === 'queued' ? one.queued + one.intermediate : one[other];
  };
  const shown = REGISTRIES.filter((other) => (other !== 'unreadable' && other !== 'rate_limited') || other === registry || total(other) > 0);
  return h('nav', { class: 'tabs', 'aria-label': t('queue.registries'), 'data-key': 'tabs' }, h('ul', null, shown.map((other) => {
    const n = total(other);
    return h('li', { 'data-key': other }, link(queuePath(name, other), {
      class: other === 'failed' && n > 0 ? 'bad' : null, 'aria-current': other === registry ? 'page' : null,
    }, t(`status.${other}`), ' ', n === null ? null : h('span', { class: 'n' }, number(n))));
  })));
}

function filters(name, registry, query) {
  const filter = filterOf(query);
  const hasError = registry === 'failed' || registry === 'scheduled' || registry === 'canceled';
  const field = (key, label) => h('label', { class: 'field' }, h('span', null, label),
    h('input', { type: 'search', name: key, value: filter[key] ?? '', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search', 'data-slash': key === 'text' || null }));
  const here = queuePath(name, registry);
  const kept = asked(query, 'order', 'limit');
  return h('form', { class: 'filter', role: 'search', 'data-action': 'filter', action: here, 'aria-label': t('filter.label'), 'data-key': `filter ${here}` },
    filter.exact ? h('p', { class: 'facts-line' }, [filter.handler, filter.error ?? t('failed.no_error')].filter(Boolean).map((part) => h('code', null, bdi(part, 240)))) : null,
    field('text', t('filter.text')), filter.exact ? null : field('handler', t('filter.handler')),
    !filter.exact && (hasError || filter.error) ? field('error', t('filter.error')) : null,
    Object.entries(filter.exact ? { ...filter, text: null, ...kept } : kept).filter(([, value]) => value).map(([key, value]) => h('input', { type: 'hidden', name: key, value: String(value) })),
    h('button', { type: 'submit', class: 'button' }, t('filter.apply')),
    Object.keys(filter).length > 0 ? link(withQuery(here, kept), { class: 'button bare' }, t('filter.clear')) : null);
}

function bar(main, name, registry, query) {
  if (name === null || isRead() || main.jobs.length === 0) return null;
  const filter = filterOf(query);
  const picked = main.jobs.filter((job) => app.picked.has(job.id)).length;
  const actions = BULK[registry] ?? [];
  const kind = (action) => (action === 'delete' || action === 'cancel' ? 'danger' : 'solid');
  const isFiltered = Object.keys(filter).length > 0;
  return h('div', { class: picked > 0 ? 'bulk on' : 'bulk', role: 'group', 'aria-label': t('bulk.label'), 'data-key': 'bulk' },
    h('label', { class: 'pick-all', 'data-key': 'all' }, pickAll(main.jobs, picked), ' ', t('bulk.pick_all')),
    picked > 0
      ? [h('b', null, tn('bulk.picked', picked)),
        actions.map((action) => button('picked', t(`do.${action}`), { queue: name, registry, action }, { kind: kind(action), key: `p ${action}` })),
        button('unpick', t('bulk.unpick'), {}, { kind: 'bare', key: 'unpick' })]
      : [h('span', { class: 'none' }, isFiltered ? t('bulk.hint_filter') : tn('bulk.hint_all', main.total)),
        actions.map((action) => button('bulk', t(`bulk.every_${action}`), { queue: name, registry, action, filter }, { kind: action === 'requeue' || action === 'enqueue' ? '' : 'danger', key: `a ${action}` }))]);
}

const pickAll = (jobs, picked, label = null) => h('input', {
  type: 'checkbox', 'data-pick': 'all', 'aria-label': label, checked: picked === jobs.length, 'data-some': picked > 0 && picked < jobs.length,
});

/** What there is to see of a job in each registry. */
const COLUMNS = {
  place: { text: () => t('job.place'), right: true, of: (job, at, main) => number(main.offset + at + 1) },
  handler: {
    text: () => t('filter.handler'),
    of: (job) => (job.handler ? link(withQuery(location.pathname, { ...asked(app.route.query, 'order', 'limit', 'error', 'text'), handler: job.handler }), { class: 'id quiet', title: t('filter.only') }, bdi(job.handler, 60)) : null),
  },
  queue: { text: () => t('queue.one'), of: (job) => queueLink(job.origin, 'scheduled') },
  enqueued: { text: () => t('job.enqueued_at'), right: true, of: (job) => when(job.enqueued_at ?? job.created_at) },
  created: { text: () => t('job.created_at'), right: true, of: (job) => when(job.created_at) },
  running: { text: () => t('job.running_for'), right: true, of: (job) => when(job.started_at, true) },
  worker: { text: () => t('worker.one'), of: (job) => (job.worker_name ? h('span', { class: 'id', title: short(job.worker_name, 300) }, bdi(job.worker_name, 40)) : null) },
  took: { text: () => t('job.took'), right: true, of: (job) => (job.started_at && job.ended_at ? took(seconds(job.started_at, job.ended_at)) : null) },
  ended: { text: () => t('job.ended_at'), right: true, of: (job) => when(job.ended_at) },
  error: {
    text: () => t('job.error'), wide: true,
    of: (job) => (job.error ? h('span', { class: 'error', title: short(job.error, 600) }, bdi(job.error, 240)) : null),
  },
  tries: { text: () => t('job.tries'), right: true, of: (job) => (job.retries_left === null && !job.number_of_retries ? null : tries(job)) },
  due: { text: () => t('job.due'), right: true, of: (job) => when(job.due) },
  try: { text: () => t('job.try'), right: true, of: (job) => attempt(job) },
};
const SHOWN = {
  queued: ['place', 'handler', 'try', 'enqueued'],
  started: ['handler', 'worker', 'running'],
  scheduled: ['handler', 'error', 'try', 'due'],
  deferred: ['handler', 'created'],
  rate_limited: ['handler', 'created'],
  finished: ['handler', 'worker', 'took', 'ended'],
  failed: ['handler', 'error', 'tries', 'ended'],
  canceled: ['handler', 'error', 'ended'],
  unreadable: ['handler', 'created'],
};

const tries = (job) => number((job.number_of_retries ?? 0) + 1);

/** "2 of 4": which try is next. */
const attempt = (job) => {
  const done = job.number_of_retries ?? 0;
  if (job.retries_left === null || job.retries_left === undefined) return done > 0 ? number(done + 1) : null;
  return t('job.try_of', { n: done + 1, of: done + 1 + job.retries_left });
};

const EACH = { started: ['stop'], scheduled: ['enqueue', 'cancel'] };

function list(main, name, registry) {
  if (main.jobs.length === 0) return h('div', { 'data-key': 'none' }, nothing(main, name, registry));
  const picks = name !== null && !isRead();
  const shown = [...SHOWN[registry]];
  if (name === null) shown.splice(1, 0, 'queue');
  const each = isRead() ? [] : EACH[registry] ?? [];
  const here = main.jobs.filter((job) => app.picked.has(job.id)).length;
  const heads = [
    ...(picks ? [{
      text: t('bulk.pick'), hidden: true,
      node: pickAll(main.jobs, here, t('bulk.pick_all')),
    }] : []),
    { text: t('job.one'), wide: true, row: true },
    ...shown.map((column) => ({ ...COLUMNS[column], text: COLUMNS[column].text() })),
    ...(each.length > 0 ? [{ text: t('actions'), hidden: true }] : []),
  ];
  const rows = main.jobs.map((job, at) => ({
    key: job.id,
    kind: app.picked.has(job.id) ? 'picked' : null,
    cells: [
      ...(picks ? [h('input', { type: 'checkbox', 'data-pick': job.id, checked: app.picked.has(job.id), 'aria-label': t('bulk.pick_one', { job: short(job.description || job.id, 80) }) })] : []),
      job.status === null ? h('div', { class: 'two' }, h('span', null, badge(registry === 'unreadable' ? registry : null)), h('span', { class: 'sub id' }, bdi(job.id, 80))) : jobCell(job),
      ...shown.map((column) => COLUMNS[column].of(job, at, main)),
      ...(each.length > 0 ? [h('div', { class: 'row-buttons' }, each.map((action) => button('job', t(`do.${action}`), { id: job.id, action },
        { kind: action === 'enqueue' ? 'small' : 'small danger', name: t('do.to_job', { what: t(`do.${action}`), job: short(job.id, 80) }) })))] : []),
    ],
  }));
  return h('div', { 'data-key': `list ${registry}` }, table({ label: t(`list.${registry}`), heads, rows, kind: `jobs of-${registry}` }));
}

function nothing(main, name, registry) {
  const filter = Object.keys(filterOf(app.route.query)).length > 0;
  if (filter && main.next !== null) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.not_yet', { scanned: main.scanned, total: main.total })));
  if (filter) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.no_match')));
  if (main.offset > 0) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.beyond')));
  return emptyState(name === null ? t('list.none_scheduled_all') : t(`list.none_${registry}`));
}

function pager(main, name, registry, query) {
  const { offset, limit, total, next, scanned } = main;
  const here = name === null ? path('scheduled') : queuePath(name, registry);
  const filter = filterOf(query);
  const isFiltered = Object.keys(filter).length > 0;
  const to = (change) => withQuery(here, { ...asked(query, 'limit', 'order', ...FILTER), ...change });
  const n = main.jobs.length;
  const isShort = isFiltered && next !== null && n < limit;
  const range = isFiltered ? tn('pager.found', n) : n === 0 ? null : t('pager.range', { from: offset + 1, to: offset + n, total });
  return h('div', { class: 'pager', 'data-key': 'pager' },
    h('p', null, range, isFiltered ? [' ', h('span', { class: 'none' }, t('pager.scanned', { scanned: Math.min(offset + scanned, total), total }))] : null),
    h('nav', { 'aria-label': t('pager.label') },
      offset > 0 ? link(to({ offset: null }), { class: 'button' }, t('pager.first')) : null,
      offset > 0 && !isFiltered ? link(to({ offset: Math.max(0, offset - limit) || null }), { class: 'button', rel: 'prev' }, t('pager.previous')) : null,
      next === null ? null : link(to({ offset: next }), { class: isShort ? 'button solid' : 'button', rel: 'next' }, isShort ? t('pager.further') : t('pager.next'))),
    h('p', { class: 'choices' },
      name !== null && SORTED.has(registry) ? h('span', { role: 'group', 'aria-label': t('pager.order') }, ['newest', 'oldest'].map((order) =>
        link(to({ order }), { 'aria-current': main.order === order ? 'true' : null }, t(`pager.${order}`)))) : null,
      total > LIMITS[0] ? h('span', { role: 'group', 'aria-label': t('pager.limit') }, LIMITS.map((many) =>
        link(to({ limit: many === 50 ? null : many }), { 'aria-current': limit === many ? 'true' : null }, number(many)))) : null));
}

/** Failed jobs by what went wrong. */
export const failed = {
  load: ({ query }) => ({ main: withQuery('/failed', asked(query, 'queue')) }),
  title: () => t('nav.failed'),
  draw({ main }, { query }) {
    const only = query.get('queue');
    const filtered = only ? h('p', { class: 'facts-line', 'data-key': 'only' }, rich('failed.only', { queue: queueLink(only, 'failed') }), ' ', link(path('failed'), null, t('failed.all'))) : null;
    if (main.groups.length === 0) return [oddKeys(main), filtered, emptyState(t('list.none_failed'))];
    const heads = [{ text: t('failed.count'), right: true }, { text: t('job.error'), wide: true, row: true }, { text: t('queue.one') }, { text: t('failed.first'), right: true }, { text: t('failed.last'), right: true }];
    if (!isRead()) heads.push({ text: t('actions'), hidden: true });
    const rows = main.groups.map((group) => {
      const filter = { handler: group.handler, error: group.kind, exact: true };
      const to = queuePath(group.queue, 'failed', filter);
      const named = group.error || t('failed.no_error');
      const act = (action, kind) => button('bulk', t(`bulk.every_${action}`), { queue: group.queue, registry: 'failed', action, filter },
        { kind: `small ${kind}`, name: t('failed.act', { what: t(`do.${action}`), error: short(named, 80) }) });
      const cells = [
        link(to, { class: 'count bad' }, number(group.count)),
        h('div', { class: 'two' }, link(to, { class: group.error ? 'title error' : 'title', title: short(group.error, 600) }, group.error ? bdi(group.error, 240) : named),
          h('span', { class: 'sub' }, h('span', { class: 'id' }, group.handler ? bdi(group.handler, 80) : t('failed.no_handler')), ' · ', link(path('jobs', group.id), { class: 'quiet' }, t('failed.newest')))),
        link(queuePath(group.queue, 'failed'), { class: 'name' }, bdi(group.queue, 80)), when(group.first), when(group.last),
      ];
      // Without an error to look for, the filter would fit more than the group.
      if (!isRead()) cells.push(group.error ? h('div', { class: 'row-buttons' }, act('requeue', ''), act('delete', 'danger')) : null);
      return { key: JSON.stringify([group.queue, group.handler, group.kind]), cells };
    });
    return [oddKeys(main), filtered,
      h('p', { class: 'facts-line', 'data-key': 'sum' }, h('span', null, tn('failed.sum', main.total)), h('span', null, tn('failed.in_groups', main.groups.length)),
        main.scanned < main.total ? h('span', { class: 'caution' }, t('failed.scanned', { scanned: main.scanned })) : null),
      h('div', { 'data-key': 'groups' }, section(t('failed.groups'), null, table({ label: t('failed.groups'), heads, rows, kind: 'groups' })))];
  },
};
