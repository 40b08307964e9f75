// What the page knows. `refresh`, `draw` and `go` are set by app.js.

export const app = {
  base: document.documentElement.dataset.base,
  site: {},
  /** The page shown: {name, params, query}. */
  route: { name: '', params: [], query: new URLSearchParams() },
  /** Its data by the names of its sources, or null while nothing has come. */
  data: null,
  live: true,
  /** Ids of the checked rows. */
  picked: new Set(),
  /** Long texts that are shown whole. */
  unfolded: new Set(),
  refresh: () => {},
  draw: () => {},
  go: () => {},
};

/** `enc` by parts: a path of ours. Data only gets into addresses through here. */
export const path = (...parts) => app.base + '/' + parts.map((part) => encodeURIComponent(String(part).toWellFormed?.() ?? part)).join('/');

/** With a query; empty values are left out. */
export function withQuery(address, query) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, value);
  }
  const text = search.toString();
  return text ? `${address}?${text}` : address;
}
