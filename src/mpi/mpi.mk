# ---- libdualprop-mpi: a transport for groups of processes, built where mpicc is; MPICC=no says that there is none ----
# A static library, since it is of one MPI and there is no ABI to keep. `make install` installs its source too.

MPICC ?= $(shell command -v mpicc 2>/dev/null)
ifneq ($(filter-out no,$(MPICC)),)
MPI_LIBRARY := $(LIB)/libdualprop-mpi.a
MPI_NAME := $(shell $(MPICC) --showme:version 2>/dev/null | awk 'NR == 1 { print $$2, $$3, $$4 }')
MPI_NAME := $(or $(MPI_NAME),$(shell $(MPICC) -v 2>&1 | sed -n 's/^mpicc for //p'))
MPI_EXAMPLES := $(patsubst examples/mpi/%.c,$(BUILD)/examples/mpi/%,$(wildcard examples/mpi/*.c))
MPI_TESTS := $(patsubst tests/mpi/%.c,$(BUILD)/tests/mpi/%,$(wildcard tests/mpi/*.c))
# The training programs once more, with another launcher in place of the one in common.a.
MPI_PROGRAMS := $(BUILD)/programs/dualprop-mlp-mpi $(BUILD)/programs/dualprop-vgg16-mpi
programs: $(MPI_PROGRAMS)
examples: $(MPI_EXAMPLES)
tests: $(MPI_TESTS)
MPI_BENCH := $(BUILD)/tests/bench/mpi/worker_group
$(MPI_BENCH): $(BUILD)/%: %.c $(BUILD)/tests/bench/vgg16_step.o $(MPI_LIBRARY) $(LIB)/libdualprop.a $(BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Itests/bench $(LDFLAGS) -o $@ $< $(BUILD)/tests/bench/vgg16_step.o $(MPI_LIBRARY) \
	    $(LIB)/libdualprop.a $(SYSTEM_LIBRARIES)
# mpicc adds its headers by -I, so -Wpedantic would look into them.
MPI_FLAGS = $(filter-out -Wpedantic,$(FLAGS)) -Isrc/mpi/include
$(BUILD)/mpi-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(MPICC) $(MPI_FLAGS)' | cmp -s - $@ || echo '$(MPICC) $(MPI_FLAGS)' >$@
$(BUILD)/src/mpi/%.o: src/mpi/%.c $(BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -c $< -o $@
$(MPI_LIBRARY): $(BUILD)/src/mpi/mpi_transport.o
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^
$(BUILD)/programs/mpi/%.o: programs/mpi/%.c $(BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Iprograms -c $< -o $@
$(MPI_PROGRAMS): $(BUILD)/programs/%-mpi: $(BUILD)/programs/%.o $(BUILD)/programs/mpi/launch_mpi.o $(COMMON) \
    $(MPI_LIBRARY) \
        $(LIB)/libdualprop.a
	$(MPICC) -o $@ $(HARDENED_PROGRAM) $(SANITIZERS) $(LDFLAGS) $^ $(SYSTEM_LIBRARIES) $(FILE_LIBRARIES)
$(MPI_EXAMPLES) $(MPI_TESTS): $(BUILD)/%: %.c $(MPI_LIBRARY) $(LIB)/libdualprop.a $(BUILD)/mpi-flags
	@mkdir -p $(@D)
	$(MPICC) $(MPI_FLAGS) -Wno-frame-larger-than $(LDFLAGS) -o $@ $< $(MPI_LIBRARY) $(LIB)/libdualprop.a \
	    $(SYSTEM_LIBRARIES) $(EXAMPLE_LIBRARIES)
$(BUILD)/examples/mpi/pipeline: EXAMPLE_LIBRARIES := -lz
endif
