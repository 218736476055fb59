// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One group: its services, its slots, its backends. A card that is far from the window holds no elements but its frame, of about the
// height it would have, so that thousands of groups cost little more than those that are seen.
import {count, h, percent, plural, setClass, setText} from "./dom.js";
import {Flow} from "./flow.js";
import {backendState, groupState} from "./model.js";
import {colour, Plot} from "./plot.js";
import {shareOf, sinceOf, taleOf, whereOf, whyOf} from "./words.js";

const ROWS_FIRST = 16, ROWS_MORE = 100, SERVICES_FIRST = 6;
const HEAD_PX = 54, ROW_PX = 46, TABLE_HEAD_PX = 28;

const button = (label, onclick, describedAs) => h("button.small", {type: "button", onclick, "aria-label": describedAs}, label);

class ServiceRow {
	constructor(service, meter) {
		this.meter = meter;
		this.plot = new Plot(meter.series[0], `packets a second of ${service.name}`);
		this.rate = h("b");
		this.element = h("li.service", {},
			h("div", {}, h("div.name", {title: service.name}, h("span", {}, service.name), h("span.tag", {}, service.forward)), h("div.where", {title: whereOf(service)}, whereOf(service))),
			h("div.pace", {}, this.plot.element, h("div.sub", {}, this.rate, " pkt/s")));
	}

	update() {
		setText(this.rate, count(this.meter.rate(0)));
		this.plot.draw();
	}
}

class BackendRow {
	constructor(name, address, i, meter, actions) {
		this.name = name;
		this.meter = meter;
		this.plot = new Plot(meter.series[0], `packets a second to ${name}`);
		this.plot.element.style.setProperty("color", colour(i));
		this.cells = Object.fromEntries(["state", "why", "share", "flows", "rate"].map((cell) => [cell, h(`div.${cell}`)]));
		this.acts = h("div.acts", {role: "cell"});
		this.actions = actions;
		this.element = this.#build(address, i);
	}

	#build(address, i) {
		const {state, why, share, flows, rate} = this.cells;
		const swatch = h("i.swatch", {style: {background: colour(i)}});
		why.classList.add("sub");
		rate.classList.add("n");
		return h("div.row.backend", {role: "row", "data-backend": this.name},
			h("div.who", {role: "cell"}, swatch, h("div", {}, h("div.name", {title: this.name}, this.name), h("div.where", {}, address))),
			h("div.health", {role: "cell"}, state, why),
			h("div.share.n", {role: "cell"}, share), h("div.flows.n", {role: "cell"}, flows),
			h("div.pace", {role: "cell"}, this.plot.element, rate), this.acts);
	}

	update(backend, member) {
		const [tone, word] = backendState(backend);
		const {state, why, share, flows, rate} = this.cells;
		const text = whyOf(backend, member), long = sinceOf(backend);
		setClass(state, `state ${tone}`);
		setText(state, word === "up" || !long ? word : `${word} for ${long}`);
		setText(why, text);
		why.title = text;
		setText(share, shareOf(member));
		setClass(share, member.share > 0 ? "" : "muted");
		this.element.classList.toggle("idle", !member.share);
		setText(flows, count(backend.flows));
		setText(rate, `${count(this.meter.rate(0))} /s`);
		this.plot.draw();
		this.#offer(backend);
	}

	#offer(backend) {
		if (this.offered === backend.admin) return;
		this.offered = backend.admin;
		const acts = backend.admin === "ready" ? [["Drain", "drain"], ["Maint", "maint"]] : [["Ready", "ready"]];
		this.acts.replaceChildren(...acts.map(([label, verb]) => button(label, () => this.actions[verb](this.name), `${label} ${this.name}`)));
	}
}

export class Card {
	constructor(name, model, actions) {
		this.name = name;
		this.model = model;
		this.actions = actions;
		this.rowsShown = ROWS_FIRST;
		this.element = h("section.card", {"data-group": name, "aria-label": `group ${name}`});
		this.#reserve();
	}

	get group() {
		return this.model.groups.get(this.name);
	}

