// Lists of jobs: the registries of a queue, all scheduled jobs, and failed jobs by error.

import { h } from './dom.js';
import { app, path, withQuery } from './state.js';
import { apiPath } from './api.js';
import { bdi, number, richText, secondsBetween, truncate, t, tn, duration, timeNode } from './text.js';
import { badge, button, emptyState, icon, jobCell, link, queueLink, queuePath, REGISTRIES, section, table } from './ui.js';

/** Actions on many jobs, by registry. */
const BULK_ACTIONS = {
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
/** Registries whose order can be chosen. */
const SORTABLE = new Set(['started', 'finished', 'failed', 'canceled', 'deferred']);
const PAGE_SIZES = [50, 100, 200];

/** These parameters of a query, as far as they are set. */
const queryParams = (query, ...names) => Object.fromEntries(names.map((name) => [name, query.get(name)]).filter(([, value]) => value));
const FILTER_PARAMS = ['handler', 'error', 'text', 'exact'];
/** The filter of a query. An exact one selects a group of failed jobs: this handler and this kind of error. */
const filterFrom = (query) => {
  const { exact, ...filter } = queryParams(query, ...FILTER_PARAMS);
  return exact === 'true' ? { ...filter, exact: true } : filter;
};
const isReadOnly = () => app.site.read_only;

export const queuePage = {
  load({ params: [name, registry], query }) {
    return { main: withQuery(apiPath('queues', name, registry), queryParams(query, 'offset', 'limit', 'order', ...FILTER_PARAMS)), overview: withQuery('/overview', { queue: name }) };
  },
  title: ({ params: [name, registry] }) => `${truncate(name, 80)} · ${t(`status.${registry}`)}`,
  heading: ({ params: [name] }) => [h('span', { class: 'eyebrow' }, t('queue.one')), ' ', bdi(name, 300)],
  draw: (data, route) => jobsPage(data, route),
};

export const scheduledPage = {
  load: ({ query }) => ({ main: withQuery('/scheduled', queryParams(query, 'offset', 'limit')) }),
  title: () => t('nav.scheduled'),
  draw: (data, route) => jobsPage(data, { ...route, params: [null, 'scheduled'] }),
};

function jobsPage({ main, overview }, route) {
  const [name, registry] = route.params;
  const view = overview?.queues?.find((queue) => queue.name === name);
  return [
    name === null ? null : queueHead(name, view, overview),
    name === null ? null : registryTabs(name, registry, view, main),
    name === null ? null : filterForm(name, registry, route.query),
    // The data in hand belongs to the previous query.
    ...(app.loadedSearch !== location.search ? [h('p', { class: 'loading', 'data-key': 'loading' }, t('loading'))] : [
      oddKeys(main),
      bulkBar(main, name, registry, route.query),
      jobTable(main, name, registry),
      pager(main, name, registry, route.query),
    ]),
  ];
}

/** Names the keys whose type is wrong, because another program uses them: their jobs are not shown. */
function oddKeys({ odd_keys: all }) {
  if (!all?.length) return null;
  return h('ul', { class: 'warnings', 'data-key': 'odd' }, all.map((key) => h('li', { 'data-key': key }, icon('warn'), h('span', null, t('list.odd_key', { key: truncate(key, 300) })))));
}

function queueHead(name, view, overview) {
  if (!view) return null;
  const isSuspended = view.suspended || overview.suspended;
  return h('div', { class: 'page-actions', 'data-key': 'head' },
    h('p', { class: 'facts-line' },
      isSuspended ? badge('suspended') : null,
      link(path('workers'), null, tn('queue.workers', view.workers)),
      view.oldest_waiting === null ? null : h('span', null, t('total.oldest', { time: duration(Math.round(view.oldest_waiting)) })),
      h('span', null, t('queue.last_hour', view.last_hour))),
    isReadOnly() ? null : h('div', { class: 'buttons' },
      view.suspended ? button('queue', t('do.resume'), { queue: name, action: 'resume' }, { kind: 'solid' })
        : button('queue', t('do.suspend'), { queue: name, action: 'suspend' }),
      view.queued > 0 ? button('empty', t('queue.empty'), { queue: name }, { kind: 'danger' }) : null));
}

function registryTabs(name, registry, view, main) {
  const total = (other) => {
    if (other === registry) return main.total;
    if (!view) return null;
    return other === 'queued' ? view.queued + view.intermediate : view[other];
  };
  const shown = REGISTRIES.filter((other) => (other !== 'unreadable' && other !== 'rate_limited') || other === registry || total(other) > 0);
  return h('nav', { class: 'tabs', 'aria-label': t('queue.registries'), 'data-key': 'tabs' }, h('ul', null, shown.map((other) => {
    const n = total(other);
    return h('li', { 'data-key': other }, link(queuePath(name, other), {
      class: other === 'failed' && n > 0 ? 'bad' : null, 'aria-current': other === registry ? 'page' : null,
    }, t(`status.${other}`), ' ', n === null ? null : h('span', { class: 'n' }, number(n))));
  })));
}

function filterForm(name, registry, query) {
  const filter = filterFrom(query);
  const hasError = registry === 'failed' || registry === 'scheduled' || registry === 'canceled';
  const field = (key, label) => h('label', { class: 'field' }, h('span', null, label),
    h('input', { type: 'search', name: key, value: filter[key] ?? '', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search', 'data-slash': key === 'text' || null }));
  const formPath = queuePath(name, registry);
  const preserved = queryParams(query, 'order', 'limit');
  return h('form', { class: 'filter', role: 'search', 'data-action': 'filter', action: formPath, 'aria-label': t('filter.label'), 'data-key': `filter ${formPath}` },
    filter.exact ? h('p', { class: 'facts-line' }, [filter.handler, filter.error ?? t('failed.no_error')].filter(Boolean).map((part) => h('code', null, bdi(part, 240)))) : null,
    field('text', t('filter.text')), filter.exact ? null : field('handler', t('filter.handler')),
    !filter.exact && (hasError || filter.error) ? field('error', t('filter.error')) : null,
    Object.entries(filter.exact ? { ...filter, text: null, ...preserved } : preserved).filter(([, value]) => value).map(([key, value]) => h('input', { type: 'hidden', name: key, value: String(value) })),
    h('button', { type: 'submit', class: 'button' }, t('filter.apply')),
    Object.keys(filter).length > 0 ? link(withQuery(formPath, preserved), { class: 'button bare' }, t('filter.clear')) : null);
}

function bulkBar(main, name, registry, query) {
  if (name === null || isReadOnly() || main.jobs.length === 0) return null;
  const filter = filterFrom(query);
  const picked = main.jobs.filter((job) => app.picked.has(job.id)).length;
  const actions = BULK_ACTIONS[registry] ?? [];
  const buttonKind = (action) => (action === 'delete' || action === 'cancel' ? 'danger' : 'solid');
  const isFiltered = Object.keys(filter).length > 0;
  return h('div', { class: picked > 0 ? 'bulk on' : 'bulk', role: 'group', 'aria-label': t('bulk.label'), 'data-key': 'bulk' },
    h('label', { class: 'pick-all', 'data-key': 'all' }, pickAllBox(main.jobs, picked), ' ', t('bulk.pick_all')),
    picked > 0
      ? [h('b', null, tn('bulk.picked', picked)),
        actions.map((action) => button('picked', t(`do.${action}`), { queue: name, registry, action }, { kind: buttonKind(action), key: `p ${action}` })),
        button('unpick', t('bulk.unpick'), {}, { kind: 'bare', key: 'unpick' })]
      : [h('span', { class: 'muted' }, isFiltered ? t('bulk.hint_filter') : tn('bulk.hint_all', main.total)),
        actions.map((action) => button('bulk', t(`bulk.every_${action}`), { queue: name, registry, action, filter }, { kind: action === 'requeue' || action === 'enqueue' ? '' : 'danger', key: `a ${action}` }))]);
}

const pickAllBox = (jobs, picked, label = null) => h('input', {
  type: 'checkbox', 'data-pick': 'all', 'aria-label': label, checked: picked === jobs.length, 'data-some': picked > 0 && picked < jobs.length,
});

/** Columns of job tables: heading and cell. */
const COLUMNS = {
  position: { text: () => t('job.place'), right: true, cell: (job, index, main) => number(main.offset + index + 1) },
  handler: {
    text: () => t('filter.handler'),
    cell: (job) => (job.handler ? link(withQuery(location.pathname, { ...queryParams(app.route.query, 'order', 'limit', 'error', 'text'), handler: job.handler }), { class: 'id subtle', title: t('filter.only') }, bdi(job.handler, 60)) : null),
  },
  queue: { text: () => t('queue.one'), cell: (job) => queueLink(job.origin, 'scheduled') },
  enqueued: { text: () => t('job.enqueued_at'), right: true, cell: (job) => timeNode(job.enqueued_at ?? job.created_at) },
  created: { text: () => t('job.created_at'), right: true, cell: (job) => timeNode(job.created_at) },
  running: { text: () => t('job.running_for'), right: true, cell: (job) => timeNode(job.started_at, true) },
  worker: { text: () => t('worker.one'), cell: (job) => (job.worker_name ? h('span', { class: 'id', title: truncate(job.worker_name, 300) }, bdi(job.worker_name, 40)) : null) },
  took: { text: () => t('job.took'), right: true, cell: (job) => (job.started_at && job.ended_at ? duration(secondsBetween(job.started_at, job.ended_at)) : null) },
  ended: { text: () => t('job.ended_at'), right: true, cell: (job) => timeNode(job.ended_at) },
  error: {
    text: () => t('job.error'), wide: true,
    cell: (job) => (job.error ? h('span', { class: 'error', title: truncate(job.error, 600) }, bdi(job.error, 240)) : null),
  },
  attempts: { text: () => t('job.tries'), right: true, cell: (job) => (job.retries_left === null && !job.number_of_retries ? null : attemptCount(job)) },
  due: { text: () => t('job.due'), right: true, cell: (job) => timeNode(job.due) },
  attempt: { text: () => t('job.try'), right: true, cell: (job) => attemptText(job) },
};
/** Columns of each registry. */
const COLUMNS_OF = {
  queued: ['position', 'handler', 'attempt', 'enqueued'],
  started: ['handler', 'worker', 'running'],
  scheduled: ['handler', 'error', 'attempt', 'due'],
  deferred: ['handler', 'created'],
  rate_limited: ['handler', 'created'],
  finished: ['handler', 'worker', 'took', 'ended'],
  failed: ['handler', 'error', 'attempts', 'ended'],
  canceled: ['handler', 'error', 'ended'],
  unreadable: ['handler', 'created'],
};

const attemptCount = (job) => number((job.number_of_retries ?? 0) + 1);

/** The next attempt, as in "2 of 4". */
const attemptText = (job) => {
  const done = job.number_of_retries ?? 0;
  if (job.retries_left === null || job.retries_left === undefined) return done > 0 ? number(done + 1) : null;
  return t('job.try_of', { n: done + 1, of: done + 1 + job.retries_left });
};

/** Actions on single jobs of a registry, as buttons in their rows. */
const ROW_ACTIONS = { started: ['stop'], scheduled: ['enqueue', 'cancel'] };

function jobTable(main, name, registry) {
  if (main.jobs.length === 0) return h('div', { 'data-key': 'none' }, emptyList(main, name, registry));
  const hasCheckboxes = name !== null && !isReadOnly();
  const columns = [...COLUMNS_OF[registry]];
  if (name === null) columns.splice(1, 0, 'queue');
  const rowActions = isReadOnly() ? [] : ROW_ACTIONS[registry] ?? [];
  const pickedCount = main.jobs.filter((job) => app.picked.has(job.id)).length;
  const heads = [
    ...(hasCheckboxes ? [{
      text: t('bulk.pick'), hidden: true,
      node: pickAllBox(main.jobs, pickedCount, t('bulk.pick_all')),
    }] : []),
    { text: t('job.one'), wide: true, row: true },
    ...columns.map((column) => ({ ...COLUMNS[column], text: COLUMNS[column].text() })),
    ...(rowActions.length > 0 ? [{ text: t('actions'), hidden: true }] : []),
  ];
  const rows = main.jobs.map((job, index) => ({
    key: job.id,
    kind: app.picked.has(job.id) ? 'picked' : null,
    cells: [
      ...(hasCheckboxes ? [h('input', { type: 'checkbox', 'data-pick': job.id, checked: app.picked.has(job.id), 'aria-label': t('bulk.pick_one', { job: truncate(job.description || job.id, 80) }) })] : []),
      job.status === null ? h('div', { class: 'stacked' }, h('span', null, badge(registry === 'unreadable' ? registry : null)), h('span', { class: 'sub id' }, bdi(job.id, 80))) : jobCell(job),
      ...columns.map((column) => COLUMNS[column].cell(job, index, main)),
      ...(rowActions.length > 0 ? [h('div', { class: 'row-buttons' }, rowActions.map((action) => button('job', t(`do.${action}`), { id: job.id, action },
        { kind: action === 'enqueue' ? 'small' : 'small danger', name: t('do.to_job', { what: t(`do.${action}`), job: truncate(job.id, 80) }) })))] : []),
    ],
  }));
  return h('div', { 'data-key': `list ${registry}` }, table({ label: t(`list.${registry}`), heads, rows, kind: `jobs of-${registry}` }));
}

function emptyList(main, name, registry) {
  const filter = Object.keys(filterFrom(app.route.query)).length > 0;
  if (filter && main.next !== null) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.not_yet', { scanned: main.scanned, total: main.total })));
  if (filter) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.no_match')));
  if (main.offset > 0) return h('div', { class: 'empty' }, icon('find'), h('p', null, t('list.beyond')));
  return emptyState(name === null ? t('list.none_scheduled_all') : t(`list.none_${registry}`));
}

function pager(main, name, registry, query) {
  const { offset, limit, total, next, scanned } = main;
  const pagePath = name === null ? path('scheduled') : queuePath(name, registry);
  const filter = filterFrom(query);
  const isFiltered = Object.keys(filter).length > 0;
  const pageLink = (change) => withQuery(pagePath, { ...queryParams(query, 'limit', 'order', ...FILTER_PARAMS), ...change });
  const count = main.jobs.length;
  const isIncomplete = isFiltered && next !== null && count < limit;
  const range = isFiltered ? tn('pager.found', count) : count === 0 ? null : t('pager.range', { from: offset + 1, to: offset + count, total });
  return h('div', { class: 'pager', 'data-key': 'pager' },
    h('p', null, range, isFiltered ? [' ', h('span', { class: 'muted' }, t('pager.scanned', { scanned: Math.min(offset + scanned, total), total }))] : null),
    h('nav', { 'aria-label': t('pager.label') },
      offset > 0 ? link(pageLink({ offset: null }), { class: 'button' }, t('pager.first')) : null,
      offset > 0 && !isFiltered ? link(pageLink({ offset: Math.max(0, offset - limit) || null }), { class: 'button', rel: 'prev' }, t('pager.previous')) : null,
      next === null ? null : link(pageLink({ offset: next }), { class: isIncomplete ? 'button solid' : 'button', rel: 'next' }, isIncomplete ? t('pager.further') : t('pager.next'))),
    h('p', { class: 'choices' },
      name !== null && SORTABLE.has(registry) ? h('span', { role: 'group', 'aria-label': t('pager.order') }, ['newest', 'oldest'].map((order) =>
        link(pageLink({ order }), { 'aria-current': main.order === order ? 'true' : null }, t(`pager.${order}`)))) : null,
      total > PAGE_SIZES[0] ? h('span', { role: 'group', 'aria-label': t('pager.limit') }, PAGE_SIZES.map((size) =>
        link(pageLink({ limit: size === PAGE_SIZES[0] ? null : size }), { 'aria-current': limit === size ? 'true' : null }, number(size)))) : null));
}

/** Failed jobs by error and handler. */
export const failedPage = {
  load: ({ query }) => ({ main: withQuery('/failed', queryParams(query, 'queue')) }),
  title: () => t('nav.failed'),
  draw({ main }, { query }) {
    const only = query.get('queue');
    const filtered = only ? h('p', { class: 'facts-line', 'data-key': 'only' }, richText('failed.only', { queue: queueLink(only, 'failed') }), ' ', link(path('failed'), null, t('failed.all'))) : null;
    if (main.groups.length === 0) return [oddKeys(main), filtered, emptyState(t('list.none_failed'))];
    const heads = [{ text: t('failed.count'), right: true }, { text: t('job.error'), wide: true, row: true }, { text: t('queue.one') }, { text: t('failed.first'), right: true }, { text: t('failed.last'), right: true }];
    if (!isReadOnly()) heads.push({ text: t('actions'), hidden: true });
    const rows = main.groups.map((group) => {
      const filter = { handler: group.handler, error: group.kind, exact: true };
      const to = queuePath(group.queue, 'failed', filter);
      const named = group.error || t('failed.no_error');
      const act = (action, kind) => button('bulk', t(`bulk.every_${action}`), { queue: group.queue, registry: 'failed', action, filter },
        { kind: `small ${kind}`, name: t('failed.act', { what: t(`do.${action}`), error: truncate(named, 80) }) });
      const cells = [
        link(to, { class: 'count bad' }, number(group.count)),
        h('div', { class: 'stacked' }, link(to, { class: group.error ? 'title error' : 'title', title: truncate(group.error, 600) }, group.error ? bdi(group.error, 240) : named),
          h('span', { class: 'sub' }, h('span', { class: 'id' }, group.handler ? bdi(group.handler, 80) : t('failed.no_handler')), ' · ', link(path('jobs', group.id), { class: 'subtle' }, t('failed.newest')))),
        link(queuePath(group.queue, 'failed'), { class: 'name' }, bdi(group.queue, 80)), timeNode(group.first), timeNode(group.last),
      ];
      // Without an error, the filter would match more than the group.
      if (!isReadOnly()) cells.push(group.error ? h('div', { class: 'row-buttons' }, act('requeue', ''), act('delete', 'danger')) : null);
      return { key: JSON.stringify([group.queue, group.handler, group.kind]), cells };
    });
    return [oddKeys(main), filtered,
      h('p', { class: 'facts-line', 'data-key': 'sum' }, h('span', null, tn('failed.sum', main.total)), h('span', null, tn('failed.in_groups', main.groups.length)),
        main.scanned < main.total ? h('span', { class: 'caution' }, t('failed.scanned', { scanned: main.scanned })) : null),
      h('div', { 'data-key': 'groups' }, section(t('failed.groups'), null, table({ label: t('failed.groups'), heads, rows, kind: 'groups' })))];
  },
};
