/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histories of groups: who takes new flows after each event, why, and whether it counts as a failover. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/hash.h>

#include "failover/failover.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define MEMBERS_MAX 10
#define NOBODY FAILOVER_NO_MEMBER

#define CHECK FAILOVER_EVENT_CHECK
#define FORCE FAILOVER_EVENT_FORCE
#define FAILBACK FAILOVER_EVENT_FAILBACK

/*
 * One moment of a history. fit and active have one character a member: '+' fit or active, '.' not. The event happens at
 * `at` seconds with the members as given.
 */
struct moment {
	uint32_t at;
	const char *fit;
	enum failover_event event;
	size_t member;
	uint32_t until;
	/* expected */
	const char *active;
	const char *state;
	enum failover_cause cause;
	bool is_failover;
	uint32_t wake;
	int refused;
	const char *proposes; /* tier and what holds the move, NULL: nothing */
	const char *shares;   /* percent of each tier that takes flows, "0:90 1:10"; NULL: not looked at */
	uint32_t damped_until;
	const char *checked;  /* when each member was checked last, one digit a member in tens of seconds; NULL: always */
	const char *lags;     /* milliseconds of each member in hundreds, '?' unknown; NULL: all unknown */
	bool scheduled;
};

#define START FAILOVER_CAUSE_START
#define UNFIT FAILOVER_CAUSE_UNFIT
#define BACK FAILOVER_CAUSE_FAILBACK
#define OPERATOR FAILOVER_CAUSE_OPERATOR
#define WINDOW FAILOVER_CAUSE_WINDOW
#define EXPIRED FAILOVER_CAUSE_EXPIRED
#define ROLLED_BACK FAILOVER_CAUSE_ROLLED_BACK

#define MANUAL_FAILBACK                                                                                                \
	{                                                                                                              \
		.min_healthy = {.count = 1}                                                                            \
	}
#define AUTO_FAILBACK                                                                                                  \
	{                                                                                                              \
		.failback_automatic = true, .failback_delay_ms = 30000, .min_healthy = {.count = 1}                    \
	}
#define ALL_MANUAL                                                                                                     \
	{                                                                                                              \
		.mode = FAILOVER_MANUAL, .min_healthy = {.count = 1}                                                   \
	}

