"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
const images = JSON.parse(document.getElementById("images").textContent);
const byId = (id) => document.getElementById(id);
const CHUNK = 48;
const MEMORY = "label decisions " + about.sha256;

// ---- what was decided: image name -> instance key -> {choice, time} ----
// A choice is "accept", "reject", served "outline" too or, where one was taken back, "". Of two
// decisions about a label, made in two windows or two lists, the later counts.
const decisions = new Map();
let history = [];

function entryOf(image, key) {
  return decisions.get(image)?.get(key);
}

function decisionOf(image, instance) {
  return entryOf(image.name, instance.key)?.choice ?? "";
}

function setDecision(image, key, choice, time) {
  if (!decisions.has(image)) decisions.set(image, new Map());
  decisions.get(image).set(key, {choice, time});
}

// Changes are lists of [image name, instance key, choice, label, time]; a label that is undefined
// stays, a time that is undefined is now.
function decide(changes) {
  history.push(changes.map(([image, key]) => [image, key, entryOf(image, key)?.choice ?? "", givenLabel(image, key)]));
  for (const change of changes) apply(...change);
  if (about.served) send(changes); else remember();
  refresh(new Set(changes.map(([image]) => image)));
}

function apply(image, key, choice, label, time) {
  // Later than any decision before, whatever the clock says.
  const least = (entryOf(image, key)?.time ?? 0) + 1;
  setDecision(image, key, choice, time ?? Math.max(Date.now(), least));
  if (label !== undefined) giveLabel(image, key, label);
}

function refresh(names) {
  for (const card of document.querySelectorAll("article")) {
    if (names.has(card.image.name)) showDecisions(card);
  }
  showStatus();
}

// ---- labels of another class: image name -> instance key -> label ----
const labels = new Map();
const byName = new Map(images.map((image) => [image.name, image]));

const givenLabel = (image, key) => labels.get(image)?.get(key) ?? "";

function giveLabel(image, key, label) {
  const instance = byName.get(image)?.instances.find((one) => one.key === key);
  if (instance) {
    instance.first ??= instance.label;
    instance.label = label || instance.first;
  } else if (key !== SEASON) return;
  const own = labels.get(image) ?? new Map();
  own.set(key, label);
  labels.set(image, own);
}

function asJson() {
  const list = {}, times = {};
  for (const [image, own] of decisions) {
    for (const [key, {choice, time}] of own) {
      (times[image] ??= {})[key] = time;
      if (choice) (list[image] ??= {})[key] = choice;
    }
  }
  const head = {format: "label decisions", annotations: about.annotations, sha256: about.sha256};
  return {...head, images: list, times};
}

// The decisions of a list that are later than ours, as changes; those without time have `otherwise`.
function newer(data, otherwise) {
  const changes = [];
  const names = new Set([...Object.keys(data.images ?? {}), ...Object.keys(data.times ?? {})]);
  for (const image of names) {
    const choices = data.images?.[image] ?? {}, times = data.times?.[image] ?? {};
    for (const key of new Set([...Object.keys(choices), ...Object.keys(times)])) {
      const choice = choices[key] ?? "", time = Number(times[key] ?? otherwise), own = entryOf(image, key);
      if (!["", "accept", "reject"].includes(choice)) throw new Error(`"${choice}" is no decision`);
      if (!own || time > own.time) changes.push([image, key, choice, undefined, time]);
    }
  }
  return changes;
}

// What other windows and other parts of these labels have stored.
function merge(text) {
  if (!text) return new Set();
  const changes = newer(JSON.parse(text), 1);
  for (const [image, key, choice, , time] of changes) setDecision(image, key, choice, time);
  return new Set(changes.map(([image]) => image));
}

function remember() {
  try {
    refresh(merge(localStorage.getItem(MEMORY)));
    localStorage.setItem(MEMORY, JSON.stringify(asJson()));
    byId("warning").hidden = true;
  } catch {
    byId("warning").hidden = false;
  }
}

if (!about.served) {
  try { merge(localStorage.getItem(MEMORY)); } catch { /* said when something is decided */ }
  window.addEventListener("storage", (event) => {
    if (event.key === MEMORY && event.newValue) refresh(merge(event.newValue));
  });
}

