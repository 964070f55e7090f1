// One action menu for all cells. It opens next to the clicked cell and dispatches the choice to it.
const menu = document.querySelector("[data-menu]");
const takeBack = menu.querySelector("[data-menu-take-back]");
const undo = menu.querySelector("[data-menu-undo]");
const choices = () => [...menu.querySelectorAll("[role^=menuitem]:not([hidden])")];
const GAP = 4; // pixels
let cell;

function open(clicked) {
  cell = clicked;
  const row = cell.closest("tr");
  const { severity } = cell.dataset;
  const name = row.dataset.type || `Every ${cell.closest("[data-service]").dataset.service} type`;
  const column = severity ? severity.charAt(0) + severity.slice(1).toLowerCase() : "Every severity";
  menu.querySelector("[data-menu-target]").textContent = `${name} · ${column}`;
  menu.querySelector("[data-menu-origin]").textContent = `Current action: ${cell.textContent}. ${cell.title}.`;
  for (const item of menu.querySelectorAll("[role=menuitemradio]")) {
    item.hidden = item.dataset.choose.endsWith("REVOKE") && !("revoke" in row.dataset);
    item.setAttribute("aria-checked", String("set" in cell.dataset && item.dataset.choose === cell.dataset.action));
  }
  takeBack.hidden = !("set" in cell.dataset);
  undo.hidden = !("staged" in cell.dataset);
  menu.querySelector("[data-menu-below]").textContent = `then ${cell.dataset.below}`;
  menu.showPopover();
  place();
  (menu.querySelector("[aria-checked=true]:not([hidden])") ?? choices()[0]).focus({ preventScroll: true });
}

function place() {
  const at = cell.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = at.bottom + GAP;
  const top = below + height <= window.innerHeight ? below : Math.max(GAP, at.top - GAP - height);
  menu.style.top = `${top}px`;
  const right = document.body.getBoundingClientRect().right - GAP; // the left edge of the scrollbar gutter
  menu.style.left = `${Math.max(GAP, Math.min(at.left, right - width))}px`;
}

function choose(item) {
  const name = item === undo ? "policy:undo" : "policy:choose";
  menu.hidePopover();
  cell.focus({ preventScroll: true });
  cell.dispatchEvent(new CustomEvent(name, { bubbles: true, detail: item.dataset.choose }));
}

function step(event) {
  const items = choices();
  const here = items.indexOf(document.activeElement);
  const starts = (item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase());
  const next = {
    ArrowDown: () => items[(here + 1) % items.length],
    ArrowUp: () => items.at(here - 1),
    Home: () => items[0],
    End: () => items.at(-1),
  }[event.key];
  const target = next ? next() : event.key.length === 1 && [...items.slice(here + 1), ...items].find(starts);
  if (!target || event.key === " ") return;
  event.preventDefault();
  target.focus();
}

document.querySelector("[data-policy]").addEventListener("click", (event) => {
  const clicked = event.target.closest("button.cell");
  if (clicked) open(clicked);
});
menu.addEventListener("click", (event) => {
  const item = event.target.closest("[role^=menuitem]");
  if (item) choose(item);
});
menu.addEventListener("keydown", (event) => {
  if (event.key === "Tab") {
    event.preventDefault();
    menu.hidePopover();
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey) step(event);
});
const follow = () => menu.matches(":popover-open") && place();
window.addEventListener("scroll", follow, { passive: true });
window.addEventListener("resize", follow);
