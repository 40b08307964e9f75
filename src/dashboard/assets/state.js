// What the page knows. `refresh`, `draw` and `go` are set by app.js.

export const app = {
  base: document.documentElement.dataset.base,
  site: {},
  /** The page shown: {name, params, query}. */
  route: { name: '', params: [], query: new URLSearchParams() },
  /** Its data by the names of its sources, or null while nothing has come. */
  data: null,
  /** What the data was asked for with. */
  seen: '',
  live: true,
  /** Ids of the checked rows. */
  picked: new Set(),
  /** Long texts that are shown whole. */
  unfolded: new Set(),
  refresh: () => {},
  draw: () => {},
  go: () => {},
};

/** A name as a part of an address. Browsers take dots for steps in a path; with a ~ before them they are a name. */
export function part(text) {
  const whole = String(text).toWellFormed?.() ?? String(text);
  return encodeURIComponent(/^(\.{1,2}$|~)/.test(whole) ? `~${whole}` : whole);
}

/** A path of ours. Data only gets into addresses through here. */
export const path = (...parts) => app.base + '/' + parts.map(part).join('/');

/** With a query; empty values are left out. */
export function withQuery(address, query) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, value);
  }
  const text = search.toString();
  return text ? `${address}?${text}` : address;
}
