// Saved views: what is selected, filtered and seen, under a name, kept with the run.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { get, post } from "./api.js";
import { complain, state } from "./store.js";

/** @param {{written: () => string, go: (hash: string) => Promise<void>}} props */
export function Views({ written, go }) {
  const [views, setViews] = useState(/** @type {Record<string, string>|null} */ (null));
  const [name, setName] = useState("");
  useEffect(() => { get("views").then((found) => setViews(found.views), complain); }, []);
  const keep = (/** @type {string} */ called, /** @type {string|null} */ hash) => post("views", { name: called, view: hash }).then((found) => { setViews(found.views); setName(""); }, complain);
  if (!views) return html`<p class="soft" role="status">…</p>`;
  const all = Object.entries(views);
  return html`<p class="soft">A view stores K, the selection, filters, the open image and the map position, with the run.</p>
    ${!state.run.read_only && html`<form class="bar" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); if (name.trim()) keep(name.trim(), written()); }}>
      <label class="field grow"><span>Name</span><input value=${name} maxlength="80" placeholder="for the current view" onInput=${(/** @type {any} */ e) => setName(e.target.value)} /></label>
      <button class="main" type="submit" disabled=${!name.trim()}>${name.trim() in views ? "Replace" : "Save"}</button></form>`}
    ${all.length ? html`<ul class="log">${all.map(([called, hash]) => html`<li key=${called}><span class="bar"><button class="link" onClick=${() => go(hash).catch(complain)}>${called}</button><span class="grow" />
      ${!state.run.read_only && html`<button class="link" aria-label=${`Delete the view ${called}`} onClick=${() => keep(called, null)}>Delete</button>`}</span></li>`)}</ul>` : html`<p class="empty">No views yet: select, filter or zoom to something, then save it here under a name.</p>`}`;
}
