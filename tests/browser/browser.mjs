// Chromium, as Debian has it, and what every scenario watches for: errors, refused code, requests to elsewhere.

import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../../target/browser/node_modules/', import.meta.url));
const { chromium } = await import(`${modules}playwright-core/index.mjs`);
const axe = readFileSync(`${modules}axe-core/axe.min.js`, 'utf8');

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/homebrew/bin/chromium'];
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

/** A browser for one scenario: `use(page)` gets a fresh page of it. */
export async function withBrowser(base, scenario) {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const odd = [];
  const open = async (options = {}) => {
    const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('console', (message) => {
      // What a test provokes, it looks at itself.
      const isRefusal = /status of (4\d\d|503)|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !isRefusal && !options.mayLeave) odd.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => odd.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => {
      odd.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !/^(data|about|blob):/.test(url) && !options.mayLeave) odd.push(`request: ${url}`);
    });
    return page;
  };
  try {
    await scenario(open);
    assert.deepEqual(odd, []);
  } finally {
    await browser.close();
  }
}

/** Findings of axe-core that are serious. */
export async function seriousFindings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
}

/** Says to the test how far it is. */
export const tell = (text) => process.stderr.write(`${text}\n`);
