// The state of the page, and what changes it. Components listen to the parts that they show.

import { useEffect, useReducer, useRef } from "./vendor/htm-preact-3.1.1.js";
import { Refused, get, post } from "./api.js";

/**
 * @typedef {{id: number, name: string|null, called: string|null, note: string, mark: string|null, locked: boolean,
 *   rows: number, outliers: number, separation: number|null, medoid: number|null, leaf: number|null,
 *   xy: [number, number]|null, colour: number}} Cluster
 * @typedef {{k: number|null, base: number, edited: boolean, seq: number, rows_name: string, clusters: Cluster[],
 *   order: number[], apart: number[]}} Clustering
 * @typedef {{set: string|null, rows: number, clusters: Record<string, number>|null, outliers: number, duplicates: number, of: any}} Scope
 */

export const state = {
  /** @type {any} */ run: null,
  /** @type {number|null} */ k: null,
  /** @type {Clustering|null} */ data: null,
  /** @type {Map<number, Cluster>} */ byId: new Map(),
  /** @type {number[]} */ selected: [],
  /** @type {[number, number][]|null} */ area: null,
  /** Whether the area is around pictures that are moved apart. */ apart: false,
  /** Whether the map's pictures lie at their true places. */ places: false,
  /** @type {any[]} */ where: [],
  /** @type {Scope} */ scope: { set: null, rows: 0, clusters: null, outliers: 0, duplicates: 0, of: null },
  order: "overview",
  seed: 0,
  size: 0,
  /** @type {Set<number>} */ picked: new Set(),
  pickedAll: false,
  /** @type {number|null} */ open: null,
  /** @type {string|null} */ panel: null,
  /** @type {any} */ dialog: null,
  /** @type {any} */ map: { ready: false, share: 0 },
  /** Whether the map shows nothing but what is selected. */ only: false,
  /** @type {{z: number, x: number, y: number}|null} */ view: null,
  /** @type {any} */ log: { done: 0, undo: null, redo: null },
  /** @type {{text: string, bad: boolean, undo?: number}|null} */ toast: null,
  /** @type {string|null} */ fatal: null,
  /** Whether something of the page is being dragged. */ dragging: false,
  /** @type {{clusters: number[], rows: number[]}} */ tray: { clusters: [], rows: [] },
  tab: "images",
  sort: "size",
  /** @type {{of: any, gains: Map<number, number>}} */ gains: { of: null, gains: new Map() },
  /** @type {{of: any, names: Record<string, string>}} */ suggestions: { of: null, names: {} },
  listing: "cards",
  filter: "",
  /** @type {{n: number, text: string, bad: boolean}[]} */ messages: [],
  theme: "",
  author: "",
  away: false,
};

/** @typedef {typeof state} State */

const MOST_MESSAGES = 50;

/** @type {Set<() => void>} */
const listeners = new Set();
let waiting = false;

/** @param {Partial<State>} change */
export function set(change) {
  Object.assign(state, change);
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    for (const listener of [...listeners]) listener();
  });
}

/** @param {() => void} listener */
export function listen(listener) {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
}

/**
 * Give a part of the state, and draw the component again when it changes.
 * @template T @param {(state: State) => T} pick @returns {T}
 */
export function useStore(pick) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const now = pick(state);
  const last = useRef(now);
  const picker = useRef(pick);
  last.current = now;
  picker.current = pick;
  useEffect(() => {
    const look = () => {
      const next = picker.current(state);
      if (!same(last.current, next)) redraw(0);
    };
    look(); // effects run late on a slow machine: something may have changed since the drawing
    return listen(look);
  }, []);
  return now;
}

/** @param {any} a @param {any} b */
function same(a, b) {
  if (Object.is(a, b)) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((value, at) => Object.is(value, b[at]));
}

// Words.

/** @param {number} n */
export const count = (n) => n.toLocaleString("en");

