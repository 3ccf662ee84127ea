// The keyboard, as in curation tools.

import { act, takeOpen } from "./actions.js";
import { full } from "./detail.js";
import { pickAll } from "./gallery.js";
import { answer } from "./review.js";
import { stage } from "./tray.js";
import { accept } from "./suggestions.js";
import { clear, complain, hasPictures, loadClusters, openExport, orders, select, set, state, togglePanel } from "./store.js";

/** The next cluster in the list, or the one before. @param {number} by */
function step(by) {
  const clusters = [...(state.data?.clusters ?? [])].sort((a, b) => b.rows - a.rows || a.id - b.id);
  if (!clusters.length) return;
  const at = clusters.findIndex((c) => c.id === state.selected[state.selected.length - 1]);
  select([clusters[(at + by + clusters.length) % clusters.length].id]);
}

/** @param {number} by */
function coarser(by) {
  const now = state.k ?? state.data?.clusters.length ?? 1;
  const k = Math.max(1, Math.min(state.run.representatives, now + by));
  loadClusters(k === state.data?.base ? null : k).catch(complain);
}

const PLAIN = {
  "?": () => togglePanel("help"),
  h: () => togglePanel("history"),
  w: () => togglePanel("review"),
  g: act.merge, k: act.split, l: act.rename, n: act.note, q: act.quiz, m: act.move,
  a: () => accept(state.selected),
  c: () => togglePanel("compare"),
  d: () => state.run.columns && togglePanel("columns"),
  i: () => togglePanel("filter"),
  s: () => hasPictures() && togglePanel("search"),
  u: () => hasPictures() && togglePanel("copies"),
  v: () => togglePanel("views"),
  t: stage,
  "#": act.tag,
  e: () => {
    takeOpen();
    openExport();
  },
  f: full,
  " ": () => step(1),
  "[": () => coarser(-1),
  "]": () => coarser(1),
  "/": () => /** @type {HTMLElement|null} */ (document.querySelector(".clusters input[type=search]"))?.focus(),
};
const EDITS = new Set(["#", "a", "t", "g", "k", "l", "n", "q", "m"]);

/** @param {KeyboardEvent} event */
export function onKey(event) {
  if (state.dialog || event.defaultPrevented) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const typing = target.matches?.("input:not([type=range]):not([type=radio]), textarea, select");
  if (event.key === "Escape") {
    if (typing) target.blur();
    else clear();
    return;
  }
  if (typing || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    const back = key === "z" && !event.shiftKey;
    if (back || key === "y" || key === "z") {
      event.preventDefault();
      if (!state.run.read_only) back ? act.undo() : act.redo();
    } else if (key === "a") {
      event.preventDefault();
      pickAll();
    }
    return;
  }
  if (state.panel === "review" && (key in answer || (key === "Enter" && !target.matches?.("button")))) {
    event.preventDefault();
    answer[key]?.();
    return;
  }
  if (key === " " && target.matches?.("button, [role=treeitem], a, input")) return;
  if (/^[1-7]$/.test(key) && orders(state)[Number(key) - 1]) set({ order: orders(state)[Number(key) - 1] });
  else if (key in PLAIN && !(state.run.read_only && EDITS.has(key))) {
    event.preventDefault();
    PLAIN[key]();
  }
}
