#!/bin/sh
# Groups of processes over MPI: the same bits for any number of them, and an end instead of a hang whatever one does.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}
. tests/mpi/launcher.sh
learn=$build/tests/mpi/learn
needs_mpi "$learn" "groups over MPI"
folder=$build/check/mpi
rm -rf "$folder" && mkdir -p "$folder"

alone() {
    over 1 "$learn" 6 && cp "$folder/stdout" "$folder/hash" && grep -qx '[0-9a-f]\{16\}' "$folder/hash"
}
same() { # PROCESSES [MESSAGE_BYTES PATIENCE]
    processes=$1
    shift
    over "$processes" "$learn" 6 "$@" && cmp "$folder/stdout" "$folder/hash" && return 0
    cat "$folder/stdout" "$folder/stderr"
    return 1
}
test_that "one process learns" alone
for processes in 2 3 4 6; do
    test_that "$processes processes have the bits of one" same $processes
done
test_that "messages of 100 bytes at most change nothing" same 3 100 60
test_that "a process that is late only delays the others" same 3 1000000 60 late 1

ends() { # TEXT FAULT...: the run ends, badly, and says TEXT
    text=$1
    shift
    over 3 "$learn" 6 1000000 2 "$@"
    status=$?
    [ $status -ne 0 ] && [ $status -ne 124 ] && grep -q -- "$text" "$folder/stderr" && return 0
    echo "exit status $status; on stderr, where $text was expected:"
    cat "$folder/stderr"
    return 1
}
test_that "a process that is killed ends the run" ends "" kill 1
test_that "a process that is stopped: the others end and name it" ends "no word from process 1 for 2 s" stop 1
test_that "a process that exits ends the run" ends "" exit 1
test_that "a process that gives up ends the run" ends "" leave 2
test_that "a batch that is not finite stops all, with its sentence" ends "DUALPROP_ERROR_PEER: process 1: " nan 1
test_that "another learning rate is refused" ends "has other settings" rate 2
test_that "another order of calls is refused" ends "to make the same calls" order 1
if grep -q avx2 /proc/cpuinfo 2>/dev/null; then
    test_that "another level is refused" ends "different bits: kernels" level 1
else
    skip "another level of instructions: this processor has one"
fi

minimal() {
    over 1 "$build/examples/mpi/minimal_mpi" && cp "$folder/stdout" "$folder/sum" &&
        over 3 "$build/examples/mpi/minimal_mpi" && cmp "$folder/stdout" "$folder/sum" &&
        grep -q "^sum of" "$folder/sum"
}
test_that "the example prints the same for one process and three" minimal

nothing_needs_mpi() {
    for file in "${LIB:-lib}/libdualprop.so.0" "${LIB:-lib}/libdualprop-cuda.so.0"; do
        [ ! -e "$file" ] || ! readelf -d "$file" | grep NEEDED | grep -qi 'mpi\|nccl' || return 1
    done
}
test_that "neither library needs MPI" nothing_needs_mpi
count_end
