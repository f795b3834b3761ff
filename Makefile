# libdualprop - see README.md. `make demo` and `make check` are the two commands; `make help` lists the rest.
#
# Options: CC, OPTIMIZE (-O3), CFLAGS and LDFLAGS (yours, added last), BLIS=no, ZIP=no and NVCC=no (without these),
# SANITIZE=address,..., BUILD (build) and LIB (lib) for a second build beside the first, DESTDIR, PREFIX, BINDIR,
# LIBDIR, INCLUDEDIR for installing.
# Objects are rebuilt when the compiler or its flags change.

BUILD ?= build
LIB ?= lib
# `make install` takes the options of the last build.
ifneq ($(filter install%,$(MAKECMDGOALS)),)
-include $(BUILD)/options.mk
endif
OPTIMIZE ?= -O3
BLIS ?= yes
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ifeq ($(origin CC),default)
CC := gcc
endif

# The binutils that belong to the compiler, a cross compiler say.
ifeq ($(origin AR),default)
AR := $(shell $(CC) -print-prog-name=ar 2>/dev/null || echo ar)
endif
NM ?= $(shell $(CC) -print-prog-name=nm 2>/dev/null || echo nm)
OBJCOPY ?= $(shell $(CC) -print-prog-name=objcopy 2>/dev/null || echo objcopy)

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
part = $(shell sed -n 's/^\#define DUALPROP_VERSION_$(1) //p' include/dualprop/version.h)
VERSION := $(call part,MAJOR).$(call part,MINOR).$(call part,PATCH)
SONAME := libdualprop.so.0

# ---- Flags ----

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wframe-larger-than=4096
# Floats are computed as floats: the first floating-point unit of 32-bit x86 knows its own width only, and gcc in its
# strict mode takes doubles for them on s390x.
NUMERICS := -fno-math-errno -fno-trapping-math -ffp-contract=off $(if $(filter i386-% i486-% i586-% \
    i686-%,$(MACHINE)),-msse2 -mfpmath=sse,$(if $(filter s390x-%,$(MACHINE)),-fexcess-precision=fast))
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer \
                -Wno-frame-larger-than)
