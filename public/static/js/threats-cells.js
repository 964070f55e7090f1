// Keeps the saved policy and the staged changes, and shows the action that applies in every cell.
// It resolves actions like resolve() in findings/policy.py and labels them like
// findings/threats.py.
const root = document.querySelector("[data-policy]");
const keyOf = (service, type, severity) => [type ? "" : service, type, severity].join(" ");
const inWords = (text) => text.charAt(0) + text.slice(1).toLowerCase().replace("sk_", "sk to ").replace("_", " "); // as Action in findings/models.py
const severityInWords = (severity) => (severity ? inWords(severity) : "every severity");
const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

const cells = new Map(); // key -> the cell's target, and the settings that it can inherit from
let saved = new Map(); // key -> action
const staged = new Map(); // key -> its action, null to remove the setting; and the saved action that it was to replace
const setting = (key) => (staged.has(key) ? staged.get(key).action : saved.get(key)) ?? null;

function targetOf(element) {
  const { type } = element.closest("tr").dataset;
  const { service } = element.closest("[data-service]").dataset;
  const { severity } = element.dataset;
  return { service, type, severity, key: keyOf(service, type, severity) };
}

function register() {
  cells.clear(); // the latest policy may have brought other elements
  for (const element of root.querySelectorAll(".cell")) {
    const { service, type, severity, key: own } = targetOf(element);
    const above = [["", type, ""], [service, "", severity], [service, "", ""]]
      .filter(([aService, aType]) => aService || aType)
      .map((target) => ({ key: keyOf(...target), origin: `From ${target[0] || target[1]}, ${severityInWords(target[2])}` }))
      .filter(({ key }) => key !== own);
    cells.set(own, { element, service, type, severity, above, name: type || `Every ${service} type` });
  }
}

const settingsIn = (page) => new Map([...page.querySelectorAll(".cell[data-set]")].map((element) => [targetOf(element).key, element.dataset.action]));

function inherited({ above }) {
  const found = above.find(({ key }) => setting(key));
  return found ? { action: setting(found.key), origin: found.origin } : { action: "REPORT", origin: "By default" };
}

function show(key, cell) {
  const { element, name, severity } = cell;
  const below = inherited(cell);
  const here = setting(key);
  const action = here ?? below.action;
  const origin = here ? "Set here" : below.origin;
  element.textContent = inWords(action);
  element.dataset.action = action;
  element.dataset.below = `${inWords(below.action)}, ${below.origin.charAt(0).toLowerCase()}${below.origin.slice(1)}`;
  element.toggleAttribute("data-set", here !== null);
  element.toggleAttribute("data-staged", staged.has(key));
  element.title = staged.has(key) ? `${origin}, not saved` : origin;
  if (element.matches("button")) element.setAttribute("aria-label", `${name}, ${severityInWords(severity)}: ${inWords(action)}`);
}

function describe([key, { action, base }]) {
  const { element, service, type, severity, name } = cells.get(key);
  const now = saved.get(key) ?? null;
  const before = (what) => (what ? inWords(what) : "not set");
  return {
    key,
    element,
    name,
    severity: severityInWords(severity),
    from: before(now),
    to: action ? inWords(action) : "removed",
    meanwhile: base === now ? "" : before(base), // what it was when it was staged, if that has changed
    policy: { ...(type ? { finding_type: type } : { service }), severity: severity || null, action },
    kept: { service, type, severity, action, base },
  };
}

function refresh() {
  for (const [key, { action }] of staged) if ((saved.get(key) ?? null) === action) staged.delete(key);
  for (const [key, cell] of cells) show(key, cell);
  for (const service of root.querySelectorAll("[data-service]")) {
    const count = service.querySelectorAll(".cell[data-set]").length;
    service.querySelector("[data-settings]").textContent = count ? ` · ${count} set` : "";
  }
  tell("policy:staged", [...staged].map(describe));
}

function stage({ service, type, severity, action, base }) {
  const key = keyOf(service, type, severity);
  if (!cells.has(key)) return false;
  staged.set(key, { action, base: base === undefined ? saved.get(key) ?? null : base });
  return true;
}

root.addEventListener("policy:choose", ({ target, detail }) => {
  stage({ ...targetOf(target), action: detail || null });
  refresh();
});
root.addEventListener("policy:undo", ({ target }) => {
  staged.delete(targetOf(target).key);
  refresh();
});
document.addEventListener("policy:undo-all", () => {
  staged.clear();
  refresh();
});
// Stages changes, in addition to what is staged or in its place. Answers in `detail`: what was
// staged before, and the changes that no cell is there for.
document.addEventListener("policy:stage", ({ detail }) => {
  detail.before = [...staged].map((change) => describe(change).kept);
  if (detail.replaces) staged.clear();
  detail.missing = detail.changes.filter((change) => !stage(change));
  refresh();
});
document.addEventListener("policy:saved", ({ detail }) => {
  for (const { key, policy } of detail) policy.action ? saved.set(key, policy.action) : saved.delete(key);
  refresh();
});
// The page has the cells of the latest policy; `page` also has its settings.
document.addEventListener("policy:loaded", ({ detail: { page } }) => {
  const before = saved;
  saved = settingsIn(page);
  register();
  refresh();
  const changed = [...cells.keys()].filter((key) => before.get(key) !== saved.get(key));
  tell("policy:changed", changed.map((key) => describe([key, { base: before.get(key) ?? null }])));
});
saved = settingsIn(root);
register();
refresh();
