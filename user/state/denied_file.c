/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines {"add"|"remove": [prefix…], "service", "since", "until"}; what is not said is "" or 0. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "net/address.h"
#include "state/damaged.h"
#include "state/denied_file.h"

#define FILE_BYTES_MAX (512 * 1024 * 1024)
#define LINE_PREFIXES 1000       /* of a file written anew */
#define SLACK 10000              /* prefixes that a file may name beyond twice those in force */
#define PREFIX_TEXT_MAX (ADDRESS_TEXT_MAX + 4)

struct denied_file {
	char *path;
	int fd;
	off_t length;
	size_t named;            /* prefixes in all of its lines */
};

/* ---- reading: 0, -ENOMEM, or -EBADMSG for what would not have been written here ---- */

/* What all lines say, in their order; one that removes is an entry that is due at once. */
struct reader {
	struct denied_list *list;
	int64_t wall_ms;
	uint64_t monotonic_ms;
	struct denied *entries;
	size_t n, room;
};

static int make_room(struct reader *reader, size_t more)
{
	size_t room = reader->room ?: 64;
	struct denied *grown;

	while (room < reader->n + more)
		room *= 2;
	grown = room > reader->room ? reallocarray(reader->entries, room, sizeof(*grown)) : reader->entries;
	if (!grown)
		return -ENOMEM;
	reader->entries = grown;
	reader->room = room;
	return 0;
}

static int read_prefixes(struct reader *reader, const json_t *prefixes, const struct denied *like)
{
	const json_t *text;
	size_t i;

	if (make_room(reader, json_array_size(prefixes)) < 0)
		return -ENOMEM;
	json_array_foreach((json_t *)prefixes, i, text) {
		struct denied *entry = &reader->entries[reader->n++];

		*entry = *like;
		if (config_prefix_parse(json_string_value(text) ?: "", &entry->prefix) < 0)
			return -EBADMSG;
	}
	return 0;
}

/* When an entry that ends then by the wall clock does by the monotonic one: now for what has ended already. */
static uint64_t due_of(const struct reader *reader, int64_t until)
{
	if (!until)
		return DENIED_NEVER;
	return reader->monotonic_ms + (until > reader->wall_ms ? (uint64_t)(until - reader->wall_ms) : 0);
}

static int read_change(struct reader *reader, json_t *root)
{
	const json_t *add = NULL, *remove = NULL;
	json_int_t since = 0, until = 0;
	const char *service = "";
	struct denied like;

	if (json_unpack(root, "{s?o, s?o, s?s, s?I, s?I !}", "add", &add, "remove", &remove, "service", &service, "since",
			&since, "until", &until) < 0 ||
	    !add == !remove || !json_is_array(add ?: remove) || since < 0 || until < 0)
		return -EBADMSG;
	like = (struct denied){.service = denied_service(reader->list, service), .since = since, .until = until};
	like.due_ms = remove ? 0 : due_of(reader, until);
	return like.service ? read_prefixes(reader, add ?: remove, &like) : -ENOMEM;
}

static int read_line(struct reader *reader, const char *line, size_t length)
{
	_cleanup_(json_decrefp) json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

	return read_change(reader, root);
}

static int read_version(const char *line, size_t length)
{
	_cleanup_(json_decrefp) json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	int version;

	if (json_unpack(root, "{s:i !}", "version", &version) < 0 || version != DENIED_VERSION)
		return -EBADMSG;
	return 0;
}

static int read_lines(struct reader *reader, const char *text, size_t length)
{
	const char *end = memchr(text, '\n', length);
	int r = end ? read_version(text, end - text) : -EBADMSG;

	while (r == 0 && end + 1 < text + length) {
		const char *line = end + 1;

		end = memchr(line, '\n', text + length - line);
		if (!end)
			break; /* cut off by a crash */
		r = read_line(reader, line, end - line);
	}
	return r;
}

/* Puts what was read into the list, but for what has ended. Takes the reader's entries. */
static int take_entries(struct reader *reader, int r)
{
	size_t changed;

	if (r == 0)
		r = denied_add(reader->list, reader->entries, reader->n, &changed);
	if (r == 0)
		denied_expire(reader->list, reader->monotonic_ms, NULL, 0);
	free(reader->entries);
	reader->entries = NULL;
	return r;
}

static int read_path(const char *path, struct reader *reader)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0;
	int r = file_read(path, FILE_BYTES_MAX, &text, &length);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = read_lines(reader, text, length);
	return take_entries(reader, r);
}

/* Fills the list. 1: the file could not be used and was set aside. */
static int read_file(const char *path, struct reader *reader)
{
	int r = read_path(path, reader);

	if (r == -EBADMSG || r == -EFBIG) {
		r = damaged_set_aside(path, "state", "starting without the prefixes that operators denied");
		return r < 0 ? r : 1;
	}
	return r;
}

int denied_file_read(const char *state_dir, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list)
{
	struct reader reader = {.list = list, .wall_ms = wall_ms, .monotonic_ms = monotonic_ms};
	_cleanup_(freep) char *path = path_join(state_dir, DENIED_FILE);

	return path ? read_path(path, &reader) : -ENOMEM;
}

