# ---- The CUDA module: CUDA_ARCHS=all makes one for all devices from compute capability 7.5 on ----

ifneq ($(CUDA_MODULE),)
CUDA_ARCHS ?= 90
CUDA_LIST := $(if $(filter all,$(CUDA_ARCHS)),$(filter 75 80 86 89 90 100 120,\
             $(shell $(NVCC) --list-gpu-arch | sed -n 's/^compute_//p')),$(CUDA_ARCHS))
# Machine code for each, and PTX of the last for devices to come.
CUDA_CODE := $(foreach arch,$(CUDA_LIST),-gencode arch=compute_$(arch),code=sm_$(arch)) \
             -gencode arch=compute_$(lastword $(CUDA_LIST)),code=compute_$(lastword $(CUDA_LIST))
comma := ,
space := $(subst x,,x x)
# WERROR=no: with a compiler that has more to remark on than those tried here.
CUDA_HOST_FLAGS := -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffp-contract=off \
    -Wall -Wextra \
                   -Wshadow $(if $(filter no,$(WERROR)),,-Werror)
CUDA_FLAGS := -std=c++17 -O3 -fmad=false $(if $(filter no,$(WERROR)),,-Werror all-warnings) -Iinclude -Isrc \
    -I$(CUDA_INCLUDE) \
              -Xcompiler $(subst $(space),$(comma),$(strip $(CUDA_HOST_FLAGS))) $(CUDA_CODE)
CUDA_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/cuda/*.c)) $(patsubst %.cu,$(BUILD)/%.cu.o,$(wildcard \
    src/cuda/*.cu))

# cuBLASLt and cuDNN are loaded at run time, by these names.
soname = $(shell readelf -d $(1) 2>/dev/null | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
CUBLASLT_SONAME := $(call soname,$(CUDA_LIB)/libcublasLt.so)
CUDNN_SONAME := $(call soname,$(CUDNN_LIB)/libcudnn.so)
CUDNN_GRAPH := $(subst libcudnn,libcudnn_graph,$(CUDNN_SONAME))

$(BUILD)/src/cuda/%.o: INCLUDES = $(if $(filter no,$(WERROR)),,-Werror) -DDUALPROP_CUBLASLT='"$(CUBLASLT_SONAME)"' \
    -DDUALPROP_CUDNN='"$(CUDNN_SONAME)"' \
                                  -DDUALPROP_CUDNN_GRAPH='"$(CUDNN_GRAPH)"' -Isrc -isystem $(CUDA_INCLUDE) -isystem \
                                  $(CUDNN_INCLUDE)
$(BUILD)/%.cu.o: %.cu $(BUILD)/cuda-flags
	@mkdir -p $(@D)
	$(NVCC) $(CUDA_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(BUILD)/cuda-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(NVCC) $(CUDA_FLAGS)' | cmp -s - $@ || echo '$(NVCC) $(CUDA_FLAGS)' >$@
# The installed module has the CUDA runtime in it, so that it finds out whether there is a device wherever it is. Tests
# use the same objects with a shared runtime, in whose place a stand-in comes (tests/tests.mk).
CUDART_STATIC ?= $(wildcard $(CUDA_LIB)/libcudart_static.a)
LINK_CUDA = $(CC) -shared -o $@ $(CUDA_OBJECTS) -Wl,-soname,libdualprop-cuda.so.0 \
    -Wl,--version-script=src/cuda/module.map \
    -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -Wl,-z,defs $(LDFLAGS)
$(CUDA_MODULE): $(CUDA_OBJECTS) src/cuda/module.map
	@mkdir -p $(@D)
	$(LINK_CUDA) $(if $(CUDART_STATIC),$(CUDART_STATIC) -Wl$(comma)--as-needed -lrt,-L$(CUDA_LIB) -lcudart) -lm \
	    -lpthread -ldl
endif
