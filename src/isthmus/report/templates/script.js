"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("on");

  // Colors: as the system, light or dark. A page opened from a file may have no storage.
  const stored = {
    get() { try { return localStorage.getItem("isthmus-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("isthmus-theme", value); } catch { /* kept until the page closes */ } },
  };
  const themes = { auto: "Auto", light: "Light", dark: "Dark" };
  const names = { auto: "as the system", light: "light", dark: "dark" };
  let theme = stored.get() in themes ? stored.get() : "auto";
  const applyTheme = () => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
  };
  applyTheme();

  const svgElement = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const percent = (share) => `${(100 * share).toFixed(2)}%`;
  const at = ([low, high, log], value) => {
    const f = log ? Math.log : (v) => v;
    return (f(value) - f(low)) / ((f(high) - f(low)) || 1);
  };
  const told = (value) => (value === null ? "–" : Number(value.toPrecision(4)).toString().replace("-", "−"));
  // The position of the pointer in an element, from 0 to 1 in both directions.
  const place = (event, element) => {
    const box = element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  function themeSwitch(button) {
    const show = () => {
      button.textContent = themes[theme];
      button.setAttribute("aria-label", `Colors: ${names[theme]}`);
    };
    button.addEventListener("click", () => {
      const all = Object.keys(themes);
      theme = all[(all.indexOf(theme) + 1) % all.length];
      stored.set(theme);
      applyTheme();
      show();
    });
    show();
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  function copyButton(button) {
    button.addEventListener("click", async () => {
      await copy(button.dataset.copy);
      button.textContent = "Copied";
      document.getElementById("said").textContent = "Copied.";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // The values of an epoch: by pointer, touch or slider.
  function chart(box, data) {
    if (!data) return;
    const slider = box.querySelector("input[type=range]");
    const output = box.querySelector("output");
    const drawn = [...box.querySelectorAll("[data-scale]")].map((frame) => {
      const svg = frame.querySelector("svg");
      const cursor = svg.appendChild(svgElement("line", { class: "cursor", y1: "0", y2: "100%", visibility: "hidden" }));
      const dots = data.lines.map(([, kind]) =>
        svg.appendChild(svgElement("circle", { class: `at ${kind}`, r: "4.5", visibility: "hidden" })));
      return { svg, cursor, dots, y: data.y[frame.dataset.scale] };
    });
    const show = (index) => {
      slider.value = index;
      const x = percent(at(data.x, data.epochs[index]));
      for (const { cursor, dots, y } of drawn) {
        for (const key of ["x1", "x2"]) cursor.setAttribute(key, x);
        cursor.setAttribute("visibility", "visible");
        dots.forEach((dot, i) => {
          const value = data.lines[i][2][index];
          const height = value === null || (y[2] && value <= 0) ? -1 : at(y, value);
          dot.setAttribute("cx", x);
          dot.setAttribute("cy", percent(1 - height));
          dot.setAttribute("visibility", height >= 0 && height <= 1 ? "visible" : "hidden");
        });
      }
      const values = data.lines.map(([name, , ys]) => `${name} ${told(ys[index])}`);
      output.textContent = `epoch ${data.epochs[index]}: ${values.join(", ")}`;
      slider.setAttribute("aria-valuetext", output.textContent);
    };
    slider.max = data.epochs.length - 1;
    slider.value = slider.max;
    slider.addEventListener("input", () => show(Number(slider.value)));
    for (const { svg } of drawn) {
      const follow = (event) => {
        const wanted = data.x[0] + place(event, svg)[0] * (data.x[1] - data.x[0]);
        let best = 0;
        data.epochs.forEach((epoch, i) => {
          if (Math.abs(epoch - wanted) < Math.abs(data.epochs[best] - wanted)) best = i;
        });
        show(best);
      };
      svg.addEventListener("pointermove", follow);
      svg.addEventListener("pointerdown", follow);
    }
  }

  // Two pictures on top of each other with a line between them.
  function divider(box) {
    const images = Object.fromEntries([...box.querySelectorAll("img[data-name]")].map((img) => [img.dataset.name, img]));
    const over = document.createElement("div");
    over.className = "over";
    const handle = Object.assign(document.createElement("div"), { className: "handle" });
    const input = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 50, step: 1 });
    const tags = ["l", "r"].map((side) => Object.assign(document.createElement("span"), { className: `tag ${side}` }));
    tags.forEach((tag) => tag.setAttribute("aria-hidden", "true"));
    const cut = (share) => {
      input.value = Math.round(100 * Math.min(1, Math.max(0, share)));
      over.style.setProperty("--cut", `${input.value}%`);
      input.setAttribute("aria-valuetext", `${input.value}% of the width`);
    };
    const choose = (pair) => {
      const [left, right] = pair.split(" ").map((name) => images[name].cloneNode());
      left.classList.add("left");
      over.replaceChildren(right, left, handle, input, ...tags);
      pair.split(" ").forEach((name, i) => { tags[i].textContent = name; });
      input.setAttribute("aria-label", `Line between ${pair.split(" ").join(" on its left and ")} on its right`);
    };
    const follow = (event) => cut(place(event, over)[0]);
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      follow(event);
      input.focus({ preventScroll: true });
      event.preventDefault();
    });
    over.addEventListener("pointermove", (event) => { if (over.hasPointerCapture(event.pointerId)) follow(event); });
    input.addEventListener("input", () => cut(Number(input.value) / 100));
    for (const radio of box.querySelectorAll("input[type=radio]")) {
      radio.addEventListener("change", () => { if (radio.checked) choose(radio.value); });
    }
    choose(box.querySelector("input[type=radio]:checked").value);
    cut(0.5);
    box.querySelector(".triple").before(over);
    box.classList.add("enhanced");
  }

  // A point of the map and its image.
  function map(box, data) {
    if (!data || !data.points) return;
    const svg = box.querySelector("svg");
    const slider = box.querySelector("input[type=range]");
    const output = box.querySelector("output");
    const canvas = box.querySelector("canvas");
    const sprite = box.querySelector("img.sprite");
    const ring = svg.appendChild(svgElement("circle", { class: "chosen", r: "7", visibility: "hidden" }));
    let kept = false; // a click keeps its point until the next one
    const keep = (yes) => { kept = yes; ring.classList.toggle("kept", yes); };
    const show = (index) => {
      slider.value = index;
      const [x, y] = data.points[index];
      ring.setAttribute("cx", percent(x));
      ring.setAttribute("cy", percent(1 - y));
      ring.setAttribute("visibility", "visible");
      output.textContent = data.names[index];
      slider.setAttribute("aria-valuetext", data.names[index]);
      if (!canvas) return;
      const { columns, width, height } = data.sprite;
      const pen = canvas.getContext("2d");
      const size = Math.min(canvas.width / width, canvas.height / height);
      const [w, h] = [width * size, height * size];
      pen.imageSmoothingEnabled = false;
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(sprite, (index % columns) * width, Math.floor(index / columns) * height, width, height,
        (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
      canvas.setAttribute("aria-label", `The image of the selected point: ${data.names[index]}`);
    };
    slider.max = data.points.length - 1;
    slider.addEventListener("input", () => { keep(true); show(Number(slider.value)); });
    const nearest = (event) => {
      const frame = svg.getBoundingClientRect();
      const [px, py] = place(event, svg);
      let best = 0, least = Infinity;
      data.points.forEach(([x, y], i) => {
        const far = ((x - px) * frame.width) ** 2 + ((1 - y - py) * frame.height) ** 2;
        if (far < least) { least = far; best = i; }
      });
      return best;
    };
    svg.addEventListener("pointermove", (event) => { if (!kept) show(nearest(event)); });
    svg.addEventListener("pointerdown", (event) => {
      const best = nearest(event);
      keep(!kept || best !== Number(slider.value));
      show(best);
    });
  }

  // A hint for boxes that are wider than the page.
  function sideways(box) {
    const hint = Object.assign(document.createElement("p"), { className: "sideways", textContent: "Scroll sideways for the rest →", hidden: true });
    box.before(hint);
    const look = () => { hint.hidden = box.scrollWidth <= box.clientWidth + 1; };
    new ResizeObserver(look).observe(box);
    look();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const data = JSON.parse(document.getElementById("isthmus-data").textContent);
    const each = (selector, enhance) => document.querySelectorAll(selector).forEach(enhance);
    each("[data-theme-switch]", themeSwitch);
    each("[data-copy]", copyButton);
    each("[data-chart]", (box) => chart(box, data[box.dataset.chart]));
    each(".scroll", sideways);
    each("[data-divider]", divider);
    each("[data-map]", (box) => map(box, data[box.dataset.map]));
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
