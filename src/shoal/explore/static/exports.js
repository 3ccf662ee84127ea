// Exports: tables, folders, contact sheets.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { address } from "./api.js";
import { complain, editedCount, images, orderNow, pickedSet, state, useStore } from "./store.js";
import { Buttons, Window, close } from "./dialogs.js";

const PROGRAMS = { coco: "COCO", huggingface: "Hugging Face datasets", "label-studio": "Label Studio", fiftyone: "FiftyOne" };
const FORMS = [
  ["csv", "Table, CSV", "row, name, cluster, its name, confidence, outlier, moved by hand"],
  ["spreadsheet", "Table, CSV for spreadsheets", "the same, with ' in front of text that would run as a formula"],
  ["parquet", "Table, Parquet", "the same, for pandas, Polars, DuckDB"],
  ["folders", "Images in folders", "a zip file with a folder for each cluster"],
  ["dataset", "Images for another program", "the same zip file, with the list of images that the program reads"],
  ["sheet", "Contact sheet", "one PNG of up to 400 images"],
];

/** Export the selected images, or all that are shown. */
export function ExportDialog() {
  const [form, setForm] = useState("csv");
  const [program, setProgram] = useState("coco");
  const n = useStore(editedCount);
  const submit = async () => {
    close();
    try {
      const chosen = await pickedSet();
      const order = orderNow(state);
      const link = document.createElement("a");
      link.href = address("export", { set: chosen.set, k: state.k, as: form === "dataset" ? program : form, order: order === "overview" ? "typical" : order, seed: state.seed });
      link.download = "";
      link.click();
    } catch (error) {
      complain(error);
    }
  };
  const forms = FORMS.filter(([name]) => state.run.thumb || !["folders", "dataset", "sheet"].includes(name));
  return html`<${Window} title=${n === null ? "Export images" : `Export ${images(n)}`} onSubmit=${submit}>
    <fieldset class="forms"><legend class="sr">Form</legend>${forms.map(([name, caption, what]) => html`<label key=${name}><input type="radio" name="form" checked=${form === name} onChange=${() => setForm(name)} />
      <span><b>${caption}</b><br /><span class="soft">${what}</span>
        ${name === "dataset" && form === name && html`<br /><select aria-label="Which program" value=${program} onChange=${(e) => setProgram(e.target.value)}>${Object.entries(PROGRAMS).map(([as, called]) => html`<option key=${as} value=${as}>${called}</option>`)}</select>`}</span></label>`)}</fieldset>
    <${Buttons} main="Export" />
  </${Window}>`;
}
