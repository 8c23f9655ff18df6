// Live training: the server reads the run folder and sends what is new; after a reconnect it sends everything again.
import { ask, latest, make, one, say, state } from "./state.js";

const TOLD = {
  waiting: "Waiting for the run to start.", running: "Training.", judging: "Training is done; judging the model.",
  paused: "Paused; everything is saved.", finishing: "Finishing: keeping the best weights and judging them.", finished: "Finished.", interrupted: "Stopped; everything is saved.",
  failed: "Failed; see the terminal.", diverged: "Diverged: the cost is no longer a number.", stopped: "No training is running.",
};
let ready = false;

export function setUp(onModel) {
  const stream = new EventSource("/api/watch");
  stream.addEventListener("progress", (event) => progress(JSON.parse(event.data), onModel));
  stream.addEventListener("sanity", (event) => sanity(JSON.parse(event.data)));
  stream.onopen = () => { one("#line").textContent = ""; };
  stream.onerror = () => { one("#line").textContent = "The server does not answer; training continues without it. Trying again …"; };
  one("#pause").addEventListener("click", () => request(one("#pause").dataset.ask));
  one("#finish").addEventListener("click", () => request("finish"));
  addEventListener("pagehide", () => stream.close());
}

const request = (what) => latest("request", async (signal) => {
  buttons(true);
  await ask(`/api/${what}`, {}, signal);
  if (what === "finish") one("#state").textContent = TOLD.finishing;
});

const buttons = (busy) => ["#pause", "#finish"].forEach((id) => { one(id).disabled = busy; });

function controls(state) {
  const [pause, paused] = [one("#pause"), state === "paused"];
  pause.hidden = one("#finish").hidden = !["running", "paused", "finishing"].includes(state);
  pause.dataset.ask = paused ? "go-on" : "pause";
  pause.textContent = paused ? "Continue" : "Pause";
  buttons(state === "finishing");
}

const duration = (seconds) => seconds < 90 ? `${Math.ceil(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;

function progress(found, onModel) {
  one("#state").textContent = TOLD[found.state] || found.state;
  one("#state").dataset.state = found.state;
  controls(found.state);
  const meter = one("#epochs");
  meter.max = found.epochs || Math.max(found.epoch, 1);
  meter.value = found.epoch;
  meter.hidden = !found.epochs || found.state === "finished"; // it may have finished before its last epoch
  if (found.state === "finished") latest("about", async (signal) => {
    one("#report-link").hidden = !(await ask("/api/about", undefined, signal)).report;
  });
  const of = found.epochs ? ` of ${found.epochs}` : "";
  const best = found.best ? ` · best validation cost ${found.best.validation_cost.toPrecision(4)} in epoch ${found.best.epoch}` : "";
  const left = found.seconds_left ? `, about ${duration(found.seconds_left)} left` : "";
  one("#epoch-told").textContent = found.epoch ? `epoch ${found.epoch}${of} · ${duration(found.seconds)}${left}${best}` : "";
  if (found.chart) {
    const parsed = new DOMParser().parseFromString(`<svg xmlns="http://www.w3.org/2000/svg">${found.chart}</svg>`, "image/svg+xml");
    one("#curves").replaceChildren(...parsed.documentElement.children);
  }
  one("#curves-box").hidden = !found.chart;
  if (found.model && !ready) { ready = true; onModel(); }
}

function sanity(found) {
  one("#sanity-box").hidden = false;
  one("#sanity-told").textContent = `After ${found.step.toLocaleString("en")} steps: originals above, reconstructions below.`;
  const row = (name, uris) => uris.map((uri) => make("img", { src: uri, alt: name, className: "sharp" }));
  one("#sanity-rows").replaceChildren(...row("original", found.x), ...row("reconstruction", found.x_hat));
}
