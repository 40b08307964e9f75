// Actions on jobs, queues, cron entries and workers: confirmation, requests, and their results.

import { h } from './dom.js';
import { app } from './state.js';
import { apiPath, get, post, ApiError } from './api.js';
import { bdi, richText, showControls, t, tn } from './text.js';
import { icon } from './ui.js';

const toastArea = document.getElementById('toasts');
let hideTimer;

/** Shows a message; errors stay until the user closes them. */
export function showToast(text, isBad = false) {
  clearTimeout(hideTimer);
  const close = h('button', { type: 'button', class: 'close', 'aria-label': t('close'), 'data-action': 'hideToast' }, '×');
  toastArea.replaceChildren(h('div', { class: isBad ? 'toast bad' : 'toast' }, icon(isBad ? 'warn' : 'good'), h('p', null, text), close));
  if (!isBad) hideTimer = setTimeout(() => toastArea.replaceChildren(), 7000);
}
export const hideToast = () => toastArea.replaceChildren();

/** Message and hint of an error, as nodes. */
export const errorText = (error) => (error instanceof ApiError
  ? [bdi(error.message || t('net.gone')), error.hint ? [' – ', bdi(error.hint)] : null]
  : [bdi(String(error?.message ?? error))]);

/** Opens a dialog. `build(close, box)` fills it. Resolves with the value passed to `close`, or null. */
function openDialog(build) {
  return new Promise((resolve) => {
    const box = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title' });
    let result = null;
    const close = (value) => {
      result = value;
      box.close();
    };
    box.addEventListener('close', () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    build(close, box);
    box.showModal();
  });
}

/** A button with a listener of its own, because dialogs are not redrawn with the page. */
function dialogButton(label, kind, onClick) {
  const node = h('button', { type: 'button', class: `button ${kind}` }, label);
  node.addEventListener('click', onClick);
  return node;
}

const dialogTitle = (text) => h('h2', { id: 'dialog-title' }, text);

/** Asks a yes-or-no question. */
export const confirm = (heading, lines, label, isDangerous = true) => openDialog((close, box) => {
  const cancel = dialogButton(t('cancel_dialog'), '', () => close(false));
  cancel.autofocus = true;
  box.append(dialogTitle(heading), lines.map((line) => h('p', null, line)),
    h('div', { class: 'buttons' }, cancel, dialogButton(label, isDangerous ? 'danger solid' : 'solid', () => close(true))));
});

/** Sends one action, shows its result and reloads the page's data. */
export async function runAction(address, message) {
  try {
    const response = await post(address);
    if (response.done === 0 && response.failed > 0) showToast(t('act.none'), true);
    else showToast(message);
    return true;
  } catch (error) {
    showToast(errorText(error), true);
    return false;
  } finally {
    app.refresh();
  }
}

const MAX_BATCH_IDS = 500;
const MAX_BATCH_BYTES = 60_000;

/** Splits ids into requests that the server accepts: at most 1,000 ids and 64 KiB each. */
function batches(ids) {
  const all = [[]];
  let size = 0;
  for (const id of ids) {
    size += JSON.stringify(id).length * 3;
    if (all.at(-1).length === MAX_BATCH_IDS || size > MAX_BATCH_BYTES) {
      all.push([]);
      size = 0;
    }
    all.at(-1).push(id);
  }
  return all;
}

/**
 * Acts on the jobs with these ids, or on all that a filter matches, in a dialog: asks first, with the exact number, then
 * shows the progress and can be stopped. Resolves with the number of jobs done, or null.
 */
export function runBulk({ queue, registry, action, ids = null, filter = {}, names = [] }) {
  const address = apiPath('queues', queue, registry, action);
  const isDangerous = action === 'delete' || action === 'cancel';
  const activeFilter = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  const isAll = ids === null && Object.keys(activeFilter).length === 0;
  return openDialog((close, box) => {
    const controller = new AbortController();
    let isStopped = false;
    box.addEventListener('close', () => {
      isStopped = true;
      controller.abort();
    });
    const target = h('p', { class: 'where' }, richText('bulk.where', { queue: bdi(queue, 80), registry: t(`status.${registry}`) }));
    const filterItems = Object.entries(activeFilter).filter(([name]) => name !== 'exact').map(([name, value]) =>
      h('li', null, t(`filter.${name}`), ': ', h('code', null, bdi(value, 200))));
    const filters = filterItems.length > 0 ? h('ul', { class: 'filters' }, filterItems) : null;
    const show = (...content) => box.replaceChildren(...content.flat().filter(Boolean));

    const showQuestion = (n, note, isExact) => {
      const cancelButton = dialogButton(t('cancel_dialog'), '', () => close(null));
      const label = isExact ? tn(`bulk.${action}`, n) : t(`bulk.${action}_all`);
      const confirmButton = dialogButton(label, isDangerous ? 'danger solid' : 'solid', () => run(0, 0, 0, n));
      if (n === 0 && isExact) confirmButton.disabled = true;
      const listedNames = names.slice(0, 5).map((name) => h('li', null, bdi(name, 120)));
      if (names.length > 5) listedNames.push(h('li', { class: 'muted' }, tn('bulk.more', names.length - 5)));
      show(dialogTitle(isExact ? tn(`bulk.${action}_ask`, n) : t(`bulk.${action}_all_ask`)), target, filters,
        listedNames.length > 0 ? h('ul', { class: 'names' }, listedNames) : null,
        isAll ? h('p', { class: 'caution' }, t('bulk.everything')) : null,
        note ? h('p', null, note) : null,
        isDangerous ? h('p', { class: 'caution' }, t(`bulk.${action}_caution`)) : null,
        h('div', { class: 'buttons' }, cancelButton, confirmButton));
      cancelButton.focus();
    };

    const run = async (offset, done, failed, expected) => {
      const total = expected ?? 0;
      const progressBar = total > 0 ? h('progress', { max: String(total), value: String(Math.min(done, total)), 'aria-label': t('bulk.progress') })
        : h('progress', { 'aria-label': t('bulk.progress') });
      const text = h('p', { class: 'numbers' });
      const stopButton = dialogButton(t('bulk.stop'), '', () => {
        isStopped = true;
        stopButton.disabled = true;
      });
      const showProgress = () => {
        if (total > 0) progressBar.value = Math.min(done + failed, total);
        text.textContent = t('bulk.so_far', { done, failed });
      };
      show(dialogTitle(t(`bulk.${action}_running`)), target, filters, progressBar, text, h('div', { class: 'buttons' }, stopButton));
      stopButton.focus();
      showProgress();
      let error = null;
      try {
        if (ids !== null) {
          for (const batch of batches(ids.slice(offset))) {
            if (isStopped) break;
            const response = await post(address, { ids: batch }, controller.signal);
            done += response.done;
            failed += response.failed;
            offset += batch.length;
            showProgress();
          }
        } else {
          // Cursor for the next request. The server acts on no more jobs than there were at first, so this ends.
          let next = offset === 0 ? null : offset;
          do {
            const response = await post(address, { all: true, ...activeFilter, next }, controller.signal);
            done += response.done;
            failed += response.failed;
            next = response.next;
            offset = next ?? offset;
            showProgress();
          } while (next !== null && !isStopped);
        }
      } catch (caught) {
        error = caught;
      }
      app.refresh();
      if (!box.isConnected) return;
      const closeButton = dialogButton(t('close'), error ? '' : 'solid', () => close(done));
      const retryButton = error ? dialogButton(t('bulk.go_on'), 'solid', () => run(offset, done, failed, expected)) : null;
      show(dialogTitle(error ? t('bulk.broke') : isStopped ? t('bulk.stopped') : t('bulk.finished')), target, filters,
        h('p', { class: 'numbers', role: 'status' }, tn(`bulk.${action}_done`, done),
          failed > 0 ? [' ', tn('bulk.failed', failed)] : null),
        failed > 0 ? h('p', null, t('bulk.failed_why')) : null,
        error ? h('p', { class: 'caution' }, errorText(error)) : null,
        h('div', { class: 'buttons' }, closeButton, retryButton));
      (retryButton ?? closeButton).focus();
    };

    if (ids !== null) {
      showQuestion(ids.length, null, true);
      return;
    }
    show(dialogTitle(t(`bulk.${action}_all_ask`)), target, filters, h('p', { role: 'status' }, t('bulk.counting')),
      h('div', { class: 'buttons' }, dialogButton(t('cancel_dialog'), '', () => close(null))));
    const query = new URLSearchParams(activeFilter).toString();
    get(`${apiPath('queues', queue, registry, 'count')}${query ? `?${query}` : ''}`, controller.signal).then(({ matched, scanned, total }) => {
      if (!box.isConnected) return;
      const isExact = scanned >= total;
      showQuestion(isExact ? matched : null, isExact ? null : t('bulk.incomplete', { matched, scanned, total }), isExact);
    }, (error) => {
      if (!box.isConnected) return;
      show(dialogTitle(t('bulk.no_count')), target, filters, h('p', { class: 'caution' }, errorText(error)),
        h('div', { class: 'buttons' }, dialogButton(t('close'), 'solid', () => close(null))));
    });
  });
}

const shortName = (text) => showControls(text).slice(0, 120);

/** Actions by name; each gets the arguments of its button. */
export const ACTIONS = {
  hideToast,

  async job({ id, action }) {
    const asks = { delete: true, cancel: true, stop: true };
    if (asks[action] && !await confirm(t(`job.${action}_ask`), [h('code', null, bdi(id, 200)), t(`job.${action}_caution`)], t(`do.${action}`))) return;
    const ok = await runAction(apiPath('jobs', id, action), t(`job.${action}_done`, { id: shortName(id) }));
    if (ok && action === 'delete' && app.route.name === 'job') app.back();
  },

  async queue({ queue, action }) {
    if (action === 'suspend' && !await confirm(t('queue.suspend_ask', { queue: shortName(queue) }), [t('queue.suspend_caution')], t('do.suspend'), false)) return;
    await runAction(apiPath('queues', queue, action), t(`queue.${action}_done`, { queue: shortName(queue) }));
  },

  async empty({ queue }) {
    let total;
    try {
      ({ total } = await get(`${apiPath('queues', queue, 'queued', 'count')}`));
    } catch (error) {
      showToast(errorText(error), true);
      return;
    }
    if (!await confirm(tn('queue.empty_ask', total, { queue: shortName(queue) }), [t('queue.empty_caution')], tn('queue.empty_do', total))) return;
    try {
      const { done } = await post(apiPath('queues', queue, 'empty'));
      showToast(tn('bulk.delete_done', done ?? total));
    } catch (error) {
      showToast(errorText(error), true);
    }
    app.refresh();
  },

  async all({ action }) {
    if (action === 'suspend' && !await confirm(t('all.suspend_ask'), [t('all.suspend_caution')], t('all.suspend'))) return;
    await runAction(`/${action}`, t(`all.${action}_done`));
  },

  async cron({ entry, action }) {
    if (action === 'run' && !await confirm(t('cron.run_ask', { name: shortName(entry) }), [t('cron.run_caution')], t('do.run'), false)) return;
    await runAction(apiPath('cron', entry, action), t(`cron.${action}_done`, { name: shortName(entry) }));
  },

  async worker({ worker, action }) {
    const asks = { shutdown: true, 'kill-horse': true, quiet: false };
    if (action in asks && !await confirm(t(`worker.${action}_ask`, { worker: shortName(worker) }), [t(`worker.${action}_caution`)], t(`do.${action}`), asks[action])) return;
    await runAction(apiPath('workers', worker, action), t(`worker.${action}_done`, { worker: shortName(worker) }));
  },

  bulk: (args) => runBulk(args),

  /** Acts on the checked rows. */
  picked({ queue, registry, action }) {
    const rows = (app.data?.main?.jobs ?? []).filter((job) => app.picked.has(job.id));
    if (rows.length === 0) return undefined;
    return runBulk({ queue, registry, action, ids: rows.map((job) => job.id), names: rows.map((job) => job.description || job.id) })
      .then((done) => {
        if (done !== null) app.picked.clear();
        app.draw();
      });
  },

  unpick() {
    app.picked.clear();
    app.draw();
  },

  expand({ key }) {
    app.expanded.add(key);
    app.draw();
  },
};