	#reserve() {
		const rows = Math.min(this.group.backends.length, this.rowsShown);
		this.element.style.setProperty("min-height", `${HEAD_PX + TABLE_HEAD_PX + rows * ROW_PX + 14}px`);
	}

	get isShown() {
		return this.rows !== undefined;
	}

	show() {
		if (this.isShown) return;
		this.#build();
		this.update();
	}

	/** Its height is told: to ask would make the browser lay out once for every card. */
	hide(height) {
		if (!this.isShown || this.element.contains(document.activeElement)) return;
		this.element.style.setProperty("min-height", `${height}px`);
		this.element.replaceChildren();
		this.rows = undefined;
	}

	/** When members or services are others. */
	rebuild() {
		if (!this.isShown) return;
		this.#reserve();
		this.#build();
		this.update();
	}

	#build() {
		const {group, model} = this;
		const services = model.servicesOf.get(this.name) ?? [];
		this.services = services.slice(0, SERVICES_FIRST).map((service) => new ServiceRow(service, model.meters.services.get(service.name)));
		this.rows = this.#members(group).map((member, i) => {
			const backend = model.backends.get(member.name);
			return new BackendRow(member.name, backend.address, i, model.meters.backends.get(member.name), this.actions);
		});
		this.flow = new Flow();
		this.bar = h("div.shares", {"aria-hidden": "true"});
		this.serviceList = this.#serviceList(services);
		this.table = this.#table(group);
		this.element.replaceChildren(this.#head(group), this.#shift(), h("div.card-body", {}, this.serviceList, this.flow.element, this.table));
	}

	/** Those that are shown: all as configured, or of too many the ones in trouble first. */
	#members(group) {
		const members = group.backends.filter((member) => this.model.backends.has(member.name));
		if (members.length <= this.rowsShown) return members;
		const well = (member) => Number(backendState(this.model.backends.get(member.name))[0] === "good");
		return [...members].sort((a, b) => well(a) - well(b)).slice(0, this.rowsShown);
	}

	#head(group) {
		this.state = h("span.pill");
		this.tale = h("span.tale");
		this.back = button("Fail back", () => this.actions.failback(this.name), `Fail group ${this.name} back`);
		const acts = h("div.acts", {}, this.back, button("Fail over", () => this.actions.failover(this.name), `Fail group ${this.name} over`));
		return h("div.card-head", {}, h("h2", {}, this.name), this.state, h("span.muted", {}, group.mode), this.tale,
			group.mode === "active-active" ? h("div.acts", {}, this.back) : acts);
	}

	#shift() {
		this.shiftText = h("b");
		this.shiftWhy = h("span");
		this.movingPart = h("i.moving");
		this.resolvingPart = h("i.resolving");
		this.shift = h("div.shift", {hidden: true}, h("p", {}, this.shiftText, this.shiftWhy), h("div.track", {}, this.resolvingPart, this.movingPart));
		return this.shift;
	}

	#serviceList(services) {
		const more = services.length - this.services.length;
		if (!services.length) return h("p.muted", {}, "no service uses it");
		return h("ul.services", {"aria-label": "Services"}, this.services.map((row) => row.element), more > 0 && h("li.sub", {}, `and ${plural(more, "service")} more`));
	}

	#table(group) {
		const heads = [["Backend", ""], ["State", ""], ["Share", "n"], ["Flows", "n"], ["Packets", "n"], ["", "acts"]];
		const more = group.backends.length - this.rows.length;
		return h("div", {role: "table", "aria-label": `Backends of ${this.name}`}, this.bar,
			h("div.row.heads", {role: "row"}, heads.map(([text, name]) => h(name ? `div.${name}` : "div", {role: "columnheader"}, text))),
			this.rows.map((row) => row.element),
			more > 0 && h("div.rest", {}, button(`Show ${Math.min(more, ROWS_MORE)} more of ${group.backends.length}`, () => {
				this.rowsShown += ROWS_MORE;
				this.rebuild();
			})));
	}

	update() {
		const {group, model} = this;
		if (!this.isShown || !group) return;
		const [tone, word] = groupState(group);
		setClass(this.element, `card ${tone === "bad" ? "bad" : ""}${this.element.classList.contains("hit") ? " hit" : ""}`);
		setClass(this.state, `pill ${tone}`);
		setText(this.state, word);
		setText(this.tale, taleOf(group));
		this.back.hidden = !(group.forced || group.state === "failed-over" || group.state === "failing-back");
		this.#updateShift(group);
		const member = new Map(group.backends.map((one) => [one.name, one]));
		for (const row of this.services) row.update();
		for (const row of this.rows) {
			const backend = model.backends.get(row.name);
			if (backend && member.has(row.name)) row.update(backend, member.get(row.name));
		}
		this.#updateShares(group, member);
	}

	#updateShift(group) {
		const {total, moving, resolving} = group.slots;
		const unsettled = moving + resolving;
		this.shift.hidden = !unsettled;
		if (!unsettled) return;
		setText(this.shiftText, `${percent(unsettled / total)} of slots ${moving ? "moving" : "settling"}`);
		setText(this.shiftWhy, `${unsettled.toLocaleString("en")} of ${total.toLocaleString("en")}; established flows stay where they are`);
		this.movingPart.style.setProperty("width", `${100 * moving / total}%`);
		this.resolvingPart.style.setProperty("width", `${100 * unsettled / total}%`);
	}

	#updateShares(group, member) {
		const members = this.rows.map((row) => ({share: member.get(row.name)?.share ?? 0}));
		const top = this.flow.draw(this.services.map((row) => row.meter.rate(0)), members, group.slots.moving > 0);
		this.serviceList.style.setProperty("--top", `${top.services}px`);
		this.table.style.setProperty("--top", `${top.members}px`);
		while (this.bar.childElementCount < members.length)
			this.bar.append(h("i", {style: {background: colour(this.bar.childElementCount)}}));
		members.forEach(({share}, i) => {
			this.bar.children[i].style.setProperty("flex-grow", `${share}`);
			this.bar.children[i].hidden = !share;
		});
	}

	/** Shows where to look. */
	flash(backend) {
		const row = this.rows?.find((one) => one.name === backend);
		if (!row) return;
		row.element.classList.remove("flash");
		void row.element.offsetWidth; // begins the animation anew
		row.element.classList.add("flash");
	}
}
