// The panels below the stage: units, features, noise, interpolation, samples, anomaly score.
import { all, ask, classed, column, decode, latest, make, nearness, on, one, say, show, showPicture, state, tell, told, written } from "./state.js";
import { load } from "./draw.js";

const FIRST = 8; // sliders that are shown at first: the strongest
const AT_ONCE = 32; // units whose small pictures are requested together
const STEPS = 25; // pictures of an interpolation: fine enough to look like a film
const FILM = 9; // of these pictures in the strip below
const KEPT = 24; // new samples at once; half as many rows, which fill a screen
const WIDE = 30; // columns of a new row that are shown

export function setUp() {
  for (const [panel, why] of Object.entries(state.model.reasons)) {
    const section = document.getElementById(panel === "code" ? "units" : panel === "draw" ? "draw-none" : panel);
    if (why && section) refuse(section, why);
  }
  if (!state.model.reasons.code) setUpUnits();
  if (!state.model.reasons.features) setUpFeatures();
  if (!state.model.reasons.denoise) setUpNoise();
  if (!state.model.reasons.walk && !state.model.reasons.code) setUpWalk();
  if (!state.model.reasons.samples) setUpSamples();
  if (!state.model.reasons.score) setUpScore();
}

function refuse(section, why) {
  one(".body", section)?.replaceWith(make("p", { className: "why" }, ...told(why)));
}

function slider(label, values, act) {
  const input = make("input", { type: "range", ...values });
  input.value = values.value ?? 0;
  const output = make("output", { textContent: short(input.value) });
  const line = make("label", { className: "slider" }, make("span", { textContent: label }), input, output);
  input.addEventListener("input", () => { output.textContent = short(input.value); act(Number(input.value)); });
  return { line, input, set: (value) => { input.value = value; output.textContent = short(value); } };
}

const short = (value) => Number(Number(value).toFixed(2)).toString().replace("-", "−");

// Units

function setUpUnits() {
  const box = one("#sliders"), most = state.model.units[0]?.movement || 1;
  const made = state.model.units.map((u, k) => {
    const step = (u.high - u.low) / 200;
    const found = slider(`unit ${u.unit}`, { min: u.low, max: u.high, step: step || 0.01, value: u.usual }, (value) => {
      if (!state.z) return;
      state.z[u.unit] = value;
      decode();
    });
    found.line.title = `changes the result ${Math.round((100 * u.movement) / most)}% as much as the strongest unit`;
    if (k >= FIRST) found.line.classList.add("rest");
    if (state.model.is_image) withEnds(found.line);
    box.append(found.line);
    return [u.unit, found];
  });
  if (state.model.is_image) drawEnds(made, 0, FIRST);
  const more = one("#more");
  more.hidden = made.length <= FIRST;
  more.textContent = `Show all ${made.length} units`;
  more.addEventListener("click", () => {
    const open = box.classList.toggle("all");
    more.textContent = open ? `Show the ${FIRST} strongest` : `Show all ${made.length} units`;
    more.setAttribute("aria-expanded", open);
    if (open && state.model.is_image) drawEnds(made, FIRST, made.length);
  });
  one("#back").addEventListener("click", () => { state.z = [...state.z0]; tell("code"); decode(); });
  one("#random").addEventListener("click", () => latest("sample", async (signal) => {
    const drawn = await ask("/api/sample", { n: 1, seed: Math.floor(Math.random() * 2 ** 31) }, signal);
    state.z = drawn.z[0];
    tell("code");
    decode();
  }));
  on("code", () => { for (const [unit, found] of made) if (state.z) found.set(state.z[unit]); });
  on("code", () => { if (state.rebuilt) show(one("#moved"), state.rebuilt, 0, "Decoded from the sliders"); });
  on("moved", () => show(one("#moved"), state.moved, 0, "Decoded from the sliders"));
}

// Small pictures at both ends of a slider: the mean code with this unit three standard deviations lower or higher.
function withEnds(line) {
  line.classList.add("with-ends");
  ["−3", "+3"].forEach((step, end) => {
    const title = `The mean code with this unit at ${step} standard deviations`;
    const box = make("i", { className: "end", title });
    if (end) line.lastChild.before(box); else line.firstChild.after(box);
  });
}

async function drawEnds(made, from, to) {
  const units = state.model.units.slice(from, to), mean = [];
  for (const u of state.model.units) mean[u.unit] = u.usual;
  for (let at = 0; at < units.length; at += AT_ONCE) {
    const few = units.slice(at, at + AT_ONCE);
    const z = few.flatMap((u) => u.ends.map((value) => { const code = [...mean]; code[u.unit] = value; return code; }));
    if (one(".end img", made[from + at][1].line)) continue;
    try {
      const answer = await ask("/api/decode", { z });
      few.forEach((_, k) => all(".end", made[from + at + k][1].line).forEach((box, end) => showPicture(box, answer.images[2 * k + end])));
    } catch (error) { say(error.message); return; }
  }
}

