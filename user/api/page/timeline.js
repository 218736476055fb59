// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The audit trail as a timeline: failovers with their causes first. Knows which events matter to whom, not how they come.
import {byId, clock, h, hostClock, setText, svg} from "./dom.js";

const SHOWN = 150;                 // more are found by `shunt events`
const CAUSE_MS = 5000;             // a failover's cause is no older
const HOUR = 3600000;

// kind → [tone, title, class of event]
const EVENT_KINDS = {
	failover: ["warn", "Failed over", "failover"],
	failback: ["good", "Failed back", "failover"],
	"rolled-back": ["warn", "Rolled back", "failover"],
	fallback: ["bad", "Fallback", "failover"],
	"fail-open": ["bad", "Fails open", "failover"],
	panic: ["bad", "Panic", "failover"],
	proposal: ["warn", "Proposal", "failover"],
	rolling: ["act", "Rolling", "failover"],
	suppressed: ["warn", "Flaps", "failover"],
	reused: ["good", "Quiet again", "failover"],
	ejection: ["warn", "Ejected", "health"],
	warning: ["warn", "Warning", "health"],
	drain: ["act", "Drain", "operator"],
	maint: ["act", "Maintenance", "operator"],
	ready: ["act", "Ready", "operator"],
	weight: ["act", "Weight", "operator"],
	reload: ["act", "Reload", "operator"],
	window: ["act", "Maintenance window", "operator"],
	detach: ["bad", "Detached", "operator"],
	deny: ["act", "Denied", "operator"],
	undeny: ["act", "Allowed again", "operator"],
	start: ["act", "Started", "operator"],
};

/** [tone, title, class] */
function meaningOf(event) {
	if (event.kind === "backend") return event.text.startsWith("up") ? ["good", "Up", "health"] : event.text.startsWith("down") ? ["bad", "Down", "health"] : ["warn", "Health", "health"];
	if (event.kind === "group") return event.text.startsWith("down") ? ["bad", "Group down", "failover"] : ["good", "Serves again", "failover"];
	return EVENT_KINDS[event.kind] ?? ["", event.kind, "other"];
}

const CLASSES = [["all", "All"], ["failover", "Failovers"], ["health", "Health"], ["operator", "Operators"]];
const LANES = [["failover", "failovers"], ["health", "health"], ["operator", "operators"]];

/** Without the word that the title is. */
const textOf = (event) => event.kind === "backend" ? event.text.replace(/^(up|down), /, "") : event.text;

/** The check that made a group decide: the last backend of the group that went down just before. */
function causeOf(model, event, i) {
	const group = model.groups.get(event.object.replace(/^group /, ""));
	const isMember = (name) => !group || group.backends.some((member) => member.name === name);
	for (let j = i - 1; j >= 0 && Date.parse(event.time) - Date.parse(model.events[j].time) < CAUSE_MS; j--) {
		const before = model.events[j];
		if (before.kind === "backend" && before.text.startsWith("down") && isMember(before.object.replace(/^backend /, ""))) return before;
		if (["drain", "maint", "window"].includes(before.kind) && isMember(before.object.replace(/^backend /, ""))) return before;
	}
	return undefined;
}

export class Timeline {
	constructor(model, reveal) {
		this.model = model;
		this.reveal = reveal;
		this.chosen = "all";
		this.fresh = 0;                // of the newest events, how many are not drawn yet
		this.lanes = svg("svg.lanes", {role: "img", "aria-label": "Events of the last hour"});
		this.list = h("ol.events", {tabindex: "0", "aria-label": "Events, newest first"});
		this.chips = CLASSES.map(([name, label]) => h("button", {type: "button", "aria-pressed": String(name === "all"), onclick: () => this.choose(name)}, label));
		byId("timeline").append(
			h("header", {}, h("div", {}, h("h2", {}, "Timeline"), h("span.muted", {}, "last hour")), this.lanes,
				h("div.chips", {role: "group", "aria-label": "Which events"}, this.chips)), this.list);
	}

