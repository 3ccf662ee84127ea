// The tray: clusters and images put aside, by dragging or by key, to be dealt with together.

import { html } from "./vendor/htm-preact-3.1.1.js";
import { ask, junkSet } from "./actions.js";
import { post } from "./api.js";
import { dropped } from "./drag.js";
import { colour, complain, edit, images, label, plural, say, set, stand, state, useStore } from "./store.js";
import { inStrips } from "./thumbs.js";
import { IconButton, Thumb } from "./widgets.js";

const FACE = 36;
const MOST_FACES = 24;
const MOST_ROWS = 20_000;

/** Put clusters and images into the tray. @param {number[]} clusters @param {number[]} rows */
function put(clusters, rows) {
  const { tray } = state;
  set({ tray: { clusters: [...new Set([...tray.clusters, ...clusters])], rows: [...new Set([...tray.rows, ...rows])] } });
}

/** Put what is picked, the open image, or the selected clusters into the tray. */
export function stage() {
  if (state.pickedAll || state.picked.size > MOST_ROWS) say("Too many images for the tray: move them with m.", true);
  else if (state.picked.size) put([], [...state.picked]);
  else if (state.open !== null) put([], [state.open]);
  else if (state.selected.length) put(state.selected, []);
  else say("Select clusters or images first, or drag them into the tray.", true);
}

const empty = () => set({ tray: { clusters: [], rows: [] } });

/** All that lies in the tray as one set of rows. */
const everything = () => post("sets", { clusters: staged(), rows: state.tray.rows }, { k: state.k });
const staged = () => state.tray.clusters.filter((id) => state.byId.has(id));

async function junkAll() {
  if (!(await stand())) return;
  for (const cluster of staged()) if (!(await edit("mark", { cluster, mark: "junk" }))) return;
  if (!state.tray.rows.length || await junkSet((await post("sets", { rows: state.tray.rows }, { k: state.k })).set)) empty();
}

export function Tray() {
  const [tray, dragging] = useStore((s) => [s.tray, s.dragging, s.data]);
  const clusters = staged();
  const n = clusters.length + tray.rows.length;
  if (state.run.read_only || (!n && !dragging)) return null;
  const faces = [...clusters.map((id) => state.byId.get(id)?.medoid ?? 0), ...tray.rows].slice(0, MOST_FACES);
  const style = state.run.thumb && faces.length ? inStrips(faces, FACE) : null;
  const take = (/** @type {number} */ at) => set({ tray: at < clusters.length ? { ...tray, clusters: clusters.filter((_, i) => i !== at) } : { ...tray, rows: tray.rows.filter((_, i) => i !== at - clusters.length) } });
  const move = () => ask({ kind: "move", of: everything, count: clusters.reduce((sum, id) => sum + (state.byId.get(id)?.rows ?? 0), tray.rows.length), then: empty });
  return html`<section class="tray" aria-label="Tray" ...${dropped((row, cluster) => put(cluster === null ? [] : [cluster], row === null ? [] : state.picked.has(row) ? [...state.picked] : [row]))}>
    ${n ? html`<b aria-live="polite">${[clusters.length && plural(clusters.length, "cluster"), tray.rows.length && images(tray.rows.length)].filter(Boolean).join(", ")}</b>
      <ul class="tiles">${faces.map((row, at) => { const id = clusters[at]; const caption = at < clusters.length ? label(id) : `row ${row}`; return html`<li key=${`${id} ${row}`}>
        <button type="button" class="tile-button" aria-label=${`Remove ${caption} from the tray`} title=${`${caption}: click to remove it`} style=${{ "--c": at < clusters.length ? colour(id) : "transparent" }} onClick=${() => take(at)}>
        ${style ? html`<${Thumb} style=${style(at)} size=${FACE} />` : html`<span class="tag">${caption}</span>`}</button></li>`; })}</ul>
      ${n > faces.length && html`<span class="soft">and ${n - faces.length} more</span>`}
      <span class="grow" />
      ${clusters.length > 1 && !tray.rows.length && html`<button class="main" onClick=${() => ask({ kind: "merge", clusters, into: null }).then(empty)}>Merge …</button>`}
      <button onClick=${move}>Move all …</button>
      <button onClick=${() => junkAll().catch(complain)}>Junk all</button>
      <${IconButton} icon="close" name="Empty the tray" onClick=${empty} />`
      : html`<span class="soft">Drop clusters and images here, to merge, move or junk them together</span>`}
  </section>`;
}
