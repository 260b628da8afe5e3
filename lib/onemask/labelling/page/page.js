// The labelling page. A mask is one byte per pixel, the label's value; canvases only show it: no drawing library, whose
// smooth edges would be mixtures of labels.
"use strict";

const $ = (id) => document.getElementById(id);
const WALL = 24, FIRST_UNSEEN = 1_000_000, STEPS_KEPT = 60, POLL = 500, RETRY = 2000;
let size = 0, labels = [], table = null, truncation = 0, mostUpload = 0;
let sample = null;      // what is shown: {seed, truncation, mask, version, done, undone, clusters, dirty, conflict}
let wishes = 0;         // to show another one
let label = 1, tool = "brush", stroke = null, corners = [];
let saving = Promise.resolve(), unsaved = new Set();
let fits = -1, wallFrom = FIRST_UNSEEN, wallTruncation = 0, painted = [];
let run = null, announced = null;  // of the server; the number of its last work that was told
let away = false;

// ------------------------------------------------------------------ server

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {...options, headers: {"X-Onemask": "1", ...options.headers}});
  } catch {
    away = true;
    throw new Error("the server does not answer; start it again and leave this page open: it holds what is not saved yet");
  }
  if (away) { away = false; say(""); }
  if (!response.ok) {
    const text = await response.json().then((body) => body.message || JSON.stringify(body), () => response.statusText);
    throw Object.assign(new Error(text), {status: response.status});
  }
  return response;
}

const post = (path) => ask(path, {method: "POST"});
const shown = () => { if (!sample) throw new Error("no sample is shown yet"); return sample; };
const of = ({seed, truncation}, what) => `api/${what.replace("*", seed)}?truncation=${truncation}`;

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
  if (state.run !== run) [run, announced, fits] = [state.run, null, -1];  // the server was started anew
  painted = state.painted;
  $("painted").textContent = painted.length ? `${painted.length} painted: ${painted.map(nameOf).join(", ")}` : "paint one sample, then fit";
  $("test").max = Math.max(0, painted.length - 1);
  if (!$("test").dataset.chosen) $("test").value = Math.min(1, $("test").max);
  const work = state.work, running = work.state === "running";
  $("fit").disabled = running;
  $("cancel").hidden = $("progress").hidden = !running;
  if (running && work.steps) [$("progress").max, $("progress").value] = [work.steps, work.step];
  else $("progress").removeAttribute("value");  // it goes on, nobody knows how far
  $("working").textContent = running ? progressOf(work) : "";
  if (announced === null) announced = running ? work.serial - 1 : work.serial;  // what ended before the page was there
  if (!running && work.serial > announced) {
    announced = work.serial;
    const good = work.state === "done";
    say(`${work.message || `${work.kind} ${work.state}`}${good || !work.message ? ` (${work.seconds} s)` : ""}`, good);
  }
  $("by").textContent = state.fitted ? `, segmented by ${state.fitted}` : ": paint one of them, and the first fit segments the others";
  if (state.fits !== fits) { fits = state.fits; drawWall(); }
}

const nameOf = (one) => `sample ${one.seed}${one.truncation === truncation ? "" : ` at truncation ${one.truncation}`}`;

function progressOf({kind, what, step, steps, seconds}) {
  const left = step ? `, about ${Math.round(seconds * (steps / step - 1))} s left` : "";
  return `${what || kind}${steps ? ` ${step}/${steps}` : ""}, ${seconds.toFixed(0)} s${left}`;
}

async function poll() {
  await guarded(async () => { await refresh(); if (!wishes) await first(); })();
  setTimeout(poll, POLL);
}

// ------------------------------------------------------------------ sample and mask

async function show(one) {
  const wish = ++wishes;
  await saving;
  const held = [...unsaved].find(({seed, truncation}) => seed === one.seed && truncation === one.truncation);
  const [picture, next] = await Promise.all([pictureOf(one), held || asKept(one)]);
  if (wish !== wishes) return;  // another one was asked for since
  lifted();
  sample = next;
  corners = [];
  [$("seed").value, $("truncation").value] = [one.seed, one.truncation];
  history.replaceState(null, "", `#${one.seed},${one.truncation}`);  // a reload shows it again
  $("image").getContext("2d").drawImage(picture, 0, 0);
  draw();
}

