/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two lists under one lock: what is asked for, and what is done, of which an eventfd tells the loop. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/file.h"
#include "loop/saver.h"

struct job {
	char *path;
	char *text;                /* NULL: only to be synced … */
	int fd;                    /* … by this descriptor, else -1 */
	mode_t mode;
	int result;
	struct job *prev, *next;
};

struct saver {
	saver_callback callback;
	void *userdata;
	sd_event_source *source;
	int done_fd;
	uint64_t n_asked, n_told;  /* the loop's own: jobs */
	pthread_t thread;
	bool runs;                 /* the thread was started */
	pthread_mutex_t lock;      /* of all below */
	pthread_cond_t asked;
	struct job *jobs, *done;
	bool closing;
};

static void job_free(struct job *job)
{
	if (job->fd >= 0)
		close(job->fd);
	free(job->path);
	free(job->text);
	free(job);
}

/* ---- the thread ---- */

static int write_file(const char *path, const char *text, mode_t mode)
{
	return file_write_atomically(path, text, strlen(text), mode);
}

static int sync_file(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

static void tell(const struct saver *saver)
{
	const uint64_t one = 1;

	while (write(saver->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *save(void *userdata)
{
	struct saver *saver = userdata;

	pthread_mutex_lock(&saver->lock);
	for (;;) {
		struct job *job = saver->jobs;

		if (!job && saver->closing)
			break;
		if (!job) {
			pthread_cond_wait(&saver->asked, &saver->lock);
			continue;
		}
		DL_DELETE(saver->jobs, job);
		pthread_mutex_unlock(&saver->lock);
		job->result = job->text ? write_file(job->path, job->text, job->mode) : sync_file(job->fd);
		pthread_mutex_lock(&saver->lock);
		DL_APPEND(saver->done, job);
		tell(saver);
	}
	pthread_mutex_unlock(&saver->lock);
	return NULL;
}

/* ---- the loop ---- */

static void tell_of_done(struct saver *saver)
{
	struct job *done, *job, *next;

	pthread_mutex_lock(&saver->lock);
	done = saver->done;
	saver->done = NULL;
	pthread_mutex_unlock(&saver->lock);
	DL_FOREACH_SAFE(done, job, next) {
		saver->n_told++;
		saver->callback(saver->userdata, job->path, job->result);
		job_free(job);
	}
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	uint64_t count;

	(void)source, (void)revents;
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		tell_of_done(userdata);
	return 0;
}

static int start_thread(struct saver *saver)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread has what its maker blocks */
	r = pthread_create(&saver->thread, NULL, save, saver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	saver->runs = r == 0;
	return -r;
}

int saver_open(sd_event *event, saver_callback callback, void *userdata, struct saver **ret_saver)
{
	struct saver *saver = calloc(1, sizeof(*saver));
	int r;

	if (!saver)
		return -ENOMEM;
	saver->callback = callback;
	saver->userdata = userdata;
	pthread_mutex_init(&saver->lock, NULL);
	pthread_cond_init(&saver->asked, NULL);
	saver->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = saver->done_fd < 0 ? -errno : sd_event_add_io(event, &saver->source, saver->done_fd, EPOLLIN, on_done, saver);
	if (r >= 0)
		r = start_thread(saver);
	if (r < 0) {
		saver_close(saver);
		return r;
	}
	*ret_saver = saver;
	return 0;
}

void saver_close(struct saver *saver)
{
	if (!saver)
		return;
	pthread_mutex_lock(&saver->lock);
	saver->closing = true;
	pthread_cond_signal(&saver->asked);
	pthread_mutex_unlock(&saver->lock);
	if (saver->runs)
		pthread_join(saver->thread, NULL);
	tell_of_done(saver);
	sd_event_source_disable_unref(saver->source);
	if (saver->done_fd >= 0)
		close(saver->done_fd);
	pthread_cond_destroy(&saver->asked);
	pthread_mutex_destroy(&saver->lock);
	free(saver);
}

/* In the place of one of the same kind for the same path that still waits, or behind all others: so nothing waits for ever. */
static void ask(struct saver *saver, struct job *job)
{
	struct job *other;

	pthread_mutex_lock(&saver->lock);
	DL_FOREACH(saver->jobs, other)
		if (!other->text == !job->text && strcmp(other->path, job->path) == 0)
			break;
	if (other)
		DL_REPLACE_ELEM(saver->jobs, other, job);
	else
		DL_APPEND(saver->jobs, job);
	pthread_cond_signal(&saver->asked);
	pthread_mutex_unlock(&saver->lock);
	if (other)
		job_free(other);
	else
		saver->n_asked++;
}

static int ask_for(struct saver *saver, const char *path, struct job job)
{
	struct job *new = malloc(sizeof(*new));

	job.path = strdup(path);
	if (!new || !job.path) {
		free(new);
		free(job.path);
		free(job.text);
		if (job.fd >= 0)
			close(job.fd);
		return -ENOMEM;
	}
	*new = job;
	ask(saver, new);
	return 0;
}

int saver_write(struct saver *saver, const char *path, char *take_text, mode_t mode)
{
	int r;

	if (!take_text)
		return -ENOMEM;
	if (!saver) {
		r = write_file(path, take_text, mode);
		free(take_text);
		return r;
	}
	return ask_for(saver, path, (struct job){.text = take_text, .mode = mode, .fd = -1});
}

int saver_sync(struct saver *saver, const char *path, int fd)
{
	int own;

	if (!saver)
		return sync_file(fd);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return own < 0 ? -errno : ask_for(saver, path, (struct job){.fd = own});
}

uint64_t saver_asked(const struct saver *saver)
{
	return saver->n_asked;
}

uint64_t saver_done(const struct saver *saver)
{
	return saver->n_told;
}
