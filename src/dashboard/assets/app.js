// Routing, loading every two seconds, drawing, and user input.

import { h, morph } from './dom.js';
import { app, path } from './state.js';
import { get, ApiError } from './api.js';
import { bdi, preferredLanguage, saveLanguage, language, LANGUAGES, richText, loadLanguage, t, updateTimes, timeNode } from './text.js';
import { icon, link, REGISTRIES } from './ui.js';
import { ACTIONS, showToast, errorText } from './actions.js';
import { overviewPage } from './overview.js';
import { failedPage, queuePage, scheduledPage } from './lists.js';
import { jobPage } from './job.js';
import { cronPage, cronHistoryPage } from './cron.js';
import { workersPage } from './workers.js';
import { metricsPage } from './metrics.js';

/** Pages by route name: which data they load, their title, and how they are drawn. */
const PAGES = {
  overview: overviewPage,
  queue: queuePage,
  failed: failedPage,
  scheduled: scheduledPage,
  job: jobPage,
  cron: cronPage,
  'cron-history': cronHistoryPage,
  workers: workersPage,
  metrics: metricsPage,
};
/** Main navigation: route name and path. */
const NAV = [['overview', []], ['failed', ['failed']], ['scheduled', ['scheduled']], ['cron', ['cron']], ['workers', ['workers']], ['metrics', ['metrics-page']]];
const REFRESH_INTERVAL = 2000;
const root = document.getElementById('root');

function matchRoute() {
  let parts;
  try {
    parts = location.pathname.slice(app.base.length).split('/').filter(Boolean).map((segment) => decodeURIComponent(segment).replace(/^~/, ''));
  } catch {
    parts = ['?'];
  }
  const query = new URLSearchParams(location.search);
  const page = (name, ...params) => ({ name, params, query });
  const [first, second, third] = parts;
  const pages = { failed: 'failed', scheduled: 'scheduled', cron: 'cron', workers: 'workers', 'metrics-page': 'metrics' };
  if (parts.length === 0) return page('overview');
  if (parts.length === 1 && Object.hasOwn(pages, first)) return page(pages[first]);
  if (first === 'jobs' && parts.length === 2) return page('job', second);
  if (first === 'cron' && parts.length === 2) return page('cron-history', second);
  if (first === 'queues' && (parts.length === 2 || (parts.length === 3 && REGISTRIES.includes(third)))) return page('queue', second, third ?? 'queued');
  return page('none');
}

// ---- Data ----

/** Errors of the last load: an outage leaves the last data on the page; a refusal replaces them. */
let outage = null;
let refusal = null;
/** Time of the last successful load. */
let loadedAt = null;
/** Abort controller of the load in progress. */
let currentLoad = null;
let timer;

/** Loads the page's data now, and again at intervals. A new load cancels the one in progress. */
async function load() {
  clearTimeout(timer);
  currentLoad?.abort();
  const controller = new AbortController();
  currentLoad = controller;
  const page = PAGES[app.route.name];
  const { search } = location;
  try {
    const sources = Object.entries(page?.load(app.route) ?? {});
    const responses = await Promise.all(sources.map(([, address]) => get(address, controller.signal)));
    if (currentLoad !== controller) return;
    app.data = Object.fromEntries(sources.map(([name], index) => [name, responses[index]]));
    app.loadedSearch = search;
    outage = null;
    refusal = null;
    loadedAt = new Date().toISOString();
    dropHiddenPicks();
  } catch (error) {
    if (currentLoad !== controller) return;
    if (!(error instanceof ApiError)) console.error(error);
    if (error instanceof ApiError && error.isOutage) outage = { since: outage?.since ?? new Date().toISOString(), error };
    else {
      refusal = error;
      outage = null;
    }
  }
  currentLoad = null;
  draw();
  restoreScroll();
  if (app.live && !document.hidden) timer = setTimeout(load, REFRESH_INTERVAL);
}

