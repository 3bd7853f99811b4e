// Tables whose columns have room let their head stay while the page scrolls; the columns' menu moves them.

/** A table that scrolls within its card can't have a head that stays on the page. */
function stickyHeads() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.classList.remove("wm-fits");
      target.classList.toggle("wm-fits", target.scrollWidth <= target.clientWidth);
    }
  });
  for (const wrap of document.querySelectorAll(".wm-list > .wm-table-wrap")) observer.observe(wrap);
}

/** An arrow moves its column in the list at once; without script the same button sends the form. */
function columnOrder() {
  for (const list of document.querySelectorAll("[data-sortable]")) {
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-move-up]");
      if (!button) return;
      event.preventDefault();
      const item = button.closest("li");
      const above = item.previousElementSibling;
      if (above?.previousElementSibling) list.insertBefore(item, above);
      button.focus();
    });
  }
  const menu = document.getElementById("columns");
  if (menu && location.hash === "#columns") menu.open = true;
}

/** How far a run of many records is: asked for every few seconds, and the whole page when it is over. */
function progress() {
  const box = document.querySelector("[data-progress]");
  if (!box) return;
  const bar = box.querySelector("progress");
  const words = box.querySelector("[data-progress-words]");
  const ask = async () => {
    try {
      const answer = await fetch(box.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) return location.reload();
      const { percent, words: text, over } = await answer.json();
      bar.value = percent;
      if (words.textContent !== text) words.textContent = text;
      if (over) return location.reload();
    } catch {
      // the line is away for a moment
    }
    setTimeout(ask, 1000 * box.dataset.every);
  };
  setTimeout(ask, 1000);
}

export function tables() {
  stickyHeads();
  columnOrder();
  progress();
}