static const struct history {
	const char *name;
	struct failover_policy policy;
	const char *tiers; /* one digit a member */
	struct moment moments[12];
} histories[] = {
	{"a standby takes over, and a recovered primary stays standby until failback",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {3, "++", .active = ".+", .state = "failed-over"},
	  {900, "++", .active = ".+", .state = "failed-over"},
	  {901, "++", FAILBACK, .active = "+.", .state = "normal", .cause = OPERATOR},
	  {902, "++", FAILBACK, .active = "+.", .state = "normal", .refused = -EALREADY}}},
	{"when the standby fails, the recovered primary takes over again, which is no failover",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = ".+", .state = "failed-over"},
	  {3, "+.", .active = "+.", .state = "degraded", .cause = UNFIT}}},
	{"automatic failback waits for unbroken health",
	 AUTO_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {20, "++", .active = ".+", .state = "failing-back", .wake = 50},
	  {40, "++", .active = ".+", .state = "failing-back", .wake = 50},
	  {45, ".+", .active = ".+", .state = "failed-over"},
	  {46, "++", .active = ".+", .state = "failing-back", .wake = 76},
	  {75, "++", .active = ".+", .state = "failing-back", .wake = 76},
	  {76, "++", .active = "+.", .state = "normal", .cause = BACK}}},
	{"failback without a delay is at once",
	 {.failback_automatic = true, .min_healthy = {.count = 1}},
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = "+.", .state = "normal", .cause = BACK}}},
	{"manual failover never moves by itself",
	 ALL_MANUAL,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", .active = "+.", .state = "down", .proposes = "1 manual"},
	  {3, ".+", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {4, "++", .active = ".+", .state = "failed-over"},
	  {5, "+.", .active = ".+", .state = "down"},
	  {6, "+.", FAILBACK, .active = "+.", .state = "degraded", .cause = OPERATOR}}},
	{"nobody fit at the start: down until somebody is, even with manual failover",
	 ALL_MANUAL,
	 "012",
	 {{1, "...", .active = "...", .state = "down"},
	  {2, "...", FORCE, NOBODY, .active = "...", .state = "down", .refused = -EHOSTDOWN},
	  {3, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {4, "+++", .active = "..+", .state = "failed-over"}}},
	{"all fail: the tier stays until one is fit",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "..", .active = "+.", .state = "down"},
	  {3, "+.", .active = "+.", .state = "degraded"},
	  {4, "..", .active = "+.", .state = "down"},
	  {5, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"too few healthy members of a tier: the next one takes over",
	 {.min_healthy = {.count = 2}},
	 "000111",
	 {{1, "++++++", .active = "+++...", .state = "normal", .cause = START},
	  {2, ".+++++", .active = "+++...", .state = "degraded"},
	  {3, "..++++", .active = "...+++", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {4, "..+..+", .active = "...+++", .state = "failed-over"},
	  {5, "..+...", .active = "+++...", .state = "degraded", .cause = UNFIT},
	  {6, "..++..", .active = "+++...", .state = "degraded"},
	  {7, "..+++.", .active = "...+++", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"members of one priority share a tier",
	 MANUAL_FAILBACK,
	 "0112",
	 {{1, "++++", .active = "+...", .state = "normal", .cause = START},
	  {2, ".+++", .active = ".++.", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {3, ".+.+", .active = ".++.", .state = "failed-over"},
	  {4, "...+", .active = "...+", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"active-active: all members of the one tier, whoever is fit",
	 MANUAL_FAILBACK,
	 "000",
	 {{1, "+++", .active = "+++", .state = "normal", .cause = START},
	  {2, "+.+", .active = "+++", .state = "degraded"},
	  {3, "...", .active = "+++", .state = "down"},
	  {4, "+++", .active = "+++", .state = "normal"},
	  {5, "+++", FORCE, NOBODY, .active = "+++", .state = "normal", .refused = -EHOSTDOWN},
	  {6, "+++", FORCE, 1, .active = ".+.", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {7, "+++", FAILBACK, .active = "+++", .state = "normal", .cause = OPERATOR},
	  {8, "+++", FAILBACK, .active = "+++", .state = "normal", .refused = -EALREADY}}},
	{"a forced member holds until failback, whatever failback says",
	 AUTO_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "++", FORCE, 1, .active = ".+", .state = "failed-over", .refused = -EALREADY},
	  {900, "++", .active = ".+", .state = "failed-over"},
	  {901, ".+", FAILBACK, .active = ".+", .state = "failed-over", .refused = -EHOSTDOWN},
	  {902, "++", FAILBACK, .active = "+.", .state = "normal", .cause = OPERATOR}}},
	{"a forced member with an expiry",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, "++", FORCE, 1, 70, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {20, "++", FORCE, 1, 90, .active = ".+", .state = "failed-over", .cause = OPERATOR, .wake = 90},
	  {89, "++", .active = ".+", .state = "failed-over", .wake = 90},
	  {90, "++", .active = "+.", .state = "normal", .cause = EXPIRED}}},
	{"a maintenance window forces as an operator does, and is named as what did",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, "++", FORCE, 1, 70, .active = ".+", .state = "failed-over", .cause = WINDOW, .is_failover = true, .wake = 70,
	   .scheduled = true},
	  {70, "++", .active = "+.", .state = "normal", .cause = EXPIRED},
	  {80, ".+", FORCE, 0, 90, .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true,
	   .refused = -EHOSTDOWN, .scheduled = true}}},
	{"an override in the past is refused",
	 MANUAL_FAILBACK,
	 "01",
	 {{10, "++", .active = "+.", .state = "normal", .cause = START},
	  {20, "++", FORCE, 1, 20, .active = "+.", .state = "normal", .refused = -EINVAL}}},
	{"an override runs out while the primary is down: the best fit one serves",
	 ALL_MANUAL,
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START},
	  {10, "+++", FORCE, 2, 70, .active = "..+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {60, ".++", .active = "..+", .state = "failed-over", .wake = 70},
	  {70, ".++", .active = ".+.", .state = "failed-over", .cause = EXPIRED}}},
	{"an override ends where the group was before",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, ".++", .active = ".+.", .state = "failed-over", .cause = START},
	  {10, ".++", FORCE, 2, 70, .active = "..+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {20, "+++", .active = "..+", .state = "failed-over", .wake = 70},
	  {70, "+++", .active = ".+.", .state = "failed-over", .cause = EXPIRED}}},
	{"a forced member fails with automatic failover: the override is dropped",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "+.", .active = "+.", .state = "degraded", .cause = EXPIRED},
	  {4, "++", .active = "+.", .state = "normal"}}},
	{"a forced primary fails with automatic failover: that is a failover",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", FORCE, 0, .active = "+.", .state = "normal", .cause = OPERATOR},
	  {3, ".+", .active = ".+", .state = "failed-over", .cause = EXPIRED, .is_failover = true}}},
	{"a forced member fails with manual failover: the override is kept",
	 ALL_MANUAL,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "+.", .active = ".+", .state = "down"},
	  {4, "++", .active = ".+", .state = "failed-over"}}},
	{"what is not fit or not there cannot be forced",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, "+.+", .active = "+..", .state = "degraded", .cause = START},
	  {2, "+.+", FORCE, 1, .active = "+..", .state = "degraded", .refused = -EHOSTDOWN},
	  {3, "+.+", FORCE, 3, .active = "+..", .state = "degraded", .refused = -EINVAL},
	  {4, "+.+", FORCE, 9999, .active = "+..", .state = "degraded", .refused = -EINVAL},
	  {5, "+..", FORCE, NOBODY, .active = "+..", .state = "degraded", .refused = -EHOSTDOWN}}},
	{"the next best: the next less preferred tier, then round to the others",
	 MANUAL_FAILBACK,
	 "01123",
	 {{1, "+++++", .active = "+....", .state = "normal", .cause = START},
	  {2, "+++++", FORCE, NOBODY, .active = ".++..", .state = "failed-over", .cause = OPERATOR,
	   .is_failover = true},
	  {3, "+++.+", FORCE, NOBODY, .active = "....+", .state = "failed-over", .cause = OPERATOR,
	   .is_failover = true},
	  {4, "+++++", FORCE, NOBODY, .active = "+....", .state = "normal", .cause = OPERATOR},
	  {5, "+....", FORCE, NOBODY, .active = "+....", .state = "degraded", .refused = -EHOSTDOWN},
	  {6, "+++++", FAILBACK, .active = "+....", .state = "normal", .cause = OPERATOR}}},
	{"a forced tier serves with all its members until it is less able than another",
	 MANUAL_FAILBACK,
	 "0011",
	 {{1, "++++", .active = "++..", .state = "normal", .cause = START},
	  {2, "++++", FORCE, NOBODY, .active = "..++", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "++.+", .active = "..++", .state = "failed-over"},
	  {4, "++..", .active = "++..", .state = "degraded", .cause = EXPIRED}}},
	{"a flapping best tier does not keep the group from a stable better one",
	 AUTO_FAILBACK,
	 "012",
	 {{1, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {10, "+++", .active = "..+", .state = "failing-back", .wake = 40},
	  {20, ".++", .active = "..+", .state = "failing-back", .wake = 50},
	  {30, "+++", .active = "..+", .state = "failing-back", .wake = 50},
	  {40, ".++", .active = "..+", .state = "failing-back", .wake = 50},
	  {50, ".++", .active = ".+.", .state = "failed-over", .cause = BACK},
	  {60, "+++", .active = ".+.", .state = "failing-back", .wake = 90},
	  {90, "+++", .active = "+..", .state = "normal", .cause = BACK}}},
	{"failback needs the primary itself",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {2, ".++", FAILBACK, .active = "..+", .state = "failed-over", .refused = -EHOSTDOWN},
	  {3, "+++", FAILBACK, .active = "+..", .state = "normal", .cause = OPERATOR}}},
	{"manual failover proposes, and a failover without a name confirms: no override holds afterwards",
	 ALL_MANUAL,
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START},
	  {2, ".++", .active = "+..", .state = "down", .proposes = "1 manual"},
	  {3, "..+", .active = "+..", .state = "down", .proposes = "2 manual"},
	  {4, "+.+", .active = "+..", .state = "degraded"},
	  {5, ".++", .active = "+..", .state = "down", .proposes = "1 manual"},
	  {6, ".++", FORCE, NOBODY, .active = ".+.", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {7, "+++", .active = ".+.", .state = "failed-over"},
	  {8, "+.+", .active = ".+.", .state = "down", .proposes = "0 manual"},
	  {9, "+.+", FORCE, NOBODY, .active = "+..", .state = "degraded", .cause = OPERATOR}}},
	{"manual failover does not even fail back by itself",
	 {.mode = FAILOVER_MANUAL, .failback_automatic = true, .min_healthy = {.count = 1}},
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = ".+", .state = "failed-over"},
	  {900, "++", .active = ".+", .state = "failed-over"}}},
	{"semi-automatic fails over by itself, never back: that is proposed when it would help",
	 {.mode = FAILOVER_SEMI_AUTOMATIC, .failback_automatic = true, .min_healthy = {.count = 1}},
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START},
	  {2, ".++", .active = ".+.", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {3, "+++", .active = ".+.", .state = "failed-over"},
	  {900, "+.+", .active = "..+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {901, "++.", .active = "..+", .state = "down", .proposes = "0 semi"},
	  {902, "++.", FORCE, NOBODY, .active = "+..", .state = "degraded", .cause = OPERATOR}}},
	{"hold_down: no second failover by itself so soon, but by an operator",
	 {.hold_down_ms = 60000, .min_healthy = {.count = 1}},
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START},
	  {10, ".++", .active = ".+.", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {20, "..+", .active = ".+.", .state = "down", .proposes = "2 down", .wake = 70},
	  {30, ".++", .active = ".+.", .state = "failed-over"},
	  {40, "..+", .active = ".+.", .state = "down", .proposes = "2 down", .wake = 70},
	  {70, "..+", .active = "..+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {80, ".+.", .active = "..+", .state = "down", .proposes = "1 down", .wake = 130},
	  {90, ".+.", FORCE, NOBODY, .active = ".+.", .state = "failed-over", .cause = OPERATOR}}},
	{"hold_down delays an automatic failback too",
	 {.failback_automatic = true, .hold_down_ms = 60000, .min_healthy = {.count = 1}},
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {11, "++", .active = ".+", .state = "failing-back", .wake = 70},
	  {70, "++", .active = "+.", .state = "normal", .cause = BACK}}},
	{"at the end of failback_delay one more check must be good",
	 AUTO_FAILBACK,
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {10, "++", .active = ".+", .state = "failing-back", .wake = 40, .checked = "11"},
	  {40, "++", .active = ".+", .state = "failing-back", .checked = "34"},
	  {41, "?+", .active = ".+", .state = "failing-back", .wake = 71, .checked = "44"},
	  {71, "++", .active = ".+", .state = "failing-back", .checked = "77"},
	  {80, "++", .active = "+.", .state = "normal", .cause = BACK, .checked = "88"}}},
	{"a group that flaps does not fail back by itself until its penalty has decayed",
	 {.failback_automatic = true, .min_healthy = {.count = 1}},
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = ".+", .state = "failing-back", .wake = 500, .damped_until = 500},
	  {500, "++", .active = "+.", .state = "normal", .cause = BACK, .damped_until = 500}}},
	{"min_healthy as a percentage of the tier",
	 {.min_healthy = {.percent = 50}},
	 "000001",
	 {{1, "++++++", .active = "+++++.", .state = "normal", .cause = START},
	  {2, "..++++", .active = "+++++.", .state = "degraded"},
	  {3, "...+++", .active = ".....+", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"hysteresis: a tier is left below min_healthy, and returned to from return_healthy on",
	 {.failback_automatic = true, .min_healthy = {.count = 2}, .return_healthy = {.count = 3}},
	 "000111",
	 {{1, "++++++", .active = "+++...", .state = "normal", .cause = START},
	  {2, ".+++++", .active = "+++...", .state = "degraded"},
	  {3, "..++++", .active = "...+++", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {4, ".+++++", .active = "...+++", .state = "failed-over"},
	  {5, "++++++", .active = "+++...", .state = "normal", .cause = BACK},
	  {6, "++.+++", .active = "+++...", .state = "degraded"}}},
	{"spill-over in proportion: 140 % of what is fit, the rest to the next tier",
	 {.min_healthy = {.count = 1}, .overprovision_percent = 140},
	 "0000011111",
	 {{1, "++++++++++", .active = "+++++.....", .state = "normal", .cause = START, .shares = "0:100"},
	  {2, ".+++++++++", .active = "+++++.....", .state = "degraded", .shares = "0:100"},
	  {3, "..++++++++", .active = "+++++.....", .state = "degraded", .shares = "0:84 1:16"},
	  {4, "....++++++", .active = "+++++.....", .state = "degraded", .shares = "0:28 1:72"},
	  {5, "....+....+", .active = "+++++.....", .state = "degraded", .shares = "0:50 1:50"}}},
	{"rolling: a failback goes in steps",
	 {.failback_automatic = true, .min_healthy = {.count = 1}, .step_percent = 25, .step_interval_ms = 5000},
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START, .shares = "0:100"},
	  {2, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true, .shares = "1:100"},
	  {10, "++", .active = "+.", .state = "normal", .cause = BACK, .shares = "1:75 0:25", .wake = 15},
	  {14, "++", .active = "+.", .state = "normal", .shares = "1:75 0:25", .wake = 15},
	  {15, "++", .active = "+.", .state = "normal", .shares = "1:50 0:50", .wake = 20},
	  {20, "++", .active = "+.", .state = "normal", .shares = "1:25 0:75", .wake = 25},
	  {25, "++", .active = "+.", .state = "normal", .shares = "0:100"}}},
	{"rolling stops and goes back when the target's health falls",
	 {.min_healthy = {.count = 1}, .step_percent = 10, .step_interval_ms = 5000, .failback_delay_ms = 30000},
	 "0011",
	 {{1, "++++", .active = "++..", .state = "normal", .cause = START},
	  {2, "++++", FORCE, NOBODY, .active = "..++", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .shares = "0:90 1:10", .wake = 7},
	  {7, "++++", .active = "..++", .state = "failed-over", .shares = "0:80 1:20", .wake = 12},
	  {9, "+++.", .active = "++..", .state = "degraded", .cause = ROLLED_BACK, .shares = "0:100"}}},
	{"rolling leaves at once who serves nobody any more",
	 {.min_healthy = {.count = 1}, .step_percent = 10, .step_interval_ms = 5000},
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, NOBODY, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .shares = "0:90 1:10", .wake = 7},
	  {3, ".+", .active = ".+", .state = "failed-over", .shares = "1:100"}}},
	{"max_lag: the standby of the lowest priority number with acceptable lag, of these the least lagging",
	 {.min_healthy = {.count = 1}, .max_lag_ms = 500},
	 "0111223",
	 {{1, "+++++++", .active = "+......", .state = "normal", .cause = START, .lags = "?931114"},
	  {2, ".++++++", .active = "...+...", .state = "failed-over", .cause = UNFIT, .is_failover = true, .lags = "?931114"},
	  {3, ".++++++", .active = "...+...", .state = "failed-over", .lags = "?019114"},
	  {4, ".++.+++", .active = ".+.....", .state = "failed-over", .cause = UNFIT, .is_failover = true,
	   .lags = "?019114"},
	  {5, "....+++", .active = "....+..", .state = "failed-over", .cause = UNFIT, .is_failover = true,
	   .lags = "?019114"}}},
	{"max_lag: a standby that lags more, or tells no lag, does not take over by itself",
	 {.min_healthy = {.count = 1}, .max_lag_ms = 500},
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START, .lags = "?9?"},
	  {2, ".++", .active = "+..", .state = "down", .lags = "?9?"},
	  {3, ".++", .active = ".+.", .state = "failed-over", .cause = UNFIT, .is_failover = true, .lags = "?5?"},
	  {4, ".++", FORCE, 2, .active = "..+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .lags = "?5?"}}},
	{"a refused command does not keep the checks from deciding",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", FORCE, 0, .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true,
	   .refused = -EHOSTDOWN}}},
};

