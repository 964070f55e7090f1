// Lists the staged changes, offers them as a download, and warns before the user loses them.
const bar = document.querySelector("[data-staged-bar]");
const list = bar.querySelector("[data-staged-list]");
const details = bar.querySelector("[data-staged-details]");
const filter = document.querySelector("[data-filter] input");
const saved = bar.querySelector("[data-saved]");
const told = bar.querySelector("[data-told]");
let file = "";

function entry({ element, name, severity, from, to, meanwhile }) {
  const item = document.createElement("li");
  const target = document.createElement("span");
  const change = document.createElement("span");
  const undo = document.createElement("button");
  target.className = "staged-target";
  target.textContent = `${name}, ${severity}`;
  change.textContent = `${from} → ${to}`;
  if (meanwhile) {
    const note = document.createElement("strong");
    note.className = "staged-meanwhile";
    note.textContent = ` Changed meanwhile; it was: ${meanwhile}.`;
    change.append(note);
  }
  undo.type = "button";
  undo.className = "button-link";
  undo.textContent = "Undo";
  undo.setAttribute("aria-label", `Undo: ${name}, ${severity}`);
  undo.addEventListener("click", () => {
    const place = [...list.children].indexOf(item);
    element.dispatchEvent(new CustomEvent("policy:undo", { bubbles: true }));
    const next = list.children[Math.min(place, list.children.length - 1)];
    const focus = next?.querySelector("button") ?? element;
    (focus.checkVisibility() ? focus : filter).focus(); // the cell may be collapsed or filtered out
  });
  item.append(target, change, undo);
  return item;
}

function offerFile(changes) {
  URL.revokeObjectURL(file);
  const body = JSON.stringify({ policies: changes.map(({ policy }) => policy) }, null, 2);
  file = URL.createObjectURL(new Blob([`${body}\n`], { type: "application/json" }));
  for (const link of bar.querySelectorAll("[data-file]")) link.href = file;
}

function tellUser(text) {
  told.hidden = false;
  bar.hidden = false;
  told.querySelector("[data-told-text]").textContent = text; // last, so that a screen reader says it
}

function askBeforeLeaving(event) {
  event.preventDefault();
}

document.addEventListener("policy:staged", ({ detail: changes }) => {
  const count = changes.length;
  const words = `${count} ${count === 1 ? "change" : "changes"}`;
  bar.querySelector("[data-staged-controls]").hidden = count === 0;
  if (count) {
    bar.hidden = false;
    saved.hidden = true;
  } else {
    details.open = false;
    bar.querySelector("[data-refusal]").hidden = true;
    told.hidden = true;
    bar.hidden = saved.hidden;
  }
  bar.querySelector("[data-staged-count]").textContent = words;
  bar.querySelector("[data-save]").textContent = `Save ${words}`;
  list.replaceChildren(...changes.map(entry));
  offerFile(changes);
  // Only while there are changes: the listener keeps the page out of the back/forward cache.
  const listen = count ? window.addEventListener : window.removeEventListener;
  listen.call(window, "beforeunload", askBeforeLeaving);
});
document.addEventListener("policy:told", ({ detail }) => tellUser(detail));
document.addEventListener("policy:changed", ({ detail: changes }) => {
  const named = changes.slice(0, 3).map(({ name, severity, meanwhile, from }) => `${name}, ${severity}: ${meanwhile} → ${from}`);
  const more = changes.length > named.length ? `; and ${changes.length - named.length} more` : "";
  if (changes.length) tellUser(`Others have changed the policy. This page now shows it: ${named.join("; ")}${more}.`);
});
told.querySelector("[data-told-dismiss]").addEventListener("click", () => {
  told.hidden = true;
  bar.hidden = saved.hidden && list.children.length === 0;
  filter.focus();
});
bar.querySelector("[data-undo-all]").addEventListener("click", () => {
  document.dispatchEvent(new CustomEvent("policy:undo-all"));
  filter.focus();
});
