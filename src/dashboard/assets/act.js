// What people do to jobs, queues and workers: asked for, carried out, and told.

import { h } from './dom.js';
import { app } from './state.js';
import { api, get, post, Trouble } from './api.js';
import { bdi, rich, seen, t, tn } from './text.js';
import { icon } from './ui.js';

const said = document.getElementById('said');
let quiet;

/** Tells how it went; bad news stay until they are put away. */
export function say(text, isBad = false) {
  clearTimeout(quiet);
  const close = h('button', { type: 'button', class: 'close', 'aria-label': t('close'), 'data-action': 'hush' }, '×');
  said.replaceChildren(h('div', { class: isBad ? 'toast bad' : 'toast' }, icon(isBad ? 'warn' : 'good'), h('p', null, text), close));
  if (!isBad) quiet = setTimeout(() => said.replaceChildren(), 7000);
}
export const hush = () => said.replaceChildren();

export const trouble = (error) => (error instanceof Trouble
  ? [bdi(error.message || t('net.gone')), error.hint ? [' – ', bdi(error.hint)] : null]
  : [bdi(String(error?.message ?? error))]);

/** A dialog; `build(close, draw)` gives its content and may draw it again. Resolves with what `close` was given. */
function dialog(build) {
  return new Promise((resolve) => {
    const box = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title' });
    let answer = null;
    const close = (value) => {
      answer = value;
      box.close();
    };
    box.addEventListener('close', () => {
      box.remove();
      resolve(answer);
    });
    document.body.append(box);
    build(close, box);
    box.showModal();
  });
}

/** Buttons of a dialog have their own listeners: it is not part of what is drawn again and again. */
function press(label, kind, act) {
  const node = h('button', { type: 'button', class: `button ${kind}` }, label);
  node.addEventListener('click', act);
  return node;
}

const title = (text) => h('h2', { id: 'dialog-title' }, text);

export const confirm = (heading, lines, label, isDangerous = true) => dialog((close, box) => {
  const no = press(t('cancel_dialog'), '', () => close(false));
  no.autofocus = true;
  box.append(title(heading), lines.map((line) => h('p', null, line)),
    h('div', { class: 'buttons' }, no, press(label, isDangerous ? 'danger solid' : 'solid', () => close(true))));
});

/** One thing, done at once: tells how it went and looks again. */
export async function once(address, done) {
  try {
    const answer = await post(address);
    if (answer.done === 0 && answer.failed > 0) say(t('act.none'), true);
    else say(done);
    return true;
  } catch (error) {
    say(trouble(error), true);
    return false;
  } finally {
    app.refresh();
  }
}

/** The server takes 1,000 ids and 64 KiB at once. */
function batches(ids) {
  const all = [[]];
  let size = 0;
  for (const id of ids) {
    size += JSON.stringify(id).length * 3;
    if (all.at(-1).length === 500 || size > 60_000) {
      all.push([]);
      size = 0;
    }
    all.at(-1).push(id);
  }
  return all;
}

/** Many jobs: those with these ids, or all that a filter fits. Asks first with the exact number, shows how far it is, can be stopped. */
export function bulk({ queue, registry, action, ids = null, filter = {}, names = [] }) {
  const address = api('queues', queue, registry, action);
  const isDangerous = action === 'delete' || action === 'cancel';
  const narrowed = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  const isAll = ids === null && Object.keys(narrowed).length === 0;
  return dialog((close, box) => {
    const abort = new AbortController();
    let stopped = false;
    box.addEventListener('close', () => {
      stopped = true;
      abort.abort();
    });
    const where = h('p', { class: 'where' }, rich('bulk.where', { queue: bdi(queue, 80), registry: t(`status.${registry}`) }));
    const parts = Object.entries(narrowed).filter(([name]) => name !== 'exact').map(([name, value]) =>
      h('li', null, t(`filter.${name}`), ': ', h('code', null, bdi(value, 200))));
    const filters = parts.length > 0 ? h('ul', { class: 'filters' }, parts) : null;
    const show = (...content) => box.replaceChildren(...content.flat().filter(Boolean));

    const ask = (n, note, isExact) => {
      const no = press(t('cancel_dialog'), '', () => close(null));
      const label = isExact ? tn(`bulk.${action}`, n) : t(`bulk.${action}_all`);
      const yes = press(label, isDangerous ? 'danger solid' : 'solid', () => run(0, 0, 0, n));
      if (n === 0 && isExact) yes.disabled = true;
      const listed = names.slice(0, 5).map((name) => h('li', null, bdi(name, 120)));
      if (names.length > 5) listed.push(h('li', { class: 'none' }, tn('bulk.more', names.length - 5)));
      show(title(isExact ? tn(`bulk.${action}_ask`, n) : t(`bulk.${action}_all_ask`)), where, filters,
        listed.length > 0 ? h('ul', { class: 'names' }, listed) : null,
        isAll ? h('p', { class: 'caution' }, t('bulk.everything')) : null,
        note ? h('p', null, note) : null,
        isDangerous ? h('p', { class: 'caution' }, t(`bulk.${action}_caution`)) : null,
        h('div', { class: 'buttons' }, no, yes));
      no.focus();
    };

    const run = async (offset, done, failed, expected) => {
      const total = expected ?? 0;
      const bar = total > 0 ? h('progress', { max: String(total), value: String(Math.min(done, total)), 'aria-label': t('bulk.progress') })
        : h('progress', { 'aria-label': t('bulk.progress') });
      const text = h('p', { class: 'numbers' });
      const stop = press(t('bulk.stop'), '', () => {
        stopped = true;
        stop.disabled = true;
      });
      const tell = () => {
        if (total > 0) bar.value = Math.min(done + failed, total);
        text.textContent = t('bulk.so_far', { done, failed });
      };
      show(title(t(`bulk.${action}_running`)), where, filters, bar, text, h('div', { class: 'buttons' }, stop));
      stop.focus();
      tell();
      let error = null;
      try {
        if (ids !== null) {
          for (const part of batches(ids.slice(offset))) {
            if (stopped) break;
            const answer = await post(address, { ids: part }, abort.signal);
            done += answer.done;
            failed += answer.failed;
            offset += part.length;
            tell();
          }
        } else {
          // Where the server goes on; it has an end, because no more is looked at than there was at first.
          let next = offset === 0 ? null : offset;
          do {
            const answer = await post(address, { all: true, ...narrowed, next }, abort.signal);
            done += answer.done;
            failed += answer.failed;
            next = answer.next;
            offset = next ?? offset;
            tell();
          } while (next !== null && !stopped);
        }
      } catch (caught) {
        error = caught;
      }
      app.refresh();
      if (!box.isConnected) return;
      const ok = press(t('close'), error ? '' : 'solid', () => close(done));
      const again = error ? press(t('bulk.go_on'), 'solid', () => run(offset, done, failed, expected)) : null;
      show(title(error ? t('bulk.broke') : stopped ? t('bulk.stopped') : t('bulk.finished')), where, filters,
        h('p', { class: 'numbers', role: 'status' }, tn(`bulk.${action}_done`, done),
          failed > 0 ? [' ', tn('bulk.failed', failed)] : null),
        failed > 0 ? h('p', null, t('bulk.failed_why')) : null,
        error ? h('p', { class: 'caution' }, trouble(error)) : null,
        h('div', { class: 'buttons' }, ok, again));
      (again ?? ok).focus();
    };

    if (ids !== null) {
      ask(ids.length, null, true);
      return;
    }
    show(title(t(`bulk.${action}_all_ask`)), where, filters, h('p', { role: 'status' }, t('bulk.counting')),
      h('div', { class: 'buttons' }, press(t('cancel_dialog'), '', () => close(null))));
    const query = new URLSearchParams(narrowed).toString();
    get(`${api('queues', queue, registry, 'count')}${query ? `?${query}` : ''}`, abort.signal).then(({ matched, scanned, total }) => {
      if (!box.isConnected) return;
      const isExact = scanned >= total;
      ask(isExact ? matched : null, isExact ? null : t('bulk.incomplete', { matched, scanned, total }), isExact);
    }, (error) => {
      if (!box.isConnected) return;
      show(title(t('bulk.no_count')), where, filters, h('p', { class: 'caution' }, trouble(error)),
        h('div', { class: 'buttons' }, press(t('close'), 'solid', () => close(null))));
    });
  });
}

