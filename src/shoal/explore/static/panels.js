// Side windows: the log of edits, help, unreadable images.

import { html, useEffect } from "./vendor/htm-preact-3.1.1.js";
import { act } from "./actions.js";
import { Columns } from "./columns.js";
import { Compare } from "./compare.js";
import { Copies } from "./copies.js";
import { Filter } from "./filter.js";
import { Search } from "./search.js";
import { Views } from "./views.js";
import { complain, count, loadLog, set, state, useStore } from "./store.js";
import { IconButton, useAnswer } from "./widgets.js";

/** @param {{written: () => string, go: (hash: string) => Promise<void>}} address of the view */
export function Panels(address) {
  const panel = useStore((s) => s.panel);
  const kinds = { history: ["Edits", History], compare: ["Compare", Compare], columns: ["Columns", Columns], filter: ["Filter", Filter], copies: ["Near duplicates", Copies], views: ["Views", Views], search: ["Find images", Search], help: ["Help", Help], quarantine: ["Unreadable", Quarantine] };
  if (!panel || !(panel in kinds)) return null;
  const [title, Shown] = kinds[panel];
  return html`<aside class="side" aria-label=${title}>
    <header><h2>${title}</h2><${IconButton} icon="close" name="Close" title="Close (Esc)" onClick=${() => set({ panel: null })} /></header>
    <div class="side-body"><${Shown} ...${address} /></div>
  </aside>`;
}

function History() {
  const [log, data, author] = useStore((s) => [s.log, s.data, s.author]);
  useEffect(() => { loadLog().catch(complain); }, [data]);
  const entries = log.entries ?? [];
  return html`<label class="field"><span>Your name in the log</span><input value=${author} maxlength="80" placeholder="optional"
      onChange=${(e) => { set({ author: e.target.value.trim() }); localStorage.setItem("shoal-author", e.target.value.trim()); }} /></label>
    ${!state.run.read_only && html`<div class="bar"><button disabled=${!log.undo} onClick=${act.undo}>Undo</button><button disabled=${!log.redo} onClick=${act.redo}>Redo</button></div>`}
    ${entries.length ? html`<ol class="log">${entries.map((e) => html`<li key=${e.seq} class=${e.in_effect || e.op === "undo" || e.op === "redo" ? "" : "undone"}>
      <span>${e.summary}</span><span class="soft">${new Date(e.time).toLocaleString()}${e.author ? `, ${e.author}` : ""}${e.in_effect || e.op === "undo" || e.op === "redo" ? "" : ", undone"}</span></li>`)}</ol>`
      : html`<p class="empty">No edits yet. Every edit can be undone, and is stored beside the fit, which it never changes.</p>`}`;
}

/** @type {[string, [string, string][]][]} */
export const KEYS = [
  ["Anywhere", [["?", "help"], ["Esc", "close, or clear the selection"], ["Ctrl+Z, Ctrl+Y", "undo, redo"], ["/", "find a cluster"],
    ["[ and ]", "fewer, more clusters"], ["Space", "next cluster"], ["1 to 7", "order of the images"], ["h", "log of edits"], ["c", "compare"], ["i", "filter"], ["d", "columns of a table"], ["s", "find images"], ["u", "near duplicates"], ["v", "saved views"], ["t", "put into the tray"]]],
  ["Clusters", [["↑ ↓", "step"], ["Ctrl+click, Shift+↑ ↓", "select several"], ["l", "name"], ["a", "accept the suggested name"], ["g", "merge the selected ones"], ["k", "split"], ["n", "note"], ["#", "tag"],
    ["q", "quiz of 20 images"], ["w", "review queue"]]],
  ["Images", [["Arrows", "step"], ["Enter", "open"], ["x", "select"], ["Shift+click, Shift+arrows", "select a range"], ["Ctrl+A", "select all shown"],
    ["m", "move the selected ones"], ["e", "export"], ["f", "full screen"]]],
  ["Map", [["Drag, wheel", "move, zoom"], ["Shift+drag", "draw around images"], ["Click", "select the cluster; zoomed in, the image"], ["Arrows, + −", "move, zoom"], ["Enter", "select what is in the middle"], ["Shift+Enter", "select everything in view"], ["Double click", "clear the selection"]]],
];

function Help() {
  return html`${KEYS.map(([title, keys]) => html`<h3 key=${title}>${title}</h3><dl class="keys">${keys.map(([key, what]) => html`<dt key=${key}><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>`)}
    <h3>Glossary</h3>
    <dl class="words-of">
      <dt>Clarity</dt><dd>How much clearer a split is than splits of unstructured data, on a logarithmic scale; 0.4 may be real, 1.2 almost certainly is.</dd>
      <dt>Suggested K ★</dt><dd>The layer that is shown first. The other buttons are further layers: numbers of clusters that stand out in the data.</dd>
      <dt>98% separate</dt><dd>The share of its images' similarity that stays within the cluster. “Mixed?” is a separate measure: the next split of the cluster is about as clear as the splits made.</dd>
      <dt>Unsure</dt><dd>Images that lie between clusters, the least confident first.</dd>
      <dt>Unreadable</dt><dd>Images that could not be used, and are in no cluster.</dd>
      <dt>Confidence</dt><dd>The same share for one image. An image can be typical and unsure, or an outlier and sure: these are separate measures.</dd>
      <dt>The map</dt><dd>For viewing only: no cluster depends on it, and distances are approximate.</dd>
    </dl>`;
}

function Quarantine() {
  const found = useAnswer("quarantine");
  if (!found) return html`<p class="soft">…</p>`;
  return html`<p>${count(found.total)} could not be used, and are in no cluster.</p>
    <ol class="log">${found.rows.map((r) => html`<li key=${r.row}><span>${r.name ?? `row ${r.row}`}</span><span class="soft">${r.reason}</span></li>`)}</ol>
    ${found.total > found.rows.length && html`<p class="soft">The first ${count(found.rows.length)} are listed.</p>`}`;
}
