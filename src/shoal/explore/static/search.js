// Find images like one that a person gives, dropped on the page or chosen, or by words.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { post } from "./api.js";
import { Between } from "./detail.js";
import { colour, complain, label, set, state, sureness, useStore } from "./store.js";
import { Tiles } from "./thumbs.js";
import { ClusterChip } from "./widgets.js";

const NEAR = 20; // of the rows found: those that a person takes in at a glance

/** The image that was given, or the words, and what was found. */
const given = { url: "", name: "", words: "", busy: false, found: /** @type {any} */ (null) };
/** @type {Set<() => void>} */
const watching = new Set();
const redrawAll = () => watching.forEach((f) => f());

/** @param {File|undefined} file */
export async function look(file) {
  if (!file) return;
  await ask("search", file, { url: URL.createObjectURL(file), name: file.name, words: "" });
}

/** @param {string} words */
async function read(words) {
  if (!words) return;
  await ask("words", { words }, { url: "", name: "", words });
}

/** @param {string} path @param {any} body @param {{url: string, name: string, words: string}} what */
async function ask(path, body, what) {
  const { url, words } = what;
  if (given.url) URL.revokeObjectURL(given.url);
  Object.assign(given, what, { busy: true, found: null });
  set({ panel: "search" });
  redrawAll();
  /** @type {any} */
  let found = null;
  try {
    found = await post(path, body, { k: state.k });
  } catch (error) {
    complain(error);
  }
  if (given.url !== url || given.words !== words) return; // asked for something else meanwhile
  Object.assign(given, { busy: false, found });
  redrawAll();
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
  const send = (event) => {
    event.preventDefault();
    read(event.target.elements.words.value.trim());
  };
  return html`${state.run.words && html`<form class="bar" onSubmit=${send}>
      <label class="field grow"><span>Words</span><input name="words" type="search" maxlength="300" defaultValue=${given.words} placeholder="what the image shows" /></label>
      <button class="main" type="submit">Find</button></form>`}
    <p class="soft">${state.run.words ? "Or drop" : "Drop"} an image anywhere on the page, or choose one. It stays on this machine.</p>
    <label class="choose"><span class="sr">An image</span><input type="file" accept="image/*" onChange=${(e) => look(e.target.files[0])} /></label>
    ${given.words && html`<div>${given.busy ? html`<p role="status">Searching …</p>` : found && html`<p>Best matches for “${given.words}”</p><${ClustersOf} rows=${found.rows} />`}</div>`}
    ${given.url && html`<div class="given"><img src=${given.url} alt=${given.name} class=${state.run.thumb.small ? "pixelated" : ""} /><div>
      ${given.busy && html`<p role="status">Searching …</p>`}
      ${found && html`<${Verdict} found=${found} />`}</div></div>`}
    ${given.url && found && html`<${Between} shares=${nearby(found.rows)} title="Clusters of the nearest images" />`}
    ${found && html`<div><h3>${given.words ? "Best first" : "Nearest"}</h3><${Tiles} rows=${found.rows} shown=${72} onOpen=${(row) => set({ open: row })}
      caption=${(r) => html`<span class="dot corner" style=${{ "--c": colour(r.cluster) }} title=${label(r.cluster)} />`} /></div>`}`;
}

/** Where the image would go, how sure that is, and whether anything like it was fitted. */
function Verdict({ found }) {
  return html`<p>${found.unknown ? html`<span class="tag bad">unlike all fitted images</span> The nearest cluster is` : "It would be assigned to"}</p>
    ${state.byId.has(found.cluster) && html`<${ClusterChip} id=${found.cluster} />`}
    <p>${found.unknown ? "If it belongs there at all: " : ""}<b>${sureness(found.confidence)}</b> <span class="soft">(confidence ${found.confidence.toFixed(2)})</span></p>
    ${found.likeness != null && html`<p class="soft">${share(found.likeness)} of images like the fitted ones are at least as unusual${found.likeness < 0.2 && !found.unknown ? ": look at the nearest images before you rely on it" : ""}.</p>`}`;
}

/** How many of some rows are in which cluster, the most first. @param {any[]} rows */
function byCluster(rows) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const r of rows) counts.set(r.cluster, (counts.get(r.cluster) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** What share of the rows nearest to an image is in which cluster. @param {any[]} rows */
function nearby(rows) {
  const near = rows.slice(0, NEAR);
  return byCluster(near).slice(0, 4).map(([cluster, n]) => ({ cluster, share: n / near.length }));
}

/** A share for people, also where it is small. @param {number} part */
const share = (part) => part < 0.0005 ? "under 0.1%" : part < 0.0095 ? `${(100 * part).toFixed(1)}%` : `${Math.round(100 * part)}%`;

/** The clusters that most of some rows are in. */
function ClustersOf({ rows }) {
  const most = byCluster(rows).filter(([id]) => state.byId.has(id)).slice(0, 6);
  return html`<div class="inside">${most.map(([id, n]) => html`<${ClusterChip} key=${id} id=${id} n=${n} />`)}</div>`;
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
