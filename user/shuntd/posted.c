/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Groups that the API is given and takes back. They are part of the configuration as if the file had them: what is refused there
 * is refused here, and what still names one keeps it from being removed. Kept before it is applied, so that a crash between
 * the two finds what was asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "shuntd/controller.h"

int groups_open(struct controller *c)
{
	int r = posted_load(c->options.state_dir, &c->posted);

	if (r < 0)
		log_error("groups: %s/%s cannot be read: %s", c->options.state_dir, POSTED_FILE, strerror(-r));
	return r;
}

void besides_free(struct config_besides *besides)
{
	for (size_t i = 0; i < besides->n_groups; i++)
		free((char *)besides->groups[i]);
	free((void *)besides->groups);
	free((void *)besides->discovered);
}

void besides_of(const struct controller *c, const json_t *posted, struct config_besides *ret_besides)
{
	size_t n = json_array_size(posted), n_names = discovery_count(c);
	struct config_discovered *known = must(calloc(n_names + 1, sizeof(*known)));
	char **groups = must(calloc(n + 1, sizeof(*groups)));

	for (size_t i = 0; i < n; i++)
		groups[i] = must(json_dumps(json_array_get(posted, i), JSON_COMPACT));
	*ret_besides = (struct config_besides){.discovered = known, .n_discovered = discovery_known(c, known, n_names),
					       .groups = (const char *const *)groups, .n_groups = n};
}

/* ---- what is asked for ---- */

static size_t find_posted(const json_t *posted, const char *name)
{
	for (size_t i = 0; i < json_array_size(posted); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(posted, i), "name")), name) == 0)
			return i;
	return SIZE_MAX;
}

/* All errors of a configuration in a sentence, allocated. */
static char *errors_of(const struct config_messages *messages)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (size_t i = 0; to && i < messages->n; i++)
		if (messages->list[i].is_error)
			fprintf(to, "%s%s", ftell(to) ? "; " : "", messages->list[i].text);
	if (to)
		fclose(to);
	return text;
}

/* Whether the file would be valid with these groups. */
static int try(const struct controller *c, const json_t *posted, int otherwise, struct api_reply *reply)
{
	struct config_messages messages = {0};
	struct config *config = NULL;
	struct config_besides besides;
	int r;

	besides_of(c, posted, &besides);
	r = config_parse_with(c->config_text, strlen(c->config_text), &besides, &config, &messages);
	besides_free(&besides);
	if (r < 0)
		reply->error = errors_of(&messages);
	config_messages_clear(&messages);
	config_free(config);
	return r == -EINVAL ? otherwise : r;
}

/* Keeps and applies them; on failure all is as before. */
static int take(struct controller *c, json_t *take_posted, struct api_reply *reply)
{
	json_t *before = c->posted;
	int r = posted_save(c->options.state_dir, take_posted, c->kept.saver);

	if (r < 0) {
		json_decref(take_posted);
		return api_refuse(reply, r, "cannot be kept in %s: %s", c->options.state_dir, strerror(-r));
	}
	c->posted = take_posted;
	r = controller_rediscover(c, &reply->error);
	if (r == 0) {
		json_decref(before);
		return 0;
	}
	c->posted = before;
	json_decref(take_posted);
	if (posted_save(c->options.state_dir, before, c->kept.saver) < 0)
		log_error("groups: %s/%s has what was refused", c->options.state_dir, POSTED_FILE);
	return r;
}

static void announce(struct controller *c, const char *kind, const char *name, const char *text)
{
	char object[128];

	snprintf(object, sizeof(object), "group %s", name);
	events_add(c->events, kind, object, "operator", "%s", text);
}

int group_post(void *userdata, const json_t *group, struct api_reply *reply)
{
	struct controller *c = userdata;
	const char *name = json_string_value(json_object_get(group, "name"));
	json_t *posted;
	size_t at;
	int r;

	if (!name)
		return api_refuse(reply, -EINVAL, "\"name\" is missing, or no text");
	at = config_find_group(c->config, name);
	if (at != SIZE_MAX)
		return api_refuse(reply, -EALREADY, "group %s exists already, %s", name,
				  c->config->groups[at].posted ? "posted before: DELETE it first" : "in the configuration file");
	posted = json_copy(c->posted);
	if (!posted)
		return -ENOMEM;
	if (find_posted(posted, name) != SIZE_MAX) /* hidden by one of the file, which is gone since its last reload */
		json_array_remove(posted, find_posted(posted, name));
	json_array_append(posted, (json_t *)group);
	r = try(c, posted, -EINVAL, reply);
	if (r < 0)
		json_decref(posted);
	else
		r = take(c, posted, reply);
	if (r == 0)
		announce(c, "posted", name, "it is checked and can be used by services, clients and fallbacks of the file");
	return r;
}

/* Who of the services would have no group; NULL: none. */
static const char *user_of(const struct config *config, size_t group)
{
	for (size_t i = 0; i < config->n_services; i++)
		if (config_service_reaches(config, &config->services[i], group))
			return config->services[i].name;
	return NULL;
}

int group_delete(void *userdata, const char *name, struct api_reply *reply)
{
	struct controller *c = userdata;
	size_t group = config_find_group(c->config, name), at = find_posted(c->posted, name);
	const char *user;
	json_t *posted;
	int r;

	if (group == SIZE_MAX)
		return api_refuse(reply, -ENOENT, "no group is named \"%s\"", name);
	if (!c->config->groups[group].posted)
		return api_refuse(reply, -EPERM, "group %s is of %s: take it out there and reload", name, c->options.config_path);
	user = user_of(c->config, group);
	if (user)
		return api_refuse(reply, -EBUSY, "group %s is used by service %s: give that another group first", name, user);
	posted = json_copy(c->posted);
	if (!posted)
		return -ENOMEM;
	json_array_remove(posted, at);
	r = try(c, posted, -EBUSY, reply);
	if (r < 0)
		json_decref(posted);
	else
		r = take(c, posted, reply);
	if (r == 0)
		announce(c, "deleted", name, "it was posted, and is no more");
	return r;
}
