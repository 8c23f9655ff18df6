// The stage: the input is a drawing, a file or a sample; its code and its reconstruction are shown at once.
import { fieldOf, setField, valueIn } from "./fields.js";
import { all, ask, classed, column, decibel, draw, elided, latest, make, on, one, rows, say, show, showPicture, state, tell } from "./state.js";

const SIDE = 280; // pixels of the canvas; the server resizes it for the model
const PEN = 0.085; // share of the side: as thick as the strokes of MNIST
const LARGEST = 1024; // pixels of an image's longer side; no model here sees more, and sending more takes time
let canvas, pen, drawing = null, seed = 0;

export function setUp() {
  canvas = one("#canvas");
  canvas.width = canvas.height = SIDE;
  pen = canvas.getContext("2d", { willReadFrequently: true });
  clear();
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", go);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drawing = null; });
  one("#clear").addEventListener("click", () => { clear(); blank = true; say("Cleared. Draw something."); });
  one("#another").addEventListener("click", () => pick(++seed));
  one("#file").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
  one("#open").addEventListener("click", () => one("#file").click());
  const stage = one("#stage");
  stage.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("over-me"); });
  stage.addEventListener("dragleave", () => stage.classList.remove("over-me"));
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over-me");
    take(event.dataTransfer.files[0]);
  });
  on("code", shownCode);
  if (!state.model.is_image) one("#canvas-box").classList.add("rows");
}

let blank = false;

function ink(dark) { return state.model.dark ? (dark ? "#000" : "#fff") : dark ? "#fff" : "#000"; }

function clear() {
  pen.fillStyle = ink(true);
  pen.fillRect(0, 0, SIDE, SIDE);
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
}

function begin(event) {
  if (event.button > 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  if (!blank) { clear(); blank = true; } // the first stroke replaces the sample
  drawing = at(event);
  stroke(drawing, drawing);
}

function go(event) {
  if (!drawing) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of events.length ? events : [event]) {
    const to = at(each);
    stroke(drawing, to);
    drawing = to;
  }
}

function stroke(from, to) {
  pen.strokeStyle = ink(false);
  pen.lineWidth = PEN * SIDE;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(to[0] + 0.01, to[1]);
  pen.stroke();
  one("#hint").hidden = true;
  latest("reconstruct", async (signal) => {
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const form = new FormData();
    form.append("files", blob, "drawing.png");
    form.append("fit", state.model.shape[0] === 1 && Math.max(...state.model.shape.slice(1)) <= 32 ? "digit" : "cover");
    arrived(await ask("/api/reconstruct", form, signal), "your drawing");
  });
}

async function take(file) {
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
    const copy = make("canvas", { width: Math.round(bitmap.width * scale) || 1, height: Math.round(bitmap.height * scale) || 1 });
    copy.getContext("2d").drawImage(bitmap, 0, 0, copy.width, copy.height);
    const blob = await new Promise((done) => copy.toBlob(done, "image/png"));
    const form = new FormData();
    form.append("files", blob, "image.png");
    latest("reconstruct", async (signal) => { given(await ask("/api/reconstruct", form, signal), "your image"); });
  } catch {
    say("This file is not an image that the browser can read.");
  }
}

export function pick(number = 0) {
  return latest("reconstruct", async (signal) => {
    const found = await ask(`/api/pick?seed=${number}`, undefined, signal);
    const body = found.exact ? { x: found.exact, form: "png" } : { images: found.images, fit: "exact" };
    given(await ask("/api/reconstruct", body, signal), found.label ? `test sample ${elided(found.id)}, ${classed(found.label)}` : `test sample ${elided(found.id)}`, found);
  });
}

function given(answer, label, found = {}) {
  blank = false;
  Object.assign(state, { id: found.id, kind: found.label });
  one("#hint").hidden = !state.model.is_image;
  if (state.model.is_image) onCanvas(answer.input[0]); else fields(answer.input[0]);
  arrived(answer, label, found.exact);
}

