// Parts that several panels share: buttons, choices, chips, small pictures, and loading.

import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { get } from "./api.js";
import { Icon } from "./icons.js";
import { colour, complain, count, label, select } from "./store.js";

/**
 * The answer to a request, null until it is there; the request is sent anew when its query or
 * something of `on` changes.
 * @param {string} path @param {Record<string, any>} [query] @param {any[]} [on]
 * @param {{wait?: number, again?: (answer: any) => number|false, clear?: boolean}} [how] ms before it
 *   is sent, and after an answer until it is sent again; whether a change removes the last answer
 * @returns {any}
 */
export function useAnswer(path, query = {}, on = [], { wait = 0, again = () => 0, clear = false } = {}) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const ask = () => get(path, query, stop.signal).then((answer) => {
      setFound(answer);
      const pause = again(answer);
      if (pause) timer = setTimeout(ask, pause);
    }, complain);
    if (clear) setFound(null);
    if (wait) timer = setTimeout(ask, wait);
    else ask();
    return () => { clearTimeout(timer); stop.abort(); };
  }, [...Object.values(query), ...on]);
  return found;
}

/** Call a function whenever an element changes its size. @param {{current: any}} box @param {() => void} look @param {any[]} [on] */
export function useResize(box, look, on = []) {
  useEffect(() => {
    const watch = new ResizeObserver(look);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, on);
}

/** A list with a value added, or without it. @template T @param {T[]} list @param {T} value */
export const toggled = (list, value) => (list.includes(value) ? list.filter((v) => v !== value) : [...list, value]);

/** The same for a set. @template T @param {Set<T>} set @param {T} value */
export const flipped = (set, value) => new Set(toggled([...set], value));

/** A button with a drawing. @param {{icon: any, name: string, title?: string, onClick: (event: any) => void}} props */
export const IconButton = ({ icon, name, title = name, onClick }) => html`<button type="button" class="icon" aria-label=${name} title=${title} onClick=${onClick}><${Icon} name=${icon} /></button>`;

/** Buttons of which one is on. @param {{name: string, options: [any, string][], value: any, title?: (caption: string) => string, onChoose: (value: any) => void}} props */
export const Switch = ({ name, options, value, title, onChoose }) => html`<div class="switch" role="group" aria-label=${name}>
  ${options.map(([option, caption]) => html`<button type="button" key=${caption} aria-pressed=${option === value} class=${option === value ? "on" : ""}
    title=${title?.(caption)} onClick=${() => onChoose(option)}>${caption}</button>`)}</div>`;

/** A list to choose from. @param {{name: string, options: [any, string][], value: any, onChoose: (value: string) => void}} props */
export const Choice = ({ name, options, value, onChoose }) => html`<label class="field"><span>${name}</span><select value=${value} onChange=${(/** @type {any} */ e) => onChoose(e.target.value)}>
  ${options.map(([option, caption]) => html`<option key=${option} value=${option}>${caption}</option>`)}</select></label>`;

/** A cluster to click, perhaps with how many rows of it are meant. @param {{id: number, n?: number}} props */
export const ClusterChip = ({ id, n }) => html`<button class="chip" style=${{ "--c": colour(id) }} title=${`Show ${label(id)}`} onClick=${() => select([id])}><span class="dot" aria-hidden="true" />${label(id)}${n !== undefined && html` <b>${count(n)}</b>`}</button>`;

/** A small picture; `style` says where it is in its strip. @param {{style: any, size: number, tall?: number}} props */
export const Thumb = ({ style, size, tall = size }) => html`<span class="thumb" style=${{ ...style, width: `${size}px`, height: `${tall}px` }} aria-hidden="true" />`;

/** The bars of a histogram as a path. @param {number[]} counts @param {number} most @param {number} width @param {number} height */
export function bars(counts, most, width, height) {
  const wide = width / counts.length;
  return counts.map((n, at) => `M${at * wide} ${height}v${((2 - height) * n) / most}h${wide * 0.86}V${height}z`).join("");
}
