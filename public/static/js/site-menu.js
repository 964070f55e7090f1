// <details data-site-menu> opens and closes without this script. The script also closes it with Escape,
// and when the pointer or the focus goes elsewhere.
for (const menu of document.querySelectorAll("details[data-site-menu]")) {
  const close = (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  };
  document.addEventListener("click", close);
  document.addEventListener("focusin", close);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
