// Leaves out the parts of Tabler that no page of ours uses. Nothing is guessed from the templates: the list
// below is the whole truth. When you need one of these components, delete its word here and rebuild.
const COMPONENTS = [
  "accordion", "apexcharts", "autosize", "avatar-cover", "avatar-list", "bg-blur", "bg-cover", "bg-pattern",
  "browser", "btn-animate", "btn-floating", "calendar", "card-code", "card-cover", "card-gradient",
  "card-group", "card-img", "card-progress", "card-rotate", "card-sponsor", "card-stacked", "card-stamp",
  "card-tabs", "carousel", "chart", "chat", "chip", "confetti", "countup", "datepicker", "demo", "divide",
  "dropdown-menu-card", "dropdown-menu-columns", "dropzone", "flag", "form-colorinput", "form-control-dark",
  "form-control-light", "form-floating", "form-imagecheck", "form-selectgroup", "fslightbox", "hero",
  "highlight", "img", "layout", "legend", "markdown", "mention", "modal", "nav-segmented", "navbar", "noUi",
  "offcanvas", "otp", "page-cover", "payment", "placeholder", "plyr", "popover", "pricing", "progressbg",
  "rating", "ratio", "ribbon", "signal", "signature", "social", "sortable", "sparkline", "star",
  "status-dot-animated", "steps?", "strength", "switch-icon", "tag", "toast", "tooltip", "tour", "tracking",
  "turbo", "was-validated",
];
// Colours by name: ours go by meaning (primary, success, warning, danger, info, secondary).
const COLOURS =
  "azure|bitbucket|blue|cyan|dark|dribbble|facebook|flickr|github|google|gray-\\d+|green|indigo|instagram|" +
  "light|lime|linkedin|muted|orange|pink|pinterest|purple|red|rss|tabler|teal|twitter|vimeo|vk|x|yellow|" +
  "youtube|youtube-red";
const COLOURED = [
  "alert", "avatar", "badge", "bg", "border", "btn", "btn-ghost", "btn-outline", "card", "link",
  "list-group-item", "progress", "status", "steps", "table", "text",
];
const UNUSED = [
  new RegExp(`\\.(${COMPONENTS.join("|")})(?![a-z])`),
  new RegExp(`\\.(${COLOURED.join("|")})-(${COLOURS})(-lt|-fg|-emphasis|-subtle)?(?![a-z])`),
  /\.(bg|text|border)-gradient|\.text-bg-/,
  /-xxl(?![a-z0-9])/,
  /\.(divide|columns|object|order|offset|cursor|rotate|focus-ring|icon-link|link-(offset|underline|opacity))-/,
  /\.(border|bg|text)-opacity-/,
  // Tabler's own settings panel and its themes, switched by attributes that we never set.
  /data-bs-(layout|navbar|sidebar|skin|theme-(base|primary|font|radius))|body\[data-bs-theme/,
  /\[data-vc|\.theme-|\[data-theme/,
];

/** Splits at `separator` outside parentheses, brackets and quotes. */
function split(text, separator) {
  const parts = [];
  let depth = 0;
  let quote = "";
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if (c === "(" || c === "[") depth++;
    else if (c === ")" || c === "]") depth--;
    else if (c === separator && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function closing(css, open) {
  let depth = 0;
  for (let i = open; i < css.length; i++) {
    if (css[i] === "{") depth++;
    else if (css[i] === "}" && --depth === 0) return i;
  }
  throw new Error("unbalanced braces in Tabler's stylesheet");
}

function rules(css) {
  let out = "";
  let at = 0;
  for (;;) {
    const open = css.indexOf("{", at);
    if (open < 0) return out;
    const close = closing(css, open);
    const head = css.slice(at, open).trim();
    const body = css.slice(open + 1, close);
    at = close + 1;
    if (/^@(media|supports|layer|container)/.test(head)) {
      const inner = rules(body);
      if (inner) out += `${head}{${inner}}\n`;
    } else if (head.startsWith("@")) {
      out += `${head}{${body}}\n`;
    } else {
      const kept = split(head, ",").map((s) => s.trim()).filter((s) => !UNUSED.some((unused) => unused.test(s)));
      if (kept.length) out += `${kept.join(",")}{${body}}\n`;
    }
  }
}

/** Tabler's stylesheet without the rules, or single selectors of a rule, that UNUSED names. */
export function prune(css) {
  const [licence] = css.match(/\/\*!.*?\*\//s);
  return `${licence}\n${rules(css.replace(/\/\*.*?\*\//gs, "").replace(/@charset[^;]*;/, ""))}`;
}
