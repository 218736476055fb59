// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Puts the page together: what comes goes into the model, and what is seen is drawn from it, at most once a frame.
import {Actions, say} from "./actions.js";
import {bits, byId, count, h, hostClock, percent, plural, setAttribute, setClass, setText} from "./dom.js";
import {Groups} from "./groups.js";
import {Model, problemsOf} from "./model.js";
import {Plot} from "./plot.js";
import {Source} from "./source.js";
import {Timeline} from "./timeline.js";

const PROBLEMS_SHOWN = 8, PAGES_OF_EVENTS = 40;
const AGE_MS = 1000;               // ages and time left are words, too: drawn anew as often

const model = new Model();
const source = new Source((wrong, why) => actions.askToken(wrong, why));
const actions = new Actions(model, source);
const groups = new Groups(model, actions);
const timeline = new Timeline(model, reveal);

function reveal(kind, name) {
	showView("groups");
	const group = kind === "group" ? name : model.groupsOf.get(name)?.[0];
	if (!group) return;
	groups.reveal(group);
	if (kind === "backend") requestAnimationFrame(() => groups.cards.get(group)?.flash(name));
}

// ---- the whole host ----

const TILES = [
	["packets", "Packets", () => [count(model.host.packets.last), "/s"]],
	["bytes", "Throughput", () => bits(model.host.bytes.last)],
	["flows", "New flows", () => [count(model.host.flows.last), "/s"]],
	["drops", "Dropped", () => [count(model.host.drops.last), "/s"], () => worstDrop()],
	["moving", "Slots moving", () => [count(model.host.moving.last), ""], () => ""],
	["table", "Flows tracked", () => [count(model.host.table.last), ""], () => percent(model.host.table.last / (model.status.flow_table.capacity || 1))],
];

function worstDrop() {
	const [reason, n] = Object.entries(model.status.drops).reduce((worst, one) => one[1] > worst[1] ? one : worst, ["", 0]);
	return n ? `most: ${reason}` : "none so far";
}

const tiles = TILES.map(([name, title, value, more]) => {
	const plot = new Plot(model.host[name], `${title}, the last minute and a half`);
	const number = h("span"), unit = h("small"), aside = h("span.more");
	byId("tiles").append(h("div.tile", {"data-tile": name}, h("h2", {}, title), h("div.value", {}, number, unit), aside, plot.element));
	return {plot, number, unit, aside, value, more};
});

function drawTiles() {
	for (const {plot, number, unit, aside, value, more} of tiles) {
		const [text, its] = value();
		setText(number, text);
		setText(unit, its);
		setText(aside, more?.() ?? "");
		plot.draw();
	}
}

function drawHead() {
	const {status} = model;
	setText(byId("node"), `${status.node} · ${status.version} · ${status.interfaces.map((one) => `${one.name} ${one.mode}`).join(", ")}`);
}

function drawProblems() {
	const found = problemsOf(model);
	const bad = found.some(([tone]) => tone === "bad");
	const pill = h(`span.pill.${found.length ? bad ? "bad" : "warn" : "good"}`, {}, found.length ? plural(found.length, "problem") : "All well");
	if (byId("verdict").textContent !== pill.textContent || byId("verdict").firstChild.className !== pill.className) byId("verdict").replaceChildren(pill);
	document.title = found.length ? `(${found.length}) shunt · ${model.status.node}` : `shunt · ${model.status.node}`;
	const key = JSON.stringify(found);
	if (drawProblems.key === key) return;
	drawProblems.key = key;
	const rows = found.slice(0, PROBLEMS_SHOWN).map(([tone, text, group]) => h(`li.${tone}`, {}, h("span", {}, group && groupLink(group), group ? ` ${text}` : text)));
	if (found.length > PROBLEMS_SHOWN) rows.push(h("li", {}, h("a", {href: "#", onclick: (click) => {
		click.preventDefault();
		groups.choose("trouble");
	}}, `and ${found.length - PROBLEMS_SHOWN} more`)));
	byId("problems").hidden = !found.length;
	setClass(byId("problems"), bad ? "problems" : "problems mild");
	byId("problems").replaceChildren(h("ul", {}, rows));
}

const groupLink = (name) => h("a", {href: "#", onclick: (click) => {
	click.preventDefault();
	reveal("group", name);
}}, name);

// ---- drawing ----

let due = false, shape = -1;

function drawSoon() {
	if (due || document.hidden) return;
	due = true;
	requestAnimationFrame(draw);
}

function draw() {
	due = false;
	if (!model.status) return;
	if (shape !== model.shape) {
		shape = model.shape;
		groups.adopt();
	}
	drawHead();
	drawTiles();
	drawProblems();
	groups.update();
	groups.count();
	timeline.update();
	flash();
}

// ---- what comes ----

async function loadEvents() {
	for (let page = 0; page < PAGES_OF_EVENTS; page++) {
		const events = await source.get(`/api/v1/events?since=${model.events.at(-1)?.id ?? 0}`);
		if (!events.filter((event) => model.addEvent(event)).length) break;
	}
	timeline.draw();
}

async function load() {
	model.load(await source.get("/api/v1/status"));
	drawSoon();
}

async function opened() {
	document.body.classList.toggle("read", (await source.get("/api/v1/access")).access !== "write");
	await load();
	await loadEvents();
}

const MESSAGES = {
	event: onEvent,
	service: (document) => model.put("services", document),
	group: (document) => model.put("groups", document),
	backend: (document) => model.put("backends", document),
	reset: load,
	traffic(message) {
		hostClock.ahead = message.time - Date.now();
		model.traffic(message);
	},
};

function onMessage(kind, data) {
	MESSAGES[kind]?.(data);
	drawSoon();
}

const flashing = new Set(); // backends to which something happened since the last frame

function onEvent(event) {
	if (!model.addEvent(event)) return;
	timeline.fresh++;
	if (event.object.startsWith("backend ")) flashing.add(event.object.slice(8));
}

function flash() {
	for (const backend of flashing)
		for (const group of model.groupsOf.get(backend) ?? []) groups.cards.get(group)?.flash(backend);
	flashing.clear();
}

function onState(state) {
	const live = byId("live");
	setAttribute(live, "data-state", state);
	setText(live.lastChild, state === "live" ? "live" : "reconnecting");
}

// ---- the reader's own choices ----

function showView(view) {
	document.body.dataset.view = view;
	for (const button of document.querySelectorAll(".views button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
	if (view === "timeline") timeline.drawLanes();
}

function useTheme(theme) {
	document.documentElement.style.setProperty("color-scheme", theme ?? "light dark");
}

for (const button of document.querySelectorAll(".views button")) button.addEventListener("click", () => showView(button.dataset.view));
useTheme(localStorage.getItem("shunt-theme"));
byId("theme").addEventListener("click", () => {
	const now = localStorage.getItem("shunt-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
	const theme = now === "dark" ? "light" : "dark";
	localStorage.setItem("shunt-theme", theme);
	useTheme(theme);
});
addEventListener("scroll", () => document.body.classList.toggle("scrolled", scrollY > 4), {passive: true});
addEventListener("resize", () => timeline.drawLanes());
document.addEventListener("visibilitychange", drawSoon);
addEventListener("keydown", (event) => {
	if (event.key !== "/" || event.target.matches("input, select, textarea") || byId("dialog").open) return;
	event.preventDefault();
	byId("search").focus();
});
setInterval(drawSoon, AGE_MS);
setInterval(() => timeline.drawLanes(), 30 * AGE_MS);

// ---- begin ----

source.follow("/api/v1/events/stream", {opened, message: onMessage, state: onState});