/** @param {number} n @param {string} noun */
export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** @param {number} n */
export const images = (n) => plural(n, state.run?.kind === "images" ? "image" : "row");

/** Whether rows are images that can be shown. */
export const hasPictures = () => state.run.thumb && state.run.kind === "images";

/** @param {number} id */
export const label = (id) => state.byId.get(id)?.called ?? `Cluster ${id}`;

const TAG = /(^|\s)#([\p{L}\p{N}_-]+)/gu;

/** The tags in a note: its words that begin with #. @param {string} note */
export const tagsOf = (note) => [...note.matchAll(TAG)].map((found) => found[2]);

/** A note without its tags. @param {string} note */
export const untagged = (note) => note.replace(TAG, "").trim();

/** A confidence in words: the share of an image's ties that lead to its cluster. @param {number} confidence */
export const sureness = (confidence) => (confidence >= 0.9 ? "sure" : confidence >= 0.6 ? "fairly sure" : "unsure");

/** @param {number} id */
export const colour = (id) => {
  const cluster = state.byId.get(id);
  return cluster ? state.run.palette[cluster.colour % state.run.palette.length] : "#888";
};

/** Show a message for some seconds, and keep it in the list of messages. @param {string} said @param {boolean} [bad] @param {number} [undo] steps that its button takes back */
export function say(said, bad = false, undo = 0) {
  const text = `${said[0].toUpperCase()}${said.slice(1)}`;
  const n = (state.messages[state.messages.length - 1]?.n ?? 0) + 1;
  set({ toast: { text, bad, undo }, messages: [...state.messages.slice(-MOST_MESSAGES + 1), { n, text, bad }] });
}

/** Say what went wrong. @param {unknown} error */
export function complain(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (!(error instanceof Refused)) console.error(error);
  say(error instanceof Error ? error.message : String(error), true);
}

/** Whether what is shown is one cluster or a part of some, of which an overview of clusters would say nothing. @param {State} s */
const single = (s) => s.selected.length === 1 || s.area !== null || s.where.length > 0 || s.data?.clusters.length === 1;

/** The orders that there are now. @param {State} s @returns {string[]} */
export const orders = (s) => (single(s) ? s.run.orders : ["overview", ...s.run.orders]);

/** The order in which images are shown. @param {State} s */
export const orderNow = (s) => (s.order === "overview" && single(s) ? "typical" : s.order);

// What is shown.

/** @type {AbortController|null} */
let asking = null;
/** @type {Promise<void>|null} */
let latest = null;

/**
 * Load the clusters of a cut, or those edited (null). Who is overtaken by a later asker waits for
 * what that one gets: the news of an edit may come before the answer to it.
 * @param {number|null} k @param {number[]} [then] clusters to select; by default what is selected stays
 * @returns {Promise<void>}
 */
export function loadClusters(k, then) {
  asking?.abort();
  asking = new AbortController();
  /** @type {Promise<void>} */
  const mine = load(k, then, asking.signal).catch((error) => {
    if (latest === mine || latest === null) throw error;
    return latest;
  });
  latest = mine;
  return mine;
}

/** @param {number|null} k @param {number[]|undefined} then @param {AbortSignal} signal */
async function load(k, then, signal) {
  /** @type {unknown} */
  let trouble = null;
  const scopeOf = (/** @type {State} */ shown) => fetchScope(shown, signal).catch((error) => { trouble = error; return null; });
  // Of the same cut all is asked for at once; in another one it is first looked up what is selected.
  const guess = then ?? (k === state.k ? state.selected : null);
  const early = guess && scopeOf({ ...state, k, selected: guess });
  const data = await get("clusters", { k }, signal);
  const byId = new Map(data.clusters.map((/** @type {Cluster} */ c) => [c.id, c]));
  let before, selected, scope;
  do {
    before = wanted(state);
    selected = (then ?? (k === state.k ? state.selected : follow(byId))).filter((id) => byId.has(id));
    const next = { ...state, k, selected };
    scope = await early;
    if (scope?.of !== wanted(next)) scope = trouble ? null : await scopeOf(next);
  } while (before !== wanted(state)); // somebody chose something else meanwhile
  if (signal.aborted) throw new DOMException("overtaken", "AbortError");
  set({ k, data, byId, selected, ...nonePicked(), ...(scope && { scope }) });
  if (trouble) throw trouble;
}

