// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the page knows: the controller's documents by name, rates made of their counters, and the audit trail. It follows what
// arrives and tells nobody: whoever draws, looks. It must not know of the page's elements, nor of how messages come.

export const SPAN = 90;            // seconds that a plot shows
const EVENTS_MAX = 2000;
const SHORT = 0.1;                 // seconds: rates of less say nothing

/** The last SPAN values of something, of which the last `known` were measured. */
export class Series {
	values = new Float32Array(SPAN);
	next = 0;
	known = 0;

	push(value) {
		this.known = Math.min(SPAN, this.known + 1);
		this.values[this.next] = value;
		this.next = (this.next + 1) % SPAN;
	}

	get last() {
		return this.values[(this.next + SPAN - 1) % SPAN];
	}

	/** The i-th oldest. */
	at(i) {
		return this.values[(this.next + i) % SPAN];
	}
}

/** Rates of something that is counted: a counter that goes back began anew. */
class Meter {
	constructor(totals) {
		this.totals = totals;
		this.series = totals.map(() => new Series());
	}

	begin(totals) {
		this.totals = totals;
	}

	count(totals, seconds) {
		totals.forEach((total, i) => this.series[i].push(Math.max(0, total - this.totals[i]) / seconds));
		this.totals = totals;
	}

	rate(i = 0) {
		return this.series[i].last;
	}
}

const byName = (list) => new Map(list.map((one) => [one.name, one]));
const HOST_SERIES = ["packets", "bytes", "flows", "drops", "moving", "table"];

export class Model {
	status = null;
	services = new Map();
	groups = new Map();
	backends = new Map();
	servicesOf = new Map();          // group → its services, also those it has only for some clients
	groupsOf = new Map();            // backend → groups
	meters = {services: new Map(), backends: new Map()};
	host = Object.fromEntries(HOST_SERIES.map((name) => [name, new Series()]));
	events = [];                     // oldest first
	shape = 0;                       // grows when groups or their members are others
	#last = null;                    // {time, drops} when counters were last looked at

	/** The whole document of /api/v1/status. Rates of what stays go on. */
	load(status) {
		this.status = status;
		this.services = byName(status.services);
		this.groups = byName(status.groups);
		this.backends = byName(status.backends);
		this.#keepMeters("services", (one) => [one.packets, one.bytes, one.new_flows]);
		this.#keepMeters("backends", (one) => [one.packets, one.bytes]);
		this.#relate();
	}

	#keepMeters(kind, totals) {
		const before = this.meters[kind];
		this.meters[kind] = new Map();
		for (const one of this[kind].values())
			this.meters[kind].set(one.name, before.get(one.name) ?? new Meter(totals(one)));
	}

	#relate() {
		this.servicesOf = new Map([...this.groups.keys()].map((name) => [name, []]));
		this.groupsOf = new Map([...this.backends.keys()].map((name) => [name, []]));
		for (const service of this.services.values())
			for (const name of new Set([service.group, ...service.clients.map((clients) => clients.group)]))
				this.servicesOf.get(name)?.push(service);
		for (const group of this.groups.values())
			for (const member of group.backends)
				this.groupsOf.get(member.name)?.push(group.name);
		this.shape++;
	}

	/** One object's document that is new. Of objects that come and go the stream says `reset`. */
	put(kind, document) {
		const known = this[kind].get(document.name);
		if (!known) return;
		this[kind].set(document.name, document);
		if (this.#isOtherShape(kind, known, document)) this.#relate();
	}

	#isOtherShape(kind, known, document) {
		const names = (group) => group.backends.map((member) => member.name).join();
		if (kind === "groups") return names(known) !== names(document);
		return kind === "services" && known.group !== document.group;
	}

	totalDrops() {
		return Object.values(this.status.drops).reduce((sum, n) => sum + n, 0);
	}

	/** Counters of what was counted since the last time; of the rest nothing was. The first says only from when on to count. */
	traffic(message) {
		for (const [name, [packets, bytes, flows]] of Object.entries(message.services))
			Object.assign(this.services.get(name) ?? {}, {packets, bytes, new_flows: flows});
		for (const [name, [packets, bytes, flows, latency]] of Object.entries(message.backends)) {
			const backend = this.backends.get(name);
			if (backend) Object.assign(backend, {packets, bytes, flows}).check.latency_ms = latency;
		}
		for (const [name, [moving, resolving]] of Object.entries(message.groups))
			Object.assign(this.groups.get(name)?.slots ?? {}, {moving, resolving});
		Object.assign(this.status.drops, message.drops);
		this.status.flow_table.entries = message.flow_table;
		const before = this.#last;
		this.#last = {time: message.time, drops: this.totalDrops()};
		if (before) this.#measure((message.time - before.time) / 1000, this.#last.drops - before.drops);
		else this.#eachMeter((meter, totals) => meter.begin(totals));
	}

	#eachMeter(look) {
		for (const kind of ["services", "backends"])
			for (const [name, meter] of this.meters[kind]) {
				const one = this[kind].get(name);
				if (one) look(meter, kind === "services" ? [one.packets, one.bytes, one.new_flows] : [one.packets, one.bytes]);
			}
	}

	#measure(seconds, drops) {
		if (seconds < SHORT) return;
		this.#eachMeter((meter, totals) => meter.count(totals, seconds));
		const sum = (i) => [...this.meters.services.values()].reduce((total, meter) => total + meter.rate(i), 0);
		const moving = [...this.groups.values()].reduce((total, group) => total + group.slots.moving + group.slots.resolving, 0);
		const now = {packets: sum(0), bytes: sum(1), flows: sum(2), drops: Math.max(0, drops) / seconds, moving, table: this.status.flow_table.entries};
		for (const name of HOST_SERIES) this.host[name].push(now[name]);
	}

	/** Whether it is new: the stream may tell again what was already asked for. */
	addEvent(event) {
		const last = this.events.at(-1);
		if (last && event.id <= last.id) return false;
		this.events.push(event);
		if (this.events.length > EVENTS_MAX) this.events.splice(0, this.events.length - EVENTS_MAX);
		return true;
	}
}

