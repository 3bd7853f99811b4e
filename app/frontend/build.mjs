// Builds the front-end assets: `node app/frontend/build.mjs [source-hash]`, mostly by `python run.py assets`.
//
// Out come content-hashed files in app/static/dist/ and manifest.json, which maps plain names to them:
//   app.css, app.rtl.css  what we use of Tabler, then our own css/*.css
//   app.js                the page scripts, loaded deferred
//   chat.js, chat.css     what messages and notifications need beside; Socket.IO's client is in it
//   charts.js             what dashboards need beside; of ECharts only what they draw with
//   calendar.js, calendar.css  the calendar of lessons; FullCalendar is in it
//   tour.css              the demo's tour
//   theme.js              runs in <head>, before the first paint
//   icons.svg             the sprite of the icons named in icons.json
//   favicon.svg
//   sans.ttf, sans-bold.ttf, ...  the fonts of PDF documents (app/core/pdf/fonts.py reads them)
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { PurgeCSS } from "purgecss";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.resolve(here, "../static/dist");
const require = createRequire(import.meta.url);

// By the plain name: package, weight and file. Each package holds all weights; these are the ones that are used.
const fonts = {
  "sans.ttf": ["noto-sans", "400Regular", "NotoSans"],
  "sans-bold.ttf": ["noto-sans", "700Bold", "NotoSans"],
  // Not Noto's, which draws a letter's dots apart: no reader finds a word again that is drawn so.
  "arabic.ttf": ["ibm-plex-sans-arabic", "400Regular", "IBMPlexSansArabic"],
  "arabic-bold.ttf": ["ibm-plex-sans-arabic", "700Bold", "IBMPlexSansArabic"],
  "hebrew.ttf": ["noto-sans-hebrew", "400Regular", "NotoSansHebrew"],
  "hebrew-bold.ttf": ["noto-sans-hebrew", "700Bold", "NotoSansHebrew"],
  "japanese.ttf": ["noto-sans-jp", "400Regular", "NotoSansJP"],
  "japanese-bold.ttf": ["noto-sans-jp", "700Bold", "NotoSansJP"],
  "emoji.ttf": ["noto-emoji", "400Regular", "NotoEmoji"],
};

