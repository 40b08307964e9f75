// Elements are made here and nowhere else, and text only becomes text: nothing a job holds is ever read as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. `css` sets custom properties; everything else is an attribute. */
export const h = (tag, attrs, ...children) => fill(document.createElement(tag), attrs, children);

/** The same for SVG. */
export const s = (tag, attrs, ...children) => fill(document.createElementNS(SVG, tag), attrs, children);

function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'css') for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (name.startsWith('on') || name === 'style') throw new Error(`no ${name} here`);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === '') continue;
    if (Array.isArray(child)) append(node, child);
    else node.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Makes the children of `old` like those of `fresh`, and leaves alone what is the same: focus, selection, scroll, typing and open details stay. */
export function morph(old, fresh) {
  const focused = document.activeElement;
  children(old, fresh);
  if (focused && focused !== document.activeElement && focused !== document.body && old.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

const keyOf = (node) => node.nodeType === 1 ? node.getAttribute('data-key') : null;
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function children(old, fresh) {
  const wanted = new Set();
  for (const node of fresh.children) if (keyOf(node) !== null) wanted.add(keyOf(node));
  const known = new Map();
  for (const node of [...old.children]) {
    const key = keyOf(node);
    if (key === null) continue;
    if (wanted.has(key) && !known.has(key)) known.set(key, node);
    else node.remove();
  }
  let at = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    const key = keyOf(want);
    let match = null;
    if (key !== null) {
      match = known.get(key) ?? null;
      known.delete(key);
      if (match && !alike(match, want)) match = null;
    } else {
      match = at;
      while (match && keyOf(match) !== null) match = match.nextSibling;
      if (match && !alike(match, want)) match = null;
    }
    if (!match) {
      old.insertBefore(want, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else if (old.moveBefore) old.moveBefore(match, at);
    else old.insertBefore(match, at);
    update(match, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function update(old, fresh) {
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
    // What was typed is replaced only when the page itself says something new.
    if (name === 'value' && old.nodeName === 'INPUT') old.value = value;
  }
  // A style attribute is no matter for setAttribute under our policy; the object model is.
  if (old.style && old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  if (old.nodeName === 'INPUT' && old.type === 'checkbox') {
    old.checked = fresh.hasAttribute('checked');
    old.indeterminate = fresh.hasAttribute('data-some');
  }
  const picked = old.nodeName === 'SELECT' && [...old.options].find((one) => one.hasAttribute('selected'))?.value;
  children(old, fresh);
  if (old.nodeName === 'SELECT') {
    const now = [...old.options].find((one) => one.hasAttribute('selected'))?.value;
    if (now !== undefined && now !== picked) old.value = now;
  }
}
