// The map: tiles from the server, names of clusters, outlines drawn by hand.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.js";
import { address, get, post } from "./api.js";
import { colour, complain, count, factsOf, label, listen, say, select, selectArea, set, state, useStore } from "./store.js";
import { drawLabels, pictured } from "./labels.js";
import { strip, tileStyle } from "./thumbs.js";
import { IconButton, Switch, Thumb, toggled } from "./widgets.js";

const TILE = 512;
const STEP = 1 / 3; // of a level, for one notch of the wheel

/** @type {any} */
const L = globalThis["L"];

export function MapPanel() {
  const map = useStore((s) => s.map);
  return html`<section class="panel map-panel" aria-label="Map">
    ${map.ready ? html`<${LiveMap} />` : html`<${Waiting} />`}
  </section>`;
}

function Waiting() {
  const map = useStore((s) => s.map);
  const done = Math.floor(100 * (map.share ?? 0));
  const sheet = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  useEffect(() => { get("map/sketch", { k: state.k }).then(({ points }) => sketched(sheet.current, points), () => null); }, []);
  return html`<div class="waiting-map"><div>
    ${map.trouble ? html`<p class="note bad">${map.trouble}</p>` : html`
      <canvas class="sketch" ref=${sheet} width="460" height="460" aria-hidden="true" />
      <p>Preview: the map is being computed, once per run. Everything else works.</p>
      <div class="progress" role="progressbar" aria-label="Drawing the map" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${done}><i style=${{ width: `${done}%` }} /></div>
      <p class="soft">${done}%</p>`}
  </div></div>`;
}

/** Draw a rough map. @param {HTMLCanvasElement|null} sheet @param {[number, number, number][]} points */
function sketched(sheet, points) {
  const pen = sheet?.getContext("2d");
  if (!sheet || !pen) return;
  const { palette } = state.run;
  pen.globalAlpha = 0.7;
  for (const [x, y, at] of points) {
    pen.fillStyle = palette[at % palette.length];
    pen.beginPath();
    pen.arc(10 + x * (sheet.width - 20), 10 + y * (sheet.height - 20), 3, 0, 7);
    pen.fill();
  }
}

function LiveMap() {
  const box = useRef(null);
  const drawn = useRef(null);
  const [tool, setTool] = useState(null);
  const [hover, setHover] = useState(null);
  const [empty, setEmpty] = useState(false);
  const map = useStore((s) => s.map);
  // Before the next event, not after the next paint: who is quick has the tool in hand already.
  useLayoutEffect(() => {
    drawn.current = new Drawn(box.current, setHover, () => setTool(null), setEmpty);
    return () => drawn.current.remove();
  }, []);
  useLayoutEffect(() => { drawn.current.tool = tool; box.current.classList.toggle("drawing", tool !== null); }, [tool]);
  const [area, only, some, places, near] = useStore((s) => [s.area, s.only, s.scope.set !== null, s.places, s.view !== null && s.view.z >= pictured()]);
  const percent = Math.round(100 * map.recall);
  return html`<div class="map-bar bar">
      <${Switch} name="Select on the map" options=${[["lasso", "Lasso"], ["box", "Box"]]} value=${tool}
        title=${(/** @type {string} */ caption) => `${caption}: draw around images. Or hold Shift and drag.`} onChoose=${(/** @type {string} */ name) => setTool(tool === name ? null : name)} />
      ${area && html`<button onClick=${() => selectArea(null)}>Clear the area</button>`}
      ${state.run.thumb && near && html`<label class="only" title="Images are moved apart so that none is hidden: show them at their exact positions"><input type="checkbox" checked=${places} onChange=${(e) => set({ places: e.target.checked })} /> Exact positions</label>`}
      ${some && html`<label class="only" title="Show only what is selected"><input type="checkbox" checked=${only} onChange=${(e) => set({ only: e.target.checked })} /> Only selected</label>`}
      <span class="grow" />
      <${IconButton} icon="minus" name="Zoom out" title="Zoom out (−)" onClick=${() => drawn.current.map.zoomOut(1)} />
      <${IconButton} icon="plus" name="Zoom in" title="Zoom in (+)" onClick=${() => drawn.current.map.zoomIn(1)} />
      ${some && html`<button title="Zoom to what is selected" onClick=${() => drawn.current.toSelection().catch(complain)}>Selection</button>`}
      <button title="Show the whole map" onClick=${() => drawn.current.whole()}>Fit</button>
    </div>
    <div class="map-box" ref=${box} role="application" aria-label="Map of all images: arrow keys move, plus and minus zoom, Enter selects what is in the middle, Shift and Enter everything in view"></div>
    ${empty && html`<p class="map-empty" role="status">There is no image here. <button class="link" onClick=${() => drawn.current.whole()}>Show the whole map</button></p>`}
    ${hover && html`<${Hover} at=${hover} />`}
    <footer class="foot" title="The share of an image's 10 nearest neighbours that are also among its 10 nearest on the map.">
      <span>For viewing only: distances are approximate. <b>${percent}%</b> of nearest neighbours are next to each other here.</span></footer>`;
}

