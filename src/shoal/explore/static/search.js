// Find images like one that a person gives: dropped on the page, or chosen.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { post } from "./api.js";
import { colour, complain, label, select, set, state, useStore } from "./store.js";
import { Tiles } from "./thumbs.js";

/** The image that was given, and what was found. */
const given = { url: "", name: "", busy: false, found: /** @type {any} */ (null) };
/** @type {Set<() => void>} */
const watching = new Set();
const told = () => watching.forEach((f) => f());

/** @param {File|undefined} file */
async function look(file) {
  if (!file) return;
  if (given.url) URL.revokeObjectURL(given.url);
  Object.assign(given, { url: URL.createObjectURL(file), name: file.name, busy: true, found: null });
  set({ panel: "search" });
  told();
  try {
    given.found = await post("search", file, { k: state.k });
  } catch (error) {
    complain(error);
  }
  given.busy = false;
  told();
}

export function Search() {
  const [, redraw] = useState(0);
  useStore((s) => [s.data, s.open]);
  useEffect(() => {
    const watch = () => redraw((n) => n + 1);
    watching.add(watch);
    return () => { watching.delete(watch); };
  }, []);
  const { found } = given;
  return html`<p class="soft">Drop an image anywhere on the page, or choose one. It stays on this machine.</p>
    <label class="choose"><span class="sr">An image</span><input type="file" accept="image/*" onChange=${(e) => look(e.target.files[0])} /></label>
    ${given.url && html`<div class="given"><img src=${given.url} alt=${given.name} /><div>
      ${given.busy && html`<p role="status">Looking …</p>`}
      ${found && html`<p>${found.unknown ? html`<span class="tag bad">unlike any cluster</span>` : "It would go to"}</p>
        ${state.byId.has(found.cluster) && html`<button class="chip" style=${{ "--c": colour(found.cluster) }} onClick=${() => select([found.cluster])}><span class="dot" aria-hidden="true" />${label(found.cluster)}</button>`}
        <p class="soft">confidence ${found.confidence.toFixed(2)}</p>`}</div></div>`}
    ${found && html`<h3>Nearest</h3><${Tiles} rows=${found.rows} shown=${72} onOpen=${(row) => set({ open: row })}
      caption=${(r) => html`<span class="dot corner" style=${{ "--c": colour(r.cluster) }} title=${label(r.cluster)} />`} />`}`;
}

/** Takes what is dropped on the page. */
export function Drop() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let inside = 0;
    const has = (e) => state.run?.thumb && [...(e.dataTransfer?.types ?? [])].includes("Files");
    const enter = (e) => { if (has(e)) { e.preventDefault(); inside += 1; setOver(true); } };
    const leave = (e) => { if (has(e)) { inside -= 1; if (inside <= 0) setOver(false); } };
    const hold = (e) => { if (has(e)) e.preventDefault(); };
    const drop = (e) => { if (has(e)) { e.preventDefault(); inside = 0; setOver(false); look(e.dataTransfer.files[0]); } };
    const all = /** @type {[string, any][]} */ ([["dragenter", enter], ["dragleave", leave], ["dragover", hold], ["drop", drop]]);
    all.forEach(([name, f]) => document.addEventListener(name, f));
    return () => all.forEach(([name, f]) => document.removeEventListener(name, f));
  }, []);
  return over ? html`<div class="drop" aria-hidden="true"><p>Drop it to find images like it</p></div>` : null;
}
