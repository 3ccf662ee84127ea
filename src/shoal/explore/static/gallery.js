// The images of what is selected: a list of any length, of which only what is seen is loaded.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { Refused, address, get } from "./api.js";
import { colour, complain, count, images, label, orderNow, orders, filterBy, refreshScope, say, select, set, state, togglePanel, useStore, wanted } from "./store.js";
import { STRIP, Numbers, loadProfiles, rowSize, strip, tileStyle } from "./thumbs.js";
import { Actions, PickedActions } from "./actions.js";
import { Badge } from "./clusters.js";
import { draggedRow } from "./drag.js";
import { filterText } from "./filter.js";
import { Icon } from "./icons.js";
import { Overview } from "./overview.js";
import { ClusterChip, IconButton, Thumb, useResize } from "./widgets.js";

const TALLEST = 8_000_000; // pixels that every browser can scroll
const GAP = 4;
const SAID = {
  overview: "Overview",
  typical: "Typical", boundary: "Unsure", outliers: "Outliers", random: "Random", duplicates: "Duplicates", tree: "Similar",
};
const WHY = {
  overview: "The most typical images of each cluster",
  typical: "Nearest to the middle of their cluster first; clusters take turns",
  boundary: "Least confident first",
  outliers: "Images in sparse regions; if there are none, the farthest out",
  random: "In random order",
  duplicates: "Images whose features equal another's; if there are none, the most similar",
  tree: "In the order of the tree: similar images side by side",
};

/** Said over what is shown in place of outliers and duplicates where there are none. */
const NEXT_BEST = {
  outliers: "No outliers here: none passes the threshold. These lie the farthest out.",
  duplicates: "No duplicates here: no two have equal features. These are the most similar pairs, most similar first.",
};

/** The rows of one list, loaded in pages. */
class Pages {
  /** @param {Record<string, any>} query @param {() => void} redraw */
  constructor(query, redraw) {
    this.query = query;
    this.redraw = redraw;
    this.total = -1;
    this.stopped = false;
    /** @type {Map<number, {rows: any[], strip: any}|null>} */
    this.pages = new Map();
  }

  /** Load the pages of a range that are not there: at once, as each answer is a drawing. @param {number} from @param {number} to */
  need(from, to) {
    while (from <= to && this.pages.has(from)) from++;
    while (to > from && this.pages.has(to)) to--;
    to = Math.min(to, from + 9); // the server gives 500 rows at most
    if (from > to) return;
    for (let page = from; page <= to; page++) this.pages.set(page, this.pages.get(page) ?? null);
    this.load(from, to).catch((error) => {
      for (let page = from; page <= to; page++) if (!this.pages.get(page)) this.pages.delete(page);
      if (error instanceof Refused && error.kind === "gone") refreshScope().catch(complain);
      else complain(error);
    });
  }

  /** @param {number} from @param {number} to */
  async load(from, to) {
    const found = await get("rows", { ...this.query, start: from * STRIP, count: (to - from + 1) * STRIP });
    if (this.stopped) return;
    const numbers = found.rows.map((/** @type {any} */ r) => r.row);
    if (!state.run.thumb && !state.run.trouble) await loadProfiles(numbers);
    this.total = found.total;
    for (let page = from; page <= to; page++) {
      const [a, b] = [(page - from) * STRIP, (page - from + 1) * STRIP];
      const rows = found.rows.slice(a, b);
      this.pages.set(page, { rows, strip: state.run.thumb && rows.length ? strip(numbers.slice(a, b), state.size) : null });
    }
    if (this.pages.size > 80) this.forget(from);
    this.redraw();
  }

  /** Forget the pages farthest from one. @param {number} page */
  forget(page) {
    const far = [...this.pages.keys()].sort((a, b) => Math.abs(b - page) - Math.abs(a - page));
    for (const old of far.slice(0, 20)) this.pages.delete(old);
  }

  /** @param {number} at */
  row(at) {
    return this.pages.get(Math.floor(at / STRIP))?.rows[at % STRIP];
  }

  /** The rows of a range, loaded if need be. @param {number} from @param {number} to */
  async between(from, to) {
    const found = [];
    for (let at = from; at <= to; at += 500) {
      const page = await get("rows", { ...this.query, start: at, count: Math.min(500, to - at + 1) });
      found.push(...page.rows.map((/** @type {any} */ r) => r.row));
    }
    return found;
  }
}

/** The clusters of the overview, the largest first. @param {any} data @param {number[]} selected @param {any} area */
function glance(data, selected, area) {
  const some = selected.length ? data.clusters.filter((c) => selected.includes(c.id)) : data.clusters;
  return [...some].sort((a, b) => b.rows - a.rows || a.id - b.id);
}