const pictureOf = async (one) => createImageBitmap(await (await ask(of(one, "image/*"))).blob());

async function asKept({seed, truncation}) {
  const response = await ask(of({seed, truncation}, "mask/*")), mask = new Uint8Array(await response.arrayBuffer());
  const version = response.headers.get("X-Version");
  return {seed, truncation, mask, version, done: [], undone: [], clusters: null, dirty: false, conflict: false};
}

async function first() {
  const named = /^#(\d+),([\d.]+)$/.exec(location.hash);
  const [other = {seed: 0, truncation}] = painted;
  try {
    await show(named ? {seed: Number(named[1]), truncation: Number(named[2])} : other);
  } catch (error) {
    wishes = 0;  // and try again
    if (error.status) location.hash = "";
    throw error;
  }
}

function draw() {
  if (draw.waiting) return;
  draw.waiting = requestAnimationFrame(() => {
    draw.waiting = 0;
    if (!sample) return;
    const image = new ImageData(size, size), pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[sample.mask[i]];
    $("mask").getContext("2d").putImageData(image, 0, 0);
    $("mask").style.opacity = $("opacity").value / 100;
    const points = corners.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(" ");
    $("corners").innerHTML = `<polyline points="${points}" fill="none" stroke="#fff" stroke-width=".4"/>`;
    $("conflict").hidden = !sample.conflict;
    $("undo").disabled = !sample.done.length;
    $("redo").disabled = !sample.undone.length;
  });
}

function change(one, act) {
  const before = one.mask.slice();
  act(one);
  keep(one, before);
}

function keep(one, before) {
  draw();
  if (!one.mask.some((value, i) => value !== before[i])) return;
  one.done.push(before);
  if (one.done.length > STEPS_KEPT) one.done.shift();
  one.undone = [];
  save(one);
}

function step(from, to) {
  if (!sample || stroke || !sample[from].length) return;
  sample[to].push(sample.mask.slice());
  sample.mask = sample[from].pop();
  draw();
  save(sample);
}

function save(one) {
  one.dirty = true;
  unsaved.add(one);
  saving = saving.then(() => send(one));
}

async function send(one) {
  if (!one.dirty) return;
  one.dirty = false;
  try {
    const answer = await ask(`${of(one, "mask/*")}&version=${one.version}`, {method: "PUT", body: one.mask.slice()});
    one.version = (await answer.json()).version;
    if (!one.dirty) unsaved.delete(one);
  } catch (error) {
    one.dirty = true;
    one.conflict = error.status === 409;
    if (one.conflict) draw();
    else say(error.message);
    // Not while the server is away, its disk is full, or it wants its token.
    if (!error.status || error.status === 403 || error.status >= 500) setTimeout(() => save(one), RETRY);
  }
}

const theirs = guarded(async () => {
  sample.dirty = false;
  unsaved.delete(sample);
  await show(sample);
});

const mine = guarded(async () => {
  const one = sample;
  one.version = (await ask(of(one, "mask/*"))).headers.get("X-Version");
  one.conflict = false;
  draw();
  save(one);
});

// ------------------------------------------------------------------ tools

const at = (x, y) => y * size + x;
const inside = (x, y) => x >= 0 && y >= 0 && x < size && y < size;

function dab(mask, x, y, value, r) {
  for (let dy = -r; dy <= r; dy++) {
    for (let dx = -r; dx <= r; dx++) {
      if (dx * dx + dy * dy <= r * r + r && inside(x + dx, y + dy)) mask[at(x + dx, y + dy)] = value;
    }
  }
}

function line(mask, [x0, y0], [x1, y1], value, r) {
  const n = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let i = 0; i <= n; i++) dab(mask, Math.round(x0 + (x1 - x0) * i / n), Math.round(y0 + (y1 - y0) * i / n), value, r);
}

