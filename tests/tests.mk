# ---- Tests: tests/main.c with all tests/ROOM/test_*.c; other tests/ROOM/NAME.c are programs of their own ----

TEST_FOLDERS := $(filter-out tests/cuda/ tests/support/ tests/bench/ tests/fuzz/ tests/gpu/ tests/mpi/,$(sort $(dir \
    $(wildcard tests/*/*.c))))
SUITE_SOURCES := $(sort $(wildcard $(TEST_FOLDERS:%=%test_*.c)))
SUITES := $(sort $(notdir $(SUITE_SOURCES:.c=)))
SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
TESTS := $(patsubst %.c,$(BUILD)/%,tests/main.c $(filter-out $(SUITE_SOURCES),$(wildcard $(TEST_FOLDERS:%=%*.c))))
tests: $(TESTS)
# Check's macros pass no variable arguments, which -Wpedantic would remark on; tests may use larger frames; suites are
# declared in the generated list alone.
$(BUILD)/tests/%.o: INCLUDES = -Itests -Itests/support -Iprograms -I$(BUILD)/tests \
                               -Wno-pedantic -Wno-frame-larger-than -Wno-missing-prototypes
$(BUILD)/tests/main.o: $(BUILD)/tests/suites.h
$(BUILD)/tests/main: $(SUITE_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/src/testing/testing.o
# The objects rather than the library, so that tests see internal names.
$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT) $(COMMON) $(OBJECTS)
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $(filter %.o,$^) $(COMMON) $(BLIS_LIBRARY) $(SYSTEM_LIBRARIES) \
	    $(FILE_LIBRARIES) $(CHECK_LIBRARIES)

$(BUILD)/tests/suites.h: FORCE
	@mkdir -p $(@D)
	@tools/list-suites $(SUITES) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The harnesses of tests/fuzz without a fuzzer: `make check` replays their corpora.
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
tests: $(REPLAYS)
$(BUILD)/tests/fuzz/replay_calls: $(addprefix $(BUILD)/tests/support/,random_calls.o random_calls_more.o \
    lone_transport.o randomness.o failing_allocator.o)
$(REPLAYS): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(COMMON) $(OBJECTS)
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $(filter %.o,$^) $(COMMON) $(BLIS_LIBRARY) $(SYSTEM_LIBRARIES) $(FILE_LIBRARIES)

# ---- Tests of the CUDA module: on stand-ins of the CUDA libraries, or with DUALPROP_TEST_GPU=1 on a device ----

ifneq ($(CUDA_MODULE),)
CUDA_TESTS := $(BUILD)/tests/cuda/main
CUDA_SUITES := $(sort $(patsubst tests/cuda/%.c,%,$(wildcard tests/cuda/test_*.c)))
CUDART_SONAME := $(call soname,$(CUDA_LIB)/libcudart.so)
STANDIN := $(BUILD)/tests/cuda/standin
STANDINS := $(addprefix $(STANDIN)/,$(CUDART_SONAME) $(CUBLASLT_SONAME) $(CUDNN_SONAME) $(CUDNN_GRAPH) libcuda.so.1)
tests: $(CUDA_TESTS) $(STANDINS) $(STANDIN)/real-cudnn $(STANDIN)/real-cublaslt
$(BUILD)/tests/cuda/%.o: INCLUDES = -I$(BUILD)/tests/cuda -Itests -Itests/cuda -Itests/support \
                                    -isystem $(CUDA_INCLUDE) -isystem $(CUDNN_INCLUDE) \
                                    -DCUDART_SONAME='"$(CUDART_SONAME)"' \
                                    -Wno-pedantic -Wno-frame-larger-than -Wno-missing-prototypes
$(BUILD)/tests/cuda/main.o: tests/main.c $(BUILD)/tests/cuda/suites.h $(BUILD)/flags
	$(CC) $(FLAGS) $(INCLUDES) -c $< -o $@
$(BUILD)/tests/cuda/suites.h: FORCE
	@mkdir -p $(@D)
	@tools/list-suites $(CUDA_SUITES) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(CUDA_TESTS): $(BUILD)/tests/cuda/main.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/cuda/*.c)) $(SUPPORT) \
    $(COMMON) $(OBJECTS)
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $(filter %.o,$^) $(COMMON) $(BLIS_LIBRARY) $(SYSTEM_LIBRARIES) \
	    $(FILE_LIBRARIES) $(CHECK_LIBRARIES)
SHARED_CUDA_MODULE := $(BUILD)/tests/cuda/shared/libdualprop-cuda.so.0
tests: $(SHARED_CUDA_MODULE)
$(SHARED_CUDA_MODULE): $(CUDA_OBJECTS) src/cuda/module.map
	@mkdir -p $(@D)
	$(LINK_CUDA) -L$(CUDA_LIB) -lcudart -lm -lpthread -ldl
# The stand-ins for cuDNN and cuBLASLt ask the real ones what they think.
$(STANDIN)/real-cudnn: $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '$(CUDNN_LIB)/$(CUDNN_SONAME)' >$@
$(STANDIN)/real-cublaslt: $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '$(CUDA_LIB)/$(CUBLASLT_SONAME)' >$@
# A stand-in has the name and the symbol version of the library that it stands in for.
$(STANDIN)/%.map: $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '$* { *; };' >$@
$(STANDIN)/$(CUDART_SONAME): $(BUILD)/tests/cuda/standin/cudart.o $(STANDIN)/$(CUDART_SONAME).map
	$(CC) -shared -o $@ $(SANITIZERS) $< -Wl,-soname,$(@F) -Wl,--version-script=$@.map -lpthread -ldl
$(STANDIN)/$(CUBLASLT_SONAME): $(BUILD)/tests/cuda/standin/cublaslt.o $(BUILD)/tests/cuda/standin/cublaslt_real.o \
        $(STANDIN)/$(CUDART_SONAME) $(STANDIN)/$(CUBLASLT_SONAME).map
	$(CC) -shared -o $@ $(SANITIZERS) $(filter-out %.map,$^) -Wl,-soname,$(@F) -Wl,--version-script=$@.map -lpthread -ldl
$(STANDIN)/$(CUDNN_SONAME): $(BUILD)/tests/cuda/standin/cudnn.o $(STANDIN)/$(CUDART_SONAME) \
    $(STANDIN)/$(CUDNN_SONAME).map
	$(CC) -shared -o $@ $(SANITIZERS) $(filter-out %.map,$^) -Wl,-soname,$(@F) -Wl,--version-script=$@.map -lpthread -ldl
# cuDNN's graph part only has to be there; the real cuDNN, where it is, needs its own.
$(STANDIN)/$(CUDNN_GRAPH): $(BUILD)/flags
	@mkdir -p $(@D)
	[ ! -e $(CUDNN_LIB)/$(@F) ] || ln -sf $(CUDNN_LIB)/$(@F) $@
	[ -e $(CUDNN_LIB)/$(@F) ] || echo | $(CC) -shared -x c - -o $@ -Wl,-soname,$(@F)
$(STANDIN)/libcuda.so.1: $(BUILD)/tests/cuda/standin/driver.o
	$(CC) -shared -o $@ $(SANITIZERS) $< -Wl,-soname,$(@F)
$(BUILD)/tests/cuda/standin/%.o: FLAGS := $(subst -fvisibility=hidden,,$(FLAGS))

# The module once more, its kernels compiled for the host as grids of threads (tests/cuda/simt/cuda_runtime.h). The
# sanitizer's calls beside each access are answered in race.cpp, not by the sanitizer; jumps from stack to stack are
# meant.
# tests/cuda/mutants.sh breaks a copy of the kernels.
SIMT := $(BUILD)/tests/cuda/simt
SIMT_SOURCES := src/cuda
SIMT_MODULE := $(SIMT)/libdualprop-cuda.so.0
SIMT_FLAGS := -std=c++17 $(OPTIMIZE) -g -U_FORTIFY_SOURCE $(CUDA_HOST_FLAGS) -Wno-maybe-uninitialized \
    -Wno-unknown-pragmas -Itests/cuda/simt -Itests -Iinclude -Isrc \
              -isystem $(CUDA_INCLUDE) -MMD -MP
SIMT_OBJECTS := $(patsubst src/cuda/%.cu,$(SIMT)/%.cu.o,$(wildcard src/cuda/*.cu)) \
                $(patsubst tests/cuda/simt/%.cpp,$(SIMT)/%.o,$(wildcard tests/cuda/simt/*.cpp))
tests: $(SIMT_MODULE)
$(SIMT)/%.cu.o: $(SIMT_SOURCES)/%.cu $(BUILD)/cuda-flags
	@mkdir -p $(@D)
	$(CXX) -x c++ $(SIMT_FLAGS) -fsanitize=thread -c $< -o $@
$(SIMT)/%.o: tests/cuda/simt/%.cpp $(BUILD)/cuda-flags
	@mkdir -p $(@D)
	$(CXX) $(SIMT_FLAGS) -c $< -o $@
$(SIMT_MODULE): $(SIMT_OBJECTS) $(filter-out %.cu.o,$(CUDA_OBJECTS)) $(STANDIN)/$(CUDART_SONAME) src/cuda/module.map
	$(CC) -shared -o $@ $(filter %.o,$^) -Wl,-soname,libdualprop-cuda.so.0 -Wl,--version-script=src/cuda/module.map \
	    -Wl,-z,nodelete -Wl,-z,defs $(LDFLAGS) $(STANDIN)/$(CUDART_SONAME) -lm -lpthread -ldl
endif

# Timing on a device: tests/gpu/run.sh.
$(BUILD)/tests/gpu/steps: $(BUILD)/tests/gpu/steps.o $(LIB)/libdualprop.a
	$(CC) -o $@ $(SANITIZERS) $(LDFLAGS) $^ $(SYSTEM_LIBRARIES)