static size_t make_members(const char *tiers, const struct moment *m, struct failover_member *ret_members)
{
	const char *fit = m->fit;
	size_t n = strlen(tiers);

	assert_int_equal(strlen(fit), n);
	for (size_t i = 0; i < n; i++)
		ret_members[i] = (struct failover_member){.tier = tiers[i] - '0',
							  .fit = fit[i] == '+' || fit[i] == '?',
							  .doubtful = fit[i] == '?',
							  .checked_ms = m->checked ? (m->checked[i] - '0') * 10000ULL :
										     UINT64_MAX,
							  .lag_ms = m->lags && m->lags[i] != '?' ? (m->lags[i] - '0') * 100U :
												 FAILOVER_LAG_UNKNOWN};
	return n;
}

static const char *active_text(const struct failover *failover, const struct failover_member *members, size_t n)
{
	static char text[MEMBERS_MAX + 1];

	for (size_t i = 0; i < n; i++)
		text[i] = failover_is_active(failover, members, i) ? '+' : '.';
	text[n] = '\0';
	return text;
}

static const char *shares_text(const struct failover *failover, const struct failover_policy *policy,
			       const struct failover_member *members, size_t n)
{
	struct failover_part parts[FAILOVER_PARTS_MAX];
	size_t n_parts = failover_plan(failover, policy, members, n, parts), used = 0;
	static char text[128];

	text[0] = '\0';
	for (size_t i = 0; i < n_parts; i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%u:%u", i ? " " : "", parts[i].tier,
				 parts[i].share * 100 / FAILOVER_WHOLE);
	return text;
}

