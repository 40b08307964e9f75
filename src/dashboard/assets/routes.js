// Routes: which page belongs to a URL.

import { app } from './state.js';
import { REGISTRIES } from './ui.js';
import { overviewPage } from './overview.js';
import { failedPage, queuePage, scheduledPage } from './lists.js';
import { jobPage } from './job.js';
import { cronPage, cronHistoryPage } from './cron.js';
import { workersPage } from './workers.js';
import { metricsPage } from './metrics.js';

/** Pages by route name: which data they load, their title, and how they are drawn. */
export const PAGES = {
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

/** Returns the route of the current URL; `none` if there is no such page. */
export function matchRoute() {
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
