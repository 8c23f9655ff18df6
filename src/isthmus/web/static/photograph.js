// Photographs: sent once and denoised at full strength. The page blends before and after; the server blends the file.
import { ask, one, say, sentence } from "./state.js";

const POLL = 400; // ms between two progress requests
let current = null, name = "photograph", busy = false;

export function setUp() {
  one("#photograph").hidden = false;
  one("#nav-photograph").hidden = false;
  const file = one("#photo-file"), section = one("#photograph");
  one("#photo-open").addEventListener("click", () => file.click());
  file.addEventListener("change", () => { if (file.files[0]) send(file.files[0]); file.value = ""; });
  section.addEventListener("dragover", (event) => { event.preventDefault(); section.classList.add("over-me"); });
  section.addEventListener("dragleave", () => section.classList.remove("over-me"));
  section.addEventListener("drop", (event) => {
    event.preventDefault();
    section.classList.remove("over-me");
    const dropped = event.dataTransfer.files[0];
    if (dropped) send(dropped);
  });
  one("#photo-divider").addEventListener("input", place);
  one("#photo-strength").addEventListener("input", blend);
  one("#photo-keep").addEventListener("click", keep);
}

async function send(file) {
  if (busy) { say("One photograph at a time: the current one is not done yet."); return; }
  busy = true;
  name = file.name.replace(/\.[^.]*$/, "") || "photograph";
  one("#photo-told").textContent = `${file.name}: denoising …`;
  one("#photo-progress").hidden = false;
  one("#photo-progress").removeAttribute("value");
  const watch = setInterval(look, POLL), form = new FormData();
  form.append("file", file, "photograph");
  try {
    show(await ask("/api/photograph", form));
    one("#photo-told").textContent = `${file.name}, ${current.width} × ${current.height} pixels${current.frames > 1 ? `, ${current.frames} frames` : ""}`;
  } catch (error) {
    one("#photo-told").textContent = "";
    say(error.message);
  } finally {
    clearInterval(watch);
    busy = false;
    one("#photo-progress").hidden = true;
  }
}

async function look() {
  try {
    const { done, total } = await (await fetch("/api/photograph/progress", { credentials: "same-origin" })).json();
    if (!busy || !total) return;
    one("#photo-progress").max = total;
    one("#photo-progress").value = done;
  } catch { /* the main request reports errors */ }
}

function show(found) {
  current = found;
  one("#photo-result").hidden = false;
  one("#photo-before").src = found.before;
  one("#photo-after").src = found.after;
  for (const part of ["before", "after", "removed"]) one(`#detail-${part}`).src = found.detail[part];
  one("#detail-under").src = found.detail.before;
  one("#detail-told").textContent = `what was removed at strength 1, amplified ${Math.round(found.times)} times`;
  const said = found.said.join(". ");
  one("#photo-said").textContent = `${said[0].toUpperCase()}${said.slice(1)}.`;
  one("#photo-said").classList.toggle("warn", found.structure_removed || found.better_left_alone);
  one("#photo-strength").value = found.better_left_alone ? 0 : 1;
  one("#photo-divider").value = 50;
  blend();
  place();
}

function blend() {
  const strength = Number(one("#photo-strength").value);
  one("#photo-strength-told").textContent = strength.toFixed(2).replace(/\.?0+$/, "");
  for (const id of ["#photo-after", "#detail-after"]) one(id).style.opacity = strength;
}

function place() {
  const at = `${one("#photo-divider").value}%`;
  one("#photo-after").style.clipPath = `inset(0 0 0 ${at})`;
  one("#photo-line").style.left = at;
}

async function keep() {
  const query = new URLSearchParams({ key: current.key, strength: one("#photo-strength").value });
  try {
    const answer = await fetch(`/api/photograph/file?${query}`, { credentials: "same-origin" });
    if (!answer.ok) { say(sentence((await answer.json()).error)); return; }
    const suffix = (answer.headers.get("content-disposition") || "").match(/\.[a-z0-9]+$/)?.[0] || "";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${name}-denoised${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch {
    say("The server does not answer. Is `isthmus serve` still running?");
  }
}
