// Elements that several pages use.

import { h, s } from './dom.js';
import { app, path, withQuery } from './state.js';
import { bdi, number, showControls, truncate, t } from './text.js';

export const REGISTRIES = ['queued', 'started', 'scheduled', 'deferred', 'rate_limited', 'finished', 'failed', 'canceled', 'unreadable'];
const STATUSES = new Set(['created', 'queued', 'started', 'finished', 'failed', 'deferred', 'scheduled', 'stopped', 'canceled',
  'rate_limited', 'ready_to_enqueue', 'expired', 'busy', 'idle', 'suspended', 'quiet', 'paused', 'python', 'unreadable']);

/** A coloured label for a status or state; null means that the record is gone. */
export const badge = (status) => {
  const name = status ?? 'expired';
  return STATUSES.has(name)
    ? h('span', { class: `badge is-${name}` }, t(`status.${name}`))
    : h('span', { class: 'badge' }, bdi(name, 40));
};

export const link = (href, attrs, ...children) => h('a', { href, ...attrs }, ...children);
export const queuePath = (queue, registry = 'queued', query = {}) => withQuery(path('queues', queue, registry), query);
export const queueLink = (queue, registry) => link(queuePath(queue, registry), { class: 'name' }, bdi(queue, 80));
export const jobLink = (id, max = 80) => link(path('jobs', id), { class: 'id', title: truncate(id, 300) }, bdi(id, max));

const ICONS = {
  warn: 'M8 1.8 15 14H1L8 1.8Zm-.7 4.6v3.8h1.4V6.400H7.300Zm0 4.900v1.400h1.400v-1.400H7.300Z',
  info: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm-.7 6v5h1.400V7H7.300Zm0-2.600v1.400h1.400V4.400H7.300Z',
  good: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm-1 8.200L4.900 7.100l-1 1L7 11.200l5.100-5.100-1-1L7 9.200Z',
  find: 'M7 2a5 5 0 0 1 3.900 8.100l3.300 3.200-1 1-3.200-3.300A5 5 0 1 1 7 2Zm0 1.400a3.600 3.600 0 1 0 0 7.200 3.600 3.600 0 0 0 0-7.200Z',
};
export const icon = (name) => s('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
  s('path', { d: ICONS[name], 'fill-rule': 'evenodd' }));

/** A button for an action, which gets `args`; null in a read-only dashboard. */
export function button(action, label, args = {}, { kind = '', name = null, key = null } = {}) {
  if (app.site.read_only) return null;
  return h('button', {
    type: 'button', class: `button ${kind}`, 'data-action': action, 'data-args': JSON.stringify(args),
    'aria-label': name, title: name, 'data-key': key,
  }, label);
}

/** A count with a link to its jobs. */
export const countLink = (n, href, kind = '') => (n > 0
  ? link(href, { class: `count ${kind}` }, number(n))
  : link(href, { class: 'count zero' }, '0'));

const capitalize = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

/** A table, shown as cards on narrow screens. The explicit roles keep it a table for screen readers then. */
export function table({ label, heads, rows, kind = '' }) {
  const head = ({ text, right, hidden, node }) => h('th', { scope: 'col', role: 'columnheader', class: right ? 'right' : null },
    node, hidden ? h('span', { class: 'visually-hidden' }, text) : capitalize(text));
  const cell = (content, index) => {
    const { text, right, wide, hidden, row } = heads[index];
    const attrs = {
      class: [right && 'right', wide && 'wide', content === null && 'blank'].filter(Boolean).join(' ') || null,
      'data-label': hidden ? null : capitalize(text),
    };
    return row ? h('th', { scope: 'row', role: 'rowheader', ...attrs }, content) : h('td', { role: 'cell', ...attrs }, content);
  };
  return h('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': label },
    h('table', { class: `table ${kind}`, role: 'table', 'aria-label': label },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads.map(head))),
      h('tbody', { role: 'rowgroup' }, rows.map(({ key, cells, kind: rowKind }) =>
        h('tr', { role: 'row', 'data-key': key, class: rowKind ?? null }, cells.map(cell))))));
}

export const emptyState = (text, more = null) => h('div', { class: 'empty' }, icon('good'), h('p', null, text), more);

export const section = (title, more, ...children) => h('section', { class: 'section' },
  h('div', { class: 'section-head' }, h('h2', null, title), more), ...children);

/** Description and id of a job. */
export const jobCell = (job) => h('div', { class: 'stacked' },
  link(path('jobs', job.id), { class: 'title', title: truncate(job.description || job.id, 500) }, bdi(job.description || job.handler || job.id, 160)),
  h('span', { class: 'sub id', title: truncate(job.id, 300) }, bdi(job.id, 80)));

/** A long text, cut until the user asks for all of it. */
export function longText(key, text, label, kind = '') {
  const max = 40_000;
  const isExpanded = app.expanded.has(key);
  const isCut = !isExpanded && text.length > max;
  return h('div', { class: 'long', 'data-key': key },
    h('pre', { class: `pre ${kind}`, tabindex: '0', role: 'region', 'aria-label': label },
      showControls(isCut ? text.slice(0, max) : text)),
    isCut ? h('button', { type: 'button', class: 'button', 'data-action': 'expand', 'data-args': JSON.stringify({ key }) },
      t('text.show_all', { n: text.length })) : null);
}
