// Into which parts to split a cluster: by the tree, or by a fit of the cluster alone; with pictures.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { post } from "./api.js";
import { Buttons, Window, close } from "./dialogs.js";
import { colour, edit, images, label, set } from "./store.js";
import { Tiles } from "./thumbs.js";
import { Switch } from "./widgets.js";

const PAUSE = 800; // ms between two looks at how far a fit is

export function Split({ cluster }) {
  const [own, setOwn] = useState(false);
  const [parts, setParts] = useState(null);
  const [found, setFound] = useState(null);
  const [trouble, setTrouble] = useState(null);
  useEffect(() => {
    let stopped = false;
    setTrouble(null);
    if (own) setFound(null);
    const failed = (/** @type {any} */ error) => {
      if (stopped) return;
      setFound(null);
      setTrouble(error.message);
      if (!own && parts === null) setParts(2);
    };
    const look = () => post("recluster", { cluster }).then((answer) => {
      if (stopped) return;
      if (answer.done) setFound(answer.parts);
      else setTimeout(look, PAUSE);
    }, failed);
    if (own) look();
    else post("preview", { op: "split", cluster, parts }).then((answer) => { if (!stopped) setFound(answer.parts); }, failed);
    return () => { stopped = true; };
  }, [cluster, parts, own]);
  const submit = async () => {
    close();
    if (own) await edit("recluster", { cluster });
    else await edit("split", { cluster, parts: found.length }, found.map((p) => p.cluster));
  };
  const enough = found && found.length > 1;
  return html`<${Window} title=${`Split ${label(cluster)}`} wide=${true} onSubmit=${submit}>
    <${Switch} name="Split by" options=${[[false, "By the tree"], [true, "By its own features"]]} value=${own} onChoose=${setOwn} />
    ${own ? html`<p>The cluster is fitted alone: what counts is what distinguishes its images from each other, not from all others.</p>`
      : html`<p>The clearest split first. To split off particular images, select and move them.</p>
      <label class="field"><span>Parts</span><input type="number" min="2" max="1000" value=${parts ?? found?.length ?? 2} autofocus
        onInput=${(e) => setParts(Math.max(2, Math.round(Number(e.target.value)) || 2))} />
        <button type="button" class="link" onClick=${() => setParts(null)}>as the tree suggests</button></label>`}
    ${own && !found && !trouble && html`<p role="status" class="soft">Fitting ${label(cluster)} by itself … this takes about as long as a new fit of that many images.</p>`}
    ${trouble && html`<p class="note" role="status">${trouble[0].toUpperCase() + trouble.slice(1)}.</p>`}
    ${own && found && !enough && html`<p class="note" role="status">No split by its own features either: none is clearer than chance.</p>`}
    ${found && html`<ul class="parts" aria-live="polite">${[...found].sort((a, b) => b.rows - a.rows).map((p, at) => html`<li key=${p.cluster ?? `new ${at}`}>
      <span class="bar-of"><i style=${{ width: `${(100 * p.rows) / Math.max(...found.map((f) => f.rows))}%`, "--c": colour(cluster) }} /></span>
      <span>${images(p.rows)}</span><span class="soft">${p.cluster === cluster ? "keeps the number" : "new"}</span>
      ${p.shown && html`<${Tiles} rows=${p.shown} shown=${60} onOpen=${(row) => { close(); set({ open: row }); }} />`}</li>`)}</ul>`}
    <${Buttons} main=${enough ? `Split into ${found.length}` : "Split"} disabled=${!enough} />
  </${Window}>`;
}
