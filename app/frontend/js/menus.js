// <details class="wm-menu"> opens by itself. Here: close on Escape and outside, one at a time, turn up near the edge.

const openMenus = () => document.querySelectorAll("details.wm-menu[open]");

function place(menu) {
  const list = menu.querySelector(".dropdown-menu");
  menu.classList.remove("wm-menu-up");
  const box = list.getBoundingClientRect();
  const room = menu.getBoundingClientRect().top;
  if (box.bottom > window.innerHeight && room > box.height) menu.classList.add("wm-menu-up");
}

/** Which groups of the side menu differ from their default goes into a cookie: the server draws them so next time. */
function sideGroups() {
  const groups = document.querySelectorAll("details[data-group]");
  if (!groups.length) return;
  const opposite = (group) => group.open === (group.dataset.group === "records");
  for (const group of groups) {
    group.addEventListener("toggle", () => {
      const turned = [...groups].filter(opposite).map((each) => each.dataset.group);
      const [bound, secure] = location.protocol === "https:" ? ["__Host-", "; secure"] : ["", ""];
      document.cookie = `${bound}wm_menu=${turned.join(".")}; path=/; max-age=31536000; samesite=lax${secure}`;
    });
  }
  const side = document.querySelector(".wm-side");
  const here = side?.querySelector("[aria-current]");
  if (here && here.offsetTop + here.offsetHeight > side.clientHeight - 48) side.scrollTop = here.offsetTop - side.clientHeight / 2;
}

export function menus() {
  sideGroups();
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