// Features

function setUpFeatures() {
  const add = one("#add"), away = one("#remove"), { classes, features } = state.model;
  const options = (none) => [make("option", { value: "", textContent: none }), ...features.map((name) =>
    make("option", { value: name, textContent: classes.includes(name) ? classed(name) : name }))];
  add.append(...options("nothing"));
  away.append(...options("nothing"));
  if (classes.length > 1) add.value = classes[classes.length - 3] ?? classes[1];
  else if (features.length) add.value = features[0];
  const found = slider("strength", { min: -2, max: 2, step: 0.02, value: 1 }, edit);
  one("#strength").append(found.line);
  function edit() {
    if (!state.z0) return;
    if (!add.value && !away.value) { show(one("#edited"), state.rebuilt, 0, "Nothing changed"); return; }
    if (add.value === away.value) { say("Choose two different features: the same one cannot be both added and removed."); return; }
    const given = { z: [state.z0], add: add.value ? [add.value] : [], remove: away.value ? [away.value] : [] };
    latest("edit", async (signal) => {
      const answer = await ask("/api/edit", { ...given, strength: Number(found.input.value) }, signal);
      show(one("#edited"), answer, 0, "The edited sample");
      one("#edited-told").textContent = 
        `${[add.value && `+ ${add.value}`, away.value && `− ${away.value}`].filter(Boolean).join(" ")}, strength ${short(found.input.value)}`;
    });
  }
  for (const choice of [add, away]) choice.addEventListener("change", edit);
  on("code", () => { show(one("#unedited"), state.rebuilt, 0, "The reconstruction"); edit(); });
}

// Noise

const LEVELS = {
  gaussian: [0, 1, 0.02, 0.5], "salt-and-pepper": [0, 0.8, 0.02, 0.3], speckle: [0, 2, 0.05, 0.7],
  poisson: [1, 40, 0.5, 5], masking: [0, 0.95, 0.02, 0.4],
};

// The strongest noise of this kind in training, if any; for photons, the smallest number is the strongest.
function trainedAt(name) {
  const part = state.model.noise.split(/[+|]/).find((each) => each.split(":")[0] === name);
  const found = /^[^:]+:([\d.]+)(?:-([\d.]+))?(?:,|$)/.exec(part ?? "");
  const levels = (found ?? []).slice(1).map(Number).filter((level) => level > 0);
  return levels.length ? (name === "poisson" ? Math.min(...levels) : Math.max(...levels)) : null;
}

function setUpNoise() {
  const kind = one("#kind"), box = one("#level");
  let found, seed = 1;
  function rebuild() {
    const [min, max, step, usual] = LEVELS[kind.value];
    const value = trainedAt(kind.value) ?? usual;
    found = slider(kind.value === "poisson" ? "photons" : "level", { min, max: Math.max(max, value), step, value }, clean);
    box.replaceChildren(found.line);
    clean();
  }
  function clean() {
    if (!state.source) return;
    latest("denoise", async (signal) => {
      const noise = `${kind.value}:${found.input.value}`;
      const answer = await ask("/api/denoise", { ...state.source, noise, seed }, signal);
      const seen = { [answer.images ? "images" : "x"]: answer.noisy };
      show(one("#clean"), { [answer.images ? "images" : "x"]: [state.input] }, 0, "Clean");
      show(one("#noisy"), seen, 0, "With noise");
      show(one("#denoised"), answer, 0, "Denoised");
      one("#noisy-told").textContent = nearness(answer.noisy_psnr_db?.[0], answer.noisy_mse[0]);
      one("#denoised-told").textContent = nearness(answer.psnr_db?.[0], answer.mse[0]);
    });
  }
  kind.append(...Object.keys(LEVELS).map((name) => make("option", { value: name, textContent: name })));
  const trained = state.model.noise.split(":")[0];
  if (LEVELS[trained]) kind.value = trained;
  one("#trained").textContent = `It was trained with ${state.model.noise}.`;
  kind.addEventListener("change", rebuild);
  one("#again").addEventListener("click", () => { seed += 1; clean(); });
  rebuild();
  on("input", clean);
}

// Interpolation

