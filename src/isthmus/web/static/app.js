// Starts the page: asks for the model, and sets up the panels that it supports.
import { all, ask, make, on, one, say, state } from "./state.js";
import * as drawing from "./draw.js";
import * as map from "./map.js";
import * as panels from "./panels.js";
import * as photograph from "./photograph.js";
import * as watching from "./watch.js";

document.documentElement.classList.add("on");
if (location.search) history.replaceState(null, "", location.pathname + location.hash); // hide the token
themes();

start();

async function start() {
  let about;
  try {
    about = await ask("/api/about");
  } catch (error) {
    say(error.message);
    return;
  }
  one("#name").textContent = about.name;
  document.title = `${about.name} · isthmus`;
  one("#report-link").hidden = !about.report;
  if (about.photographs) photograph.setUp();
  if (about.model) await play();
  else if (about.photographs) {
    one("#intro").textContent = "This network removes noise and grain from photographs of any size.";
    one("#programs").replaceChildren(make("code", { textContent: "POST /api/photograph" }));
  }
  else one("#intro").textContent = "There is no trained model yet. Once there is one, you can try it here.";
  if (about.photographs && !about.model) document.body.dataset.ready = "yes";
  if (about.watch) {
    one("#training").hidden = false;
    one("#nav-training").hidden = false;
    watching.setUp(() => { if (!state.model) play(); });
  }
}

async function play() {
  try {
    state.model = await ask("/api/model");
  } catch (error) {
    say(error.message);
    return;
  }
  const { model } = state;
  model.sharp = model.is_image && model.shape[1] * model.shape[2] <= 64 * 64;
  introduce(model);
  for (const part of [drawing, panels, map]) part.setUp();
  all(".play").forEach((section) => { section.hidden = false; });
  document.body.classList.toggle("table", !model.is_image);
  document.body.classList.toggle("mixed", model.fields.length > 0);
  await drawing.pick(0);
  document.body.dataset.ready = "yes";
}

function introduce(model) {
  const [C, H, W] = model.shape;
  const size = model.is_image ? `${H} × ${W} ${C === 1 ? "pixels" : "color pixels"}` : `${model.shape[0]} columns`;
  const numbers = model.z_size === 1 ? "1 number" : `${model.z_size} numbers`;
  const noisy = model.noise === "none" ? "" : ` It was trained to remove noise (${model.noise}).`;
  one("#intro").textContent = model.denoises
    ? `This network removes noise from images of any size; on this page, from patches of ${size}. It was trained on ${model.data}, with noise (${model.noise}). It has no code, so some panels below do not work; they say why.`
    : model.reasons.code
    ? `This network reconstructs ${model.is_image ? "images" : "rows"} of ${size}. It was trained on ${model.data}.${noisy}`
    : `This network compresses ${model.is_image ? "an image" : "a row"} of ${size} into ${numbers}, the code, and reconstructs it from the code alone. It was trained on ${model.data}.${noisy}`;
  one("#code-name").textContent = `code, ${numbers}`;
  const without = Boolean(model.reasons.code);
  for (const part of all(".code-only")) part.toggleAttribute("hidden", without);
  for (const part of all(".no-code")) part.toggleAttribute("hidden", !without);
  document.body.classList.toggle("without-code", without);
  for (const link of all("nav a[data-play]")) link.parentElement.hidden = false;
  for (const part of all(".image-only")) part.hidden = !model.is_image;
  for (const part of all(".table-only")) part.hidden = model.is_image;
}

function themes() {
  const names = ["", "light", "dark"], told = { "": "as the system", light: "light", dark: "dark" };
  const button = one("[data-theme-switch]");
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(document.documentElement.dataset.theme || "") + 1) % 3];
    if (next) document.documentElement.dataset.theme = next; else delete document.documentElement.dataset.theme;
    button.textContent = next ? next[0].toUpperCase() + next.slice(1) : "Auto";
    button.setAttribute("aria-label", `Colors: ${told[next]}`);
  });
}