// ---- what states mean ----

const GROUP_STATES = {
	normal: ["good", "normal"],
	"failed-over": ["warn", "failed over"],
	"failing-back": ["warn", "failing back"],
	degraded: ["warn", "degraded"],
	down: ["bad", "down"],
};

/** [tone, word] */
export const groupState = (group) => group.panic ? ["bad", "panic"] : GROUP_STATES[group.state] ?? ["", group.state];

export function backendState(backend) {
	if (backend.admin === "maint") return ["warn", "maintenance"];
	if (backend.health === "down") return ["bad", "down"];
	if (backend.admin === "drain") return ["warn", backend.drained ? "drained" : "draining"];
	if (backend.health === "degraded") return ["warn", "degraded"];
	if (backend.health === "unknown") return ["warn", "unknown"];
	return ["good", "up"];
}

/** Whether an operator ought to look: ordered, 0 is well. */
export const groupTrouble = (group) => group.state === "down" || group.panic ? 2 : group.state === "normal" ? 0 : 1;
export const isMoving = (group) => group.slots.moving + group.slots.resolving > 0;

/** [[tone, text, group's name or undefined]…], worst first, as `shunt status` has it. */
export function problemsOf(model) {
	const {status} = model;
	const found = [];
	if (!status.datapath_ok) found.push(["bad", "The data path does not run: nothing is forwarded"]);
	if (status.problem) found.push(["bad", status.problem]);
	for (const group of model.groups.values()) {
		if (group.state === "down") found.push(["bad", group.last_resort ? `is down: its new flows go to ${group.last_resort}` : "is down: nobody takes its new flows", group.name]);
		else if (group.panic) found.push(["bad", "panics: too few are fit, all in service are used", group.name]);
		if (group.proposal) found.push(["warn", `proposes ${group.proposal.backends.join(", ") || "nobody"}: ${group.proposal.why}`, group.name]);
		else if (group.state === "failed-over") found.push(["warn", `has failed over to ${group.active.join(", ")}`, group.name]);
		else if (group.state === "degraded") found.push(["warn", `is degraded: ${group.backends.filter((member) => member.role === "out").length} of ${group.backends.length} out`, group.name]);
	}
	for (const name of status.names ?? [])
		if (name.problem) found.push(["warn", `${name.domain}: ${name.problem}`, name.group]);
	const {entries, capacity} = status.flow_table;
	if (capacity && entries >= capacity * 0.9) found.push(["warn", "The flow table is nearly full: raise flow_table_size"]);
	return found.sort((a, b) => (b[0] === "bad") - (a[0] === "bad"));
}
