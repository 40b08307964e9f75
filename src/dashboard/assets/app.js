// Loading every two seconds, drawing, navigation and user input.

import { h, morph } from './dom.js';
import { app, path } from './state.js';
import { get, ApiError } from './api.js';
import { bdi, preferredLanguage, saveLanguage, loadLanguage, t, updateTimes } from './text.js';
import { icon, link } from './ui.js';
import { ACTIONS, showToast, errorText } from './actions.js';
import { banner, footer, header, refusalContent, showCurrentLink } from './layout.js';
import { matchRoute, PAGES } from './routes.js';

/** Pause between two loads, in milliseconds. */
const REFRESH_INTERVAL = 2000;
const root = document.getElementById('root');

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
  else if (refusal) content = refusalContent(refusal);
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
    banner(outage, loadedAt),
    h('main', { id: 'main', tabindex: '-1', class: isStale ? 'stale' : null, 'aria-busy': app.data === null && !outage && !refusal ? 'true' : null },
      h('h1', { tabindex: '-1', 'data-key': `h1 ${location.pathname}` }, page?.heading ? page.heading(route, app.data) : title),
      h('div', { class: 'content', 'data-key': `page ${route.name} ${JSON.stringify(route.params)}` }, content)),
    footer());
  morph(root, fresh);
  showCurrentLink(root);
  document.title = `${outage ? '⚠ ' : ''}${title} · rq-rs`;
}
app.draw = draw;

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
  const setPicked = (other, isPicked) => (isPicked ? app.picked.add(other.dataset.pick) : app.picked.delete(other.dataset.pick));
  if (!box.closest('tbody')) boxes.forEach((other) => setPicked(other, box.checked));
  else {
    const from = isRange ? boxes.findIndex((other) => other.dataset.pick === lastPicked) : -1;
    const to = boxes.indexOf(box);
    if (from >= 0) boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => setPicked(other, box.checked));
    else setPicked(box, box.checked);
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
    const section = document.getElementById(to.hash.slice(1));
    section?.scrollIntoView();
    section?.focus({ preventScroll: true });
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
