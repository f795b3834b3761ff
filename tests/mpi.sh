#!/bin/sh
# Groups of processes over MPI: the same bits for any number of them, and an end instead of a hang whatever one does.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}
. tests/mpi/launcher.sh
learn=$mpi_build/tests/mpi/learn
# That is so where MPI is and where it is not.
nothing_needs_mpi() {
    for file in "${LIB:-lib}/libdualprop.so.0" "${LIB:-lib}/libdualprop-cuda.so.0"; do
        [ -e "$file" ] || continue
        ! readelf -d "$file" | grep NEEDED | grep -qi 'mpi\|nccl' || return 1
        ! nm -D --undefined-only "$file" | grep -q ' P\?MPI_\| nccl' || return 1
    done
}
test_that "neither library needs MPI" nothing_needs_mpi
needs_mpi "$learn" "groups over MPI"
folder=$mpi_build/check/mpi
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

ends() { # TEXT FAULT...: the run ends, badly, and says TEXT; without one it is mpirun that says something
    text=$1
    shift
    over 3 "$learn" 6 1000000 2 "$@"
    status=$?
    [ $status -ne 0 ] && [ $status -ne 124 ] && { [ -z "$text" ] || grep -q -- "$text" "$folder/stderr"; } && return 0
    echo "exit status $status; on stderr, where $text was expected:"
    cat "$folder/stderr"
    return 1
}
test_that "a process that is killed ends the run" ends "" kill 1
# Process 1 may be stopped when its last words have reached process 0 and not yet process 2: then process 2 waits for
# it, and process 0, which may be the first to speak, for process 2.
test_that "a process that is stopped: the others end and name whom they wait for" ends \
    "no word from process [12] for 2 s" stop 1
test_that "a process that exits ends the run" ends "" exit 1
test_that "a process that gives up ends the run" ends "" leave 2
test_that "a batch that is not finite stops all, with its sentence" ends "DUALPROP_ERROR_PEER: process 1: " nan 1
test_that "another learning rate is refused" ends "the learning rate is 0.5 in process 2 and" rate 2
test_that "another alpha is refused" ends "alpha is 0.25 in process 1 and 0.5 in process 0" alpha 1
test_that "a process that never comes does not hold the others" ends "a process did not come" absent 1
test_that "another order of calls is refused" ends "to make the same calls" order 1
test_that "a failure of one process alone is every process's" ends \
    "DUALPROP_ERROR_PEER: process 1: the disk is full" tell 1
test_that "a process without memory for a group ends the run" ends "out of memory" memory 1
test_that "another precision is refused" ends "different bits: precision" precision 1
if grep -q avx2 /proc/cpuinfo 2>/dev/null; then
    test_that "another level is refused" ends "different bits: kernels" level 1
else
    skip "another level of instructions: this processor has one"
fi

minimal() {
    over 1 "$mpi_build/examples/mpi/minimal_mpi" && cp "$folder/stdout" "$folder/sum" &&
        over 3 "$mpi_build/examples/mpi/minimal_mpi" && cmp "$folder/stdout" "$folder/sum" &&
        grep -q "^sum of" "$folder/sum"
}
test_that "the example prints the same for one process and three" minimal

# ---- Layers in different processes ----

