// Free times: offers to show them by the clock that the browser lives by.

export function slots() {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!here) return;
  for (const offer of document.querySelectorAll("[data-zone-offer]")) {
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
