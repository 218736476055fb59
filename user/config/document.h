/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: text → YAML document. */
#ifndef SHUNT_CONFIG_DOCUMENT_H
#define SHUNT_CONFIG_DOCUMENT_H

#include <yaml.h>

#include "config/report.h"

/* True with a document that has a root, to be given to yaml_document_delete(); false after an error was reported. */
bool document_load(const char *text, size_t length, yaml_document_t *ret_document, struct report *report);

#endif
