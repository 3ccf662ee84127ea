// What leaves the page: tables, folders, contact sheets.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { address } from "./api.js";
import { complain, editedCount, images, orderNow, pickedSet, set, state, useStore } from "./store.js";
import { Window } from "./dialogs.js";

const FORMS = [
  ["csv", "Table, CSV", "row, name, cluster, its name, confidence, outlier"],
  ["spreadsheet", "Table, CSV for spreadsheets", "the same; texts that would be run as formulas get a ' before them"],
  ["parquet", "Table, Parquet", "the same, for pandas, Polars, DuckDB"],
  ["folders", "Images in folders", "a zip file with a folder for each cluster"],
  ["sheet", "Contact sheet", "one PNG of up to 400 images"],
];

/** Take out what is picked, else what is shown. */
export function ExportDialog() {
  const [form, setForm] = useState("csv");
  const n = useStore(editedCount);
  const submit = async () => {
    set({ dialog: null });
    try {
      const chosen = await pickedSet();
      const order = orderNow(state);
      const link = document.createElement("a");
      link.href = address("export", { set: chosen.set, k: state.k, as: form, order: order === "overview" ? "typical" : order, seed: state.seed });
      link.download = "";
      link.click();
    } catch (error) {
      complain(error);
    }
  };
  const forms = FORMS.filter(([name]) => state.run.thumb || (name !== "folders" && name !== "sheet"));
  return html`<${Window} title=${n === null ? "Export images" : `Export ${images(n)}`} onSubmit=${submit}>
    <fieldset class="forms"><legend class="sr">Form</legend>${forms.map(([name, said, what]) => html`<label key=${name}><input type="radio" name="form" checked=${form === name} onChange=${() => setForm(name)} />
      <span><b>${said}</b><br /><span class="soft">${what}</span></span></label>`)}</fieldset>
    <div class="buttons"><span class="grow" /><button type="button" onClick=${() => set({ dialog: null })}>Cancel</button><button class="main" type="submit">Export</button></div>
  </${Window}>`;
}
