# ---- libdualprop-mpi: a transport for groups of processes, built where mpicc is; MPICC=no says that there is none ----
# A static library, since it is of one MPI and there is no ABI to keep. `make install` installs its source too.

# MPI_BUILD and MPI_LIB: other folders for what is of an MPI, so that two can be tried (make check-mpich).

MPI_BUILD ?= $(BUILD)
MPI_LIB ?= $(LIB)
MPICC ?= $(shell command -v mpicc 2>/dev/null)
ifneq ($(filter-out no,$(MPICC)),)
MPI_LIBRARY := $(MPI_LIB)/libdualprop-mpi.a
MPI_NAME := $(shell $(MPICC) --showme:version 2>/dev/null | awk 'NR == 1 { print $$2, $$3, $$4 }')
MPI_NAME := $(or $(MPI_NAME),$(shell $(MPICC) -v 2>&1 | sed -n 's/^mpicc for //p'))
MPI_EXAMPLES := $(patsubst examples/mpi/%.c,$(MPI_BUILD)/examples/mpi/%,$(wildcard examples/mpi/*.c))
MPI_TESTS := $(patsubst tests/mpi/%.c,$(MPI_BUILD)/tests/mpi/%,$(wildcard tests/mpi/*.c))
# The training programs once more, with another launcher in place of the one in common.a.
MPI_PROGRAMS := $(MPI_BUILD)/programs/dualprop-mlp-mpi $(MPI_BUILD)/programs/dualprop-vgg16-mpi
programs: $(MPI_PROGRAMS)
examples: $(MPI_EXAMPLES)
tests: $(MPI_TESTS)
mpi: $(MPI_TESTS) $(MPI_EXAMPLES) $(MPI_PROGRAMS)
MPI_BENCH := $(MPI_BUILD)/tests/bench/mpi/worker_group
$(MPI_BENCH): $(MPI_BUILD)/%: %.c $(BUILD)/tests/bench/vgg16_step.o $(MPI_LIBRARY) $(LIB)/libdualprop.a \
        $(MPI_BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Itests/bench $(LDFLAGS) -o $@ $< $(BUILD)/tests/bench/vgg16_step.o $(MPI_LIBRARY) \
	    $(LIB)/libdualprop.a $(SYSTEM_LIBRARIES)
# mpicc adds its headers by -I, so -Wpedantic would look into them. MPICH declares arrays of statuses, and its constant
# for none of them is no array, which gcc takes for an overflow.
MPI_FLAGS = $(filter-out -Wpedantic,$(FLAGS)) -Isrc/mpi/include \
            $(if $(findstring MPICH,$(MPI_NAME)),-Wno-stringop-overflow)
$(MPI_BUILD)/mpi-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(MPICC) $(MPI_FLAGS)' | cmp -s - $@ || echo '$(MPICC) $(MPI_FLAGS)' >$@
$(MPI_BUILD)/src/mpi/%.o: src/mpi/%.c $(MPI_BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -c $< -o $@
$(MPI_LIBRARY): $(MPI_BUILD)/src/mpi/mpi_transport.o
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^
$(MPI_BUILD)/programs/mpi/%.o: programs/mpi/%.c $(MPI_BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Iprograms -c $< -o $@
$(MPI_PROGRAMS): $(MPI_BUILD)/programs/%-mpi: $(BUILD)/programs/%.o $(MPI_BUILD)/programs/mpi/launch_mpi.o $(COMMON) \
        $(MPI_LIBRARY) $(LIB)/libdualprop.a
	@mkdir -p $(@D)
	$(MPICC) -o $@ $(HARDENED_PROGRAM) $(SANITIZERS) $(LDFLAGS) $^ $(SYSTEM_LIBRARIES) $(FILE_LIBRARIES)
$(MPI_EXAMPLES) $(MPI_TESTS): $(MPI_BUILD)/%: %.c $(MPI_LIBRARY) $(LIB)/libdualprop.a $(MPI_BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Wno-frame-larger-than $(LDFLAGS) -o $@ $< $(MPI_LIBRARY) $(LIB)/libdualprop.a \
	    $(SYSTEM_LIBRARIES) $(EXAMPLE_LIBRARIES)
$(MPI_BUILD)/examples/mpi/pipeline: EXAMPLE_LIBRARIES := -lz
endif
