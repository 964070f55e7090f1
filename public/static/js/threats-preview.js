// Says what the staged changes would have done to the last days' findings. Where the portal cannot
// say it, nothing is said: saving needs no preview.
const region = document.querySelector("[data-staged-preview]");
const PAUSE = 300; // milliseconds
let asking = new AbortController();
let pause;

const csrfToken = () => document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";

function show(html) {
  const wasOpen = region.querySelector("details")?.open ?? false;
  region.innerHTML = html;
  const details = region.querySelector("details");
  if (details) details.open = wasOpen;
  region.ariaBusy = "false";
}

async function ask(changes, signal) {
  try {
    const answer = await fetch(region.dataset.url, {
      method: "POST",
      redirect: "manual", // to the sign-in page
      headers: { "Accept": "text/html", "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify({ policies: changes.map(({ policy }) => policy) }),
      signal,
    });
    show(answer.ok ? await answer.text() : "");
  } catch (error) {
    if (signal.aborted) return; // a later answer is on its way
    if (!(error instanceof TypeError)) throw error; // fetch's word for "no answer"
    show("");
  }
}

document.addEventListener("policy:staged", ({ detail: changes }) => {
  clearTimeout(pause);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (!changes.length) return show("");
  region.ariaBusy = "true";
  pause = setTimeout(() => ask(changes, signal), PAUSE);
});
