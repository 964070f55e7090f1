// The button in <section data-hide="name"> hides the section, and sets the cookie `name` to "hidden",
// so that the server leaves the section out.
const YEAR = 365 * 24 * 60 * 60; // seconds

for (const section of document.querySelectorAll("[data-hide]")) {
  const button = section.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", () => {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${section.dataset.hide}=hidden; path=/; max-age=${YEAR}; samesite=lax${secure}`;
    section.remove();
    document.querySelector("#content").focus(); // the button is gone
  });
}
