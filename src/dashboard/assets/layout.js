// The parts around a page's content: header, banners, footer.

import { h } from './dom.js';
import { app, path } from './state.js';
import { bdi, language, LANGUAGES, richText, t, timeNode } from './text.js';
import { icon, link } from './ui.js';

/** Main navigation: route name and path. */
const NAV = [['overview', []], ['failed', ['failed']], ['scheduled', ['scheduled']], ['cron', ['cron']], ['workers', ['workers']], ['metrics', ['metrics-page']]];

export function header() {
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

/** Banners about an outage and a paused page. `loadedAt` is the time of the data on the page. */
export function banner(outage, loadedAt) {
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

/** Content in place of a page that the server refuses. */
export function refusalContent(refusal) {
  const { status, message, hint } = refusal;
  const isGone = status === 404;
  const text = isGone ? t('none.gone') : message || t('broken');
  return h('div', { class: 'empty bad', role: 'alert' }, icon('warn'), h('p', null, bdi(text, 500)), isGone && message ? h('p', { class: 'muted' }, bdi(message, 500)) : null,
    hint ? h('p', { class: 'muted' }, bdi(hint, 500)) : null, link(path(''), null, t('none.back')));
}

export function footer() {
  const { version, dialect, prefix, address, read_only: isReadOnly, user } = app.site;
  const fact = (label, value) => (value ? h('span', null, label ? `${label} ` : null, h('span', { class: 'id' }, bdi(value, 120))) : null);
  return h('footer', { class: 'bottom' },
    h('p', null, fact('rq-rs', version), fact(t('site.dialect'), dialect), fact(t('site.prefix'), prefix), fact('Redis', address), user === null ? null : fact(t('site.user'), user),
      isReadOnly && version ? h('span', { class: 'badge' }, t('site.read_only')) : null),
    h('label', null, h('span', null, t('language')), ' ', h('select', { name: 'language', 'data-language': true }, Object.entries(LANGUAGES).map(([code, name]) =>
      h('option', { value: code, lang: code, selected: code === language }, name)))));
}

/** Scrolls bars of links that are wider than the screen to the current link. */
export function showCurrentLink(root) {
  const key = location.href + (app.data ? '' : '#');
  for (const bar of root.querySelectorAll('.main-nav ul, .tabs')) {
    if (bar.shownFor === key) continue;
    bar.shownFor = key;
    const current = bar.querySelector('[aria-current]');
    if (current && bar.scrollWidth > bar.clientWidth) bar.scrollLeft += current.getBoundingClientRect().left - bar.getBoundingClientRect().left - (bar.clientWidth - current.offsetWidth) / 2;
  }
}
