// One image: itself, how sure it is, the clusters it lies between, and what is next to it.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { address } from "./api.js";
import { colour, complain, factsOf, hasPictures, label, openExport, select, set, state, sureness, useStore } from "./store.js";
import { Profile, Tiles, loadProfiles, usualValues, valuesOf } from "./thumbs.js";
import { act, junk, take } from "./actions.js";
import { look } from "./search.js";
import { shownList } from "./gallery.js";
import { ClusterChip, IconButton } from "./widgets.js";

export function Detail() {
  const [row, k, data] = useStore((s) => [s.open, s.k, s.data]);
  const [facts, setFacts] = useState(null);
  const box = useRef(null);
  useLayoutEffect(() => {
    if (row === null) return undefined;
    let on = true;
    factsOf(row).then((found) => on && setFacts(found), complain);
    return () => { on = false; };
  }, [row, k, data]);
  useLayoutEffect(() => {
    if (row === null) return undefined;
    const before = document.activeElement;
    if (!box.current.contains(before)) box.current.focus();
    return () => {
      // Back to where one was, unless the focus went elsewhere by itself.
      if (document.activeElement !== document.body) return;
      const there = before instanceof HTMLElement && before !== document.body && before.isConnected ? before : document.querySelector(".grid, .overview");
      /** @type {HTMLElement|null} */ (there)?.focus();
    };
  }, [row === null]);
  if (row === null) return null;
  const shown = facts?.row === row ? facts : null;
  const cluster = shown?.cluster;
  const onKey = (event) => {
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      event.stopPropagation();
      shownList.move(event.key === "ArrowRight" ? 1 : -1);
    }
  };
  return html`<section class="detail" aria-label="Image" tabindex="-1" ref=${box} onKeyDown=${onKey}>
    <header>
      <h2 title=${shown?.name ?? `Row ${row}`}>${shown?.name ?? `Row ${row}`}</h2>
      <${IconButton} icon="left" name="Previous image" title="Previous image (←)" onClick=${() => shownList.move(-1)} />
      <${IconButton} icon="right" name="Next image" title="Next image (→)" onClick=${() => shownList.move(1)} />
      <${IconButton} icon="full" name="Full screen" title="Full screen (f)" onClick=${full} />
      <${IconButton} icon="close" name="Close the image" title="Close (Esc)" onClick=${() => set({ open: null })} />
    </header>
    ${shown && !shown.quarantined && html`<${Handle} row=${row} name=${shown.name} />`}
    <div class="detail-body">
      ${state.run.thumb ? html`<div class="frame" style=${{ "--c": cluster === undefined ? "transparent" : colour(cluster) }}>
          <img key=${row} src=${address("image", { row, v: state.run.version })} alt=${shown?.name ?? `Row ${row}`}
            class=${state.run.thumb.small ? "pixelated" : ""} /></div>`
        : html`<${Whole} row=${row} />`}
      ${shown?.quarantined && html`<p class="note bad">This image could not be used: ${shown.quarantined}.</p>`}
      ${shown && !shown.quarantined && html`<${Facts} facts=${shown} />`}
    </div>
  </section>`;
}

/** What can be done with the open image. */
function Handle({ row, name }) {
  const { run } = state;
  const alike = async () => {
    try {
      const answer = await fetch(address("image", { row, v: run.version }));
      await look(new File([await answer.blob()], name ?? `row ${row}`));
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="actions" role="toolbar" aria-label="This image">
    ${!run.read_only && html`<button onClick=${act.move} title="Move to another or a new cluster (m)">Move …</button>
      <button onClick=${() => junk(row)} title="Move to the junk cluster">Junk</button>`}
    ${hasPictures() && html`<button onClick=${alike} title="Search all images for similar ones">Find similar</button>`}
    <button onClick=${() => { take(row); openExport(); }} title="Export it (e)">Export …</button>
  </div>`;
}

function Facts({ facts }) {
  return html`<div class="facts-of">
    <dl>
      <dt>Cluster</dt><dd><${ClusterChip} id=${facts.cluster} />
        ${facts.moved && html`<span class="tag">moved by hand</span>`}</dd>
      <dt>Confidence</dt><dd>${facts.confidence === null ? "–" : html`${facts.confidence.toFixed(2)}, <b>${sureness(facts.confidence)}</b>`}${facts.outlier ? html` <span class="tag">outlier</span>` : ""}</dd>
      <dt>Row</dt><dd>${facts.row}</dd>
    </dl>
    ${facts.metadata && !state.run.columns && html`<h3>Metadata</h3><dl>${Object.entries(facts.metadata).map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value === null ? "–" : String(value)}</dd>`)}</dl>`}
    <${Between} shares=${facts.between} title="Clusters of its neighbours" />
    ${facts.neighbours.length > 0 && html`<h3>Nearest</h3>
      <${Tiles} rows=${facts.neighbours} shown=${56} onOpen=${(row) => set({ open: row })}
        caption=${(r) => (r.cluster !== facts.cluster ? html`<span class="dot corner" style=${{ "--c": colour(r.cluster) }} title=${label(r.cluster)} />` : null)} />`}
  </div>`;
}

/** Clusters, and how much of something leads to each. @param {{shares: {cluster: number, share: number}[], title: string}} props */
export function Between({ shares, title }) {
  const known = shares.filter((b) => state.byId.has(b.cluster));
  return known.length > 0 && html`<div><h3>${title}</h3>
    <ul class="between">${known.map((b) => html`<li key=${b.cluster}><button class="link" onClick=${() => select([b.cluster])}>${label(b.cluster)}</button>
      <span class="bar-of"><i style=${{ width: `${100 * b.share}%`, "--c": colour(b.cluster) }} /></span><span>${Math.round(100 * b.share)}%</span></li>`)}</ul></div>`;
}

/** The numbers of a row of vectors. */
function Whole({ row }) {
  const [, redraw] = useState(0);
  useEffect(() => { if (!state.run.trouble) loadProfiles([row]).then(() => redraw((n) => n + 1), complain); }, [row]);
  const values = valuesOf(row);
  const usual = usualValues();
  return html`<div class="numbers"><${Profile} row=${row} width=${360} height=${120} />
    ${values && state.run.columns && html`<table><thead><tr><th>Column</th><th>Value</th><th>Mean of all</th></tr></thead>
      <tbody>${values.shown.map((v, at) => html`<tr key=${at}><td>${state.run.columns[at]}</td><td>${v ?? "–"}</td><td>${usual.mean[at] ?? ""}</td></tr>`)}</tbody></table>`}
    ${values && !state.run.columns && html`<p class="hint">${usual.numbers} numbers${usual.numbers > values.shown.length ? `, in ${values.shown.length} means` : ""}: how far each lies above or below the mean of all, up to 3 deviations.</p>`}
  </div>`;
}

/** Show the open image alone on the screen. */
export function full() {
  const frame = document.querySelector(".detail .frame");
  if (document.fullscreenElement) document.exitFullscreen();
  else frame?.requestFullscreen?.().catch(complain);
}