// ---- which images are shown, in which order ----
function number(id, otherwise) {
  const value = parseFloat(byId(id).value);
  return Number.isFinite(value) ? value : otherwise;
}

function isShown(image, instance) {
  const label = byId("label").value, wanted = byId("decision").value;
  const score = instance.score ?? 1;
  if (label && instance.label !== label) return false;
  if (score < number("least", 0) || score > number("most", 1)) return false;
  const choice = decisionOf(image, instance);
  return !wanted || (wanted === "open" ? !choice : choice === wanted);
}

const isFiltered = () => ["label", "decision", "least", "most"].some((id) => byId(id).value);

function matching() {
  const text = byId("text").value.trim().toLowerCase();
  const found = [];
  for (const image of images) {
    if (text && !image.name.toLowerCase().includes(text)) continue;
    const shown = image.instances.filter((instance) => isShown(image, instance));
    if (!shown.length && (image.instances.length || isFiltered())) continue;
    const scores = shown.map((instance) => instance.score ?? 1);
    found.push({
      image, low: Math.min(1, ...scores), high: Math.max(0, ...scores),
      label: shown[0]?.label ?? "",
    });
  }
  const inOrder = (a, b) => a.image.name.localeCompare(b.image.name, "en", {numeric: true});
  const orders = {
    low: (a, b) => a.low - b.low, high: (a, b) => b.high - a.high,
    label: (a, b) => a.label.localeCompare(b.label), name: inOrder, given: () => 0,
  };
  const order = orders[byId("sort").value];
  const ties = order === orders.given ? order : inOrder;
  return found.sort((a, b) => order(a, b) || ties(a, b)).map((entry) => entry.image);
}

