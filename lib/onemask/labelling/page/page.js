// The labelling page. A mask is one byte per pixel, the label's value; canvases only show it: no drawing library, whose
// smooth edges would be mixtures of labels.
"use strict";

const $ = (id) => document.getElementById(id);
const WALL = 24, FIRST_UNSEEN = 1_000_000, STEPS_KEPT = 60;
let size = 0, labels = [], colours = [];
let seed = 0, mask = null, version = 0, clusters = null;
let label = 1, tool = "brush", stroke = null, corners = [];
let undone = [], done = [], saving = Promise.resolve();
let fits = -1, wallFrom = FIRST_UNSEEN, masks = {};

// ------------------------------------------------------------------ server

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {...options, headers: {"X-Onemask": "1", ...options.headers}});
  } catch {
    throw new Error("the server does not answer; what was painted up to the last stroke is kept");
  }
  if (!response.ok) {
    const text = await response.json().then((body) => body.message || JSON.stringify(body), () => response.statusText);
    throw Object.assign(new Error(text), {status: response.status});
  }
  return response;
}

function say(text, quiet = false) {
  $("message").textContent = text;
  $("message").className = quiet ? "quiet" : "";
}

const guarded = (act) => async (...given) => {
  try { await act(...given); } catch (error) { say(error.message); }
};

async function refresh() {
  const state = await (await ask("api/state")).json();
  if (!size) begin(state);
  masks = state.masks;
  const painted = Object.keys(masks);
  $("painted").textContent = painted.length ? `painted: ${painted.join(", ")}` : "paint one sample, then fit";
  const work = state.work, running = work.state === "running";
  $("fit").disabled = running;
  $("cancel").hidden = $("progress").hidden = !running;
  if (running) {
    $("progress").max = work.steps || 1;
    $("progress").value = work.step;
    const left = work.step ? ` about ${Math.round(work.seconds * (work.steps / work.step - 1))} s left` : "";
    say(`${work.what || work.kind} ${work.step}/${work.steps}, ${work.seconds.toFixed(0)} s${left}`, true);
  } else if (refresh.ran) {
    const took = `(${work.seconds} s)`;
    say(work.state === "done" ? `${work.message} ${took}` : work.message || `${work.kind} ${work.state} ${took}`, work.state === "done");
  }
  refresh.ran = running;
  if (state.fits !== fits) { fits = state.fits; drawWall(); }
}

// ------------------------------------------------------------------ mask

async function open(number) {
  await saving;
  seed = Math.max(0, number | 0);
  $("seed").value = seed;
  [undone, done, corners, clusters] = [[], [], [], null];
  const response = await ask(`api/mask/${seed}`);
  version = Number(response.headers.get("X-Version"));
  mask = new Uint8Array(await response.arrayBuffer());
  await showImage();
  draw();
}

async function showImage() {
  const blob = await (await ask(`api/image/${seed}`)).blob();
  $("image").getContext("2d").drawImage(await createImageBitmap(blob), 0, 0);
}

function draw() {
  const pixels = new ImageData(size, size), opacity = Math.round(2.55 * $("opacity").value);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i]) pixels.data.set([...colours[mask[i]], opacity], 4 * i);
  }
  $("mask").getContext("2d").putImageData(pixels, 0, 0);
  const points = corners.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(" ");
  $("corners").innerHTML = `<polyline points="${points}" fill="none" stroke="#fff" stroke-width=".4"/>`;
  $("undo").disabled = !done.length;
  $("redo").disabled = !undone.length;
}

function change(act) {
  const before = mask.slice();
  act();
  if (mask.some((value, i) => value !== before[i])) keep(before);
  draw();
}

function keep(before) {
  done.push(before);
  if (done.length > STEPS_KEPT) done.shift();
  undone = [];
  save();
}

function step(from, to) {
  if (!from.length) return;
  to.push(mask.slice());
  mask = from.pop();
  draw();
  save();
}

function save() {
  const [number, values] = [seed, mask.slice()];
  saving = saving.then(guarded(async () => {
    if (number !== seed) return;
    const answer = await ask(`api/mask/${number}?version=${version}`, {method: "PUT", body: values});
    version = (await answer.json()).version;
  }));
}