function Hover({ at }) {
  return html`<div class="hover" style=${{ left: `${at.left}px`, top: `${at.top}px`, "--c": colour(at.cluster) }} aria-hidden="true">
    ${state.run.thumb && html`<${Thumb} style=${tileStyle(strip([at.row], 64), 0, 64)} size=${64} />`}
    <span><b>${label(at.cluster)}</b><br />${at.name ?? `row ${at.row}`}${at.count > 1 ? html`<br /><span class="soft">${count(at.count)} here</span>` : ""}</span>
  </div>`;
}

/** Whether pictures are drawn at their true places, for requests. */
const where = () => (state.places ? "1" : null);

/** What the pictures that are drawn are of. @param {string|null} set @param {string} v */
const drawnOf = (set, v) => (set === null ? `${where()}` : `${set} ${v} ${where()}`);

/** A Leaflet map over the unit square, kept in step with the state of the page. */
class Drawn {
  constructor(box, onHover, onDone, onEmpty) {
    this.tool = null;
    this.onHover = onHover;
    this.onDone = onDone;
    this.onEmpty = onEmpty;
    const crs = L.extend({}, L.CRS.Simple, { transformation: new L.Transformation(TILE, 0, TILE, 0) });
    const { deepest } = state.map;
    this.map = L.map(box, {
      crs, minZoom: -1, maxZoom: deepest, zoomSnap: STEP, wheelPxPerZoomLevel: 300, boxZoom: false, doubleClickZoom: false,
      zoomControl: false, attributionControl: false, fadeAnimation: false, maxBoundsViscosity: 0.8, maxBounds: [[-0.5, -0.5], [1.5, 1.5]],
    });
    for (const [name, z] of [["ground", 200], ["pictures", 250], ["veil", 300], ["names", 450], ["marks", 460]]) {
      this.map.createPane(name).style.zIndex = String(z);
      if (name === "names" || name === "marks") this.map.getPane(name).style.pointerEvents = "none";
    }
    const { view } = state;
    this.view = view;
    if (view) this.map.setView([view.y, view.x], view.z);
    else this.whole(false);
    this.names = L.layerGroup().addTo(this.map);
    this.outline = L.layerGroup().addTo(this.map);
    this.mark = null;
    if (state.run.thumb && state.map.pictures_from !== null) this.pictures();
    this.seen = [];
    this.update();
    this.stop = listen(() => this.update());
    this.map.on("moveend", () => {
      const { lat, lng } = this.map.getCenter();
      this.view = { z: this.map.getZoom(), x: lng, y: lat };
      set({ view: this.view });
      drawLabels(this.map, this.names);
      if (this.near !== (this.map.getZoom() >= pictured())) this.point();
      this.lookSoon();
    });
    this.lookSoon();
    this.map.on("click", (event) => this.click(event));
    this.map.on("dblclick", () => select([]));
    this.map.on("mousemove", (event) => this.hover(event));
    this.map.on("mouseout movestart", () => { this.onHover(null); clearTimeout(this.waiting); });
    box.addEventListener("pointerdown", (event) => this.begin(event), true);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === box) this.enter(event); });
    this.watch = new ResizeObserver(() => this.map.invalidateSize({ animate: false }));
    this.watch.observe(box);
  }

  remove() {
    clearTimeout(this.looking);
    clearTimeout(this.waiting);
    this.stop();
    this.watch.disconnect();
    this.map.remove();
  }

  lookSoon() {
    clearTimeout(this.looking);
    this.looking = setTimeout(() => this.look().catch(() => null), 200);
  }

  /** Say so when nothing lies in what is seen. */
  async look() {
    const seen = this.map.getBounds();
    // Pictures that are moved apart fill whole units: see map_layout.py.
    const unit = state.run.thumb && !state.places && this.map.getZoom() >= pictured() ? 2 ** state.map.pictures_from * (TILE / state.map.cell / 2) : 0;
    const out = (/** @type {number} */ v, /** @type {number} */ at) => Math.max(0, Math.min(1, unit ? (at < 2 ? Math.floor(v * unit) : Math.ceil(v * unit)) / unit : v));
    const [x0, y0, x1, y1] = [seen.getWest(), seen.getSouth(), seen.getEast(), seen.getNorth()].map(out);
    const within = x0 < x1 && y0 < y1;
    const ask = { x0: x0.toFixed(7), y0: y0.toFixed(7), x1: x1.toFixed(7), y1: y1.toFixed(7) };
    this.onEmpty(!within || !(await get("map/occupied", ask)).occupied);
  }

  /** Show the whole map. */
  whole(animate = true) {
    this.map.fitBounds([[0, 0], [1, 1]], { animate });
  }

  /** Show what is selected, however small it is on the map. */
  async toSelection() {
    const { low, high } = await get("map/bounds", { set: state.scope.set });
    this.map.fitBounds([[low[1], low[0]], [high[1], high[0]]], { padding: [40, 40], maxZoom: Math.max(this.map.getZoom(), pictured() + 2) });
  }

  layer(url, pane, more = {}) {
    const { deepest } = state.map;
    const made = L.tileLayer("", { tileSize: TILE, pane, minZoom: -1, minNativeZoom: 0, maxNativeZoom: deepest, maxZoom: deepest, noWrap: true,
      bounds: [[0, 0], [1, 1]], keepBuffer: 1, updateWhenZooming: false, className: "tiles-drawn", alt: "", ...more });
    made.getTileUrl = (at) => {
      const side = 2 ** at.z;
      return at.x < 0 || at.y < 0 || at.x >= side || at.y >= side || at.z < 0 ? L.Util.emptyImageUrl : url(at);
    };
    return made;
  }

  /** Pictures, which stay the same whatever the clusters are; or of a set alone. @param {string|null} set @param {string} v */
  pictures(set = null, v = state.run.version) {
    const made = this.layer((at) => address("map/mosaic", { z: at.z, x: at.x, y: at.y, k: set === null ? null : state.k, set, true: where(), v }), "pictures",
      { minZoom: pictured(), className: "tiles-pictures" }).addTo(this.map);
    this.drawnPictures?.remove();
    this.drawnPictures = made;
    this.picturesOf = drawnOf(set, v);
  }

  /** Draw again what no longer fits the state. */
  update() {
    const { data, scope, picked, pickedAll, open, area, only, view, places } = state;
    if (view && view !== this.view) this.map.setView([view.y, view.x], view.z);
    const now = [data, scope, picked, pickedAll, open, area, only, places];
    const before = this.seen;
    this.seen = now;
    if (data !== before[0] || scope !== before[1] || picked !== before[2] || pickedAll !== before[3] || only !== before[6] || places !== before[7]) this.ground();
    if (data !== before[0] || only !== before[6] || (only && scope !== before[1])) drawLabels(this.map, this.names);
    if (area !== before[5]) this.drawArea();
    if (open !== before[4] || places !== before[7]) this.point();
  }

  /** The colours: those chosen strong, the others faint. */
  async ground() {
    const { k, data, scope, picked, only } = state;
    if (!data) return;
    let chosen = scope.set;
    if (picked.size) {
      const found = await post("sets", { rows: [...picked] }, { k }).catch(complain);
      if (!found || state.picked !== picked) return;
      chosen = found.set;
    }
    // Both the clusters and the set come anew after an edit; what is drawn changes once, and not at all by a name or a mark.
    const hide = only && chosen !== null ? "1" : null;
    const drawn = [k, chosen, data.rows_name, hide, where()].join();
    if (this.shown && drawn === this.drawn) return;
    this.drawn = drawn;
    const from = state.map.pictures_from ?? 99;
    const v = `${state.run.version}-${data.rows_name}`;
    const made = this.layer((at) => address("map/tile", {
      z: at.z, x: at.x, y: at.y, k, set: chosen, what: at.z >= from ? "frames" : "density", hide, true: where(), v,
    }), "ground");
    // Squares that pictures lie on stay sharp; points are round, and stay so when they are scaled.
    made.on("tileloadstart", ({ tile, coords }) => { tile.style.imageRendering = coords.z >= from ? "pixelated" : "auto"; });
    const old = this.shown;
    this.shown = made;
    made.once("load", () => old?.remove());
    made.addTo(this.map);
    this.veil?.remove();
    this.veil = null;
    if (state.run.thumb && state.map.pictures_from !== null && this.picturesOf !== drawnOf(hide && chosen, v)) hide ? this.pictures(chosen, v) : this.pictures();
    if (chosen !== null && !hide && state.map.pictures_from !== null) {
      this.veil = this.layer((at) => address("map/tile", { z: at.z, x: at.x, y: at.y, k, set: chosen, what: "veil", true: where(), v }), "veil", { minZoom: pictured() }).addTo(this.map);
    }
  }

  drawArea() {
    this.outline.clearLayers();
    if (state.area) L.polygon(state.area.map(([x, y]) => [y, x]), { className: "outline", interactive: false, weight: 2, fill: false }).addTo(this.outline);
  }

  /** Mark the open image. */
  async point() {
    this.near = this.map.getZoom() >= pictured();
    const { open } = state;
    this.mark?.remove();
    this.mark = null;
    if (open === null) return;
    const facts = await factsOf(open).catch(() => null);
    if (state.open !== open || !facts?.xy) return;
    this.mark?.remove();
    const [x, y] = facts.apart && !state.places && this.map.getZoom() >= pictured() ? facts.apart : facts.xy;
    this.mark = L.circleMarker([y, x], { pane: "marks", radius: 13, className: "mark-open", interactive: false, weight: 3, fill: false }).addTo(this.map);
    if (!this.map.getBounds().contains([facts.xy[1], facts.xy[0]])) this.map.panTo([facts.xy[1], facts.xy[0]]);
  }

  async at(event) {
    const { lat, lng } = event.latlng;
    if (lat < 0 || lng < 0 || lat > 1 || lng > 1) return null;
    const z = Math.max(0, Math.round(this.map.getZoom()));
    const found = await get("map/at", { x: lng.toFixed(7), y: lat.toFixed(7), z, k: state.k, true: where() });
    return found.row === null ? null : found;
  }

  /** Select by the keyboard: what is in the middle, or with Shift all that is seen. */
  enter(event) {
    event.preventDefault();
    const seen = this.map.getBounds();
    const [w, e, s, n] = [seen.getWest(), seen.getEast(), seen.getSouth(), seen.getNorth()].map((v) => Number(Math.max(0, Math.min(1, v)).toFixed(5)));
    if (!event.shiftKey) this.choose({ latlng: this.map.getCenter(), originalEvent: event }).then((found) => { if (!found) say("No image is in the middle of the map: move it with the arrow keys.", true); });
    else if (w < e && s < n) this.outlined([[w, s], [e, s], [e, n], [w, n]]);
  }

  /** Select what is drawn in an outline: pictures where they are seen, moved apart or not. @param {[number, number][]} area */
  outlined(area) {
    selectArea(area, state.run.thumb !== null && !state.places && this.map.getZoom() >= pictured());
  }

  click(event) {
    if (!this.drawing && !this.justDrawn) this.choose(event);
  }

  /** Select what lies at a place; tell whether there is something. */
  async choose(event) {
    const found = await this.at(event).catch(complain);
    if (!found) return false;
    const near = this.map.getZoom() >= pictured();
    const { ctrlKey, metaKey } = event.originalEvent;
    if (near && !ctrlKey && !metaKey) set({ open: found.row });
    else select(ctrlKey || metaKey ? toggled(state.selected, found.cluster) : [found.cluster]);
    return true;
  }

  hover(event) {
    clearTimeout(this.waiting);
    if (this.drawing) return;
    this.waiting = setTimeout(async () => {
      const found = await this.at(event).catch(() => null);
      if (!found) { this.onHover(null); return; }
      const size = this.map.getSize();
      const { x, y } = event.containerPoint;
      this.onHover({ ...found, left: Math.min(x + 14, size.x - 210), top: Math.min(y + 58, size.y - 40) });
    }, 70);
  }

  /** Begin an outline, with a tool or with Shift. */
  begin(event) {
    this.justDrawn = false;
    if (event.button !== 0 || (!this.tool && !event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    this.onHover(null);
    this.map.dragging.disable();
    const box = this.map.getContainer();
    const place = (e) => this.map.containerPointToLatLng(this.map.mouseEventToContainerPoint(e));
    const kind = this.tool ?? "lasso";
    const points = [place(event)];
    this.drawing = L.polygon(points, { className: "outline", interactive: false, weight: 2, fill: false }).addTo(this.map);
    const corners = (end) => {
      const [a] = points;
      return [a, L.latLng(a.lat, end.lng), end, L.latLng(end.lat, a.lng)];
    };
    const move = (e) => {
      const here = place(e);
      if (kind === "box") this.drawing.setLatLngs(corners(here));
      else if (this.map.latLngToLayerPoint(here).distanceTo(this.map.latLngToLayerPoint(points[points.length - 1])) > 3) {
        points.push(here);
        this.drawing.setLatLngs(points);
      }
    };
    const end = (e) => {
      box.removeEventListener("pointermove", move, true);
      globalThis.removeEventListener("pointerup", end, true);
      this.map.dragging.enable();
      const drawn = kind === "box" ? corners(place(e)) : points;
      const area = drawn.map((p) => [Number(p.lng.toFixed(5)), Number(p.lat.toFixed(5))]);
      this.drawing.remove();
      this.drawing = null;
      this.justDrawn = true; // the click that ends an outline selects nothing
      this.onDone();
      const step = Math.max(1, Math.ceil(area.length / 300));
      const thinned = area.filter((_, at) => at % step === 0);
      if (thinned.length >= 3) this.outlined(/** @type {any} */ (thinned));
    };
    box.addEventListener("pointermove", move, true);
    globalThis.addEventListener("pointerup", end, true);
  }
}