/** The list that is shown, for the keyboard. @type {{pages: Pages|null, focus: number, move: (by: number) => void}} */
export const shownList = { pages: null, focus: 0, move: () => {} };

export function Gallery() {
  const [data, order, selected, area] = useStore((s) => [s.data, orderNow(s), s.selected, s.area, s.scope]);
  const empty = !data?.clusters.length;
  const listed = order === "overview";
  // The overview and the grid take each other's place: who was in the one goes on in the other.
  const inside = document.activeElement?.closest?.(".gallery .scroll");
  useLayoutEffect(() => {
    if (inside && document.activeElement === document.body) /** @type {HTMLElement|null} */ (document.querySelector(".gallery .scroll"))?.focus();
  }, [empty, listed]);
  return html`<section class="panel gallery" aria-label="Images">
    <${Head} />
    ${empty ? html`<p class="empty">Nothing to show.</p>`
      : listed ? html`<${Overview} clusters=${glance(data, selected, area)} />` : html`<${Grid} />`}
    <${PickedActions} />
  </section>`;
}

function Head() {
  const [selected, area, scope, order, data, where] = useStore((s) => [s.selected, s.area, s.scope, orderNow(s), s.data, s.where]);
  const one = selected.length === 1 ? state.byId.get(selected[0]) : null;
  const known = scope.of === wanted(state);
  const inside = Object.entries(scope.clusters ?? {}).map(([id, n]) => [Number(id), Number(n)]).sort((a, b) => b[1] - a[1]);
  const title = area ? "Area of the map" : one ? label(one.id) : selected.length ? `${selected.length} clusters` : where.length ? "Filtered" : `All ${images(state.run.rows - state.run.quarantined)}`;
  return html`<header class="gallery-head">
    <div class="title-line">
      ${one && html`<span class="dot big" style=${{ "--c": colour(one.id) }} aria-hidden="true" />`}
      <h2 title=${title}>${title}</h2>
      ${known && (one || area || where.length > 0 || selected.length > 1) && html`<span class="soft">${images(scope.rows)}</span>`}
      ${one && one.separation !== null && html`<${Badge} cluster=${one} full=${true} />`}
      ${one && one.outliers > 0 && html`<span class="soft">${count(one.outliers)} outlier${one.outliers === 1 ? "" : "s"}</span>`}
      <span class="grow" />
      <button class=${where.length ? "on" : ""} onClick=${() => togglePanel("filter")} title="Show only rows that fit (i)">Filter</button>
      ${state.run.thumb && known && scope.set && html`<img class=${`mean ${state.run.thumb.small ? "pixelated" : ""}`} src=${address("mean", { set: scope.set, v: data?.rows_name })}
        alt=${`Mean of ${title}`} title="The mean image" />`}
      ${(selected.length > 0 || area) && html`<${IconButton} icon="close" name="Show all" title="Show all (Esc)" onClick=${() => select([])} />`}
    </div>
    ${one?.note && html`<p class="note-text">${one.note}</p>`}
    ${where.length > 0 && html`<div class="chips" aria-label="Filters">${where.map((w, at) => html`<button class="chip" key=${at} title="Remove this filter" onClick=${() => filterBy(where.filter((_, i) => i !== at))}>${filterText(w)} <${Icon} name="close" /></button>`)}</div>`}
    ${known && !one && inside.length > 0 && html`<div class="chips" aria-label="Clusters of these">${inside.slice(0, 12).map(([id, n]) => html`<${ClusterChip} key=${id} id=${id} n=${n} />`)}
      ${inside.length > 12 && html`<span class="soft">and ${inside.length - 12} more</span>`}</div>`}
    <${Actions} />
    <div class="bar">
      <div class="tabs" role="tablist" aria-label="Order of the images">${orders(state).map((name) => html`
        <button role="tab" key=${name} aria-selected=${order === name} class=${order === name ? "on" : ""} title=${WHY[name]}
          onClick=${() => set({ order: name, seed: name === "random" && order === "random" ? state.seed + 1 : state.seed })}>${SAID[name]}${known && name in scope ? html` <span class="n" data-n=${scope[name]}>${count(scope[name])}</span>` : ""}</button>`)}
      </div>
      <label class="size-field"><span class="sr">Size of the images</span>
        <input type="range" min="32" max="208" step="8" value=${state.size} onInput=${(e) => set({ size: Number(e.target.value) })} /></label>
    </div>
  </header>`;
}

