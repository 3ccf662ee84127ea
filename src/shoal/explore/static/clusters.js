// The clusters of the cut: as cards, or as a tree.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { colour, complain, count, label, loadGains, plural, select, set, state, tagsOf, untagged, useStore, wanted } from "./store.js";
import { draggedCluster, dropTarget } from "./drag.js";
import { Slider } from "./slider.js";
import { AcceptAll, Suggested } from "./suggestions.js";
import { inStrips } from "./thumbs.js";
import { Tree } from "./tree.js";
import { Switch, Thumb, toggled, useResize } from "./widgets.js";

/** Whether one part of the page is shown at a time: who chooses a cluster wants to see its images. */
const narrow = () => matchMedia("(max-width: 720px)").matches;

const HEIGHT = 66;
const MARGIN = 6;

/** What answers of the review queue about a cluster would gain. @param {number} id */
const gain = (id) => state.gains.gains.get(id) ?? 0;

const SORTS = {
  size: ["Size", (a, b) => b.rows - a.rows],
  separation: ["Separation, least first", (a, b) => (a.separation ?? 2) - (b.separation ?? 2)],
  gain: ["Review gain", (a, b) => gain(b.id) - gain(a.id)],
  name: ["Name", (a, b) => label(a.id).localeCompare(label(b.id), undefined, { numeric: true })],
  outliers: ["Outliers", (a, b) => b.outliers / b.rows - a.outliers / a.rows],
  tree: ["Likeness", (a, b) => (a.leaf ?? 0) - (b.leaf ?? 0)],
};

export function Clusters() {
  const [data, sort, filter, listing, run, gains] = useStore((s) => [s.data, s.sort, s.filter, s.listing, s.run, s.gains]);
  useEffect(() => { if (sort === "gain") loadGains().catch(complain); }, [sort, data]);
  const shown = useMemo(() => {
    const words = filter.trim().toLowerCase();
    const found = (data?.clusters ?? []).filter((c) => !words || label(c.id).toLowerCase().includes(words)
      || c.note.toLowerCase().includes(words) || String(c.id) === words);
    return [...found].sort((a, b) => SORTS[sort][1](a, b) || a.id - b.id);
  }, [data, sort, filter, gains]);
  const treed = listing === "tree" && !filter;
  return html`<section class="panel clusters" aria-label="Clusters">
    <${Slider} />
    <div class="bar">
      <input type="search" placeholder="Find a cluster" aria-label="Find a cluster" value=${filter}
        onInput=${(e) => set({ filter: e.target.value })} />
      <select aria-label="Sort clusters by" disabled=${treed} title=${treed ? "The tree has its own order" : ""} value=${sort} onChange=${(e) => set({ sort: e.target.value })}>
        ${Object.entries(SORTS).map(([name, [said]]) => html`<option key=${name} value=${name}>${said}</option>`)}
      </select>
      <${Switch} name="Show clusters as" options=${[["cards", "Cards"], ["tree", "Tree"]]} value=${listing} onChoose=${(/** @type {string} */ name) => set({ listing: name })} />
    </div>
    ${treed ? html`<${Tree} />` : shown.length ? html`<${Cards} clusters=${shown} />` : html`<p class="empty scroll">No cluster with this name.</p>`}
    <footer class="foot">
      <span>${shown.length === data?.clusters.length ? plural(shown.length, "cluster") : `${count(shown.length)} of ${plural(data?.clusters.length ?? 0, "cluster")}`}</span>
      <span>${count(run.rows - run.quarantined)} in all</span>
      <${AcceptAll} />
      ${run.quarantined > 0 && html`<button class="link" onClick=${() => set({ panel: "quarantine" })}>${count(run.quarantined)} unreadable</button>`}
    </footer>
  </section>`;
}

