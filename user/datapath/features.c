/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The description that feature() is relocated by: BTF with one enumeration, of the values that are on. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "datapath/features.h"

#define ENUMERATION "shunt_features"

int features_open(struct features *ret_features)
{
	int fd = memfd_create(ENUMERATION, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret_features->fd = fd;
	snprintf(ret_features->path, sizeof(ret_features->path), "/proc/self/fd/%d", fd);
	return 0;
}

static int add_values(struct btf *description, const struct btf *types, uint32_t bits)
{
	int32_t id = btf__find_by_name_kind(types, ENUMERATION, BTF_KIND_ENUM);
	const struct btf_type *all = id < 0 ? NULL : btf__type_by_id(types, id);
	int r = all ? btf__add_enum(description, ENUMERATION, all->size) : -ENOENT;

	for (int i = 0; all && r >= 0 && i < btf_vlen(all); i++) {
		const struct btf_enum *value = &btf_enum(all)[i];

		if ((uint32_t)value->val & bits)
			r = btf__add_enum_value(description, btf__name_by_offset(types, value->name_off), value->val);
	}
	return r < 0 ? r : 0;
}

static int write_whole(int fd, const void *data, size_t bytes)
{
	ssize_t written;

	if (ftruncate(fd, 0) < 0)
		return -errno;
	written = pwrite(fd, data, bytes, 0);
	if (written < 0)
		return -errno;
	return (size_t)written == bytes ? 0 : -EIO;
}

int features_set(const struct features *features, const struct btf *types, uint32_t bits)
{
	struct btf *description = btf__new_empty();
	const void *data;
	uint32_t bytes;
	int r;

	if (!description)
		return -errno;
	r = add_values(description, types, bits);
	data = r == 0 ? btf__raw_data(description, &bytes) : NULL;
	if (r == 0)
		r = data ? write_whole(features->fd, data, bytes) : -ENOMEM;
	btf__free(description);
	return r;
}