// ---- cards ----
let shownImages = [], drawn = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function svgElement(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function outlines(image) {
  const svg = svgElement("svg", {viewBox: `0 0 ${image.width} ${image.height}`, "aria-hidden": "true"});
  for (const instance of image.instances) {
    const colour = about.colours[instance.label] ?? "#888888";
    svg.append(svgElement("path", {d: instance.outline, fill: colour, stroke: colour, "fill-rule": "evenodd"}));
    const ring = marker(image, instance.outline);
    if (ring) svg.append(svgElement("circle", {...ring, fill: "none", stroke: colour}));
  }
  return svg;
}

// A ring around what would be a few pixels of the thumbnail, so that it can be seen.
function marker(image, outline) {
  const numbers = (outline.match(/-?[0-9.]+(e[+-]?[0-9]+)?/g) ?? []).map(Number);
  const xs = numbers.filter((_, i) => i % 2 === 0), ys = numbers.filter((_, i) => i % 2 === 1);
  const low = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const longer = Math.max(image.width, image.height);
  if (Math.max(high(xs) - low(xs), high(ys) - low(ys)) > longer / 40) return null;
  return {cx: (low(xs) + high(xs)) / 2, cy: (low(ys) + high(ys)) / 2, r: longer / 40};
}

function picture(image) {
  const button = element("button", {className: "picture", type: "button", title: "Larger"});
  if (!image.thumbnail) {
    button.append(element("p", {className: "problem", textContent: image.problem}));
    return button;
  }
  const width = image.width, height = image.height;
  button.append(element("img", {src: image.thumbnail, alt: image.name, width, height, decoding: "async", loading: "lazy"}), outlines(image));
  button.onclick = () => showLarge(image);
  return button;
}

function row(card, image, instance, index) {
  const choose = (choice) => decide([[image.name, instance.key, decisionOf(image, instance) === choice ? "" : choice]]);
  const button = (className, text, choice) => element("button", {
    className, textContent: text, type: "button", title: choice, ariaLabel: `${choice} ${instance.label}`,
    onclick: () => choose(choice),
  });
  const swatch = element("span", {className: "swatch"});
  swatch.style.background = about.colours[instance.label] ?? "#888888";
  const made = element("li", {tabIndex: 0},
    swatch,
    element("span", {className: "label", textContent: instance.label}),
    element("span", {className: "value", textContent: instance.score === null ? "" : instance.score.toFixed(2)}),
    button("yes", "✓", "accept"), button("no", "✗", "reject"));
  if (about.served) {
    made.append(button("edge", "⬚", "outline"));
    if (instance.key !== WHOLE) made.append(element("button", {
      className: "class", textContent: "✎", type: "button", title: "change the class",
      ariaLabel: `change the class of ${instance.label}`, onclick: () => chooseClass(made, image, instance),
    }));
  }
  const light = (on) => card.querySelectorAll("path")[index]?.classList.toggle("lit", on);
  made.onmouseenter = made.onfocus = () => light(true);
  made.onmouseleave = made.onblur = () => light(false);
  made.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const choices = {a: "accept", r: "reject", u: "", ...(about.served && {o: "outline"})};
    if (about.served && servedKey(event.key, made, image, instance)) { /* done */ }
    else if (event.key in choices) decide([[image.name, instance.key, choices[event.key]]]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") moveFocus(made, event.key === "ArrowDown" ? 1 : -1);
    else return;
    event.preventDefault();
  };
  return made;
}

function moveFocus(from, step) {
  const rows = [...from.closest("main, dialog").querySelectorAll("li")];
  const next = rows[rows.indexOf(from) + step];
  next?.focus();
  next?.closest("article").scrollIntoView({block: "nearest"});
}

function makeCard(image) {
  const card = element("article");
  card.image = image;
  card.append(picture(image), element("p", {className: "name", textContent: image.name}));
  card.append(element("ul", {}, ...image.instances.map((instance, index) => row(card, image, instance, index))));
  showDecisions(card);
  return card;
}

function showDecisions(card) {
  const paths = card.querySelectorAll("path");
  card.querySelectorAll("li").forEach((made, index) => {
    const instance = card.image.instances[index];
    const choice = decisionOf(card.image, instance);
    const dim = isFiltered() && !isShown(card.image, instance);
    for (const part of [made, paths[index]]) {
      part?.classList.toggle("reject", choice === "reject");
      part?.classList.toggle("outline", choice === "outline");
      part?.classList.toggle("dim", dim && !choice);
    }
    made.querySelector(".yes").ariaPressed = String(choice === "accept");
    made.querySelector(".no").ariaPressed = String(choice === "reject");
    if (about.served) showServed(card, made, paths[index], instance, choice);
  });
}

function showLarge(image) {
  const large = byId("large");
  const shown = picture(image);
  const img = shown.querySelector("img");
  shown.onclick = () => large.close();
  // The file itself is sharper than the thumbnail, where it is still beside the page.
  const file = new Image();
  file.onload = () => { if (img) img.src = file.src; };
  file.src = image.link;
  const card = element("article");
  card.image = image;
  const all = (choice) => decide(image.instances.map((instance) => [image.name, instance.key, choice]));
  const button = (id, textContent, onclick) => element("button", {id, type: "button", textContent, onclick});
  card.append(shown, element("p", {className: "name", textContent: image.name}),
    element("ul", {}, ...image.instances.map((instance, index) => row(card, image, instance, index))),
    element("p", {className: "tools"},
      button("largePrevious", "Previous", () => step(image, -1)), button("largeAccept", "Accept all", () => all("accept")),
      button("largeReject", "Reject all", () => all("reject")), button("largeNext", "Next", () => step(image, 1))));
  showDecisions(card);
  large.replaceChildren(card);
  if (!large.open) large.showModal();
}

function step(image, by) {
  const next = shownImages[shownImages.indexOf(image) + by];
  if (next) showLarge(next); else byId("large").close();
}
byId("large").onclick = (event) => { if (event.target === byId("large")) byId("large").close(); };
byId("large").onclose = () => byId("large").replaceChildren();
byId("large").onkeydown = (event) => {
  const by = {ArrowRight: 1, n: 1, ArrowLeft: -1, p: -1}[event.key];
  if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
  step(byId("large").querySelector("article").image, by);
  event.preventDefault();
};

// ---- the page ----
const sentinel = element("div", {id: "sentinel"});
const observer = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) drawMore(); }, {rootMargin: "900px"});