// ------------------------------------------------------------------ tools

const at = (x, y) => y * size + x;
const inside = (x, y) => x >= 0 && y >= 0 && x < size && y < size;

function dab(x, y, value) {
  const r = Number($("radius").value);
  for (let dy = -r; dy <= r; dy++) {
    for (let dx = -r; dx <= r; dx++) {
      if (dx * dx + dy * dy <= r * r + r && inside(x + dx, y + dy)) mask[at(x + dx, y + dy)] = value;
    }
  }
}

function line([x0, y0], [x1, y1], value) {
  const n = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let i = 0; i <= n; i++) dab(Math.round(x0 + (x1 - x0) * i / n), Math.round(y0 + (y1 - y0) * i / n), value);
}

function flood(x, y, values, value) {
  const wanted = values[at(x, y)], stack = [[x, y]], seen = new Uint8Array(size * size);
  while (stack.length) {
    const [u, v] = stack.pop();
    if (!inside(u, v) || seen[at(u, v)] || values[at(u, v)] !== wanted) continue;
    seen[at(u, v)] = 1;
    stack.push([u + 1, v], [u - 1, v], [u, v + 1], [u, v - 1]);
  }
  for (let i = 0; i < seen.length; i++) if (seen[i]) mask[i] = value;
}

function fillPolygon(points, value) {  // even-odd rule at pixels' centres
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let odd = false;
      for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
        const [ax, ay] = points[i], [bx, by] = points[j];
        if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) odd = !odd;
      }
      if (odd) mask[at(x, y)] = value;
    }
  }
  points.forEach((point, i) => { const r = $("radius").value; $("radius").value = 0; line(point, points[(i + 1) % points.length], value); $("radius").value = r; });
}

async function needClusters() {
  clusters ??= new Uint16Array(await (await ask(`api/clusters/${seed}`)).arrayBuffer());
  return clusters;
}

function place(event) {
  const box = $("mask").getBoundingClientRect();
  return [Math.floor((event.clientX - box.left) * size / box.width), Math.floor((event.clientY - box.top) * size / box.height)];
}

const pressed = guarded(async (event) => {
  if (event.button || !mask) return;
  const [x, y] = place(event);
  if (!inside(x, y)) return;
  if (tool === "fill") change(() => flood(x, y, mask.slice(), label));
  else if (tool === "cluster") { const found = await needClusters(); change(() => flood(x, y, found, label)); }
  else if (tool === "polygon") { corners.push([x, y]); draw(); }
  else {
    $("mask").setPointerCapture(event.pointerId);
    stroke = {before: mask.slice(), last: [x, y], value: tool === "eraser" ? 0 : label};
    dab(x, y, stroke.value);
    draw();
  }
});

function moved(event) {
  if (!stroke) return;
  const here = place(event);
  line(stroke.last, here, stroke.value);
  stroke.last = here;
  draw();
}

function lifted() {
  if (!stroke) return;
  keep(stroke.before);
  stroke = null;
  draw();
}

function closePolygon() {
  if (corners.length > 2) { const points = corners; corners = []; change(() => fillPolygon(points, label)); }
  corners = [];
  draw();
}

// ------------------------------------------------------------------ wall of unseen samples

function drawWall() {
  if (!fits) { $("wall").textContent = "The first fit shows here what the segmenter makes of samples that it has not seen."; return; }
  $("wall").replaceChildren(...Array.from({length: WALL}, (_, i) => tile(wallFrom + i)));
}

function tile(number) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption"), image = new Image();
  image.alt = `sample ${number}, segmented`;
  figure.dataset.seed = number;
  figure.title = "open it, to correct it";
  figure.append(image, caption);
  figure.onclick = guarded(() => open(number));
  tile.queue = (tile.queue || Promise.resolve()).then(guarded(async () => {
    if (!figure.isConnected) return;
    const response = await ask(`api/predicted/${number}/overlay`);
    image.src = URL.createObjectURL(await response.blob());
    image.onload = () => URL.revokeObjectURL(image.src);
    const uncertainty = response.headers.get("X-Uncertainty");
    caption.textContent = uncertainty ? `${number} · uncertain ${Math.round(100 * uncertainty)} %` : `${number}`;
  }));
  return figure;
}

