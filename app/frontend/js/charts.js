// Draws the charts of dashboards. What they show stands in the page: raw numbers for the drawing, words for people,
// so that nothing is asked for and nothing is formatted here. Each has a table beside it, which says the same.
import { BarChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, GridComponent, TooltipComponent, AriaComponent, SVGRenderer]);

const root = document.documentElement;
const rtl = root.dir === "rtl";
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

/** A design token as the colour that it is here and now: light or dark, the company's or the house's. */
function colour(name) {
  const probe = document.createElement("i");
  probe.className = `wm-chart-probe wm-chart-${name}`;
  document.body.append(probe);
  const found = window.getComputedStyle(probe).color;
  probe.remove();
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.canvas.width = canvas.canvas.height = 1;
  canvas.fillStyle = found; // whatever notation, it comes back as bytes
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return `rgba(${r}, ${g}, ${b}, ${a / 255})`;
}

function palette(chart) {
  const tones = new Map(chart.series.map(({ tone }) => [tone, colour(tone)]));
  return { tones, ink: colour("ink"), muted: colour("muted"), line: colour("line") };
}

/** What is said of a column or bar, made of elements: a page without inline styles allows no HTML in strings. */
function tip(chart, place) {
  const box = document.createElement("div");
  box.className = "wm-chart-tip";
  box.dir = root.dir;
  const title = document.createElement("strong");
  title.textContent = chart.titles[place];
  box.append(title);
  for (const { name, tone, shown } of chart.series) {
    const line = document.createElement("span");
    const mark = document.createElement("i");
    mark.className = `wm-chart-mark wm-chart-${tone}`;
    line.append(mark, `${name}: ${shown[place]}`);
    box.append(line);
  }
  return box;
}

function series(chart, { name, tone, values, shown }, colours) {
  const lies = chart.kind === "bars";
  return {
    name,
    type: "bar",
    stack: lies ? undefined : "all",
    data: values,
    barMaxWidth: lies ? 18 : 34,
    barMinHeight: 0,
    cursor: chart.urls.some(Boolean) ? "pointer" : "default",
    itemStyle: { color: colours.tones.get(tone), borderRadius: 2 },
    emphasis: { disabled: true },
    label: lies
      ? {
          show: true,
          position: rtl ? "left" : "right",
          color: colours.ink,
          fontWeight: 600,
          formatter: ({ dataIndex }) => shown[dataIndex],
        }
      : { show: false },
  };
}

function axes(chart, colours) {
  const text = { color: colours.muted, fontSize: 12 };
  const bare = { axisLine: { show: false }, axisTick: { show: false } };
  const names = { type: "category", data: chart.labels, ...bare };
  if (chart.kind === "bars") {
    return {
      xAxis: { type: "value", show: false, min: 0, max: chart.most ?? undefined, inverse: rtl },
      yAxis: {
        ...names,
        inverse: true,
        position: rtl ? "right" : "left",
        axisLabel: { ...text, color: colours.ink, width: 130, overflow: "truncate" },
      },
    };
  }
  const marks = chart.marks.map(({ value }) => value);
  const words = new Map(chart.marks.map(({ value, label }) => [value, label]));
  return {
    xAxis: {
      ...names,
      inverse: rtl,
      axisLine: { show: true, onZero: true, lineStyle: { color: colours.line } },
      axisLabel: { ...text, hideOverlap: true, margin: 10 },
      offset: 0,
    },
    yAxis: {
      type: "value",
      position: rtl ? "right" : "left",
      min: marks[0],
      max: marks.at(-1),
      interval: marks.length > 1 ? marks[1] - marks[0] : undefined,
      axisLabel: { ...text, formatter: (value) => words.get(value) ?? "" },
      splitLine: { lineStyle: { color: colours.line } },
    },
  };
}

function options(chart, summary) {
  const colours = palette(chart);
  const font = window.getComputedStyle(document.body).fontFamily;
  return {
    aria: { enabled: true, label: { enabled: true, description: summary } },
    animation: !still.matches,
    animationDuration: 350,
    textStyle: { fontFamily: font, color: colours.ink },
    grid: { left: 4, right: chart.kind === "bars" ? 64 : 8, top: 12, bottom: 4, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow", shadowStyle: { color: colours.line, opacity: 0.5 } },
      className: "wm-chart-float",
      backgroundColor: "transparent",
      borderWidth: 0,
      padding: 0,
      extraCssText: "box-shadow: none",
      confine: true,
      transitionDuration: still.matches ? 0 : 0.2,
      formatter: ([first]) => tip(chart, first.dataIndex),
    },
    ...axes(chart, colours),
    series: chart.series.map((row) => series(chart, row, colours)),
  };
}

function draw(place) {
  const chart = JSON.parse(place.dataset.chart);
  const drawing = init(place, null, { renderer: "svg" });
  const show = () => drawing.setOption(options(chart, place.getAttribute("aria-label")), { notMerge: true });
  show();
  drawing.getZr().on("click", (event) => {
    const point = [event.offsetX, event.offsetY];
    if (!drawing.containPixel("grid", point)) return;
    const [x, y] = drawing.convertFromPixel({ seriesIndex: 0 }, point);
    const url = chart.urls[chart.kind === "bars" ? y : x];
    if (url) window.location.assign(url);
  });
  new window.ResizeObserver(() => drawing.resize()).observe(place);
  return show;
}

/** Each when it comes into sight; all anew when light becomes dark. */
function charts() {
  const shown = new Set();
  const seen = new window.IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        shown.add(draw(target));
      }
    },
    { rootMargin: "200px" },
  );
  for (const place of document.querySelectorAll("[data-chart]")) seen.observe(place);
  const anew = () => shown.forEach((show) => show());
  new window.MutationObserver(anew).observe(root, { attributeFilter: ["data-bs-theme"] });
}

charts();
