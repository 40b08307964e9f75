// Which page, its data each two seconds, and what is clicked.

import { h, morph } from './dom.js';
import { app, path } from './state.js';
import { get, Trouble } from './api.js';
import { bdi, chosenLanguage, keepLanguage, language, LANGUAGES, rich, speak, t, tick, when } from './text.js';
import { icon, link, REGISTRIES } from './ui.js';
import { ACTIONS, say, trouble } from './act.js';
import { overview } from './overview.js';
import { failed, queue, scheduled } from './lists.js';
import { job } from './job.js';
import { cron, history as cronHistory } from './cron.js';
import { workers } from './workers.js';
import { metrics } from './metrics.js';

const PAGES = { overview, queue, failed, scheduled, job, cron, 'cron-history': cronHistory, workers, metrics };
const NAV = [['overview', []], ['failed', ['failed']], ['scheduled', ['scheduled']], ['cron', ['cron']], ['workers', ['workers']], ['metrics', ['metrics-page']]];
const EVERY = 2000;
const root = document.getElementById('root');

function match() {
  let parts;
  try {
    parts = location.pathname.slice(app.base.length).split('/').filter(Boolean).map((one) => decodeURIComponent(one).replace(/^~/, ''));
  } catch {
    parts = ['?'];
  }
  const query = new URLSearchParams(location.search);
  const page = (name, ...params) => ({ name, params, query });
  const [first, second, third] = parts;
  const simple = { failed: 'failed', scheduled: 'scheduled', cron: 'cron', workers: 'workers', 'metrics-page': 'metrics' };
  if (parts.length === 0) return page('overview');
  if (parts.length === 1 && Object.hasOwn(simple, first)) return page(simple[first]);
  if (first === 'jobs' && parts.length === 2) return page('job', second);
  if (first === 'cron' && parts.length === 2) return page('cron-history', second);
  if (first === 'queues' && (parts.length === 2 || (parts.length === 3 && REGISTRIES.includes(third)))) return page('queue', second, third ?? 'queued');
  return page('none');
}

// ---- The data ----

/** What is wrong: `outage` heals by itself and leaves the last data; `refused` takes their place. */
let outage = null;
let refused = null;
let seenAt = null;
let round = null;
let timer;

/** Loads the page's data, and again after a while. A new round ends the one before: there is one at a time. */
async function load() {
  clearTimeout(timer);
  round?.abort();
  const mine = new AbortController();
  round = mine;
  const page = PAGES[app.route.name];
  const { search } = location;
  try {
    const sources = Object.entries(page?.load(app.route) ?? {});
    const answers = await Promise.all(sources.map(([, address]) => get(address, mine.signal)));
    if (round !== mine) return;
    app.data = Object.fromEntries(sources.map(([name], at) => [name, answers[at]]));
    app.seen = search;
    outage = null;
    refused = null;
    seenAt = new Date().toISOString();
    prune();
  } catch (error) {
    if (round !== mine) return;
    if (!(error instanceof Trouble)) console.error(error);
    if (error instanceof Trouble && error.isOutage) outage = { since: outage?.since ?? new Date().toISOString(), error };
    else {
      refused = error;
      outage = null;
    }
  }
  round = null;
  draw();
  restoreScroll();
  if (app.live && !document.hidden) timer = setTimeout(load, EVERY);
}

/** Only rows that are seen can be chosen. */
function prune() {
  if (app.picked.size === 0) return;
  const here = new Set((app.data.main?.jobs ?? []).map((one) => one.id));
  for (const id of app.picked) if (!here.has(id)) app.picked.delete(id);
}

app.refresh = () => {
  if (!document.hidden) load();
};

// ---- The page ----

function draw() {
  const route = app.route;
  const page = PAGES[route.name];
  const title = page ? page.title(route, app.data) : t('none.title');
  const isStale = outage !== null && app.data !== null;
  let content;
  if (!page) content = h('div', { class: 'empty' }, icon('find'), h('p', null, t('none.text')), link(path(''), null, t('none.back')));
  else if (refused) content = refusal();
  else if (app.data) {
    try {
      content = page.draw(app.data, route);
    } catch (error) {
      // An answer that is not as agreed must not take the page down, nor be hidden.
      console.error(error);
      content = h('div', { class: 'empty bad' }, icon('warn'), h('p', null, t('broken')), h('code', null, bdi(error.message, 300)));
    }
  } else content = outage ? null : h('p', { class: 'loading' }, t('loading'));
  const fresh = h('div', null,
    h('a', { class: 'skip', href: '#main' }, t('skip')),
    header(),
    banner(),
    h('main', { id: 'main', tabindex: '-1', class: isStale ? 'stale' : null, 'aria-busy': app.data === null && !outage && !refused ? 'true' : null },
      h('h1', { tabindex: '-1', 'data-key': `h1 ${location.pathname}` }, page?.heading ? page.heading(route, app.data) : title),
      h('div', { class: 'content', 'data-key': `page ${route.name} ${JSON.stringify(route.params)}` }, content)),
    footer());
  morph(root, fresh);
  showCurrent();
  document.title = `${outage ? '⚠ ' : ''}${title} · rq-rs`;
}
app.draw = draw;

