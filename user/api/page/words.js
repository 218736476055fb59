// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Puts a group's and a backend's document into the sentences an operator reads, as `shunt status` does.
import {age, hostClock, percent, plural} from "./dom.js";

const left = (time) => age(Date.parse(time) - hostClock.now() + 999);
const since = (time) => age(hostClock.now() - Date.parse(time));

/** What a group does that it does not do every day: "failed over 3 min ago · held on b2 by an operator". */
export function taleOf(group) {
	const tale = [];
	if (group.last_failover) tale.push(`last failover ${since(group.last_failover)} ago`);
	if (group.forced) tale.push(`held on ${group.forced} by ${group.forced_by === "window" ? "a maintenance window" : "an operator"} ${group.forced_until ? `for ${left(group.forced_until)} more` : "until failback"}`);
	if (group.state === "down" && group.last_resort) tale.push(`new flows go to ${group.last_resort}`);
	if (group.failing_back_at) tale.push(`fails back to ${group.primary} in ${left(group.failing_back_at)}`);
	else if (group.state === "failed-over" && !group.forced && group.failback === "manual") tale.push("failback is manual");
	if (group.proposal) tale.push(`proposes ${group.proposal.backends.join(", ")}: ${group.proposal.why}`);
	if (group.held_until) tale.push(`no move by itself for ${left(group.held_until)}`);
	if (group.rechecking) tale.push("waits for one more good check");
	if (group.suppressed_until) tale.push(`flaps: no failback by itself for ${left(group.suppressed_until)}`);
	if (group.shifted_percent > 0 && group.shifted_percent < 100) tale.push(`rolling: ${group.shifted_percent} % shifted`);
	return tale.join(" · ");
}

function adminOf(backend) {
	const why = [];
	if (backend.drained) why.push("no flow left, safe to stop");
	else if (backend.admin === "drain") why.push(backend.flows ? `${plural(backend.flows, "flow")} left` : "flows are counted as they send");
	if (backend.drain_until) why.push(`timeout in ${left(backend.drain_until)}`);
	if (backend.admin_by === "window") why.push(`maintenance window, ${left(backend.window_until)} left`);
	else if (backend.admin_by === "agent") why.push("its agent says so");
	if (backend.admin_until) why.push(`back by itself in ${left(backend.admin_until)}`);
	if (backend.removed) why.push("removed from the configuration, goes with its last flow");
	return why;
}

/** Why a backend is as it is. */
export function whyOf(backend, member) {
	const why = adminOf(backend);
	const {check} = backend;
	if (!backend.next_hop_ok) why.push(`no next hop: ${backend.next_hop}`);
	if (backend.health === "degraded" && backend.score) why.push(`score ${backend.score.percent} of 100`);
	if (backend.ejected_until) why.push(`${backend.ejected_why} for ${left(backend.ejected_until)} more`);
	if (backend.effective_weight !== backend.weight && backend.health !== "down") why.push(`${backend.slow_start ? "slow start: " : ""}${backend.effective_weight} of weight ${backend.weight}`);
	if (backend.weight !== backend.configured_weight) why.push(`weight ${backend.weight} (was ${backend.configured_weight})`);
	if (backend.health === "down" || backend.health === "unknown") why.push(check.last || member.why || "not checked yet");
	else if (member.role !== "active" && backend.admin === "ready" && member.why && !why.length) why.push(member.why);
	if (!why.length && check.type === "none") why.push("not checked");
	else if (!why.length && check.last) why.push(`${check.last} · ${check.latency_ms.toFixed(1)} ms`);
	return why.join(" · ");
}

/** How long it has been so. */
export const sinceOf = (backend) => backend.check.since ? since(backend.check.since) : "";

/** What of new flows a member takes: a share, or the word for none. */
export const shareOf = (member) => member.share > 0 ? percent(member.share) : member.role;

export function whereOf(service) {
	const address = service.address.includes(":") ? `[${service.address}]` : service.address;
	return `${address}${service.port ? `:${service.port}` : ", every port,"} ${service.protocol}`;
}