/** Tabler's stylesheet without the rules whose classes stand in no template or script: the whole has 600 kB. */
async function used(css) {
  const [licence] = css.match(/\/\*!.*?\*\//s);
  const [kept] = await new PurgeCSS().purge({
    content: [path.join(here, "../**/*.html"), path.join(here, "**/*.js")],
    css: [{ raw: css }],
    // A class put together of two pieces would not be found: write such names out.
    defaultExtractor: (text) => text.match(/[\w-]+/g) ?? [],
    keyframes: true,
  });
  return `${licence}\n${kept.css}`;
}

/** Resolves `@import "tabler"` to what we use of Tabler's stylesheet of one direction. */
function tabler(direction) {
  const file = direction === "rtl" ? "tabler.rtl.css" : "tabler.css";
  const source = path.join(packageFolder("@tabler/core"), "dist/css", file);
  return {
    name: "tabler",
    setup(bundle) {
      bundle.onResolve({ filter: /^tabler$/ }, () => ({ path: source, namespace: "tabler" }));
      bundle.onLoad({ filter: /.*/, namespace: "tabler" }, async () => ({
        contents: await used(await readFile(source, "utf8")),
        loader: "css",
      }));
    },
  };
}

function packageFolder(name) {
  const [folder] = require.resolve.paths(name).map((base) => path.join(base, name)).filter((p) => {
    try {
      return require(path.join(p, "package.json"));
    } catch {
      return false;
    }
  });
  if (!folder) throw new Error(`${name} is not installed: run npm ci`);
  return folder;
}

async function bundle(entry, plugins = []) {
  const result = await build({
    entryPoints: [path.join(here, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: entry.endsWith(".js") ? "iife" : undefined,
    charset: "utf8",
    legalComments: "inline",
    logLevel: "error",
    plugins,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

/** One <symbol> per icon; drawing attributes sit on the symbol, colour comes from `currentColor`. */
async function sprite({ fallback, outline, aliases }) {
  const folder = path.join(packageFolder("@tabler/icons"), "icons/outline");
  const drawings = new Map();
  for (const name of new Set([fallback, ...outline, ...Object.values(aliases)])) {
    const svg = await readFile(path.join(folder, `${name}.svg`), "utf8").catch(() => {
      throw new Error(`icons.json names "${name}", which @tabler/icons does not have`);
    });
    const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    const paths = inner.replace(/<path stroke="none"[^>]*>/, "").replace(/\s*\n\s*/g, "");
    drawings.set(name, paths.replaceAll(" />", "/>"));
  }
  for (const [alias, name] of Object.entries(aliases)) drawings.set(alias, drawings.get(name));
  const attributes =
    'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" ' +
    'stroke-linecap="round" stroke-linejoin="round"';
  const symbol = ([name, paths]) => `<symbol id="${name}" ${attributes}>${paths}</symbol>`;
  const symbols = [...drawings].sort().map(symbol);
  return {
    names: [...drawings.keys()].sort(),
    svg: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`),
  };
}

async function fontFiles() {
  const read = async ([name, [folder, weight, family]]) => {
    const file = path.join(packageFolder(`@expo-google-fonts/${folder}`), weight, `${family}_${weight}.ttf`);
    return [name, await readFile(file)];
  };
  return Object.fromEntries(await Promise.all(Object.entries(fonts).map(read)));
}

function hashed(name, contents) {
  const digest = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const extension = name.slice(name.indexOf("."));
  return `${name.slice(0, name.indexOf("."))}-${digest}${extension}`;
}

async function previousFiles() {
  try {
    return Object.values(JSON.parse(await readFile(path.join(dist, "manifest.json"), "utf8")).files);
  } catch {
    return [];
  }
}

async function main(sourceHash) {
  const icons = await sprite(JSON.parse(await readFile(path.join(here, "icons.json"), "utf8")));
  const outputs = {
    "app.css": await bundle("app.css", [tabler("ltr")]),
    "app.rtl.css": await bundle("app.css", [tabler("rtl")]),
    "app.js": await bundle("app.js"),
    "chat.js": await bundle("js/chat.js"),
    "chat.css": await bundle("css/chat.css"),
    "charts.js": await bundle("js/charts.js"),
    "calendar.js": await bundle("js/calendar.js"),
    "calendar.css": await bundle("css/agenda.css"),
    "tour.css": await bundle("css/tour.css"),
    "theme.js": await bundle("theme.js"),
    "icons.svg": icons.svg,
    "favicon.svg": await readFile(path.join(here, "favicon.svg")),
    ...(await fontFiles()),
  };
  await mkdir(dist, { recursive: true });
  const before = await previousFiles();
  const files = {};
  for (const [name, contents] of Object.entries(outputs)) {
    files[name] = hashed(name, contents);
    await writeFile(path.join(dist, files[name]), contents);
    if (/\.(css|js|svg)$/.test(name)) {
      // app/shell/assets.py sends these to browsers that take them.
      await writeFile(path.join(dist, `${files[name]}.br`), brotliCompressSync(contents));
      await writeFile(path.join(dist, `${files[name]}.gz`), gzipSync(contents, { level: 9 }));
    }
    const kb = (bytes) => `${(bytes.length / 1000).toFixed(1).padStart(6)} kB`;
    if (name in fonts) continue; // no browser loads them
    console.log(`  ${files[name].padEnd(28)} ${kb(contents)} ${kb(gzipSync(contents, { level: 9 }))} gzip`);
  }
  // The manifest comes last and at once, so that a reader never sees names whose files are not there yet.
  const draft = path.join(dist, `manifest.${process.pid}.tmp`);
  await writeFile(draft, `${JSON.stringify({ source: sourceHash, files, icons: icons.names }, null, 1)}\n`);
  await rename(draft, path.join(dist, "manifest.json"));
  // A server that still runs with the last manifest keeps its files; older ones go.
  const keep = new Set([...Object.values(files), ...before, "manifest.json"]);
  for (const name of await readdir(dist)) {
    if (!keep.has(name.replace(/\.(br|gz)$/, ""))) await rm(path.join(dist, name), { force: true });
  }
}

await main(process.argv[2] ?? "");
