/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * At each handshake both files are looked at. A new pair that cannot be used leaves the old one in force, and is logged once. The old pair
 * stays in memory while handshakes may use it, which is until the next change.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/tls.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_MAX (256 << 10)
#define CHAIN_MAX 16

struct pair {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned int length;       /* of the chain; 0: there is none */
	gnutls_privkey_t key;
};

/* What tells that a file is another one than before. */
struct version {
	struct timespec changed;
	ino_t inode;
};

struct tls {
	char *certificate_file, *key_file;
	struct version certificate_version, key_version;
	struct pair now, before;
};

static struct tls *opened_last;

static void pair_clear(struct pair *pair)
{
	for (unsigned int i = 0; i < pair->length; i++)
		gnutls_pcert_deinit(&pair->chain[i]);
	if (pair->key)
		gnutls_privkey_deinit(pair->key);
	*pair = (struct pair){0};
}

static bool is_version(const char *path, struct version *version)
{
	struct stat status;
	struct version now;

	if (stat(path, &status) < 0)
		return true; /* gone for a moment: what was read goes on */
	now = (struct version){status.st_mtim, status.st_ino};
	if (now.inode == version->inode && now.changed.tv_sec == version->changed.tv_sec &&
	    now.changed.tv_nsec == version->changed.tv_nsec)
		return true;
	*version = now;
	return false;
}

static int read_chain(const char *path, struct pair *pair)
{
	_cleanup_(freep) char *text = NULL;
	unsigned int length = CHAIN_MAX;
	size_t size;
	int r = file_read(path, FILE_MAX, &text, &size);

	if (r < 0) {
		log_error("api: certificate_file %s: %s", path, strerror(-r));
		return r;
	}
	r = gnutls_pcert_list_import_x509_raw(pair->chain, &length, &(gnutls_datum_t){(unsigned char *)text, (unsigned int)size},
					      GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (r < 0 || !length) {
		log_error("api: certificate_file %s: no certificates in PEM, the server's first: %s", path, gnutls_strerror(r));
		return -EINVAL;
	}
	pair->length = length;
	return 0;
}

static int read_key(const char *path, struct pair *pair)
{
	_cleanup_(freep) char *text = NULL;
	size_t size;
	int r = file_read(path, FILE_MAX, &text, &size);

	if (r < 0) {
		log_error("api: key_file %s: %s", path, strerror(-r));
		return r;
	}
	r = gnutls_privkey_init(&pair->key);
	if (r == 0)
		r = gnutls_privkey_import_x509_raw(pair->key, &(gnutls_datum_t){(unsigned char *)text, (unsigned int)size},
						   GNUTLS_X509_FMT_PEM, NULL, 0);
	explicit_bzero(text, size);
	if (r < 0)
		log_error("api: key_file %s: no private key in PEM without a passphrase: %s", path, gnutls_strerror(r));
	return r < 0 ? -EINVAL : 0;
}

/* Whether the key is that of the certificate: by the identifiers of their public keys. */
static bool belong_together(const struct pair *pair)
{
	unsigned char of_certificate[64], of_key[64];
	size_t length = sizeof(of_certificate), key_length = sizeof(of_key);
	gnutls_pubkey_t public;
	bool same;

	if (gnutls_pubkey_init(&public) < 0)
		return false;
	same = gnutls_pubkey_import_privkey(public, pair->key, 0, 0) == 0 &&
	       gnutls_pubkey_get_key_id(public, 0, of_key, &key_length) == 0 &&
	       gnutls_pubkey_get_key_id(pair->chain[0].pubkey, 0, of_certificate, &length) == 0 && length == key_length &&
	       memcmp(of_key, of_certificate, length) == 0;
	gnutls_pubkey_deinit(public);
	return same;
}

static int load(struct tls *tls)
{
	struct pair pair = {0};
	int r = read_chain(tls->certificate_file, &pair);

	if (r == 0)
		r = read_key(tls->key_file, &pair);
	if (r == 0 && !belong_together(&pair)) {
		log_error("api: key_file %s is not the key of certificate_file %s", tls->key_file, tls->certificate_file);
		r = -EINVAL;
	}
	if (r < 0) {
		pair_clear(&pair);
		return r;
	}
	pair_clear(&tls->before);
	tls->before = tls->now;
	tls->now = pair;
	return 0;
}

static bool has_changed(struct tls *tls)
{
	bool same = is_version(tls->certificate_file, &tls->certificate_version);

	return !is_version(tls->key_file, &tls->key_version) || !same;
}

int tls_certificate(gnutls_session_t session, const gnutls_datum_t *requested, int n_requested, const gnutls_pk_algorithm_t *algorithms,
		    int n_algorithms, gnutls_pcert_st **ret_chain, unsigned int *ret_length, gnutls_privkey_t *ret_key)
{
	struct tls *tls = opened_last;

	(void)session, (void)requested, (void)n_requested, (void)algorithms, (void)n_algorithms;
	if (has_changed(tls) && load(tls) == 0)
		log_info("api: certificate_file %s read again", tls->certificate_file);
	*ret_chain = tls->now.chain;
	*ret_length = tls->now.length;
	*ret_key = tls->now.key;
	return 0;
}

int tls_open(const char *certificate_file, const char *key_file, struct tls **ret_tls)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r = -ENOMEM;

	if (!tls)
		return r;
	tls->certificate_file = strdup(certificate_file);
	tls->key_file = strdup(key_file);
	if (tls->certificate_file && tls->key_file) {
		has_changed(tls);
		r = load(tls);
	}
	if (r < 0) {
		tls_close(tls);
		return r;
	}
	opened_last = tls;
	*ret_tls = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	if (opened_last == tls)
		opened_last = NULL;
	pair_clear(&tls->now);
	pair_clear(&tls->before);
	free(tls->certificate_file);
	free(tls->key_file);
	free(tls);
}
