// <button data-copy="ID" hidden>Copy</button> copies the text of the element with that id.
// Browsers provide the clipboard API only on https and localhost; elsewhere the button stays hidden.
const SHOWN_FOR = 2000; // milliseconds

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  const label = [...button.childNodes];
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy failed";
    }
    setTimeout(() => { button.replaceChildren(...label); }, SHOWN_FOR);
  });
}