// ------------------------------------------------------------------ page

function begin(state) {
  size = state.size;
  labels = state.labels;
  colours = labels.map(({colour}) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
  for (const id of ["image", "mask"]) $(id).width = $(id).height = size;
  $("corners").setAttribute("viewBox", `0 0 ${size} ${size}`);
  $("zoom").value = Math.max(1, Math.min(16, Math.floor(512 / size)));
  zoom();
  $("labels").replaceChildren(...labels.map(({name, colour}, i) => {
    const item = document.createElement("li"), button = document.createElement("button"), patch = document.createElement("i");
    patch.style.background = colour;
    button.append(patch, name);
    if (i < 10) { const key = document.createElement("kbd"); key.textContent = i; button.append(key); }
    button.onclick = () => chooseLabel(i);
    item.append(button);
    return item;
  }));
  chooseLabel(Math.min(1, labels.length - 1));
  chooseTool("brush");
}

function zoom() {
  for (const id of ["image", "mask"]) $(id).style.width = $(id).style.height = `${size * $("zoom").value}px`;
}

function chooseLabel(value) {
  if (value >= labels.length) return;
  label = value;
  [...$("labels").querySelectorAll("button")].forEach((button, i) => button.setAttribute("aria-pressed", i === value));
}

function chooseTool(name) {
  tool = name;
  corners = [];
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === name);
  if (mask) draw();
}

async function replaceMask(values) {
  change(() => mask.set(values));
}

const fit = guarded(async () => { await saving; await ask("api/fit", {method: "POST"}); await refresh(); });

const keys = {
  b: () => chooseTool("brush"), e: () => chooseTool("eraser"), p: () => chooseTool("polygon"),
  f: () => chooseTool("fill"), c: () => chooseTool("cluster"), Enter: () => (corners.length ? closePolygon() : fit()),
  Escape: () => { corners = []; draw(); }, ArrowLeft: guarded(() => open(seed - 1)), ArrowRight: guarded(() => open(seed + 1)),
  "[": () => $("radius").stepDown(), "]": () => $("radius").stepUp(),
};

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=number]")) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "z") step(done, undone);
    else if (event.key === "y") step(undone, done);
    else return;
  } else if (/^\d$/.test(event.key)) chooseLabel(Number(event.key));
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
});

for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => chooseTool(button.dataset.tool);
$("mask").onpointerdown = pressed;
$("mask").onpointermove = moved;
$("mask").onpointerup = $("mask").onpointercancel = lifted;
$("mask").ondblclick = () => tool === "polygon" && closePolygon();
$("undo").onclick = () => step(done, undone);
$("redo").onclick = () => step(undone, done);
$("zoom").oninput = zoom;
$("opacity").oninput = draw;
$("goto").onsubmit = (event) => { event.preventDefault(); guarded(open)(Number($("seed").value)); };
$("previous").onclick = guarded(() => open(seed - 1));
$("next").onclick = guarded(() => open(seed + 1));
$("fit").onclick = fit;
$("cancel").onclick = guarded(() => ask("api/cancel", {method: "POST"}));
$("clear").onclick = () => change(() => mask.fill(0));
$("suggest").onclick = guarded(async () => replaceMask(new Uint8Array(await (await ask(`api/predicted/${seed}`)).arrayBuffer())));
$("more").onclick = () => { wallFrom += WALL; drawWall(); };
$("upload").onchange = guarded(async () => {
  const [file] = $("upload").files;
  $("upload").value = "";
  if (!file) return;
  await saving;
  const answer = await ask(`api/mask/${seed}?version=${version}`, {method: "PUT", body: file, headers: {"Content-Type": "image/png"}});
  version = (await answer.json()).version;
  await open(seed);
  say("mask loaded", true);
});
$("export-set").onclick = guarded(async () => say((await (await ask("api/export/set", {method: "POST"})).json()).message, true));
$("export-images").onsubmit = (event) => {
  event.preventDefault();
  guarded(async () => { await ask(`api/export/images?count=${$("count").value}`, {method: "POST"}); await refresh(); })();
};

guarded(async () => {
  await refresh();
  await open(Number(Object.keys(masks)[0] ?? 0));
  setInterval(guarded(refresh), 500);
})();
