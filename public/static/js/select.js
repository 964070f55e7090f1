// Selects all rows of the page, and counts the selected ones. Without it, the checkboxes work too.
const all = document.querySelector("[data-select-all]");
const rows = [...document.querySelectorAll('input[name="finding"][form="selected"]')];
const count = document.querySelector("[data-selected-count]");

const show = () => {
  const selected = rows.filter((row) => row.checked).length;
  all.checked = selected === rows.length;
  all.indeterminate = selected > 0 && selected < rows.length;
  count.textContent = `: ${selected}`;
};

if (all && rows.length) {
  all.hidden = false;
  document.querySelector("[data-select-none]").hidden = true;
  all.addEventListener("change", () => {
    for (const row of rows) row.checked = all.checked;
    show();
  });
  for (const row of rows) row.addEventListener("change", show);
  show();
}
