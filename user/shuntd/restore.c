/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that an operator decided, as one document, and back into a running controller. A restore is a reload that brings state
 * along: what can fail comes first, and where nothing differs no table changes. The document lies in the state directory and
 * the configuration in its file already, written by `shunt restore`: this process may be forbidden to write that, and
 * who may write there may restore.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "shuntd/controller.h"

int controller_backup(void *userdata, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct backup backup = {};
	int r = persist_collect(c, &backup.state);
	char *path = realpath(c->options.config_path, NULL), *state_dir = realpath(c->options.state_dir, NULL);

	backup.configuration = strdup(c->config_text);
	backup.groups = json_incref(c->posted);
	backup.denied = denied_json(&c->denied);
	if (r == 0)
		reply->document = json_pack("{s:s, s:s, s:o}", "configuration_file", path ?: c->options.config_path, "state_dir",
					    state_dir ?: c->options.state_dir, "backup", backup_json(&backup));
	backup_free(&backup);
	free(path);
	free(state_dir);
	return reply->document ? 0 : -ENOMEM;
}

/* Reads the file with the groups of the backup: 0 when that is its configuration. */
static int load(struct controller *c, const struct backup *backup, struct config **ret_config, struct api_reply *reply)
{
	struct config_messages messages = {0};
	json_t *before = c->posted;
	char *text = NULL;
	int r;

	c->posted = backup->groups;
	r = controller_load(c, &text, ret_config, &messages);
	c->posted = before;
	if (r < 0)
		reply->error = reload_messages_text(&messages, c->options.config_path);
	else if (strcmp(text, backup->configuration) != 0)
		r = api_refuse(reply, -EPERM, "%s is not the configuration of the backup: `shunt restore` on this host writes it there first",
			       c->options.config_path);
	config_messages_clear(&messages);
	free(text);
	return r;
}

/* Tables, groups, backends; on failure all is as before. Takes the configuration then. */
static int apply(struct controller *c, struct backup *backup, struct config *config, bool force, struct api_reply *reply)
{
	json_t *before = c->posted, *changed = NULL;
	int r;

	c->posted = json_incref(backup->groups);
	c->restoring = &backup->state;
	r = controller_apply_changes(c, config, force, &changed, &reply->error);
	c->restoring = NULL;
	if (r < 0) {
		json_decref(c->posted);
		c->posted = before;
		return r;
	}
	json_decref(before);
	free(c->config_text);
	c->config_text = backup->configuration;
	backup->configuration = NULL;
	reply->document = json_pack("{s:o}", "changed", changed);
	return 0;
}

static int keep(struct controller *c, const struct backup *backup, struct api_reply *reply)
{
	int r = posted_save(c->options.state_dir, c->posted, c->kept.saver);

	if (r == 0)
		r = deny_replace(c, backup->denied);
	return r < 0 ? api_refuse(reply, r, "restored, but for the denied prefixes, or not saved in %s: %s", c->options.state_dir, strerror(-r)) : 0;
}

int controller_restore(void *userdata, bool force, struct api_reply *reply)
{
	struct controller *c = userdata;
	_cleanup_(freep) char *path = path_join(c->options.state_dir, BACKUP_RESTORE_FILE);
	struct backup backup = {};
	struct config *config = NULL;
	int r = path ? backup_load(path, &backup, &reply->error) : -ENOMEM;

	if (r == 0 && c->detached)
		r = api_refuse(reply, -EBUSY, "the data path is off the interfaces");
	if (r == 0)
		r = load(c, &backup, &config, reply);
	if (r == 0 && (r = apply(c, &backup, config, force, reply)) == 0) {
		config = NULL;
		events_add(c->events, "restore", "shuntd", "operator", "from a backup %s", backup.about);
		r = keep(c, &backup, reply);
	}
	if (r < 0 && config)
		log_error("restore: nothing was changed: %s", reply->error ? reply->error : strerror(-r));
	config_free(config);
	backup_free(&backup);
	return r < 0 && r != -EPERM && r != -ENOMEM && r != -EBUSY ? -EINVAL : r;
}
