// The server's JSON.

import { app, part } from './state.js';

/** What the server (status) or the network (status 0) answered instead. */
export class Trouble extends Error {
  constructor(status, error, hint) {
    super(error);
    this.status = status;
    this.hint = hint;
  }

  /** Whether it will heal by itself: Redis or the server is away. */
  get isOutage() {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

/** How far the clock of the server is ahead of this machine's, in milliseconds. */
let ahead = 0;
let isExact = false;
export const now = () => Date.now() + ahead;

function learn(value, exact) {
  const time = typeof value === 'number' ? value * 1000 : Date.parse(value);
  if (!Number.isFinite(time) || (isExact && !exact)) return;
  const off = time - Date.now();
  // The date of an answer is cut to seconds, and all are on their way for a while.
  if (exact || Math.abs(off) > 3000) ahead = Math.abs(off) < 400 ? 0 : off;
  isExact ||= exact;
}

async function ask(address, options, seconds, signal) {
  const abort = new AbortController();
  const stop = () => abort.abort();
  const timer = setTimeout(stop, seconds * 1000);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const answer = await fetch(`${app.base}/api${address}`, {
      ...options,
      signal: abort.signal,
      cache: 'no-store',
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...options.headers },
    });
    let body;
    try {
      body = await answer.json();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      body = null;
    }
    if (!answer.ok) throw new Trouble(answer.status, body?.error ?? `HTTP ${answer.status}`, body?.hint ?? null);
    if (body === null) throw new Trouble(0, '', null);
    if (body.now !== undefined) learn(body.now, true);
    else learn(answer.headers.get('date'), false);
    return body;
  } catch (error) {
    if (error instanceof Trouble) throw error;
    if (signal?.aborted) throw error;
    throw new Trouble(0, '', null);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

export const get = (address, signal) => ask(address, {}, 15, signal);

export const post = (address, body = {}, signal = undefined) =>
  ask(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }, 60, signal);

/** A path below /api. */
export const api = (...parts) => '/' + parts.map(part).join('/');
