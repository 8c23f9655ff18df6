// The map of codes: each point is a training sample; hover to see it, click to load it.
import { all, ask, draw, elided, latest, make, on, one, state } from "./state.js";
import { load } from "./draw.js";

const EDGE = 0.1; // share of the width; names closer to the side would be cut off
const MANY = 30; // classes; more could not be told apart by color
let chart, chosen = -1, kept = false, sheet = null;

export function setUp() {
  if (state.model.reasons.map) return;
  const plot = one("#plot");
  plot.addEventListener("pointermove", (event) => { if (!kept) mark(nearest(event)); });
  plot.addEventListener("click", (event) => {
    const k = nearest(event);
    kept = !kept || k !== chosen; // a click keeps its point until the next one
    mark(k);
    if (kept) choose();
  });
  const walker = one("#walker");
  walker.addEventListener("input", () => mark(Number(walker.value)));
  one("#take-point").addEventListener("click", choose);
  for (const choice of all("input[name=method]")) choice.addEventListener("change", () => fetchMap(choice.value));
  window.addEventListener("resize", showNamesApart);
  fetchMap("auto");
}

function fetchMap(method) {
  one("#map-told").textContent = method === "tsne" ? "Computing the map of a thousand codes; the first time takes a few seconds …" : "";
  return latest("map", async (signal) => {
    chart = await ask(`/api/map?method=${method}`, undefined, signal);
    one(`input[name=method][value=${chart.about.startsWith("t-SNE") ? "tsne" : "pca"}]`).checked = true;
    one("#map-told").textContent = `${chart.points.length.toLocaleString("en")} training samples; ${chart.about}.`;
    if (chart.sprite) { sheet = new Image(); sheet.src = chart.sprite.uri; }
    paint();
  });
}

// As in report/plots.py: ten colors, and another shape for each further ten classes.
const spot = (c) => `c${c % 10}${c > 9 ? ` round-${Math.floor(c / 10) % 3}` : ""}`;
const percent = (value) => `${(2 + 96 * value).toFixed(2)}%`;

function paint() {
  const plot = one("#plot"), { points, labels, classes } = chart;
  const dots = points.map(([x, y], k) => draw("circle", {
    cx: percent(x), cy: percent(1 - y), r: 4, class: `dot ${spot(labels && labels[k] >= 0 && classes.length <= MANY ? labels[k] : 0)}` }));
  const names = !labels || classes.length > MANY || classes.length < 2 ? [] : classes.map((name, c) => {
    const inside = points.filter((_, k) => labels[k] === c);
    if (!inside.length) return "";
    const middle = (axis) => inside.map((p) => p[axis]).sort((a, b) => a - b)[inside.length >> 1];
    const text = draw("text", { class: `group${middle(0) < EDGE ? " first" : middle(0) > 1 - EDGE ? " last" : ""}`, x: percent(middle(0)), y: percent(1 - middle(1)), dy: 6 });
    text.textContent = name;
    return text;
  });
  plot.setAttribute("aria-label", `Map of ${points.length} codes${classes.length > 1 && classes.length <= MANY ? `, colored by ${classes.length} classes` : ""}`);
  plot.replaceChildren(...dots, draw("circle", { class: "chosen", r: 8, cx: "50%", cy: "50%", visibility: "hidden" }), ...names);
  one("#map-legend").replaceChildren(...names.filter(Boolean).map((text) => {
    const c = classes.indexOf(text.textContent);
    return make("span", { className: "key spot" }, make("i", { className: spot(c) }), text.textContent);
  }));
  showNamesApart();
  kept = false;
  const walker = one("#walker");
  walker.max = points.length - 1;
  chosen = -1;
}

// Names that would overlap an earlier one are hidden; the legend has all of them.
function showNamesApart() {
  const shown = [];
  for (const text of all("#plot text.group")) {
    const box = text.getBBox();
    const covers = shown.some((b) => box.x < b.x + b.width && b.x < box.x + box.width && box.y < b.y + b.height && b.y < box.y + box.height);
    text.setAttribute("visibility", covers ? "hidden" : "visible");
    if (!covers) shown.push(box);
  }
}

function nearest(event) {
  if (!chart) return -1;
  const box = one("#plot").getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width - 0.02) / 0.96, y = 1 - ((event.clientY - box.top) / box.height - 0.02) / 0.96;
  let best = -1, least = Infinity;
  chart.points.forEach(([a, b], k) => {
    const d = ((a - x) * box.width) ** 2 + ((b - y) * box.height) ** 2;
    if (d < least) { least = d; best = k; }
  });
  return best;
}

function mark(k) {
  if (k < 0 || !chart || k === chosen) return;
  chosen = k;
  const [x, y] = chart.points[k], ring = one(".chosen", one("#plot"));
  ring.setAttribute("visibility", "visible");
  ring.setAttribute("cx", percent(x));
  ring.setAttribute("cy", percent(1 - y));
  const name = chart.labels && chart.labels[k] >= 0 ? `${chart.classes[chart.labels[k]]} · ` : "";
  one("#point-told").textContent = `${name}${elided(chart.ids[k])}`;
  one("#point-told").title = chart.ids[k];
  one("#walker").value = k;
  if (chart.sprite) thumbnail(k);
}

function thumbnail(k) {
  const { columns, width, height } = chart.sprite, canvas = one("#thumb");
  canvas.width = width;
  canvas.height = height;
  const copy = () => canvas.getContext("2d").drawImage(sheet, (k % columns) * width, Math.floor(k / columns) * height, width, height, 0, 0, width, height);
  if (sheet.complete) copy(); else sheet.onload = copy;
}

function choose() {
  if (chosen < 0) return;
  const k = chosen;
  latest("point", async (signal) => {
    const found = await ask(`/api/codes/${chart.rows[k]}`, undefined, signal);
    load(found.z, `training ${found.label ? `${found.label} · ` : ""}${elided(found.id)}`);
  });
}
