// The page as a whole: its frame, its start, its address, and news from the server.

import { html, render, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { Advice } from "./advice.js";
import { BASE, address, get } from "./api.js";
import { Clusters } from "./clusters.js";
import { Detail } from "./detail.js";
import { Dialogs } from "./dialogs.js";
import { Icon } from "./icons.js";
import { Gallery } from "./gallery.js";
import { onKey } from "./keys.js";
import { MapPanel } from "./map.js";
import { Panels } from "./panels.js";
import { Review } from "./review.js";
import { Tray } from "./tray.js";
import { Drop } from "./search.js";
import { act } from "./actions.js";
import { complain, count, hasPictures, listen, loadClusters, loadLog, openExport, say, selectArea, set, state, togglePanel, useStore } from "./store.js";
import { IconButton } from "./widgets.js";

const TABS = [["clusters", "Clusters"], ["images", "Images"], ["map", "Map"]];

function App() {
  const [run, data, tab, fatal, panel] = useStore((s) => [s.run, s.data, s.tab, s.fatal, s.panel]);
  if (fatal) return html`<div class="loading"><div><h1>Shoal</h1><p class="note bad" role="alert">${fatal}</p><button onClick=${() => location.reload()}>Try again</button></div></div>`;
  if (!run || !data) return html`<p class="loading" role="status">Opening the run …</p>`;
  return html`<${Top} />
    <${Advice} />
    <nav class="tabbar" aria-label="Parts of the page">${TABS.map(([name, caption]) => html`<button key=${name} class=${tab === name ? "on" : ""} aria-current=${tab === name ? "page" : undefined} onClick=${() => set({ tab: name })}>${caption}</button>`)}</nav>
    <main class=${`columns show-${tab}`}>
      <${Clusters} />
      <div class="middle"><${Gallery} /><${Detail} /></div>
      <${MapPanel} />
      ${panel === "review" ? html`<${Review} />` : html`<${Panels} written=${written} go=${go} />`}
    </main>
    <${Tray} />
    <${Dialogs} /><${Toast} /><${Drop} />`;
}

function Top() {
  const [run, log, away] = useStore((s) => [s.run, s.log, s.away]);
  const pictured = hasPictures();
  const part = (panel, text, title, shown = true) => shown && html`<button class="part" onClick=${() => set({ panel })} title=${title}>${text}</button>`;
  return html`<header class="top">
    ${BASE === "/" ? html`<img src="/static/icon.svg" alt="" width="24" height="24" />` : html`<a href="/" title="All runs" aria-label="All runs"><img src="/static/icon.svg" alt="" width="24" height="24" /></a>`}
    <h1>${run.name}</h1>
    <span class="soft about" title=${run.description}>${run.description}</span>
    <span class="grow" />
    ${away && html`<span class="tag bad" role="status">The server does not respond</span>`}
    ${run.trouble && html`<span class="tag bad" title=${run.trouble}>No pictures</span>`}
    ${run.read_only ? html`<span class="tag">read-only</span>` : html`
      <button aria-label="Undo" onClick=${act.undo} disabled=${!log.undo} title=${log.undo ? `Undo: ${log.undo} (Ctrl+Z)` : "Nothing to undo"}><${Icon} name="undo" /> <span class="named">Undo</span></button>
      <button aria-label="Redo" onClick=${act.redo} disabled=${!log.redo} title=${log.redo ? `Redo: ${log.redo} (Ctrl+Y)` : "Nothing to redo"}><${Icon} name="redo" /> <span class="named">Redo</span></button>`}
    <span class="parts-of">
    ${part("history", html`Edits${log.done ? html` <b class="n">${count(log.done)}</b>` : ""}`, "The log of edits (h)")}
    ${part("review", "Review", "Questions whose answers help most (w)", !run.read_only)}
    ${part("compare", "Compare", "How the clusters changed (c)")}
    ${part("columns", "Columns", "A scatter plot of two columns, and one column by cluster (d)", run.columns)}
    ${part("search", "Find", `Find images like one of yours${run.words ? ", or by words" : ""} (s)`, pictured)}
    ${part("copies", "Duplicates", "Near duplicates: keep one of each group (u)", pictured)}
    ${part("views", "Views", "Save the current view under a name (v)")}
    <button class="part" onClick=${openExport} title="Export tables, folders or contact sheets (e)">Export</button></span>
    <${IconButton} icon="theme" name="Light or dark" onClick=${turnTheme} />
    <${IconButton} icon="help" name="Help" title="Help (?)" onClick=${() => togglePanel("help")} />
  </header>`;
}

/** The last message, as long as somebody reads it; all of them for those who listen to the page. */
function Toast() {
  const [toast, messages] = useStore((s) => [s.toast, s.messages]);
  const [paused, setPaused] = useState(false);
  useEffect(() => {
    if (!toast || paused) return undefined;
    const timer = setTimeout(() => { if (state.toast === toast) set({ toast: null }); }, toast.bad ? 9000 : 5000);
    return () => clearTimeout(timer);
  }, [toast, paused]);
  useEffect(() => { if (!toast) setPaused(false); }, [toast]);
  return html`<div class="sr" role="log" aria-label="Messages"><ol>${messages.map((m) => html`<li key=${m.n} data-n=${m.n}>${m.text}</li>`)}</ol></div>
    <div class="toasts">${toast && html`<div class=${toast.bad ? "toast bad" : "toast"} onMouseEnter=${() => setPaused(true)} onMouseLeave=${() => setPaused(false)}
        onFocusIn=${() => setPaused(true)} onFocusOut=${() => setPaused(false)}>
    <span>${toast.text}</span>
    ${(toast.undo ?? 0) > 0 && !state.run.read_only && html`<button class="link" onClick=${() => { const { undo } = toast; set({ toast: null }); act.undo(undo); }}>Undo</button>`}
    <${IconButton} icon="close" name="Dismiss" onClick=${() => set({ toast: null })} /></div>`}</div>`;
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("shoal-theme", document.documentElement.dataset.theme);
}

// The address restores the view.

function written() {
  const { k, selected, area, apart, order, open, view, size, tab, where } = state;
  const parts = {
    k: k === null ? "" : k, c: selected.join("."), o: order === "overview" ? "" : order, i: open ?? "",
    m: view ? [view.z, view.x, view.y].map((v) => Number(v.toFixed(4))).join("_") : "",
    p: area && apart ? 1 : "", a: area ? area.flat().map((v) => Math.round(v * 1e4)).join(".") : "", s: size === standardSize() ? "" : size, t: tab === "images" ? "" : tab,
    w: where.length ? encodeURIComponent(JSON.stringify(where)) : "",
  };
  return Object.entries(parts).filter(([, v]) => v !== "").map(([n, v]) => `${n}=${v}`).join("&");
}

/** Read the view out of an address; what does not fit is left out. @param {string} hash */
function read(hash) {
  const found = new URLSearchParams(hash);
  const numbers = (name, by) => (found.get(name) ?? "").split(by).filter((v) => v !== "").map(Number).filter(Number.isFinite);
  const k = Number(found.get("k")) || null;
  const view = numbers("m", "_");
  const flat = numbers("a", ".").map((v) => v / 1e4);
  const area = flat.length >= 6 && flat.length % 2 === 0 ? flat.map((v, at) => [v, flat[at + 1]]).filter((_, at) => at % 2 === 0) : null;
  return {
    k: k !== null && k >= 1 && k <= state.run.representatives ? k : null,
    selected: numbers("c", ".").filter((c) => c >= 0 && c < 2 ** 31 && Number.isInteger(c)),
    order: state.run.orders.includes(found.get("o")) ? String(found.get("o")) : "overview",
    open: found.has("i") && Number(found.get("i")) >= 0 && Number(found.get("i")) < state.run.rows ? Number(found.get("i")) : null,
    view: view.length === 3 ? { z: view[0], x: view[1], y: view[2] } : null,
    size: Math.max(32, Math.min(208, Number(found.get("s")) || standardSize())),
    tab: TABS.some(([name]) => name === found.get("t")) ? String(found.get("t")) : "images",
    area,
    apart: found.has("p"),
    where: filters(found.get("w")),
  };
}

/** @param {string|null} text */
function filters(text) {
  try {
    const where = JSON.parse(text ?? "[]");
    return Array.isArray(where) ? where : [];
  } catch {
    return [];
  }
}

const standardSize = () => (state.run.thumb?.small ? 56 : 112);

function keepAddress() {
  let last = "";
  let timer = 0;
  listen(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = written();
      if (now !== last && state.data) history.replaceState(null, "", now ? `#${now}` : location.pathname);
      last = now;
    }, 250);
  });
}