# Where a fault of ours is used against its host, the process ends rather than being taken over. The sanitizers see
# more,
# and do not go together with the checked functions of the C library, which need an optimiser too.
HARDENING = -fstack-protector-strong $(if $(filter x86_64% amd64% i386-% i486-% i586-% \
    i686-%,$(MACHINE)),-fcf-protection) \
            $(if $(SANITIZE)$(filter -O0,$(OPTIMIZE) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDENED_PROGRAM := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
# Two folders give the same bytes: no name of the folder that was built in gets into an object.
FOLDERLESS := '-ffile-prefix-map=$(CURDIR)=.'
FLAGS = -std=c11 -D_GNU_SOURCE $(OPTIMIZE) -g $(FOLDERLESS) -fPIC -fvisibility=hidden $(HARDENING) $(NUMERICS) \
    $(WARNINGS) -Iinclude -Isrc -MMD -MP \
        $(if $(filter no,$(BLIS)),-DDUALPROP_NO_BLIS) $(SANITIZERS) $(CFLAGS) \
        $(if $(findstring -flto,$(CFLAGS)),-fno-lto) # the archive is one object, whose names objcopy has to see
# gcc clears and copies records of more than 128 bytes by string instructions, whose start takes as long as a tiny
# layer's product: in the library it is told to use moves.
comma := ,
RECORDS := $(foreach call,memset memcpy,-m$(call)-strategy=vector_loop:256:noalign$(comma)libcall:-1:noalign)
RECORDS := $(if $(filter x86_64% amd64%,$(MACHINE)),$(shell $(CC) $(RECORDS) -fsyntax-only -x c /dev/null \
    >/dev/null 2>&1 && echo $(RECORDS)))
SYSTEM_LIBRARIES := -lm -lpthread -ldl
# Of the programs, which read data sets and write logs.
ZIP ?= yes
FILE_LIBRARIES := -ljansson -lz -lmd $(if $(filter no,$(ZIP)),,-lzip)
WITHOUT := programs/common/zip_archive$(if $(filter no,$(ZIP)),,_none).c
CHECK_LIBRARIES = $(shell pkg-config --libs check 2>/dev/null || echo -lcheck -lsubunit -lrt)

include src/cuda/toolkit.mk

# ---- The library ----

SOURCES := $(sort $(wildcard src/core/*/*.c src/cpu/*/*.c))
ifeq ($(filter x86_64% amd64%,$(MACHINE)),)
SOURCES := $(filter-out %_avx2.c %_avx512.c,$(SOURCES))
endif
ifeq ($(BLIS),no)
SOURCES := $(filter-out src/cpu/blis/%,$(SOURCES))
else
BLIS_FOLDER ?= /usr/lib/$(patsubst %-pc-linux-gnu,%-linux-gnu,$(MACHINE))/blis-serial
BLIS_INCLUDE ?= /usr/include/$(patsubst %-pc-linux-gnu,%-linux-gnu,$(MACHINE))/blis-serial
BLIS_LIBRARY ?= $(BLIS_FOLDER)/libblis.a
BLIS_VERSION ?= $(shell dpkg-query -W -f='$${Version} serial' libblis-serial-dev 2>/dev/null)
endif
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)

all: $(LIB)/libdualprop.so $(LIB)/libdualprop.a $(LIB)/libdualprop-testing.a $(CUDA_MODULE)
	@echo "$(CUDA_SAYS)"

# The loops over arrays are written for a compiler that makes vectors of them, which gcc's -O2 does not.
$(BUILD)/src/cpu/%_baseline.o $(BUILD)/src/cpu/%_avx2.o $(BUILD)/src/cpu/%_avx512.o: \
    VECTORIZE = $(if $(filter -O2,$(OPTIMIZE) $(CFLAGS)),-O3)
$(BUILD)/src/cpu/%_avx2.o: SIMD := -mavx2 -mfma
$(BUILD)/src/cpu/%_avx512.o: SIMD := -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
# Only the loops over arrays may compare what the program would not have compared: in a host that traps invalid
# operations (feenableexcept) a NaN that stands for "no number" must not raise one.
# Its code runs once per layer or less: it is 66 KB smaller by -O2 than by -O3, and by -Os in what no step enters.
core_by = -ftrapping-math $(if $(filter -O3,$(lastword $(filter -O%,$(OPTIMIZE) $(CFLAGS)))),$(1)) $(CORE_FLAGS)
$(BUILD)/src/core/%.o: SIMD = $(call core_by,-O2)
$(BUILD)/src/core/checkpoint/%.o $(BUILD)/src/core/rule/%.o $(patsubst %,$(BUILD)/src/core/%.o,backend/options \
    backend/registry backend/custom_parts group/group_network group/group_word network/network_add \
    network/network_copy platform/file): SIMD = $(call core_by,-Os)
# These loop over arrays of the caller's, numbers that are drawn, or bytes of files; and a step of a tiny network takes
# 20 ns longer by -O2 of what is in learning/.
$(patsubst %,$(BUILD)/src/core/%.o,base/draw base/reals base/view checkpoint/crc32 inference/custom_activation \
    inference/extended_update inference/own_loss state/batch learning/optimizer learning/step learning/train_step \
    learning/gradient): SIMD = $(call core_by)
SAYS_VERSION = $(if $(BLIS_VERSION),-DDUALPROP_BLIS_VERSION='"$(BLIS_VERSION)"')
$(BUILD)/src/core/base/version.o: INCLUDES = $(SAYS_VERSION)
$(BUILD)/src/core/platform/posix_stale.o: \
    INCLUDES = $(if $(filter memory,$(SANITIZE)),-fsanitize-ignorelist=tests/msan.txt)
$(BUILD)/src/cpu/blis/%.o: INCLUDES = -isystem $(BLIS_INCLUDE) $(SAYS_VERSION)

$(BUILD)/src/core/%.o $(BUILD)/src/cpu/%.o: MOVES = $(RECORDS)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(MOVES) $(VECTORIZE) $(SIMD) $(INCLUDES) -c $< -o $@

# A file that changes exactly when the compiler or the flags do.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(FLAGS) $(BLIS_INCLUDE)' | cmp -s - $@ || echo '$(CC) $(FLAGS) $(BLIS_INCLUDE)' >$@
# What the caller chose, for a later `make install`, which may run as root without the same environment.
ifeq ($(filter install%,$(MAKECMDGOALS)),)
define newline


endef
hash := \#
remember = $(if $(filter environment command,$(firstword $(origin $(1)))),$(file \
    >>$(BUILD)/options.mk,ifneq ($$(filter \
    default undefined,$$(origin $(1))),)$(newline)$(1) := $(subst $(hash),\$(hash),$(subst \
    $$,$$$$,$($(1))))$(newline)endif))
all: $(BUILD)/options.mk
$(BUILD)/options.mk: FORCE
	$(shell mkdir -p $(@D))$(file >$@,)$(foreach name,CC AR OBJCOPY OPTIMIZE CFLAGS LDFLAGS BLIS ZIP NVCC \
	    CUDA_ARCHS,$(call remember,$(name)))
endif

$(LIB)/$(SONAME): $(OBJECTS) $(BLIS_LIBRARY) src/libdualprop.map
	@mkdir -p $(@D)
	$(CC) -shared -o $@ $(SANITIZERS) $(OBJECTS) $(BLIS_LIBRARY) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=src/libdualprop.map -Wl,-Bsymbolic-functions -Wl,--exclude-libs,ALL -Wl,-z,nodelete \
	    -Wl,-z,relro -Wl,-z,now \
	    $(if $(SANITIZE),,-Wl,-z,defs) $(LDFLAGS) $(SYSTEM_LIBRARIES)

$(LIB)/libdualprop.so: $(LIB)/$(SONAME)
	ln -sf $(SONAME) $@

# One object with BLIS's parts in it, in which every name but the public ones is made local, and those that all
# objects of
# 32-bit x86 share, of which the linker keeps one. The public ones are hidden
# from what the object is not linked into: a plugin with the library in it uses its own copy, and not its host's. (Who
# declares a name hidden hides it in all that is linked with him.) EXPORT=yes leaves them visible.
EXPORT ?= no
$(BUILD)/hidden.s: $(OBJECTS)
	$(NM) -g --defined-only $(OBJECTS) | sed -n 's/.* [A-Z] \(dualprop_[a-z][a-z0-9_]*\)$$/\t.globl \1\n\t.hidden \1/p' >$@
	echo '	.section .note.GNU-stack,"",%progbits' >>$@
$(LIB)/libdualprop.a: $(OBJECTS) $(BLIS_LIBRARY) $(if $(filter yes,$(EXPORT)),,$(BUILD)/hidden.s)
	@mkdir -p $(@D)
	$(CC) -nostdlib -r -o $(BUILD)/dualprop.o $^
	$(OBJCOPY) --wildcard --keep-global-symbol='dualprop_[a-z]*' \
	    --keep-global-symbol='__x86.get_pc_thunk.*' $(BUILD)/dualprop.o
	rm -f $@ && $(AR) rcs $@ $(BUILD)/dualprop.o

# Tests for backends of users (dualprop/testing.h), on the public interface alone.
$(LIB)/libdualprop-testing.a: $(BUILD)/src/testing/testing.o
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

include src/cuda/module.mk

# ---- Programs: programs/NAME.c with programs/common, and examples/NAME.c, each on the static library alone ----

PROGRAMS := $(patsubst programs/%.c,$(BUILD)/programs/%,$(wildcard programs/*.c))
COMMON := $(BUILD)/programs/common.a
programs: $(PROGRAMS)
$(BUILD)/programs/%.o: INCLUDES = -Iprograms
$(COMMON): $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(WITHOUT),$(sort $(wildcard programs/common/*.c))))
	rm -f $@ && $(AR) rcs $@ $^
$(PROGRAMS): $(BUILD)/programs/%: $(BUILD)/programs/%.o $(COMMON) $(LIB)/libdualprop.a
	$(CC) -o $@ $(HARDENED_PROGRAM) $(SANITIZERS) $(LDFLAGS) $< $(COMMON) $(LIB)/libdualprop.a $(SYSTEM_LIBRARIES) \
	    $(FILE_LIBRARIES)

EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
examples: $(EXAMPLES)
$(EXAMPLES): $(BUILD)/examples/%: $(BUILD)/examples/%.o $(LIB)/libdualprop.a $(LIB)/libdualprop-testing.a
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $< $(LIB)/libdualprop-testing.a $(LIB)/libdualprop.a $(SYSTEM_LIBRARIES) \
	    $(EXAMPLE_LIBRARIES)
$(BUILD)/examples/%.o: INCLUDES = -Wno-frame-larger-than
$(BUILD)/examples/mlp $(BUILD)/examples/simulator: EXAMPLE_LIBRARIES := -lz

# The static library looks for the CUDA module beside the program.
ifneq ($(CUDA_MODULE),)
programs: $(BUILD)/programs/libdualprop-cuda.so.0
examples: $(BUILD)/examples/libdualprop-cuda.so.0
$(BUILD)/programs/libdualprop-cuda.so.0 $(BUILD)/examples/libdualprop-cuda.so.0: $(CUDA_MODULE)
	@mkdir -p $(@D)
	ln -sf $(abspath $<) $@
endif

include src/mpi/mpi.mk

include tests/tests.mk

# ---- The two commands ----

deps:
	@tools/install-deps

demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all programs examples
	@BUILD=$(BUILD) programs/demo/run.sh

check: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all programs examples tests
	@tests/run.sh

# ---- Parts of the check, and slower ones ----

check-suites: tests
	$(BUILD)/tests/main $(SUITE)
check-headers:
	CC='$(CC)' tests/headers.sh
check-abi: all
	tests/abi.sh
check-manners: all
	tests/manners.sh
check-install: all
	tests/install.sh
check-python: all
	BUILD='$(BUILD)' LIB='$(LIB)' tests/python.sh
# Groups of processes over MPICH, beside the MPI that mpicc is of. MPICH's processes wait by turning round and round, so
# this takes longer than with Open MPI where there are more processes than cores.
check-mpich: all programs
	@command -v mpicc.mpich >/dev/null && command -v mpiexec.mpich >/dev/null || \
	    { echo 'check-mpich needs MPICH: apt-get install mpich libmpich-dev'; exit 1; }
	@$(MAKE) --no-print-directory -j$(JOBS) MPICC=mpicc.mpich MPI_BUILD=$(BUILD)/mpich MPI_LIB=$(BUILD)/mpich/lib mpi
	MPIRUN=mpiexec.mpich BUILD='$(BUILD)' LIB='$(LIB)' MPI_BUILD='$(BUILD)/mpich' sh tests/mpi.sh
	MPIRUN=mpiexec.mpich BUILD='$(BUILD)' LIB='$(LIB)' MPI_BUILD='$(BUILD)/mpich' \
	    sh tests/programs/programs_mpi.sh
wheel: all
	@BUILD='$(BUILD)' LIB='$(LIB)' tools/make-wheel
check-cuda: all tests
	tests/cuda.sh
check-cuda-mutants: all tests
	tests/cuda/mutants.sh
check-oom: tests
	$(BUILD)/tests/main oom
	$(BUILD)/tests/process/host_memory
check-io: tests
	$(BUILD)/tests/main io file checkpoint hostile_files data_files

# Most suites, with both sanitizers in one build: a part of `make check`.
check-sanitized:
	BUILD='$(BUILD)' tests/sanitized.sh
# All of them, each in its own build folder, with its own copy of the objects.
check-asan:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/asan LIB=build/asan/lib SANITIZE=address OPTIMIZE=-O1 \
	    build/asan/tests/main build/asan/tests/backend/module_path
	@CK_FORK=no CK_TIMEOUT_MULTIPLIER=10 ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=4096 \
	    LSAN_OPTIONS=suppressions=tests/lsan.txt \
	    tests/suites.sh build/asan/tests/main build/asan/check $(SUITE)
check-ubsan:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/ubsan LIB=build/ubsan/lib SANITIZE=undefined OPTIMIZE=-O1 \
	    build/ubsan/tests/main build/ubsan/tests/backend/module_path
	@CK_TIMEOUT_MULTIPLIER=10 UBSAN_OPTIONS=print_stacktrace=1 \
	    tests/suites.sh build/ubsan/tests/main build/ubsan/check $(SUITE)
# TSAN_THREADS call at the same time.
TSAN_THREADS ?= 8
check-tsan:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/tsan LIB=build/tsan/lib SANITIZE=thread OPTIMIZE=-O1 \
	    build/tsan/tests/main
	@CK_FORK=no CK_TIMEOUT_MULTIPLIER=20 TSAN_OPTIONS=halt_on_error=1 TEST_THREADS=$(TSAN_THREADS) \
	    tests/suites.sh build/tsan/tests/main build/tsan/check \
	    $(or $(SUITE),threads publish determinism context group thread_pool)
# What valgrind's processor has: AVX2.
check-valgrind: tests
	@CK_FORK=no CK_TIMEOUT_MULTIPLIER=50 UNDER='valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
	    --errors-for-leak-kinds=definite,indirect --error-exitcode=9' \
	    tests/suites.sh $(BUILD)/tests/main $(BUILD)/valgrind $(SUITE)
check-fuzz:
	@tests/fuzz.sh
# Random command lines.
check-command-lines: programs
	@tests/fuzz/command_lines.py $(or $(COMMANDS),2000) $(or $(SEED),1)
# A saver is killed so many times.
KILLS ?= 10000
check-kills: tests
	$(BUILD)/tests/process/kills $(KILLS)
# Memory, files and threads fail at random for so long; TEST_SEED chooses.
SOAK_SECONDS ?= 3600
check-soak: tests
	$(BUILD)/tests/process/soak $(SOAK_SECONDS)
# What the suites do not run, and what they do not notice: MUTANTS changes of src/core, chosen by SEED.
check-coverage:
	@tests/coverage.sh
MUTANTS ?= 200
SEED ?= 1
check-mutants:
	@tests/mutants.py $(MUTANTS) $(SEED)
# Memory that was never written, on the reference backend (clang).
MSAN_SUITES := base context view draw names file hostile_files checkpoint rule state learning rules_model
check-msan:
	@$(MAKE) --no-print-directory -j$(JOBS) NVCC=no BLIS=no CC=clang BUILD=build/msan LIB=build/msan/lib \
	    SANITIZE=memory OPTIMIZE=-O1 \
	    build/msan/tests/main
	@REPORTS_ALONE=yes CK_FORK=no CK_TIMEOUT_MULTIPLIER=20 tests/suites.sh build/msan/tests/main build/msan/check \
	    $(or $(SUITE),$(MSAN_SUITES))
# Other machines and C libraries: TARGETS="aarch64 s390x i686 musl".
check-cross:
	@tests/cross.sh $(TARGETS)

# ---- Experiments ----

BENCH_PARTS := tests/bench/vgg16_step.c
BENCHES := $(patsubst %.c,$(BUILD)/%,$(filter-out $(BENCH_PARTS) $(if $(filter no,$(BLIS)),%_blis.c %/slots_vgg16.c),\
    $(wildcard tests/bench/*.c)))
$(BUILD)/tests/bench/worker_vgg16 $(BUILD)/tests/bench/slots_vgg16: $(BUILD)/tests/bench/vgg16_step.o
$(BUILD)/tests/bench/worker_blis.o: INCLUDES = -isystem $(BLIS_INCLUDE)
# What tiny networks are compared with: loops that the compiler may make the most of, and FANN where it is installed.
FANN := $(if $(wildcard /usr/include/floatfann.h),-lfloatfann)
$(BUILD)/tests/bench/tiny.o: INCLUDES = -march=native -ffp-contract=fast $(if $(FANN),-DWITH_FANN)
# Needs what the library hides.
$(BUILD)/tests/bench/slots_vgg16: $(OBJECTS)
$(filter-out %/slots_vgg16,$(BENCHES)): $(LIB)/libdualprop.a
$(BENCHES): %: %.o $(BLIS_LIBRARY)
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $(filter %.o,$^) $(filter-out %.o,$^) $(SYSTEM_LIBRARIES) \
	    $(if $(filter %/tiny,$@),$(FANN))
bench:
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCHES) $(MPI_BENCH) >&2
	@CASES='$(CASES)' BENCH_VENV='$(BENCH_VENV)' BUILD='$(BUILD)' tests/bench/run.sh

VECTORS ?= tests/golden
BACKEND ?= reference
PRECISION ?= f64
vectors:
	@$(MAKE) --no-print-directory -j$(JOBS) all programs examples >&2
	@$(BUILD)/programs/dualprop-vectors --backend $(BACKEND) --precision $(PRECISION) $(VECTORS)

# The text of exported sources, from src/math; a test compares.
formulas:
	tools/export-formulas >src/core/checkpoint/exported_formulas.h.new
	mv src/core/checkpoint/exported_formulas.h.new src/core/checkpoint/exported_formulas.h

# docs/combinations.md, measured; a test compares.
combinations:
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/tests/rule/combinations >&2
	@$(BUILD)/tests/rule/combinations >docs/combinations.md.new && mv docs/combinations.md.new docs/combinations.md

# The paper's tables and figures, each by one command that can be stopped and goes on; tools/reproduce says more.
# JOBS counts runs here, and is 1 where nothing else is said.
REPRODUCE = MNIST='$(MNIST)' FASHION='$(FASHION)' CIFAR10='$(CIFAR10)' CIFAR100='$(CIFAR100)' \
            IMAGENET32='$(IMAGENET32)' SEEDS='$(SEEDS)' EPOCHS='$(EPOCHS)' LIMIT='$(LIMIT)' CELLS='$(CELLS)' \
            BACKEND='$(if $(filter file,$(origin BACKEND)),auto,$(BACKEND))' \
            JOBS='$(if $(filter file,$(origin JOBS)),1,$(JOBS))' OUTPUT='$(OUTPUT)' PROGRAMS='$(PROGRAMS_FOLDER)' \
            KNOWN='$(KNOWN)' tools/reproduce
reproduce-table1 reproduce-table2 reproduce-table3 reproduce-figure2 reproduce-figure3:
	@$(REPRODUCE) $(@:reproduce-%=%)
atlas:
	@$(REPRODUCE) atlas
learn-cifar10:
	@$(MAKE) --no-print-directory -j$(JOBS) all programs examples
	@tools/learn-cifar10 $(DATA) $(PARTS)

# From logs of runs with --diagnostics angle,norms; PICTURE=, HEADING=, TITLES= and FIRST= as programs/figures/draw.sh
# says.
figure2:
	@programs/figures/draw.sh figure2 $(LOG) $(AUDIT_LOG)
figure3:
	@programs/figures/draw.sh figure3 $(LOG)

include tools/install.mk

# The library as one source and one header, for the CPU without BLIS.
amalgamation:
	tools/amalgamate $(BUILD)/amalgamation

deb: all programs
	MAKE='$(MAKE)' tools/make-deb $(BUILD)/packages

# ---- The rest ----

# The manual in HTML: $(BUILD)/docs/html/index.html. A warning of Doxygen's is an error.
docs:
	@command -v doxygen >/dev/null && command -v dot >/dev/null || \
	    { echo 'make docs needs doxygen and graphviz (make deps); the headers in include/ are the manual, too.'; exit 1; }
	rm -rf $(BUILD)/docs && mkdir -p $(BUILD)/docs
	tools/structure --dot | dot -Tsvg >$(BUILD)/docs/rooms.svg
	{ cat docs/Doxyfile; echo 'OUTPUT_DIRECTORY = $(BUILD)/docs'; echo 'PROJECT_NUMBER = $(VERSION)'; \
	  echo 'GENERATE_TAGFILE = $(BUILD)/docs/dualprop.tag'; echo 'IMAGE_PATH = docs $(BUILD)/docs'; } \
	  >$(BUILD)/docs/Doxyfile
	doxygen $(BUILD)/docs/Doxyfile
	@echo 'the manual is $(BUILD)/docs/html/index.html'

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

help:
	@echo 'make                 the library: lib/libdualprop.so and lib/libdualprop.a'
	@echo 'make deps            install what building and testing need (Debian, Ubuntu)'
	@echo 'make demo            train on Fashion-MNIST by dual propagation and show the result'
	@echo 'make check           all tests; check-suites, -headers, -abi, -manners, -install, -python, -oom, -io and'
	@echo '                     -sanitized are parts; check-asan, -ubsan, -tsan, -msan, -valgrind, -fuzz, -kills, -soak,'
	@echo '                     -command-lines, -coverage, -mutants, -cross, -mpich and -cuda-mutants go further'
	@echo '                     (SUITE=NAME chooses; figures: docs/reliability.md)'
	@echo 'make bench           speed against the frameworks (CASES=mlp, vgg16... BENCH_VENV=DIR)'
	@echo 'make vectors         reference vectors (VECTORS=DIR BACKEND=reference PRECISION=f64)'
	@echo 'make reproduce-table1   a table or figure of the paper beside its numbers: -table1, -table2, -table3,'
	@echo '                     -figure2, -figure3 (MNIST=DIR FASHION=DIR CIFAR10=DIR CIFAR100=DIR SEEDS="1 2"'
	@echo '                     CELLS="bp dp-0" EPOCHS= LIMIT= BACKEND= JOBS=1 OUTPUT=reproduction KNOWN=); hours to'
	@echo '                     days; stopped at any time, it goes on. make atlas: what asymmetry costs'
	@echo 'make learn-cifar10   the runs of docs/cifar10.md (DATA=DIR PARTS="minicnn cnn vgg16")'
	@echo 'make figure2         the angles of a run, as in Fig. 2 (LOG=run.jsonl AUDIT_LOG=batches.jsonl PICTURE=out.png)'
	@echo 'make figure3         angles and norms of runs, as in Fig. 3 (LOG="a.jsonl b.jsonl" TITLES="alpha 0;alpha 1")'
	@echo 'make programs        build/programs/dualprop-mlp, -vgg16, -asymmetry, -vectors; make examples: build/examples'
	@echo 'make wheel           dist/dualprop-*.whl, the Python package with the library inside'
	@echo 'make install         DESTDIR= PREFIX=/usr/local BINDIR=bin LIBDIR=lib INCLUDEDIR=include MANDIR=share/man;'
	@echo '                     make uninstall undoes it; install-library and install-programs are its parts;'
	@echo '                     install-strip: without debug information, which goes to .debug/*.debug beside the files'
	@echo 'make amalgamation    build/amalgamation/dualprop.c and dualprop.h: the library in one file (CPU, without BLIS)'
	@echo 'make deb             Debian packages in build/packages'
	@echo 'make docs, format, clean'

clean:
	rm -rf build lib

-include $(OBJECTS:.o=.d) $(CUDA_OBJECTS:.o=.d) $(SIMT_OBJECTS:.o=.d) $(wildcard $(BUILD)/examples/*.d \
    $(BUILD)/programs/*.d $(BUILD)/programs/common/*.d $(BUILD)/tests/*.d \
           $(BUILD)/tests/*/*.d $(BUILD)/tests/cuda/standin/*.d)

FORCE:
.SECONDARY:
.PHONY: wheel all programs examples tests deps demo check check-suites check-headers check-abi check-manners \
    check-install check-mpich check-python mpi \
        check-cuda check-cuda-mutants check-oom check-io check-sanitized check-asan check-ubsan check-tsan \
        check-valgrind check-fuzz check-command-lines check-kills check-soak check-coverage check-mutants check-msan \
        check-cross bench vectors combinations formulas reproduce-table1 \
        reproduce-table2 reproduce-table3 reproduce-figure2 reproduce-figure3 atlas learn-cifar10 figure2 figure3 \
        install install-strip install-library install-programs uninstall amalgamation deb docs format help clean FORCE
