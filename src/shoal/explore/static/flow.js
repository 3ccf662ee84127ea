// Where the rows of each cluster go between two cuts: an alluvial drawing with pictures.

import { html } from "./vendor/htm-preact-3.1.1.js";
import { images } from "./store.js";
import { inStrips } from "./thumbs.js";
import { Thumb } from "./widgets.js";

const WIDE = 350;
const SIDE = 122; // pixels for names and pictures on either side
const BAR = 6;
const GAP = 5;
const FACE = 26;
const LEAST = 14; // pixels of a cluster, so that its name can be read
const MOST = 40; // clusters a side

/** @typedef {{id: number, name: string, rows: number, face: number|null, colour: string}} End */

/** Give each cluster of a side its place. @param {End[]} ends @param {number} scale */
function stacked(ends, scale) {
  let y = 0;
  return new Map(ends.map((end) => {
    const tall = Math.max(LEAST, end.rows * scale);
    const place = { y, tall, from: y };
    y += tall + GAP;
    return [end.id, place];
  }));
}

/** @param {{before: End[], after: End[], flows: [number, number, number][], onChoose: (id: number) => void}} props */
export function Flow({ before, after, flows, onChoose }) {
  const [left, right] = [before, after].map((ends) => {
    const largest = new Set([...ends].sort((a, b) => b.rows - a.rows).slice(0, MOST).map((e) => e.id));
    return ends.filter((e) => largest.has(e.id));
  });
  const total = Math.max(1, ...[left, right].map((ends) => ends.reduce((sum, e) => sum + e.rows, 0)));
  const room = Math.max(260, 30 * Math.max(left.length, right.length));
  const [l, r] = [stacked(left, room / total), stacked(right, room / total)];
  const ends = (/** @type {typeof l} */ places) => [...places.values()].reduce((most, p) => Math.max(most, p.y + p.tall), 0);
  const tall = Math.max(ends(l), ends(r));
  const rows = new Map([...left.map((e) => /** @type {const} */ ([`l${e.id}`, e.rows])), ...right.map((e) => /** @type {const} */ ([`r${e.id}`, e.rows]))]);
  const colours = new Map(right.map((e) => [e.id, e.colour]));
  const order = new Map(right.map((e, at) => [e.id, at]));
  const shown = flows.filter(([a, b]) => l.has(a) && r.has(b)).sort((x, y) => (order.get(x[1]) ?? 0) - (order.get(y[1]) ?? 0));
  const [x0, x1] = [SIDE + BAR, WIDE - SIDE - BAR];
  const middle = (x0 + x1) / 2;
  const ribbons = shown.map(([a, b, n]) => {
    const [from, to] = /** @type {any[]} */ ([l.get(a), r.get(b)]);
    const [h0, h1] = [from.tall * n / (rows.get(`l${a}`) ?? n), to.tall * n / (rows.get(`r${b}`) ?? n)];
    const [a0, b0] = [from.from, to.from];
    from.from += h0;
    to.from += h1;
    return html`<path key=${`${a}-${b}`} fill=${colours.get(b)} d=${`M${x0} ${a0}C${middle} ${a0} ${middle} ${b0} ${x1} ${b0}V${b0 + h1}C${middle} ${b0 + h1} ${middle} ${a0 + h0} ${x0} ${a0 + h0}Z`}><title>${images(n)}</title></path>`;
  });
  const end = (/** @type {End} */ e, /** @type {any} */ place, /** @type {boolean} */ now, /** @type {any} */ style) => {
    const face = style && e.face !== null && place.tall >= FACE - 4;
    const inner = html`${face && html`<${Thumb} style=${style} size=${FACE} />`}<span>${e.name}</span>`;
    const at = { top: `${place.y + place.tall / 2 - FACE / 2}px`, height: `${FACE}px`, [now ? "left" : "right"]: `${WIDE - SIDE + 4}px` };
    return now ? html`<button key=${`r${e.id}`} class="end" style=${at} title=${`Show ${e.name}, ${images(e.rows)}`} onClick=${() => onChoose(e.id)}>${inner}</button>`
      : html`<span key=${`l${e.id}`} class="end before" style=${at} title=${`${e.name}, ${images(e.rows)}`}>${inner}</span>`;
  };
  const faces = (/** @type {End[]} */ all) => (all.some((e) => e.face !== null) ? inStrips(all.map((e) => e.face ?? 0), FACE) : null);
  const [leftFaces, rightFaces] = [faces(left), faces(right)];
  const bar = (/** @type {End} */ e, /** @type {any} */ place, /** @type {number} */ x) => html`<rect key=${`${x}-${e.id}`} x=${x} y=${place.y} width=${BAR} height=${place.tall} rx="2" fill=${e.colour} />`;
  const hidden = before.length - left.length + after.length - right.length;
  return html`<div class="flow" style=${{ width: `${WIDE}px`, height: `${tall}px` }} role="group" aria-label="From the clusters before to those after">
    <svg width=${WIDE} height=${tall} aria-hidden="true">${ribbons}${left.map((e) => bar(e, l.get(e.id), SIDE))}${right.map((e) => bar(e, r.get(e.id), x1))}</svg>
    ${left.map((e, at) => end(e, l.get(e.id), false, leftFaces?.(at)))}${right.map((e, at) => end(e, r.get(e.id), true, rightFaces?.(at)))}
  </div>${hidden > 0 && html`<p class="soft">${hidden} smaller clusters are left out of the drawing.</p>`}`;
}
