// Dropping a file on <div data-drop><textarea></div>, or choosing one with <input data-drop-file>,
// puts the file's text into the textarea.
const LARGEST = 32 * 1024; // bytes; a key has at most 8 KiB

for (const zone of document.querySelectorAll("[data-drop]")) {
  const field = zone.querySelector("textarea");
  for (const hint of document.querySelectorAll("[data-drop-hint]")) hint.hidden = false;

  const hasFile = (event) => event.dataTransfer.types.includes("Files");
  zone.addEventListener("dragover", (event) => {
    if (!hasFile(event)) return; // the browser handles dropped text itself
    event.preventDefault();
    zone.dataset.drop = "over";
  });
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => { zone.dataset.drop = ""; });
  }
  const read = async (file) => {
    field.value = await file.slice(0, LARGEST).text();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  };
  zone.addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault(); // otherwise the browser opens the file
    read(file);
  });
  for (const picker of document.querySelectorAll("[data-drop-file]")) {
    picker.addEventListener("change", async () => {
      const [file] = picker.files;
      if (file) await read(file);
      picker.value = ""; // so that the same file can be chosen again
    });
  }
}
