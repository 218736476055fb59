// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Elements, and how numbers and times are put into words. Nothing here knows of load balancing. No text is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
	for (const [key, value] of Object.entries(properties ?? {})) {
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else if (key === "style") for (const [name, v] of Object.entries(value)) element.style.setProperty(name, v);
		else if (value === true) element.setAttribute(key, "");
		else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
	}
	element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
	return element;
}

function create(spec, make) {
	const [name, ...classes] = spec.split(".");
	const element = make(name);
	if (classes.length) element.setAttribute("class", classes.join(" "));
	return element;
}

/** h("button.small", {type: "button", onclick}, "text", child…) */
export const h = (spec, properties, ...children) => fill(create(spec, (name) => document.createElement(name)), properties, children);
export const svg = (spec, properties, ...children) => fill(create(spec, (name) => document.createElementNS(SVG, name)), properties, children);
export const byId = (id) => document.getElementById(id);

/** Writes only what is different: a write makes the browser lay out again, even of the same text. */
export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
	if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export const setClass = (element, value) => setAttribute(element, "class", value);

/** What time it is on the host that is shown: the reader's own clock may be wrong. */
export const hostClock = {
	ahead: 0,
	now() {
		return Date.now() + this.ahead;
	},
};

/** 0, 7.3, 84, 1,234, 12.3k, 4.56M */
export function count(n) {
	if (!isFinite(n)) return "–";
	if (n < 10 && n % 1) return n.toFixed(1);
	if (n < 10000) return Math.round(n).toLocaleString("en");
	const step = n < 1e6 ? [1e3, "k"] : n < 1e9 ? [1e6, "M"] : [1e9, "G"];
	const scaled = n / step[0];
	return scaled.toFixed(scaled < 100 ? 1 : 0) + step[1];
}

/** Of a rate, with its unit apart: ["1.2", "Gbit/s"] */
export function bits(bytesASecond) {
	let n = bytesASecond * 8, unit = 0;
	for (; n >= 1000 && unit < 4; n /= 1000) unit++;
	return [n.toFixed(n >= 100 || !unit ? 0 : 1), ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"][unit]];
}

export function percent(part) {
	const n = part * 100;
	if (n > 0 && n < 1) return "<1 %";
	return n > 99 && n < 100 ? ">99 %" : `${Math.round(n)} %`;
}

export function age(ms) {
	const seconds = Math.max(0, Math.floor(ms / 1000));
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
	if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
	return `${Math.floor(seconds / 86400)} d`;
}

export const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
