// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Talks to the API of the host that the page came from: requests with the token, and the stream of what changes. Reads the stream
// by fetch(), since an EventSource cannot send a token.

const SILENCE_MS = 25000;          // the stream says something every 10 s at least, or it is dead
const PAUSE_MS = 250, PAUSE_MAX_MS = 5000;
const TOKEN_KEY = "shunt-token";

export class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Source {
	/** askToken(wrong): a promise of the token. */
	constructor(askToken) {
		this.askToken = askToken;
		this.token = sessionStorage.getItem(TOKEN_KEY);
	}

	useToken(token) {
		this.token = token;
		if (token) sessionStorage.setItem(TOKEN_KEY, token);
		else sessionStorage.removeItem(TOKEN_KEY);
	}

	async fetch(path, options = {}) {
		for (;;) {
			const used = this.token;
			const headers = {...options.headers};
			if (used) headers.Authorization = `Bearer ${used}`;
			const response = await fetch(path, {...options, headers, cache: "no-store", credentials: "omit"});
			if (response.status !== 401) return response;
			if (used === this.token) this.useToken(await this.#askOnce(Boolean(used), await refusalOf(response)));
		}
	}

	/** Several requests may be refused at once: one question is enough. */
	#askOnce(wrong, why) {
		this.asking ??= this.askToken(wrong, why).finally(() => this.asking = undefined);
		return this.asking;
	}

	async get(path) {
		const response = await this.fetch(path);
		if (!response.ok) throw new Refused(response.status, await refusalOf(response));
		return response.json();
	}

	async post(path, body = {}) {
		const response = await this.fetch(path, {method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}});
		if (!response.ok) throw new Refused(response.status, await refusalOf(response));
		return response.json();
	}

	/**
	 * Follows the stream for good. opened(): fetches how things are, each time that it begins; what comes meanwhile waits.
	 * message(kind, data), state("live" | "lost").
	 */
	async follow(path, {opened, message, state}) {
		for (let pause = PAUSE_MS; ; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
			try {
				await this.#readStream(path, async () => {
					await opened();
					pause = PAUSE_MS;
					state("live");
				}, message);
			} catch (error) {
				if (!(error instanceof TypeError || error instanceof Refused || error.name === "AbortError")) throw error;
			}
			state("lost");
			await wait(pause * (0.75 + Math.random() / 2));
		}
	}

	/** Until it ends, fails, or is silent for too long. */
	async #readStream(path, opened, message) {
		const abort = new AbortController();
		let timer, waiting = [];
		const heard = () => {
			clearTimeout(timer);
			timer = setTimeout(() => abort.abort(), SILENCE_MS);
		};
		const parse = eventStreamParser((kind, text) => {
			const data = JSON.parse(text);
			if (waiting) waiting.push([kind, data]);
			else message(kind, data);
		});
		const response = await this.fetch(path, {signal: abort.signal});
		if (!response.ok) throw new Refused(response.status, await refusalOf(response));
		const ready = opened().then(() => {
			for (const [kind, data] of waiting) message(kind, data);
			waiting = undefined;
		}).catch((error) => {
			abort.abort(error);
			throw error;
		});
		try {
			heard();
			for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
				heard();
				parse(text);
			}
		} finally {
			clearTimeout(timer);
			await ready;
		}
	}
}

async function refusalOf(response) {
	try {
		return (await response.json()).error;
	} catch {
		return `${response.status} ${response.statusText}`;
	}
}

/** Cuts text/event-stream (WHATWG HTML 9.2.6) into messages: write(text) as it comes. */
export function eventStreamParser(message) {
	let rest = "", kind = "message", data = [];
	function line(text) {
		if (!text) {
			if (data.length) message(kind, data.join("\n"));
			kind = "message";
			data = [];
		} else if (text.startsWith("event:")) kind = text.slice(6).trim();
		else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
	}
	return (text) => {
		const lines = (rest + text).split("\n");
		rest = lines.pop();
		lines.forEach(line);
	};
}
