/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sorted array: 100,000 entries come and go by merging; a single one costs a copy of the array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state/denied.h"

int denied_order(const void *a, const void *b)
{
	const struct denied *left = a, *right = b;
	int order = config_prefix_order(&left->prefix, &right->prefix);

	return order ? order : strcmp(left->service, right->service);
}

const char *denied_service(struct denied_list *list, const char *name)
{
	char **more;

	for (size_t i = 0; i < list->n_services; i++)
		if (strcmp(list->services[i], name) == 0)
			return list->services[i];
	more = reallocarray(list->services, list->n_services + 1, sizeof(*more));
	if (!more)
		return NULL;
	list->services = more;
	more[list->n_services] = strdup(name);
	return more[list->n_services] ? more[list->n_services++] : NULL;
}

/* Of equal ones the one that came last stays: those of a stable sort. */
static size_t without_doubles(struct denied *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && denied_order(&list[kept - 1], &list[i]) == 0)
			kept--;
		list[kept++] = list[i];
	}
	return kept;
}

int denied_add(struct denied_list *list, struct denied *more, size_t n, size_t *ret_changed)
{
	struct denied *merged = reallocarray(NULL, list->n + n + 1, sizeof(*merged));
	size_t i = 0, j = 0, count = 0;

	if (!merged)
		return -ENOMEM;
	if (n > 0)
		qsort(more, n, sizeof(*more), denied_order); /* glibc's is a merge sort, and so stable */
	n = without_doubles(more, n);
	*ret_changed = 0;
	while (i < list->n || j < n) {
		int order = i == list->n ? 1 : j == n ? -1 : denied_order(&list->list[i], &more[j]);

		*ret_changed += order == 0;
		merged[count++] = order < 0 ? list->list[i] : more[j];
		i += order <= 0;
		j += order >= 0;
	}
	free(list->list);
	list->list = merged;
	list->n = count;
	return 0;
}

size_t denied_remove(struct denied_list *list, struct denied *which, size_t n)
{
	size_t j = 0, kept = 0, before = list->n;

	qsort(which, n, sizeof(*which), denied_order);
	for (size_t i = 0; i < list->n; i++) {
		while (j < n && denied_order(&which[j], &list->list[i]) < 0)
			j++;
		if (j == n || denied_order(&which[j], &list->list[i]) != 0)
			list->list[kept++] = list->list[i];
	}
	list->n = kept;
	return before - kept;
}

size_t denied_expire(struct denied_list *list, uint64_t now_ms, struct denied *ret_expired, size_t max)
{
	size_t kept = 0, expired = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (list->list[i].due_ms > now_ms)
			list->list[kept++] = list->list[i];
		else if (expired++ < max)
			ret_expired[expired - 1] = list->list[i];
	}
	list->n = kept;
	return expired;
}

uint64_t denied_next_due(const struct denied_list *list)
{
	uint64_t next = DENIED_NEVER;

	for (size_t i = 0; i < list->n; i++)
		if (list->list[i].due_ms < next)
			next = list->list[i].due_ms;
	return next;
}

const struct denied *denied_find(const struct denied_list *list, const struct config_prefix *prefix, const char *service)
{
	const struct denied wanted = {.prefix = *prefix, .service = service};

	return list->n ? bsearch(&wanted, list->list, list->n, sizeof(wanted), denied_order) : NULL;
}

bool denied_of_service(const struct denied_list *list, const char *service)
{
	for (size_t i = 0; i < list->n_services; i++) {
		if (strcmp(list->services[i], service) != 0)
			continue;
		for (size_t entry = 0; entry < list->n; entry++)
			if (list->list[entry].service == list->services[i])
				return true;
	}
	return false;
}

void denied_clear(struct denied_list *list)
{
	for (size_t i = 0; i < list->n_services; i++)
		free(list->services[i]);
	free(list->services);
	free(list->list);
	*list = (struct denied_list){0};
}
