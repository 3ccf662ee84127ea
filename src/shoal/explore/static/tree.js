// The clusters as a dendrogram: the further left two part, the clearer the split; a line to drag cuts it.

import { html, useMemo, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { colour, complain, count, label, loadClusters, select, state, useStore } from "./store.js";
import { dropTarget } from "./drag.js";
import { inStrips } from "./thumbs.js";
import { Thumb } from "./widgets.js";

const WIDE = 132; // of the drawing, in pixels
const LEFT = 10;
const TALL = 36;
const TOP = 18;
const FACE = 28;

/** @typedef {{id?: number, k?: number, left?: any, right?: any, x: number, y: number, ids: number[], depth: number}} Branch a cluster, or a split */

/**
 * Build the binary tree over the clusters from the K at which neighbours in leaf order come apart.
 * @param {number[]} order @param {number[]} apart @returns {any}
 */
function grown(order, apart) {
  /** @type {any[]} */
  const stack = [];
  /** @type {any} */
  let last = { id: order[0] };
  // A Cartesian tree over `apart`: the earliest split is the root.
  for (let i = 0; i < apart.length; i++) {
    const leaf = { id: order[i + 1] };
    let left = last;
    while ((stack.at(-1)?.k ?? 0) > apart[i]) left = Object.assign(stack.pop(), { right: left });
    stack.push({ k: apart[i], left });
    last = leaf;
  }
  return stack.reduceRight((right, above) => Object.assign(above, { right }), last);
}

/** @type {{of: any, scale: number[]}} */
const known = { of: null, scale: [] };

/** The clarity of each split, none above one before it: another method's splits are in no such order. */
function scale() {
  if (known.of !== state.run) {
    let last = Infinity;
    known.scale = state.run.excess.map((/** @type {number|null} */ e) => { last = Math.min(last, Math.max(0, e ?? 0)); return last; });
    known.of = state.run;
  }
  return known.scale;
}

const clarity = (/** @type {number} */ k) => scale()[k - 2] ?? 0;
// By its root, so that there is room for the many faint splits.
const across = (/** @type {number} */ excess) => LEFT + (1 - Math.sqrt(Math.min(1, excess / Math.max(1, clarity(2))))) * (WIDE - LEFT);

/** Where the line of a cut is: between the last split that it takes and the next. @param {number} k */
const lineAt = (k) => (k < 2 ? LEFT - 6 : (across(clarity(k)) + across(clarity(k + 1))) / 2);

/** How many clusters a line at a place cuts into. @param {number} x */
function cutAt(x) {
  let k = 1;
  while (k < state.run.most && across(clarity(k + 1)) <= x) k++;
  return k;
}

/** The branches and leaves in order, each with its place. @param {any} root @returns {Branch[]} */
function placed(root) {
  /** @type {Branch[]} */
  const found = [];
  let next = 0;
  const walk = (/** @type {any} */ node, /** @type {number} */ depth) => {
    found.push(node);
    node.depth = depth;
    if (node.id !== undefined) {
      Object.assign(node, { x: WIDE, y: TOP + TALL * (next++ + 0.5), ids: [node.id] });
      return;
    }
    walk(node.left, depth + 1);
    walk(node.right, depth + 1);
    Object.assign(node, { x: Math.min(across(clarity(node.k)), node.left.x, node.right.x), y: (node.left.y + node.right.y) / 2, ids: [...node.left.ids, ...node.right.ids] });
  };
  walk(root, 0);
  return found;
}

export function Tree() {
  const [data, selected] = useStore((s) => [s.data, s.selected]);
  const nodes = useMemo(() => (data?.order.length ? placed(grown(data.order, data.apart)) : []), [data]);
  const list = useRef(/** @type {any} */ (null));
  if (!data || !nodes.length) return html`<p class="empty">No clusters.</p>`;
  const key = (/** @type {KeyboardEvent} */ event, /** @type {number} */ at) => {
    const items = [...list.current.querySelectorAll("[role=treeitem]")];
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); items[Math.max(0, Math.min(items.length - 1, to))].focus(); }
    else if (event.key === "Enter") { event.preventDefault(); select(nodes[at].ids); }
  };
  const chosen = new Set(selected);
  const faced = data.order.filter((id) => state.byId.get(id)?.medoid != null);
  const faceOf = new Map(faced.map((id, at) => [id, at]));
  const style = state.run.thumb ? inStrips(faced.map((id) => state.byId.get(id)?.medoid ?? 0), FACE) : null;
  const lines = nodes.filter((n) => n.id === undefined).map((n) => `M${n.left.x} ${n.left.y}H${n.x}V${n.right.y}H${n.right.x}`);
  const tall = TOP + TALL * data.order.length + 8;
  const item = (/** @type {Branch} */ node, /** @type {number} */ at) => {
    const on = node.ids.every((id) => chosen.has(id));
    const choose = (/** @type {MouseEvent} */ e) => select(e.ctrlKey || e.metaKey ? [...new Set([...selected, ...node.ids])] : node.ids);
    const shared = { role: "treeitem", "aria-level": node.depth + 1, "aria-selected": on, tabindex: at ? -1 : 0, onKeyDown: (/** @type {KeyboardEvent} */ e) => key(e, at), onClick: choose };
    if (node.id === undefined) {
      const caption = `${node.ids.length} clusters, separate from K = ${node.k} on: clarity ${(state.run.excess[Number(node.k) - 2] ?? 0).toFixed(2)}`;
      return html`<div key=${`k${node.k}`} ...${shared} class=${`fork ${on ? "on" : ""}`} title=${caption} aria-label=${caption}
        style=${{ left: `${node.x - 7}px`, top: `${node.left.y}px`, height: `${node.right.y - node.left.y}px` }} />`;
    }
    const c = state.byId.get(node.id);
    return html`<div key=${`c${node.id}`} ...${shared} ...${dropTarget(node.id)} class=${`leaf ${on ? "on" : ""}`} style=${{ left: `${WIDE}px`, top: `${node.y - TALL / 2 + 1}px`, height: `${TALL - 2}px`, "--c": colour(node.id) }}>
      ${style && c?.medoid != null ? html`<${Thumb} style=${style(faceOf.get(node.id) ?? 0)} size=${FACE} />` : html`<span class="dot" aria-hidden="true" />`}
      <span class="name" title=${label(node.id)}>${label(node.id)}</span><span class="facts">${count(c?.rows ?? 0)}</span></div>`;
  };
  return html`<div class="scroll tree" ref=${list}><div class="spacer" style=${{ height: `${tall}px` }}>
    <svg width=${WIDE} height=${tall} aria-hidden="true"><path d=${`${lines.join("")}M${nodes[0].x} ${nodes[0].y}H0`} /></svg>
    <div role="tree" aria-label="Tree of the clusters">${nodes.map(item)}</div>
    <${CutLine} tall=${tall} />
  </div></div>`;
}