/** Hear of edits by others, and of the map. */
function hear() {
  const source = new EventSource(address("events"));
  source.onmessage = (event) => heard(JSON.parse(event.data)).catch(complain);
  source.onerror = () => set({ away: true });
}

/** Take in what changed. @param {any} news */
async function heard(news) {
  if (state.away) set({ away: false });
  const before = state.map;
  if (news.map.ready && !before.ready) {
    set({ map: await get("map") });
    await loadClusters(state.k);
  } else if (!news.map.ready) set({ map: news.map });
  if (news.trouble) say(news.trouble, true);
  if (news.seq !== null && state.data && news.seq > state.data.seq && news.seq > (state.log.seq ?? 0)) {
    await loadLog();
    await loadClusters(state.k);
  }
}

/** Show a view. @param {string} hash */
async function go(hash) {
  const { k, selected, order, open, view, size, tab, area, apart, where } = read(hash);
  set({ order, size, view, tab, where, area: null });
  await loadClusters(k, selected).catch(() => loadClusters(null, []));
  if (area && state.map.ready) await selectArea(/** @type {any} */ (area), apart);
  set({ open, tab });
}

async function begin() {
  const theme = localStorage.getItem("shoal-theme");
  if (theme) document.documentElement.dataset.theme = theme;
  set({ author: localStorage.getItem("shoal-author") ?? "" });
  try {
    const [run, map] = await Promise.all([get("run"), get("map")]);
    set({ run, map });
    document.title = `${run.name} – Shoal`;
    await go(location.hash.slice(1));
    loadLog().catch(complain);
    keepAddress();
    hear();
  } catch (error) {
    set({ fatal: error instanceof Error ? error.message : String(error) });
  }
}

document.addEventListener("keydown", onKey);
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
begin();
