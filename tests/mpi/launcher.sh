# launcher.sh - for the tests over MPI: starting processes, and skipping where that is not possible. Source it after
# count.sh, with $build set. MPIRUN and MPI_BUILD name another MPI's launcher, and the folder of what was built for it.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
# Open MPI binds each process to a core, and wants as many cores as processes.
mpirun=${MPIRUN:-mpirun} more=
mpi_build=${MPI_BUILD:-$build}
if have "$mpirun" && $mpirun --version 2>&1 | grep -q "Open MPI"; then more="--oversubscribe --bind-to none"; fi

# needs_mpi PROGRAM WHAT: end here where the program was not built or cannot be started.
needs_mpi() {
    [ -x "$1" ] && have "$mpirun" && return 0
    skip "$2: there is no mpicc"
    count_end
    exit
}

# over PROCESSES PROGRAM ARGUMENTS...: a run of so many processes. The time limit is for a hang, which is what these
# tests look for; a run takes seconds.
over() {
    processes=$1
    shift
    timeout 300 $mpirun $more -n "$processes" "$@" >"$folder/stdout" 2>"$folder/stderr" </dev/null
}