	choose(name) {
		this.chosen = name;
		this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(CLASSES[i][0] === name)));
		this.draw();
	}

	#matches(event) {
		return this.chosen === "all" || meaningOf(event)[2] === this.chosen;
	}

	draw() {
		const rows = [];
		this.fresh = 0;
		let day = new Date(hostClock.now()).toDateString();
		for (let i = this.model.events.length - 1; i >= 0 && rows.length < SHOWN; i--) {
			const event = this.model.events[i];
			if (!this.#matches(event)) continue;
			const its = new Date(event.time).toDateString();
			if (its !== day) rows.push(h("li.day", {}, new Date(event.time).toLocaleDateString("en-GB", {weekday: "long", day: "numeric", month: "long"})));
			day = its;
			rows.push(this.#row(event, i));
		}
		this.list.replaceChildren(...(rows.length ? rows : [h("li.day", {}, "Nothing yet.")]));
		this.drawLanes();
	}

	/** Those that just happened go on top: once a frame, however many came. */
	update() {
		if (!this.fresh) return;
		const {events} = this.model;
		for (let i = events.length - Math.min(this.fresh, events.length, SHOWN); i < events.length; i++)
			if (this.#matches(events[i])) this.#putOnTop(this.#row(events[i], i));
		this.fresh = 0;
		while (this.list.childElementCount > SHOWN) this.list.lastChild.remove();
		this.drawLanes();
	}

	#putOnTop(row) {
		row.classList.add("new");
		if (this.list.firstChild?.classList?.contains("day")) this.list.firstChild.remove();
		this.list.prepend(row);
	}

	#row(event, i) {
		const [tone, title, kind] = meaningOf(event);
		const cause = kind === "failover" && event.actor !== "operator" && !["failback", "reused"].includes(event.kind) ? causeOf(this.model, event, i) : undefined;
		const [sort, ...words] = event.object.split(" ");
		const name = words.join(" ") || sort;
		const link = (sort === "group" || sort === "backend") && words.length
			? h("a", {href: "#", onclick: (click) => { click.preventDefault(); this.reveal(sort, name); }}, name) : name;
		return h(kind === "failover" ? "li.major" : "li", {"data-id": event.id},
			h(`i.dot.${tone || "none"}`, {"aria-hidden": "true"}),
			h("div.what", {}, h("span", {}, title, " ", link), h("time", {datetime: event.time, title: new Date(event.time).toString()}, clock(Date.parse(event.time)))),
			h("div.text", {}, textOf(event)), event.actor === "operator" && h("div.actor", {}, "by an operator"),
			cause && h("div.cause", {}, `${cause.object} ${cause.kind === "backend" ? "" : `${cause.kind}: `}${cause.text}`));
	}

	/** The last hour at a glance: a lane for each class of event. */
	drawLanes() {
		const width = this.lanes.clientWidth || 340, now = hostClock.now(), left = 62, step = 19;
		const x = (time) => left + Math.min(1, 1 - (now - time) / HOUR) * (width - left - 4);
		const marks = [];
		LANES.forEach(([, label], i) => {
			marks.push(svg("line", {x1: left, x2: width, y1: 10 + i * step, y2: 10 + i * step}));
			const text = svg("text", {x: 0, y: 13.5 + i * step});
			setText(text, label);
			marks.push(text);
		});
		for (const event of this.model.events.slice(-500)) {
			const time = Date.parse(event.time), [tone, title, kind] = meaningOf(event);
			const lane = LANES.findIndex(([name]) => name === kind);
			if (now - time > HOUR || lane < 0) continue;
			const at = x(time).toFixed(1), half = kind === "failover" ? 7 : 5;
			marks.push(svg(`line.mark.${tone || "none"}`, {x1: at, x2: at, y1: 10 + lane * step - half, y2: 10 + lane * step + half}, svg("title", {}, `${clock(time)} ${title} ${event.object}: ${event.text}`)));
		}
		this.lanes.replaceChildren(...marks);
	}
}
