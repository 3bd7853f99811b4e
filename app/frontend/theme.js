// Runs in <head> before the first paint. "auto" follows the system, also while the page is open.
const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function apply() {
  if (root.dataset.wmTheme === "auto") root.dataset.bsTheme = dark.matches ? "dark" : "light";
}

apply();
dark.addEventListener("change", apply);
