/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The certificate of the TCP listener, by GnuTLS: read again when its files change, so that renewing it needs no restart. */
#ifndef SHUNT_API_TLS_H
#define SHUNT_API_TLS_H

#include <gnutls/abstract.h>

struct tls;

/* PEM files: the certificate with its chain, and its key. Logs what is wrong. 0 | -errno. */
int tls_open(const char *certificate_file, const char *key_file, struct tls **ret_tls);
void tls_close(struct tls *tls);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK, which takes no argument: of the one that was opened last. */
int tls_certificate(gnutls_session_t session, const gnutls_datum_t *requested, int n_requested, const gnutls_pk_algorithm_t *algorithms,
		    int n_algorithms, gnutls_pcert_st **ret_chain, unsigned int *ret_length, gnutls_privkey_t *ret_key);

#endif
