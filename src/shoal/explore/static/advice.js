// First steps: two sentences about the fit, with the numbers of clusters that they name.

import { html, useState } from "./vendor/htm-preact-3.1.1.js";
import { complain, loadClusters, useStore } from "./store.js";
import { IconButton } from "./widgets.js";

const GREETED = "shoal-greeted";

/** What somebody closed stays closed: the greeting for all runs, the sentences for this one. @param {string} key */
const closed = (key) => localStorage.getItem(key) !== null;

export function Advice() {
  const [run, k, data] = /** @type {[any, number|null, any]} */ (useStore((s) => [s.run, s.k, s.data]));
  const about = `shoal-advice-${run.version}`;
  const [away, setAway] = useState(closed(about));
  const [met, setMet] = useState(closed(GREETED));
  if (away && met) return null;
  const close = () => {
    localStorage.setItem(about, "");
    localStorage.setItem(GREETED, "");
    setAway(true);
    setMet(true);
  };
  const primary = run.layers.find((l) => l.primary).k;
  const now = k ?? (data.edited ? null : data.base);
  const choices = [{ k: primary, why: primary > 1 && !run.method ? "suggested" : "as found" }, ...run.advice.choices];
  const go = (/** @type {number} */ n) => loadClusters(n === data.base ? null : n).catch(complain);
  return html`<section class="advice" aria-label="First steps">
    <div>
      ${!away && html`<p>${run.advice.sentences.join(" ")}</p>
        <div class="chips">${choices.map((c) => html`<button class=${`chip ${now === c.k ? "on" : ""}`} key=${c.k} aria-pressed=${now === c.k}
          onClick=${() => go(c.k)}><b>${c.k}</b> ${c.why}</button>`)}</div>`}
      ${!met && html`<p class="greeting">Look through the clusters, ${run.read_only ? "and " : html`name them<span class="keys-too"> (<kbd>l</kbd>)</span>,
        answer${" "}<b>Review</b><span class="keys-too"> (<kbd>w</kbd>)</span>, then `}export the result: <b>Export</b><span class="keys-too"> (<kbd>e</kbd>)</span>.<span class="keys-too"> <kbd>?</kbd> shows all keys.</span></p>`}
    </div>
    <${IconButton} icon="close" name="Dismiss this advice" onClick=${close} />
  </section>`;
}
