// Forms: no double submit, passwords that can be shown, alerts that can be closed.

// `aria-disabled`, not `disabled`: the button keeps the focus, its own name and value still travel with the
// request, and no browser restores it as disabled on "back". The guard below really refuses a second submit.
function release() {
  for (const button of document.querySelectorAll("[aria-busy=true]")) {
    button.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
  }
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
}

function guardSubmits() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    const button = event.submitter ?? form.querySelector("[type=submit]");
    button?.setAttribute("aria-busy", "true");
    button?.setAttribute("aria-disabled", "true");
  });
  // "Back" may bring the page back as it was left.
  window.addEventListener("pageshow", (event) => event.persisted && release());
}

/** Search and filter addresses without the empty fields: short enough to read and to share. */
function shortAddresses() {
  document.addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

function showPasswords() {
  for (const button of document.querySelectorAll("[data-show-password]")) {
    const field = document.getElementById(button.dataset.showPassword);
    if (!field) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const show = field.type === "password";
      field.type = show ? "text" : "password";
      button.setAttribute("aria-pressed", String(show));
      for (const icon of button.querySelectorAll("[data-when]")) {
        icon.toggleAttribute("hidden", (icon.dataset.when === "shown") !== show);
      }
    });
    field.form?.addEventListener("submit", () => { field.type = "password"; });
  }
}

function closeAlerts() {
  for (const button of document.querySelectorAll("[data-dismiss]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      button.closest(".alert").remove();
      document.getElementById("main")?.focus({ preventScroll: true });
    });
  }
}

/** Whoever leaves a long form half filled in is asked once; the browser says it in its own words. */
function guardUnsaved() {
  const form = document.querySelector("form[data-unsaved]");
  if (!form) return;
  const filledIn = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
  const fresh = filledIn();
  // A form that came back with errors holds what was typed and is saved nowhere.
  const refused = document.querySelector("[data-error-summary]") !== null;
  window.addEventListener("beforeunload", (event) => {
    if (!form.dataset.sent && (refused || filledIn() !== fresh)) event.preventDefault();
  });
}

function focusErrors() {
  document.querySelector("[data-error-summary]")?.focus();
}

export function forms() {
  guardSubmits();
  shortAddresses();
  showPasswords();
  closeAlerts();
  guardUnsaved();
  focusErrors();
}
