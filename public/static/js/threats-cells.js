// Keeps the saved policy and the staged changes, and shows the action that applies in every cell.
// It resolves actions like resolve() in findings/policy.py and labels them like
// findings/threats.py.
const root = document.querySelector("[data-policy]");
const keyOf = (service, type, severity) => [service, type, severity].join(" ");
const inWords = (text) => text.charAt(0) + text.slice(1).toLowerCase().replace("sk_", "sk to "); // as Action in findings/models.py
const severityInWords = (severity) => (severity ? inWords(severity) : "every severity");

const cells = new Map(); // key -> the cell's target, and the settings that it can inherit from
for (const element of root.querySelectorAll(".cell")) {
  const { type } = element.closest("tr").dataset;
  const { service } = element.closest("[data-service]").dataset;
  const { severity } = element.dataset;
  const own = keyOf(type ? "" : service, type, severity);
  const above = [["", type, ""], [service, "", severity], [service, "", ""]]
    .filter(([aService, aType]) => aService || aType)
    .map((target) => ({ key: keyOf(...target), origin: `From ${target[0] || target[1]}, ${severityInWords(target[2])}` }))
    .filter(({ key }) => key !== own);
  cells.set(own, { element, service, type, severity, above });
}

let saved = new Map([...cells].filter(([, { element }]) => "set" in element.dataset).map(([key, { element }]) => [key, element.dataset.action]));
const staged = new Map(); // key -> action, or null to remove the setting
const setting = (key) => (staged.has(key) ? staged.get(key) : saved.get(key)) ?? null;

function inherited({ above }) {
  const found = above.find(({ key }) => setting(key));
  return found ? { action: setting(found.key), origin: found.origin } : { action: "REPORT", origin: "By default" };
}

function show(key, cell) {
  const { element } = cell;
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
}

function describe(key) {
  const { element, service, type, severity } = cells.get(key);
  return {
    key,
    element,
    name: type || `Every ${service} type`,
    severity: severityInWords(severity),
    from: saved.has(key) ? inWords(saved.get(key)) : "not set",
    to: staged.get(key) ? inWords(staged.get(key)) : "removed",
    policy: { ...(type ? { finding_type: type } : { service }), severity: severity || null, action: staged.get(key) },
  };
}

function refresh() {
  for (const [key, action] of staged) if ((saved.get(key) ?? null) === action) staged.delete(key);
  for (const [key, cell] of cells) show(key, cell);
  for (const service of root.querySelectorAll("[data-service]")) {
    const count = service.querySelectorAll(".cell[data-set]").length;
    service.querySelector("[data-settings]").textContent = count ? ` · ${count} set` : "";
  }
  document.dispatchEvent(new CustomEvent("policy:staged", { detail: [...staged.keys()].map(describe) }));
}

const keyOfElement = (wanted) => [...cells].find(([, { element }]) => element === wanted)[0];

root.addEventListener("policy:choose", ({ target, detail }) => {
  staged.set(keyOfElement(target), detail || null);
  refresh();
});
root.addEventListener("policy:undo", ({ target }) => {
  staged.delete(keyOfElement(target));
  refresh();
});
document.addEventListener("policy:undo-all", () => {
  staged.clear();
  refresh();
});
document.addEventListener("policy:saved", ({ detail }) => {
  for (const { key, policy } of detail) policy.action ? saved.set(key, policy.action) : saved.delete(key);
  refresh();
});
document.addEventListener("policy:loaded", ({ detail }) => {
  saved = new Map(detail.map(({ service, finding_type: type, severity, action }) => [keyOf(service ?? "", type ?? "", severity ?? ""), action]));
  refresh();
});
refresh();
