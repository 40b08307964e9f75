// What people do with the dashboard, each in a browser of its own: `node scenarios.mjs NAME URL FACTS`.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { execFileSync } from 'node:child_process';
import { seriousFindings, tell, withBrowser } from './browser.mjs';

const [, , name, base, json] = process.argv;
const facts = JSON.parse(json);
const api = async (path) => (await fetch(`${base}/api${path}`)).json();
const rq = (...words) => execFileSync(facts.program, words, { encoding: 'utf8' }).trim();

const PAGES = ['/', '/queues/mail/failed', '/queues/mail/queued', '/failed', `/jobs/${facts.failed}`, '/scheduled', '/cron', '/cron/nightly', '/workers', '/metrics-page'];
/** The page has its data. */
const ready = (page) => page.locator('main h1').first().waitFor().then(() => page.waitForLoadState('networkidle'));
const visit = async (page, path) => {
  await page.goto(base + path);
  await ready(page);
};
/** Until it is so, as somebody would look again. */
const eventually = async (what, isSo) => {
  const until = Date.now() + 15_000;
  while (!(await isSo())) {
    if (Date.now() > until) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const button = (page, name) => page.getByRole('button', { name, exact: true });
const inDialog = (page, name) => page.locator('dialog').getByRole('button', { name });

const SCENARIOS = {
  async each_page_is_drawn_and_is_accessible(open) {
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

  async each_page_is_there_in_korean(open) {
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

  /** A word that fits its place stands on one line: "image/s" is no word. */
  async no_word_is_broken_in_the_middle(open) {
    for (const width of [360, 768, 1280]) {
      const page = await open({ viewport: { width, height: 800 } });
      for (const path of PAGES) {
        await visit(page, path);
        const broken = await page.evaluate(() => {
          const found = [];
          const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            // A log is shown as it is, and an id is no word.
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

  async dark_is_dark(open) {
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

  async all_that_a_filter_fits_are_requeued_after_the_exact_number_was_shown(open) {
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

  async chosen_jobs_are_deleted_and_nothing_else(open) {
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

  async jobs_are_canceled_stopped_and_enqueued(open) {
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

  async a_queue_is_suspended_and_goes_on(open) {
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

  async a_group_leads_to_all_of_its_jobs_and_any_id_can_be_opened(open) {
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

  async a_queue_with_an_odd_name_is_that_queue(open) {
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

  async cron_entries_and_workers_are_steered(open) {
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

  async what_changes_is_drawn_without_losing_anything(open) {
    const page = await open({ viewport: { width: 1280, height: 500 } });
    await visit(page, '/queues/mail/failed');
    await page.evaluate(() => {
      window.isTheSame = true;
    });
    const rows = page.locator('tbody input[type=checkbox]');
    await rows.nth(1).check();
    const field = page.getByLabel('Handler');
    await field.fill('half typ');
    await page.evaluate(() => window.scrollTo(0, 120));
    await field.focus({ preventScroll: true });
    const scrolled = await page.evaluate(() => window.scrollY);
    const total = (await api('/queues/mail/failed')).total;
    rq('enqueue', 'fail', 'another', '-q', 'mail', '--at-front');
    rq('worker', 'mail', '--burst', '--max-jobs', '1', '--exec', 'fail=false', '--quiet');
    await page.locator('nav').getByText(String(total + 1), { exact: true }).first().waitFor();
    assert.equal(await page.evaluate(() => window.isTheSame), true);
    assert.equal(await page.evaluate(() => window.scrollY), scrolled);
    assert.equal(await page.evaluate(() => document.activeElement.name), 'handler');
    assert.equal(await field.inputValue(), 'half typ');
    assert.equal(await page.locator('tbody input:checked').count(), 1);
    await button(page, 'Choose none').waitFor();
  },

  async everything_is_done_with_the_keyboard(open) {
    const page = await open();
    await visit(page, '/failed');
    await page.keyboard.press('Tab');
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip/i);
    // Without the marks that keep a job's text from turning its surroundings round.
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

  async hostile_text_is_text(open) {
    const page = await open();
    const paths = ['/', '/failed', '/scheduled', '/workers', '/cron', '/metrics-page',
      ...facts.queues.flatMap((queue) => ['queued', 'failed', 'finished'].map((place) => `/queues/${encodeURIComponent(queue)}/${place}`)),
      ...facts.jobs.map((id) => `/jobs/${encodeURIComponent(id)}`),
      `/queues/mail/failed?handler=${encodeURIComponent(facts.corpus[0])}&text=${encodeURIComponent(facts.corpus[1])}&error=${encodeURIComponent(facts.corpus[2])}`,
      `/jobs/${encodeURIComponent(facts.corpus[0])}`, `/queues/${encodeURIComponent(facts.corpus[1])}/failed`, `/cron/${encodeURIComponent(facts.corpus[0])}`];
    let seen = '';
    for (const path of paths) {
      await visit(page, path);
      const live = await page.evaluate(() => ({
        hacked: window.hacked,
        elements: [...document.querySelectorAll('script:not([src]), iframe, object, embed, img:not([src$="/assets/icon.svg"]), svg script, base, link[href*="evil"], [src*="evil"], meta[http-equiv]')].map((node) => node.outerHTML),
        handlers: [...document.querySelectorAll('*')].flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on')),
        links: [...document.querySelectorAll('a')].map((a) => a.protocol).filter((protocol) => !/^https?:$/.test(protocol)),
        text: document.body.innerText,
      }));
      seen += live.text;
      assert.deepEqual([live.hacked, live.elements, live.handlers, live.links], [undefined, [], [], []], path);
    }
    // It was there to be seen, as it was written.
    for (const text of facts.corpus.slice(0, 3)) assert.ok(seen.includes(text.slice(0, 40)), text);
  },

  async another_site_changes_nothing(open) {
    const evil = createServer((_, answer) => {
      answer.setHeader('content-type', 'text/html');
      answer.end('<form method="post" enctype="text/plain"><input name="{" value="}"></form>');
    });
    await new Promise((resolve) => evil.listen(0, '127.0.0.1', resolve));
    const page = await open({ mayLeave: true });
    await page.goto(`http://localhost:${evil.address().port}/`);
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
    evil.close();
  },

  async where_only_reading_is_allowed_there_is_nothing_to_press(open) {
    const page = await open();
    for (const path of PAGES) {
      await visit(page, path);
      const actions = await page.locator('main button[data-action]').evaluateAll((all) => all.map((one) => one.dataset.action));
      assert.deepEqual(actions.filter((action) => action !== 'expand'), [], path);
      assert.equal(await page.locator('main input[type=checkbox]').count(), 0, path);
    }
  },

  async a_password_is_asked_for(open) {
    const stranger = await open();
    const answer = await stranger.goto(base).catch((error) => error);
    assert.ok(answer instanceof Error || answer.status() === 401);
    const page = await open({ httpCredentials: { username: 'ada', password: 'sesame' } });
    await visit(page, '/');
    await page.getByText('ada', { exact: true }).waitFor();
  },

  async while_redis_is_away_the_page_says_so_and_heals(open) {
    const page = await open();
    await visit(page, '/');
    await page.evaluate(() => {
      window.isTheSame = true;
    });
    tell('shown');
    await page.getByText('Redis is away').waitFor();
    assert.ok(await page.getByRole('link', { name: 'mail' }).first().isVisible(), 'what was known is still there');
    assert.deepEqual(await seriousFindings(page), []);
    tell('told');
    await page.getByText('Redis is away').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => window.isTheSame), true);
  },

  /** For the README and the docs: `just screenshots`. */
  async screenshots(open) {
    const shoot = async (file, path, options) => {
      const page = await open(options);
      await visit(page, path);
      await page.screenshot({ path: `${facts.folder}/${file}.png`, animations: 'disabled' });
      await page.context().close();
    };
    await shoot('overview', '/', { viewport: { width: 1280, height: 800 } });
    await shoot('overview-dark', '/', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
    await shoot('failed', '/failed', { viewport: { width: 1280, height: 560 } });
    await shoot('job', `/jobs/${facts.failed}`, { viewport: { width: 1280, height: 800 } });
    await shoot('phone', '/', { viewport: { width: 390, height: 800 }, deviceScaleFactor: 1 });
  },
};

await withBrowser(base, SCENARIOS[name]);
