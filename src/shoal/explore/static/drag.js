// Dragging an image or a cluster onto a cluster: move, or merge; or into the tray.

import { ask } from "./actions.js";
import { post } from "./api.js";
import { complain, edit, pickedSet, set, stand, state } from "./store.js";

const ROW = "application/x-shoal-row";
const CLUSTER = "application/x-shoal-cluster";

/** @param {string} kind @param {number} number */
const source = (kind, number) => (state.run.read_only ? {} : {
  draggable: true,
  onDragStart: (/** @type {DragEvent} */ event) => {
    event.dataTransfer?.setData(kind, String(number));
    if (event.dataTransfer) event.dataTransfer.effectAllowed = "move";
    setTimeout(() => set({ dragging: true })); // a page that changes at once ends the drag
  },
  onDragEnd: () => set({ dragging: false }),
});

/** What lets an image be dragged. @param {number} row */
export const draggedRow = (row) => source(ROW, row);

/** What lets a cluster be dragged. @param {number} id */
export const draggedCluster = (id) => source(CLUSTER, id);

/** What lets images and clusters be dropped on a cluster. @param {number} id */
export const dropTarget = (id) => dropped((row, cluster) => {
  if (row !== null) move(row, id).catch(complain);
  else if (cluster !== id) ask({ kind: "merge", clusters: [cluster, id], into: id });
});

/** What lets images and clusters be dropped somewhere. @param {(row: number|null, cluster: number|null) => void} then */
export const dropped = (then) => (state.run.read_only ? {} : {
  onDragOver: (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.some((type) => type === ROW || type === CLUSTER)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    /** @type {HTMLElement} */ (event.currentTarget).classList.add("over");
  },
  onDragLeave: left,
  onDrop: (/** @type {DragEvent} */ event) => {
    const [row, cluster] = [ROW, CLUSTER].map((kind) => event.dataTransfer?.getData(kind) ?? "");
    left(event);
    if (!row && !cluster) return;
    event.preventDefault();
    event.stopPropagation();
    set({ dragging: false });
    then(row ? Number(row) : null, cluster ? Number(cluster) : null);
  },
});

/** @param {DragEvent} event */
function left(event) {
  /** @type {HTMLElement} */ (event.currentTarget).classList.remove("over");
}

/** Move an image to a cluster; with it all that are picked, if it is one of them. @param {number} row @param {number} to */
async function move(row, to) {
  const { k } = state;
  const found = state.pickedAll || state.picked.has(row) ? await pickedSet() : await post("sets", { rows: [row] }, { k });
  if (await stand()) await edit("move", { set: found.set, to });
}
