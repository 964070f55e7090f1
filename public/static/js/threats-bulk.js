// Stages one action for all types that the filter shows. Nothing is saved by itself.
const root = document.querySelector("[data-policy]");
const dialog = document.querySelector("[data-bulk]");
const filter = document.querySelector("[data-filter] input");
const shown = dialog.querySelector("[data-bulk-shown]");
const told = dialog.querySelector("[data-bulk-told]");
const action = dialog.querySelector("[data-bulk-action]");
const button = dialog.querySelector("[data-bulk-stage]");
const open = document.querySelector("[data-bulk-open]");
const bar = document.querySelector("[data-staged-bar]");
const undo = bar.querySelector("[data-undo-bulk]");
let before = null;

const times = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const rows = () => [...root.querySelectorAll("tr[data-type]:not([data-type=''], [hidden])")];
const needsCredential = (row) => row.querySelector("button.cell") && action.value.endsWith("REVOKE") && !("revoke" in row.dataset);

function changes() {
  const severities = [...dialog.querySelectorAll("[data-bulk-severity]:checked")].map(({ value }) => value);
  return rows()
    .filter((row) => !needsCredential(row))
    .flatMap((row) => severities.map((severity) => row.querySelector(`button.cell[data-severity="${severity}"]`)))
    .filter((cell) => cell && (action.value ? !("set" in cell.dataset) || cell.dataset.action !== action.value : "set" in cell.dataset))
    .map((cell) => ({
      service: cell.closest("[data-service]").dataset.service,
      type: cell.closest("tr").dataset.type,
      severity: cell.dataset.severity,
      action: action.value || null,
    }));
}

function count() {
  const types = rows();
  const undetected = types.filter((row) => !row.querySelector("button.cell")).length;
  const without = types.filter(needsCredential).length;
  const many = changes().length;
  const words = filter.value.trim();
  shown.textContent = words ? `The filter “${words}” shows ${times(types.length, "type")}.` : `No filter is set: all ${types.length} types are shown. Use the filter to choose some.`;
  told.textContent = [
    many ? "Severities that a type never has are left out. You can review the changes before you save them." : "Nothing would change.",
    undetected ? `${times(undetected, "type is", "types are")} left out: not detected yet.` : "",
    without ? `${times(without, "type is", "types are")} left out: their findings name no credential.` : "",
  ].join(" ");
  button.textContent = `Stage ${times(many, "change")}`;
  button.disabled = many === 0;
}

open.addEventListener("click", () => {
  count();
  dialog.showModal();
});
dialog.addEventListener("change", count);
button.addEventListener("click", () => {
  const detail = { changes: changes() };
  document.dispatchEvent(new CustomEvent("policy:stage", { detail }));
  before = detail.before;
  undo.textContent = `Undo these ${detail.changes.length}`;
  undo.hidden = detail.changes.length < 2; // the list undoes one
});
// After another change, it would undo that one too.
document.addEventListener("policy:staged", () => {
  undo.hidden = true;
});
undo.addEventListener("click", () => {
  document.dispatchEvent(new CustomEvent("policy:stage", { detail: { changes: before, replaces: true } }));
  open.focus();
});