/** Unchecks rows that are not on the page any more. */
function dropHiddenPicks() {
  if (app.picked.size === 0) return;
  const visible = new Set((app.data.main?.jobs ?? []).map((job) => job.id));
  for (const id of app.picked) if (!visible.has(id)) app.picked.delete(id);
}

app.refresh = () => {
  if (!document.hidden) load();
};

// ---- Drawing ----

function draw() {
  const route = app.route;
  const page = PAGES[route.name];
  const title = page ? page.title(route, app.data) : t('none.title');
  const isStale = outage !== null && app.data !== null;
  let content;
  if (!page) content = h('div', { class: 'empty' }, icon('find'), h('p', null, t('none.text')), link(path(''), null, t('none.back')));
  else if (refusal) content = refusalContent();
  else if (app.data) {
    try {
      content = page.draw(app.data, route);
    } catch (error) {
      // Unexpected data must neither break the page nor go unnoticed.
      console.error(error);
      content = h('div', { class: 'empty bad' }, icon('warn'), h('p', null, t('broken')), h('code', null, bdi(error.message, 300)));
    }
  } else content = outage ? null : h('p', { class: 'loading' }, t('loading'));
  const fresh = h('div', null,
    h('a', { class: 'skip', href: '#main' }, t('skip')),
    header(),
    banner(),
    h('main', { id: 'main', tabindex: '-1', class: isStale ? 'stale' : null, 'aria-busy': app.data === null && !outage && !refusal ? 'true' : null },
      h('h1', { tabindex: '-1', 'data-key': `h1 ${location.pathname}` }, page?.heading ? page.heading(route, app.data) : title),
      h('div', { class: 'content', 'data-key': `page ${route.name} ${JSON.stringify(route.params)}` }, content)),
    footer());
  morph(root, fresh);
  showCurrentLink();
  document.title = `${outage ? '⚠ ' : ''}${title} · rq-rs`;
}
app.draw = draw;

/** Scrolls bars of links that are wider than the screen to the current link. */
function showCurrentLink() {
  const key = location.href + (app.data ? '' : '#');
  for (const bar of root.querySelectorAll('.main-nav ul, .tabs')) {
    if (bar.shownFor === key) continue;
    bar.shownFor = key;
    const current = bar.querySelector('[aria-current]');
    if (current && bar.scrollWidth > bar.clientWidth) bar.scrollLeft += current.getBoundingClientRect().left - bar.getBoundingClientRect().left - (bar.clientWidth - current.offsetWidth) / 2;
  }
}

function header() {
  const parents = { queue: 'overview', job: 'overview', 'cron-history': 'cron' };
  const current = parents[app.route.name] ?? app.route.name;
  return h('header', { class: 'top' },
    link(path(''), { class: 'brand', 'aria-label': t('brand') }, h('img', { src: `${app.base}/assets/icon.svg`, alt: '', width: '22', height: '22' }), h('b', null, 'rq-rs')),
    h('nav', { class: 'main-nav', 'aria-label': t('nav.label') }, h('ul', null, NAV.map(([name, parts]) =>
      h('li', null, link(parts.length > 0 ? path(...parts) : path(''), { 'aria-current': current === name ? (current === app.route.name ? 'page' : 'true') : null }, t(`nav.${name}`)))))),
    h('form', { class: 'jump', role: 'search', 'data-action': 'jump', 'aria-label': t('jump.label') },
      icon('find'), h('input', { type: 'search', name: 'id', required: true, placeholder: t('jump.placeholder'), 'aria-label': t('jump.label'), autocomplete: 'off', spellcheck: 'false', 'data-jump': true })),
    h('button', { type: 'button', class: 'live', role: 'switch', 'aria-checked': String(app.live), 'data-action': 'live', title: t('live.what') },
      h('span', { class: 'dot' }), t('live.on'), app.live ? null : h('span', { class: 'visually-hidden' }, t('live.off'))));
}