function flood(mask, x, y, values, value) {
  const wanted = values[at(x, y)], stack = [[x, y]], seen = new Uint8Array(size * size);
  while (stack.length) {
    const [u, v] = stack.pop();
    if (!inside(u, v) || seen[at(u, v)] || values[at(u, v)] !== wanted) continue;
    seen[at(u, v)] = 1;
    stack.push([u + 1, v], [u - 1, v], [u, v + 1], [u, v - 1]);
  }
  for (let i = 0; i < seen.length; i++) if (seen[i]) mask[i] = value;
}

function fillPolygon(mask, points, value) {  // even-odd rule at pixels' centres, and the outline itself
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
  points.forEach((point, i) => line(mask, point, points[(i + 1) % points.length], value, 0));
}

async function fillCluster(one, x, y) {
  one.clusters ??= new Uint16Array(await (await ask(of(one, "clusters/*"))).arrayBuffer());
  if (one === sample) change(one, ({mask, clusters}) => flood(mask, x, y, clusters, label));
}

function place(event) {
  const box = $("mask").getBoundingClientRect();
  return [Math.floor((event.clientX - box.left) * size / box.width), Math.floor((event.clientY - box.top) * size / box.height)];
}

const pressed = guarded(async (event) => {
  if (event.button || !sample || stroke) return;  // a second finger draws nothing
  const [x, y] = place(event);
  if (!inside(x, y)) return;
  if (tool === "fill") change(sample, ({mask}) => flood(mask, x, y, mask.slice(), label));
  else if (tool === "cluster") await fillCluster(sample, x, y);
  else if (tool === "polygon") { corners.push([x, y]); draw(); }
  else {
    $("mask").setPointerCapture(event.pointerId);
    const radius = Number($("radius").value);
    const value = tool === "eraser" ? 0 : label;
    stroke = {pointer: event.pointerId, one: sample, before: sample.mask.slice(), last: [x, y], value, radius};
    dab(sample.mask, x, y, stroke.value, radius);
    draw();
  }
});

function moved(event) {
  if (event.pointerId !== stroke?.pointer) return;
  const here = place(event);
  line(stroke.one.mask, stroke.last, here, stroke.value, stroke.radius);
  stroke.last = here;
  draw();
}

function lifted() {
  if (!stroke) return;
  keep(stroke.one, stroke.before);
  stroke = null;
}

function closePolygon() {
  const points = corners;
  corners = [];
  if (points.length > 2) change(sample, ({mask}) => fillPolygon(mask, points, label));
  draw();
}

// ------------------------------------------------------------------ wall of unseen samples

function drawWall() {
  const known = new Set(painted.map(({seed}) => seed)), numbers = [];
  for (let number = wallFrom; numbers.length < WALL; number++) if (!known.has(number)) numbers.push(number);
  wallTruncation = chosenTruncation();
  $("wall").replaceChildren(...numbers.map((seed) => tile({seed, truncation: wallTruncation})));
}

function tile(one) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption"), image = new Image();
  const segmented = fits > 0;
  image.alt = `sample ${one.seed}${segmented ? ", segmented" : ""}`;
  figure.dataset.seed = one.seed;
  figure.title = `open it, to ${segmented ? "correct" : "paint"} it`;
  figure.append(image, caption);
  figure.onclick = guarded(() => show(one));
  tile.queue = (tile.queue || Promise.resolve()).then(guarded(async () => {
    if (!figure.isConnected) return;
    const response = await ask(of(one, segmented ? "predicted/*/overlay" : "image/*"));
    image.src = URL.createObjectURL(await response.blob());
    image.onload = () => URL.revokeObjectURL(image.src);
    const uncertainty = response.headers.get("X-Uncertainty");
    caption.textContent = uncertainty ? `${one.seed} · uncertain ${Number(uncertainty).toFixed(2)}` : `${one.seed}`;
  }));
  return figure;
}

// ------------------------------------------------------------------ page

