/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The documents and the metrics, without a server. */
#include "api/large.h"
#include "api_fixture.h"

#include <time.h>

#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define CPU_MS_MAX (SANITIZED ? 5000 : 1000) /* a busy machine counts too; the figure itself is printed */

static struct snapshot snapshot;

static int setup(void **state)
{
	(void)state;
	fixture_fill(&snapshot);
	return 0;
}

/* Times differ from run to run: they are compared by shape, the rest exactly. */
static void assert_document(json_t *take_document, const char *expected)
{
	char *text = json_dumps(take_document, JSON_COMPACT | JSON_REAL_PRECISION(6));

	for (char *c = text; c && (c = strstr(c, "\"20")); c++)
		if (strlen(c) > 25 && c[11] == 'T' && c[24] == 'Z')
			memcpy(c + 1, "TTTTTTTTTTTTTTTTTTTTTTTT", 24);
	assert_string_equal(text, expected);
	free(text);
	json_decref(take_document);
}

static void a_service_has_the_fields_of_the_contract(void **state)
{
	(void)state;
	assert_document(api_service_json(&snapshot.services[0]),
			"{\"name\":\"web\",\"address\":\"192.0.2.10\",\"protocol\":\"tcp\",\"port\":80,"
			"\"group\":\"app-servers\",\"forward\":\"ipip\",\"hash\":\"5-tuple\",\"tracking\":\"auto\","
			"\"packets\":1234567,\"bytes\":987654321,\"new_flows\":4321,"
			"\"answer_packets\":4711,\"answer_bytes\":815000,\"on_empty\":\"reject\",\"scheduler\":\"round-robin\","
			"\"clients\":[],\"group_state\":\"settled\"}");
}

static void a_service_tells_of_clients_that_other_groups_take(void **state)
{
	struct snapshot_clients clients[] = {{"eu", 3}, {"tenant7", 1}};
	struct snapshot_service service = snapshot.services[0];
	json_t *document;

	(void)state;
	service.clients = clients;
	service.n_clients = 2;
	document = api_service_json(&service);
	assert_document(json_incref(json_object_get(document, "clients")),
			"[{\"group\":\"eu\",\"prefixes\":3},{\"group\":\"tenant7\",\"prefixes\":1}]");
	json_decref(document);
}

#define DAMPED ",\"penalty\":0.0,\"suppressed_until\":null,\"lag_ms\":null"

static void a_group_has_the_fields_of_the_contract(void **state)
{
	(void)state;
	snapshot.groups[0].detection_ms = 3500;
	assert_document(api_group_json(&snapshot.groups[0]),
			"{\"name\":\"app-servers\",\"mode\":\"active-passive\",\"primary\":\"backend1\","
			"\"active\":[\"backend2\"],\"state\":\"failed-over\",\"failovers\":1,"
			"\"last_failover\":\"TTTTTTTTTTTTTTTTTTTTTTTT\",\"healthy\":2,\"failed\":1,\"backends\":["
			"{\"name\":\"backend1\",\"role\":\"out\",\"why\":\"down: connection refused\",\"share\":0.0" DAMPED "},"
			"{\"name\":\"backend2\",\"role\":\"active\",\"why\":null,\"share\":1.0" DAMPED "},"
			"{\"name\":\"backend3\",\"role\":\"standby\",\"why\":\"standby tier\",\"share\":0.0" DAMPED "}],"
			"\"forced\":null,\"forced_by\":null,\"forced_until\":null,\"failback\":\"manual\",\"failing_back_at\":null,"
			"\"slots\":{\"total\":65536,\"moving\":6000,\"resolving\":553},\"last_resort\":null,\"detection_ms\":3500,\"mtu_detection_ms\":null,"
			"\"failover\":\"automatic\",\"proposal\":null,\"held_until\":null,\"rechecking\":false,"
			"\"panic\":false,\"shifted_percent\":100,\"suppressed_until\":null}");
}

static void a_group_without_primary_or_failover_says_null(void **state)
{
	json_t *group = api_group_json(&snapshot.groups[1]);

	(void)state;
	assert_true(json_is_null(json_object_get(group, "primary")));
	assert_true(json_is_null(json_object_get(group, "last_failover")));
	json_decref(group);
}

static void a_group_says_what_it_would_do_and_what_holds_it(void **state)
{
	struct snapshot_group group = snapshot.groups[0];
	json_t *json, *proposal;

	(void)state;
	group.panic = true;
	snprintf(group.proposed, sizeof(group.proposed), "backend2, backend3");
	group.proposed_why = "failover is manual";
	json = api_group_json(&group);
	proposal = json_object_get(json, "proposal");
	assert_true(json_is_true(json_object_get(json, "panic")));
	assert_int_equal(json_array_size(json_object_get(proposal, "backends")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(proposal, "backends"), 1)), "backend3");
	assert_string_equal(json_string_value(json_object_get(proposal, "confirm")), "shunt failover app-servers");
	json_decref(json);
}

