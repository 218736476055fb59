// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The picture between a group's services and its backends: services run into the group's slots, which are shared out among the
// backends. Every band is as thick as its share. Rows are where page.css puts them: --row and --service-row.
import {svg, setAttribute} from "./dom.js";
import {band, colour, stream} from "./plot.js";

const ROW = 46, HEADS = 28, SERVICE_ROW = 52;
const FLOW_WIDTH = 130, BAR = 50, BAR_END = 60, GAP = 7;
const THIN = 1.5;

/** Consecutive [top, bottom] of `height` by shares. */
function stack(shares, top, height) {
	const sum = shares.reduce((total, share) => total + share, 0) || 1;
	let y = top;
	return shares.map((share) => [y, y += share / sum * height]);
}

/** A band's end at a row: as thick as it is at the bar, within the row. */
function ends([top, bottom], middle, room) {
	const half = Math.max(THIN, Math.min(bottom - top, room)) / 2;
	return [middle - half, middle + half];
}

export class Flow {
	constructor() {
		this.paths = new Map();
		this.layers = [svg("g"), svg("g"), svg("g")];
		this.element = svg("svg.flow", {"aria-hidden": "true"}, this.layers);
	}

	/** services: [rate…], members: [{share}…] in the order of the rows; moving: slots are in transition. Returns where rows begin. */
	draw(services, members, moving) {
		const body = HEADS + members.length * ROW, left = services.length * SERVICE_ROW;
		const height = Math.max(body, left), bar = [GAP, height - 2 * GAP];
		const used = new Set();
		setAttribute(this.element, "height", `${height}`);
		this.element.style.setProperty("height", `${height}px`);
		this.#drawServices(services, stack(this.#weights(services), ...bar), (height - left) / 2, used);
		this.#drawMembers(members, stack(members.map((member) => member.share), ...bar), (height - body) / 2 + HEADS, moving, used);
		for (const [key, path] of this.paths)
			if (!used.has(key)) {
				path.remove();
				this.paths.delete(key);
			}
		return {services: (height - left) / 2, members: (height - body) / 2};
	}

	/** Services without traffic are seen, too. */
	#weights(rates) {
		const sum = rates.reduce((total, rate) => total + rate, 0);
		return rates.map((rate) => sum ? Math.max(rate / sum, 0.08) : 1);
	}

	#drawServices(services, parts, top, used) {
		services.forEach((_, i) => {
			const middle = top + (i + 0.5) * SERVICE_ROW;
			this.#path(`s${i}`, 0, "service-ribbon", band(0, ends(parts[i], middle, SERVICE_ROW - 20), BAR, parts[i]), used);
		});
	}

	#drawMembers(members, parts, top, moving, used) {
		members.forEach((member, i) => {
			const middle = top + (i + 0.5) * ROW;
			if (!member.share) return;
			const end = ends(parts[i], middle, ROW - 14);
			this.#path(`m${i}`, 0, "ribbon", band(BAR_END, parts[i], FLOW_WIDTH, end), used, colour(i));
			this.#path(`b${i}`, 1, "slots", `M${BAR} ${parts[i][0].toFixed(1)}H${BAR_END}V${parts[i][1].toFixed(1)}H${BAR}Z`, used, colour(i));
			if (moving) this.#path(`f${i}`, 2, "stream", stream(BAR_END, (parts[i][0] + parts[i][1]) / 2, FLOW_WIDTH, middle), used);
		});
	}

	#path(key, layer, name, d, used, fill) {
		let path = this.paths.get(key);
		if (!path) {
			path = svg(`path.${name}`);
			if (fill) path.style.setProperty("fill", fill);
			this.paths.set(key, path);
			this.layers[layer].append(path);
		}
		setAttribute(path, "d", d);
		used.add(key);
	}
}
