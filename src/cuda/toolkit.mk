# ---- Is there CUDA? NVCC=no says that there is none ----

NVCC ?= $(shell command -v nvcc 2>/dev/null || { [ ! -x /usr/local/cuda/bin/nvcc ] || echo /usr/local/cuda/bin/nvcc; })
ifneq ($(filter-out no,$(NVCC)),)
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
CUDA_INCLUDE ?= $(firstword $(patsubst %/cublasLt.h,%,$(wildcard $(CUDA_HOME)/include/cublasLt.h \
    /usr/include/cublasLt.h)))
CUDNN_INCLUDE ?= $(firstword $(patsubst %/cudnn.h,%,$(wildcard $(CUDA_HOME)/include/cudnn.h /usr/include/cudnn.h \
                 /usr/include/*/cudnn.h)))
CUDA_LIB ?= $(firstword $(patsubst %/libcudart.so,%,$(wildcard $(CUDA_HOME)/lib64/libcudart.so \
    $(CUDA_HOME)/lib/libcudart.so \
            /usr/lib/*/libcudart.so)))
CUDNN_LIB ?= $(firstword $(patsubst %/libcudnn.so,%,$(wildcard $(CUDA_LIB)/libcudnn.so /usr/lib/*/libcudnn.so)))
CUDA_MISSING := $(if $(CUDA_INCLUDE)$(CUDA_LIB),,cuBLASLt and the CUDA runtime) $(if \
    $(CUDNN_INCLUDE)$(CUDNN_LIB),,cuDNN)
ifeq ($(strip $(CUDA_MISSING)),)
CUDA_MODULE := $(LIB)/libdualprop-cuda.so.0
CUDA_SAYS := built with the CUDA module, by $(NVCC)
else
CUDA_SAYS := built for the CPU only: nvcc is here, but not $(strip $(CUDA_MISSING))
endif
else
CUDA_SAYS := built for the CPU only: there is no nvcc
endif
