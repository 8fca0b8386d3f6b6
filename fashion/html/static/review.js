"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
const images = JSON.parse(document.getElementById("images").textContent);
const byId = (id) => document.getElementById(id);
const CHUNK = 48;
const MEMORY = "label decisions " + about.sha256;

// ---- what was decided: image name -> instance key -> "accept" or "reject", served "outline" too ----
let decisions = new Map();
let history = [];

function decisionOf(image, instance) {
  return decisions.get(image.name)?.get(instance.key) ?? "";
}

function setDecision(image, key, choice) {
  const own = decisions.get(image) ?? new Map();
  if (choice) own.set(key, choice); else own.delete(key);
  if (own.size) decisions.set(image, own); else decisions.delete(image);
}

// Changes are lists of [image name, instance key, choice, label]; without a label it stays.
function decide(changes) {
  const former = changes.map(([image, key]) => [image, key, decisions.get(image)?.get(key) ?? "", givenLabel(image, key)]);
  for (const change of changes) apply(...change);
  history.push(former);
  if (about.served) send(changes); else remember();
  redraw(new Set(changes.map(([image]) => image)));
}

function apply(image, key, choice, label) {
  setDecision(image, key, choice);
  if (label !== undefined) giveLabel(image, key, label);
}

function redraw(names) {
  for (const card of byId("cards").querySelectorAll("article")) {
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
  if (!instance) return;
  instance.first ??= instance.label;
  instance.label = label || instance.first;
  const own = labels.get(image) ?? new Map();
  own.set(key, label);
  labels.set(image, own);
}

function asJson() {
  const list = {};
  for (const image of images) {
    const own = decisions.get(image.name);
    if (own) list[image.name] = Object.fromEntries(own);
  }
  return {format: "label decisions", annotations: about.annotations, sha256: about.sha256, images: list};
}

function fromJson(data) {
  const read = new Map();
  for (const [name, own] of Object.entries(data.images ?? {})) read.set(name, new Map(Object.entries(own)));
  return read;
}

function remember() {
  try { localStorage.setItem(MEMORY, JSON.stringify(asJson())); } catch { /* a private window */ }
}

try {
  const stored = about.served ? null : localStorage.getItem(MEMORY);
  if (stored) decisions = fromJson(JSON.parse(stored));
} catch { /* nothing is remembered */ }

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
  }
  return svg;
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
  const rows = [...byId("cards").querySelectorAll("li")];
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
  file.onload = () => { img.src = file.src; };
  file.src = image.link;
  large.replaceChildren(shown, element("p", {className: "name", textContent: image.name}));
  large.showModal();
}
byId("large").onclick = (event) => { if (event.target === byId("large")) byId("large").close(); };

// ---- the page ----
const sentinel = element("div", {id: "sentinel"});
const observer = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) drawMore(); }, {rootMargin: "900px"});

function drawMore() {
  const next = shownImages.slice(drawn, drawn + CHUNK);
  drawn += next.length;
  sentinel.before(...next.map(makeCard));
  // Observed anew, because it may still be in sight.
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
    if (data.format !== "label decisions") throw new Error("it is no decision list");
    if (data.sha256 !== about.sha256 && !confirm("That list was made for another state of the annotations. Take it all the same?")) return;
    decisions = fromJson(data);
    history = [];
    remember();
    show();
  } catch (error) {
    alert(`The file cannot be taken: ${error.message}`);
  }
};

// ---- with a server: decisions go to it at once, and those of other tabs come from it ----
const WHOLE = "*", SEASONS = ["ilkb", "yaz", "sonb", "kis", "4mev"], BATCH = 500, SECONDS = 2;
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
    const known = (decisions.get(image)?.get(key) ?? "") === verdict && givenLabel(image, key) === label;
    if (known || waiting.has(`${image}\n${key}`)) continue;
    apply(image, key, verdict, label);
    changed.add(image);
  }
  if (changed.size) redraw(changed);
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
  else if (key === "m") decide([[image.name, WHOLE, decisions.get(image.name)?.get(WHOLE) === "outline" ? "" : "outline"]]);
  else if (seasons) giveSeason(image, seasons);
  else return false;
  return true;
}

function giveSeason(image, season) {
  const changes = [];
  for (const instance of image.instances) {
    const label = `${instance.label.replace(/_[^_]*$/, "")}_${season}`;
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
  const lacks = decisions.get(card.image.name)?.get(WHOLE) === "outline";
  card.querySelector(".name").textContent = card.image.name + (lacks ? " · a garment has no label" : "");
}

function beginServed() {
  for (const id of ["import", "export", "unserved"]) byId(id).hidden = true;
  byId("served").hidden = false;
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
