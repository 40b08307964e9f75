// Steps of the browser tests: `node scenarios.mjs NAME URL FACTS` runs one scenario in a browser of its own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { execFileSync } from 'node:child_process';
import { reportStep, seriousFindings, withBrowser } from './browser.mjs';

const [, , name, base, json] = process.argv;
const facts = JSON.parse(json);
const api = async (path) => (await fetch(`${base}/api${path}`)).json();
const cli = (...args) => execFileSync(facts.program, args, { encoding: 'utf8' }).trim();

const PAGES = ['/', '/queues/mail/failed', '/queues/mail/queued', '/failed', `/jobs/${facts.failed}`, '/scheduled', '/cron', '/cron/nightly', '/workers', '/metrics-page'];
/** Waits until the page has loaded its data. */
const ready = (page) => page.locator('main h1').first().waitFor().then(() => page.waitForLoadState('networkidle'));
const visit = async (page, path) => {
  await page.goto(base + path);
  await ready(page);
};
/** Polls a condition until it is true. */
const eventually = async (what, condition) => {
  const until = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > until) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const button = (page, name) => page.getByRole('button', { name, exact: true });
const inDialog = (page, name) => page.locator('dialog').getByRole('button', { name });

const SCENARIOS = {
  async every_page_renders_and_is_accessible(open) {
    for (const options of [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 } }]) {
      const page = await open(options);
      for (const path of PAGES) {
        await visit(page, path);
        assert.equal(await page.locator('main h1').count(), 1, path);
        assert.ok(!(await page.locator('main').innerText()).includes('undefined'), path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
        assert.deepEqual(await seriousFindings(page), [], `${path} ${JSON.stringify(options)}`);
      }
      await page.context().close();
    }
  },

  async every_page_is_translated_into_korean(open) {
    const page = await open({ locale: 'ko-KR' });
    for (const path of PAGES) {
      await visit(page, path);
      assert.equal(await page.locator('html').getAttribute('lang'), 'ko');
      assert.match(await page.locator('nav').first().innerText(), /[가-힣]/);
      assert.deepEqual(await seriousFindings(page), [], path);
    }
    await page.getByRole('combobox').last().selectOption('en');
    await page.locator('html[lang=en]').waitFor();
    await page.reload();
    await ready(page);
    await page.locator('html[lang=en]').waitFor();
  },

  /** A word that is short enough for one line must not continue on the next line. */
  async words_do_not_wrap_in_the_middle(open) {
    for (const width of [360, 768, 1280]) {
      const page = await open({ viewport: { width, height: 800 } });
      for (const path of PAGES) {
        await visit(page, path);
        const broken = await page.evaluate(() => {
          const found = [];
          const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            // Logs keep their own line breaks, and long ids are no words.
            if (node.parentElement.closest('pre')) continue;
            for (const word of node.data.matchAll(/[\p{L}\p{N}_]+/gu)) {
              if (word[0].length > 24) continue;
              const range = document.createRange();
              range.setStart(node, word.index);
              range.setEnd(node, word.index + word[0].length);
              const lines = new Set([...range.getClientRects()].filter((rect) => rect.width > 0).map((rect) => Math.round(rect.top)));
              if (lines.size > 1) found.push(`${word[0]} in <${node.parentElement.closest('[class]')?.className}> ${node.data.slice(0, 60)}`);
            }
          }
          return found;
        });
        assert.deepEqual(broken, [], `${path} at ${width} px`);
      }
      await page.context().close();
    }
  },

  async the_dark_colour_scheme_has_a_dark_background(open) {
    const brightness = async (colorScheme) => {
      const page = await open({ colorScheme });
      await visit(page, '/');
      return page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0));
    };
    assert.ok(await brightness('light') > 600 && await brightness('dark') < 200);
  },

  async a_failed_job_is_requeued_from_its_page(open) {
    const page = await open();
    await visit(page, '/failed');
    await page.getByRole('link', { name: 'newest job' }).first().click();
    await button(page, 'Requeue').click();
    await page.locator('#toasts').getByText('back in its queue').waitFor();
    await page.locator('main').getByText('queued', { exact: true }).first().waitFor();
    const id = decodeURIComponent(new URL(page.url()).pathname.split('/').pop());
    assert.equal((await api(`/jobs/${id}`)).status, 'queued');
  },

  async jobs_that_match_a_filter_are_requeued_after_their_exact_number_is_shown(open) {
    const page = await open();
    await visit(page, '/queues/mail/failed');
    await page.getByLabel('Error contains').fill('smtp');
    await button(page, 'Filter').click();
    await page.getByText('found here').waitFor();
    await button(page, 'Requeue all').click();
    await page.locator('dialog').getByText(`Requeue ${facts.smtp} jobs?`).waitFor();
    assert.equal((await api('/queues/mail/failed')).total, facts.smtp + facts.other);
    await inDialog(page, `Requeue ${facts.smtp} jobs`).click();
    await page.locator('dialog').getByText(`${facts.smtp} jobs were requeued`).waitFor();
    await inDialog(page, 'Close').click();
    assert.equal((await api('/queues/mail/failed')).total, facts.other);
  },

  async only_checked_jobs_are_deleted(open) {
    const page = await open();
    await visit(page, '/queues/mail/failed');
    const rows = page.locator('tbody input[type=checkbox]');
    await rows.nth(0).check();
    await rows.nth(2).check();
    const before = (await api('/queues/mail/failed')).jobs.map((job) => job.id);
    await button(page, 'Delete').click();
    await page.locator('dialog').getByText('Delete 2 jobs?').waitFor();
    await inDialog(page, 'Back').click();
    assert.equal((await api('/queues/mail/failed')).total, before.length);
    await button(page, 'Delete').click();
    await inDialog(page, 'Delete 2 jobs').click();
    await inDialog(page, 'Close').click();
    const after = (await api('/queues/mail/failed')).jobs.map((job) => job.id);
    assert.deepEqual(after, before.filter((_, at) => at !== 0 && at !== 2));
  },

  async jobs_are_canceled_stopped_and_enqueued_from_the_page(open) {
    const page = await open();
    const waiting = (await api('/queues/mail/queued')).jobs[0].id;
    await visit(page, `/jobs/${waiting}`);
    await button(page, 'Cancel').click();
    await inDialog(page, 'Cancel').click();
    await eventually('canceled', async () => (await api(`/jobs/${waiting}`)).status === 'canceled');
    await visit(page, `/jobs/${facts.running}`);
    await page.getByText('has been running it').waitFor();
    await button(page, 'Stop').click();
    await inDialog(page, 'Stop').click();
    await eventually('stopped', async () => (await api(`/jobs/${facts.running}`)).status === 'stopped');
    await page.locator('main').getByText('stopped', { exact: true }).first().waitFor();
    await visit(page, '/scheduled');
    const due = (await api('/scheduled')).jobs[0].id;
    await page.getByRole('button', { name: /Enqueue now/ }).first().click();
    await eventually('enqueued', async () => (await api(`/jobs/${due}`)).status === 'queued');
  },

  async a_queue_is_suspended_and_resumed(open) {
    const page = await open();
    await visit(page, '/');
    await page.getByRole('button', { name: /^Suspend.*mail/ }).click();
    await inDialog(page, 'Suspend').click();
    await page.getByRole('button', { name: /^Resume.*mail/ }).waitFor();
    const isSuspended = async () => (await api('/overview')).queues.find((queue) => queue.name === 'mail').suspended;
    assert.equal(await isSuspended(), true);
    await page.getByText('Queue mail is suspended: its jobs wait').waitFor();
    await page.getByRole('button', { name: /^Resume.*mail/ }).click();
    await page.getByRole('button', { name: /^Suspend.*mail/ }).waitFor();
    assert.equal(await isSuspended(), false);
  },

  async a_failure_group_links_to_all_of_its_jobs_and_any_id_can_be_opened(open) {
    const page = await open();
    await visit(page, '/failed');
    await page.getByRole('link', { name: /no user \d\d in/ }).click();
    await page.locator('main h1').getByText('groups').waitFor();
    await eventually('four rows', async () => (await page.locator('tbody tr').count()) === 4);
    await page.locator('form').getByText("no user # in '…'").waitFor();
    await page.getByLabel('ID, description or error').fill('user 22');
    await button(page, 'Filter').click();
    await eventually('one of them', async () => (await page.locator('tbody tr').count()) === 1);
    for (const id of ['a b', 'x/y z']) {
      await visit(page, '/queues/groups/failed?error=odd');
      await page.locator('tbody tr').filter({ hasText: id }).getByRole('link').first().click();
      await page.locator('main').getByText(id, { exact: true }).first().waitFor();
      await page.reload();
      await button(page, 'Requeue').waitFor();
    }
    await visit(page, '/queues/groups/scheduled');
    await page.getByText('is of another type than it should be').first().waitFor();
    await visit(page, '/');
    await page.getByText('is of another type than it should be').first().waitFor();
  },

  async a_queue_named_by_two_dots_has_its_own_page(open) {
    const page = await open();
    await visit(page, '/');
    await page.getByRole('button', { name: /^Suspend queue .*\.\./ }).click();
    await inDialog(page, 'Suspend').click();
    await page.locator('#toasts').getByText('is suspended').waitFor();
    const { suspended, queues } = await api('/overview');
    assert.deepEqual([suspended, queues.filter((queue) => queue.suspended).map((queue) => queue.name)], [false, ['..']]);
    await page.getByRole('link', { name: '..', exact: true }).first().click();
    await page.locator('main h1').getByText('..').waitFor();
    await page.getByText('add(1, 2)').first().waitFor();
    await page.reload();
    await page.getByText('add(1, 2)').first().waitFor();
  },

  async cron_entries_and_workers_are_controlled_from_the_page(open) {
    const page = await open();
    await visit(page, '/cron');
    await page.getByRole('button', { name: /Pause/ }).first().click();
    await page.getByRole('button', { name: /Resume/ }).first().waitFor();
    assert.equal((await api('/cron'))[0].paused, true);
    await page.getByRole('button', { name: /Run now/ }).first().click();
    await inDialog(page, 'Run now').click();
    await eventually('a job of it', async () => (await api('/cron/nightly/history')).length === 1);
    await visit(page, '/workers');
    await page.getByRole('button', { name: /Quiet/ }).first().click();
    await inDialog(page, 'Quiet').click();
    await page.locator('#toasts').getByText('takes no more jobs').waitFor();
    await page.getByRole('button', { name: /Continue/ }).first().click();
    await page.locator('#toasts').getByText('takes jobs again').waitFor();
  },

  async a_refresh_keeps_focus_input_scroll_position_and_checked_rows(open) {
    const page = await open({ viewport: { width: 1280, height: 500 } });
    await visit(page, '/queues/mail/failed');
    await page.evaluate(() => {
      window.isSamePage = true;
    });
    const rows = page.locator('tbody input[type=checkbox]');
    await rows.nth(1).check();
    const field = page.getByLabel('Handler');
    await field.fill('half typ');
    await page.evaluate(() => window.scrollTo(0, 120));
    await field.focus({ preventScroll: true });
    const scrolled = await page.evaluate(() => window.scrollY);
    const total = (await api('/queues/mail/failed')).total;
    cli('enqueue', 'fail', 'another', '-q', 'mail', '--at-front');
    cli('worker', 'mail', '--burst', '--max-jobs', '1', '--exec', 'fail=false', '--quiet');
    await page.locator('nav').getByText(String(total + 1), { exact: true }).first().waitFor();
    assert.equal(await page.evaluate(() => window.isSamePage), true);
    assert.equal(await page.evaluate(() => window.scrollY), scrolled);
    assert.equal(await page.evaluate(() => document.activeElement.name), 'handler');
    assert.equal(await field.inputValue(), 'half typ');
    assert.equal(await page.locator('tbody input:checked').count(), 1);
    await button(page, 'Choose none').waitFor();
  },

  async the_page_works_with_the_keyboard_alone(open) {
    const page = await open();
    await visit(page, '/failed');
    await page.keyboard.press('Tab');
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip/i);
    // Text of the focused element, without direction marks.
    const focused = () => page.evaluate(() => (document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).replace(/[\u2066-\u2069]/g, ''));
    const tabTo = async (pattern) => {
      for (let n = 0; n < 80; n += 1) {
        if (pattern.test(await focused() ?? '')) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`no way to ${pattern}`);
    };
    await tabTo(/^Requeue all: /);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, 'none');
    await page.keyboard.press('Enter');
    await page.locator('dialog').getByText(/Requeue \d+ jobs?\?/).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    await tabTo(/^Requeue all: /);
    const before = (await api('/failed')).total;
    await page.keyboard.press('Enter');
    await page.locator('dialog').getByText(/Requeue \d+ jobs?\?/).waitFor();
    await tabTo(/^Requeue \d+ jobs?$/);
    await page.keyboard.press('Enter');
    await page.locator('dialog').getByText(/jobs? (were|was) requeued/).waitFor();
    await page.keyboard.press('Enter');
    assert.ok((await api('/failed')).total < before);
  },

  async hostile_text_is_shown_as_text(open) {
    const page = await open();
    const paths = ['/', '/failed', '/scheduled', '/workers', '/cron', '/metrics-page',
      ...facts.queues.flatMap((queue) => ['queued', 'failed', 'finished'].map((place) => `/queues/${encodeURIComponent(queue)}/${place}`)),
      ...facts.jobs.map((id) => `/jobs/${encodeURIComponent(id)}`),
      `/queues/mail/failed?handler=${encodeURIComponent(facts.hostile_texts[0])}&text=${encodeURIComponent(facts.hostile_texts[1])}&error=${encodeURIComponent(facts.hostile_texts[2])}`,
      `/jobs/${encodeURIComponent(facts.hostile_texts[0])}`, `/queues/${encodeURIComponent(facts.hostile_texts[1])}/failed`, `/cron/${encodeURIComponent(facts.hostile_texts[0])}`];
    let visibleText = '';
    for (const path of paths) {
      await visit(page, path);
      const live = await page.evaluate(() => ({
        hacked: window.hacked,
        elements: [...document.querySelectorAll('script:not([src]), iframe, object, embed, img:not([src$="/assets/icon.svg"]), svg script, base, link[href*="evil"], [src*="evil"], meta[http-equiv]')].map((node) => node.outerHTML),
        handlers: [...document.querySelectorAll('*')].flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on')),
        links: [...document.querySelectorAll('a')].map((a) => a.protocol).filter((protocol) => !/^https?:$/.test(protocol)),
        text: document.body.innerText,
      }));
      visibleText += live.text;
      assert.deepEqual([live.hacked, live.elements, live.handlers, live.links], [undefined, [], [], []], path);
    }
    // The texts themselves are visible, unchanged.
    for (const text of facts.hostile_texts.slice(0, 3)) assert.ok(visibleText.includes(text.slice(0, 40)), text);
  },

  async requests_of_another_site_change_nothing(open) {
    const otherSite = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<form method="post" enctype="text/plain"><input name="{" value="}"></form>');
    });
    await new Promise((resolve) => otherSite.listen(0, '127.0.0.1', resolve));
    const page = await open({ allowsOtherSites: true });
    await page.goto(`http://localhost:${otherSite.address().port}/`);
    const target = `${base}/api/queues/mail/empty`;
    const before = (await api('/queues/mail/queued')).total;
    assert.ok(before > 0);
    for (const options of [
      { method: 'POST', body: '{}', mode: 'no-cors' },
      { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } },
      { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' }, credentials: 'include' },
    ]) {
      await page.evaluate(([url, init]) => fetch(url, init).catch(() => {}), [target, options]);
    }
    await page.evaluate((url) => {
      document.forms[0].action = url;
      document.forms[0].submit();
    }, target);
    await page.waitForURL(target);
    assert.match(await page.innerText('body'), /cross-site/);
    assert.equal((await api('/queues/mail/queued')).total, before);
    otherSite.close();
  },

  async a_read_only_dashboard_has_no_action_buttons(open) {
    const page = await open();
    for (const path of PAGES) {
      await visit(page, path);
      const actions = await page.locator('main button[data-action]').evaluateAll((all) => all.map((one) => one.dataset.action));
      assert.deepEqual(actions.filter((action) => action !== 'expand'), [], path);
      assert.equal(await page.locator('main input[type=checkbox]').count(), 0, path);
    }
  },

  async a_password_is_required(open) {
    const stranger = await open();
    const answer = await stranger.goto(base).catch((error) => error);
    assert.ok(answer instanceof Error || answer.status() === 401);
    const page = await open({ httpCredentials: { username: 'ada', password: 'sesame' } });
    await visit(page, '/');
    await page.getByText('ada', { exact: true }).waitFor();
  },

  async the_page_shows_an_outage_of_redis_and_recovers(open) {
    const page = await open();
    await visit(page, '/');
    await page.evaluate(() => {
      window.isSamePage = true;
    });
    reportStep('page loaded');
    await page.getByText('Redis is away').waitFor();
    assert.ok(await page.getByRole('link', { name: 'mail' }).first().isVisible(), 'the last data are still visible');
    assert.deepEqual(await seriousFindings(page), []);
    reportStep('outage shown');
    await page.getByText('Redis is away').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => window.isSamePage), true);
  },

  /** Pictures for the README and the docs: `just screenshots`. */
  async screenshots(open) {
    const takeScreenshot = async (file, path, options) => {
      const page = await open(options);
      await visit(page, path);
      await page.screenshot({ path: `${facts.folder}/${file}.png`, animations: 'disabled' });
      await page.context().close();
    };
    await takeScreenshot('overview', '/', { viewport: { width: 1280, height: 800 } });
    await takeScreenshot('overview-dark', '/', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
    await takeScreenshot('failed', '/failed', { viewport: { width: 1280, height: 560 } });
    await takeScreenshot('job', `/jobs/${facts.failed}`, { viewport: { width: 1280, height: 800 } });
    await takeScreenshot('phone', '/', { viewport: { width: 390, height: 800 }, deviceScaleFactor: 1 });
  },
};

await withBrowser(base, SCENARIOS[name]);
