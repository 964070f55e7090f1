// Keeps the staged changes in this browser, for this user, until they are saved or undone or the user
// signs out. Stages them again on the next visit, and the opposite of a change that the Changes page
// sends along. Nothing is saved by itself.
const bar = document.querySelector("[data-staged-bar]");
const NAME = `staged policy changes of user ${bar.dataset.user}`;
let isAdopting = false;
let latest = []; // the staged changes

const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
const times = (count, one, many) => `${count} ${count === 1 ? one : many}`;

// localStorage can be forbidden or full. Then changes are staged as long as the page is open.
function inStore(work) {
  try {
    return work(localStorage);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return null;
  }
}

function write(changes) {
  const kept = { etag: bar.dataset.etag, at: new Date().toISOString(), changes: changes.map((change) => change.kept) };
  inStore((store) => (changes.length ? store.setItem(NAME, JSON.stringify(kept)) : store.removeItem(NAME)));
}

function read(text) {
  try {
    const { etag, at, changes } = JSON.parse(text);
    return typeof at === "string" && Array.isArray(changes) ? { etag, at, changes } : null;
  } catch {
    return null; // another program wrote it
  }
}

function restore({ etag, at, changes }) {
  const detail = { changes };
  tell("policy:stage", detail);
  const staged = latest.length;
  const words = [`${times(staged, "change", "changes")} from ${at.slice(0, 10)} at ${at.slice(11, 16)} UTC ${staged === 1 ? "is" : "are"} restored and not saved yet.`];
  if (etag !== bar.dataset.etag) words.push("The policy has changed since.", ...conflicts());
  const inForce = changes.length - staged - detail.missing.length;
  if (inForce) words.push(`${times(inForce, "other is", "others are")} in force already.`);
  if (detail.missing.length) words.push(`Left out, because the page no longer has it: ${detail.missing.map(({ service, type }) => type || service).join(", ")}.`);
  tell("policy:told", words.join(" "));
}

function conflicts() {
  const count = latest.filter(({ meanwhile }) => meanwhile).length;
  return count ? [`Compare ${times(count, "change", "changes")} with what others set meanwhile, in the list below.`] : [];
}

function revert({ told, changes }) {
  const before = latest.length;
  tell("policy:stage", { changes });
  const mine = latest.find(({ kept }) => changes.some(({ service, type, severity }) => kept.severity === severity && (type ? kept.type === type : !kept.type && kept.service === service)));
  if (!mine) return tell("policy:told", `${told} Nothing to do: the policy has that setting already.`);
  tell("policy:told", [`${told} Review it, then save.`, ...conflicts(), ...(before ? ["Your other changes are staged too."] : [])].join(" "));
  mine.element.closest("details").open = true;
  mine.element.focus();
  mine.element.scrollIntoView({ block: "center" });
}

document.addEventListener("policy:staged", ({ detail }) => {
  latest = detail;
  if (!isAdopting) write(detail);
});
// Another tab of the same user has staged, saved or undone changes.
window.addEventListener("storage", ({ key, newValue }) => {
  if (key !== NAME) return;
  isAdopting = true; // so that the tabs do not answer each other
  tell("policy:stage", { changes: read(newValue ?? "")?.changes ?? [], replaces: true });
  isAdopting = false;
});
for (const form of document.querySelectorAll("form[action*='logout']")) form.addEventListener("submit", () => inStore((store) => store.removeItem(NAME)));

const kept = read(inStore((store) => store.getItem(NAME)) ?? "");
if (kept?.changes.length) restore(kept);
if (bar.dataset.revert) {
  revert(JSON.parse(bar.dataset.revert));
  history.replaceState(null, "", location.pathname); // so that a reload does not stage it again
}
