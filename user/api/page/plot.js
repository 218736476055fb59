// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Small plots and how slots are shared out, as SVG. Knows numbers and colours, not what they are of.
import {svg, setAttribute} from "./dom.js";
import {SPAN} from "./model.js";

const COLOURS = 8;
export const colour = (i) => `var(--c${i % COLOURS})`;

const WIDTH = SPAN - 1, HEIGHT = 20;
const FEW = 12;                    // values that take the whole width; fewer stand at its end

/** The last minute and a half of a series. draw() follows it. */
export class Plot {
	constructor(series, label) {
		this.series = series;
		this.area = svg("path.area");
		this.stroke = svg("path.stroke");
		this.element = svg("svg.plot", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label}, this.area, this.stroke);
	}

	draw(atLeast = 1) {
		const {known} = this.series, first = SPAN - known;
		const x = (i) => (WIDTH - (SPAN - 1 - i) * WIDTH / (Math.max(known, FEW) - 1)).toFixed(1);
		let top = atLeast, points = "";
		for (let i = first; i < SPAN; i++) top = Math.max(top, this.series.at(i));
		for (let i = first; i < SPAN; i++)
			points += `${points ? "L" : "M"}${x(i)} ${(HEIGHT - 1 - this.series.at(i) / top * (HEIGHT - 3)).toFixed(1)}`;
		setAttribute(this.stroke, "d", points);
		setAttribute(this.area, "d", points && `${points}V${HEIGHT}H${x(first)}Z`);
	}
}

/** A band from one height on the left to another on the right; each [top, bottom]. */
export function band(left, [a, b], right, [c, d]) {
	const middle = (left + right) / 2;
	const f = (n) => n.toFixed(1);
	return `M${left} ${f(a)}C${middle} ${f(a)} ${middle} ${f(c)} ${right} ${f(c)}V${f(d)}C${middle} ${f(d)} ${middle} ${f(b)} ${left} ${f(b)}Z`;
}

/** Through the middle of such a band. */
export function stream(left, y, right, z) {
	const middle = (left + right) / 2;
	return `M${left} ${y.toFixed(1)}C${middle} ${y.toFixed(1)} ${middle} ${z.toFixed(1)} ${right} ${z.toFixed(1)}`;
}
