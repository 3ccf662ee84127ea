// The review queue: one question after the other, the one whose answer gains most first.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { get, post } from "./api.js";
import { colour, complain, count, edit, images, label, select, set, stand, state, useStore } from "./store.js";
import { Tiles } from "./thumbs.js";

/** Questions that were put off, as long as the page is open. @type {Set<string>} */
const skipped = new Set();
const nameOf = (q) => `${q.kind} ${q.clusters.join(" ")} ${q.kind === "rows" ? q.rows[0]?.row : ""}`;

export function Review() {
  const [data, k] = useStore((s) => [s.data, s.k]);
  const [queue, setQueue] = useState(null);
  const [off, setOff] = useState(new Set());
  const [, redraw] = useState(0);
  useEffect(() => {
    if (k !== null) stand().catch(complain);
    get("review").then((found) => setQueue(found.questions), complain);
  }, [data]);
  useEffect(() => setOff(new Set()), [queue]);
  if (!queue) return html`<p class="soft" role="status">Looking for what to ask …</p>`;
  const open = queue.filter((q) => !skipped.has(nameOf(q)) && q.clusters.every((c) => state.byId.has(c)));
  const q = open[0];
  if (!q) return html`<p class="empty">${queue.length ? "All questions were put off." : "Nothing to ask: no two clusters look like one, none like two."}</p>
    ${queue.length > 0 && html`<button onClick=${() => { skipped.clear(); redraw((n) => n + 1); }}>Ask them again</button>`}`;
  const skip = () => { skipped.add(nameOf(q)); redraw((n) => n + 1); };
  const Shown = { same: Same, two: Two, rows: Rows }[q.kind];
  return html`<p class="soft">${count(open.length)} question${open.length === 1 ? "" : "s"}, what would change most first. ${images(Math.round(q.changes))} would change; a chance of ${Math.round(100 * q.chance)} %.</p>
    <${Shown} key=${nameOf(q)} q=${q} skip=${skip} off=${off} setOff=${setOff} />`;
}

const Face = ({ id }) => html`<button class="chip" style=${{ "--c": colour(id) }} onClick=${() => select([id])}><span class="dot" aria-hidden="true" />${label(id)} <b>${count(state.byId.get(id)?.rows ?? 0)}</b></button>`;
const open = (row) => set({ open: row });
const split = (q) => [q.rows.slice(0, q.parts), q.rows.slice(q.parts)];

function Same({ q, skip }) {
  const [one, other] = q.clusters;
  const [a, b] = split(q);
  return html`<h3 class="question">Are these the same?</h3>
    <div class="side-by-side"><div><${Face} id=${one} /><${Tiles} rows=${a} shown=${64} onOpen=${open} /></div>
      <div><${Face} id=${other} /><${Tiles} rows=${b} shown=${64} onOpen=${open} /></div></div>
    <div class="answers"><button class="main" onClick=${() => set({ dialog: { kind: "merge", clusters: [one, other], into: null } })}>The same: merge …</button>
      <button onClick=${() => edit("apart", { a: one, b: other })}>Different</button><button class="link" onClick=${skip}>Later</button></div>`;
}

function Two({ q, skip }) {
  const [cluster] = q.clusters;
  const [a, b] = split(q);
  return html`<h3 class="question">Is this one thing, or two?</h3><${Face} id=${cluster} />
    <div class="side-by-side"><div><h4>One part</h4><${Tiles} rows=${a} shown=${64} onOpen=${open} /></div>
      <div><h4>The other</h4><${Tiles} rows=${b} shown=${64} onOpen=${open} /></div></div>
    <div class="answers"><button class="main" onClick=${() => edit("split", { cluster, parts: 2 })}>Two: split</button>
      <button onClick=${() => edit("whole", { cluster })}>One</button><button class="link" onClick=${skip}>Later</button></div>`;
}

function Rows({ q, skip, off, setOff }) {
  const [from, to] = q.clusters;
  const going = q.rows.filter((r) => !off.has(r.row));
  const flip = (row) => setOff((old) => { const now = new Set(old); now.has(row) ? now.delete(row) : now.add(row); return now; });
  const move = async () => {
    try {
      const found = await post("sets", { rows: going.map((r) => r.row) });
      skip();
      await edit("move", { set: found.set, to });
    } catch (error) {
      complain(error);
    }
  };
  return html`<h3 class="question">Do these belong to the other one?</h3>
    <p class="between-line"><${Face} id=${from} /> → <${Face} id=${to} /></p>
    <p class="soft">They are nearly as near to it. Click those that stay.</p>
    <div class="quiz small">${q.rows.map((r) => html`<div key=${r.row} class=${off.has(r.row) ? "asked wrong" : "asked"}><${Tiles} rows=${[r]} shown=${64} onOpen=${flip} /><span class="cross" aria-hidden="true">stays</span></div>`)}</div>
    <div class="answers"><button class="main" disabled=${!going.length} onClick=${move}>Move ${images(going.length)}</button><button class="link" onClick=${skip}>Later</button></div>`;
}