/**
 * Find in another cut the clusters that hold the medoids of those selected.
 * @param {Map<number, Cluster>} byId
 */
function follow(byId) {
  const leaves = state.selected.map((id) => state.byId.get(id)?.leaf).filter((leaf) => leaf != null);
  const clusters = [...byId.values()].filter((c) => c.leaf !== null);
  const found = leaves.map((leaf) => {
    const colours = state.selected.map((id) => state.byId.get(id)?.colour);
    const same = clusters.find((c) => colours.includes(c.colour));
    return same ?? clusters.reduce((a, b) =>
      Math.abs(Number(b.leaf) - Number(leaf)) < Math.abs(Number(a.leaf) - Number(leaf)) ? b : a);
  });
  return [...new Set(found.map((c) => c.id))];
}

/** What a scope is of: it tells whether the one that is there is still right. @param {State} s */
export const wanted = (s) => JSON.stringify([s.selected, s.area, s.apart, s.where]);

/** Ask for the set of rows that a state shows. @param {State} shown @param {AbortSignal} [signal] @returns {Promise<Scope>} */
async function fetchScope(shown, signal) {
  const { k, selected, area, apart, where, run } = shown;
  const of = wanted(shown);
  if (!selected.length && !area && !where.length) {
    return { set: null, rows: run.rows - run.quarantined, clusters: null, outliers: run.outliers, duplicates: run.duplicates, of };
  }
  return { ...(await post("sets", { ...(area ? { area, apart } : { clusters: selected }), where }, { k }, signal)), of };
}

/** @type {{of: any[], facts: Promise<any>}} */
let opened = { of: [], facts: Promise.resolve() };

/** What is known of a row: the map and the detail ask for the same one. @param {number} row */
export function factsOf(row) {
  const of = [row, state.k, state.data];
  if (!same(of, opened.of)) {
    opened = { of, facts: get("row", { row, k: state.k }) };
    opened.facts.catch(() => { opened.of = []; });
  }
  return opened.facts;
}

/** Ask for the set of rows that the gallery shows. @param {AbortSignal} [signal] */
export async function refreshScope(signal) {
  const { data } = state;
  const scope = await fetchScope(state, signal);
  if (!signal?.aborted && data === state.data && scope.of === wanted(state)) set({ scope });
}

/** @param {number[]} selected */
export function select(selected) {
  set({ selected, area: null, ...nonePicked(), open: null });
  if (state.scope.of === wanted(state)) return Promise.resolve();
  return refreshScope().catch(complain);
}

/** @param {[number, number][]|null} area @param {boolean} [apart] whether it is around pictures that are moved apart */
export function selectArea(area, apart = false) {
  set({ area, apart, selected: [], ...nonePicked(), open: null, tab: "images" });
  return refreshScope().catch((error) => {
    set({ area: null });
    complain(error);
  });
}

/** Show only rows that fit conditions. @param {any[]} where */
export function filterBy(where) {
  set({ where, ...nonePicked(), open: null });
  return refreshScope().catch(complain);
}

/** Open a panel, or close it. @param {string} panel */
export const togglePanel = (panel) => set({ panel: state.panel === panel ? null : panel });

export const openExport = () => set({ dialog: { kind: "export" } });

/** Select nothing, step by step: what is picked first. */
export function clear() {
  if (state.dialog) set({ dialog: null });
  else if (state.panel) set({ panel: null });
  else if (state.open !== null) set({ open: null });
  else if (state.picked.size || state.pickedAll) set(nonePicked());
  else select([]);
}

