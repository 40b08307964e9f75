// State of the page, and URLs. app.js sets `refresh`, `draw`, `go` and `back`.

export const app = {
  base: document.documentElement.dataset.base,
  site: {},
  /** Current route: page name, parameters of the path, query. */
  route: { name: '', params: [], query: new URLSearchParams() },
  /** Data of the page by source name; null until the first response. */
  data: null,
  /** Query string that the data was loaded with. */
  loadedSearch: '',
  /** True while the data is loaded again every few seconds. */
  live: true,
  /** Ids of the checked rows. */
  picked: new Set(),
  /** Keys of the long texts that are shown in full. */
  expanded: new Set(),
  refresh: () => {},
  draw: () => {},
  go: (_address) => {},
  back: () => {},
};

/** Encodes a name as one segment of a path. Browsers resolve `.` and `..` as steps; a ~ before them prevents it. */
export function encodeSegment(text) {
  const wellFormed = String(text).toWellFormed?.() ?? String(text);
  return encodeURIComponent(/^(\.{1,2}$|~)/.test(wellFormed) ? `~${wellFormed}` : wellFormed);
}

/** A path of this dashboard. Data gets into addresses only here and in `withQuery`. */
export const path = (...parts) => app.base + '/' + parts.map(encodeSegment).join('/');

/** Appends a query to an address; empty values are left out. */
export function withQuery(address, query) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, value);
  }
  const text = search.toString();
  return text ? `${address}?${text}` : address;
}
