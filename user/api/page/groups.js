// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The list of all groups: which are shown, in which order, and which of them are near enough to the window to be built.
import {byId, h, setText} from "./dom.js";
import {Card} from "./card.js";
import {groupTrouble, isMoving} from "./model.js";

const NEAR = "500px 0px";

const KINDS = [
	["all", "All", () => true],
	["trouble", "Trouble", (group) => groupTrouble(group) > 0 || group.proposal],
	["moving", "Moving", isMoving],
];

export class Groups {
	constructor(model, actions) {
		this.model = model;
		this.actions = actions;
		this.cards = new Map();
		this.kind = "all";
		this.words = "";
		this.list = byId("groups");
		this.observer = new IntersectionObserver((entries) => this.#onMove(entries), {rootMargin: NEAR});
		this.#controls();
	}

	#controls() {
		this.counts = new Map();
		byId("chips").append(...KINDS.map(([kind, label]) => {
			const number = h("b");
			const chip = h("button", {type: "button", "aria-pressed": String(kind === this.kind), onclick: () => this.choose(kind)}, label, number);
			this.counts.set(kind, {number, chip});
			return chip;
		}));
		byId("search").addEventListener("input", (event) => {
			this.words = event.target.value.trim().toLowerCase();
			this.arrange();
		});
		byId("sort").addEventListener("change", () => this.arrange());
	}

	choose(kind) {
		this.kind = kind;
		for (const [name, {chip}] of this.counts) chip.setAttribute("aria-pressed", String(name === kind));
		this.arrange();
	}

	#onMove(entries) {
		for (const entry of entries) {
			const card = this.cards.get(entry.target.dataset.group);
			if (!card) continue;
			if (entry.isIntersecting) card.show();
			else card.hide(entry.boundingClientRect.height);
		}
	}

	/** After groups, services or members have become others. */
	adopt() {
		for (const [name, card] of this.cards)
			if (!this.model.groups.has(name)) {
				this.observer.unobserve(card.element);
				card.element.remove();
				this.cards.delete(name);
			}
		for (const name of this.model.groups.keys())
			if (this.cards.has(name)) this.cards.get(name).rebuild();
			else this.#add(name);
		this.texts = undefined;
		this.arrange();
	}

	#add(name) {
		const card = new Card(name, this.model, this.actions);
		this.cards.set(name, card);
		this.observer.observe(card.element);
	}

	/** What a group can be found by, made once. */
	#textOf(name) {
		this.texts ??= new Map();
		if (!this.texts.has(name)) {
			const services = (this.model.servicesOf.get(name) ?? []).map((service) => `${service.name} ${service.address}:${service.port}`);
			const backends = this.model.groups.get(name).backends.map((member) => `${member.name} ${this.model.backends.get(member.name)?.address ?? ""}`);
			this.texts.set(name, [name, ...services, ...backends].join(" ").toLowerCase());
		}
		return this.texts.get(name);
	}

	#order() {
		const rate = (group) => (this.model.servicesOf.get(group.name) ?? []).reduce((sum, service) => sum + this.model.meters.services.get(service.name).rate(0), 0);
		const keys = {
			trouble: (group) => -groupTrouble(group),
			busy: (group) => -rate(group),
		};
		const groups = [...this.model.groups.values()];
		const sort = byId("sort").value;
		if (sort === "name") return groups.sort((a, b) => a.name.localeCompare(b.name, "en", {numeric: true}));
		if (!keys[sort]) return groups;
		return groups.map((group) => [keys[sort](group), group]).sort((a, b) => a[0] - b[0]).map(([, group]) => group);
	}

	/** Puts the cards that are asked for in order. */
	arrange() {
		const isKind = KINDS.find(([kind]) => kind === this.kind)[2];
		const wanted = this.#order().filter((group) => isKind(group) && (!this.words || this.#textOf(group.name).includes(this.words)));
		const cards = wanted.map((group) => this.cards.get(group.name).element);
		const now = this.list.children;
		if (cards.length !== now.length || cards.some((card, i) => card !== now[i])) this.list.replaceChildren(...cards);
		byId("nothing").hidden = cards.length > 0;
		setText(byId("nothing"), this.model.groups.size ? "Nothing is like that." : "No groups are configured.");
		this.count();
	}

	count() {
		for (const [kind, , matches] of KINDS) {
			let n = 0;
			for (const group of this.model.groups.values()) if (matches(group)) n++;
			setText(this.counts.get(kind).number, n.toLocaleString("en"));
		}
	}

	/** Draws those that are seen. */
	update() {
		for (const card of this.cards.values()) if (card.isShown) card.update();
	}

	reveal(name) {
		const card = this.cards.get(name);
		if (!card) return;
		this.words = byId("search").value = "";
		if (!card.element.isConnected) this.choose("all");
		this.arrange();
		card.element.scrollIntoView({block: "start", behavior: "smooth"});
		card.element.classList.add("hit");
		setTimeout(() => card.element.classList.remove("hit"), 2000);
	}
}
