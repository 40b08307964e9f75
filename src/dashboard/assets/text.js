// Words, numbers and times in the language of the reader.

import { h } from './dom.js';
import { app } from './state.js';
import { now } from './api.js';

export const LANGUAGES = { en: 'English', ko: '한국어' };
let words = {};
let numbers = new Intl.NumberFormat('en');
export let language = 'en';

export function chosenLanguage() {
  try {
    const kept = localStorage.getItem('rq-rs.language');
    if (Object.hasOwn(LANGUAGES, kept ?? '')) return kept;
  } catch { /* storage may be forbidden */ }
  return (navigator.language ?? '').toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

export async function speak(wanted) {
  const answer = await fetch(`${app.base}/assets/${wanted}.json`);
  if (!answer.ok) throw new Error(`${wanted}.json: HTTP ${answer.status}`);
  words = await answer.json();
  language = wanted;
  numbers = new Intl.NumberFormat(wanted);
  document.documentElement.lang = wanted;
}

export function keepLanguage(wanted) {
  try {
    localStorage.setItem('rq-rs.language', wanted);
  } catch { /* as above */ }
}

export const has = (key) => Object.hasOwn(words, key);
const word = (key) => (has(key) ? words[key] : key);
export const number = (n) => (typeof n === 'number' ? numbers.format(n) : '–');

/** Splits "{a} of {b}" and puts values in. */
function pieces(key, vars, put) {
  return word(key).split(/\{(\w+)\}/).map((part, at) => (at % 2 === 0 ? part : put(vars?.[part], part)));
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\ud802\ud803\ud83a\ud83b]/;

/** As plain text; what comes from jobs is isolated, so that its direction stays its own. */
export const t = (key, vars) => pieces(key, vars, (value) => {
  if (typeof value === 'number') return number(value);
  if (value === null || value === undefined) return '–';
  return RIGHT_TO_LEFT.test(value) ? `\u2068${seen(value)}\u2069` : seen(value);
}).join('');

/** As nodes: values may be nodes. */
export const rich = (key, vars) => pieces(key, vars, (value) => {
  if (typeof value === 'number') return number(value);
  if (value instanceof Node) return value.cloneNode(true);
  return value === null || value === undefined ? '–' : bdi(value);
});

/** For a number of things: `KEY_one` is for one. */
export const tn = (key, n, vars) => t(n === 1 && has(`${key}_one`) ? `${key}_one` : key, { n, ...vars });

/** A sentence `why` or a warning. Texts say "{seconds} s", as the command line does; people get "3 min". */
export function sentence(kind, fact, links) {
  const key = `${kind}.${fact.code}`;
  if (!has(key)) return [bdi(fact.code)];
  const vars = { ...fact, ...links };
  if (vars.at) vars.at = exact(vars.at);
  return word(key).split(/\{(\w+)\}( s|초)?/).map((part, at, all) => {
    if (at % 3 === 0) return part;
    if (at % 3 === 2) return all[at - 1] === 'seconds' ? '' : part;
    if (part === 'seconds') return took(Number(vars.seconds));
    const value = vars[part];
    if (value instanceof Node) return value.cloneNode(true);
    return typeof value === 'number' ? number(value) : bdi(value ?? '–', 400);
  });
}

/** Control characters are shown, not obeyed. */
export const seen = (text) => String(text)
  .replace(/[\0-\x08\x0b-\x1f]/g, (c) => (c === '\r' ? '' : String.fromCharCode(0x2400 + c.charCodeAt(0))))
  .replace(/[\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Text of a job, cut to a length. */
export const short = (text, most = 200) => {
  const all = seen(text ?? '');
  return all.length > most ? `${all.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…` : all;
};

/** What is too long for most lines is broken behind a sign rather than in a word. */
const breakable = (text) => text.split(/(\S{17,})/).map((part, at) => (at % 2 === 0 ? part
  : part.split(part.length > 24 ? /(?<=[(,.:;/@=&?_])(?=[^(,.:;/@=&?_])/ : /(?<=[(,.:;/@=&?])(?=[^(,.:;/@=&?])/).map((piece, n) => (n === 0 ? piece : [h('wbr'), piece]))));

export const bdi = (text, most) => h('bdi', null, breakable(short(text, most ?? 2000)));

const unit = (name, n) => t(`unit.${name}`, { n });

/** A duration, exactly enough. */
export function took(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const n = Math.max(0, seconds);
  if (n === 0) return unit('s', 0);
  if (n < 0.0995) return unit('ms', Number((n * 1000).toPrecision(2)));
  if (n < 0.9995) return unit('ms', Math.round(n * 1000));
  if (n < 9.95) return unit('s', Math.round(n * 10) / 10);
  return spell(n, true);
}

function spell(seconds, isFine) {
  const n = Math.round(seconds);
  const pair = (big, size, small, part) => {
    const rest = Math.floor((n % size) / part);
    return unit(big, Math.floor(n / size)) + (rest > 0 ? ` ${unit(small, rest)}` : '');
  };
  if (n < 60) return unit('s', n);
  if (n < 3600) return isFine && n < 600 ? pair('min', 60, 's', 1) : unit('min', Math.floor(n / 60));
  if (n < 86400) return pair('h', 3600, 'min', 60);
  return n < 864000 ? pair('d', 86400, 'h', 3600) : unit('d', Math.floor(n / 86400));
}

/** "3 min ago", "in 41 s". */
export function relative(time) {
  const off = (time - now()) / 1000;
  if (Math.abs(off) < 1) return t('time.now');
  return off < 0 ? words['time.ago'].replace('{d}', spell(-off)) : words['time.in'].replace('{d}', spell(off));
}

const two = (n) => String(n).padStart(2, '0');
const local = (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
export const clock = (d) => `${two(d.getHours())}:${two(d.getMinutes())}`;
export const day = (d) => `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const bothClocks = (d) => `${local(d)} ${zone}\n${d.toISOString().replace('T', ' ').replace(/(\.\d+)?Z$/, '')} UTC`;

/** A moment that ticks: relative, the exact one when pointed at. `since` shows how long ago, without "ago". */
export function when(iso, since = false) {
  const time = Date.parse(iso ?? '');
  if (!Number.isFinite(time)) return h('span', { class: 'none' }, '–');
  const shown = since ? spell(Math.max(0, (now() - time) / 1000), true) : relative(time);
  return h('time', { datetime: new Date(time).toISOString(), title: bothClocks(new Date(time)), 'data-tick': since ? 'since' : 'relative' }, shown);
}

/** "+01:00", which stands beside each clock. */
function offset(d) {
  const minutes = -d.getTimezoneOffset();
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

/** The exact moment. */
export function exact(iso) {
  const time = Date.parse(iso ?? '');
  if (!Number.isFinite(time)) return h('span', { class: 'none' }, '–');
  return h('time', { datetime: new Date(time).toISOString(), title: bothClocks(new Date(time)) }, `${local(new Date(time))} ${offset(new Date(time))}`);
}

/** Each second. */
export function tick() {
  for (const node of document.querySelectorAll('time[data-tick]')) {
    const time = Date.parse(node.dateTime);
    const shown = node.dataset.tick === 'since' ? spell(Math.max(0, (now() - time) / 1000), true) : relative(time);
    if (node.firstChild?.nodeType === 3 && node.firstChild.data !== shown) node.firstChild.data = shown;
  }
}

export function bytes(n) {
  if (typeof n !== 'number') return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (n >= 1024 && at < 4) {
    n /= 1024;
    at += 1;
  }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: n < 10 && at > 0 ? 1 : 0 }).format(n)} ${units[at]}`;
}

export const seconds = (from, to) => (Date.parse(to ?? '') - Date.parse(from ?? '')) / 1000;
