# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make help` lists the targets. V=1 shows commands, O=DIR builds elsewhere, CC=clang and SANITIZE=1 work everywhere.

O ?= build
# However it is named: dependencies know objects by one name.
override O := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PREFIX ?= /usr
UNIT_DIR ?= /lib/systemd/system
VERSION := $(shell cat VERSION)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

, := ,
PACKAGES := libbpf libxdp libsystemd libcurl libmicrohttpd gnutls yaml-0.1 jansson libmnl libcares
WARNINGS := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wpointer-arith
CFLAGS ?= -O2 -g
CPPFLAGS_ALL := -D_GNU_SOURCE -Iuser -Iheaders -I$(O) $(shell pkg-config --cflags $(PACKAGES))
CFLAGS_ALL := -std=gnu11 $(WARNINGS) $(CFLAGS) $(if $(SANITIZE),-fsanitize=address$(,)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
LIBS := $(shell pkg-config --libs $(PACKAGES)) -lm -pthread
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -fno-strict-aliasing -Wall -Wextra -Werror -Wno-unused-parameter -Iheaders -Ibpf \
	-I/usr/include/$(shell $(CC) -print-multiarch)

# ---- what is built of what ----
LIB_DIRS := base net loop config maglev slots health failover maintenance state probe hooks datapath api doctor
LIB_SRC := $(foreach d,$(LIB_DIRS),$(wildcard user/$(d)/*.c))
SHUNTD_SRC := $(wildcard user/shuntd/*.c)
CLI_SRC := $(wildcard user/shunt/*.c)
DECAP_SRC := $(wildcard user/shunt-decap/*.c)
REFERENCE_SRC := $(wildcard user/reference/*.c)
# The manual pages are written from the tables of the programs, which name their functions.
TABLES_SRC := $(filter-out %/main.c,$(CLI_SRC) $(DECAP_SRC)) user/shuntd/options.c
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SRC:bpf/%.bpf.c=$(O)/%.skel.h)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(UNIT_SRC:tests/unit/%.c=$(O)/tests/unit/%)
PROGRAMS := $(O)/shuntd $(O)/shunt $(O)/shunt-decap
REFERENCE := $(O)/reference

objects = $(patsubst %.c,$(O)/obj/%.o,$(1))
LIBRARY := $(O)/libshunt.a

all: $(PROGRAMS) compile_commands.json ## build everything (default)

$(O)/shuntd: $(call objects,$(SHUNTD_SRC)) $(LIBRARY)
$(O)/shunt: $(call objects,$(CLI_SRC)) $(LIBRARY)
$(O)/shunt-decap: $(call objects,$(DECAP_SRC)) $(LIBRARY)
$(REFERENCE): $(call objects,$(REFERENCE_SRC) $(TABLES_SRC)) $(LIBRARY)
$(O)/shunt $(REFERENCE): LIBS += $(shell pkg-config --libs ncursesw)
$(PROGRAMS) $(REFERENCE):
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(call objects,$(LIB_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(O)/obj/%.o: %.c $(O)/flags | $(SKELETONS) $(O)/page_made.h $(O)/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(O)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(O)/$*.bpf.d -c -o $@ $<

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@.tmp && mv $@.tmp $@

# The status page: one file, and that file as a string of C.
$(O)/page_made.h: scripts/page.sh $(wildcard user/api/page/*)
	@mkdir -p $(@D)
	$(call say,PAGE,$@)
	$(Q)scripts/page.sh user/api/page $(O)/page.html $@

$(O)/version.h: VERSION
	@mkdir -p $(@D)
	$(Q)echo '#define SHUNT_VERSION "$(VERSION)"' > $@

# A change of compiler or flags rebuilds.
$(O)/flags: FORCE
	@mkdir -p $(O)
	@echo '$(CC) $(CFLAGS_ALL) $(CPPFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(CPPFLAGS_ALL)' > $@

compile_commands.json: $(O)/flags $(LIB_SRC) $(SHUNTD_SRC) $(CLI_SRC) $(DECAP_SRC) $(REFERENCE_SRC) $(UNIT_SRC)
	$(Q)scripts/compile-commands.sh '$(CC) $(CPPFLAGS_ALL) $(filter-out -Werror,$(CFLAGS_ALL))' $(filter %.c,$^) > $@

# ---- tests ----
$(O)/tests/unit/%: $(O)/obj/tests/unit/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

unit-tests: $(UNIT_TESTS) $(PROGRAMS) $(REFERENCE)
	$(Q)for t in $(UNIT_TESTS); do $$t || exit 1; done

-include tests/tests.mk

check: unit-tests ## unit tests

# ---- the reference, from the tables in the code ----
REFERENCE_PAGES := configuration.md drop-reasons.md metrics.md events.md exit-status.md api.md

reference: $(REFERENCE) ## docs/reference/ anew, after a change of keys, drop reasons, metrics …
	$(Q)for page in $(REFERENCE_PAGES); do $(REFERENCE) $$page > docs/reference/$$page || exit 1; done

# ---- manual pages, from the tables in the code ----
MAN_PAGES := $(addprefix $(O)/man/,shunt.1 shunt.yaml.5 shuntd.8 shunt-decap.8)

$(MAN_PAGES): $(O)/man/%: $(REFERENCE)
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(REFERENCE) $* | scdoc > $@.tmp && mv $@.tmp $@

man: $(MAN_PAGES) ## manual pages

install: all man ## install under DESTDIR and PREFIX
	install -D -m 755 $(O)/shuntd $(DESTDIR)$(PREFIX)/sbin/shuntd
	install -D -m 755 $(O)/shunt $(DESTDIR)$(PREFIX)/bin/shunt
	install -D -m 755 $(O)/shunt-decap $(DESTDIR)$(PREFIX)/sbin/shunt-decap
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(O)/man/shunt.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 $(O)/man/shunt.yaml.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(O)/man/shuntd.8 $(O)/man/shunt-decap.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/shunt $(BPF_SRC:bpf/%.bpf.c=$(O)/%.bpf.o)
	install -D -m 644 contrib/completion/shunt.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shunt
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions contrib/completion/_shunt
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d contrib/completion/shunt.fish
	install -D -m 644 contrib/systemd/shuntd.service $(DESTDIR)$(UNIT_DIR)/shuntd.service
	install -D -m 644 contrib/systemd/shunt.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/shunt.conf
	install -D -m 644 contrib/systemd/shunt.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/shunt.conf
	install -D -m 644 contrib/prometheus/alerts.yml $(DESTDIR)$(PREFIX)/share/shunt/prometheus/alerts.yml
	install -D -m 644 contrib/grafana/shunt.json $(DESTDIR)$(PREFIX)/share/shunt/grafana/shunt.json
	install -D -m 644 contrib/examples/shunt.yaml $(DESTDIR)$(PREFIX)/share/doc/shunt/examples/shunt.yaml

clean: ## remove what was built
	rm -rf $(O) compile_commands.json

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile $(wildcard tests/tests.mk) | sort | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

FORCE:
.PHONY: all man reference check unit-tests install clean help FORCE
.SECONDARY:

-include $(shell find $(O) -path $(O)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
