// The review queue: one question after the other over the whole page, the one whose answer gains most first.

import { html, useEffect, useLayoutEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { get, post } from "./api.js";
import { colour, complain, count, edit, images, label, set, stand, state, useStore } from "./store.js";
import { CrossableTiles, Tiles } from "./thumbs.js";
import { IconButton } from "./widgets.js";

const TYPICAL = 96; // pixels a side
const UNSURE = 112;

/** Questions that were put off, as long as the page is open. @type {Set<string>} */
const skipped = new Set();
/** How many were answered, as long as the page is open. */
let answered = 0;
const nameOf = (q) => `${q.kind} ${q.clusters.join(" ")} ${q.kind === "rows" ? q.rows[0]?.row : ""}`;

/** What the keys do to the question that is shown. @type {Record<string, () => void>} */
export const answer = {};

const forget = () => { for (const key of Object.keys(answer)) delete answer[key]; };

export function Review() {
  const [data, k] = useStore((s) => [s.data, s.k]);
  const [queue, setQueue] = useState(null);
  const [, redraw] = useState(0);
  useLayoutEffect(() => {
    if (k !== null) stand().catch(complain);
    get("review").then((found) => setQueue(found.questions), complain);
  }, [data]);
  forget(); // the question that is drawn next says what the keys do
  useEffect(() => forget, []);
  const open = (queue ?? []).filter((q) => !skipped.has(nameOf(q)) && q.clusters.every((c) => state.byId.has(c)));
  const q = open[0];
  const skip = () => { skipped.add(nameOf(q)); redraw((n) => n + 1); };
  const again = () => { skipped.clear(); redraw((n) => n + 1); };
  const all = answered + open.length;
  return html`<section class="review" aria-label="Review">
    <header><h2>Review</h2>
      ${queue && all > 0 && html`<div class="progress" role="progressbar" aria-label="Questions answered" aria-valuemin="0" aria-valuemax=${all} aria-valuenow=${answered}><i style=${{ width: `${(100 * answered) / all}%` }} /></div>
        <span class="soft">${count(answered)} answered, ${count(open.length)} to go</span>`}
      <span class="grow" /><${IconButton} icon="close" name="Close" title="Close (Esc)" onClick=${() => set({ panel: null })} /></header>
    ${!queue ? html`<p class="soft empty" role="status">Finding questions …</p>`
      : q ? html`<${Question} key=${nameOf(q)} q=${q} skip=${skip} />`
      : html`<div class="empty"><p>${queue.length ? "All questions were put off." : "No open questions about clusters that look alike or mixed."}</p>
        ${queue.length > 0 && html`<button onClick=${again}>Ask them again</button>`}</div>`}
  </section>`;
}

/** What a question asks, what its answers do, and what is between its two sides. */
function Question({ q, skip }) {
  const [off, setOff] = useState(new Set());
  const [one, other] = q.clusters;
  const going = q.rows.filter((r) => !off.has(r.row));
  const done = (/** @type {Promise<any>} */ edited) => edited.then((/** @type {boolean} */ ok) => { if (ok) answered += 1; });
  const move = async () => {
    try {
      const found = await post("sets", { rows: going.map((r) => r.row) });
      skip();
      await done(edit("move", { set: found.set, to: other }));
    } catch (error) {
      complain(error);
    }
  };
  const stay = () => { skip(); answered += 1; };
  const kinds = {
    same: { asks: "Are these the same?", likely: ["the same", "different"], yes: ["The same: merge", () => done(edit("merge", { clusters: [one, other] }))], no: ["Different", () => done(edit("apart", { a: one, b: other }))] },
    two: { asks: "Is this one cluster, or two?", likely: ["two", "one"], yes: ["Two: split", () => done(edit("split", { cluster: one, parts: 2 }))], no: ["One", () => done(edit("whole", { cluster: one }))] },
    rows: { asks: "Do these belong to the other cluster?", likely: ["yes", "no"], yes: [`Yes: move ${images(going.length)}`, move], no: ["No, they stay", stay] },
  };
  const { asks, likely, yes, no } = kinds[q.kind];
  const probable = q.chance >= 0.5;
  const estimate = `probably ${likely[probable ? 0 : 1]} (${Math.round(100 * Math.max(q.chance, 1 - q.chance))}%)`;
  Object.assign(answer, { y: yes[1], n: no[1], s: skip, Enter: probable ? yes[1] : no[1] });
  const show = (row) => set({ open: row, panel: null });
  const button = ([caption, run], key, main) => html`<button class=${main ? "main" : ""} disabled=${key === "y" && q.kind === "rows" && !going.length} onClick=${run}>${caption} <kbd>${key}</kbd></button>`;
  const [a, b] = [q.rows.slice(0, q.parts), q.rows.slice(q.parts)];
  const side = (title, rows, size) => html`<div class="side-of"><h3>${title}</h3><${Tiles} rows=${rows} shown=${size} onOpen=${show} /></div>`;
  const typical = (id) => side(html`<${Face} id=${id} /> typical`, q.typical?.[id] ?? [], TYPICAL);
  return html`<div class="question-head"><h2 class="question">${asks}</h2>
      <p class="soft">${images(Math.round(q.changes))} would change. Estimate: ${estimate}.</p></div>
    <div class=${`sides ${q.kind}`}>
      ${q.kind === "two" ? html`${side("One part", a, UNSURE)}${side("The other", b, UNSURE)}${typical(one)}`
        : html`${typical(one)}
          ${q.kind === "same" ? html`<div class="unsure">${side(html`Unsure, of <${Face} id=${one} />`, a, UNSURE)}${side(html`Unsure, of <${Face} id=${other} />`, b, UNSURE)}</div>`
            : html`<div class="unsure"><h3>Unsure: click those that stay in <${Face} id=${one} /></h3><div class="quiz small"><${CrossableTiles} rows=${q.rows} crossed=${off} shown=${UNSURE} mark="stays" onCross=${setOff} /></div></div>`}
          ${typical(other)}`}
    </div>
    <div class="answers">${button(yes, "y", probable)}${button(no, "n", !probable)}<button class="link" onClick=${skip}>Later <kbd>s</kbd></button></div>`;
}

const Face = ({ id }) => html`<span class="face" style=${{ "--c": colour(id) }}><span class="dot" aria-hidden="true" />${label(id)} <b>${count(state.byId.get(id)?.rows ?? 0)}</b></span>`;
