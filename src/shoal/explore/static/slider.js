// How many clusters: every K of the one tree, with the layers that the data mark.

import { html, useMemo } from "./vendor/htm-preact-3.1.1.js";
import { complain, loadClusters, plural, set, state, useStore } from "./store.js";

const CLARITY = "How much clearer each further split is than splits of unstructured data, on a logarithmic scale; splits of unstructured data are nearly always below 1.2.";
const WIDTH = 288;
const HEIGHT = 44;

/** The numbers of clusters that the slider stops at: all small ones, then ever wider apart. @param {number} most */
function stops(most) {
  const found = [];
  for (let k = 1; k < most; k = Math.max(k + 1, Math.round(k * 1.02))) found.push(k);
  return [...found, most];
}

export function Slider() {
  const [run, k, data] = useStore((s) => [s.run, s.k, s.data]);
  const all = useMemo(() => stops(run.most), [run]);
  const now = k ?? data?.clusters.length ?? run.layers.find((l) => l.primary).k;
  const place = (/** @type {number} */ n) => nearest(all, n) / Math.max(1, all.length - 1);
  const cut = (/** @type {number} */ n) => {
    const wanted = n === data?.base ? null : n;
    if (wanted !== state.k) loadClusters(wanted).catch(complain);
  };
  // What was edited is no cut of the tree, even where it has as many clusters as one.
  const plain = k !== null || !data?.edited;
  const excess = (/** @type {number} */ n) => (n > 1 ? run.excess[n - 2] : null);
  const valueText = `${now} cluster${now === 1 ? "" : "s"}${plain && excess(now) ? `, clarity ${excess(now).toFixed(2)}` : ""}`;
  return html`<section class="slider" aria-label="Number of clusters">
    <div class="slider-head">
      <label class="k-field"><span>Clusters</span>
        <input type="number" min="1" max=${run.representatives} value=${now} aria-label="Exact number of clusters"
          onChange=${(e) => cut(Math.max(1, Math.min(run.representatives, Math.round(Number(e.target.value)) || 1)))} />
      </label>
      <div class="layers" role="group" aria-label="Layers">${nearby(run.layers).map((layer) => html`
        <button key=${layer.k} class=${`layer ${plain && layer.k === now ? "on" : ""}`} aria-pressed=${plain && layer.k === now}
          title=${caption(layer)} onClick=${() => cut(layer.k)}>${layer.k}${layer.primary ? html`<span class="star" aria-label=${run.method ? "as found" : "suggested"}>★</span>` : ""}</button>`)}
      </div>
    </div>
    <div class="curve">
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
        <path d=${area(all, run.excess)} />
        ${run.layers.map((layer) => html`<line key=${layer.k} class=${layer.primary ? "mark primary" : "mark"}
          x1=${place(layer.k) * WIDTH} x2=${place(layer.k) * WIDTH} y1="0" y2=${HEIGHT} />`)}
      </svg>
      <input type="range" min="0" max=${all.length - 1} value=${nearest(all, now)} aria-label="Number of clusters"
        aria-valuetext=${valueText} onInput=${(e) => cut(all[Number(e.target.value)])} />
    </div>
    <p class="hint" title=${CLARITY}>
      ${!plain ? `Edited, from the cut into ${data?.base}` : now > 1 && excess(now) != null ? html`Clarity of the last split <b>${excess(now).toFixed(2)}</b>` : "Height: the clarity of each split"}
      ${k !== null && html`<button class="link" onClick=${() => loadClusters(null).catch(complain)}>back to ${data?.edited ? "the edited " : ""}${data?.base}</button>`}
    </p>
    ${now >= run.most && run.most < run.representatives && html`<p class="note">The slider ends at ${run.most}${run.most === 1000 ? "" : ", far beyond the finest layer"}: type any number up to ${run.representatives.toLocaleString("en")}.</p>`}
    ${k !== null && data?.edited && html`<p class="note">A plain cut, without your edits, which are based on ${plural(data.base, "cluster")}.
      <button class="link" onClick=${() => set({ dialog: { kind: "start", k } })}>Restart from here</button></p>`}
  </section>`;
}

const CHIPS = 5;

/** The layers that get a button: the suggested one and those around it; the curve marks all. @param {any[]} layers */
function nearby(layers) {
  const primary = layers.findIndex((layer) => layer.primary);
  const from = Math.max(0, Math.min(primary - Math.floor(CHIPS / 2), layers.length - CHIPS));
  return layers.slice(from, from + CHIPS);
}

/** @param {any} layer */
function caption(layer) {
  const known = (/** @type {number|null} */ v) => (v === null ? "–" : v.toFixed(2));
  return `${plural(layer.k, "cluster")}${layer.primary ? (state.run.method ? `, by ${state.run.method}` : ", suggested") : ""}: clarity ${known(layer.excess)}, stability ${known(layer.stability)}${layer.weak ? "; weak: its last splits are barely clearer than chance" : ""}`;
}

/** @param {number[]} all @param {number} k */
function nearest(all, k) {
  let best = 0;
  all.forEach((n, at) => { if (Math.abs(n - k) < Math.abs(all[best] - k)) best = at; });
  return best;
}

/** The curve of the excess over the stops. @param {number[]} all @param {(number|null)[]} excess */
function area(all, excess) {
  const top = Math.max(1, ...excess.slice(0, 60).map((e) => e ?? 0));
  const points = all.map((k, at) => {
    const e = Math.max(0, (k > 1 ? excess[k - 2] : excess[0]) ?? 0);
    return `${(at / Math.max(1, all.length - 1)) * WIDTH} ${HEIGHT - (HEIGHT - 4) * Math.min(1, e / top)}`;
  });
  return `M0 ${HEIGHT}L${points.join("L")}L${WIDTH} ${HEIGHT}Z`;
}