/** The set of rows that edits of rows are about: those picked, or all that are shown. */
export async function pickedSet() {
  const { picked, pickedAll, k } = state;
  if (!pickedAll && picked.size) return post("sets", { rows: [...picked] }, { k });
  if (state.scope.of !== wanted(state)) await refreshScope(); // asked for, and not here yet
  return state.scope;
}

/** How many rows edits of rows are about; null until it is known. @param {State} s */
export const editedCount = (s) => (!s.pickedAll && s.picked.size) || (s.scope.of === wanted(s) ? s.scope.rows : null);

/** That no image is picked. */
export const nonePicked = () => ({ picked: new Set(), pickedAll: false });

export const pickedCount = () => (state.pickedAll ? state.scope.rows : state.picked.size);

// Edits.

const token = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");

/** @type {Promise<boolean>} */
let editing = Promise.resolve(true);

/**
 * Do an edit, then show what came of it; false when it was refused. Edits go one after another,
 * in the order in which they were asked for, each about what the one before it left.
 * @param {string} op @param {Record<string, any>} facts @param {number[]} [then] clusters to select
 */
export function edit(op, facts = {}, then) {
  editing = editing.then(() => done(op, facts, then));
  return editing;
}

/** @param {string} op @param {Record<string, any>} facts @param {number[]|undefined} then */
async function done(op, facts, then) {
  try {
    const free = op === "undo" || op === "redo" || op === "start";
    if (!free && !(await stand())) return false;
    const body = { op, ...facts, author: state.author, token: token() };
    const log = await post("edits", free ? body : { ...body, seen: state.data?.seq ?? 0 });
    state.log = log; // drawn with what came of it
    await loadClusters(null, then).catch(complain);
    // The news of the edit may have overtaken its answer, and knows nothing of what to select.
    const there = then?.filter((id) => state.byId.has(id));
    if (there && String(there) !== String(state.selected)) await select(there);
    say(`${log.summary}.`, false, op === "undo" ? 0 : log.steps ?? 1);
    return true;
  } catch (error) {
    await refused(error);
    return false;
  }
}

/** Say why an edit was refused, and offer what was perhaps meant. @param {unknown} error */
async function refused(error) {
  const kind = error instanceof Refused ? error.kind : "";
  if (error instanceof Refused && kind === "name" && error.proposal.clusters.length > 1) {
    const { clusters, into } = error.proposal;
    set({ dialog: { kind: "merge", clusters, into, why: error.message } });
  } else if (error instanceof Refused && kind === "conflict") {
    await loadClusters(null).catch(complain);
    set({ dialog: { kind: "conflict", message: error.message } });
  } else {
    if (kind === "gone") await refreshScope().catch(complain);
    complain(error);
  }
}

/**
 * Edits stand on one cut. On another one, start from it if nothing was edited yet, else ask.
 * True when what is shown is what edits are about.
 */
export async function stand() {
  const { k, data } = state;
  if (k === null || !data) return true;
  if (data.edited && k !== data.base) {
    set({ dialog: { kind: "start", k } });
    return false;
  }
  if (k !== data.base) await post("edits", { op: "start", k, author: state.author, token: token() });
  const { selected, picked } = state;
  await loadClusters(null, selected);
  set({ picked });
  return true;
}

/** Load what answers about each cluster would gain, unless it is there. */
export async function loadGains() {
  const { data } = state;
  if (state.gains.of === data) return;
  const gains = new Map();
  for (const q of (await get("review")).questions) for (const id of q.clusters) gains.set(id, (gains.get(id) ?? 0) + q.gain);
  if (state.data === data) set({ gains: { of: data, gains } });
}

export async function loadLog() {
  const log = await get("edits");
  if ((log.seq ?? 0) >= (state.log.seq ?? 0)) set({ log });
}
