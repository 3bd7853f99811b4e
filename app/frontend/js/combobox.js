// Turns <select data-options-url> into a combobox (WAI-ARIA "combobox with list popup"). The select stays in
// the form and keeps the value: nothing changes for the server, and without script the select itself works.

const WAIT = 200;
// The values that mean "nothing chosen" (the second one is WTForms' word for it).
const NONE = new Set(["", "__None"]);
let serial = 0;

class Combobox {
  constructor(select) {
    this.select = select;
    this.words = document.body.dataset;
    this.options = [];
    this.active = -1;
    this.build();
    this.listen();
  }

  build() {
    const id = this.select.id || `combobox-${++serial}`;
    const root = (this.root = document.createElement("div"));
    root.className = "wm-combobox";
    this.input = element("input", { type: "text", class: "form-control", role: "combobox" });
    set(this.input, { autocomplete: "off", spellcheck: "false" });
    this.list = element("ul", { class: "wm-combobox-list", role: "listbox", id: `${id}-list`, hidden: "" });
    this.list.tabIndex = -1; // browsers let Tab stop at whatever scrolls; here it must leave the field
    this.status = element("div", { class: "visually-hidden", role: "status" });
    const label = document.querySelector(`label[for="${CSS.escape(this.select.id)}"]`);
    for (const name of ["aria-describedby", "aria-invalid", "aria-required", "placeholder"]) {
      if (this.select.hasAttribute(name)) this.input.setAttribute(name, this.select.getAttribute(name));
    }
    if (this.select.required) this.input.setAttribute("aria-required", "true");
    set(this.input, { "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id });
    if (label) this.list.setAttribute("aria-label", label.textContent.trim());
    this.clear = this.iconButton(this.words.wordClear, "x");
    this.toggle = this.iconButton(this.words.wordOpen, "chevron-down");
    const buttons = element("span", { class: "wm-combobox-buttons" });
    buttons.append(this.clear, this.toggle);
    this.select.replaceWith(root);
    root.append(this.input, buttons, this.list, this.status, this.select);
    // The label, and the links of the error summary, now mean the text box.
    this.input.id = this.select.id;
    this.select.id = `${id}-value`;
    this.select.required = false;
    this.input.disabled = this.select.disabled;
    this.showChosen();
  }

  iconButton(label, icon) {
    const button = element("button", { type: "button", tabindex: "-1", "aria-label": label ?? "" });
    const href = `${this.words.sprite}#${icon}`;
    button.innerHTML = `<svg class="icon icon-sm" aria-hidden="true"><use href="${href}"></use></svg>`;
    return button;
  }

  listen() {
    this.input.addEventListener("input", () => this.ask(this.input.value));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("click", () => this.list.hidden && this.ask(""));
    this.input.addEventListener("focus", () => this.input.select());
    this.root.addEventListener("focusout", (event) => {
      if (!this.root.contains(event.relatedTarget)) this.leave();
    });
    this.toggle.addEventListener("click", () => {
      this.input.focus();
      if (this.list.hidden) this.ask("");
      else this.close();
    });
    this.clear.addEventListener("click", () => {
      this.chooseNone();
      this.input.focus();
    });
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const item = event.target.closest("[role=option]");
      if (item) this.choose(this.options[Number(item.dataset.index)]);
    });
    this.input.form?.addEventListener("reset", () => setTimeout(() => this.showChosen()));
  }

  key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) this.ask("");
      else this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      if (this.options[this.active]) this.choose(this.options[this.active]);
    } else if (event.key === "Escape") {
      if (!open && !this.input.value) return;
      event.preventDefault();
      event.stopPropagation();
      if (open) this.leave();
      else this.chooseNone();
    } else if (event.key === "Tab" && open && this.options[this.active]) {
      this.choose(this.options[this.active]);
    }
  }

  ask(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(text.trim()), text ? WAIT : 0);
  }

  async fetch(text) {
    this.request?.abort();
    const request = (this.request = new AbortController());
    const url = new URL(this.select.dataset.optionsUrl, location.href);
    url.searchParams.set("q", text);
    try {
      const answer = await fetch(url, { signal: request.signal, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      this.open(await answer.json());
    } catch (error) {
      if (error.name !== "AbortError") this.note(this.words.wordFailed ?? "");
    }
  }

  open(options) {
    if (!this.root.contains(document.activeElement)) return;
    this.options = options;
    this.active = -1;
    if (!options.length) {
      this.note(this.words.wordNone ?? "");
      return;
    }
    this.list.replaceChildren(...options.map((option, index) => {
      const item = element("li", { role: "option", id: `${this.list.id}-${index}` });
      item.dataset.index = String(index);
      item.textContent = option.label;
      item.setAttribute("aria-selected", String(String(option.value) === this.select.value));
      return item;
    }));
    this.expand(true);
    this.status.textContent = (this.words.wordCount ?? "{n}").replace("{n}", options.length);
    if (this.input.value.trim() && this.input.value !== this.chosenLabel()) this.move(1);
  }

  note(text) {
    this.options = [];
    this.active = -1;
    const item = element("li", { class: "wm-combobox-note", role: "option", "aria-disabled": "true" });
    item.setAttribute("aria-selected", "false");
    item.textContent = text;
    this.list.replaceChildren(item);
    this.expand(true);
    this.status.textContent = text;
  }

  move(step) {
    const count = this.options.length;
    if (!count) return;
    this.active = (this.active + step + count + (this.active < 0 && step < 0 ? 1 : 0)) % count;
    const item = this.list.children[this.active];
    for (const other of this.list.children) other.classList.toggle("wm-active", other === item);
    this.input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  choose({ value, label }) {
    if (![...this.select.options].some((option) => option.value === String(value))) {
      this.select.add(new Option(label, value));
    }
    this.select.value = String(value);
    this.select.dispatchEvent(new Event("change", { bubbles: true }));
    this.close();
    this.showChosen();
  }

  /** Typed but not chosen text is no value: show what is really chosen. An emptied box means "none". */
  leave() {
    if (!this.input.value.trim() && this.emptyOption()) this.chooseNone();
    this.close();
    this.showChosen();
  }

  emptyOption() {
    return [...this.select.options].find((option) => NONE.has(option.value));
  }

  chooseNone() {
    const none = this.emptyOption();
    if (none) this.choose({ value: none.value, label: "" });
  }

  chosenLabel() {
    const option = this.select.selectedOptions[0];
    return option && !NONE.has(option.value) ? option.textContent.trim() : "";
  }

  showChosen() {
    this.input.value = this.chosenLabel();
    this.clear.hidden = !this.input.value || !this.emptyOption();
  }

  expand(open) {
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    if (!open) this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.expand(false);
    this.active = -1;
  }
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

function element(tag, attributes) {
  const node = document.createElement(tag);
  set(node, attributes);
  return node;
}

export function comboboxes() {
  const selects = document.querySelectorAll("select[data-options-url]:not([multiple])");
  for (const select of selects) new Combobox(select);
}
