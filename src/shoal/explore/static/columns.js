// Columns of a table: two against each other, coloured by cluster, and one of them by cluster.

import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { colour, count, label, select, set, state, useStore } from "./store.js";
import { Choice, bars, useAnswer } from "./widgets.js";

const WIDE = 400;
const TALL = 300;
const PAD = 14;
const NEAR = 12; // pixels from a point at which a click means it
const LISTED = 40;

export function Columns() {
  const [data, selected, k] = useStore((s) => [s.data, s.selected, s.k]);
  const names = state.run.columns;
  const [x, setX] = useState(null); // the server chooses two of numbers
  const [y, setY] = useState(null);
  const found = useAnswer("columns", { x, y, k }, [data]);
  const axis = (name, value, change) => html`<${Choice} name=${name} value=${value} options=${names.map((column, at) => [at, column])} onChoose=${(at) => change(Number(at))} />`;
  return html`${axis("Across", x ?? found?.x, setX)}${axis("Up", y ?? found?.y, setY)}
    ${!found ? html`<p class="soft" role="status">Reading …</p>` : html`<${Scatter} found=${found} selected=${selected} />
      <h3>${names[found.x]} by cluster</h3><${Spread} spread=${found.spread} labels=${found.labels[0]} />
      ${found.rows < state.run.rows - state.run.quarantined && html`<p class="soft">From ${count(found.rows)} rows of all parts.</p>`}`}`;
}

/** Where points are drawn, in pixels: categories side by side, each a little spread. */
function placed({ points, labels }) {
  const axis = (/** @type {(number|null)[]} */ values, known, size, turned) => {
    const spread = known ? values.map((v, at) => v === null ? null : v + 0.5 * ((at * 0.618034) % 1) - 0.25) : values;
    const some = spread.filter((v) => v !== null);
    const [low, high] = some.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const at = (v) => PAD + (size - 2 * PAD) * (high > low ? (v - low) / (high - low) : 0.5);
    return spread.map((v) => v === null ? null : turned ? size - at(v) : at(v));
  };
  return [axis(points.x, labels[0], WIDE, false), axis(points.y, labels[1], TALL, true)];
}

function Scatter({ found, selected }) {
  const box = useRef(null);
  const [xs, ys] = placed(found);
  const { cluster, row } = found.points;
  useLayoutEffect(() => {
    const ratio = globalThis.devicePixelRatio || 1;
    Object.assign(box.current, { width: WIDE * ratio, height: TALL * ratio });
    const pen = box.current.getContext("2d");
    pen.scale(ratio, ratio);
    const radius = row.length > 1000 ? 2.2 : 3.6;
    for (const strong of [false, true]) {
      cluster.forEach((c, at) => {
        if (xs[at] === null || ys[at] === null || (!selected.length || selected.includes(c)) !== strong) return;
        pen.globalAlpha = strong ? 0.85 : 0.15;
        pen.fillStyle = colour(c);
        pen.beginPath();
        pen.arc(xs[at], ys[at], radius, 0, 7);
        pen.fill();
      });
    }
  });
  const open = (event) => {
    const scale = WIDE / box.current.clientWidth; // narrow screens draw it smaller
    const away = row.map((_, at) => xs[at] === null || ys[at] === null ? Infinity : Math.hypot(xs[at] - scale * event.offsetX, ys[at] - scale * event.offsetY));
    const best = away.indexOf(Math.min(...away));
    if (away[best] <= NEAR) set({ open: row[best] });
  };
  const ends = (known, values) => {
    if (known) return known;
    const some = values.filter((v) => v !== null);
    return some.length ? [some.reduce((a, b) => Math.min(a, b)), some.reduce((a, b) => Math.max(a, b))] : [];
  };
  const named = (at, values) => html`<b>${found.names[at === 0 ? found.x : found.y]}</b> ${ends(found.labels[at], values).join(found.labels[at] ? ", " : " to ")}`;
  return html`<figure class="scatter"><figcaption class="soft">↑ ${named(1, found.points.y)}</figcaption>
    <canvas ref=${box} style=${{ width: `min(${WIDE}px, 100%)`, aspectRatio: `${WIDE} / ${TALL}` }} onClick=${open} role="img"
      aria-label=${`${found.names[found.y]} against ${found.names[found.x]}, ${count(row.length)} rows coloured by cluster`} />
    <figcaption class="soft">→ ${named(0, found.points.x)}</figcaption></figure>`;
}

/** A line for each cluster: how its rows are spread along a column. */
function Spread({ spread, labels }) {
  const clusters = [...(state.data?.clusters ?? [])].filter((c) => spread.bins[c.id]).sort((a, b) => b.rows - a.rows).slice(0, LISTED);
  return html`<ul class="spread">${clusters.map((c) => html`<li key=${c.id}><button class="link" onClick=${() => select([c.id])}>${label(c.id)}</button>
      <svg viewBox="0 0 200 26" preserveAspectRatio="none" aria-hidden="true" style=${{ "--c": colour(c.id) }}><path class="floor" d="M0 26H200" /><path d=${bars(spread.bins[c.id], Math.max(1, ...spread.bins[c.id]), 200, 26)} /></svg>
      <span class="soft">${labels ? labels[spread.bins[c.id].indexOf(Math.max(...spread.bins[c.id]))] : spread.median[c.id]}</span></li>`)}
    <li class="soft"><span /><span class="ends">${labels ? html`<span>${labels[0]}</span><span>${labels[labels.length - 1]}</span>` : html`<span>${spread.low}</span><span>${spread.high}</span>`}</span><span>${labels ? "mostly" : "median"}</span></li></ul>`;
}
