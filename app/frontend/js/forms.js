// Forms: no double submit, passwords that can be shown, alerts that can be closed.

const BUSY = "aria-busy";

function release() {
  for (const button of document.querySelectorAll(`[${BUSY}="true"]`)) {
    button.removeAttribute(BUSY);
    button.disabled = false;
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
    // After this tick: a button disabled during the event would drop its own name and value from the request.
    setTimeout(() => {
      if (!button) return;
      button.setAttribute(BUSY, "true");
      button.disabled = true;
    });
  });
  // "Back" may restore the page as it was left, disabled buttons included.
  window.addEventListener("pageshow", release);
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
      for (const icon of button.querySelectorAll("[data-when]")) icon.toggleAttribute("hidden", (icon.dataset.when === "shown") !== show);
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

function focusErrors() {
  document.querySelector("[data-error-summary]")?.focus();
}

export function forms() {
  guardSubmits();
  showPasswords();
  closeAlerts();
  focusErrors();
}
