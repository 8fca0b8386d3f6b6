"use strict";
const $ = (id) => document.getElementById(id);
const about = JSON.parse(document.body.dataset.about);
const sliders = Object.keys(about.limits);
const state = { token: null, panel: "joint", panels: [], version: 0, address: null, wanted: 0 };

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function showValue(name) {
  const value = Number($(name).value);
  $(`${name}Value`).textContent = name === "confidence" ? value.toFixed(2) : String(value);
}

function setSliders() {
  for (const name of sliders) {
    const limit = about.limits[name];
    Object.assign($(name), { min: limit.least, max: limit.most, step: limit.step });
    $(name).value = about.start[name];
    showValue(name);
  }
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The server does not answer: is parse_clothing.py --serve still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `The server answers ${answer.status}.`);
}

async function busy(work) {
  $("view").classList.add("busy");
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    $("view").classList.remove("busy");
  }
}

async function takeIn(file) {
  if (!file) return;
  if (file.size > about.largest) {
    say(`${file.name} is larger than ${about.largest >> 20} MB: make it smaller.`, true);
    return;
  }
  say(`Looking at ${file.name} …`);
  await busy(async () => {
    const answer = await ask("/photographs", { method: "POST", body: file });
    const taken = await answer.json();
    const from = taken.shrunk_from ? `, made smaller from ${taken.shrunk_from.join(" × ")}` : "";
    state.token = taken.token;
    state.title = `${file.name}: ${taken.width} × ${taken.height} pixels${from}`;
    await parse();
    $("drop").hidden = true;
    $("another").hidden = false;
    select(state.panel);
  });
}

async function parse() {
  const wanted = ++state.wanted;
  const values = Object.fromEntries(sliders.map((name) => [name, Number($(name).value)]));
  const answer = await ask(`/photographs/${state.token}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
  });
  const result = await answer.json();
  if (wanted !== state.wanted) return; // a later setting is on its way
  state.version += 1;
  showResult(result);
  say(state.title);
}

function again() {
  if (!state.token) return;
  say("Parsing …");
  busy(async () => {
    await parse();
    await showPanel();
  });
}

function showTabs(panels) {
  state.panels = panels;
  $("tabs").replaceChildren(...panels.map((panel) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", textContent: panel });
    tab.dataset.panel = panel;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "view");
    tab.addEventListener("click", () => select(panel));
    return tab;
  }));
}

function goOn(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const { panels } = state;
  select(panels[(panels.indexOf(state.panel) + step + panels.length) % panels.length]);
  $("tabs").querySelector("[aria-selected=true]").focus();
}

function select(panel) {
  state.panel = panel;
  for (const tab of $("tabs").children) {
    const chosen = tab.dataset.panel === panel;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  return busy(showPanel);
}

async function showPanel() {
  const { panel, token, version } = state;
  const answer = await ask(`/photographs/${token}/${encodeURIComponent(panel)}.png?${version}`);
  const pixels = await answer.blob();
  if (panel !== state.panel || version !== state.version || token !== state.token) return;
  if (state.address) URL.revokeObjectURL(state.address);
  state.address = URL.createObjectURL(pixels);
  $("picture").src = state.address;
  $("picture").alt = `The photograph: ${panel}`;
  $("picture").hidden = false;
  $("picture").dataset.shown = `${panel} ${version}`;
}

function showResult(result) {
  const persons = !about.body ? "persons not looked for"
    : result.persons === 1 ? "1 person" : `${result.persons || "no"} persons`;
  const count = result.garments.length;
  if (String(result.panels) !== String(state.panels)) showTabs(result.panels);
  $("found").textContent =
    `${count || "No"} garment${count === 1 ? "" : "s"}, ${persons}, ${result.superpixels} superpixels.`;
  $("labels").replaceChildren(...result.labels.map(labelRow));
  $("labels").parentElement.hidden = !result.labels.length;
  $("garments").replaceChildren(...result.garments.map(garmentRow));
  $("download").href = `/photographs/${state.token}/clothing.zip?${state.version}`;
  $("results").hidden = false;
}

function labelRow(label) {
  const row = document.createElement("tr");
  const swatch = document.createElement("i");
  swatch.className = "swatch";
  swatch.style.background = label.colour;
  const name = document.createElement("td");
  name.append(swatch, label.name);
  row.append(name);
  for (const share of [label.before, label.after]) {
    const cell = document.createElement("td");
    cell.textContent = share.toFixed(1);
    row.append(cell);
  }
  return row;
}

function garmentRow(garment) {
  const row = document.createElement("li");
  const score = document.createElement("span");
  score.textContent = garment.score.toFixed(2);
  const small = document.createElement("img");
  Object.assign(small, { src: garment.thumbnail, alt: "" });
  const name = garment.colour ? `${garment.colour} ${garment.name}` : garment.name;
  row.append(small, name, score);
  return row;
}

for (const name of sliders) {
  $(name).addEventListener("input", () => showValue(name));
  $(name).addEventListener("change", again);
}
$("reset").addEventListener("click", () => { setSliders(); again(); });
$("tabs").addEventListener("keydown", goOn);
$("another").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  takeIn($("file").files[0]);
  $("file").value = "";
});
for (const name of ["dragover", "dragleave", "drop"]) {
  $("view").addEventListener(name, (event) => {
    event.preventDefault();
    $("view").classList.toggle("over", name === "dragover");
    if (name === "drop") takeIn(event.dataTransfer.files[0]);
  });
}
setSliders();
