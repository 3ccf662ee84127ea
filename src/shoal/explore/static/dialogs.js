// Questions before an edit: who merges into whom, into how many parts, under which name.

import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { colour, complain, count, edit, editedCount, images, label, nonePicked, pickedSet, plural, set, state, tagsOf, untagged, useStore } from "./store.js";
import { CrossableTiles, inStrips } from "./thumbs.js";
import { ExportDialog } from "./exports.js";
import { Split } from "./split.js";
import { suggestion } from "./suggestions.js";
import { IconButton, Thumb, toggled, useAnswer } from "./widgets.js";

export const close = () => set({ dialog: null });

export function Dialogs() {
  const dialog = useStore((s) => s.dialog);
  if (!dialog) return null;
  const kinds = { merge: Merge, split: Split, rename: Rename, note: Note, tag: Tag, move: Move, start: Start, conflict: Conflict, quiz: Quiz, export: ExportDialog };
  const Shown = kinds[dialog.kind];
  return html`<${Shown} key=${JSON.stringify(dialog)} ...${dialog} />`;
}

/** A window over the page: focus stays in it, Esc closes it (some browsers close it without asking). */
export function Window({ title, wide = false, onSubmit, children }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    const first = box.current.querySelector("[autofocus], input, select, textarea, button.main");
    first?.focus();
    first?.select?.();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);
  return html`<dialog ref=${box} class=${wide ? "wide" : ""} aria-label=${title} onCancel=${(e) => { e.preventDefault(); close(); }} onClose=${close}
      onClick=${(e) => { if (e.target === box.current) close(); }}>
    <form onSubmit=${(e) => { e.preventDefault(); onSubmit?.(); }}>
      <header><h2>${title}</h2><${IconButton} icon="close" name="Close" onClick=${close} /></header>
      ${children}
    </form>
  </dialog>`;
}

export function Buttons({ main, disabled = false, children = null }) {
  return html`<div class="buttons">${children}<span class="grow" /><button type="button" onClick=${close}>Cancel</button>
    <button class="main" type="submit" disabled=${disabled}>${main}</button></div>`;
}

/** Who goes into whom. */
function Merge({ clusters, into, why }) {
  const known = clusters.filter((id) => state.byId.has(id));
  const rows = (id) => state.byId.get(id)?.rows ?? 0;
  const largest = known.reduce((a, b) => (rows(b) > rows(a) ? b : a), known[0]);
  const [stays, setStays] = useState(into ?? largest);
  const [staged, setStaged] = useState(known);
  const [name, setName] = useState(null);
  const named = state.byId.get(stays)?.name ?? staged.map((id) => state.byId.get(id)?.name).find((n) => n) ?? "";
  const total = staged.reduce((sum, id) => sum + rows(id), 0);
  const style = state.run.thumb ? inStrips(known.map((id) => state.byId.get(id)?.medoid ?? 0), 56) : null;
  const submit = async () => {
    close();
    const called = name !== null && name.trim() && name !== named ? { name } : {};
    await edit("merge", { clusters: staged, into: stays, ...called }, [stays]);
  };
  return html`<${Window} title="Merge clusters" onSubmit=${submit}>
    ${why && html`<p class="note">${why[0].toUpperCase() + why.slice(1)}.</p>`}
    <p>Choose the cluster to keep: the others are merged into it, and it keeps its number${named ? " and its name" : ""}.</p>
    <ul class="staged">${known.map((id, at) => {
      const on = staged.includes(id);
      return html`<li key=${id} class=${`${id === stays ? "stays" : ""} ${on ? "" : "off"}`} style=${{ "--c": colour(id) }}>
        <label><input type="radio" name="stays" checked=${id === stays} disabled=${!on} onChange=${() => setStays(id)} autofocus=${id === stays} />
          ${style && html`<${Thumb} style=${style(at)} size=${56} />`}
          <span class="words"><b>${label(id)}</b><span class="soft">${images(rows(id))}</span></span></label>
        <span class="fate">${!on ? "left out" : id === stays ? "stays" : html`→ ${label(stays)}`}</span>
        ${known.length > 2 && id !== stays && html`<button type="button" class="link" onClick=${() => setStaged(toggled(staged, id))}>${on ? "leave out" : "include"}</button>`}
      </li>`;
    })}</ul>
    <label class="field"><span>Name of the merged cluster</span><input value=${name ?? named} placeholder=${`Cluster ${stays}`} maxlength="200" onInput=${(e) => setName(e.target.value)} /></label>
    <${Buttons} main=${`Merge ${images(total)}`} disabled=${staged.length < 2} />
  </${Window}>`;
}