/** Where the bars of links are wider than the screen, the one that we are at is seen. */
function showCurrent() {
  const here = location.href + (app.data ? '' : '#');
  for (const bar of root.querySelectorAll('.main-nav ul, .tabs')) {
    if (bar.shownFor === here) continue;
    bar.shownFor = here;
    const one = bar.querySelector('[aria-current]');
    if (one && bar.scrollWidth > bar.clientWidth) bar.scrollLeft += one.getBoundingClientRect().left - bar.getBoundingClientRect().left - (bar.clientWidth - one.offsetWidth) / 2;
  }
}

function header() {
  const of = { queue: 'overview', job: 'overview', 'cron-history': 'cron' };
  const here = of[app.route.name] ?? app.route.name;
  return h('header', { class: 'top' },
    link(path(''), { class: 'brand', 'aria-label': t('brand') }, h('img', { src: `${app.base}/assets/icon.svg`, alt: '', width: '22', height: '22' }), h('b', null, 'rq-rs')),
    h('nav', { class: 'main-nav', 'aria-label': t('nav.label') }, h('ul', null, NAV.map(([name, parts]) =>
      h('li', null, link(parts.length > 0 ? path(...parts) : path(''), { 'aria-current': here === name ? (here === app.route.name ? 'page' : 'true') : null }, t(`nav.${name}`)))))),
    h('form', { class: 'jump', role: 'search', 'data-action': 'jump', 'aria-label': t('jump.label') },
      icon('find'), h('input', { type: 'search', name: 'id', required: true, placeholder: t('jump.placeholder'), 'aria-label': t('jump.label'), autocomplete: 'off', spellcheck: 'false', 'data-jump': true })),
    h('button', { type: 'button', class: 'live', role: 'switch', 'aria-checked': String(app.live), 'data-action': 'live', title: t('live.what') },
      h('span', { class: 'dot' }), t('live.on'), app.live ? null : h('span', { class: 'unseen' }, t('live.off'))));
}

function banner() {
  const parts = [];
  if (outage) {
    const { message, status, hint } = outage.error;
    parts.push(h('div', { class: 'banner bad', role: 'alert', 'data-key': 'outage' }, icon('warn'), h('div', null,
      h('p', null, h('b', null, t(status === 503 ? 'outage.redis' : status === 0 ? 'outage.server' : 'outage.other', { status })), ' ', rich('outage.since', { time: when(outage.since, true) })),
      h('p', { class: 'sub' }, status === 0 ? t('outage.server_hint') : [bdi(message, 300), hint ? [' – ', bdi(hint, 300)] : null]),
      seenAt && app.data ? h('p', { class: 'sub' }, rich('outage.shown', { time: when(seenAt) })) : null)));
  }
  if (!app.live) {
    parts.push(h('div', { class: 'banner', role: 'status', 'data-key': 'paused' }, icon('info'), h('p', null, t('live.paused'), ' ', seenAt ? rich('live.shown', { time: when(seenAt) }) : null)));
  }
  return h('div', { class: 'banners' }, parts);
}

function refusal() {
  const { status, message, hint } = refused;
  const text = has404() ? t('none.gone') : message || t('broken');
  return h('div', { class: 'empty bad', role: 'alert' }, icon('warn'), h('p', null, bdi(text, 500)), has404() && message ? h('p', { class: 'none' }, bdi(message, 500)) : null,
    hint ? h('p', { class: 'none' }, bdi(hint, 500)) : null, link(path(''), null, t('none.back')));
  function has404() {
    return status === 404;
  }
}

