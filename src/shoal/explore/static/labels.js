// Names on the map: the largest clusters first, whole, inside of it, and none over another.

import { colour, label, state } from "./store.js";
import { inStrips } from "./thumbs.js";

/** @type {any} */
const L = globalThis["L"];
const FACE = 40; // pixels a side of the picture over a name
const TALL = 20;
const EDGE = 3;
const WIDEST = 180;
const SHIFTS = [[0, 0], [0, -24], [0, 24], [-0.6, 0], [0.6, 0], [0, -44], [0, 44]]; // across in widths, down in pixels

/**
 * The zoom from which pictures are drawn. Leaflet draws tiles of the rounded zoom, but holds
 * `minZoom` against the exact one: half a level below the pictures' first zoom their tiles are due.
 */
export const pictured = () => (state.map.pictures_from ?? 3) - 0.5;

const pen = document.createElement("canvas").getContext("2d");

/** How wide a name is drawn. @param {string} text */
function widthOf(text) {
  if (!pen) return WIDEST;
  pen.font = "650 12px system-ui, sans-serif";
  return Math.min(WIDEST, pen.measureText(text).width * 1.06 + 20);
}

/** Put names where there is room; over each a picture, as long as the map shows none itself. @param {any} map @param {any} group */
export function drawLabels(map, group) {
  group.clearLayers();
  const size = map.getSize();
  const clusters = [...(state.data?.clusters ?? [])].sort((a, b) => b.rows - a.rows);
  const most = 30 * 2 ** Math.max(0, map.getZoom());
  const { only, selected, scope } = state;
  const lit = (/** @type {number} */ id) => !only || (selected.length ? selected.includes(id) : !scope.clusters || String(id) in scope.clusters);
  const shown = clusters.slice(0, most).filter((c) => c.xy && lit(c.id) && inside(map.latLngToContainerPoint([c.xy[1], c.xy[0]]), size));
  const faces = state.run.thumb && map.getZoom() < pictured() ? inStrips(shown.map((c) => c.medoid ?? 0), FACE) : null;
  /** @type {{l: number, r: number, t: number, b: number}[]} */
  const taken = [];
  shown.forEach((c, at) => {
    const xy = /** @type {[number, number]} */ (c.xy);
    const text = label(c.id);
    const wide = widthOf(text);
    const place = map.latLngToContainerPoint([xy[1], xy[0]]);
    // With a picture where there is room for it, else the name alone, at last a little aside.
    const named = SHIFTS.map(([x, y]) => ({ face: false, x: x * wide, y }));
    for (const { face, x, y } of faces && c.medoid !== null ? [{ face: true, x: 0, y: 0 }, ...named] : named) {
      const tall = face ? TALL + FACE : TALL;
      const room = clamped({ l: place.x + x - wide / 2, r: place.x + x + wide / 2, t: place.y + y - tall / 2, b: place.y + y + tall / 2 }, size);
      if (taken.some((o) => o.l < room.r && room.l < o.r && o.t < room.b && room.t < o.b)) continue;
      taken.push(room);
      const element = document.createElement("span");
      element.className = "label-on-map";
      element.style.setProperty("--c", colour(c.id));
      if (face && faces) {
        const picture = element.appendChild(document.createElement("span"));
        picture.className = "thumb";
        Object.assign(picture.style, faces(at), { width: `${FACE}px`, height: `${FACE}px` });
      }
      const name = element.appendChild(document.createElement("span"));
      name.textContent = text;
      name.className = "name-on-map";
      const middle = map.containerPointToLatLng([(room.l + room.r) / 2, (room.t + room.b) / 2]);
      L.marker(middle, { icon: L.divIcon({ html: element, className: "name-icon", iconSize: [0, 0] }), pane: "names", interactive: false, keyboard: false }).addTo(group);
      return;
    }
  });
}

/** @param {{x: number, y: number}} at @param {{x: number, y: number}} size */
const inside = (at, size) => at.x >= 0 && at.y >= 0 && at.x <= size.x && at.y <= size.y;

/** Move a box to lie inside of the map. @param {{l: number, r: number, t: number, b: number}} box @param {{x: number, y: number}} size */
function clamped({ l, r, t, b }, size) {
  const dx = Math.max(0, EDGE - l) - Math.max(0, r - size.x + EDGE);
  const dy = Math.max(0, EDGE - t) - Math.max(0, b - size.y + EDGE);
  return { l: l + dx, r: r + dx, t: t + dy, b: b + dy };
}
