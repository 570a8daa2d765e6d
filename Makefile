# nightjar: build, test, install. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := build

LUA      ?= lua5.4
CC       ?= gcc
BUILD    ?= build
PKGS     := openblas sndfile libutf8proc sqlite3 samplerate
LUA_PC   := $(shell for p in lua5.4 lua-5.4 lua54; do pkg-config --exists $$p && echo $$p && break; done)

OPT      ?= -O2
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS_  := -std=c11 -D_GNU_SOURCE $(OPT) -g -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN) \
            $(if $(WERROR),-Werror) -Icsrc/nj $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(EXTRA_CFLAGS) $(CFLAGS)
LUA_CFLAGS := $(shell pkg-config --cflags $(LUA_PC) 2>/dev/null) -Icsrc/lua
LDFLAGS_ := -pthread $(EXTRA_LDFLAGS) $(LDFLAGS)
LIBS     := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm

# Kernels in kernels/isa/ are compiled once per instruction set; see csrc/nj/kernels/isa.h.
ISAS     := portable $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),avx2 avx512)
ISA_FLAGS_portable :=
ISA_FLAGS_avx2     := -mavx2 -mfma
ISA_FLAGS_avx512   := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512

NJ_SRC   := $(filter-out csrc/nj/kernels/isa/%,$(shell find csrc/nj -name '*.c' | sort))
ISA_SRC  := $(sort $(wildcard csrc/nj/kernels/isa/*.c))
LUA_SRC  := $(sort $(wildcard csrc/lua/*.c))
NJ_OBJ   := $(NJ_SRC:%.c=$(BUILD)/%.o) \
            $(foreach isa,$(ISAS),$(ISA_SRC:%.c=$(BUILD)/%.$(isa).o))
LUA_OBJ  := $(LUA_SRC:%.c=$(BUILD)/%.o)
CORE     := $(BUILD)/nightjar/core.so
CTEST_SRC := $(sort $(wildcard spec/c/*.c))
CTEST    := $(BUILD)/ctests

export LUA_PATH_5_4  := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(CURDIR)/?.lua;;
export LUA_CPATH_5_4 := $(CURDIR)/$(BUILD)/?.so;;

.PHONY: build
build: $(CORE)

$(CORE): $(LUA_OBJ) $(NJ_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS_) -o $@ $^ $(LIBS)

$(BUILD)/csrc/lua/%.o: csrc/lua/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

define ISA_RULE
$(BUILD)/csrc/nj/kernels/isa/%.$(1).o: csrc/nj/kernels/isa/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_) -O3 $$(ISA_FLAGS_$(1)) -ffp-contract=fast -DNJ_ISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call ISA_RULE,$(isa))))

$(BUILD)/csrc/nj/%.o: csrc/nj/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: spec
spec: build           ## the busted specs (SPEC=path for some)
	busted $(SPEC)

$(CTEST): $(CTEST_SRC) $(NJ_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) -Ispec/c $(LDFLAGS_) -o $@ $^ $(LIBS)

.PHONY: ctest
ctest: $(CTEST)       ## tests of what Lua cannot reach
	$(CTEST)

.PHONY: clean
clean:
	rm -rf $(BUILD)