function footer() {
  const { version, dialect, prefix, address, read_only: isRead, user } = app.site;
  const part = (label, value) => (value ? h('span', null, label ? `${label} ` : null, h('span', { class: 'id' }, bdi(value, 120))) : null);
  return h('footer', { class: 'bottom' },
    h('p', null, part('rq-rs', version), part(t('site.dialect'), dialect), part(t('site.prefix'), prefix), part('Redis', address), user === null ? null : part(t('site.user'), user),
      isRead && version ? h('span', { class: 'badge' }, t('site.read_only')) : null),
    h('label', null, h('span', null, t('language')), ' ', h('select', { name: 'language', 'data-language': true }, Object.entries(LANGUAGES).map(([code, name]) =>
      h('option', { value: code, lang: code, selected: code === language }, name)))));
}

// ---- Where we are ----

/** Where each page visited was scrolled to, by the key of its entry in the history. */
const scrolls = new Map();
let entry = history.state?.entry ?? 0;
let wantedScroll = null;
history.scrollRestoration = 'manual';
history.replaceState({ ...history.state, entry }, '');

function restoreScroll() {
  if (wantedScroll === null) return;
  scrollTo(0, wantedScroll);
  wantedScroll = null;
}

function arrive(isNew) {
  const before = app.route;
  app.route = match();
  const isSame = before.name === app.route.name && JSON.stringify(before.params) === JSON.stringify(app.route.params);
  app.picked.clear();
  refused = null;
  if (!isSame) {
    app.data = null;
    app.unfolded.clear();
  }
  draw();
  load();
  if (isNew) scrollTo(0, 0);
  // A new page is read from its heading on; a filter that was sent leaves its field alone.
  if (!isSame || document.activeElement === document.body) root.querySelector('h1')?.focus({ preventScroll: true });
}

app.go = (address) => {
  scrolls.set(entry, scrollY);
  entry = Date.now();
  history.pushState({ entry }, '', address);
  wantedScroll = null;
  arrive(true);
};

app.back = () => {
  if (history.length > 1 && history.state?.entry) history.back();
  else app.go(path(''));
};

addEventListener('popstate', (event) => {
  if (event.state?.entry === undefined) return;
  scrolls.set(entry, scrollY);
  entry = event.state.entry;
  wantedScroll = scrolls.get(entry) ?? 0;
  arrive(false);
});

// ---- What people do ----

let lastPick = null;

function pick(box, isRange) {
  const boxes = [...root.querySelectorAll('tbody input[data-pick]')];
  const set = (one, on) => (on ? app.picked.add(one.dataset.pick) : app.picked.delete(one.dataset.pick));
  if (!box.closest('tbody')) boxes.forEach((one) => set(one, box.checked));
  else {
    const from = isRange ? boxes.findIndex((one) => one.dataset.pick === lastPick) : -1;
    const to = boxes.indexOf(box);
    if (from >= 0) boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => set(one, box.checked));
    else set(box, box.checked);
    lastPick = box.dataset.pick;
  }
  draw();
}

addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  const target = event.target;
  if (target instanceof HTMLInputElement && target.dataset.pick !== undefined) {
    pick(target, event.shiftKey);
    return;
  }
  const doer = target.closest?.('button[data-action]');
  if (doer) {
    act(doer);
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

const busy = new Set();

async function act(doer) {
  const name = doer.dataset.action;
  if (name === 'live') {
    app.live = !app.live;
    if (app.live) load();
    else {
      clearTimeout(timer);
      draw();
    }
    return;
  }
  // Once is enough, however often it is pressed.
  const what = `${name} ${doer.dataset.args}`;
  if (!Object.hasOwn(ACTIONS, name) || busy.has(what)) return;
  busy.add(what);
  try {
    await ACTIONS[name](JSON.parse(doer.dataset.args ?? '{}'));
  } catch (error) {
    console.error(error);
    say(trouble(error), true);
  } finally {
    busy.delete(what);
  }
}

function send(form) {
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
  if (form.dataset.action === 'filter') send(form);
  if (form.dataset.action === 'jump') {
    const id = String(new FormData(form).get('id') ?? '').trim();
    if (id) {
      form.reset();
      app.go(path('jobs', id));
    }
  }
});

addEventListener('change', async ({ target }) => {
  if ('submit' in target.dataset) send(target.form);
  if ('language' in target.dataset) {
    try {
      await speak(target.value);
      keepLanguage(target.value);
    } catch (error) {
      say(trouble(error), true);
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
  if (!document.hidden) tick();
}, 1000);

// ---- And so it begins ----

async function learnSite() {
  try {
    app.site = await get('/site');
    draw();
  } catch {
    // Until it is known what is allowed nothing is.
    app.site = { read_only: true };
    setTimeout(learnSite, EVERY);
  }
}

try {
  await speak(chosenLanguage());
} catch {
  await speak('en');
}
app.site = { read_only: true };
app.route = match();
draw();
learnSite();
load();
