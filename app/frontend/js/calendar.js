// The calendar of lessons. The server sends wall time by the reader's clock, so this script lives in one zone that
// knows no summer time: what it shows is what was sent, and what it sends back is a value that came with a free time.
import { Calendar } from "fullcalendar";
import dayGrid from "fullcalendar/daygrid";
import interaction from "fullcalendar/interaction";
import list from "fullcalendar/list";
import theme from "fullcalendar/themes/classic";
import timeGrid from "fullcalendar/timegrid";

const NARROW = matchMedia("(max-width: 767.98px)");
const NEAR = 15 * 60 * 1000; // so far from a free time a lesson may be let go and still means it
const MINUTE = 60 * 1000;
const QUIET = new Set(["hours", "buffer"]); // what is drawn behind lessons, in views with hours only

const ms = (wall) => Date.parse(`${wall.slice(0, 19)}Z`);
const day = (date) => date.toISOString().slice(0, 10);

class Lessons {
  constructor(root) {
    this.root = root;
    this.words = root.dataset;
    this.says = document.querySelector("[data-says]");
    this.card = document.querySelector("[data-card]");
    this.dialog = document.querySelector("dialog[data-move]");
    this.notice = root.querySelector("[data-notice]");
    this.free = new Map(); // address of a lesson's free times -> their promise, for the days shown
    this.started = performance.now();
    document.querySelector("[data-agenda]").hidden = true;
    root.hidden = false;
    this.calendar = new Calendar(root.querySelector("[data-grid]"), this.options());
    this.calendar.render();
    this.bar();
    this.dialogs();
    NARROW.addEventListener("change", () => this.refit());
  }

  firstView() {
    return NARROW.matches ? "list" : "timeGridWeek";
  }

  /** The screen was turned: a view whose button is gone would be a dead end. Turned back, all is as before. */
  refit() {
    const shown = this.calendar.view.type;
    const { wide, narrow } = this.root.querySelector(`[data-view=${shown}]`).dataset;
    if (NARROW.matches && wide !== undefined) {
      this.wideView = shown;
      this.calendar.changeView("list");
    } else if (!NARROW.matches && (narrow !== undefined || this.wideView)) {
      this.calendar.changeView(this.wideView ?? "timeGridWeek");
      this.wideView = null;
    }
  }

  options() {
    const grid = this.root.querySelector("[data-grid]").dataset;
    return {
      plugins: [dayGrid, interaction, list, theme, timeGrid],
      initialView: this.firstView(),
      views: {
        list: { type: "list", duration: { weeks: 4 } },
        threeDays: { type: "timeGrid", duration: { days: 3 } },
        timeGrid: { titleFormat: { year: "numeric", month: "short", day: "numeric" } },
      },
      timeZone: "UTC", // the only zone in which wall time stays as it was sent
      now: () => new Date(ms(this.words.now) + performance.now() - this.started).toISOString(),
      locale: document.documentElement.lang,
      direction: document.documentElement.dir === "rtl" ? "rtl" : "ltr",
      firstDay: Number(this.words.firstDay),
      headerToolbar: false,
      height: "auto",
      nowIndicator: true,
      allDaySlot: this.words.calendar.startsWith("/teach/"),
      allDayText: grid.wordAllDay,
      timedText: grid.wordTimed,
      noEventsText: grid.wordEmpty,
      moreLinkText: (count) => `+${count}`,
      moreLinkHint: (count) => grid.wordMore.replace("{n}", count),
      closeHint: grid.wordClose,
      eventsHint: grid.wordLessons,
      slotDuration: "00:30",
      snapDuration: "00:15",
      slotMinTime: "07:00",
      slotMaxTime: "22:00",
      expandRows: true,
      dayMaxEvents: 4,
      slotHeaderInnerClass: "wm-cal-slot",
      slotHeaderFormat: { hour: "numeric", minute: "2-digit" },
      lazyFetching: false,
      eventResizableFromStart: false,
      eventDurationEditable: false,
      longPressDelay: 500,
      events: (span, done, failed) => this.load(span).then(done, failed),
      eventSourceFailure: () => this.tell("danger", this.words.wordFailed),
      loading: (isLoading) => {
        this.root.classList.toggle("wm-cal-loading", isLoading);
        this.root.setAttribute("aria-busy", String(isLoading));
      },
      datesSet: () => this.dated(),
      dayHeaderDidMount: ({ el }) => spokenHeader(el),
      dayCellDidMount: ({ el }) => el.removeAttribute("aria-label"), // its lessons name their day themselves
      dayLaneDidMount: ({ el }) => el.removeAttribute("aria-label"),
      eventDidMount: ({ el }) => spokenLink(el),
      eventContent: (info) => this.content(info),
      eventClick: (info) => this.open(info),
      eventMouseEnter: (info) => this.freeTimes(info.event),
      eventDragStart: (info) => this.dragged(info.event),
      eventDragStop: (info) => this.letGo(info),
      eventAllow: (span) => !this.offered || Boolean(this.nearest(span.startStr)),
      eventDrop: (info) => this.dropped(info),
    };
  }

