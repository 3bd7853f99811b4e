// <details class="wm-menu"> opens by itself. Here: close on Escape and outside, one at a time, turn up near the edge.

const openMenus = () => document.querySelectorAll("details.wm-menu[open]");

function place(menu) {
  const list = menu.querySelector(".dropdown-menu");
  menu.classList.remove("wm-menu-up");
  const box = list.getBoundingClientRect();
  const room = menu.getBoundingClientRect().top;
  if (box.bottom > window.innerHeight && room > box.height) menu.classList.add("wm-menu-up");
}

export function menus() {
  for (const menu of document.querySelectorAll("details.wm-menu")) {
    menu.addEventListener("toggle", () => {
      if (!menu.open) return;
      for (const other of openMenus()) if (other !== menu) other.open = false;
      place(menu);
    });
  }
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
