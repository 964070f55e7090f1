// Sends the staged changes in one PUT. If the portal rejects it, all changes stay staged, and the
// page shows the reason and the next step.
const bar = document.querySelector("[data-staged-bar]");
const refusal = bar.querySelector("[data-refusal]");
const saved = bar.querySelector("[data-saved]");
const save = bar.querySelector("[data-save]");
const { url } = bar.dataset;
let changes = [];

const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
// Read from the cookie, not from the page: signing in again in another tab changes the token.
const csrfToken = () => document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";

function refuse({ kind = "", title, detail = "", errors = [] }) {
  refusal.querySelector("[data-refusal-title]").textContent = title;
  refusal.querySelector("[data-refusal-detail]").textContent = detail;
  refusal.querySelector("[data-refusal-errors]").replaceChildren(
    ...errors.slice(0, 5).map(({ pointer = "", detail: wrong }) => {
      const change = changes[pointer.split("/")[2]];
      const item = document.createElement("li");
      item.textContent = change ? `${change.name}, ${change.severity}: ${wrong}` : wrong;
      return item;
    }),
  );
  for (const link of refusal.querySelectorAll("[data-refusal-link]")) link.hidden = link.dataset.refusalLink !== kind;
  refusal.hidden = false;
  refusal.focus();
}

const offline = () => refuse({ title: "The portal cannot be reached.", detail: "Check the connection, then save again." });

async function explain(answer) {
  const isProblem = (answer.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  const problem = isProblem ? await answer.json() : {};
  const { code = "", title = "", detail = "", errors } = problem;
  if (code.startsWith("license_")) refuse({ kind: "license", title: `Writes are off: ${title.toLowerCase()}.`, detail });
  else if (answer.status === 401 || answer.type === "opaqueredirect") refuse({ kind: "session", title: "Your session has ended.", detail: "Sign in again, then save." });
  else if (answer.status === 412) refuse({ kind: "conflict", title: "Another user changed the policy after you loaded it.", detail: "Nothing was saved." });
  else if (isProblem) refuse({ title: `${title}.`, detail, errors });
  else refuse({ title: `The portal returned error ${answer.status}.`, detail: "Try again in a moment. If the error persists, contact your administrator." });
}

async function saveAll() {
  if (save.ariaDisabled === "true" || !changes.length) return;
  save.ariaDisabled = "true";
  try {
    await put();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch throws TypeError if there is no response
    offline();
  } finally {
    save.ariaDisabled = "false";
  }
}

async function put() {
  const sent = changes;
  const answer = await fetch(url, {
    method: "PUT",
    headers: { "Accept": "application/json", "Content-Type": "application/json", "If-Match": bar.dataset.etag, "X-CSRFToken": csrfToken() },
    body: JSON.stringify({ policies: sent.map(({ policy }) => policy) }),
  });
  if (!answer.ok) return explain(answer);
  bar.dataset.etag = answer.headers.get("ETag");
  refusal.hidden = true;
  bar.querySelector("[data-writes-off]")?.remove(); // a license was installed in the meantime
  saved.textContent = sent.length === 1 ? "1 change saved." : `${sent.length} changes saved.`;
  saved.hidden = false;
  tell("policy:saved", sent);
  if (!saved.hidden) saved.focus();
}

document.addEventListener("policy:staged", ({ detail }) => {
  changes = detail;
});
save.addEventListener("click", saveAll);
// Browsers do not use this shortcut. Captured, because a button takes it for Enter.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open], [popover]:popover-open")) return;
    event.preventDefault();
    event.stopPropagation();
    saveAll();
  },
  true,
);
document.addEventListener("policy:unavailable", ({ detail: answer }) => (answer ? explain(answer) : offline()));
document.addEventListener("policy:loaded", () => {
  if (refusal.hidden) return;
  refusal.hidden = true;
  if (changes.length) save.focus();
});