static const char *proposal_text(const struct failover *failover)
{
	static const char *const held[] = {"", "manual", "semi", "down"};
	static char text[32];

	if (failover->proposed_tier == FAILOVER_NO_TIER)
		return "";
	snprintf(text, sizeof(text), "%u %s", failover->proposed_tier, held[failover->held]);
	return text;
}

static void assert_as_told(const struct moment *m, const struct failover_step *step, const struct failover_policy *policy,
			   const struct failover_member *members, size_t n)
{
	assert_int_equal(step->refused, m->refused);
	assert_string_equal(active_text(&step->next, members, n), m->active);
	assert_string_equal(failover_state_text(step->next.state), m->state);
	assert_string_equal(failover_cause_text(step->cause), failover_cause_text(m->cause));
	assert_string_equal(proposal_text(&step->next), m->proposes ? m->proposes : "");
	assert_int_equal(step->is_failover, m->is_failover);
	assert_int_equal(step->wake_ms, m->wake * 1000ULL);
	if (m->shares)
		assert_string_equal(shares_text(&step->next, policy, members, n), m->shares);
}

static void histories_go_as_told(void **state)
{
	(void)state;
	for (size_t h = 0; h < N(histories); h++) {
		struct failover failover;

		print_message("  %s\n", histories[h].name);
		failover_init(&failover);
		for (const struct moment *m = histories[h].moments; m->fit; m++) {
			struct failover_member members[MEMBERS_MAX];
			size_t n = make_members(histories[h].tiers, m, members);
			struct failover_input input = {m->event, m->member, m->until * 1000ULL,
						       m->damped_until * 1000ULL, m->scheduled};
			struct failover_step step =
				failover_next(&failover, &histories[h].policy, members, n, input, m->at * 1000ULL);

			print_message("    at %u\n", m->at);
			assert_as_told(m, &step, &histories[h].policy, members, n);
			failover = step.next;
		}
	}
}

