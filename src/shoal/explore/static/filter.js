// Filters by columns that are known beside the images.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { count, filterBy, state, useStore } from "./store.js";
import { bars, toggled, useAnswer } from "./widgets.js";

/** A condition in words. @param {any} w */
export function filterText(w) {
  if (w.not) return `not ${filterText({ ...w, not: false })}`;
  if (w.in) return `${w.column}: ${w.in.map((/** @type {any} */ v) => v ?? "missing").join(", ")}`;
  if (w.has) return `${w.column} contains “${w.has}”`;
  return `${w.column} ${w.from ?? "…"} to ${w.to ?? "…"}`;
}

/** Put a condition in the place of the one on its column. @param {string} column @param {any} condition */
function put(column, condition) {
  const others = state.where.filter((w) => w.column !== column);
  filterBy(condition ? [...others, { column, ...condition }] : others);
}

export function Filter() {
  const [where, scope, data] = useStore((s) => [s.where, s.scope, s.data]);
  const again = (/** @type {any} */ answer) => answer.share < 1 && 1500; // headers of images are still being read
  const found = useAnswer("metadata", { set: scope.set, k: state.k }, [scope, data], { again });
  if (!found) return html`<p class="soft" role="status">Counting …</p>`;
  return html`<p class="soft">${found.joined}. Each value is counted in what is shown, and in all.</p>
    ${found.share < 1 && html`<p class="soft" role="status">Reading dates, cameras, sizes and brightness: ${Math.floor(100 * found.share)}%</p>`}
    ${where.length > 0 && html`<button onClick=${() => filterBy([])}>Remove all filters</button>`}
    ${found.columns.map((c) => {
      const now = where.find((w) => w.column === c.column);
      const Shown = { category: Category, number: Range, text: Text }[c.kind];
      return html`<section key=${c.column} class="facet"><h3>${c.column}</h3><${Shown} c=${c} now=${now} /></section>`;
    })}`;
}

function Category({ c, now }) {
  const [all, setAll] = useState(false);
  const values = [...c.values, ...(c.missing.rows ? [{ value: null, ...c.missing }] : [])];
  const most = Math.max(1, ...values.map((v) => v.rows));
  const flip = (value) => {
    const next = toggled(now?.in ?? [], value);
    put(c.column, next.length ? { in: next } : null);
  };
  return html`<ul class="values-of">${values.slice(0, all ? 100 : 8).map((v) => html`<li key=${v.value}><label>
    <input type="checkbox" checked=${now?.in?.includes(v.value) ?? false} onChange=${() => flip(v.value)} />
    <span class="value-text">${v.value ?? html`<i>missing</i>`}</span>
    <span class="bar-of"><i style=${{ width: `${(100 * v.here) / most}%`, "--c": "var(--accent)" }} /></span>
    <span class="soft">${count(v.here)} of ${count(v.rows)}</span></label></li>`)}</ul>
    ${values.length > 8 && html`<button class="link" onClick=${() => setAll(!all)}>${all ? "fewer" : `${values.length - 8} more`}</button>`}`;
}

function Range({ c, now }) {
  const most = Math.max(1, ...c.bins);
  const change = (name) => (event) => {
    const text = event.target.value.trim();
    const next = { from: now?.from ?? null, to: now?.to ?? null, [name]: text === "" || !Number.isFinite(Number(text)) ? null : Number(text) };
    put(c.column, next.from === null && next.to === null ? null : next);
  };
  return html`<svg class="histogram" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=${`${c.column} from ${c.low} to ${c.high}`}>
    <path class="all" d=${bars(c.bins, most, 100, 40)} /><path d=${bars(c.here, most, 100, 40)} /></svg>
    <div class="bar"><label class="field"><span>from</span><input aria-label=${`${c.column} from`} type="number" step="any" placeholder=${c.low} value=${now?.from ?? ""} onChange=${change("from")} /></label>
      <label class="field"><span>to</span><input aria-label=${`${c.column} to`} type="number" step="any" placeholder=${c.high} value=${now?.to ?? ""} onChange=${change("to")} /></label></div>
    ${missing(c)}`;
}

const missing = ({ missing: { here, rows } }) => rows > 0 && html`<p class="soft">${count(here)} of ${count(rows)} missing</p>`;

function Text({ c, now }) {
  return html`<label class="field"><span>contains</span><input value=${now?.has ?? ""} onChange=${(e) => put(c.column, e.target.value.trim() ? { has: e.target.value.trim() } : null)} /></label>
    ${missing(c)}`;
}
