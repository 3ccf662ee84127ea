// Small drawings for buttons.

import { html } from "./vendor/htm-preact-3.1.1.js";

const PATHS = {
  close: "M5 5l10 10M15 5L5 15",
  left: "M12.5 4.5L7 10l5.5 5.5",
  right: "M7.5 4.5L13 10l-5.5 5.5",
  full: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  help: "M7.2 7.6a2.8 2.8 0 1 1 4.3 2.4c-1 .7-1.5 1.1-1.5 2.2M10 15.2v.1",
  undo: "M7 5L3.5 8.5 7 12M4 8.5h7.5a4 4 0 0 1 0 8H9",
  redo: "M13 5l3.5 3.5L13 12M16 8.5H8.500a4 4 0 0 0 0 8H11",
};

/** @param {{name: keyof typeof PATHS}} props */
export const Icon = ({ name }) => html`<svg class="svg-icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