function banner() {
  const banners = [];
  if (outage) {
    const { message, status, hint } = outage.error;
    banners.push(h('div', { class: 'banner bad', role: 'alert', 'data-key': 'outage' }, icon('warn'), h('div', null,
      h('p', null, h('b', null, t(status === 503 ? 'outage.redis' : status === 0 ? 'outage.server' : 'outage.other', { status })), ' ', richText('outage.since', { time: timeNode(outage.since, true) })),
      h('p', { class: 'sub' }, status === 0 ? t('outage.server_hint') : [bdi(message, 300), hint ? [' – ', bdi(hint, 300)] : null]),
      loadedAt && app.data ? h('p', { class: 'sub' }, richText('outage.shown', { time: timeNode(loadedAt) })) : null)));
  }
  if (!app.live) {
    banners.push(h('div', { class: 'banner', role: 'status', 'data-key': 'paused' }, icon('info'), h('p', null, t('live.paused'), ' ', loadedAt ? richText('live.shown', { time: timeNode(loadedAt) }) : null)));
  }
  return h('div', { class: 'banners' }, banners);
}

function refusalContent() {
  const { status, message, hint } = refusal;
  const text = has404() ? t('none.gone') : message || t('broken');
  return h('div', { class: 'empty bad', role: 'alert' }, icon('warn'), h('p', null, bdi(text, 500)), has404() && message ? h('p', { class: 'muted' }, bdi(message, 500)) : null,
    hint ? h('p', { class: 'muted' }, bdi(hint, 500)) : null, link(path(''), null, t('none.back')));
  function has404() {
    return status === 404;
  }
}

function footer() {
  const { version, dialect, prefix, address, read_only: isReadOnly, user } = app.site;
  const fact = (label, value) => (value ? h('span', null, label ? `${label} ` : null, h('span', { class: 'id' }, bdi(value, 120))) : null);
  return h('footer', { class: 'bottom' },
    h('p', null, fact('rq-rs', version), fact(t('site.dialect'), dialect), fact(t('site.prefix'), prefix), fact('Redis', address), user === null ? null : fact(t('site.user'), user),
      isReadOnly && version ? h('span', { class: 'badge' }, t('site.read_only')) : null),
    h('label', null, h('span', null, t('language')), ' ', h('select', { name: 'language', 'data-language': true }, Object.entries(LANGUAGES).map(([code, name]) =>
      h('option', { value: code, lang: code, selected: code === language }, name)))));
}

// ---- Navigation ----

/** Scroll positions of visited pages, by the key of their history entry. */
const scrollPositions = new Map();
let historyEntry = history.state?.entry ?? 0;
let pendingScroll = null;
history.scrollRestoration = 'manual';
history.replaceState({ ...history.state, entry: historyEntry }, '');

function restoreScroll() {
  if (pendingScroll === null) return;
  scrollTo(0, pendingScroll);
  pendingScroll = null;
}

function onNavigate(isNew) {
  const before = app.route;
  app.route = matchRoute();
  const isSame = before.name === app.route.name && JSON.stringify(before.params) === JSON.stringify(app.route.params);
  app.picked.clear();
  refusal = null;
  if (!isSame) {
    app.data = null;
    app.expanded.clear();
  }
  draw();
  load();
  if (isNew) scrollTo(0, 0);
  // Focus moves to the heading of a new page, so that screen readers read it; after a filter it stays in the field.
  if (!isSame || document.activeElement === document.body) root.querySelector('h1')?.focus({ preventScroll: true });
}

app.go = (address) => {
  scrollPositions.set(historyEntry, scrollY);
  historyEntry = Date.now();
  history.pushState({ entry: historyEntry }, '', address);
  pendingScroll = null;
  onNavigate(true);
};

app.back = () => {
  if (history.length > 1 && history.state?.entry) history.back();
  else app.go(path(''));
};

addEventListener('popstate', (event) => {
  if (event.state?.entry === undefined) return;
  scrollPositions.set(historyEntry, scrollY);
  historyEntry = event.state.entry;
  pendingScroll = scrollPositions.get(historyEntry) ?? 0;
  onNavigate(false);
});

// ---- User input ----

let lastPicked = null;

