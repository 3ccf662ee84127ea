// What became of the clusters between two cuts, or an earlier run and this one.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { Flow } from "./flow.js";
import { complain, count, images, loadClusters, plural, select, state, useStore } from "./store.js";
import { Choice, useAnswer } from "./widgets.js";

export function Compare() {
  const data = /** @type {import('./store.js').Clustering} */ (useStore((s) => s.data));
  const { run } = state;
  const choices = [...run.layers.map((l) => [String(l.k), `${plural(l.k, "cluster")}, the tree's own`]), ["edited", data.edited ? "as edited" : "as it is now"]];
  const others = run.other ? [["other", `the run ${run.other}`]] : [];
  const [before, setBefore] = useState(run.other ? "other" : String(data.base));
  const [after, setAfter] = useState(data.edited || run.other ? "edited" : String(run.layers.find((l) => l.k > data.base)?.k ?? run.layers[0].k));
  const found = useAnswer("compare", { before, after }, [data], { clear: true });
  return html`<${Choice} name="Before" value=${before} options=${[...others, ...choices]} onChoose=${setBefore} />
    <${Choice} name="After" value=${after} options=${choices} onChoose=${setAfter} />
    ${found ? html`<${Found} found=${found} />` : html`<p class="soft" role="status">Comparing …</p>`}`;
}

function Found({ found }) {
  const { run } = state;
  const go = async (id) => {
    try {
      if (found.after !== state.k) await loadClusters(found.after === state.data?.base && !state.data?.edited ? null : found.after);
      await select([id]);
    } catch (error) {
      complain(error);
    }
  };
  const face = (/** @type {string} */ names) => (/** @type {any} */ c) => ({ ...c, name: found[names][c.id] ?? `Cluster ${c.id}`, colour: c.colour === null ? "#888" : run.palette[c.colour % run.palette.length] });
  const old = (id) => found.names_before[id] ?? `Cluster ${id}`;
  const now = (id) => html`<button class="link" onClick=${() => go(id)}>${found.names_after[id] ?? `Cluster ${id}`}</button>`;
  const part = (title, why, list, line) => list.length > 0 && html`<h3 title=${why}>${title} <b>${count(list.length)}</b></h3><ul class="changes">${list.slice(0, 200).map(line)}</ul>`;
  const kept = found.matched.filter((m) => m.overlap > 0.999999);
  const changed = found.matched.filter((m) => m.overlap <= 0.999999);
  const rows = (/** @type {number} */ n) => html`<span class="soft">${count(n)}</span>`;
  // A cluster, and below it those of the other side that share its rows.
  const tree = (name, partName) => (c) => html`<li key=${c.cluster}>${name(c.cluster)} ${rows(c.rows)}<ul>${c.parts.map((p, at) => html`<li key=${p}>${partName(p)} ${rows(c.shared[at])}</li>`)}</ul></li>`;
  return html`<p>${images(found.rows)} compared. <b>${count(kept.length)}</b> cluster${kept.length === 1 ? "" : "s"} stayed the same, row by row. ${found.moved ? html`${images(found.moved)} changed cluster` : "No image changed cluster"} other than by these splits and merges.</p>
    <${Flow} before=${found.before_clusters.map(face("names_before"))} after=${found.after_clusters.map(face("names_after"))} flows=${found.flows} onChoose=${go} />
    ${part("Split", "Most rows are now in several clusters", found.split, tree(old, now))}
    ${part("Merged", "Most rows come from several clusters", found.merged, tree(now, old))}
    ${part("Changed", "Same cluster, different rows", changed, (m) => html`<li key=${m.before}>${old(m.before)} ${rows(m.rows_before)} → ${now(m.after)} <span class="soft">${count(m.rows_after)}, ${Math.round(100 * m.overlap)}% in common</span></li>`)}
    ${part("New", "No cluster like it before", found.born, tree(now, old))}
    ${part("Disappeared", "No cluster like it now", found.died, tree(old, now))}`;
}
