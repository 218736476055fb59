/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Preloaded into shuntd: a disk that takes as many milliseconds to put something on it as the file $SLOW_DISK_FILE says; with "fail" instead
 * it cannot. Without the file it is as it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int wait_for_disk(void)
{
	FILE *file = fopen(getenv("SLOW_DISK_FILE") ?: "/nonexistent", "re");
	char text[16] = "";
	struct timespec time = {0};

	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		*text = '\0';
	fclose(file);
	if (strncmp(text, "fail", 4) == 0) {
		errno = EIO;
		return -1;
	}
	time.tv_sec = atol(text) / 1000;
	time.tv_nsec = atol(text) % 1000 * 1000000;
	nanosleep(&time, NULL);
	return 0;
}

int fsync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	return wait_for_disk() < 0 ? -1 : real(fd);
}

int fdatasync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	return wait_for_disk() < 0 ? -1 : real(fd);
}