function Cards({ clusters }) {
  const [selected, k, scope] = useStore((s) => [s.selected, s.k, s.scope]);
  // Under a filter or an outline on the map: how many of each cluster are in it.
  const within = scope.clusters && !selected.length && scope.of === wanted(state) ? scope.clusters : null;
  const box = useRef(null);
  const [range, setRange] = useState([0, 14]);
  const [focus, setFocus] = useState(0);
  const most = Math.max(1, ...clusters.map((c) => c.rows));
  const medoids = useMemo(() => clusters.map((c) => c.medoid ?? 0), [clusters]);
  const style = state.run.thumb ? inStrips(medoids, 48) : null;
  const look = () => {
    const { scrollTop, clientHeight } = box.current;
    setRange([Math.floor(scrollTop / HEIGHT) - 4, Math.ceil((scrollTop + clientHeight) / HEIGHT) + 4]);
  };
  useLayoutEffect(look, [clusters.length]);
  useResize(box, look);
  const anchor = useRef(0);
  const upTo = (/** @type {number} */ at) => {
    const [a, b] = [Math.min(anchor.current, at), Math.max(anchor.current, at)];
    select(clusters.slice(a, b + 1).map((c) => c.id));
  };
  const choose = (at, event) => {
    const { id } = clusters[at];
    setFocus(at);
    if (event.shiftKey) {
      upTo(at);
      return;
    }
    anchor.current = at;
    if (event.ctrlKey || event.metaKey) select(toggled(selected, id));
    else {
      const again = selected.length === 1 && selected[0] === id;
      select(again && !narrow() ? [] : [id]);
      if (narrow()) set({ tab: "images" });
    }
  };
  const step = (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e9, End: 1e9 };
    if (event.key in moves) {
      event.preventDefault();
      const at = Math.max(0, Math.min(clusters.length - 1, focus + moves[event.key]));
      setFocus(at);
      if (event.shiftKey) upTo(at);
      else if (!event.ctrlKey) {
        anchor.current = at;
        select([clusters[at].id]);
      }
      const top = at * HEIGHT;
      if (top < box.current.scrollTop) box.current.scrollTop = top;
      if (top + HEIGHT > box.current.scrollTop + box.current.clientHeight) box.current.scrollTop = top + HEIGHT - box.current.clientHeight;
    } else if ((event.key === "Enter" || (event.key === " " && event.ctrlKey)) && clusters[focus]) {
      event.preventDefault();
      choose(focus, { ctrlKey: event.ctrlKey });
    }
  };
  const from = Math.max(0, range[0]);
  const to = Math.min(clusters.length, range[1]);
  return html`<div class="scroll cards" ref=${box} onScroll=${look} onKeyDown=${step} tabindex="0" role="listbox"
      aria-multiselectable="true" aria-label="Clusters" aria-activedescendant=${clusters[focus] ? `cluster-${clusters[focus].id}` : undefined}>
    <div class="spacer" style=${{ height: `${clusters.length * HEIGHT + MARGIN}px` }} role="presentation">
    ${clusters.slice(from, to).map((c, i) => html`<${Card} key=${`${k}-${c.id}`} cluster=${c} at=${from + i} of=${clusters.length} most=${most}
      within=${within && (within[c.id] ?? 0)} on=${selected.includes(c.id)} focused=${focus === from + i} style=${style?.(from + i)} onChoose=${choose} />`)}
    </div></div>`;
}

function Card({ cluster: c, at, of, most, within, on, focused, style, onChoose }) {
  const total = state.run.rows - state.run.quarantined;
  const share = (100 * c.rows) / total;
  return html`<div id=${`cluster-${c.id}`} role="option" aria-selected=${on} aria-setsize=${of} aria-posinset=${at + 1}
      ...${draggedCluster(c.id)} ...${dropTarget(c.id)} class=${`card ${on ? "on" : ""} ${focused ? "focused" : ""} ${c.mark === "junk" ? "junk" : ""}`}
      style=${{ top: `${at * HEIGHT + MARGIN}px`, "--c": colour(c.id) }} onClick=${(e) => onChoose(at, e)}>
    ${style && c.medoid !== null ? html`<${Thumb} style=${style} size=${48} />`
      : html`<span class="swatch" aria-hidden="true" />`}
    <span class="words">
      <span class="name" title=${label(c.id)}>${label(c.id)}<${Suggested} id=${c.id} /></span>
      <span class="facts">${within !== null ? html`<b>${count(within)}</b> of ${count(c.rows)}` : html`${count(c.rows)} · ${share < 0.1 ? "< 0.1" : share.toFixed(1)}%`}
        ${c.mark === "junk" && html`<span class="tag">junk</span>`}${c.mark === "good" && html`<span class="tag good">good</span>`}
        ${c.locked && html`<span class="tag">locked</span>`}<${Tags} note=${c.note} />${untagged(c.note) && html`<span class="tag" title=${c.note}>note</span>`}</span>
      <span class="size" aria-hidden="true"><i style=${{ width: `${Math.max(1, (100 * c.rows) / most)}%` }} /></span>
    </span>
    ${c.separation !== null && html`<${Badge} cluster=${c} />`}
  </div>`;
}

/** The tags in a note. */
export const Tags = ({ note }) => tagsOf(note).map((tag) => html`<span key=${tag} class="tag">#${tag}</span>`);

/**
 * Two things about a cluster: how separate it is from the others, and whether it is one kind. Only
 * one that is both is green.
 */
export function Badge({ cluster, full = false }) {
  const { separation, mixed_at: mixed } = cluster;
  const kind = separation < 0.9 ? "loose" : separation < 0.97 || mixed !== null ? "fair" : "firm";
  const percent = Math.floor(1000 * separation) / 10;
  const pure = mixed === null ? "Its next split is not as clear as the splits made, or was rejected." : `May be mixed: it splits at K = ${mixed}, about as clearly as the splits made.`;
  return html`<span class=${`badge ${kind}`} title=${`${percent}% separate: the share of its images' similarity that stays within the cluster. ${pure}`}>
    ${Math.floor(percent)}<small>%</small><span class=${full ? "said" : "sr"}> separate</span>${mixed !== null && html`<span class="said" aria-hidden="true"> · mixed?</span><span class="sr">, may be mixed</span>`}</span>`;
}