static void a_backend_has_the_fields_of_the_contract(void **state)
{
	(void)state;
	assert_document(api_backend_json(&snapshot.backends[1]),
			"{\"name\":\"backend2\",\"address\":\"10.0.1.12\",\"weight\":100,\"health\":\"up\","
			"\"admin\":\"ready\",\"flows\":14,\"check\":{\"type\":\"tcp\",\"last\":\"connected\","
			"\"latency_ms\":0.4,\"since\":\"TTTTTTTTTTTTTTTTTTTTTTTT\",\"reason\":\"ok\",\"lag_ms\":null},\"packets\":1000,\"bytes\":64000,"
			"\"answer_packets\":900,\"answer_bytes\":90000,"
			"\"port\":8080,\"configured_weight\":100,\"drained\":false,\"drain_until\":null,"
			"\"removed\":false,\"next_hop\":\"via eth0 02:00:00:00:00:02\",\"next_hop_ok\":true,\"admin_by\":null,\"window_until\":null,"
			"\"effective_weight\":100,\"score\":{\"percent\":85,\"results\":20,\"bad\":2,\"slow\":2,\"mean_ms\":0.5,\"worst_ms\":3.0},"
			"\"slow_start\":false,\"breaker\":\"closed\",\"ejected_until\":null,\"ejected_why\":null,\"admin_until\":null,\"weight_until\":null}");
}

static void text_that_is_not_utf8_is_told_all_the_same(void **state)
{
	struct snapshot_backend backend = snapshot.backends[0];
	json_t *document;

	(void)state;
	backend.check_last = "status 500 \xff\xfe";
	document = api_backend_json(&backend);
	assert_non_null(document);
	assert_string_equal(json_string_value(json_object_get(json_object_get(document, "check"), "last")),
			    "status 500 ??");
	json_decref(document);
}

static void drops_have_every_reason_but_none(void **state)
{
	char *text = large_text(&large_status, &snapshot);
	json_t *status = json_loads(text, 0, NULL), *drops = json_object_get(status, "drops");

	(void)state;
	assert_int_equal(json_object_size(drops), SHUNT_DROP_REASON_COUNT - 1);
	assert_null(json_object_get(drops, "none"));
	assert_int_equal(json_integer_value(json_object_get(drops, "no_next_hop")), 12);
	json_decref(status);
	free(text);
}

static void assert_health(const char *status, const char *component, const char *expected)
{
	json_t *health = api_health_json(&snapshot);

	assert_string_equal(json_string_value(json_object_get(health, "status")), status);
	assert_string_equal(json_string_value(json_object_get(json_object_get(health, "components"), component)),
			    expected);
	json_decref(health);
}

static void health_is_of_datapath_groups_and_problem(void **state)
{
	(void)state;
	assert_health("degraded", "checks", "degraded"); /* one group is degraded, a backend is down */
	for (size_t i = 0; i < 3; i++)
		fixture_groups[i].state = "normal";
	assert_health("healthy", "controller", "ok");
	snapshot.problem = "cannot listen for routes";
	assert_health("degraded", "controller", "degraded");
	snapshot.problem = "state directory: no space left on device";
	assert_health("degraded", "state", "degraded");
	snapshot.problem = NULL;
	snapshot.datapath_ok = false;
	assert_health("unhealthy", "datapath", "failed");
	snapshot.datapath_ok = true;
	fixture_groups[0].state = "down";
	assert_health("degraded", "datapath", "ok");
	fixture_groups[1].state = fixture_groups[2].state = "down";
	assert_health("unhealthy", "datapath", "ok");
	snapshot.n_groups = 0;
	assert_health("healthy", "datapath", "ok");
}

static void assert_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);

	if (!found || (found != text && found[-1] != '\n') || found[strlen(line)] != '\n')
		fail_msg("no such line: %s", line);
}

static void metrics_have_every_name_with_help_and_type(void **state)
{
	static const char *const lines[] = {
		"# TYPE shunt_service_packets_total counter", "shunt_service_packets_total{service=\"web\"} 1234567",
		"shunt_service_bytes_total{service=\"web\"} 987654321",
		"shunt_service_new_flows_total{service=\"web\"} 4321",
		"# TYPE shunt_service_answer_packets_total counter",
		"shunt_service_answer_packets_total{service=\"web\"} 4711",
		"shunt_service_answer_bytes_total{service=\"web\"} 815000",
		"shunt_backend_answer_packets_total{backend=\"backend2\"} 900",
		"shunt_backend_answer_bytes_total{backend=\"backend2\"} 90000",
		"shunt_backend_packets_total{backend=\"backend2\"} 1000",
		"shunt_backend_bytes_total{backend=\"backend2\"} 64000",
		"# TYPE shunt_backend_up gauge", "shunt_backend_up{backend=\"backend1\"} 0",
		"shunt_backend_up{backend=\"backend2\"} 1", "shunt_backend_weight{backend=\"backend3\"} 50",
		"shunt_backend_flows{backend=\"backend2\"} 14",
		"shunt_backend_check_duration_seconds{backend=\"backend2\"} 0.000400",
		"shunt_group_failovers_total{group=\"app-servers\"} 1",
		"shunt_group_active{group=\"app-servers\",backend=\"backend1\"} 0",
		"shunt_group_active{group=\"app-servers\",backend=\"backend2\"} 1",
		"shunt_group_last_failover_timestamp_seconds{group=\"resolvers\"} 0.000",
		"shunt_group_backends{group=\"app-servers\",state=\"healthy\"} 2",
		"shunt_group_backends{group=\"app-servers\",state=\"failed\"} 1",
		"shunt_drops_total{reason=\"no_next_hop\"} 12", "shunt_flow_table_entries 17",
		"shunt_slots_moving 6553",
		"shunt_build_info{version=\"0.1.0\"} 1",
	};
	char *text = large_text(&large_metrics, &snapshot);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_line(text, lines[i]);
	free(text);
}