function pickRows(box, isRange) {
  const boxes = [...root.querySelectorAll('tbody input[data-pick]')];
  const set = (other, on) => (on ? app.picked.add(other.dataset.pick) : app.picked.delete(other.dataset.pick));
  if (!box.closest('tbody')) boxes.forEach((other) => set(other, box.checked));
  else {
    const from = isRange ? boxes.findIndex((other) => other.dataset.pick === lastPicked) : -1;
    const to = boxes.indexOf(box);
    if (from >= 0) boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => set(other, box.checked));
    else set(box, box.checked);
    lastPicked = box.dataset.pick;
  }
  draw();
}

addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  const target = event.target;
  if (target instanceof HTMLInputElement && target.dataset.pick !== undefined) {
    pickRows(target, event.shiftKey);
    return;
  }
  const actionButton = target.closest?.('button[data-action]');
  if (actionButton) {
    runButton(actionButton);
    return;
  }
  const anchor = target.closest?.('a[href]');
  if (!anchor || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || anchor.target || 'native' in anchor.dataset) return;
  const to = new URL(anchor.href);
  if (to.origin !== location.origin || (app.base && !to.pathname.startsWith(`${app.base}/`) && to.pathname !== app.base)) return;
  event.preventDefault();
  if (to.hash && to.pathname === location.pathname) {
    const there = document.getElementById(to.hash.slice(1));
    there?.scrollIntoView();
    there?.focus({ preventScroll: true });
    return;
  }
  app.go(to.href);
});

const runningActions = new Set();

async function runButton(button) {
  const name = button.dataset.action;
  if (name === 'live') {
    app.live = !app.live;
    if (app.live) load();
    else {
      clearTimeout(timer);
      draw();
    }
    return;
  }
  // Further presses while the action runs are ignored.
  const action = `${name} ${button.dataset.args}`;
  if (!Object.hasOwn(ACTIONS, name) || runningActions.has(action)) return;
  runningActions.add(action);
  try {
    await ACTIONS[name](JSON.parse(button.dataset.args ?? '{}'));
  } catch (error) {
    console.error(error);
    showToast(errorText(error), true);
  } finally {
    runningActions.delete(action);
  }
}

function submitForm(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && value.trim() !== '') query.append(name, value);
  }
  const text = query.toString();
  app.go(form.getAttribute('action') + (text ? `?${text}` : ''));
}

addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.action === 'filter') submitForm(form);
  if (form.dataset.action === 'jump') {
    const id = String(new FormData(form).get('id') ?? '').trim();
    if (id) {
      form.reset();
      app.go(path('jobs', id));
    }
  }
});

addEventListener('change', async ({ target }) => {
  if ('submit' in target.dataset) submitForm(target.form);
  if ('language' in target.dataset) {
    try {
      await loadLanguage(target.value);
      saveLanguage(target.value);
    } catch (error) {
      showToast(errorText(error), true);
    }
    draw();
  }
});

addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.('input, select, textarea, dialog, [contenteditable]')) return;
  const field = root.querySelector('input[data-slash]') ?? root.querySelector('input[data-jump]');
  if (field) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

for (const kind of ['pointerover', 'pointerout']) {
  addEventListener(kind, ({ target }) => {
    const readout = target.closest?.('.chart')?.querySelector('.readout');
    if (readout) readout.textContent = kind === 'pointerover' ? target.dataset?.tip ?? '' : '';
  });
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else if (app.live) load();
});
addEventListener('online', () => app.live && load());

setInterval(() => {
  if (!document.hidden) updateTimes();
}, 1000);

// ---- Start ----

async function loadSite() {
  try {
    app.site = await get('/site');
    draw();
  } catch {
    // Until the server says what is allowed, the page is read-only.
    app.site = { read_only: true };
    setTimeout(loadSite, REFRESH_INTERVAL);
  }
}

try {
  await loadLanguage(preferredLanguage());
} catch {
  await loadLanguage('en');
}
app.site = { read_only: true };
app.route = matchRoute();
draw();
loadSite();
load();