function drawMore() {
  const next = shownImages.slice(drawn, drawn + CHUNK);
  drawn += next.length;
  sentinel.before(...next.map(makeCard));
  // Observed again, because it may still be in sight.
  observer.unobserve(sentinel);
  if (drawn < shownImages.length) observer.observe(sentinel);
}

function show() {
  shownImages = matching();
  drawn = 0;
  byId("cards").replaceChildren(sentinel);
  if (!shownImages.length) sentinel.before(element("p", {id: "empty", textContent: images.length ? "No label fits the filter." : "There is no image."}));
  drawMore();
  showStatus();
}

function showStatus() {
  let total = 0;
  const counts = {accept: 0, reject: 0, outline: 0};
  for (const image of images) {
    for (const instance of image.instances) {
      total += 1;
      const choice = decisionOf(image, instance);
      if (choice) counts[choice] += 1;
    }
  }
  byId("status").textContent = `${shownImages.length} of ${images.length} images shown · ${counts.accept} accepted, ${counts.reject} rejected, ${counts.outline ? `${counts.outline} with a wrong outline, ` : ""}${total - counts.accept - counts.reject - counts.outline} undecided`;
  byId("bar").querySelector(".accepted").style.width = `${100 * counts.accept / Math.max(total, 1)}%`;
  byId("bar").querySelector(".rejected").style.width = `${100 * counts.reject / Math.max(total, 1)}%`;
  byId("undo").disabled = !history.length;
}

function decideShown(choice) {
  const changes = [];
  for (const image of shownImages) {
    for (const instance of image.instances) {
      if (isShown(image, instance) && !decisionOf(image, instance)) changes.push([image.name, instance.key, choice]);
    }
  }
  if (changes.length) decide(changes);
}

byId("acceptShown").onclick = () => decideShown("accept");
byId("rejectShown").onclick = () => decideShown("reject");
byId("undo").onclick = () => {
  const former = history.pop();
  if (!former) return;
  decide(former);
  history.pop();
  showStatus();
};
byId("export").onclick = () => {
  const blob = new Blob([JSON.stringify(asJson(), null, 1) + "\n"], {type: "application/json"});
  const link = element("a", {href: URL.createObjectURL(blob), download: "decisions.json"});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
byId("import").onclick = () => byId("file").click();
byId("file").onchange = async () => {
  const file = byId("file").files[0];
  byId("file").value = "";
  try {
    const data = JSON.parse(await file.text());
    if (data.format !== "label decisions") throw new Error("it is not a decision list");
    if (data.sha256 !== about.sha256 && !confirm("That list was made for another version of the annotations. Use it anyway?")) return;
    const changes = newer(data, file.lastModified);
    if (changes.length) decide(changes);
    show();
  } catch (error) {
    alert(`The file cannot be used: ${error.message}`);
  }
};

// ---- with a server: decisions go to it at once, and those of other tabs come from it ----
const WHOLE = "*", SEASON = "*season", SEASONS = ["ilkb", "yaz", "sonb", "kis", "4mev"], BATCH = 500, SECONDS = 2;
let unsent = [], received = 0, sending = false;

function send(changes) {
  for (const [image, key, verdict] of changes) unsent.push({image, key, verdict, label: givenLabel(image, key)});
  exchange();
}

async function exchange() {
  if (sending) return;
  sending = true;
  const batch = unsent.slice(0, BATCH);
  let again = false;
  try {
    const options = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({decisions: batch, since: received})};
    const answer = await (batch.length ? fetch("decisions", options) : fetch(`decisions?since=${received}`));
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.error);
    unsent.splice(0, batch.length);
    received = data.count;
    take(data.decisions);
    showUnsaved("");
    again = unsent.length > 0;
  } catch (error) {
    showUnsaved(error instanceof TypeError ? "the server does not answer." : error.message);
  }
  sending = false;
  if (again) exchange();
}

function take(list) {
  const waiting = new Set(unsent.map((one) => `${one.image}\n${one.key}`));
  const changed = new Set();
  for (const {image, key, verdict, label = ""} of list) {
    const known = (entryOf(image, key)?.choice ?? "") === verdict && givenLabel(image, key) === label;
    if (known || waiting.has(`${image}\n${key}`)) continue;
    apply(image, key, verdict, label);
    changed.add(image);
  }
  if (changed.size) refresh(changed);
}

