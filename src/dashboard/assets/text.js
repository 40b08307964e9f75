// Texts, numbers and times in the user's language.

import { h } from './dom.js';
import { app } from './state.js';
import { now } from './api.js';

export const LANGUAGES = { en: 'English', ko: '한국어' };
let texts = {};
let numberFormat = new Intl.NumberFormat('en');
export let language = 'en';

export function preferredLanguage() {
  try {
    const saved = localStorage.getItem('rq-rs.language');
    if (Object.hasOwn(LANGUAGES, saved ?? '')) return saved;
  } catch { /* the browser may forbid storage */ }
  return (navigator.language ?? '').toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

export async function loadLanguage(code) {
  const response = await fetch(`${app.base}/assets/${code}.json`);
  if (!response.ok) throw new Error(`${code}.json: HTTP ${response.status}`);
  texts = await response.json();
  language = code;
  numberFormat = new Intl.NumberFormat(code);
  document.documentElement.lang = code;
}

export function saveLanguage(code) {
  try {
    localStorage.setItem('rq-rs.language', code);
  } catch { /* the browser may forbid storage */ }
}

export const hasText = (key) => Object.hasOwn(texts, key);
const textOf = (key) => (hasText(key) ? texts[key] : key);
export const number = (n) => (typeof n === 'number' ? numberFormat.format(n) : '–');

/** Replaces the placeholders of a text, as in "{a} of {b}", by formatted values. Returns the parts as a list. */
function interpolate(key, vars, format) {
  return textOf(key).split(/\{(\w+)\}/).map((part, index) => (index % 2 === 0 ? part : format(vars?.[part], part)));
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\ud802\ud803\ud83a\ud83b]/;

/** A text as a string. Right-to-left values are isolated, so that they do not change the direction of the rest. */
export const t = (key, vars) => interpolate(key, vars, (value) => {
  if (typeof value === 'number') return number(value);
  if (value === null || value === undefined) return '–';
  return RIGHT_TO_LEFT.test(value) ? `\u2068${showControls(value)}\u2069` : showControls(value);
}).join('');

/** A text as a list of strings and nodes; values may be nodes. */
export const richText = (key, vars) => interpolate(key, vars, (value) => {
  if (typeof value === 'number') return number(value);
  if (value instanceof Node) return value.cloneNode(true);
  return value === null || value === undefined ? '–' : bdi(value);
});

/** A text with a count; `KEY_one` is its singular form. */
export const tn = (key, n, vars) => t(n === 1 && hasText(`${key}_one`) ? `${key}_one` : key, { n, ...vars });

/** A diagnostic (`why` or `warn`) as a sentence. "{seconds} s" in its text becomes a duration such as "3 min". */
export function sentence(kind, diagnostic, links) {
  const key = `${kind}.${diagnostic.code}`;
  if (!hasText(key)) return [bdi(diagnostic.code)];
  const vars = { ...diagnostic, ...links };
  if (vars.at) vars.at = exactTime(vars.at);
  return textOf(key).split(/\{(\w+)\}( s|초)?/).map((part, index, all) => {
    if (index % 3 === 0) return part;
    if (index % 3 === 2) return all[index - 1] === 'seconds' ? '' : part;
    if (part === 'seconds') return duration(Number(vars.seconds));
    const value = vars[part];
    if (value instanceof Node) return value.cloneNode(true);
    return typeof value === 'number' ? number(value) : bdi(value ?? '–', 400);
  });
}

/** Replaces control and direction characters by visible ones. */
export const showControls = (text) => String(text)
  .replace(/[\0-\x08\x0b-\x1f]/g, (c) => (c === '\r' ? '' : String.fromCharCode(0x2400 + c.charCodeAt(0))))
  .replace(/[\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Cuts a job's text to a length and makes it visible. */
export const truncate = (text, max = 200) => {
  const all = showControls(text ?? '');
  return all.length > max ? `${all.slice(0, max).replace(/[\ud800-\udbff]$/, '')}…` : all;
};

/** Allows line breaks behind punctuation in long words, so that they are not broken within a word. */
const withBreaks = (text) => text.split(/(\S{17,})/).map((part, index) => (index % 2 === 0 ? part
  : part.split(part.length > 24 ? /(?<=[(,.:;/@=&?_])(?=[^(,.:;/@=&?_])/ : /(?<=[(,.:;/@=&?])(?=[^(,.:;/@=&?])/).map((segment, n) => (n === 0 ? segment : [h('wbr'), segment]))));

/** A job's text as an element that keeps its own direction of writing. */
export const bdi = (text, max) => h('bdi', null, withBreaks(truncate(text, max ?? 2000)));

const unit = (name, n) => t(`unit.${name}`, { n });

/** A duration with two or three significant digits. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const n = Math.max(0, seconds);
  if (n === 0) return unit('s', 0);
  if (n < 0.0995) return unit('ms', Number((n * 1000).toPrecision(2)));
  if (n < 0.9995) return unit('ms', Math.round(n * 1000));
  if (n < 9.95) return unit('s', Math.round(n * 10) / 10);
  return roundedDuration(n, true);
}

/** A duration in whole seconds or larger units. */
function roundedDuration(seconds, withSeconds) {
  const n = Math.round(seconds);
  const pair = (big, size, small, smallSize) => {
    const rest = Math.floor((n % size) / smallSize);
    return unit(big, Math.floor(n / size)) + (rest > 0 ? ` ${unit(small, rest)}` : '');
  };
  if (n < 60) return unit('s', n);
  if (n < 3600) return withSeconds && n < 600 ? pair('min', 60, 's', 1) : unit('min', Math.floor(n / 60));
  if (n < 86400) return pair('h', 3600, 'min', 60);
  return n < 864000 ? pair('d', 86400, 'h', 3600) : unit('d', Math.floor(n / 86400));
}

/** "3 min ago", "in 41 s". */
export function relativeTime(time) {
  const seconds = (time - now()) / 1000;
  if (Math.abs(seconds) < 1) return t('time.now');
  return seconds < 0 ? texts['time.ago'].replace('{d}', roundedDuration(-seconds)) : texts['time.in'].replace('{d}', roundedDuration(seconds));
}

const pad2 = (n) => String(n).padStart(2, '0');
const localTime = (d) => `${d.getFullYear()}-${pad2(d.getMonth() + 1)}-${pad2(d.getDate())} ${pad2(d.getHours())}:${pad2(d.getMinutes())}:${pad2(d.getSeconds())}`;
export const hourMinute = (d) => `${pad2(d.getHours())}:${pad2(d.getMinutes())}`;
export const utcDay = (d) => `${d.getUTCFullYear()}-${pad2(d.getUTCMonth() + 1)}-${pad2(d.getUTCDate())}`;
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const bothClocks = (d) => `${localTime(d)} ${timeZone}\n${d.toISOString().replace('T', ' ').replace(/(\.\d+)?Z$/, '')} UTC`;

/** A time relative to now, updated every second, with the exact time as its tooltip. `since` leaves out "ago". */
export function timeNode(iso, since = false) {
  const time = Date.parse(iso ?? '');
  if (!Number.isFinite(time)) return h('span', { class: 'muted' }, '–');
  const text = since ? roundedDuration(Math.max(0, (now() - time) / 1000), true) : relativeTime(time);
  return h('time', { datetime: new Date(time).toISOString(), title: bothClocks(new Date(time)), 'data-tick': since ? 'since' : 'relative' }, text);
}

/** UTC offset of a local time, as in "+01:00". */
function utcOffset(d) {
  const minutes = -d.getTimezoneOffset();
  return `${minutes < 0 ? '-' : '+'}${pad2(Math.floor(Math.abs(minutes) / 60))}:${pad2(Math.abs(minutes) % 60)}`;
}

/** A time with date, seconds and UTC offset. */
export function exactTime(iso) {
  const time = Date.parse(iso ?? '');
  if (!Number.isFinite(time)) return h('span', { class: 'muted' }, '–');
  return h('time', { datetime: new Date(time).toISOString(), title: bothClocks(new Date(time)) }, `${localTime(new Date(time))} ${utcOffset(new Date(time))}`);
}

/** Updates all relative times. */
export function updateTimes() {
  for (const node of document.querySelectorAll('time[data-tick]')) {
    const time = Date.parse(node.dateTime);
    const text = node.dataset.tick === 'since' ? roundedDuration(Math.max(0, (now() - time) / 1000), true) : relativeTime(time);
    if (node.firstChild?.nodeType === 3 && node.firstChild.data !== text) node.firstChild.data = text;
  }
}

export function byteSize(n) {
  if (typeof n !== 'number') return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unitIndex = 0;
  while (n >= 1024 && unitIndex < 4) {
    n /= 1024;
    unitIndex += 1;
  }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: n < 10 && unitIndex > 0 ? 1 : 0 }).format(n)} ${units[unitIndex]}`;
}

export const secondsBetween = (from, to) => (Date.parse(to ?? '') - Date.parse(from ?? '')) / 1000;
