# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libFuzzer (libclang-rt-14-dev). FUZZ_SECONDS for each fuzzer; FUZZ_MUTATIONS for the loaded program.

FUZZ_SECONDS ?= 300
FUZZ_MUTATIONS ?= 10000000
FUZZERS := $(O)/tests/fuzz/parse_fuzzer $(O)/tests/fuzz/config_fuzzer
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-Wall -Wextra -Werror
FUZZ_CONFIG_SRC := $(wildcard user/base/*.c user/net/address.c user/maintenance/*.c user/config/*.c)

# Packets are read at any alignment, and the code of the data path has no line of its own to say so.
$(O)/tests/fuzz/parse_fuzzer: tests/fuzz/parse_fuzzer.c tests/lib/strict_parser.c tests/lib/strict_parser.h \
		$(wildcard bpf/*.h headers/shunt/*.h)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fno-sanitize=alignment -fno-strict-aliasing -Wno-unused-function \
		-Wno-unused-parameter -Iheaders -Ibpf -o $@ $(filter %.c,$^)

$(O)/tests/fuzz/config_fuzzer: tests/fuzz/config_fuzzer.c $(FUZZ_CONFIG_SRC) \
		$(wildcard user/config/*.h headers/shunt/*.h)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(CPPFLAGS_ALL) -o $@ $(filter %.c,$^) $(LIBS)

fuzzers: $(FUZZERS)

fuzz: $(FUZZERS) ## the parsers of packets and configurations against libFuzzer, FUZZ_SECONDS=300 each
	$(Q)O=$(O) tests/fuzz/run.sh parse $(FUZZ_SECONDS)
	$(Q)O=$(O) tests/fuzz/run.sh config $(FUZZ_SECONDS)

fuzz-short: $(FUZZERS)
	$(Q)O=$(O) tests/fuzz/run.sh parse 8
	$(Q)O=$(O) tests/fuzz/run.sh config 12

fuzz-packets: $(O)/tests/bpf/test_mutation ## FUZZ_MUTATIONS=10000000 mutated packets through the loaded program (root)
	$(Q)SHUNT_MUTATIONS=$(FUZZ_MUTATIONS) $<

.PHONY: fuzzers fuzz fuzz-short fuzz-packets

# The server, its routes and a client in one program: with SANITIZE=1 (O=build/asan, whose library is there after the unit tests).
HTTP_REQUESTS ?= 1000000
HTTP_FUZZER := $(O)/tests/fuzz/http_fuzzer
HTTP_FUZZER_OBJECTS := $(patsubst %,$(O)/obj/tests/fuzz/http_%.o,fuzzer client request body)

# Every route of the server's table: {"GET", "/api/v1/status"}, …
$(O)/tests/fuzz/http_routes.h: $(wildcard user/api/*.c)
	@mkdir -p $(@D)
	$(Q)sed -nE 's|.*[({](["][A-Z]+["], "/[^"]*").*|{\1},|p' $^ > $@

$(O)/obj/tests/fuzz/http_request.o: $(O)/tests/fuzz/http_routes.h
$(HTTP_FUZZER): $(HTTP_FUZZER_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

fuzz-http: $(HTTP_FUZZER) ## with O=build/asan SANITIZE=1: HTTP_REQUESTS=1000000 malformed HTTP requests and JSON bodies to the server
	$(Q)SHUNT_REQUESTS=$(HTTP_REQUESTS) $<

.PHONY: fuzz-http