static void a_group_that_changes_under_its_state_decides_anew(void **state)
{
	struct failover_policy policy = MANUAL_FAILBACK, manual = ALL_MANUAL;
	struct failover_member members[2] = {{.tier = 5, .fit = true}, {.tier = 6, .fit = true}};
	struct failover failover;
	struct failover_step step;

	(void)state;
	failover_init(&failover);
	step = failover_next(&failover, &policy, members, 0, (struct failover_input){0}, 1);
	assert_int_equal(step.next.state, FAILOVER_DOWN);
	assert_int_equal(step.next.now.tier, FAILOVER_NO_TIER);
	failover.now.tier = 3; /* a tier that a reload took away */
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_int_equal(step.next.now.tier, 5);
	assert_int_equal(step.cause, FAILOVER_CAUSE_START);
	failover.now.forced = 7; /* a member that a reload took away */
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_false(failover_is_forced(&step.next));
	assert_int_equal(step.cause, FAILOVER_CAUSE_EXPIRED);
	failover.now.forced = FAILOVER_NO_MEMBER;
	failover.now.forced_tier = 9;
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_false(failover_is_forced(&step.next));
}

/* ---- random histories ---- */

static uint32_t roll(uint64_t *random, uint32_t n)
{
	return shunt_mix64(*random += 0x9e3779b97f4a7c15ULL) % n;
}

