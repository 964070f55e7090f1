// Makes the tables ARIA grids that share one tab stop. The arrow keys go from cell to cell, and
// between tables over the headings of the services. Without this script, each control is a tab stop.
const root = document.querySelector("[data-policy]");
const filter = document.querySelector("[data-filter] input");
const LINES = "summary, tbody tr";
const ITEMS = ".cell, .never";
let column = 1; // of the cells; a heading has none
let stop = null; // the element with tabindex 0

const columnOf = (item) => item.closest("td").cellIndex;
const lineOf = (item) => item.closest(LINES);
const isHeading = (line) => line.matches("summary");
const lines = () => [...root.querySelectorAll(LINES)].filter((line) => line.checkVisibility());
const itemsOf = (line) => (isHeading(line) ? [line] : [...line.querySelectorAll(ITEMS)].filter((item) => item.checkVisibility()));

function dress() {
  for (const table of root.querySelectorAll("table")) table.role = "grid";
  for (const item of root.querySelectorAll(`summary, ${ITEMS}`)) item.tabIndex = item === stop ? 0 : -1;
  for (const cell of root.querySelectorAll(".never:not([title])")) {
    const row = cell.parentElement;
    const { type } = row.dataset;
    const severity = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent;
    const isDetected = !("undetected" in row.dataset);
    if (!isDetected) cell.title = "There is no detector for this yet.";
    else cell.title = type ? "Findings of this type never have this severity." : "No finding type of this service has this severity.";
    cell.ariaLabel = `${type || row.cells[0].textContent}, ${severity}: ${isDetected ? "never" : "not detected yet"}`;
  }
}

// Only what can be seen can be the tab stop: the filter and the headings hide rows.
function keepStop() {
  if (stop?.isConnected && stop.checkVisibility()) return;
  if (stop) stop.tabIndex = -1;
  const [first] = lines();
  stop = first ? at(first) : null;
  if (stop) stop.tabIndex = 0;
}

function at(line) {
  const items = itemsOf(line);
  return isHeading(line) ? line : items.find((item) => columnOf(item) >= column) ?? items.at(-1);
}

function go(item) {
  item?.focus();
  item?.scrollIntoView({ block: "nearest" });
}

function next(event, item) {
  const all = lines();
  const line = lineOf(item);
  const here = all.indexOf(line);
  const items = itemsOf(line);
  const headings = all.filter(isHeading);
  const { key } = event;
  if (event.ctrlKey || event.metaKey) return { Home: all[0], End: all.at(-1) }[key];
  if (key === "ArrowDown") return all[here + 1];
  if (key === "ArrowUp") return all[here - 1];
  if (key === "PageDown") return headings.find((heading) => all.indexOf(heading) > here);
  if (key === "PageUp") return headings.findLast((heading) => all.indexOf(heading) < here);
  if (isHeading(line)) {
    if (key === "ArrowRight" || key === "ArrowLeft") line.parentElement.open = key === "ArrowRight";
    return null;
  }
  return { ArrowRight: items[items.indexOf(item) + 1], ArrowLeft: items[items.indexOf(item) - 1], Home: items[0], End: items.at(-1) }[key];
}

const KEYS = new Set(["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"]);
root.addEventListener("keydown", (event) => {
  if (!KEYS.has(event.key) || event.altKey || event.shiftKey) return;
  const item = event.target.closest(`summary, ${ITEMS}`);
  if (!item) return;
  event.preventDefault();
  const found = next(event, item);
  if (found) go(found.matches(LINES) ? at(found) : found);
});
root.addEventListener("focusin", ({ target }) => {
  const item = target.closest(`summary, ${ITEMS}`);
  if (!item) return;
  if (stop) stop.tabIndex = -1;
  stop = item;
  stop.tabIndex = 0;
  if (!item.matches("summary")) column = columnOf(item);
});
filter.addEventListener("keydown", (event) => {
  const [first] = lines();
  if (event.key !== "ArrowDown" || !first) return;
  event.preventDefault();
  go(at(lines().find((line) => !isHeading(line)) ?? first));
});
document.addEventListener("policy:filtered", keepStop);
root.addEventListener("toggle", keepStop, true); // does not bubble
document.addEventListener("policy:loaded", () => {
  dress();
  keepStop();
});
dress();
keepStop();
