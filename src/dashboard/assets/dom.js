// All elements are created here, and strings only become text nodes and attributes: nothing in a job is ever parsed as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Creates an HTML element. `css` sets custom properties; everything else is an attribute. */
export const h = (tag, attrs, ...children) => initialize(document.createElement(tag), attrs, children);

/** Creates an SVG element. */
export const s = (tag, attrs, ...children) => initialize(document.createElementNS(SVG, tag), attrs, children);

function initialize(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'css') for (const [key, property] of Object.entries(value)) node.style.setProperty(key, property);
    else if (name.startsWith('on') || name === 'style') throw new Error(`no ${name} here`);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  appendAll(node, children);
  return node;
}

function appendAll(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === '') continue;
    if (Array.isArray(child)) appendAll(node, child);
    else node.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/**
 * Makes the children of `old` equal to those of `fresh` with as few changes as possible, so that focus, selection, scroll
 * position, typed text and open details stay. Children with the same `data-key` are the same child.
 */
export function morph(old, fresh) {
  const focused = document.activeElement;
  morphChildren(old, fresh);
  if (focused && focused !== document.activeElement && focused !== document.body && old.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

const keyOf = (node) => node.nodeType === 1 ? node.getAttribute('data-key') : null;
const isReusable = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function morphChildren(old, fresh) {
  const freshKeys = new Set();
  for (const node of fresh.children) if (keyOf(node) !== null) freshKeys.add(keyOf(node));
  const keyed = new Map();
  for (const node of [...old.children]) {
    const key = keyOf(node);
    if (key === null) continue;
    if (freshKeys.has(key) && !keyed.has(key)) keyed.set(key, node);
    else node.remove();
  }
  let cursor = old.firstChild;
  for (const freshNode of [...fresh.childNodes]) {
    const key = keyOf(freshNode);
    let match = null;
    if (key !== null) {
      match = keyed.get(key) ?? null;
      keyed.delete(key);
      if (match && !isReusable(match, freshNode)) match = null;
    } else {
      match = cursor;
      while (match && keyOf(match) !== null) match = match.nextSibling;
      if (match && !isReusable(match, freshNode)) match = null;
    }
    if (!match) {
      old.insertBefore(freshNode, cursor);
      continue;
    }
    if (match === cursor) cursor = cursor.nextSibling;
    else if (old.moveBefore) old.moveBefore(match, cursor);
    else old.insertBefore(match, cursor);
    morphNode(match, freshNode);
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function morphNode(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.hasAttribute('data-keep')) return;
  const isDetails = old.nodeName === 'DETAILS';
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(isDetails && name === 'open') && name !== 'style') old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name === 'style' || (isDetails && name === 'open') || old.getAttribute(name) === value) continue;
    old.setAttribute(name, value);
    // Text that the user typed is replaced only when the page itself has a new value.
    if (name === 'value' && old.nodeName === 'INPUT') old.value = value;
  }
  // The content security policy forbids style attributes, but allows changes of the style object.
  if (old.style && old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  if (old.nodeName === 'INPUT' && old.type === 'checkbox') {
    old.checked = fresh.hasAttribute('checked');
    old.indeterminate = fresh.hasAttribute('data-some');
  }
  const selectedBefore = old.nodeName === 'SELECT' && [...old.options].find((option) => option.hasAttribute('selected'))?.value;
  morphChildren(old, fresh);
  if (old.nodeName === 'SELECT') {
    const selectedNow = [...old.options].find((option) => option.hasAttribute('selected'))?.value;
    if (selectedNow !== undefined && selectedNow !== selectedBefore) old.value = selectedNow;
  }
}