static uint32_t fit_in(const struct failover_member *members, size_t n, uint32_t tier)
{
	uint32_t fit = 0;

	for (size_t i = 0; i < n; i++)
		fit += members[i].tier == tier && members[i].fit;
	return fit;
}

/* All flows are shared out, and to somebody fit wherever anybody of the parts is. */
static void assert_shares(const struct failover *failover, const struct failover_policy *policy,
			  const struct failover_member *members, size_t n)
{
	struct failover_part parts[FAILOVER_PARTS_MAX];
	size_t n_parts = failover_plan(failover, policy, members, n, parts);
	uint32_t sum = 0;

	for (size_t p = 0; p < n_parts; p++) {
		uint32_t fit = 0;

		for (size_t i = 0; i < n; i++)
			fit += members[i].fit && failover_part_has(&parts[p], members, i);
		assert_true(parts[p].share > 0);
		assert_true(fit || n_parts <= 2);
		sum += parts[p].share;
	}
	assert_true(n_parts == 0 ? failover->now.tier == FAILOVER_NO_TIER : sum == FAILOVER_WHOLE);
}

static void assert_sound(const struct failover *before, const struct failover_step *step,
			 const struct failover_policy *policy, const struct failover_member *members, size_t n,
			 struct failover_input input, uint64_t now_ms)
{
	uint32_t active_fit = 0, enough = 0, fit = 0;
	uint32_t needed = policy->return_healthy.count ? policy->return_healthy.count : policy->min_healthy.count;
	bool automatic = policy->mode == FAILOVER_AUTOMATIC && !step->next.held_until_ms, moved = false;