function Grid() {
  const [scope, k, order, seed, size, data, picked, pickedAll, open] = useStore((s) => [s.scope, s.k, orderNow(s), s.seed, s.size, s.data, s.picked, s.pickedAll, s.open, wanted(s)]);
  const box = useRef(null);
  const [, redraw] = useState(0);
  const [[wide, seen], setSeen] = useState([0, 600]);
  const place = useRef({ of: "", offset: 0, top: 0, focus: 0, anchor: 0 });
  const of = [scope.set, order, seed, k].join();
  if (place.current.of !== of) place.current = { of, offset: 0, top: 0, focus: 0, anchor: 0 };
  const { focus } = place.current;
  const setFocus = (at) => { place.current.focus = at; redraw((n) => n + 1); };
  const step = state.run.thumb ? 0 : 1;
  const pages = useMemo(() => new Pages({ set: scope.set, k, order, seed }, () => redraw((n) => n + 1)), [scope.set, data?.rows_name, k, order, seed, step ? 0 : sideOf(size)]);
  useEffect(() => () => { pages.stopped = true; }, [pages]);
  // Until the first rows of another list are there, those of the one before stay.
  const drawn = useRef(pages);
  if (pages.total >= 0) drawn.current = pages;
  useLayoutEffect(() => { box.current.scrollTop = 0; }, [of]);
  useResize(box, () => setSeen([box.current.clientWidth, box.current.clientHeight]));
  const [wideCell, tallCell] = state.run.thumb ? [size, size] : rowSize(size);
  const across = Math.max(1, Math.floor((wide - GAP) / (wideCell + GAP)));
  const total = pages.total < 0 ? expected(scope, order) : pages.total;
  const lines = Math.ceil(total / across);
  const tall = lines * (tallCell + GAP) + GAP;
  const scrolled = Math.min(tall, TALLEST);

  const onScroll = () => {
    const { scrollTop } = box.current;
    const by = scrollTop - place.current.top;
    if (tall <= TALLEST) place.current.offset = scrollTop;
    else if (Math.abs(by) < 3 * seen && scrollTop > 0 && scrollTop < scrolled - seen - 1) {
      place.current.offset = Math.max(0, Math.min(tall - seen, place.current.offset + by));
    } else place.current.offset = (scrollTop / Math.max(1, scrolled - seen)) * (tall - seen);
    place.current.top = scrollTop;
    redraw((n) => n + 1);
  };
  const { offset, top } = place.current;
  const first = Math.max(0, Math.floor(offset / (tallCell + GAP)) - 1) * across;
  const last = Math.min(total, Math.ceil((offset + seen) / (tallCell + GAP) + 1) * across);
  // What was chosen last is not known yet: nothing of what was chosen before is asked for any more.
  const known = scope.of === wanted(state);
  if (wide && known) pages.need(Math.floor(first / STRIP), Math.floor(Math.max(first, last - 1) / STRIP));

  const show = (at) => {
    const line = Math.floor(at / across) * (tallCell + GAP);
    let to = place.current.offset;
    if (line < to) to = line;
    if (line + tallCell + 2 * GAP > to + seen) to = line + tallCell + 2 * GAP - seen;
    if (to !== place.current.offset) {
      if (tall <= TALLEST) box.current.scrollTop = to;
      else { place.current.offset = to; redraw((n) => n + 1); }
    }
  };
  const move = (by) => {
    const at = Math.max(0, Math.min(total - 1, focus + by));
    setFocus(at);
    show(at);
    return at;
  };
  const pick = (rows, on) => {
    const now = new Set(state.picked);
    for (const row of rows) on ? now.add(row) : now.delete(row);
    set({ picked: now, pickedAll: false });
  };
  // What is not loaded yet is asked for: no key is lost on a slow machine.
  const withRow = (at, then) => {
    const row = pages.row(at);
    if (row) then(row.row);
    else if (at < total) pages.between(at, at).then(([found]) => { if (found !== undefined && !pages.stopped) then(found); }, complain);
  };
  const toggle = (at) => {
    withRow(at, (row) => pick([row], !state.picked.has(row)));
    place.current.anchor = at;
  };
  const range = (to) => {
    const [a, b] = [Math.min(place.current.anchor, to), Math.max(place.current.anchor, to)];
    if (b - a > 20000) { say("More than 20,000 images: select all with Ctrl+A, or an area of the map.", true); return; }
    pages.between(a, b).then((rows) => pick(rows, true), complain);
  };
  shownList.pages = pages;
  shownList.focus = focus;
  shownList.move = (by) => {
    const at = move(by);
    withRow(at, (row) => set({ open: row }));
  };
  const onKey = (event) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -1e12, End: 1e12,
      PageDown: across * Math.max(1, Math.floor(seen / (tallCell + GAP))), PageUp: -across * Math.max(1, Math.floor(seen / (tallCell + GAP))) };
    if (event.key in moves && !event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      const from = focus;
      const at = move(moves[event.key]);
      if (event.shiftKey) { if (!state.picked.size) place.current.anchor = from; range(at); }
    } else if (event.key === "x" || (event.key === " " && event.ctrlKey)) {
      event.preventDefault();
      event.stopPropagation();
      toggle(focus);
    } else if (event.key === "Enter") {
      withRow(focus, (row) => set({ open: row }));
    }
  };
  const onClick = (at, event) => {
    const row = pages.row(at);
    if (!row) return;
    setFocus(at);
    if (event.shiftKey) range(at);
    else if (event.ctrlKey || event.metaKey || state.picked.size) toggle(at);
    else { place.current.anchor = at; set({ open: row.row }); }
  };
  const shown = [];
  for (let at = first; at < last; at++) {
    const page = drawn.current.pages.get(Math.floor(at / STRIP));
    const row = page?.rows[at % STRIP];
    shown.push(html`<${Cell} key=${at} at=${at} total=${total} row=${row} wide=${wideCell} tall=${tallCell}
      left=${GAP + (at % across) * (wideCell + GAP)} top=${GAP + Math.floor(at / across) * (tallCell + GAP) - (offset - top)}
      style=${page?.strip && row ? tileStyle(page.strip, at % STRIP, size) : null}
      on=${row !== undefined && (pickedAll || picked.has(row.row))} open=${row !== undefined && row.row === open} focused=${at === focus} onChoose=${onClick} onToggle=${toggle} />`);
  }
  const nothing = known && total > 0 && scope[order] === 0;
  return html`${nothing && html`<p class="note below" role="status">${NEXT_BEST[order]}</p>`}<div class="scroll grid" ref=${box} onScroll=${onScroll} onKeyDown=${onKey} tabindex="0" role="listbox" aria-multiselectable="true"
      aria-label=${`${SAID[order]} images`} aria-activedescendant=${total ? `at-${focus}` : undefined} aria-busy=${pages.total < 0 || !known}>
    ${total === 0 && pages.total < 0 ? null : total === 0 ? html`<p class="empty">${none(order)}</p>` : html`<div class="spacer" role="presentation" style=${{ height: `${scrolled}px` }}>${shown}</div>`}
  </div>`;
}

