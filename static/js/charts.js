// Curves with uPlot, declared in the page:
//   <div class="charts" data-charts data-charts-url="/runs/7/curves/">          or data-charts-source="id of a JSON block"
//     <figure class="card chart" data-chart="loss"> <figcaption>Loss</figcaption> <div class="plot"></div> … </figure>
// The JSON: {"x": "step", "charts": {"loss": {"series": [{"label", "x": [], "y": [], "method"?, "tone"? (1 to 4), "dotted"?, "steps"?}],
//   "range"? [low, high], "reference"? number, "x"? label}}}. A null in `y` is a gap. All charts of a group share x axis, cursor and zoom
// (drag to zoom, double click to go back). They are drawn anew on `live:update`, follow the theme and the width.

/* global uPlot */

const HEIGHT = 200;
const MARKERS = 8; // markers on a curve, to tell it apart without colour
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

// A custom property may hold light-dark(); only a real property of a real element gives the colour it stands for.
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

const property = (series, index) => (series.method ? `--method-${series.method}` : `--series-${series.tone ?? index + 1}`);
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// Learning rates and the like: 7.5e-5 has room beside an axis, 0.000075 has not.
const tiny = (value, digits) => value !== 0 && Math.abs(value) < 0.001 && Number(value.toPrecision(digits)).toExponential();
const short = (value) => tiny(value, 4) || plain.format(value);
const tick = (value) => tiny(value, 3) || compact.format(value);

