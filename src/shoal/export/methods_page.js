// Marks a row wherever it is shown: while pointed at, or until it is clicked again.
const kept = new Set();
const places = new Map();
for (const one of document.querySelectorAll("[data-row]")) {
  const row = one.dataset.row;
  if (!places.has(row)) places.set(row, []);
  places.get(row).push(one);
}
function mark(row, on) {
  for (const one of places.get(row)) one.classList.toggle("on", on || kept.has(row));
}
function rowOf(event) {
  const one = event.target.closest("[data-row]");
  return one === null ? null : one.dataset.row;
}
document.addEventListener("pointerover", (event) => {
  const row = rowOf(event);
  if (row !== null) mark(row, true);
});
document.addEventListener("pointerout", (event) => {
  const row = rowOf(event);
  if (row !== null) mark(row, false);
});
document.addEventListener("click", (event) => {
  const row = rowOf(event);
  if (row === null) return;
  if (!kept.delete(row)) kept.add(row);
  mark(row, false);
});
