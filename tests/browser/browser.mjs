// Starts Chromium for a scenario, and fails the scenario on script errors, blocked code and requests to other servers.

import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../../target/browser/node_modules/', import.meta.url));
const { chromium } = await import(`${modules}playwright-core/index.mjs`);
const axe = readFileSync(`${modules}axe-core/axe.min.js`, 'utf8');

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/homebrew/bin/chromium'];
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

/** Runs a scenario with a browser of its own; `open(options)` opens a page in a new context. */
export async function withBrowser(base, scenario) {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const problems = [];
  const open = async (options = {}) => {
    const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('console', (message) => {
      // Scenarios provoke such responses and check them themselves.
      const isExpected = /status of (4\d\d|503)|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !isExpected && !options.allowsOtherSites) problems.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => {
      problems.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !/^(data|about|blob):/.test(url) && !options.allowsOtherSites) problems.push(`request: ${url}`);
    });
    return page;
  };
  try {
    await scenario(open);
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
}

/** Serious and critical accessibility problems found by axe-core. */
export async function seriousFindings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
}

/** Reports a step to the Rust test, which waits for it. */
export const reportStep = (text) => process.stderr.write(`${text}\n`);
