// Rows to act on (list pages) and rights to tick (role forms): "all" boxes and the count in words.

const boxes = (root, selector) => [...root.querySelectorAll(selector)].filter((box) => !box.disabled);

function mirror(all, members) {
  const checked = members.filter((box) => box.checked).length;
  all.checked = members.length > 0 && checked === members.length;
  all.indeterminate = checked > 0 && checked < members.length;
}

/** Ties an "all" box to its members; `changed` runs after either side changed. */
function tie(all, members, changed = () => {}) {
  all.closest("[hidden]")?.removeAttribute("hidden");
  all.disabled = members.length === 0;
  const update = () => {
    mirror(all, members);
    changed();
  };
  all.addEventListener("change", () => {
    const wanted = all.checked; // each box below makes `all` mirror the state in between
    for (const box of members) {
      if (box.checked === wanted) continue;
      box.checked = wanted;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  for (const box of members) box.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
}

function lists() {
  for (const list of document.querySelectorAll(".wm-list")) {
    const members = boxes(list, ".wm-select");
    const count = list.querySelector("[data-selected-count]");
    const matching = list.querySelector("[data-select-matching]");
    const tell = () => {
      const n = members.filter((box) => box.checked).length;
      if (matching && !n) matching.checked = false;
      const told = matching?.checked ? matching.dataset.selectMatching : n;
      if (count) count.textContent = n ? count.dataset.selectedCount.replace("{n}", told) : "";
    };
    matching?.addEventListener("change", tell);
    for (const all of list.querySelectorAll("[data-select-all]")) tie(all, members, tell);
    const none = list.querySelector("[data-select-none]");
    none?.removeAttribute("hidden");
    none?.addEventListener("click", () => {
      for (const box of members.filter((b) => b.checked)) box.click();
      members[0]?.focus();
    });
  }
}

function rights() {
  for (const table of document.querySelectorAll("[data-rights]")) {
    for (const cell of table.querySelectorAll(".wm-rights-all")) cell.hidden = false;
    for (const all of table.querySelectorAll("[data-all-row]")) {
      tie(all, boxes(all.closest("tr"), "[data-right]"));
    }
    for (const all of table.querySelectorAll("[data-all-column]")) {
      tie(all, boxes(table, `[data-right][data-column="${all.dataset.allColumn}"]`));
    }
  }
}

export function selection() {
  lists();
  rights();
}
