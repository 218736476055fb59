# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Included by the Makefile: what tests need beyond the unit tests, and the targets around them.

BPF_TEST_SRC := $(wildcard tests/bpf/test_*.c)
BPF_TESTS := $(BPF_TEST_SRC:%.c=$(O)/%)
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
BENCH := $(O)/tests/bench/bench
TEST_LIB_SRC := $(filter-out %.bpf.c,$(wildcard tests/lib/*.c))
TEST_BPF_OBJECTS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/lib/*.bpf.c tests/bench/*.bpf.c))
TOOL_SRC := $(wildcard tests/tools/*.c)
TOOLS := $(TOOL_SRC:%.c=$(O)/%) $(O)/tests/tools/flows
PRELOADS := $(patsubst tests/tools/preload/%.c,$(O)/tests/tools/%.so,$(wildcard tests/tools/preload/*.c))
SYSTEM_TESTS := $(wildcard tests/system/*.sh)

$(BPF_TESTS): $(O)/%: $(O)/obj/%.o
$(BENCH): $(call objects,$(BENCH_SRC))
$(BPF_TESTS) $(BENCH): $(call objects,$(TEST_LIB_SRC)) $(LIBRARY) | $(TEST_BPF_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LIBS) -lcmocka

$(O)/tests/%.bpf.o: tests/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

# Its clock runs ahead by what the test says.
$(O)/tests/unit/test_patience: private LDFLAGS += -Wl,--wrap=clock_monotonic_ms

# It counts comparisons of tokens.
$(O)/tests/unit/test_api: private LDFLAGS += -Wl,--wrap=gnutls_memcmp

# What it prints is the command's.
$(O)/tests/unit/test_doctor: $(call objects,user/shunt/doctor_print.c user/shunt/text.c)
$(O)/tests/unit/test_indent: $(call objects,user/shunt/indent.c)

# The tools that make and watch traffic take only user/base, so that they build and run before everything else does.
TOOL_BASE := $(call objects,$(wildcard user/base/*.c))
$(O)/tests/tools/flows: $(call objects,$(wildcard tests/tools/flows/*.c)) $(TOOL_BASE)
$(TOOL_SRC:%.c=$(O)/%): $(O)/%: $(O)/obj/%.o $(TOOL_BASE)
$(TOOLS):
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ -lbpf

$(PRELOADS): $(O)/tests/tools/%.so: tests/tools/preload/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) -fPIC -shared -o $@ $<

programs: $(PROGRAMS)

unit-programs: $(UNIT_TESTS) $(PROGRAMS) $(REFERENCE)

test-tools: $(TOOLS) $(PRELOADS) $(TEST_BPF_OBJECTS)

test-programs: $(UNIT_TESTS) $(REFERENCE) $(BPF_TESTS) $(BENCH) test-tools ## build all that the tests run

check-bpf: $(BPF_TESTS) ## packet tables against the loaded program (root)
	$(Q)failed=; for t in $(BPF_TESTS); do $$t || failed=1; done; [ -z "$$failed" ]

check-system: all test-tools ## whole systems in network namespaces (root); one suite: SUITES=tests/system/forwarding.sh
	$(Q)failed=; for t in $(or $(SUITES),$(SYSTEM_TESTS)); do SHUNT_BUILD=$(abspath $(O)) $$t || failed=1; done; \
		[ -z "$$failed" ]

screenshots: all test-tools ## docs/images/ anew, as the suite of the status page leaves them (root)
	$(Q)SHUNT_BUILD=$(abspath $(O)) tests/system/page.sh 'shows services'
	$(Q)install -D -m 644 -t docs/images $(addprefix $(O)/screenshots/,page.png status.png top.png)

bench: all $(BENCH) test-tools ## measurements in full: ns a packet, failover in 20 runs, connections a second (root)
	$(Q)$(BENCH)
	$(Q)SHUNT_BUILD=$(abspath $(O)) SHUNT_FAILOVER_RUNS=20 tests/system/failover.sh 'a killed server'
	$(Q)$(MAKE) faults
	$(Q)SHUNT_BUILD=$(abspath $(O)) SHUNT_AB_ROUNDS=9 tests/system/throughput.sh

faults: all test-tools ## how long each fault takes to show and to be over, 20 runs each (root)
	$(Q)SHUNT_BUILD=$(abspath $(O)) SHUNT_RUNS=20 tests/system/faults.sh

bench-short: $(BENCH) ## ns a packet in seconds, and that it does not grow with the number of flows (root)
	$(Q)SHUNT_BENCH_SHORT=1 $(BENCH)

vmtest: all $(BPF_TESTS) test-tools ## the program on other kernels, in QEMU; all of it takes 20 minutes (root)
	$(Q)SHUNT_BUILD=$(abspath $(O)) vmtest/run.sh

lint: compile_commands.json ## clang-tidy (LINT_STEPS=225000: deeper), cppcheck, shellcheck, SPDX lines, dependency rule
	$(Q)O=$(O) scripts/lint.sh

format: ## formats the C files named in FILES (default: those changed since the last commit)
	$(Q)scripts/format.sh $(FILES)

.PHONY: programs unit-programs test-tools test-programs check-bpf check-system bench faults bench-short screenshots vmtest lint format

include tests/fuzz/fuzz.mk
