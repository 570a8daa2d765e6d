# nightjar: build, test, install. `make help` lists the targets.
#
# Useful variables: CC=clang, WERROR=1, OPT="-O3", BUILD=dir, PREFIX=dir, DESTDIR=dir,
# SPEC=spec/ops (which specs), DIR=~/sounds (what `make demo` searches), CFLAGS, LDFLAGS.
# No path here is absolute, so the directory's own name may hold spaces.
SHELL := /bin/bash
.DEFAULT_GOAL := build

ifeq ($(origin CC),default)
CC := gcc
endif
LUA      ?= lua5.4
BUILD    ?= build
OPT      ?= -O2
PKGS     := openblas sndfile libutf8proc sqlite3 soxr libzip zlib
LUA_PC   := $(firstword $(foreach p,lua5.4 lua-5.4 lua54,$(shell pkg-config --exists $p && echo $p)))

WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS_  := -std=c11 -D_GNU_SOURCE $(OPT) -g -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN) \
            $(if $(WERROR),-Werror) -Iinclude -Icsrc/nj $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(EXTRA_CFLAGS) $(CFLAGS)
LUA_CFLAGS := $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell pkg-config --cflags $(LUA_PC) 2>/dev/null)) -Icsrc/lua
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
ARCHIVE  := $(BUILD)/libnightjar.a
CTEST_SRC := $(sort $(wildcard spec/c/*.c))
CTEST_OBJ := $(CTEST_SRC:%.c=$(BUILD)/%.o)
CTEST    := $(BUILD)/ctests
EMBED    := $(BUILD)/embed
FAULTS   := $(BUILD)/njfault.so

PREFIX      ?= /usr/local
INST_LIBDIR ?= $(PREFIX)/lib/lua/5.4
INST_LUADIR ?= $(PREFIX)/share/lua/5.4
INST_BINDIR ?= $(PREFIX)/bin

# Versioned names: LUA_PATH itself would also reach the Lua 5.1 that busted's launcher may run on.
export LUA_PATH_5_4  := ./lua/?.lua;./lua/?/init.lua;./?.lua;;
export LUA_CPATH_5_4 := ./$(BUILD)/?.so;;
export NIGHTJAR_BUILD := $(BUILD)
BUSTED   := $(LUA) tools/busted.lua

.PHONY: build
build: $(CORE)        ## the Lua module, build/nightjar/core.so

# Relinks when a source file was added or removed, too.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(NJ_OBJ) $(LUA_OBJ) $(CTEST_OBJ) | cmp -s - $@ || \
	  printf '%s\n' $(NJ_OBJ) $(LUA_OBJ) $(CTEST_OBJ) > $@
.PHONY: FORCE
FORCE:

$(CORE): $(LUA_OBJ) $(NJ_OBJ) $(BUILD)/sources
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS_) -o $@ $(LUA_OBJ) $(NJ_OBJ) $(LIBS)

$(BUILD)/csrc/lua/%.o: csrc/lua/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

define ISA_RULE
$(BUILD)/csrc/nj/kernels/isa/%.$(1).o: csrc/nj/kernels/isa/%.c Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_) $(if $(KEEP_OPT),,-O3) $$(ISA_FLAGS_$(1)) -ffp-contract=fast -DNJ_ISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call ISA_RULE,$(isa))))

$(BUILD)/csrc/nj/%.o: csrc/nj/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) -MMD -MP -c -o $@ $<

$(BUILD)/spec/c/%.o: spec/c/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) -Ispec/c -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# The C library and the binding in one archive, for a host that links Lua and nightjar statically.
.PHONY: libnightjar.a
libnightjar.a: $(ARCHIVE) $(BUILD)/nightjar.pc ## the static library, build/libnightjar.a, and its nightjar.pc

$(ARCHIVE): $(LUA_OBJ) $(NJ_OBJ) $(BUILD)/sources
	rm -f $@
	$(AR) qcs $@ $(LUA_OBJ) $(NJ_OBJ)

# pkg-config's description of this tree (build/nightjar.pc) or of an installed one.
VERSION := $(shell sed -n 's/^.define NJ_VERSION "\(.*\)"/\1/p' include/nightjar.h)
PC_ROOT := $(shell realpath -m --relative-to="$(BUILD)" .)
define PC_FILE
prefix=$(1)
Name: nightjar
Description: Language-based audio retrieval for Lua 5.4
Version: $(VERSION)
Requires: $(PKGS) $(LUA_PC)
Cflags: $(2)
Libs: $(3) -pthread -lm
endef
export PC_BUILD := $(call PC_FILE,$${pcfiledir}/$(PC_ROOT),-I$${prefix}/include -I$${prefix}/csrc/lua,$${pcfiledir}/libnightjar.a)
export PC_INSTALL := $(call PC_FILE,$(PREFIX),-I$${prefix}/include/nightjar,-L$${prefix}/lib -lnightjar)

$(BUILD)/nightjar.pc: Makefile include/nightjar.h
	@mkdir -p $(@D)
	@printf '%s\n' "$$PC_BUILD" > $@

$(EMBED): $(wildcard examples/embed/*.c) $(ARCHIVE) $(BUILD)/nightjar.pc
	$(CC) -std=c11 $(OPT) -g $(WARN) $(if $(WERROR),-Werror) $(EXTRA_CFLAGS) $(LDFLAGS_) -o $@ examples/embed/*.c \
	  $$(PKG_CONFIG_PATH=$(BUILD) pkg-config --cflags --libs nightjar | sed 's/-l\(lua[-.0-9]*\)/-l:lib\1.a/') -ldl

.PHONY: embed
embed: $(EMBED)       ## build and run the C host of examples/embed
	$(EMBED) lua examples/embed/work.lua

# ---- what people run ----

.PHONY: deps
deps:                 ## install what is missing with apt (DEV=1: the tools of lint, valgrind, coverage as well)
	@tools/deps.sh $(if $(DEV),dev)

.PHONY: demo
demo:                 ## search sounds with words (DIR=~/sounds: your own)
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -s build
	@$(LUA) examples/demo.lua $(if $(DIR),"$(DIR)")

.PHONY: paper
paper: build          ## the experiments of the paper (ESC50=dir MN04=file; PAPER="--steps 400 …")
	$(LUA) examples/paper/all.lua --root "$(ESC50)" $(if $(MN04),--mn04 "$(MN04)") $(PAPER)

# ---- tests ----

.PHONY: test
test:                 ## everything a fresh machine needs, then C tests and specs
	@tools/deps.sh
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory ctest
	@$(MAKE) --no-print-directory spec

.PHONY: spec
spec: build $(FAULTS) ## the specs (SPEC=path: some of them)
	@BUSTED_ARGS="$(BUSTED_ARGS)" tools/specs.sh $(SPEC)

# SQLite on a file system that fails: only specs load it. It stays loaded, since SQLite keeps calling it.
$(FAULTS): spec/torture/faulty_vfs.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) $(LUA_CFLAGS) -shared -Wl,-z,nodelete $(LDFLAGS_) -o $@ $< $(shell pkg-config --libs sqlite3)

$(CTEST): $(CTEST_OBJ) $(NJ_OBJ) $(BUILD)/sources
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_) -o $@ $(CTEST_OBJ) $(NJ_OBJ) $(LIBS)

.PHONY: ctest
ctest: $(CTEST) $(FAULTS) ## tests of what Lua cannot reach
	$(CTEST)

.PHONY: lint
lint: build           ## luacheck, clang-format, clang-tidy, and the laws of the house that a machine can check
	@tools/lint.sh $(CORE)

.PHONY: format
format:               ## clang-format over the C sources (FILES=…: some of them)
	clang-format -i $(or $(FILES),$(shell git ls-files '*.c' '*.h'))

SAN_FLAGS := -fno-omit-frame-pointer -fno-sanitize-recover=all
.PHONY: asan
asan:                 ## C tests, host and specs under AddressSanitizer, UBSan and LeakSanitizer
	@tools/sanitize.sh $(SPEC)

.PHONY: tsan
tsan:                 ## C tests and the two-thread host under ThreadSanitizer
	$(MAKE) BUILD=build-tsan OPT=-O1 KEEP_OPT=1 EXTRA_CFLAGS="-fsanitize=thread $(SAN_FLAGS)" EXTRA_LDFLAGS=-fsanitize=thread \
	  build-tsan/ctests build-tsan/embed
	TSAN_OPTIONS="allocator_may_return_null=1 exitcode=66 suppressions=tools/tsan.supp" build-tsan/ctests
	TSAN_OPTIONS="allocator_may_return_null=1 exitcode=66 suppressions=tools/tsan.supp" build-tsan/embed lua examples/embed/work.lua

VALGRIND_SPEC ?= $(wildcard spec/base spec/tensor spec/lua spec/store)
.PHONY: valgrind
valgrind: build $(CTEST) ## C tests and a part of the specs under valgrind (VALGRIND_SPEC=path)
	OPENBLAS_NUM_THREADS=1 NIGHTJAR_ISA=avx2 valgrind --quiet --error-exitcode=9 --leak-check=full \
	  --errors-for-leak-kinds=definite --suppressions=tools/valgrind.supp $(CTEST)
	OPENBLAS_NUM_THREADS=1 NIGHTJAR_ISA=avx2 valgrind --quiet --error-exitcode=9 --leak-check=full \
	  --errors-for-leak-kinds=definite --suppressions=tools/valgrind.supp $(BUSTED) $(VALGRIND_SPEC)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz:                 ## libFuzzer targets for every reader of files (FUZZ_SECONDS=60 each, FUZZ=name: one)
	@tools/fuzz.sh $(FUZZ_SECONDS) $(FUZZ)

.PHONY: torture
torture: build $(FAULTS) ## the suites of spec/torture at full length, with figures (TORTURE=0.2: a fifth; docs/reliability.md)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/torture.sh $(or $(TORTURE),1)

.PHONY: gcstress
gcstress: build $(FAULTS) ## the specs while the collector never rests, and under the generational collector
	NIGHTJAR_GC=stress BUSTED_ARGS=--helper=spec/support/gcstress.lua tools/specs.sh $(SPEC)
	NIGHTJAR_GC=generational BUSTED_ARGS=--helper=spec/support/gcstress.lua tools/specs.sh $(SPEC)

ISA_SPEC ?= $(wildcard spec/kernels spec/ops spec/audio spec/encoders spec/hci)
.PHONY: isa
isa: build $(CTEST)   ## C tests and numeric specs on every instruction set that this CPU has
	@tools/every_isa.sh $(CTEST) $(ISA_SPEC)

.PHONY: coverage
coverage:             ## lines reached by the tests, in C and in Lua
	@tools/coverage.sh $(SPEC)

# The references are built for this very machine: they are to be hard to beat.
$(BUILD)/bench_reference.so: $(wildcard bench/reference*.c) bench/reference.h Makefile
	@mkdir -p $(@D)
	$(CC) $(filter-out -O2,$(CFLAGS_)) $(LUA_CFLAGS) -O3 -march=native -fno-math-errno -shared -o $@ $(filter %.c,$^) $(LIBS)

.PHONY: bench
bench: build $(BUILD)/bench_reference.so ## time against references (BENCH=name: some of it)
	$(LUA) bench/run.lua $(BENCH)

# libsoxr beside libsamplerate (which nothing else needs): the figures of docs/audio.md.
.PHONY: bench-resample
bench-resample:       ## compare resampling libraries (needs libsamplerate0-dev)
	@mkdir -p $(BUILD)
	$(CC) -std=c11 -O2 -o $(BUILD)/bench_resample bench/resample.c $$(pkg-config --cflags --libs soxr samplerate) -lm
	$(BUILD)/bench_resample

.PHONY: stubs
stubs: build          ## types of options in types/, from the tables by which they are read
	$(LUA) tools/stub_options.lua $(wildcard types/*.lua)

.PHONY: docs
docs:                 ## docs/reference from types/nightjar.lua
	$(LUA) docs/generate.lua

# ---- installing ----

# A folder as seen from the program's, so that the installed tree can be moved as a whole.
FROM_BIN = $(shell realpath -m --relative-to="$(INST_BINDIR)" "$(1)")

# What a Lua program needs; also LuaRocks' install target.
.PHONY: install-lua
install-lua: build
	install -d "$(DESTDIR)$(INST_LIBDIR)/nightjar" "$(DESTDIR)$(INST_LUADIR)" "$(DESTDIR)$(INST_BINDIR)"
	install -m 755 $(CORE) "$(DESTDIR)$(INST_LIBDIR)/nightjar/core.so"
	(cd lua && find nightjar -name '*.lua') | while read -r file; do \
	  install -D -m 644 "lua/$$file" "$(DESTDIR)$(INST_LUADIR)/$$file" || exit 1; done
	if [ -d models ]; then find models -type f | while read -r file; do \
	  install -D -m 644 "$$file" "$(DESTDIR)$(INST_LUADIR)/nightjar/$$file" || exit 1; done; fi
	sed 's|{ "[^"]*", "[^"]*" }, -- installed|{ "$(call FROM_BIN,$(INST_LUADIR))", "$(call FROM_BIN,$(INST_LIBDIR))" },|' \
	  bin/nightjar > $(BUILD)/nightjar.program
	install -m 755 $(BUILD)/nightjar.program "$(DESTDIR)$(INST_BINDIR)/nightjar"

.PHONY: install
install: install-lua $(ARCHIVE) ## the module, the program, the static library, headers, editor stubs
	install -d "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(DESTDIR)$(PREFIX)/share/nightjar/types"
	install -m 644 $(ARCHIVE) "$(DESTDIR)$(PREFIX)/lib/"
	install -d "$(DESTDIR)$(PREFIX)/include/nightjar"
	install -m 644 include/nightjar.h csrc/lua/nightjar_lua.h "$(DESTDIR)$(PREFIX)/include/nightjar/"
	install -m 644 types/nightjar.lua "$(DESTDIR)$(PREFIX)/share/nightjar/types/"
	printf '%s\n' "$$PC_INSTALL" > "$(DESTDIR)$(PREFIX)/lib/pkgconfig/nightjar.pc"

.PHONY: uninstall
uninstall:            ## remove what install put under PREFIX
	rm -rf "$(DESTDIR)$(INST_LIBDIR)/nightjar" "$(DESTDIR)$(INST_LUADIR)/nightjar" "$(DESTDIR)$(PREFIX)/include/nightjar" \
	  "$(DESTDIR)$(PREFIX)/share/nightjar" "$(DESTDIR)$(PREFIX)/lib/libnightjar.a" "$(DESTDIR)$(PREFIX)/lib/pkgconfig/nightjar.pc"
	for file in $(notdir $(wildcard bin/*)); do rm -f "$(DESTDIR)$(INST_BINDIR)/$$file"; done

.PHONY: dist
dist:                 ## what is committed as nightjar-VERSION.tar.gz (the version stands in include/nightjar.h)
	git archive --format=tar.gz --prefix=nightjar-$(VERSION)/ -o nightjar-$(VERSION).tar.gz HEAD
	@echo nightjar-$(VERSION).tar.gz

.PHONY: strip
strip: build          ## take debugging symbols out of the built module; prints its size
	strip --strip-unneeded $(CORE)
	@stat -c '$(CORE): %s bytes' $(CORE)

.PHONY: clean
clean:                ## remove everything that was built
	rm -rf build build-*/ lua_modules/bin lua_modules/lib lua_modules/share

.PHONY: help
help:                 ## this list
	@sed -n 's/^\([a-z][a-z.-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | sort | expand -t 16
