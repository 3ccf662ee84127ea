// Near duplicates: groups at least so alike, of which one image is kept.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { junkSet } from "./actions.js";
import { colour, complain, count, filterBy, label, openExport, pickedSet, plural, set, state, useStore } from "./store.js";
import { Tiles } from "./thumbs.js";
import { useAnswer } from "./widgets.js";

const USUAL = 0.93;
const PAUSE = 1000; // ms between two looks at how far the search is
const SETTLED = 150; // ms after the slider moved last

export function Copies() {
  const data = useStore((s) => s.data);
  const [least, setLeast] = useState(USUAL);
  const again = (/** @type {any} */ answer) => answer.share < 1 && !answer.trouble && PAUSE;
  const found = useAnswer("copies", { least, k: state.k }, [data], { wait: SETTLED, again });
  if (!found) return html`<p class="soft" role="status">…</p>`;
  if (found.trouble) return html`<p class="note bad">${found.trouble}</p>`;
  if (found.share < 1) return html`<p role="status">Comparing all images, once for this run: ${Math.floor(100 * found.share)}%</p>`;
  const show = (/** @type {boolean} */ others) => filterBy([{ column: "copy, %", from: 100 * least, ...(others && { not: true }) }]);
  const go = (/** @type {boolean} */ others, /** @type {() => any} */ then) => show(others).then(() => { set({ order: others ? state.order : "tree", picked: new Set(), pickedAll: true }); return then(); }).catch(complain);
  return html`<label class="field"><span>Minimum similarity</span><input type="range" aria-label="Minimum similarity, percent" min="0.85" max="1" step="0.005" value=${least} onInput=${(e) => setLeast(Number(e.target.value))} /><b>${(100 * least).toFixed(1)}%</b></label>
    <p aria-live="polite">${found.groups ? html`<b>${plural(found.groups, "group")}</b> with <b>${plural(found.copies, "copy").replace("copys", "copies")}</b> of the image that is kept.` : "No two images are this similar."}</p>
    ${found.copies > 0 && html`<div class="actions">
      <button onClick=${() => show(false)}>Show the copies</button>
      <button onClick=${() => go(false, openExport)}>Export the copies …</button>
      <button class="main" onClick=${() => go(true, openExport)}>Export all but the copies …</button>
      ${!state.run.read_only && html`<button onClick=${() => go(false, async () => junkSet((await pickedSet()).set))}>Junk the copies</button>`}</div>`}
    ${found.shown.map((/** @type {any} */ group, /** @type {number} */ at) => html`<section class="facet" key=${at}><h3>${plural(group.size, "image")}</h3>
      <${Tiles} rows=${group.rows} shown=${84} onOpen=${(/** @type {number} */ row) => set({ open: row })}
        caption=${(/** @type {any} */ r) => html`<span class="hint">${r === group.rows[0] ? "kept" : `${(100 * r.similarity).toFixed(0)}%`} <span class="dot" style=${{ "--c": colour(r.cluster) }} title=${label(r.cluster)} /></span>`} /></section>`)}
    ${found.groups > found.shown.length && html`<p class="soft">The ${count(found.shown.length)} largest groups are shown.</p>`}`;
}