	for (size_t i = 0; i < n; i++) {
		active_fit += members[i].fit && failover_is_active(&step->next, members, i);
		fit += members[i].fit;
		enough += fit_in(members, n, members[i].tier) >= needed;
		moved |= failover_is_active(before, members, i) != failover_is_active(&step->next, members, i);
	}
	assert_true((step->next.state == FAILOVER_DOWN) == (active_fit == 0));
	if (automatic && fit)
		assert_true(active_fit);
	if (automatic && enough && !failover_is_forced(&step->next))
		assert_true(fit_in(members, n, step->next.now.tier) >= policy->min_healthy.count);
	if (policy->mode == FAILOVER_MANUAL && !policy->step_percent && input.event == CHECK &&
	    !before->now.forced_until_ms && before->now.tier != FAILOVER_NO_TIER)
		assert_false(moved);
	if (policy->mode == FAILOVER_SEMI_AUTOMATIC && !policy->step_percent && input.event == CHECK &&
	    !failover_is_forced(before) && before->now.tier != FAILOVER_NO_TIER)
		assert_true(step->next.now.tier >= before->now.tier);
	if (automatic && step->next.held_until_ms == 0)
		assert_int_equal(step->next.held, FAILOVER_NOT_HELD);
	assert_shares(&step->next, policy, members, n);
	assert_true(!moved || step->cause != FAILOVER_CAUSE_NONE);
	assert_true(!step->is_failover || moved);
	assert_true(!step->is_failover || (step->cause != START && step->cause != BACK));
	assert_true(!step->wake_ms || step->wake_ms > now_ms);
	assert_true(step->next.state != FAILOVER_FAILING_BACK || step->wake_ms || step->next.rechecking);
	assert_true(!step->next.now.forced_until_ms || step->wake_ms <= step->next.now.forced_until_ms);
	if (step->refused == 0 && input.event == FAILBACK)
		assert_false(failover_is_forced(&step->next));
}

static struct failover_policy random_policy(uint64_t *random)
{
	struct failover_policy policy = {
		.mode = roll(random, 3),
		.failback_automatic = roll(random, 2),
		.failback_delay_ms = roll(random, 3) * 15000,
		.hold_down_ms = roll(random, 3) ? 0 : 20000,
		.min_healthy = {.count = 1 + roll(random, 2)},
	};