int denied_read(const json_t *changes, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list)
{
	struct reader reader = {.list = list, .wall_ms = wall_ms, .monotonic_ms = monotonic_ms};
	int r = json_is_array(changes) ? 0 : -EBADMSG;

	for (size_t i = 0; r == 0 && i < json_array_size(changes); i++)
		r = read_change(&reader, json_array_get(changes, i));
	return take_entries(&reader, r);
}

/* ---- writing ---- */

static void print_change(FILE *to, const char *what, const struct denied *entries, size_t n)
{
	char prefix[PREFIX_TEXT_MAX];

	fprintf(to, "{\"%s\":[", what);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s\"%s\"", i ? "," : "", config_prefix_format(&entries[i].prefix, prefix, sizeof(prefix)));
	fputc(']', to);
	if (*entries->service) /* a service's name needs no escapes */
		fprintf(to, ",\"service\":\"%s\"", entries->service);
	if (entries->since)
		fprintf(to, ",\"since\":%" PRId64, entries->since);
	if (entries->until)
		fprintf(to, ",\"until\":%" PRId64, entries->until);
	fputs("}\n", to);
}

static int append(struct denied_file *file, const char *what, const struct denied *entries, size_t n)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0;
	FILE *to = file->fd < 0 ? NULL : open_memstream(&text, &length);
	int r;

	if (!to)
		return file->fd < 0 ? -EIO : -ENOMEM;
	print_change(to, what, entries, n);
	if (fclose(to) != 0)
		return -ENOMEM;
	r = file_append(file->fd, text, length);
	if (r < 0) {
		if (ftruncate(file->fd, file->length) < 0) { /* half a line would spoil the next one: write no more */
			close(file->fd);
			file->fd = -1;
		}
		return r;
	}
	file->length += (off_t)length;
	file->named += n;
	return 0;
}

int denied_file_add(struct denied_file *file, const struct denied *more, size_t n)
{
	return append(file, "add", more, n);
}

int denied_file_remove(struct denied_file *file, const struct denied *which, size_t n)
{
	return append(file, "remove", which, n);
}

static bool alike(const struct denied *a, const struct denied *b)
{
	return a->service == b->service && a->since == b->since && a->until == b->until;
}

/* How many from the i-th on go into one line. */
static size_t in_one_line(const struct denied_list *list, size_t i)
{
	size_t n = 1;

	while (n < LINE_PREFIXES && i + n < list->n && alike(&list->list[i], &list->list[i + n]))
		n++;
	return n;
}

int denied_file_sync(struct denied_file *file, struct saver *saver)
{
	return file->fd < 0 ? -EIO : saver_sync(saver, file->path, file->fd);
}

json_t *denied_json(const struct denied_list *list)
{
	json_t *changes = json_array(), *prefixes, *change;
	char prefix[PREFIX_TEXT_MAX];

	for (size_t i = 0, n; i < list->n; i += n) {
		const struct denied *first = &list->list[i];

		n = in_one_line(list, i);
		prefixes = json_array();
		for (size_t k = 0; k < n; k++)
			json_array_append_new(prefixes, json_string(config_prefix_format(&first[k].prefix, prefix, sizeof(prefix))));
		change = json_pack("{s:o, s:s, s:I, s:I}", "add", prefixes, "service", first->service, "since",
				   (json_int_t)first->since, "until", (json_int_t)first->until);
		if (json_array_append_new(changes, change) < 0) {
			json_decref(changes);
			return NULL;
		}
	}
	return changes;
}

int denied_file_replace(struct denied_file *file, const struct denied_list *list)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);
	int fd, r;

	if (!to)
		return -ENOMEM;
	fprintf(to, "{\"version\":%d}\n", DENIED_VERSION);
	for (size_t i = 0, n; i < list->n; i += n) {
		n = in_one_line(list, i);
		print_change(to, "add", &list->list[i], n);
	}
	if (fclose(to) != 0)
		return -ENOMEM;
	r = file_write_atomically(file->path, text, length, 0640);
	if (r < 0)
		return r;
	fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = fd;
	file->length = (off_t)length;
	file->named = list->n;
	return 0;
}

int denied_file_tidy(struct denied_file *file, const struct denied_list *list)
{
	return file->named > 2 * list->n + SLACK ? denied_file_replace(file, list) : 0;
}

/* ---- open, close ---- */

int denied_file_open(const char *state_dir, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list,
		     struct denied_file **ret_file, bool *ret_damaged)
{
	struct reader reader = {.list = list, .wall_ms = wall_ms, .monotonic_ms = monotonic_ms};
	struct denied_file *file = calloc(1, sizeof(*file));
	int damaged = 0, r = -ENOMEM;

	if (!file)
		return r;
	file->fd = -1;
	file->path = path_join(state_dir, DENIED_FILE);
	if (file->path)
		r = damaged = read_file(file->path, &reader);
	if (r >= 0)
		r = denied_file_replace(file, list);
	if (r < 0) {
		denied_file_close(file);
		denied_clear(list);
		return r;
	}
	*ret_file = file;
	*ret_damaged = damaged > 0;
	return 0;
}

void denied_file_close(struct denied_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file);
}
