// All clusters at a glance: a line of typical images for each.

import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { get } from "./api.js";
import { Badge, Tags } from "./clusters.js";
import { draggedRow, dropTarget } from "./drag.js";
import { colour, complain, count, label, select, set, state, useStore } from "./store.js";
import { Suggested } from "./suggestions.js";
import { Tile, inStrips, loadProfiles, rowSize, tabled } from "./thumbs.js";
import { toggled, useResize } from "./widgets.js";

const HEAD = 30;
const GAP = 4;
const EDGES = 20; // of a line, left and right

/** Lines of clusters; those that are seen are loaded. */
export function Overview({ clusters }) {
  const [k, data, size, selected] = useStore((s) => [s.k, s.data, s.size, s.selected]);
  const box = useRef(null);
  const [seen, setSeen] = useState([0, 0, 0]);
  const [, redraw] = useState(0);
  /** @type {{current: {key: any, lines: Map<number, any[]|null>}}} */
  const loaded = useRef({ key: null, lines: new Map() });
  const of = `${k} ${data?.rows_name}`;
  if (loaded.current.key !== of) loaded.current = { key: of, lines: new Map() };
  const pictured = state.run.thumb !== null;
  const [wide, full] = pictured ? [size, size] : rowSize(size);
  const tall = tabled() ? full - 22 : full;
  const height = HEAD + tall + 14;
  const look = () => {
    const { scrollTop, clientHeight, clientWidth } = box.current;
    setSeen([Math.floor(scrollTop / height), Math.ceil((scrollTop + clientHeight) / height), clientWidth]);
  };
  useLayoutEffect(look, [height, clusters.length]);
  useResize(box, look, [height]);
  const from = Math.max(0, seen[0] - 2);
  const shown = clusters.slice(from, seen[1] + 2);
  const each = Math.min(60, Math.max(1, Math.floor((seen[2] - EDGES + GAP) / (wide + GAP))));
  useLayoutEffect(() => {
    const { lines } = loaded.current;
    const missing = shown.map((c) => c.id).filter((id) => !lines.has(id) || (lines.get(id)?.length ?? each) < Math.min(each, state.byId.get(id)?.rows ?? 0)).slice(0, 40);
    if (!missing.length || !seen[2]) return;
    for (const id of missing) lines.set(id, null);
    get("overview", { k, clusters: missing.join(","), each }).then(async (found) => {
      for (const id of missing) lines.set(id, found.clusters[id] ?? []);
      const rows = missing.flatMap((id) => lines.get(id)?.map((r) => r.row) ?? []);
      if (!pictured && !state.run.trouble) await loadProfiles(rows);
      redraw((n) => n + 1);
    }, (error) => {
      for (const id of missing) lines.delete(id);
      complain(error);
    });
  });
  return html`<div class="scroll overview" ref=${box} onScroll=${look} tabindex="0" aria-label="Typical images of each cluster" role="region">
    <div class="spacer" style=${{ height: `${clusters.length * height + 8}px` }}>${shown.map((c, at) => html`
      <section key=${c.id} ...${dropTarget(c.id)} class=${`line ${selected.includes(c.id) ? "on" : ""}`} style=${{ top: `${(from + at) * height}px`, height: `${height}px`, "--c": colour(c.id) }} aria-label=${label(c.id)}>
        <header><button class="line-name" onClick=${(e) => select(e.ctrlKey || e.metaKey ? toggled(selected, c.id) : [c.id])} title="Show this cluster; with Ctrl select several"><span class="dot big" aria-hidden="true" /><b>${label(c.id)}</b><${Suggested} id=${c.id} /></button>
          <span class="soft">${count(c.rows)}</span>${c.separation !== null && html`<${Badge} cluster=${c} full=${true} />`}
          ${c.mark && html`<span class=${`tag ${c.mark}`}>${c.mark}</span>`}${c.locked && html`<span class="tag">locked</span>`}<${Tags} note=${c.note} /></header>
        <${Strip} rows=${loaded.current.lines.get(c.id)} most=${each} wide=${wide} tall=${tall} />
      </section>`)}</div>
  </div>`;
}

function Strip({ rows, most, wide, tall }) {
  if (!rows) return html`<div class="strip waiting" style=${{ height: `${tall}px` }} />`;
  const some = rows.slice(0, most);
  const style = state.run.thumb ? inStrips(some.map((r) => r.row), wide) : null;
  return html`<div class="strip">${some.map((r, at) => html`<${Tile} key=${r.row} r=${r} style=${style?.(at)} wide=${wide} tall=${tall}
    onOpen=${(/** @type {number} */ row) => set({ open: row })} more=${draggedRow(r.row)} />`)}</div>`;
}
