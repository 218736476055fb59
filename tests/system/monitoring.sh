#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prometheus and Grafana: the metrics as promtool and a real Prometheus see them, the rules and the dashboard that contrib/ has for them.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/tls.sh
. "$SOURCE_DIR/tests/lib/tls.sh"

VIP=192.0.2.10
CONTRIB=$(cd "$(dirname "$0")/../../contrib" && pwd)
ALERTS=$CONTRIB/prometheus/alerts.yml
DASHBOARD=$CONTRIB/grafana/shunt.json
PORT=9443

# A balancer whose API is on TCP with TLS and a token to read.
start_system() {
	net_make client lb b1 b2
	serve b1
	serve b2
	self_signed 127.0.0.1
	echo all >"$T/token"
	echo look >"$T/token-read"
	balance <<-END
		interfaces: [eth0]
		api: {listen: "127.0.0.1:$PORT", token_file: $T/token, read_token_file: $T/token-read, certificate_file: $T/certificate.pem,
		      key_file: $T/key.pem}
		defaults: {forward: l2, health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-passive, backends: [b1, b2], primary: b1, failback: manual}]
		$(some_backends 2)
	END
}

metrics() { on lb curl -s --cacert "$T/certificate.pem" -H 'Authorization: Bearer look' "https://127.0.0.1:$PORT/metrics"; }

metrics_are_as_prometheus_wants_them() {
	start_system
	metrics >"$T/metrics" || fail "no metrics"
	promtool check metrics <"$T/metrics" || fail "promtool refuses them"
	note "$(grep -c '^# TYPE' "$T/metrics") metrics"
}

# Names of metrics in a file; a histogram's parts are of one name.
names_in() { grep -oE 'shunt_[a-z_]+' "$1" | sed -E 's/_(bucket|sum|count)$//' | sort -u; }

names_are_there() {
	local file missing
	start_system
	metrics | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort >"$T/names"
	for file in "$ALERTS" "$DASHBOARD"; do
		missing=$(comm -23 <(names_in "$file") "$T/names" | tr '\n' ' ')
		expect "$missing" = '' "metrics that $file names and shuntd does not have"
	done
	jq -e '.panels | length > 0 and all(.[]; .targets | length > 0)' "$DASHBOARD" >/dev/null || fail "a panel without a query"
	note "$(names_in "$DASHBOARD" | wc -l) metrics on the dashboard, $(names_in "$ALERTS" | wc -l) in the rules"
}

rules_fire_when_they_should() {
	local rule
	promtool check rules "$ALERTS" || fail "promtool refuses the rules"
	promtool test rules "$CONTRIB"/prometheus/alerts.test.yml || fail "a rule fires when it should not, or does not"
	while read -r rule; do
		grep -q "alertname: $rule\$" "$CONTRIB/prometheus/alerts.test.yml" || fail "no test has $rule fire"
	done < <(sed -n 's/.*- alert: //p' "$ALERTS")
}

# ---- a real Prometheus ----

start_prometheus() {
	mkdir "$T/prometheus"
	cat >"$T/prometheus.yml" <<-END
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [$ALERTS]
		scrape_configs:
		  - job_name: shunt
		    scheme: https
		    tls_config: {ca_file: $T/certificate.pem}
		    authorization: {credentials_file: $T/token-read}
		    static_configs: [{targets: ["127.0.0.1:$PORT"]}]
	END
	promtool check config "$T/prometheus.yml" || fail "promtool refuses the configuration"
	spawn prometheus lb prometheus --config.file="$T/prometheus.yml" --storage.tsdb.path="$T/prometheus" \
		--web.listen-address=127.0.0.1:9090
}

query() { # EXPRESSION: the first value
	on lb curl -s --get --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query | jq -r '.data.result[0].value[1] // "none"'
}

pending() { on lb curl -s http://127.0.0.1:9090/api/v1/alerts | jq -e --arg name "$1" '.data.alerts | any(.labels.alertname == $name)'; }

prometheus_scrapes() {
	start_system
	start_prometheus
	wait_for 40 "Prometheus has scraped" is 1 query 'up{job="shunt"}'
	expect "$(query 'sum(shunt_backend_up)')" = 2 "backends up"
	expect "$(query 'shunt_group_active{group="app",backend="b1"}')" = 1 "b1 active"
	stop server-b1 KILL
	wait_for 20 "Prometheus sees the failover" is 1 query 'shunt_group_active{group="app",backend="b2"}'
	expect "$(query 'shunt_group_failovers_total{group="app"}')" = 1 "failovers"
	wait_for 20 "the rule of backends down has matched" pending ShuntBackendDown
}

suite monitoring
run_test 'promtool accepts the metrics, over TLS with a token to read' metrics_are_as_prometheus_wants_them
run_test 'rules and dashboard name metrics that there are' names_are_there
run_test 'each alert fires when it should, and not before' rules_fire_when_they_should
run_test 'a real Prometheus scrapes, sees a failover and raises the alert' prometheus_scrapes
finish
