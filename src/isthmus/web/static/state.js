// The state of the page, and its requests: the newest request wins, outdated ones are dropped.
import { writtenAs } from "./fields.js";

export const state = { model: null, source: null, picture: null, input: null, z0: null, z: null, label: "" };
const listeners = {};

export function on(name, act) { (listeners[name] ||= []).push(act); }
export function tell(name) { for (const act of listeners[name] || []) act(state); }

const SLOW = 150; // ms after which an outdated request is aborted
const lines = new Map();

// Runs work(signal) now, or after the current one; of several that wait, only the newest is run.
export function latest(key, work) {
  const line = lines.get(key) || { busy: null, next: null };
  lines.set(key, line);
  line.next = work;
  if (!line.busy) return run(key, line);
  if (performance.now() - line.since > SLOW) line.busy.abort();
}

async function run(key, line) {
  while (line.next) {
    const work = line.next;
    line.next = null;
    line.busy = new AbortController();
    line.since = performance.now();
    try {
      await work(line.busy.signal);
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  }
  line.busy = null;
}

export async function ask(path, body, signal) {
  const settings = { signal, credentials: "same-origin" };
  if (body !== undefined) {
    settings.method = "POST";
    settings.body = body instanceof FormData ? body : JSON.stringify(body);
    if (!(body instanceof FormData)) settings.headers = { "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, settings);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `isthmus serve` still running?");
  }
  if (answer.status === 401) throw new Error("The server was restarted; open the address that it printed.");
  const found = await answer.json();
  if (!answer.ok) throw new Error(sentence(found.error));
  say("");
  return found;
}

export function sentence(error) {
  const fix = error.fix ? ` ${error.fix[0].toUpperCase()}${error.fix.slice(1)}.` : "";
  return `${error.message[0].toUpperCase()}${error.message.slice(1)}${fix}`;
}

export function say(text) {
  const said = document.getElementById("said");
  if (said.textContent !== text.replaceAll("`", "")) said.replaceChildren(...told(text));
}

// A sentence with its `commands` in code elements.
export function told(text) {
  return text.split("`").map((part, k) => (k % 2 ? make("code", { textContent: part }) : part));
}

export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

export function make(tag, values = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(values)) {
    if (key in made && key !== "list") made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function draw(tag, values, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Shows sample i of an answer in a box: a picture, or a row's columns with their values.
export function show(box, answer, i = 0, alt = "") {
  if (answer.images) return showPicture(box, answer.images[i], alt);
  showRow(box, answer.x[i]);
}

export function showPicture(box, uri, alt = "") {
  let img = one("img", box);
  if (!img) box.replaceChildren(img = make("img", { className: state.model.sharp ? "sharp" : "" }));
  img.alt = alt;
  img.src = uri;
}

function showRow(box, row) {
  if (box.dataset.rows !== String(row.length)) rows(box, row, () => make("td", { className: "num" }));
  all("td", box).forEach((cell, k) => { cell.textContent = written(row[k], k); });
}

// One line per column, with a cell for its value.
export function rows(box, row, cell) {
  box.dataset.rows = row.length;
  if (row.length > TALL) { box.tabIndex = 0; box.classList.add("tall"); }
  box.replaceChildren(make("table", { className: "row" }, make("tbody", {}, ...row.map((_, k) =>
    make("tr", {}, make("th", { scope: "row", textContent: column(k), title: column(k) }), cell(k))))));
}

// A name in one line; if it is long, its middle is left out and the title has the whole name.
export function elided(text, most = LONG) {
  const tail = Math.floor((most - 1) / 2);
  return text.length <= most ? text : `${text.slice(0, most - 1 - tail)}…${text.slice(text.length - tail)}`;
}
const LONG = 24;

export const column = (k) => state.model.columns[k] || `column ${k}`;
export const classed = (name) => (/^class/i.test(name) ? name : `class ${name}`);
export const written = (value, k) => writtenAs(value, state.model.fields[k], state.model.decimals[k]);
const TALL = 24; // rows of a table that are shown without scrolling

// The quality of a result: PSNR in decibels for images, mean squared error for rows.
export const nearness = (psnr, mse) => (state.model.is_image ? decibel(psnr) : Number(mse.toPrecision(3)).toString());
export const decibel = (value) => (value === null ? "identical" : `${value.toFixed(1)} dB`);

// Decodes the code of the sliders and shows the result wherever it is used.
export function decode() {
  latest("decode", async (signal) => {
    const answer = await ask("/api/decode", { z: [state.z] }, signal);
    state.moved = answer;
    tell("moved");
  });
}