function Rename({ cluster }) {
  const before = state.byId.get(cluster)?.name ?? "";
  const [name, setName] = useState(before || suggestion(cluster) || "");
  const others = [...state.byId.values()].filter((c) => c.name && c.id !== cluster);
  const taken = others.find((c) => c.name?.toLowerCase() === name.trim().toLowerCase());
  const submit = () => {
    close();
    if (taken) set({ dialog: { kind: "merge", clusters: [cluster, taken.id], into: taken.id, why: `${label(taken.id)} already has this name` } });
    else edit("rename", { cluster, name: name.trim() || null });
  };
  return html`<${Window} title=${`Name ${label(cluster)}`} onSubmit=${submit}>
    <label class="field"><span>Name</span><input value=${name} list="names-taken" maxlength="200" autofocus onInput=${(e) => setName(e.target.value)} /></label>
    ${!before && suggestion(cluster) && name === suggestion(cluster) && html`<p class="hint">Suggested by what is in it.</p>`}
    <datalist id="names-taken">${others.map((c) => html`<option key=${c.id} value=${c.name} />`)}</datalist>
    ${taken && html`<p class="note" role="status">Cluster ${taken.id} (${images(taken.rows)}) already has this name. Nothing is merged yet: the next dialog shows what would be merged.</p>`}
    <${Buttons} main=${taken ? "Merge them …" : name.trim() || !before ? "Name it" : "Remove the name"} disabled=${!name.trim() && !before} />
  </${Window}>`;
}

function Note({ cluster }) {
  const [note, setNote] = useState(state.byId.get(cluster)?.note ?? "");
  return html`<${Window} title=${`Note on ${label(cluster)}`} onSubmit=${() => { close(); edit("note", { cluster, note }); }}>
    <label class="field tall"><span>Note</span><textarea rows="4" maxlength="10000" autofocus value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
    <${Buttons} main="Keep" />
  </${Window}>`;
}

/** Move images to another cluster, or out into a new one: those picked or shown, or those of a set. */
function Move({ of = pickedSet, count: given = null, then = () => set(nonePicked()) }) {
  const [name, setName] = useState("");
  const all = [...state.byId.values()];
  const words = name.trim().toLowerCase();
  const fits = words ? all.filter((c) => label(c.id).toLowerCase().includes(words)) : all;
  const edited = useStore(editedCount);
  const n = given ?? edited;
  const send = async (facts) => {
    close();
    try {
      const found = await of();
      if (await edit("move", { set: found.set, ...facts })) then();
    } catch (error) {
      complain(error);
    }
  };
  const exact = all.find((c) => label(c.id).toLowerCase() === words);
  const submit = () => send(exact ? { to: exact.id } : name.trim() ? { name: name.trim() } : {});
  const shown = [...fits].sort((a, b) => b.rows - a.rows).slice(0, 60);
  const style = state.run.thumb ? inStrips(shown.map((c) => c.medoid ?? 0), 40) : null;
  return html`<${Window} title=${n === null ? "Move images" : `Move ${images(n)}`} onSubmit=${submit}>
    <label class="field"><span>To</span><input value=${name} placeholder="Name of a cluster, or of a new one" maxlength="200" autofocus onInput=${(e) => setName(e.target.value)} /></label>
    <ul class="targets" aria-label="Clusters">${shown.map((c, at) => html`<li key=${c.id}><button type="button" disabled=${c.locked} style=${{ "--c": colour(c.id) }} onClick=${() => send({ to: c.id })}>
      ${style ? html`<${Thumb} style=${style(at)} size=${40} />` : html`<span class="dot" />`}
      <span>${label(c.id)}</span><span class="soft">${count(c.rows)}</span></button></li>`)}</ul>
    <${Buttons} main=${exact ? `Move to ${label(exact.id)}` : name.trim() ? `Move to new cluster “${name.trim().slice(0, 30)}”` : "Move to a new cluster"} />
  </${Window}>`;
}

