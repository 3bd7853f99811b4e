// Search and go: a <dialog> with a combobox (WAI-ARIA "combobox with list popup"), opened with Ctrl or Cmd + K and
// with "/". Without script its button leads to the page that does the same. And the other shortcuts, told by "?".

const WAIT = 150;
const RECENT = 6;
const SINGLE_KEYS = "wm-single-keys";
const RECENT_PLACES = "wm-recent";
const WAY_OUT = 'form[action="/logout/"]';
const WHO = "[data-user]"; // the menu of the account

class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.words = dialog.dataset;
    this.user = document.querySelector(WHO)?.dataset.user;
    this.input = dialog.querySelector("[role=combobox]");
    this.list = dialog.querySelector("[role=listbox]");
    this.note = dialog.querySelector("[data-palette-note]");
    this.status = dialog.querySelector("[data-palette-status]");
    this.options = [];
    this.active = -1;
    this.listen();
  }

  listen() {
    this.input.addEventListener("input", () => this.ask());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("mousemove", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.mark(this.options.indexOf(option), false);
    });
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option || event.metaKey || event.ctrlKey || event.shiftKey) return;
      this.remember(option);
    });
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      if (this.input.value.trim()) return;
      event.preventDefault();
    });
    this.dialog.addEventListener("close", () => {
      clearTimeout(this.timer);
      this.request?.abort();
      this.input.setAttribute("aria-expanded", "false");
    });
  }

  open() {
    if (this.dialog.open) return;
    this.input.value = "";
    this.dialog.showModal();
    this.input.focus();
    this.fetch("");
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.options.length) {
      event.preventDefault();
      this.mark((this.active + step + this.options.length) % this.options.length);
    } else if (event.key === "Enter" && this.options[this.active]) {
      event.preventDefault();
      const option = this.options[this.active];
      this.remember(option);
      if (event.metaKey || event.ctrlKey) window.open(option.href, "_blank", "noopener");
      else location.assign(option.href);
    }
  }

  ask() {
    clearTimeout(this.timer);
    const text = this.input.value.trim();
    this.timer = setTimeout(() => this.fetch(text), text ? WAIT : 0);
  }

  async fetch(text) {
    this.request?.abort();
    const request = (this.request = new AbortController());
    const url = new URL(this.words.url, location.href);
    if (text) url.searchParams.set("q", text);
    this.list.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url, { signal: request.signal, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      this.show(text, await answer.json());
    } catch (error) {
      if (error.name !== "AbortError") this.say(document.body.dataset.wordFailed ?? "");
    }
  }

  show(text, groups) {
    const all = text ? groups : [{ label: this.words.wordRecent, hits: this.recent() }, ...groups];
    this.options = [];
    const parts = all.filter((group) => group.hits.length).map((group, place) => this.group(group, place));
    if (text.length > 1 && this.options.length) parts.push(this.allOf(text));
    this.list.replaceChildren(...parts);
    this.list.removeAttribute("aria-busy");
    this.input.setAttribute("aria-expanded", String(this.options.length > 0));
    const none = text.length > 1 ? this.words.wordNone.replace("{q}", text) : this.words.wordMore;
    this.say(this.options.length ? "" : none);
    if (text) this.status.textContent = (document.body.dataset.wordCount ?? "").replace("{n}", this.options.length);
    // What is typed has a best answer; an empty field does not, and Enter must not open anything.
    this.mark(text && this.options.length ? 0 : -1);
  }

  group(group, place) {
    const box = element("div", { role: "group", "aria-labelledby": `palette-group-${place}` });
    const head = element("p", { class: "wm-palette-group", id: `palette-group-${place}`, role: "presentation" });
    head.textContent = group.label;
    box.append(head, ...group.hits.map((hit) => this.option(hit)));
    return box;
  }

  option(hit) {
    const attributes = { role: "option", class: "wm-hit", href: hit.url, tabindex: "-1", "aria-selected": "false" };
    const option = element("a", { ...attributes, id: `palette-option-${this.options.length}` });
    option.hit = hit;
    const text = element("span", { class: "wm-hit-text" });
    text.append(withText("strong", {}, hit.title));
    if (hit.hint) text.append(withText("span", {}, hit.hint));
    option.append(icon(hit.icon), text);
    if (hit.state) option.append(withText("span", { class: `wm-badge wm-tone-${hit.tone}` }, hit.state));
    this.options.push(option);
    return option;
  }

  allOf(text) {
    const url = new URL("/admin/search", location.href);
    url.searchParams.set("q", text);
    return this.option({ title: this.words.wordAll.replace("{q}", text), url: url.href, icon: "search", fleeting: true });
  }

  mark(place, scroll = true) {
    this.options[this.active]?.setAttribute("aria-selected", "false");
    this.active = place;
    const option = this.options[place];
    if (!option) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", option.id);
    if (scroll) option.scrollIntoView({ block: "nearest" });
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
    if (text) this.status.textContent = text;
  }

  // In this tab only, and of this person only: the next one at the desk has other business.
  recent() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(RECENT_PLACES) ?? "{}");
      return kept.user === this.user ? kept.hits : [];
    } catch {
      return [];
    }
  }

  remember(option) {
    const hit = option.hit;
    if (hit.fleeting) return;
    const hits = [hit, ...this.recent().filter((other) => other.url !== hit.url)].slice(0, RECENT);
    try {
      sessionStorage.setItem(RECENT_PLACES, JSON.stringify({ user: this.user, hits }));
    } catch {
      // A browser that keeps nothing still finds everything.
    }
  }
}