/** The line that cuts the tree; where it is dropped is the new number of clusters. */
function CutLine({ tall }) {
  const [data, k] = useStore((s) => [s.data, s.k]);
  const now = k ?? data?.base ?? 1;
  const [dragged, setDragged] = useState(/** @type {number|null} */ (null));
  const go = (/** @type {number} */ to) => {
    const wanted = Math.max(1, Math.min(state.run.most, to));
    if (wanted !== now) loadClusters(wanted === data?.base ? null : wanted).catch(complain);
  };
  const begin = (/** @type {PointerEvent} */ event) => {
    const line = /** @type {HTMLElement} */ (event.currentTarget);
    const from = /** @type {HTMLElement} */ (line.parentElement).getBoundingClientRect().left;
    const place = (/** @type {PointerEvent} */ e) => Math.max(0, Math.min(WIDE, e.clientX - from));
    line.setPointerCapture(event.pointerId);
    setDragged(place(event));
    line.onpointermove = (e) => setDragged(place(e));
    line.onpointerup = line.onpointercancel = (e) => {
      line.onpointermove = line.onpointerup = line.onpointercancel = null;
      setDragged(null);
      if (e.type === "pointerup") go(cutAt(place(e)));
    };
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (by) { event.preventDefault(); event.stopPropagation(); go(now + by); }
  };
  const shown = dragged === null ? now : cutAt(dragged);
  return html`<div class=${`cut-line ${dragged === null ? "" : "dragged"}`} role="slider" tabindex="0" aria-label="Cut of the tree" aria-valuemin="1" aria-valuemax=${state.run.most} aria-valuenow=${shown}
    aria-valuetext=${`${shown} clusters`} title="Drag it: fewer clusters to the left, more to the right" style=${{ left: `${(dragged ?? lineAt(now)) - 7}px`, height: `${tall}px` }}
    onPointerDown=${begin} onKeyDown=${key}><b>${shown}</b></div>`;
}