function Cell({ at, total, row, wide, tall, left, top, style, on, open, focused, onChoose, onToggle }) {
  const said = row ? `${row.name ?? `row ${row.row}`}, ${label(row.cluster)}, confidence ${row.confidence ?? "unknown"}${row.outlier ? ", outlier" : ""}` : "loading";
  return html`<div id=${`at-${at}`} ...${row ? draggedRow(row.row) : {}} role="option" aria-selected=${on} aria-label=${said} aria-posinset=${at + 1} aria-setsize=${total}
      class=${`cell ${on ? "on" : ""} ${open ? "open" : ""} ${focused ? "focused" : ""} ${row ? "" : "waiting"}`} title=${row ? said : ""}
      style=${{ left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px`, "--c": row ? colour(row.cluster) : "transparent" }}
      onClick=${(e) => onChoose(at, e)}>
    ${style && html`<${Thumb} style=${style} size=${wide} tall=${tall} />`}
    ${row && !style && html`<${Numbers} row=${row.row} width=${wide - 8} height=${tall - 22} /><span class="cell-name">${row.name ?? `row ${row.row}`}</span>`}
    ${row && html`<span class="tick" aria-hidden="true" onClick=${(e) => { e.stopPropagation(); onToggle(at); }}>${on ? "✓" : ""}</span>`}
    ${row?.outlier && html`<span class="mark-outlier" aria-hidden="true" title="outlier" />`}
  </div>`;
}

/** @param {number} size */
const sideOf = (size) => (state.run.thumb.small ? 0 : size > 110 ? 2 : 1);

/** How many rows there will be, before the server said. */
function expected(scope, order) {
  return order === "outliers" || order === "duplicates" ? 0 : scope.rows;
}

/** @param {string} order */
function none(order) {
  if (order === "outliers") return "No outliers here: no image lies far out.";
  if (order === "duplicates") return "No duplicates here: no two images have equal features.";
  return "No images here.";
}

/** Take all that is shown. */
export function pickAll() {
  if (state.scope.rows) set({ picked: new Set(), pickedAll: true });
}
