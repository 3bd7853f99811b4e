// Free times: turns the days without a new page, says what was chosen, and offers to show times by the clock that the
// browser lives by. Everything works without it: days are links, times are radio buttons.

let says;

export function slots() {
  offers(document);
  const picker = document.querySelector("[data-picker]");
  if (!picker) return;
  says = Object.assign(document.createElement("p"), { className: "visually-hidden" });
  says.setAttribute("aria-live", "polite");
  document.body.append(says);
  opened(picker);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-picker] a[data-turn]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    turn(link.closest("[data-picker]"), link.href, link.dataset.turn);
  });
  document.addEventListener("keydown", walk);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-picker] input[name=starts_at]")) chosen(event.target.form);
  });
}

function opened(picker) {
  centre(picker);
  const form = picker.querySelector(".wm-slot-form");
  if (form) chosen(form); // "back" may have brought a choice back
}

/** The chosen day into the middle of the strip, and nothing else on the page moves. */
function centre(picker) {
  const strip = picker.querySelector(".wm-strip-days");
  const day = strip?.querySelector("[aria-current], .wm-day-chosen");
  if (!day) return;
  const [outer, inner] = [strip.getBoundingClientRect(), day.getBoundingClientRect()];
  strip.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}

function chosen(form) {
  const words = form.querySelector("[data-chosen]");
  const time = form.querySelector("input[name=starts_at]:checked");
  words.textContent = time ? time.dataset.words : words.dataset.wordNone;
}

/** Other days in the same place. Where that fails the link does what links do. */
async function turn(picker, url, from) {
  if (picker.getAttribute("aria-busy") === "true") return;
  picker.setAttribute("aria-busy", "true");
  let fresh;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    fresh = answer.ok && !answer.redirected && page.querySelector("[data-picker]");
  } catch {
    // The browser's own page says that there is no connection.
  }
  if (!fresh) {
    location.assign(url);
    return;
  }
  const strip = picker.querySelector(".wm-strip-days").scrollLeft;
  fresh = document.adoptNode(fresh);
  picker.replaceWith(fresh);
  history.replaceState(history.state, "", url);
  offers(fresh);
  if (from === "day") fresh.querySelector(".wm-strip-days").scrollLeft = strip;
  opened(fresh);
  const next = fresh.querySelector(`[data-turn=${from}]${from === "day" ? "[aria-current]" : ""}`);
  (next ?? fresh.querySelector("[aria-current], a.wm-day, .wm-day-times a"))?.focus({ preventScroll: true });
  const counts = [...fresh.querySelectorAll(".wm-day-times legend")].map((legend) => legend.textContent.trim());
  says.textContent = [fresh.querySelector("[data-day-heading]")?.textContent, ...counts].join(", ");
}

/** Arrow keys from day to day; the times are radio buttons, which can do it by themselves. */
function walk(event) {
  const here = event.target.closest?.("[data-picker] a.wm-day");
  if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
  const days = [...here.closest("ol").querySelectorAll("a.wm-day")];
  const onwards = document.documentElement.dir === "rtl" ? -1 : 1;
  const place = days.indexOf(here);
  const to = {
    ArrowRight: place + onwards, ArrowLeft: place - onwards, ArrowDown: place + 1, ArrowUp: place - 1,
    Home: 0, End: days.length - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  days[to]?.focus();
}

function offers(within) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!here) return;
  for (const offer of within.querySelectorAll("[data-zone-offer]")) {
    if (offer.dataset.zoneOffer === here || sameClock(offer.dataset.zoneOffer, here)) continue;
    const words = offer.querySelector("[data-words]");
    words.textContent = words.dataset.words.replace("{zone}", here.replaceAll("_", " "));
    offer.elements.zone.value = here;
    offer.hidden = false;
  }
}

/** Whether two zones show the same time in winter and in summer: another name alone is not worth asking. */
function sameClock(one, other) {
  const year = new Date().getFullYear();
  const times = [new Date(Date.UTC(year, 0, 15)), new Date(Date.UTC(year, 6, 15))];
  const shown = (zone, at) => new Intl.DateTimeFormat("en", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(at);
  try {
    return times.every((at) => shown(one, at) === shown(other, at));
  } catch {
    return false;
  }
}
