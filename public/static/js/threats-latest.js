// Loads the policy that others have saved meanwhile: at the request of the user after a refused
// save, and by itself when the page is shown. Staged changes stay staged.
const root = document.querySelector("[data-policy]");
const bar = document.querySelector("[data-staged-bar]");
const save = bar.querySelector("[data-save]");
const EVERY = 30_000; // milliseconds
const AUTOMATIC = { "X-Automatic": "true" }; // does not count as activity of the user
let loading = false;

const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
const find = (elements, name, value) => [...elements].find((element) => element.dataset[name] === value);

function adoptRow(row, theirs) {
  [...theirs.cells].forEach((cell, column) => {
    const own = row.cells[column];
    const isMore = (selector) => cell.querySelector(selector) && !own.querySelector(selector);
    if (isMore(".cell") || isMore("button")) own.replaceWith(document.importNode(cell, true));
  });
}

// Adds the services, rows and cells that this page does not have yet.
function adopt(page) {
  for (const section of page.querySelectorAll("section")) {
    const ownSection = root.querySelector(`[aria-labelledby=${section.getAttribute("aria-labelledby")}]`);
    for (const service of section.querySelectorAll("[data-service]")) {
      const own = find(root.querySelectorAll("[data-service]"), "service", service.dataset.service);
      if (!own) ownSection.append(document.importNode(service, true));
      else
        for (const row of service.querySelectorAll("tbody tr")) {
          const ownRow = find(own.querySelectorAll("tbody tr"), "type", row.dataset.type);
          if (ownRow) adoptRow(ownRow, row);
          else own.querySelector("tbody").append(document.importNode(row, true));
        }
    }
  }
}

// Returns the answer of the portal if it is not the page.
async function load(headers) {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html", ...headers }, redirect: "manual" });
  const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const latest = page && page.querySelector("[data-staged-bar]");
  if (!latest) return answer;
  bar.dataset.etag = latest.dataset.etag;
  adopt(page.querySelector("[data-policy]"));
  tell("policy:loaded", { page: page.querySelector("[data-policy]") });
  return null;
}

async function once(work) {
  if (loading) return;
  loading = true;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch throws TypeError if there is no response
  } finally {
    loading = false;
  }
}

const look = () =>
  once(async () => {
    if (document.hidden || save.ariaDisabled === "true") return;
    const headers = { "Accept": "application/json", "If-None-Match": bar.dataset.etag, ...AUTOMATIC };
    const answer = await fetch(bar.dataset.url, { headers });
    if (answer.status === 200 && save.ariaDisabled !== "true") await load(AUTOMATIC);
  });

bar.querySelector("[data-merge]").addEventListener("click", () =>
  once(async () => {
    try {
      const answer = await load({});
      if (answer) tell("policy:unavailable", answer);
    } catch (error) {
      tell("policy:unavailable", null);
      throw error;
    }
  }),
);
setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