static void labels_are_escaped(void **state)
{
	char *text;

	(void)state;
	fixture_services[0].name = "a\"b\\c\nd";
	text = large_text(&large_metrics, &snapshot);
	assert_line(text, "shunt_service_packets_total{service=\"a\\\"b\\\\c\\nd\"} 1234567");
	free(text);
}

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

/* The least of three: what the machine does besides is not counted. */
static double status_ms(const struct snapshot *large)
{
	double least = 1e9;

	for (int i = 0; i < 3; i++) {
		double before = cpu_ms(), taken;

		free(large_text(&large_status, large));
		taken = cpu_ms() - before;
		least = taken < least ? taken : least;
	}
	return least;
}

static double metrics_ms(const struct snapshot *large)
{
	double least = 1e9;

	for (int i = 0; i < 3; i++) {
		double before = cpu_ms(), taken;

		free(large_text(&large_metrics, large));
		taken = cpu_ms() - before;
		least = taken < least ? taken : least;
	}
	return least;
}

static void large_installations_render_in_time(void **state)
{
	enum { SERVICES = 4096, BACKENDS = 10000, MEMBERS = 10 };
	struct snapshot_service *services = calloc(SERVICES, sizeof(*services));
	struct snapshot_backend *backends = calloc(BACKENDS, sizeof(*backends));
	struct snapshot_group *groups = calloc(BACKENDS / MEMBERS, sizeof(*groups));
	struct snapshot_member *members = calloc(BACKENDS, sizeof(*members));
	char (*names)[16] = calloc(BACKENDS, sizeof(*names));
	struct snapshot large = snapshot;
	uint64_t status, metrics;

	(void)state;
	for (size_t i = 0; i < BACKENDS; i++) {
		snprintf(names[i], sizeof(names[i]), "b%zu", i);
		backends[i] = snapshot.backends[1];
		backends[i].name = names[i];
		members[i] = (struct snapshot_member){names[i], "active", NULL, 0.1, 0, 0, -1};
		if (i < SERVICES)
			services[i] = snapshot.services[0], services[i].name = names[i];
		if (i % MEMBERS == 0) {
			groups[i / MEMBERS] = snapshot.groups[1];
			groups[i / MEMBERS].name = names[i];
			groups[i / MEMBERS].members = &members[i];
			groups[i / MEMBERS].n_members = MEMBERS;
		}
	}
	large.services = services, large.n_services = SERVICES;
	large.groups = groups, large.n_groups = BACKENDS / MEMBERS;
	large.backends = backends, large.n_backends = BACKENDS;
	status = status_ms(&large), metrics = metrics_ms(&large);
	print_message("  status %llu ms, metrics %llu ms of processor time\n", (unsigned long long)status, (unsigned long long)metrics);
	assert_true(status < CPU_MS_MAX);
	assert_true(metrics < CPU_MS_MAX);
	free(services), free(backends), free(groups), free(members), free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_service_has_the_fields_of_the_contract, setup),
		cmocka_unit_test_setup(a_service_tells_of_clients_that_other_groups_take, setup),
		cmocka_unit_test_setup(a_group_has_the_fields_of_the_contract, setup),
		cmocka_unit_test_setup(a_group_without_primary_or_failover_says_null, setup),
		cmocka_unit_test(a_group_says_what_it_would_do_and_what_holds_it),
		cmocka_unit_test_setup(a_backend_has_the_fields_of_the_contract, setup),
		cmocka_unit_test_setup(text_that_is_not_utf8_is_told_all_the_same, setup),
		cmocka_unit_test_setup(drops_have_every_reason_but_none, setup),
		cmocka_unit_test_setup(health_is_of_datapath_groups_and_problem, setup),
		cmocka_unit_test_setup(metrics_have_every_name_with_help_and_type, setup),
		cmocka_unit_test_setup(labels_are_escaped, setup),
		cmocka_unit_test_setup(large_installations_render_in_time, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