	if (roll(random, 3) == 0)
		policy.return_healthy.count = policy.min_healthy.count + 1;
	if (roll(random, 4) == 0) {
		policy.step_percent = 10 + roll(random, 40);
		policy.step_interval_ms = 1000 + roll(random, 9000);
	} else if (roll(random, 4) == 0) {
		policy.overprovision_percent = 100 + roll(random, 100);
	}
	return policy;
}

static void random_histories_are_sound(void **state)
{
	const char *given = getenv("SHUNT_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1, steps = 0, failovers = 0;

	(void)state;
	print_message("  from SHUNT_SEED=%llu\n", (unsigned long long)first);
	for (uint64_t seed = first; seed < first + (given ? 1 : 3000); seed++) {
		uint64_t random = seed * 0x10001, now_ms = 1000;
		struct failover_policy policy = random_policy(&random);
		struct failover_member members[MEMBERS_MAX] = {{0}};
		size_t n = 1 + roll(&random, MEMBERS_MAX);
		struct failover failover;

		for (size_t i = 0; i < n; i++)
			members[i] = (struct failover_member){.tier = roll(&random, 4),
							      .fit = roll(&random, 2),
							      .checked_ms = UINT64_MAX};
		failover_init(&failover);
		for (int i = 0; i < 300; i++, steps++) {
			uint32_t what = roll(&random, 20);
			struct failover_input input = {
				.event = what == 0   ? FORCE
					 : what == 1 ? FAILBACK
						     : CHECK,
				.member = roll(&random, 3) ? roll(&random, n) : NOBODY,
				.until_ms = roll(&random, 2) ? now_ms + 1 + roll(&random, 60000) : 0,
			};
			struct failover_step step = failover_next(&failover, &policy, members, n, input, now_ms), again;

			assert_sound(&failover, &step, &policy, members, n, input, now_ms);
			again = failover_next(&failover, &policy, members, n, input, now_ms);
			assert_memory_equal(&again.next, &step.next, sizeof(step.next));
			/* Having decided, there is nothing left to decide. */
			again = failover_next(&step.next, &policy, members, n, (struct failover_input){0}, now_ms);
			assert_memory_equal(&again.next, &step.next, sizeof(step.next));
			assert_int_equal(again.cause, FAILOVER_CAUSE_NONE);
			failovers += step.is_failover;
			failover = step.next;
			now_ms = step.wake_ms && roll(&random, 4) == 0 ? step.wake_ms
								       : now_ms + 1 + roll(&random, 20000);
			if (roll(&random, 2))
				members[roll(&random, n)].fit = roll(&random, 3) > 0;
		}
	}
	print_message("  %llu steps, %llu failovers\n", (unsigned long long)steps, (unsigned long long)failovers);
}

static void a_year_of_flapping_passes_in_a_second(void **state)
{
	struct failover_policy policy = AUTO_FAILBACK;
	struct failover_member members[2] = {{.tier = 0, .fit = true, .checked_ms = UINT64_MAX},
					     {.tier = 1, .fit = true, .checked_ms = UINT64_MAX}};
	uint64_t random = 1, failovers = 0, failbacks = 0;
	struct failover failover;

	(void)state;
	failover_init(&failover);
	for (uint64_t now_ms = 1; now_ms < 365ULL * 24 * 3600 * 1000; now_ms += 10000) {
		struct failover_step step;

		if (roll(&random, 12) == 0)
			members[0].fit = !members[0].fit;
		step = failover_next(&failover, &policy, members, 2, (struct failover_input){0}, now_ms);
		failovers += step.is_failover;
		failbacks += step.cause == FAILOVER_CAUSE_FAILBACK;
		failover = step.next;
	}
	print_message("  %llu failovers, %llu failbacks\n", (unsigned long long)failovers,
		      (unsigned long long)failbacks);
	assert_true(failovers > 1000 && (failovers == failbacks || failovers == failbacks + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_go_as_told),
		cmocka_unit_test(a_group_that_changes_under_its_state_decides_anew),
		cmocka_unit_test(random_histories_are_sound),
		cmocka_unit_test(a_year_of_flapping_passes_in_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