# A small data set: each process reads all of it, which takes longer than learning from 30 batches.
pipeline() { # PROCESSES OPTIONS...
    processes=$1
    shift
    over "$processes" "$mpi_build/examples/mpi/pipeline" --data "$folder/images" --batch 20 "$@"
}
weights() { sed -n 's/.*weights \([0-9a-f]*\),.*/\1/p' "$folder/stdout"; }
in_step() {
    pipeline 1 --steps 4 && one=$(weights) && pipeline 3 --steps 4 &&
        [ -n "$one" ] && [ "$one" = "$(weights)" ] && return 0
    cat "$folder/stdout" "$folder/stderr"
    return 1
}
in_flight() { # TEXT LINES OPTIONS...: so many processes say TEXT
    text=$1 lines=$2
    shift 2
    pipeline 3 --steps 30 "$@" && [ "$(grep -c -- "$text" "$folder/stdout")" -eq "$lines" ] &&
        grep -q "test accuracy" "$folder/stdout" && return 0
    cat "$folder/stdout" "$folder/stderr"
    return 1
}
refuses() { # TEXT OPTIONS...: one line, exit status 2
    text=$1
    shift
    pipeline 3 "$@"
    [ $? -eq 2 ] && [ "$(grep -c "^pipeline: " "$folder/stderr")" -eq 1 ] && grep -qF -- "$text" "$folder/stderr" &&
        return 0
    cat "$folder/stdout" "$folder/stderr"
    return 1
}
refused() {
    refuses '--drop is "2"; expected a number from 0 to 1' --mode free --drop 2 &&
        refuses '--steps is "ten"; expected a number from 1 to 29999' --steps ten &&
        refuses '--batch is ""; expected a number' --batch &&
        refuses 'the option is "--slow"' --slow 1 && refuses '--mode is "fast"; expected sync, wave' --mode fast &&
        refuses '--mode is "sync"; expected free, since --drop is given' --drop 0.5
}
test_that "a wrong option of the layers' example is named" refused
if have python3; then
    mkdir "$folder/images" && python3 tests/python/make_images.py mnist "$folder/images" 700
    test_that "layers in three processes have the bits of one" in_step
    test_that "batches in flight are all learned from, by all layers" in_flight "learned from 30 of 30" 3 --mode wave
    test_that "layers learn though messages are lost" in_flight "gave up [1-9]" 2 --mode free --drop 0.5
else
    skip "layers in different processes: there is no python3 to make images"
fi

# ---- Two hosts: network namespaces with a cable between them ----

agent=$PWD/tests/mpi/namespace_agent.sh
one=dp-left-$$ other=dp-right-$$
disconnect() {
    ip netns del "$one" 2>/dev/null
    ip netns del "$other" 2>/dev/null
    rm -rf "/etc/netns/$one" "/etc/netns/$other"
}
connect() {
    trap disconnect EXIT INT TERM
    ip netns add "$one" && ip netns add "$other" && ip -n "$one" link add plug type veth peer name socket &&
        ip -n "$one" link set socket netns "$other" || return 1
    ip -n "$one" addr add 10.77.0.1/24 dev plug && ip -n "$other" addr add 10.77.0.2/24 dev socket || return 1
    for host in "$one" "$other"; do
        ip -n "$host" link set lo up && mkdir -p "/etc/netns/$host" || return 1
        printf '127.0.0.1 localhost\n10.77.0.1 %s\n10.77.0.2 %s\n' "$one" "$other" >"/etc/netns/$host/hosts"
    done
    ip -n "$one" link set plug up && ip -n "$other" link set socket up
}
on_two_hosts() { # PROGRAM ARGUMENTS...
    timeout 60 "$agent" "$one" mpirun --bind-to none --mca plm_rsh_agent "$agent" --mca btl tcp,self \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -H "$one:1,$other:1" -n 2 "$@" \
        >"$folder/stdout" 2>"$folder/stderr" </dev/null
}
two_hosts_learn() {
    on_two_hosts "$PWD/$learn" 6 && cmp "$folder/stdout" "$folder/hash" && return 0
    cat "$folder/stdout" "$folder/stderr"
    return 1
}
# Process 1 pulls the cable in step 10. mpirun waits for it too, so it is put back when process 0 has given up.
pulled() {
    FAULT_COMMAND="ip link set socket down"
    export FAULT_COMMAND
    on_two_hosts -x FAULT_COMMAND "$PWD/$learn" 6 1000000 2 run 1 &
    job=$!
    while kill -0 $job 2>/dev/null && ! grep -q "no word from process 1 for 2 s" "$folder/stderr"; do sleep 0.1; done
    ip -n "$other" link set socket up
    wait $job
    status=$?
    [ $status -ne 0 ] && [ $status -ne 124 ] && grep -q "no word from process 1 for 2 s" "$folder/stderr" && return 0
    echo "exit status $status"
    cat "$folder/stderr"
    return 1
}
if [ -z "$more" ]; then
    skip "two hosts: tried with the mpirun of Open MPI alone"
elif [ "$(id -u)" -ne 0 ] || ! have ip || ! have unshare; then
    skip "two hosts: only root can make network namespaces"
elif ! connect >"$folder/connect" 2>&1; then
    disconnect
    skip "two hosts: there are no network namespaces here: $(tail -n 1 "$folder/connect")"
else
    test_that "two hosts over TCP have the bits of one process" two_hosts_learn
    test_that "a cable is pulled: the processes end and name the other" pulled
    disconnect
fi
count_end
