// Filters rows as you type. While a filter is set, services with matches are expanded; clearing the
// filter restores the previous state.
const root = document.querySelector("[data-policy]");
const filter = document.querySelector("[data-filter]");
const input = filter.querySelector("input");
const count = filter.querySelector("[data-filter-count]");
const empty = document.querySelector("[data-filter-empty]");
const all = () => root.querySelectorAll("tr[data-type]:not([data-type=''])").length;
// Each time, because the latest policy may bring other rows.
const services = () =>
  [...root.querySelectorAll("[data-service]")].map((element) => ({
    element,
    rows: [...element.querySelectorAll("tbody tr")].map((row) => ({
      row,
      isService: !row.dataset.type,
      about: `${element.dataset.service} ${row.querySelector("th").textContent}`.toLowerCase(),
    })),
  }));
let foldsBefore = null;

function actionsIn(row) {
  return [...row.querySelectorAll(".cell")].map((cell) => cell.textContent.toLowerCase());
}

function apply() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const each = services();
  if (words.length && !foldsBefore) foldsBefore = new Map(each.map(({ element }) => [element, element.open]));
  let found = 0;
  for (const { element, rows } of each) {
    let matches = 0;
    for (const { row, about, isService } of rows) {
      const actions = actionsIn(row);
      const fits = words.every((word) => about.includes(word) || actions.some((action) => action.startsWith(word)));
      row.hidden = !fits;
      if (fits) matches += 1;
      if (fits && !isService) found += 1;
    }
    element.hidden = matches === 0;
    if (words.length) element.open = matches > 0;
  }
  for (const section of root.querySelectorAll("section")) section.hidden = !section.querySelector("[data-service]:not([hidden])");
  if (!words.length && foldsBefore) {
    for (const [element, wasOpen] of foldsBefore) element.open = wasOpen;
    foldsBefore = null;
  }
  empty.hidden = !words.length || root.querySelector("tbody tr:not([hidden])") !== null;
  count.textContent = words.length ? `${found} of ${all()} types` : `${all()} types`;
  document.dispatchEvent(new CustomEvent("policy:filtered"));
}

input.addEventListener("input", apply);
input.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !input.value) return;
  event.preventDefault();
  input.value = "";
  apply();
});
document.querySelector("[data-filter-clear]").addEventListener("click", () => {
  input.value = "";
  apply();
  input.focus();
});
for (const button of filter.querySelectorAll("[data-fold]")) {
  button.addEventListener("click", () => {
    for (const { element } of services()) element.open = Boolean(button.dataset.fold);
  });
}
document.addEventListener("policy:loaded", apply);
if (input.value) apply(); // browsers restore typed text on reload
