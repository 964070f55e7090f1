// Shows how the staged changes would have affected recent findings. If the request fails, it shows
// nothing: saving does not depend on the preview.
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
      redirect: "manual", // do not follow a redirect to the sign-in page
      headers: { "Accept": "text/html", "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify({ policies: changes.map(({ policy }) => policy) }),
      signal,
    });
    show(answer.ok ? await answer.text() : "");
  } catch (error) {
    if (signal.aborted) return; // a newer request replaced this one
    if (!(error instanceof TypeError)) throw error; // fetch throws TypeError if there is no response
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