/** Words by which clusters are found again; they stand in their notes. */
function Tag({ clusters }) {
  const notes = (/** @type {number} */ id) => state.byId.get(id)?.note ?? "";
  const known = [...new Set([...state.byId.values()].flatMap((c) => tagsOf(c.note)))].sort();
  const [chosen, setChosen] = useState(known.filter((tag) => clusters.every((/** @type {number} */ id) => tagsOf(notes(id)).includes(tag))));
  const [added, setAdded] = useState("");
  const submit = async () => {
    close();
    const tags = [...new Set([...chosen, ...tagsOf(added.split(/[\s,]+/).filter(Boolean).map((word) => `#${word.replace(/^#+/, "")}`).join(" "))])];
    for (const cluster of clusters) {
      const note = [untagged(notes(cluster)), ...tags.map((tag) => `#${tag}`)].filter(Boolean).join(" ");
      if (note !== notes(cluster) && !(await edit("note", { cluster, note }))) return;
    }
  };
  return html`<${Window} title=${clusters.length === 1 ? `Tag ${label(clusters[0])}` : `Tag ${plural(clusters.length, "cluster")}`} onSubmit=${submit}>
    <label class="field"><span>New tags</span><input value=${added} placeholder="blurred, ask-anna" maxlength="200" autofocus onInput=${(e) => setAdded(e.target.value)} /></label>
    ${known.length > 0 && html`<div class="chips" role="group" aria-label="Tags">${known.map((tag) => html`<button type="button" key=${tag} class=${`chip ${chosen.includes(tag) ? "on" : ""}`} aria-pressed=${chosen.includes(tag)} onClick=${() => setChosen(toggled(chosen, tag))}>#${tag}</button>`)}</div>`}
    <p class="hint">Tags are stored in a cluster's note; “Find a cluster” finds them.</p>
    <${Buttons} main="Tag" />
  </${Window}>`;
}

function Start({ k }) {
  return html`<${Window} title=${`Restart from ${plural(k, "cluster")}`} onSubmit=${() => { close(); edit("start", { k }); }}>
    <p>Your edits are based on the cut into ${plural(state.data?.base ?? 0, "cluster")}, and cannot be carried over to another one. Restarting sets them aside; one undo restores them all.</p>
    <${Buttons} main="Restart" />
  </${Window}>`;
}

function Conflict({ message }) {
  return html`<${Window} title="Conflict: someone else edited first" onSubmit=${close}>
    <p>${message[0].toUpperCase() + message.slice(1)}.</p><p>Your edit was not applied; the page is up to date.</p>
    <div class="buttons"><span class="grow" /><button class="main" type="submit">Close</button></div>
  </${Window}>`;
}

/** Twenty images at random: which do not belong? */
function Quiz({ cluster }) {
  const [seed] = useState(() => Math.floor(Math.random() * 1e9));
  const [wrong, setWrong] = useState(/** @type {Set<number>} */ (new Set()));
  const found = useAnswer("quiz", { cluster, seed });
  const rows = /** @type {any[]} */ (found?.rows ?? []);
  const before = found?.before;
  const submit = async () => {
    close();
    const numbers = rows.map((r) => r.row);
    await edit("quiz", { cluster, right: numbers.filter((r) => !wrong.has(r)), wrong: numbers.filter((r) => wrong.has(r)) });
  };
  const [low, high] = wilson(wrong.size, rows.length);
  return html`<${Window} title=${`Quiz on ${label(cluster)}`} wide=${true} onSubmit=${submit}>
    <p>${rows.length} images of it at random. Click those that do not belong.
      ${before && html`<span class="soft"> The last quiz found ${before.wrong} of ${before.right + before.wrong} wrong${before.stale ? ", before it was changed" : ""}.</span>`}</p>
    <div class="quiz"><${CrossableTiles} rows=${rows} crossed=${wrong} shown=${84} mark="✕" onCross=${setWrong} /></div>
    ${rows.length > 0 && html`<p aria-live="polite"><b>${wrong.size} of ${rows.length} wrong</b>: an error rate of ${Math.round((100 * wrong.size) / rows.length)}% (95% confidence interval: ${Math.round(100 * low)} to ${Math.round(100 * high)}%).</p>`}
    <${Buttons} main="Save the answers" disabled=${!rows.length} />
  </${Window}>`;
}

/** The interval of a share (Wilson, 1927). @param {number} k @param {number} n @returns {[number, number]} */
export function wilson(k, n) {
  if (!n) return [0, 1];
  const z = 1.96;
  const p = k / n;
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