function showUnsaved(reason) {
  const waiting = unsent.length ? `Decisions that are not saved yet: ${unsent.length}. Leave this page open until they are` : "All decisions are saved so far";
  byId("unsaved").hidden = !reason;
  byId("unsaved").textContent = reason && `${waiting}; ${reason}`;
}

// What the row of a label does on a key of its own; whether it is one.
function servedKey(key, made, image, instance) {
  const seasons = SEASONS[Number(key) - 1];
  if (key === "c" && instance.key !== WHOLE) chooseClass(made, image, instance);
  else if (key === "l") showLarge(image);
  else if (key === "m") decide([[image.name, WHOLE, entryOf(image.name, WHOLE)?.choice === "outline" ? "" : "outline"]]);
  else if (seasons) giveSeason(image, seasons);
  else return false;
  return true;
}

// Where labels are garments alone, the picture has the season; the same key again takes it back.
function giveSeason(image, season) {
  if (about.pictureSeasons) {
    decide([[image.name, SEASON, "", givenLabel(image.name, SEASON) === season ? "" : season]]);
    return;
  }
  const changes = [];
  for (const instance of image.instances) {
    const garment = instance.label.replace(/_[^_]*$/, "");
    const label = `${about.coded[garment] ?? garment}_${season}`;
    if (about.choices.includes(label)) changes.push([image.name, instance.key, decisionOf(image, instance), label]);
  }
  if (changes.length) decide(changes);
}

function chooseClass(made, image, instance) {
  if (made.querySelector("select")) return;
  const list = element("select", {ariaLabel: "class"}, ...about.choices.map((name) => new Option(name)));
  let dropped = false;
  list.value = instance.label;
  list.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    dropped = event.key === "Escape";
    event.preventDefault();
    made.focus();
  };
  list.onblur = () => {
    list.remove();
    if (!dropped && list.value && list.value !== instance.label) decide([[image.name, instance.key, "accept", list.value]]);
  };
  made.append(list);
  list.focus();
}

function showServed(card, made, path, instance, choice) {
  const colour = about.colours[instance.label] ?? "#888888";
  made.querySelector(".label").textContent = instance.label;
  made.querySelector(".swatch").style.background = colour;
  made.querySelector(".edge").ariaPressed = String(choice === "outline");
  path?.setAttribute("fill", colour);
  path?.setAttribute("stroke", colour);
  const lacks = entryOf(card.image.name, WHOLE)?.choice === "outline";
  const season = givenLabel(card.image.name, SEASON);
  card.querySelector(".name").textContent = card.image.name + (season && ` · ${season}`) + (lacks ? " · a garment has no label" : "");
}

function beginServed() {
  for (const id of ["import", "export", "unserved"]) byId(id).hidden = true;
  byId("served").hidden = false;
  document.querySelector("#panel summary").textContent = "Filter and sort";
  document.body.classList.add("served");
  byId("decision").querySelector("[hidden]").hidden = false;
  byId("sort").prepend(new Option("as given", "given", true, true));
  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || byId("large").open || event.target.closest("input, select");
    if (busy) return;
    if (event.key === "z") byId("undo").click();
    else if (event.key === "ArrowDown" && !event.target.closest("li")) byId("cards").querySelector("li")?.focus();
    else return;
    event.preventDefault();
  });
  window.addEventListener("beforeunload", (event) => { if (unsent.length) event.preventDefault(); });
  setInterval(exchange, 1000 * SECONDS);
  exchange();
}

const counts = new Map();
for (const image of images) for (const instance of image.instances) counts.set(instance.label, (counts.get(instance.label) ?? 0) + 1);
byId("label").append(new Option("all labels", ""));
for (const label of [...counts.keys()].sort()) byId("label").append(new Option(`${label} (${counts.get(label)})`, label));
for (const id of ["label", "decision", "sort"]) byId(id).onchange = show;
for (const id of ["least", "most", "text"]) byId(id).oninput = show;
if (window.innerWidth < 620) byId("panel").open = false;
if (about.served) beginServed();
show();
