// Small pictures of rows: many in one strip, drawn as backgrounds.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { address, get } from "./api.js";
import { complain, state } from "./store.js";
import { Thumb, flipped } from "./widgets.js";

export const STRIP = 48;

/**
 * How to draw rows of a list that share a strip.
 * @param {number[]} rows at most 100 @param {number} shown pixels a side
 */
export function strip(rows, shown) {
  const { thumb, version } = state.run;
  const ratio = globalThis.devicePixelRatio || 1;
  const side = thumb.small ? thumb.side
    : thumb.sides.find((/** @type {number} */ s) => s >= shown * Math.min(ratio, 1.5)) ?? thumb.sides[thumb.sides.length - 1];
  return { url: address("thumbs", { rows: rows.join(","), side, v: version }), rows, small: thumb.small };
}

/** @param {ReturnType<typeof strip>} from @param {number} at @param {number} shown */
export function tileStyle(from, at, shown) {
  return {
    backgroundImage: `url("${from.url}")`,
    backgroundSize: `${from.rows.length * shown}px ${shown}px`,
    backgroundPosition: `${-at * shown}px 0`,
    imageRendering: from.small && shown >= state.run.thumb.side ? "pixelated" : "auto",
  };
}

/** Rows in order, with what each needs to be drawn; strips of a few rows each. @param {number[]} rows @param {number} shown */
export function inStrips(rows, shown) {
  const strips = [];
  for (let at = 0; at < rows.length; at += STRIP) strips.push(strip(rows.slice(at, at + STRIP), shown));
  return (/** @type {number} */ at) => tileStyle(strips[Math.floor(at / STRIP)], at % STRIP, shown);
}

/** @type {Map<number, {shown: any[], away: number[]}>} */
const loaded = new Map();
/** @type {any} */
let usual = null;

/** Load the numbers of rows of vectors that are not there yet. @param {number[]} rows */
export async function loadProfiles(rows) {
  if (loaded.size > 5000) loaded.clear();
  const missing = [...new Set(rows)].filter((row) => !loaded.has(row));
  for (let at = 0; at < missing.length; at += 100) {
    usual = await get("values", { rows: missing.slice(at, at + 100).join(",") });
    for (const row of missing.slice(at, at + 100)) loaded.set(row, usual.rows[row]);
  }
}

/** What is usual: the means, and how many numbers there are. */
export const usualValues = () => usual;

/** The numbers of a row, once loaded. @param {number} row */
export const valuesOf = (row) => loaded.get(row);

/** A row of vectors as bars: how far each number lies above or below the mean of all. */
export function Profile({ row, width, height }) {
  const values = loaded.get(row);
  if (!values) return html`<svg class="profile" width=${width} height=${height} aria-hidden="true" />`;
  const step = width / values.away.length;
  const half = height / 2;
  const bars = values.away.map((away, at) => {
    const tall = (Math.max(-3, Math.min(3, away)) / 3) * (half - 2);
    return `M${(at * step).toFixed(1)} ${half.toFixed(1)}h${(step * 0.8).toFixed(1)}v${(-tall).toFixed(1)}h${(-step * 0.8).toFixed(1)}z`;
  });
  return html`<svg class="profile" width=${width} height=${height} viewBox="0 0 ${width} ${height}" aria-hidden="true">
    <path d="M0 ${half}H${width}" class="axis" /><path d=${bars.join("")} />
  </svg>`;
}

/** Few named numbers of a row, as a small table; bars show how far each lies from the mean. */
export function Values({ row, width, height }) {
  const values = loaded.get(row);
  return html`<span class="values" style=${{ width: `${width}px`, height: `${height}px` }}>${state.run.columns.map((name, at) => {
    const away = values ? Math.max(-2.5, Math.min(2.5, values.away[at])) : 0;
    return html`<span key=${name} class="value"><i style=${{ left: `${50 + Math.min(0, away) * 20}%`, width: `${Math.abs(away) * 20}%` }} /><span class="value-name">${name}</span><b>${values ? values.shown[at] ?? "–" : ""}</b></span>`;
  })}</span>`;
}

/** Whether rows are shown as small tables. */
export const tabled = () => state.run.columns !== null && state.run.columns.length <= 8;

/** How large a row of vectors is drawn at a size of images. @param {number} size */
export const rowSize = (size) => (tabled() ? [Math.max(150, size * 1.6), state.run.columns.length * 19 + 26] : [Math.max(120, size * 2), Math.max(64, size * 0.9)]);

/** A row of vectors. */
export const Numbers = ({ row, width, height }) => (tabled() ? html`<${Values} row=${row} width=${width} height=${height} />` : html`<${Profile} row=${row} width=${width} height=${height} />`);

/** Pictures to click, of which some are crossed out. @param {{rows: any[], crossed: Set<number>, shown: number, mark: string, onCross: (crossed: Set<number>) => void}} props */
export const CrossableTiles = ({ rows, crossed, shown, mark, onCross }) => rows.map((r) => html`<div key=${r.row} class=${crossed.has(r.row) ? "crossable wrong" : "crossable"}>
  <${Tiles} rows=${[r]} shown=${shown} onOpen=${(/** @type {number} */ row) => onCross(flipped(crossed, row))} /><span class="cross" aria-hidden="true">${mark}</span></div>`);

/** A list of rows as pictures or profiles. @param {{rows: any[], shown: number, onOpen: (row: number) => void, caption?: (r: any) => any}} props */
export function Tiles({ rows, shown, onOpen, caption }) {
  const [, redraw] = useState(0);
  const numbers = rows.map((r) => r.row);
  const pictured = state.run.thumb !== null;
  useEffect(() => {
    if (!pictured && numbers.length && !state.run.trouble) loadProfiles(numbers).then(() => redraw((n) => n + 1), complain);
  }, [numbers.join(",")]);
  const style = pictured ? inStrips(numbers, shown) : null;
  return html`<div class="tiles">${rows.map((r, at) => html`
    <${Tile} key=${r.row} r=${r} style=${style?.(at)} wide=${pictured ? shown : tabled() ? 150 : shown * 1.6}
      tall=${pictured ? shown : tabled() ? state.run.columns.length * 19 + 4 : shown * 0.7} onOpen=${onOpen} caption=${caption?.(r)} />`)}</div>`;
}

/** A row to click, as a picture or by its numbers; `more` are attributes that let it be dragged. */
export function Tile({ r, style, wide, tall, onOpen, caption = null, more = {} }) {
  const name = r.name ?? `row ${r.row}`;
  return html`<button type="button" class="tile-button" ...${more} onClick=${() => onOpen(r.row)} title=${name} aria-label=${`Open ${name}`}>
    ${style ? html`<${Thumb} style=${style} size=${wide} tall=${tall} />` : html`<${Numbers} row=${r.row} width=${wide} height=${tall} />`}${caption}</button>`;
}
