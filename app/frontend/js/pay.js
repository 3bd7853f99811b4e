// Paying: the time that is left, the page that waits for the provider, and the provider's own form.

const WAIT_MS = 2500;
const WAITS = 120; // five minutes; after that people reload by themselves

const part = (element, when) => element.querySelector(`[data-when=${when}]`);

/** Counts down from what the server said was left: the visitor's own clock may be wrong. */
function countdowns() {
  for (const element of document.querySelectorAll("[data-seconds-left]")) {
    const shown = element.querySelector("[data-countdown]");
    const end = performance.now() + Number(element.dataset.secondsLeft) * 1000;
    const tick = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      shown.hidden = false;
      shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      element.classList.toggle("wm-soon", left <= 60);
      if (left > 0) return;
      clearInterval(timer);
      part(element, "left").hidden = true;
      part(element, "over").hidden = false;
      for (const payer of document.querySelectorAll("[data-pay]")) payer.hidden = true;
    };
    const timer = setInterval(tick, 1000);
    tick();
  }
}

/** Asks how the order stands until that changes, and then shows the page anew. */
function waitForPayment() {
  const element = document.querySelector("[data-order-state]");
  if (!element) return;
  let waits = 0;
  const ask = async () => {
    try {
      const answer = await fetch(element.dataset.stateUrl, { headers: { Accept: "application/json" } });
      if (answer.ok && (await answer.json()).state !== element.dataset.orderState) {
        location.reload();
        return;
      }
    } catch {
      // Offline for a moment: the next look may succeed.
    }
    waits += 1;
    if (waits < WAITS) setTimeout(ask, WAIT_MS);
  };
  setTimeout(ask, WAIT_MS);
}

/** Stripe's Payment Element; the card goes from here to Stripe and nowhere else. */
function paymentElement() {
  const form = document.querySelector("[data-payment-element]");
  if (!form) return;
  const error = form.querySelector("[data-error]");
  const button = form.querySelector("[type=submit]");
  const say = (text) => {
    error.textContent = text;
    error.hidden = !text;
  };
  if (!window.Stripe) {
    say(form.dataset.wordAway);
    return;
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = document.documentElement.dataset.bsTheme ?? (dark ? "dark" : "light");
  const stripe = window.Stripe(form.dataset.key, { locale: document.documentElement.lang });
  const elements = stripe.elements({
    clientSecret: form.dataset.secret,
    appearance: { theme: theme === "dark" ? "night" : "stripe" },
  });
  const element = elements.create("payment");
  element.on("ready", () => { button.disabled = false; });
  element.on("loaderror", () => say(form.dataset.wordAway));
  element.mount(form.querySelector("[data-element]"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    say("");
    const outcome = await stripe.confirmPayment({
      elements,
      confirmParams: { return_url: form.dataset.return },
    });
    // Only a refusal comes back here; otherwise the browser is on its way.
    say(outcome.error?.message ?? form.dataset.wordAway);
    button.disabled = false;
  });
}

export function pay() {
  countdowns();
  waitForPayment();
  // Stripe's script is deferred, too, and may come after this one.
  if (document.readyState === "complete") paymentElement();
  else window.addEventListener("load", paymentElement);
}