function element(tag, attributes) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function withText(tag, attributes, text) {
  const node = element(tag, attributes);
  node.textContent = text;
  return node;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

const isTyping = (node) => node.isContentEditable || /^(input|textarea|select)$/i.test(node.tagName);

/** Single keys can be switched off: who dictates, or whose hand slips, must not set them off (WCAG 2.1.4). */
function singleKeys() {
  try {
    return localStorage.getItem(SINGLE_KEYS) !== "off";
  } catch {
    return true;
  }
}

function listenForKeys(palette, help) {
  let before = "";
  const press = (selector) => document.querySelector(selector)?.click();
  const keys = {
    "/": () => palette.open(),
    "?": () => help.showModal(),
    gh: () => location.assign("/admin/"),
    e: () => press("[data-key=edit]"),
    n: () => press("[data-key=add]"),
  };
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (palette.dialog.open) palette.dialog.close();
      else if (!document.querySelector("dialog[open]")) palette.open();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") || !singleKeys()) return;
    const run = keys[before + event.key] ?? keys[event.key];
    before = event.key === "g" ? "g" : "";
    if (!run) return;
    event.preventDefault();
    run();
  });
}

function forget() {
  try {
    sessionStorage.removeItem(RECENT_PLACES);
  } catch {
    // Nothing is kept, then.
  }
}

/** What this tab keeps of somebody goes when they sign out, also where that request never arrives, and when a page
 * shows that nobody is signed in any more. */
function forgetWithTheSignIn() {
  const out = document.querySelector(WAY_OUT);
  if (out) out.addEventListener("submit", forget);
  else forget();
}

export function palette() {
  forgetWithTheSignIn();
  const dialog = document.getElementById("palette");
  const help = document.getElementById("keyboard-help");
  if (!dialog || !help) return;
  const made = new Palette(dialog);
  for (const link of document.querySelectorAll("[data-palette-open]")) {
    link.setAttribute("aria-haspopup", "dialog");
    for (const key of link.querySelectorAll("kbd")) {
      key.hidden = false;
      if (/mac|iphone|ipad/i.test(navigator.platform)) key.dataset.keys = "⌘ K";
    }
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      made.open();
    });
  }
  for (const window_ of [dialog, help]) {
    window_.addEventListener("click", (event) => {
      if (event.target === window_ || event.target.closest("[data-palette-close]")) window_.close();
    });
  }
  for (const button of document.querySelectorAll("[data-shortcuts-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
  const choice = help.querySelector("[data-single-keys]");
  choice.checked = singleKeys();
  choice.addEventListener("change", () => {
    try {
      localStorage.setItem(SINGLE_KEYS, choice.checked ? "on" : "off");
    } catch {
      // Then it holds until the next page.
    }
  });
  listenForKeys(made, help);
}
