// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What an operator does: each command is foreseen by the controller first (a dry run), shown, confirmed and then done. And the
// question for the token. The controller decides what is allowed; this asks.
import {byId, h, percent, plural} from "./dom.js";
import {colour} from "./plot.js";

const FOR = [["", "until taken back"], ["10m", "10 minutes"], ["30m", "30 minutes"], ["2h", "2 hours"], ["8h", "8 hours"]];

/** A message that goes by itself. */
export function say(text, tone = "") {
	const line = h(tone ? `p.${tone}` : "p", {}, text);
	byId("said").append(line);
	setTimeout(() => line.remove(), tone === "bad" ? 8000 : 3500);
}

function moveOf(group) {
	const share = (one) => `${one.backend ?? "nobody"} ${percent(one.percent / 100)}`;
	if (!group.slots) return h("p", {}, h("b", {}, group.name), ": no slot moves");
	return h("div", {}, h("p", {}, h("b", {}, group.name), `: ${percent(group.percent / 100)} of its slots move, to ${group.to.map(share).join(", ")}`),
		h("div.shares", {"aria-hidden": "true"}, group.to.map((one, i) => h("i", {style: {background: colour(i), "flex-grow": one.slots}})),
			h("i", {style: {background: "var(--line)", "flex-grow": group.of - group.slots}})));
}

function foreseen(document, keepsFlows) {
	const flows = document.flows === undefined ? [] : [h("p.muted", {}, keepsFlows
		? "Established flows stay where they are."
		: `Established flows move as well${document.flows ? `: ${plural(document.flows, "flow")} known` : ""}.`)];
	return [...document.groups.map(moveOf), document.groups.length ? "" : h("p", {}, "No group changes."), ...flows];
}

export class Actions {
	constructor(model, source) {
		this.model = model;
		this.source = source;
		this.dialog = byId("dialog");
		this.dialog.addEventListener("close", () => this.closed?.());
	}

	drain(name) {
		return this.#backend(name, "drain", `Drain ${name}?`, "It takes no new flows; established ones stay.", true);
	}

	maint(name) {
		return this.#backend(name, "maint", `Take ${name} out at once?`, "No checks, no flows: established flows move to others.", false);
	}

	ready(name) {
		return this.#confirm({title: `Take ${name} back?`, text: "It takes new flows as soon as it is healthy.", verb: "Ready",
			path: `/api/v1/backends/${encodeURIComponent(name)}/ready`, command: () => `shunt ready ${name}`});
	}

	#backend(name, verb, title, text, keepsFlows) {
		return this.#confirm({title, text, keepsFlows, verb: verb === "drain" ? "Drain" : "Maintenance", danger: !keepsFlows, foresee: true,
			path: `/api/v1/backends/${encodeURIComponent(name)}/${verb}`, times: true,
			command: (chosen) => `shunt ${verb} ${name}${chosen.for ? ` --for ${chosen.for}` : ""}`});
	}

	failover(name) {
		const group = this.model.groups.get(name);
		const others = group.backends.filter((member) => member.role === "standby").map((member) => [member.name, member.name]);
		return this.#confirm({title: `Fail ${name} over?`, text: "It is held there until it is failed back.", verb: "Fail over", danger: true, foresee: true,
			path: `/api/v1/groups/${encodeURIComponent(name)}/failover`, times: true, targets: [["", "the next best one"], ...others],
			command: (chosen) => `shunt failover ${name}${chosen.to ? ` --to ${chosen.to}` : ""}${chosen.for ? ` --for ${chosen.for}` : ""}`});
	}

	failback(name) {
		return this.#confirm({title: `Fail ${name} back?`, text: `It returns to ${this.model.groups.get(name).primary ?? "its first tier"} now, if that is fit.`,
			verb: "Fail back", path: `/api/v1/groups/${encodeURIComponent(name)}/failback`, command: () => `shunt failback ${name}`});
	}

	#select(name, label, options, chosen, changed) {
		const select = h("select", {name, onchange: () => { chosen[name] = select.value; changed(); }}, options.map(([value, text]) => h("option", {value}, text)));
		return h("label", {}, label, select);
	}

	/** what: {title, text, verb, danger, path, targets, times, foresee, keepsFlows, command(chosen)} */
	async #confirm(what) {
		const chosen = {};
		const body = () => Object.fromEntries(Object.entries(chosen).filter(([, value]) => value));
		const preview = h("div.foresee", {"aria-live": "polite", hidden: !what.foresee}, h("p.muted", {}, "Asking what would move…"));
		const command = h("code");
		const go = h(what.danger ? "button.danger" : "button.primary", {type: "submit"}, what.verb);
		const changed = () => {
			command.textContent = what.command(chosen);
			if (what.foresee) this.#foresee(what, body(), preview);
		};
		const form = h("form", {method: "dialog", onsubmit: (event) => {
			event.preventDefault();
			this.#do(what, body(), go);
		}},
		h("h2", {id: "dialog-title"}, what.title), h("p", {}, what.text),
		what.targets && this.#select("to", "To", what.targets, chosen, changed),
		what.times && this.#select("for", "For how long", FOR, chosen, changed),
		preview, h("p.cli", {}, "The same by command: ", command),
		h("div.buttons", {}, h("button", {type: "button", onclick: () => this.dialog.close()}, "Cancel"), go));
		changed();
		this.#open(form);
	}

	#open(form, closed) {
		this.closed = closed;
		this.dialog.replaceChildren(form);
		if (!this.dialog.open) this.dialog.showModal();
	}

	/** Only the answer to the last question is shown. */
	async #foresee(what, body, preview) {
		const asked = this.asked = Symbol();
		let answer;
		try {
			answer = foreseen(await this.source.post(what.path, {...body, dry_run: true}), what.keepsFlows);
		} catch (error) {
			answer = [h("p.bad", {}, error.message)];
		}
		if (asked === this.asked) preview.replaceChildren(...answer);
	}

	async #do(what, body, button) {
		button.disabled = true;
		try {
			await this.source.post(what.path, body);
			this.dialog.close();
			say(`Done: ${what.command(body)}`);
		} catch (error) {
			button.disabled = false;
			say(error.message, "bad");
		}
	}

	/** Resolves with what was typed; closing the dialog asks again, since nothing can be shown without. */
	askToken(wrong, why) {
		return new Promise((resolve) => {
			const input = h("input", {type: "password", name: "token", autocomplete: "current-password", required: true, spellcheck: "false"});
			const form = h("form", {method: "dialog", onsubmit: (event) => {
				event.preventDefault();
				this.closed = undefined;
				this.dialog.close();
				resolve(input.value.trim());
			}},
			h("h2", {id: "dialog-title"}, "Token"),
			h("p", {}, wrong ? "That token was refused. " : "", why),
			h("label", {}, "Token", input),
			h("p.cli", {}, "It stands in the file that ", h("code", {}, "api: {token_file: …}"), " names, and is kept in this tab only."),
			h("div.buttons", {}, h("button.primary", {type: "submit"}, "Go on")));
			this.#open(form, () => queueMicrotask(() => this.#open(form, this.closed)));
			input.focus();
		});
	}
}