// A row with editable values.
function fields(row) {
  const box = one("#row");
  if (box.dataset.rows !== String(row.length)) {
    rows(box, row, (k) => make("td", { className: "num" }, fieldOf(make, state.model.fields[k], column(k), changed)));
  }
  all("input, select", box).forEach((input, k) => {
    setField(input, row[k], state.model.fields[k]);
    input.dataset.exact = row[k]; // "null" for a gap, until something is typed
  });
}

const valueOf = (input, k) => {
  const { exact } = input.dataset;
  return exact === undefined ? valueIn(input, state.model.fields[k]) : exact === "null" ? null : Number(exact);
};

function changed(event) {
  delete event.target.dataset.exact;
  const row = all("input, select", one("#row")).map(valueOf);
  if (row.some(Number.isNaN)) return; // incomplete or invalid
  latest("reconstruct", async (signal) => { arrived(await ask("/api/reconstruct", { x: [row] }, signal), "your row"); });
}

function onCanvas(uri) {
  const img = new Image();
  img.onload = () => {
    pen.imageSmoothingEnabled = !state.model.sharp;
    clear();
    const [, H, W] = state.model.shape, scale = SIDE / Math.max(H, W);
    pen.drawImage(img, (SIDE - W * scale) / 2, (SIDE - H * scale) / 2, W * scale, H * scale);
  };
  img.src = uri;
}

// exact: the numbers of the sample, if a picture cannot store them.
function arrived(answer, label, exact = null) {
  state.source = exact ? { x: exact } : state.model.is_image ? { images: [answer.input[0]], fit: "exact" } : { x: answer.input };
  state.input = answer.input[0];
  state.label = label;
  state.z0 = answer.z ? answer.z[0] : null;
  state.z = state.z0 && [...state.z0];
  state.rebuilt = answer;
  show(one("#rebuilt"), answer, 0, "The reconstruction");
  const psnr = answer.psnr_db ? ` · PSNR ${decibel(answer.psnr_db[0])}` : "";
  one("#quality").textContent = `mean squared error ${answer.mse[0].toFixed(4)}${psnr}`;
  if (state.model.is_image) showPicture(one("#seen"), answer.input[0], "The image as the model sees it");
  one("#source").textContent = label;
  one("#source").title = state.id ?? "";
  tell("input");
  tell("code");
}

// Loads the code of a map point, which has no image of its own.
export async function load(z, label) {
  latest("reconstruct", async (signal) => {
    const answer = await ask("/api/decode", { z: [z] }, signal);
    blank = false;
    const seen = answer.images || answer.x;
    if (state.model.is_image) onCanvas(seen[0]); else fields(seen[0]);
    const exact = state.model.fits_png ? null : (await ask("/api/decode", { z: [z], form: "numbers" }, signal)).x;
    arrived({ ...answer, z: [z], input: seen, mse: [0] }, label, exact);
    one("#quality").textContent = "decoded from its code";
  });
}

function shownCode() {
  const box = one("#bars"), z = state.z;
  if (!z) { box.replaceChildren(); return; }
  const units = state.model.units, reach = Math.max(...units.flatMap((u) => [Math.abs(u.low), Math.abs(u.high)])) || 1;
  if (box.childElementCount !== z.length) {
    box.setAttribute("viewBox", `-50 0 100 ${z.length * 10}`);
    box.replaceChildren(...z.map((_, k) => draw("rect", { y: k * 10 + 1.5, height: 7 })));
  }
  all("rect", box).forEach((bar, k) => {
    const width = Math.min(50, (Math.abs(z[k]) / reach) * 50);
    bar.setAttribute("x", z[k] < 0 ? -width : 0);
    bar.setAttribute("width", Math.max(width, 0.6));
    bar.setAttribute("class", z[k] < 0 ? "minus" : "plus");
  });
}
on("moved", shownCode);
