// What can be done with the clusters and the images that are selected.

import { html } from "./vendor/htm-preact-3.1.1.js";
import { post } from "./api.js";
import { accept, suggestion } from "./suggestions.js";
import { count, edit, images, nonePicked, openExport, pickedCount, say, set, stand, state, complain, useStore } from "./store.js";
import { IconButton } from "./widgets.js";

/** Open a dialog that is about what edits stand on. @param {Record<string, any>} dialog */
export async function ask(dialog) {
  try {
    if (await stand()) set({ dialog });
  } catch (error) {
    complain(error);
  }
}

/** The clusters that an action is about: those selected. */
const chosen = () => state.selected;

export const act = {
  merge: () => (chosen().length > 1 ? ask({ kind: "merge", clusters: [...chosen()], into: null })
    : say("Select at least two clusters to merge: Ctrl+click them.", true)),
  split: () => (chosen().length === 1 ? ask({ kind: "split", cluster: chosen()[0] }) : say("Select one cluster to split.", true)),
  rename: () => (chosen().length === 1 ? ask({ kind: "rename", cluster: chosen()[0] }) : say("Select one cluster to name.", true)),
  note: () => chosen().length === 1 && ask({ kind: "note", cluster: chosen()[0] }),
  quiz: () => chosen().length === 1 && ask({ kind: "quiz", cluster: chosen()[0] }),
  mark: (/** @type {string} */ mark) => each((id) => ["mark", { cluster: id, mark: state.byId.get(id)?.mark === mark ? null : mark }]),
  tag: () => (chosen().length ? ask({ kind: "tag", clusters: [...chosen()] }) : say("Select clusters to tag.", true)),
  lock: () => each((id) => ["lock", { cluster: id, locked: !state.byId.get(id)?.locked }]),
  undo: (/** @type {any} */ n = 1) => edit("undo", typeof n === "number" && n > 1 ? { n } : {}),
  redo: () => edit("redo"),
  move: () => {
    takeOpen();
    return pickedCount() || state.area ? ask({ kind: "move" }) : say("Select images first: press x, or click the check mark on an image.", true);
  },
};

/** Pick one image, so that what comes next is about it. @param {number} row */
export const take = (row) => set({ picked: new Set([row]), pickedAll: false });

/** Pick the open image, unless others are picked. */
export const takeOpen = () => state.open !== null && !pickedCount() && take(state.open);

/** Move one image to junk. @param {number} row */
export const junk = (row) => stand().then(async (ok) => ok && junkSet((await post("sets", { rows: [row] }, { k: state.k })).set)).catch(complain);

/** Move images to the cluster that is marked as junk, or out into a new one that will be. @param {string} name of the set */
export async function junkSet(name) {
  if (!(await stand())) return false;
  const there = [...state.byId.values()].find((c) => c.mark === "junk" && !c.locked);
  if (!(await edit("move", { set: name, ...(there ? { to: there.id } : { name: "junk" }) }))) return false;
  const made = there ? null : [...state.byId.values()].find((c) => c.name === "junk");
  return !made || edit("mark", { cluster: made.id, mark: "junk" });
}

/** @param {(id: number) => [string, any]} of */
async function each(of) {
  for (const id of [...chosen()]) if (!(await edit(...of(id)))) break;
}

export function Actions() {
  const [selected, area] = useStore((s) => [s.selected, s.area, s.data, s.suggestions]);
  const one = selected.length === 1 ? state.byId.get(selected[0]) : null;
  if (state.run.read_only || (!selected.length && !area)) return null;
  const button = (name, key, caption, run, on = true) => html`<button key=${caption} onClick=${run} disabled=${!on} title=${key ? `${caption} (${key})` : caption}>${name}</button>`;
  return html`<div class="actions" role="toolbar" aria-label="Edit">
    ${one && html`
      ${suggestion(one.id) && button(html`Name it “${suggestion(one.id)}”`, "a", "Accept the suggested name", () => accept([one.id]))}
      ${button("Name", "l", "Name this cluster", act.rename, !one.locked)}
      ${button("Split", "k", "Split this cluster", act.split, !one.locked)}
      ${button("Note", "n", "Write a note", act.note, !one.locked)}
      ${button(one.mark === "good" ? "Not good" : "Good", "", "Mark as good", () => act.mark("good"), !one.locked)}
      ${button(one.mark === "junk" ? "Not junk" : "Junk", "", "Mark as junk", () => act.mark("junk"), !one.locked)}
      ${button(one.locked ? "Unlock" : "Lock", "", one.locked ? "Unlock for edits" : "Lock against edits", act.lock)}
      ${button("Quiz", "q", "Check 20 of its images and mark the wrong ones", act.quiz)}`}
    ${selected.length > 0 && button("Tag", "#", "Tag these clusters", act.tag)}
    ${selected.length > 1 && button(`Merge ${selected.length}`, "g", "Merge these clusters", act.merge)}
    ${area && button("Move …", "m", "Move these images to another or a new cluster", act.move)}
  </div>`;
}

/** What can be done with the images that are picked. */
export function PickedActions() {
  const [pickedAll, scope] = useStore((s) => [s.pickedAll, s.scope, s.picked]);
  const n = pickedCount();
  if (!n) return null;
  return html`<div class="picked" role="region" aria-label="Selected images">
    <b aria-live="polite">${images(n)} selected</b>
    ${!pickedAll && n < scope.rows && html`<button class="link" onClick=${() => set({ picked: new Set(), pickedAll: true })}>all ${count(scope.rows)}</button>`}
    <span class="grow" />
    ${!state.run.read_only && html`<button class="main" onClick=${act.move} title="Move (m)">Move …</button>`}
    <button onClick=${openExport}>Export …</button>
    <${IconButton} icon="close" name="Select none" title="Select none (Esc)" onClick=${() => set(nonePicked())} />
  </div>`;
}