function setUpWalk() {
  const ends = { a: null, b: null };
  let frames = null;
  const found = slider("from A to B", { min: 0, max: STEPS - 1, step: 1, value: 0 }, (k) => at(k));
  one("#along").append(found.line);
  function at(k) {
    if (frames) show(one("#between"), frames, k, `Step ${k} from A to B`);
    found.line.lastChild.textContent = `${Math.round((100 * k) / (STEPS - 1))}%`;
  }
  function keep(end) {
    if (!state.z) return;
    ends[end] = [...state.z];
    show(one(`#end-${end}`), state.moved && state.z.some((v, k) => v !== state.z0[k]) ? state.moved : state.rebuilt, 0, `The ${end === "a" ? "start" : "end"}`);
    walk();
  }
  function walk() {
    if (!ends.a || !ends.b) return;
    latest("walk", async (signal) => {
      const path = one("#arc").checked ? "spherical" : "straight";
      frames = await ask("/api/walk", { a: ends.a, b: ends.b, steps: STEPS, path }, signal);
      film();
      at(Number(found.input.value));
    });
  }
  function film() {
    if (!frames.images) return;
    const each = (STEPS - 1) / (FILM - 1);
    one("#film").replaceChildren(...Array.from({ length: FILM }, (_, k) =>
      make("img", { src: frames.images[Math.round(k * each)], alt: "", className: state.model.sharp ? "sharp" : "" })));
  }
  for (const end of ["a", "b"]) one(`#keep-${end}`).addEventListener("click", () => keep(end));
  for (const choice of all("input[name=path]")) choice.addEventListener("change", walk);
  on("code", async () => {
    if (ends.a) return;
    keep("a");
    const other = await another();
    const answer = await ask("/api/reconstruct", other.exact ? { x: other.exact } : { images: other.images });
    ends.b = answer.z[0];
    show(one("#end-b"), answer, 0, "The end");
    found.set(Math.round(STEPS / 2) - 1);
    walk();
  });
}

// A sample for the other end: another one, of another class if one is found soon.
async function another() {
  let found;
  for (let seed = 3; seed < 9; seed++) {
    found = await ask(`/api/pick?seed=${seed}`);
    if (found.id !== state.id && (!found.label || found.label !== state.kind)) break;
  }
  return found;
}

// New samples

function setUpSamples() {
  const of = one("#of"), { classes } = state.model;
  of.append(make("option", { value: "", textContent: "any class" }), ...classes.map((name) => make("option", { value: name, textContent: classed(name) })));
  of.parentElement.hidden = classes.length < 2;
  let seed = 0;
  const found = slider("temperature", { min: 0, max: 2, step: 0.05, value: 1 }, sample);
  one("#temperature").append(found.line);
  one("#drawn-told").textContent = "Learning the distribution of the codes; the first time takes a few seconds …";
  function sample() {
    latest("samples", async (signal) => {
      const answer = await ask("/api/sample", { n: state.model.is_image ? KEPT : KEPT / 2, seed, temperature: Number(found.input.value), of: of.value || null }, signal);
      one("#drawn-told").textContent = `Drawn from ${answer.source}. Click a sample to load it.`;
      if (answer.images) pictures(answer); else lines(answer);
    });
  }
  function take(z, k) {
    load(z, `new sample ${k + 1}`);
    one("#stage").scrollIntoView({ block: "center" });
  }
  function pictures(answer) {
    one("#drawn").replaceChildren(...answer.z.map((z, k) => {
      const box = make("span", {});
      show(box, answer, k, `New sample ${k + 1}`);
      return make("li", {}, make("button", { type: "button", className: "tile", onclick: () => take(z, k) }, box));
    }));
  }
  function lines(answer) {
    const heads = answer.x[0].slice(0, WIDE).map((_, c) => make("th", { scope: "col", className: "num", textContent: column(c) }));
    const body = answer.x.map((row, k) => make("tr", {},
      make("td", {}, make("button", { type: "button", className: "quiet", "aria-label": `Load new sample ${k + 1}`, textContent: "Load", onclick: () => take(answer.z[k], k) })),
      ...row.slice(0, WIDE).map((value, c) => make("td", { className: "num", textContent: written(value, c) }))));
    one("#drawn-rows").replaceChildren(make("table", { className: "dense" }, make("thead", {}, make("tr", {}, make("td", {}), ...heads)), make("tbody", {}, ...body)));
    if (answer.x[0].length > WIDE) one("#drawn-told").textContent += ` Only the first ${WIDE} of ${answer.x[0].length} columns are shown.`;
  }
  one("#draw-more").addEventListener("click", () => { seed += 1; sample(); });
  of.addEventListener("change", sample);
  sample();
}

// Anomaly

function setUpScore() {
  on("input", () => latest("score", async (signal) => {
    const answer = await ask("/api/score", state.source, signal);
    one("#score-value").textContent = answer.score[0].toPrecision(3);
    const p = answer.p_value[0];
    one("#p-value").textContent = p === null ? "unknown" : p < 0.001 ? "below 0.001" : p.toPrecision(2);
    one("#score-said").textContent = answer.said[0];
    one("#score .verdict-box").className = `verdict-box ${answer.level[0]}`;
    if (state.model.is_image) showPicture(one("#scored"), state.input, "The image");
    if (answer.heat) one("#heat").replaceChildren(
      make("img", { src: state.input, alt: "", className: state.model.sharp ? "sharp faint" : "faint" }),
      make("img", { src: answer.heat[0], alt: "Where it differs from what the model expects", className: state.model.sharp ? "sharp" : "" }));
  }));
}
