// Requests to the server's JSON API, and the server's clock.

import { app, encodeSegment } from './state.js';

/** An error response of the server; status 0 stands for a network error or a timeout. */
export class ApiError extends Error {
  constructor(status, error, hint) {
    super(error);
    this.status = status;
    this.hint = hint;
  }

  /** True if Redis or the server is away, so that a later request may succeed. */
  get isOutage() {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

/** Server time minus this machine's time, in milliseconds. */
let clockOffset = 0;
/** True if the offset comes from a precise time and not from a Date header. */
let isOffsetExact = false;

/** Current server time, in milliseconds since 1970. */
export const now = () => Date.now() + clockOffset;

function adjustClock(value, isPrecise) {
  const time = typeof value === 'number' ? value * 1000 : Date.parse(value);
  if (!Number.isFinite(time) || (isOffsetExact && !isPrecise)) return;
  const offset = time - Date.now();
  // A Date header has whole seconds, and every response was under way for a while: small offsets are not real.
  if (isPrecise || Math.abs(offset) > 3000) clockOffset = Math.abs(offset) < 400 ? 0 : offset;
  isOffsetExact ||= isPrecise;
}

const GET_TIMEOUT = 15;
const POST_TIMEOUT = 60;

async function request(address, options, seconds, signal) {
  const controller = new AbortController();
  const cancel = () => controller.abort();
  const timer = setTimeout(cancel, seconds * 1000);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const response = await fetch(`${app.base}/api${address}`, {
      ...options,
      signal: controller.signal,
      cache: 'no-store',
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...options.headers },
    });
    let body;
    try {
      body = await response.json();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      body = null;
    }
    if (!response.ok) throw new ApiError(response.status, body?.error ?? `HTTP ${response.status}`, body?.hint ?? null);
    if (body === null) throw new ApiError(0, '', null);
    if (body.now !== undefined) adjustClock(body.now, true);
    else adjustClock(response.headers.get('date'), false);
    return body;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted) throw error;
    throw new ApiError(0, '', null);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  }
}

export const get = (address, signal) => request(address, {}, GET_TIMEOUT, signal);

export const post = (address, body = {}, signal = undefined) =>
  request(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }, POST_TIMEOUT, signal);

/** A path below /api. */
export const apiPath = (...parts) => '/' + parts.map(encodeSegment).join('/');
