// The brand page: a page of the company as it would look, and whether white text on its colour can be read.

/** WCAG 2.2's contrast of white on #rrggbb; the server asks the same before it saves (tenancy/policies.py). */
function contrastWithWhite(color) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
}

export function brand() {
  const preview = document.querySelector("[data-brand-preview]");
  const form = document.querySelector("form[data-unsaved]");
  if (!preview || !form) return;
  const radii = JSON.parse(preview.dataset.radii);
  const least = Number(preview.dataset.least);
  const digits = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  const said = preview.querySelector("[data-brand-contrast]");
  const write = (name, text) => {
    for (const place of preview.querySelectorAll(`[data-brand-${name}]`)) place.textContent = text;
  };

  function draw() {
    const { name, tagline, primary, corners } = form.elements;
    write("name", name.value);
    write("initial", name.value.trim().slice(0, 1).toUpperCase());
    write("tagline", tagline.value);
    if (!/^#[0-9a-f]{6}$/i.test(primary.value)) return;
    for (const page of preview.querySelectorAll(".wm-sample")) {
      page.style.setProperty("--tblr-primary", primary.value);
      page.style.setProperty("--wm-radius", `${radii[corners.value]}px`);
    }
    const ratio = contrastWithWhite(primary.value);
    const words = ratio >= least ? preview.dataset.wordReadable : preview.dataset.wordFaint;
    // Rounded down: 4.49 is not 4.5.
    const shown = digits.format(Math.floor(ratio * 10) / 10);
    said.textContent = words.replace("{ratio}", shown).replace("{least}", digits.format(least));
    said.classList.toggle("wm-faint", ratio < least);
  }

  form.addEventListener("input", draw);
  draw();
}