// --- Markers: the shapes of css/components.css, as paths around (x, y) with radius r -------------------------------------
const polygon = (points) => (path, x, y, r) => {
  points.forEach(([dx, dy], i) => path[i ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
  path.closePath();
};
const circle = (path, x, y, r) => path.arc(x, y, r, 0, 2 * Math.PI);
const SHAPES = {
  base: circle,
  sft: polygon([[-0.3, -1], [0.3, -1], [0.3, -0.3], [1, -0.3], [1, 0.3], [0.3, 0.3], [0.3, 1], [-0.3, 1], [-0.3, 0.3], [-1, 0.3], [-1, -0.3], [-0.3, -0.3]]),
  dpo: circle,
  cpo: polygon([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
  rlhf: polygon([[0, -1], [1.05, 0.9], [-1.05, 0.9]]),
  contrastive_cpo: polygon([[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]]),
  reward: polygon([[0, 1], [1.05, -0.9], [-1.05, -0.9]]),
  inspection: polygon([[-0.5, -0.9], [0.5, -0.9], [1, 0], [0.5, 0.9], [-0.5, 0.9], [-1, 0]]),
  simpo: polygon([[0, -1.05], [1.05, -0.25], [0.65, 1], [-0.65, 1], [-1.05, -0.25]]),
};
const TONE_SHAPES = [circle, SHAPES.cpo, SHAPES.rlhf, SHAPES.contrastive_cpo];
const shapeOf = (series, index) => SHAPES[series.method] ?? TONE_SHAPES[((series.tone ?? index + 1) - 1) % TONE_SHAPES.length];

function markerPaths(shape) {
  return (plot, seriesIndex, from, to, indices) => {
    const path = new Path2D();
    for (const i of indices ?? []) {
      const x = plot.valToPos(plot.data[0][i], "x", true);
      const y = plot.valToPos(plot.data[seriesIndex][i], "y", true);
      const one = new Path2D();
      shape(one, x, y, 3.5 * devicePixelRatio);
      path.addPath(one);
    }
    return { fill: path, stroke: path };
  };
}

// The points nearest to MARKERS evenly spaced places, so that short and long curves carry equally many.
function markerIndices(plot, seriesIndex) {
  const filled = [];
  plot.data[seriesIndex].forEach((value, i) => value != null && filled.push(i));
  if (filled.length <= MARKERS) return filled;
  const every = (filled.length - 1) / (MARKERS - 1);
  return Array.from({ length: MARKERS }, (_, k) => filled[Math.round(k * every)]);
}

// --- One chart ----------------------------------------------------------------------------------------------------------
function seriesOptions(series, index) {
  const name = property(series, index);
  const stroke = () => colour(name);
  const hollow = series.method === "base";
  return {
    label: series.label,
    stroke,
    width: series.dotted ? 1.5 : 1.75,
    dash: series.dotted ? [2, 4] : undefined,
    spanGaps: false,
    value: shown,
    paths: series.steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    fill: series.steps ? () => colour(name).replace("rgb(", "rgba(").replace(")", ", 0.12)") : undefined,
    points: {
      filter: series.dotted || series.steps ? () => null : markerIndices,
      show: false, // the filter alone decides
      paths: markerPaths(shapeOf(series, index)),
      width: 1.5,
      fill: hollow ? () => colour("--surface") : stroke,
    },
  };
}

// The value under the cursor; while there is no cursor the last one, with its x where others go on behind it.
function shown(plot, value, index, at) {
  if (at != null || plot.histogram) return value == null ? "–" : short(value);
  const last = plot.data[index]?.findLastIndex((one) => one != null) ?? -1;
  if (last < 0) return "–";
  const [xs] = plot.data;
  return short(plot.data[index][last]) + (last < xs.length - 1 ? ` at ${short(xs[last])}` : "");
}

function axis(side) {
  const grid = { stroke: () => colour("--border"), width: 1 };
  return {
    side,
    stroke: () => colour("--text-muted"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid,
    ticks: { ...grid, size: 4 },
    gap: 4,
    size: side === 2 ? 28 : 44,
    values: (_plot, values) => values.map((value) => (value == null ? "" : tick(value))),
  };
}

// The steps of a histogram say nothing without what they count along; of curves over steps the legend says it.
function captioned(below, chart, group) {
  if (!chart.series.some((series) => series.steps)) return below;
  return { ...below, label: chart.x || group.x, labelSize: 16, labelFont: below.font, labelGap: 0 };
}

// A dashed line across the plot at a height that means something.
function drawLevel(plot, value, tone, dash) {
  const y = Math.round(plot.valToPos(value, "y", true));
  const { left, top, width, height } = plot.bbox;
  if (y < top || y > top + height) return;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = colour(tone);
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.restore();
}

function drawLevels(plot, chart) {
  if (chart.reference != null) drawLevel(plot, chart.reference, "--border-strong", [4, 4]);
  for (const value of chart.thresholds ?? []) drawLevel(plot, value, "--warn", [8, 3]);
}

function options(chart, group, width) {
  return {
    width,
    height: HEIGHT,
    padding: [8, 20, 0, 0], // the last label of the x axis stands half beyond the plot
    cursor: { sync: { key: group.key, scales: ["x", null] }, drag: { x: true, y: false }, y: false, points: { size: 7 } },
    legend: { live: true, markers: { show: true, width: 0, fill: () => "", stroke: () => "" } },
    scales: { x: { time: false, range: (_plot, low, high) => (low === high ? [low - 1, high + 1] : [low, high]) }, y: chart.range ? { range: chart.range } : {} },
    axes: [captioned(axis(2), chart, group), axis(3)],
    series: [{ label: chart.x ?? group.x, value: shown }, ...chart.series.map(seriesOptions)],
    hooks: { drawAxes: [(plot) => drawLevels(plot, chart)] },
  };
}

// uPlot wants one x for all series; where a series has no value the joined column holds undefined, which is no gap.
// The span of the whole group is joined too, so that all charts end at the same x.
function columns(chart, span) {
  return uPlot.join([[span], ...chart.series.map(({ x, y }) => [x, y])]);
}

function markLegend(plot, chart) {
  plot.root.querySelectorAll(".u-series").forEach((row, i) => {
    if (i === 0) return void row.querySelector(".u-marker")?.remove();
    const series = chart.series[i - 1];
    row.dataset.method = series.method ?? `series-${series.tone ?? i}`;
    row.querySelector(".u-marker").classList.toggle("dotted", Boolean(series.dotted));
  });
}

const signature = (chart) => JSON.stringify([chart.range, chart.reference, chart.thresholds, chart.series.map(({ x, y, ...rest }) => rest)]);

function draw(figure, chart, group) {
  const place = figure.querySelector(".plot");
  const known = group.plots.get(figure);
  if (!chart?.series.some(({ y }) => y.length)) {
    place.classList.add("waiting");
    place.textContent ||= "No values yet.";
    return;
  }
  const data = columns(chart, group.span);
  if (known?.signature === signature(chart)) return update(known.plot, data);
  known?.plot.destroy();
  place.classList.remove("waiting");
  place.replaceChildren();
  const plot = new uPlot(options(chart, group, place.clientWidth), data, place);
  plot.histogram = chart.series.some((series) => series.steps);
  markLegend(plot, chart);
  group.plots.set(figure, { plot, signature: signature(chart) });
}

// New values widen the axes, unless somebody is looking at a part of them.
function update(plot, data) {
  const { min, max } = plot.scales.x;
  const zoomed = min > plot.data[0][0] || max < plot.data[0].at(-1);
  plot.setData(data, !zoomed);
  if (zoomed) plot.redraw();
}

// --- A group of charts -----------------------------------------------------------------------------------------------------
async function load(element) {
  const { chartsUrl, chartsSource } = element.dataset;
  if (!chartsUrl) return JSON.parse(document.getElementById(chartsSource).textContent);
  const answer = await fetch(chartsUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`The curves could not be loaded (${answer.status}). Load the page again.`);
  return answer.json();
}

// The lowest and highest x of the charts that are shown.
function spanOf(charts) {
  const all = charts.flatMap((chart) => chart?.series.flatMap((series) => series.x) ?? []);
  return all.length ? [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

async function refresh(element, group) {
  const figures = [...element.querySelectorAll("[data-chart]")];
  if (element.matches("[data-chart]")) figures.push(element);
  try {
    const { x = "step", charts } = await load(element);
    Object.assign(group, { x, span: spanOf(figures.map((figure) => charts[figure.dataset.chart])) });
    for (const figure of figures) draw(figure, charts[figure.dataset.chart], group);
  } catch (error) {
    for (const figure of figures) if (!group.plots.has(figure)) Object.assign(figure.querySelector(".plot"), { className: "plot waiting", textContent: error.message });
  }
}

function start(element, number) {
  const group = { key: `charts-${number}`, plots: new Map(), x: "", span: [0, 1] };
  const redraw = () => group.plots.forEach(({ plot }) => plot.redraw(false));
  const resize = new ResizeObserver(() => group.plots.forEach(({ plot }, figure) => plot.setSize({ width: figure.querySelector(".plot").clientWidth, height: HEIGHT })));
  refresh(element, group).then(() => resize.observe(element));
  document.addEventListener("theme:change", redraw);
  document.addEventListener("live:update", () => refresh(element, group));
}

document.querySelectorAll("[data-charts]").forEach(start);