function begin(state) {
  ({size, labels, truncation, most_upload: mostUpload} = state);
  const bytes = ({colour}) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  table = new Uint32Array(new Uint8Array(labels.flatMap((each, i) => [...bytes(each), i ? 255 : 0])).buffer);
  $("truncation").value = truncation;
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
  for (const id of ["image", "mask", "corners"]) $(id).style.width = $(id).style.height = `${size * $("zoom").value}px`;
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
  draw();
}

async function download(path) {
  await saving;
  const response = await post(path), link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = response.headers.get("Content-Disposition").match(/"(.+)"/)[1];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RETRY);
  say(decodeURIComponent(response.headers.get("X-Message")), true);
}

const chosenTruncation = () => Number($("truncation").value) || truncation;
const neighbour = (by) => guarded(() => show({seed: Math.max(0, shown().seed + by), truncation: sample.truncation}));
const fit = guarded(async () => { await saving; await post("api/fit"); await refresh(); });
const submitted = (act) => (event) => { event.preventDefault(); guarded(act)(); };

const keys = {
  b: () => chooseTool("brush"), e: () => chooseTool("eraser"), p: () => chooseTool("polygon"),
  f: () => chooseTool("fill"), c: () => chooseTool("cluster"), Enter: () => (corners.length ? closePolygon() : fit()),
  Escape: () => { corners = []; draw(); }, ArrowLeft: neighbour(-1), ArrowRight: neighbour(1),
  "[": () => $("radius").stepDown(), "]": () => $("radius").stepUp(),
};

document.addEventListener("keydown", (event) => {
  const {key, target} = event;
  if (target.matches("input[type=number]") || (target.matches("input, button") && /^(Enter|Arrow.*)$/.test(key))) return;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") step("done", "undone");
    else if (key === "y" || key === "Z") step("undone", "done");
    else return;
  } else if (/^\d$/.test(key)) chooseLabel(Number(key));
  else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => event.target.closest("button")?.blur());  // keys are for the sample again
window.addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => chooseTool(button.dataset.tool);
$("mask").onpointerdown = pressed;
$("mask").onpointermove = moved;
$("mask").onpointerup = $("mask").onpointercancel = ({pointerId}) => { if (pointerId === stroke?.pointer) lifted(); };
$("mask").ondblclick = () => tool === "polygon" && closePolygon();
$("undo").onclick = () => step("done", "undone");
$("redo").onclick = () => step("undone", "done");
$("zoom").oninput = zoom;
$("opacity").oninput = draw;
$("goto").onsubmit = submitted(async () => {
  await show({seed: Number($("seed").value), truncation: chosenTruncation()});
  if (wallTruncation !== chosenTruncation()) drawWall();
});
$("previous").onclick = neighbour(-1);
$("next").onclick = neighbour(1);
$("fit").onclick = fit;
$("cancel").onclick = guarded(() => post("api/cancel"));
$("theirs").onclick = theirs;
$("mine").onclick = mine;
$("clear").onclick = guarded(() => change(shown(), ({mask}) => mask.fill(0)));
$("suggest").onclick = guarded(async () => {
  const one = shown(), values = new Uint8Array(await (await ask(of(one, "predicted/*"))).arrayBuffer());
  change(one, ({mask}) => mask.set(values));
});
$("more").onclick = () => { wallFrom += WALL; drawWall(); };
$("upload").onchange = guarded(async () => {
  const one = shown(), [file] = $("upload").files;
  $("upload").value = "";
  if (!file) return;
  if (file.size > mostUpload) throw new Error(`${file.name}: more than ${mostUpload >> 20} MB; a mask is a PNG of ${size} x ${size}`);
  const values = new Uint8Array(await (await ask("api/read", {method: "POST", body: file})).arrayBuffer());
  change(one, ({mask}) => mask.set(values));
  say("mask loaded", true);
});
$("export-set").onsubmit = submitted(() => download(`api/export/set?test=${$("test").value}`));
$("export-labeller").onclick = guarded(() => download("api/export/labeller"));
$("export-images").onsubmit = submitted(async () => {
  await saving;
  await post(`api/export/images?count=${$("count").value}&truncation=${chosenTruncation()}`);
  await refresh();
});
$("test").oninput = () => { $("test").dataset.chosen = "yes"; };

poll();