  // -- What is shown -----------------------------------------------------------------------------------------------

  async load(span) {
    const until = day(new Date(span.end.getTime() - MINUTE));
    const found = await this.get(`${this.words.calendar}?from=${day(span.start)}&until=${until}`);
    this.free.clear();
    this.stretch(found.events);
    return found.events.map((event) => this.drawn(event)).filter(Boolean);
  }

  async get(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  /** From early enough to late enough for every lesson, and no empty night beside. */
  stretch(events) {
    const timed = events.filter((event) => event.kind !== "date" && event.kind !== "buffer");
    if (!timed.length) return;
    const hour = (wall) => Number(wall.slice(11, 13)) + Number(wall.slice(14, 16)) / 60;
    const overnight = timed.some((event) => event.start.slice(0, 10) !== event.end.slice(0, 10));
    const first = Math.floor(Math.min(8, ...timed.map((event) => hour(event.start))));
    const last = overnight ? 24 : Math.ceil(Math.max(19, ...timed.map((event) => hour(event.end))));
    const clock = (hours) => `${String(hours).padStart(2, "0")}:00`;
    this.calendar.setOption("slotMinTime", clock(overnight ? 0 : first));
    this.calendar.setOption("slotMaxTime", clock(last));
  }

  drawn(event) {
    const { kind, id, start, end, title, url } = event;
    if (QUIET.has(kind)) {
      if (!this.calendar.view.type.match(/timeGrid|threeDays/)) return null;
      return { id, start, end, display: "background", className: `wm-cal-${kind}` };
    }
    if (kind === "date") return { id, start, end, allDay: true, title, url, className: "wm-cal-date", extendedProps: event };
    return {
      id, start, end, title, url,
      startEditable: Boolean(event.free_url),
      className: `wm-cal-event wm-cal-${event.tone || "secondary"}`,
      extendedProps: event,
    };
  }

  content({ event, isShort, view }) {
    const { kind, hours, when, people, seats, state, tone } = event.extendedProps;
    if (event.display === "background" || !kind) return undefined;
    const line = (name, text) => {
      const part = document.createElement("span");
      part.className = `wm-cal-${name}`;
      part.textContent = text;
      part.dir = "auto"; // names may be of another script than the page
      return part;
    };
    const parts = [line("title", event.title)];
    if (hours) {
      // In a grid the column says which day it is, and the height when it ends; who hears it needs both in words.
      const shown = line("time", view.type === "list" ? hours : hours.split(" – ")[0]);
      shown.setAttribute("aria-hidden", "true");
      parts.unshift(shown, Object.assign(line("spoken", when), { className: "visually-hidden" }));
    }
    const about = [people, seats].filter(Boolean).join(" · ");
    if (about && !isShort) parts.push(line("about", about));
    if (state && tone !== "success") parts.push(line("state", state));
    return { domNodes: parts };
  }

  dated() {
    if (!this.calendar) return;
    requestAnimationFrame(() => this.root.querySelectorAll("[role=rowheader]").forEach(spokenHeader));
    this.root.querySelector("[data-title]").textContent = this.calendar.view.title;
    for (const button of this.root.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === this.calendar.view.type));
    }
  }

  bar() {
    this.dated();
    for (const button of this.root.querySelectorAll("[data-go]")) {
      button.addEventListener("click", () => this.calendar[button.dataset.go]());
    }
    for (const button of this.root.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.calendar.changeView(button.dataset.view));
    }
  }

  tell(tone, text) {
    this.notice.className = `alert wm-cal-notice wm-tone-${tone}`;
    this.notice.querySelector("[data-notice-text]").textContent = text;
    this.notice.hidden = !text;
  }

  // -- One lesson --------------------------------------------------------------------------------------------------

  dialogs() {
    for (const dialog of [this.card, this.dialog].filter(Boolean)) {
      dialog.addEventListener("click", (event) => {
        if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
      });
    }
    this.dialog?.addEventListener("close", () => this.left());
    this.dialog?.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.move(event.target);
    });
  }

  /** Where a link would open elsewhere, it does. */
  open({ event, jsEvent }) {
    if (event.extendedProps.kind !== "lesson" || jsEvent.metaKey || jsEvent.ctrlKey || jsEvent.shiftKey) return;
    jsEvent.preventDefault();
    this.fill(this.card, event.extendedProps);
    for (const link of this.card.querySelectorAll("[data-link]")) {
      const url = event.extendedProps[link.dataset.link];
      link.hidden = !url;
      if (url) link.href = url;
    }
    this.card.showModal();
  }

  fill(dialog, values) {
    for (const part of dialog.querySelectorAll("[data-fill]")) {
      const value = values[part.dataset.fill] ?? "";
      if (Array.isArray(value)) {
        part.replaceChildren(...value.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
      } else part.textContent = value;
      part.hidden = !value.length;
      if ("tone" in part.dataset) part.className = `wm-badge wm-tone-${values.tone || "secondary"}`;
    }
  }

  // -- Moving ------------------------------------------------------------------------------------------------------

  /** Asked for as soon as a lesson might be dragged; the answer lasts as long as these days are shown. */
  freeTimes(event) {
    const address = event.extendedProps.free_url;
    if (!address) return Promise.resolve([]);
    if (!this.free.has(address)) {
      const { activeStart, activeEnd } = this.calendar.view;
      const until = day(new Date(activeEnd.getTime() - MINUTE));
      const asked = this.get(`${address}?from=${day(activeStart)}&until=${until}`).then((found) => found.times);
      asked.catch(() => this.free.delete(address));
      this.free.set(address, asked);
    }
    return this.free.get(address);
  }

  async dragged(event) {
    this.tell("info", "");
    this.offered = null;
    this.isDropped = false;
    this.dragging = event.id;
    const times = await this.freeTimes(event).catch(() => null);
    if (this.dragging !== event.id || !times) return;
    this.offered = times;
    this.say(times.length ? this.words.wordMoving : this.words.wordNowhere);
    this.calendar.getEventSourceById("free")?.remove();
    const events = joined(times).map(([start, end]) => ({
      start, end, display: "background", className: "wm-cal-free", title: this.words.wordFree,
    }));
    this.calendar.addEventSource({ id: "free", events });
  }

  nearest(start) {
    const wanted = ms(start);
    let best = null;
    for (const time of this.offered ?? []) {
      const away = Math.abs(ms(time.start) - wanted);
      if (away <= NEAR && (!best || away < Math.abs(ms(best.start) - wanted))) best = time;
    }
    return best;
  }

  /** Before `dropped`, which does not come where the lesson may not be. */
  letGo({ el, jsEvent }) {
    this.calendar.getEventSourceById("free")?.remove();
    const { clientX: x, clientY: y } = jsEvent.changedTouches?.[0] ?? jsEvent;
    const home = el.getBoundingClientRect();
    const isHome = x >= home.left && x <= home.right && y >= home.top && y <= home.bottom;
    setTimeout(() => this.isDropped || isHome || this.refuse(this.words.wordTaken));
  }

  async dropped(info) {
    this.isDropped = true;
    this.dragging = null;
    this.offered ??= await this.freeTimes(info.event).catch(() => null);
    const time = this.nearest(info.event.startStr);
    if (!time) {
      info.revert();
      this.refuse(this.words.wordTaken);
      return;
    }
    // An hour that comes twice is chosen where both are named.
    if (this.offered.filter((other) => other.start === time.start).length > 1) {
      location.assign(`${info.event.extendedProps.move_url}?from=${time.start.slice(0, 10)}&day=${time.start.slice(0, 10)}`);
      return;
    }
    info.event.setDates(time.start, time.end);
    this.pending = info;
    const { title, when, notes, move_url: address } = info.event.extendedProps;
    this.fill(this.dialog, { title, before: when, after: time.words, notes });
    const form = this.dialog.querySelector("form");
    form.action = address;
    for (const name of ["starts_at", "lesson"]) {
      form.elements[name].disabled = name !== time.field;
      form.elements[name].value = name === time.field ? time.value : "";
    }
    this.dialog.showModal();
  }

  /** Closed without an answer: back it goes. */
  left() {
    if (!this.pending) return;
    this.back();
    this.say(this.words.wordStays);
  }

  back() {
    const { oldEvent, event } = this.pending;
    this.pending = null;
    event.setDates(oldEvent.start, oldEvent.end);
  }

  async move(form) {
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      const { message, detail } = await answer.json();
      if (answer.ok) {
        this.pending = null;
        this.tell("success", message);
      } else {
        this.back();
        this.refuse(message ?? detail ?? this.words.wordStays);
      }
    } catch {
      this.back();
      this.refuse(this.words.wordUnsure);
    }
    button.disabled = false;
    delete form.dataset.sent;
    this.dialog.close();
    this.calendar.refetchEvents();
  }

  refuse(text) {
    this.tell("warning", text);
  }

  say(text) {
    this.says.textContent = text;
  }
}

/** A header's name as text: what the library writes there is hidden from those who listen. */
function spokenHeader(element) {
  const name = element.getAttribute("aria-label");
  if (!name || element.querySelector(":scope > .visually-hidden")) return;
  element.append(Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: name }));
  element.removeAttribute("aria-label");
}

/** A lesson in the list is a link; then what it stands in is no list of list items any more. */
function spokenLink(element) {
  if (element.tagName !== "A") return;
  element.removeAttribute("role");
  requestAnimationFrame(() => {
    if (element.parentElement?.getAttribute("role") !== "list") return;
    element.parentElement.removeAttribute("role");
    element.parentElement.removeAttribute("aria-label");
  });
}

/** Free times run into each other: as stretches, from the first start to the last end. */
function joined(times) {
  const found = [];
  for (const { start, end } of [...times].sort((one, other) => ms(one.start) - ms(other.start))) {
    const last = found.at(-1);
    if (last && start <= last[1]) last[1] = end > last[1] ? end : last[1];
    else found.push([start, end]);
  }
  return found;
}

const root = document.querySelector("[data-calendar]");
if (root) new Lessons(root);