const name = (text) => seen(text).slice(0, 120);

/** Actions by their names; each gets the arguments of its button. */
export const ACTIONS = {
  hush,

  async job({ id, action }) {
    const asks = { delete: true, cancel: true, stop: true };
    if (asks[action] && !await confirm(t(`job.${action}_ask`), [h('code', null, bdi(id, 200)), t(`job.${action}_caution`)], t(`do.${action}`))) return;
    const ok = await once(api('jobs', id, action), t(`job.${action}_done`, { id: name(id) }));
    if (ok && action === 'delete' && app.route.name === 'job') app.back();
  },

  async queue({ queue, action }) {
    if (action === 'suspend' && !await confirm(t('queue.suspend_ask', { queue: name(queue) }), [t('queue.suspend_caution')], t('do.suspend'), false)) return;
    await once(api('queues', queue, action), t(`queue.${action}_done`, { queue: name(queue) }));
  },

  async empty({ queue }) {
    let total;
    try {
      ({ total } = await get(`${api('queues', queue, 'queued', 'count')}`));
    } catch (error) {
      say(trouble(error), true);
      return;
    }
    if (!await confirm(tn('queue.empty_ask', total, { queue: name(queue) }), [t('queue.empty_caution')], tn('queue.empty_do', total))) return;
    try {
      const { done } = await post(api('queues', queue, 'empty'));
      say(tn('bulk.delete_done', done ?? total));
    } catch (error) {
      say(trouble(error), true);
    }
    app.refresh();
  },

  async all({ action }) {
    if (action === 'suspend' && !await confirm(t('all.suspend_ask'), [t('all.suspend_caution')], t('all.suspend'))) return;
    await once(`/${action}`, t(`all.${action}_done`));
  },

  async cron({ entry, action }) {
    if (action === 'run' && !await confirm(t('cron.run_ask', { name: name(entry) }), [t('cron.run_caution')], t('do.run'), false)) return;
    await once(api('cron', entry, action), t(`cron.${action}_done`, { name: name(entry) }));
  },

  async worker({ worker, action }) {
    const asks = { shutdown: true, 'kill-horse': true, quiet: false };
    if (action in asks && !await confirm(t(`worker.${action}_ask`, { worker: name(worker) }), [t(`worker.${action}_caution`)], t(`do.${action}`), asks[action])) return;
    await once(api('workers', worker, action), t(`worker.${action}_done`, { worker: name(worker) }));
  },

  bulk: (args) => bulk(args),

  /** For the checked rows. */
  picked({ queue, registry, action }) {
    const rows = (app.data?.main?.jobs ?? []).filter((job) => app.picked.has(job.id));
    if (rows.length === 0) return undefined;
    return bulk({ queue, registry, action, ids: rows.map((job) => job.id), names: rows.map((job) => job.description || job.id) })
      .then((done) => {
        if (done !== null) app.picked.clear();
        app.draw();
      });
  },

  unpick() {
    app.picked.clear();
    app.draw();
  },

  unfold({ key }) {
    app.unfolded.add(key);
    app.draw();
  },
};
