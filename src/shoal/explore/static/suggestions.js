// Names that the rows suggest, until somebody accepts them: one at a time, or all at once.

import { html, useEffect } from "./vendor/htm-preact-3.1.1.js";
import { get } from "./api.js";
import { complain, count, edit, say, set, stand, state, useStore } from "./store.js";

/** What a cluster without a name might be called. @param {number} id @returns {string|null} */
export const suggestion = (id) => {
  const { of, names } = state.suggestions;
  return of === state.data && !state.byId.get(id)?.called && !state.byId.get(id)?.locked ? names[id] ?? null : null;
};

/** Load what is suggested for the clusters that are shown. */
export async function loadSuggestions() {
  const { data, k } = state;
  if (!data || state.suggestions.of === data) return;
  const { names } = await get("suggestions", { k });
  if (state.data === data) set({ suggestions: { of: data, names } });
}

/** Accept what is suggested for some clusters. @param {number[]} ids */
export async function accept(ids) {
  const names = Object.fromEntries(ids.map((id) => [id, suggestion(id)]).filter(([, name]) => name));
  const some = Object.entries(names);
  if (!some.length) {
    say("No suggestion: press l to name it.", true);
    return;
  }
  if (!(await stand().catch(complain))) return;
  if (some.length === 1) await edit("rename", { cluster: Number(some[0][0]), name: some[0][1] });
  else await edit("names", { names });
}

/** A suggestion beside a cluster's number, always shown as one. */
export function Suggested({ id }) {
  useStore((s) => [s.suggestions, s.data]);
  const name = suggestion(id);
  return name && html` <span class="suggested" title=${`“${name}” is suggested by what is in it: accept with a`}>${name}?</span>`;
}

/** All that is suggested, to be accepted at once. */
export function AcceptAll() {
  const data = useStore((s) => s.data);
  useStore((s) => s.suggestions);
  useEffect(() => { loadSuggestions().catch(complain); }, [data]);
  const ids = (data?.clusters ?? []).map((c) => c.id).filter((id) => suggestion(id));
  if (!ids.length || state.run.read_only) return null;
  return html`<button class="link" title="Names that most rows of a cluster suggest, by folder or columns; one undo removes them" onClick=${() => accept(ids)}>Accept ${count(ids.length)} suggested name${ids.length === 1 ? "" : "s"}</button>`;
}
