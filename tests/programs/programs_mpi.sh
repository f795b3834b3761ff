#!/bin/sh
# dualprop-mlp-mpi and dualprop-vgg16-mpi as people run them: any number of processes writes the files of one, they stop
# and resume together, and whatever happens to one of them is reported once and ends all of them.
# KILLS=N kills a process at N moments rather than 3.
cd "$(dirname "$0")/../.."
. tests/count.sh
build=${BUILD:-build}
. tests/mpi/launcher.sh
folder=$PWD/$mpi_build/check/programs_mpi
alone=$PWD/$build/programs/dualprop-mlp program=$PWD/$mpi_build/programs/dualprop-mlp-mpi
numbered=$PWD/tests/mpi/numbered.sh
needs_mpi "$program" "programs over MPI"
rm -rf "$folder" && mkdir -p "$folder/good" "$folder/cifar"
python3 tests/python/make_images.py mnist "$folder/good" 410
python3 tests/python/make_images.py cifar10 "$folder/cifar" 20
cd "$folder" || exit 1
PIDS=$folder/pid
export PIDS

# 4 blocks of 5 samples; an epoch ends with a batch of 9 samples, so that blocks differ.
small="--dataset idx --data good --hidden 32 --batch 20 --validation 0.1 --blocks 4 --threads 1"

# What a log holds, without times.
timeless() { sed 's/"seconds":[^,]*,"samples_per_second":[^,]*,//' "$1"; }
last_line() { tail -n 1 "$1" | sed 's/,[^,]*$//'; }

shows() {
    head -n 3 stdout
    head -n 5 stderr
    return 1
}

# ---- The same files ----

reference() {
    "$alone" $small --epochs 3 --checkpoint one --log one.log >one.stdout 2>stderr </dev/null || shows
}
test_that "one process of the plain program learns in blocks" reference
same_files() { # PROCESSES
    rm -f many many.log
    over "$1" "$program" $small --epochs 3 --checkpoint many --log many.log || shows || return 1
    cmp one many && [ "$(timeless one.log)" = "$(timeless many.log)" ] && [ -s many.log ] &&
        [ "$(last_line one.stdout)" = "$(last_line stdout)" ] && [ "$(grep -c "^test accuracy" stdout)" -eq 1 ]
}
for processes in 1 3 4; do
    test_that "$processes processes write the checkpoint, the log and the last line of one" same_files $processes
done
images() {
    tiny="--data cifar --model minicnn --batch 12 --epochs 1 --limit 60 --blocks 3 --quiet"
    "${alone%/*}/dualprop-vgg16" $tiny --checkpoint one.images >one.stdout 2>stderr </dev/null || shows || return 1
    over 2 "${program%/*}/dualprop-vgg16-mpi" $tiny --checkpoint many.images || shows || return 1
    cmp one.images many.images && [ "$(last_line one.stdout)" = "$(last_line stdout)" ]
}
test_that "convolutional networks on shifted and mirrored images too" images

# ---- Stopping and going on ----

# The run $job is under way: a number of epochs stands in its log.
wait_for_epochs() { # LOG EPOCHS
    while kill -0 "$job" 2>/dev/null && [ "$(cat "$1" 2>/dev/null | wc -l)" -lt "$2" ]; do sleep 0.02; done
    kill -0 "$job" 2>/dev/null
}
# A run of 3 processes in the background. $job is mpirun, which passes signals on.
begin() { # EPOCHS
    rm -f long long.log resumed pid.*
    $mpirun $more -n 3 "$numbered" "$program" $small --epochs "$1" --checkpoint long --log long.log \
        --quiet >stdout 2>stderr </dev/null &
    job=$!
}
# The checkpoint goes on, two epochs beyond what the log holds, to the bits of an undisturbed run. (Processes that share
# a busy processor take seconds for an epoch, so they do not make all that the run began with.)
resumes() { # PROCESSES
    epochs=$(($(wc -l <long.log) + 2))
    over "$1" "$program" --resume long --data good --epochs $epochs --checkpoint resumed --quiet || shows || return 1
    "$alone" $small --epochs $epochs --checkpoint undisturbed --quiet >/dev/null && cmp resumed undisturbed
}
stops() { # SIGNAL RANK_OR_mpirun STATUS
    begin 30
    wait_for_epochs long.log 2 || shows || return 1
    case $2 in mpirun) kill -"$1" "$job" ;; *) kill -"$1" "$(cat pid."$2")" ;; esac
    wait "$job"
    status=$?
    [ $status -eq "$3" ] || { echo "exit status $status; expected $3"; shows; return 1; }
    [ "$(wc -l <long.log)" -lt 30 ] && resumes 2
}
if [ -n "$more" ]; then
    test_that "SIGUSR1 to mpirun stops all after the same batch, and two go on" stops USR1 mpirun 138
else
    skip "SIGUSR1 to mpirun: this one does not pass it on"
fi
test_that "SIGINT to one process stops all" stops INT 1 130

# A process is killed at some moment of an epoch: the old or the new checkpoint is whole.
killed() { # RANK EPOCHS_BEFORE DELAY
    begin 30
    wait_for_epochs long.log "$2" || shows || return 1
    sleep "$3"
    kill -KILL "$(cat pid."$1")" || return 1
    wait "$job"
    status=$?
    [ $status -ne 0 ] && [ $status -ne 124 ] || { echo "exit status $status"; shows; return 1; }
    resumes $((1 + $2 % 4))
}
kill=0
while [ $kill -lt "${KILLS:-3}" ]; do
    epochs=$((1 + (kill * 7 + 3) % 6)) delay=0.0$((kill * 13 % 10))
    test_that "process $((kill % 3)) is killed $delay s after epoch $epochs: the run resumes to the same bits" \
        killed $((kill % 3)) $epochs $delay
    kill=$((kill + 1))
done

# ---- One process fails ----

stopped() {
    begin 2000
    wait_for_epochs long.log 1 || shows || return 1
    kill -STOP "$(cat pid.1)"
    wait "$job"
    status=$?
    kill -KILL "$(cat pid.1)" 2>/dev/null
    [ $status -ne 0 ] && [ $status -ne 124 ] && grep -q "no word from process 1 for 2 s" stderr || shows
}
small="$small --patience 2"
test_that "a process is stopped: the others name it and end" stopped
small=${small% --patience 2}

ends() { # STATUS TEXT OPTIONS_OF_PROCESS_1...: process 1 of 3 runs with other options; one line holds the text
    expected=$1 text=$2
    shift 2
    timeout 300 $mpirun $more -n 1 "$program" $small --epochs 2 --quiet : -n 1 "$program" $small --epochs 2 --quiet \
        "$@" \
        : -n 1 "$program" $small --epochs 2 --quiet >stdout 2>stderr </dev/null
    status=$?
    [ $status -eq "$expected" ] && [ "$(grep -c "^dualprop-mlp-mpi: " stderr)" -eq 1 ] &&
        grep -qF -- "$text" stderr && [ ! -s stdout ] && return 0
    echo "exit status $status; expected $expected, and one line with $text"
    shows
}
cp -r good cut
for name in cut/train-images*; do head -c 1000 "$name" >cut/short && mv cut/short "$name"; done
test_that "truncated data in one process" ends 1 "process 1: cut/train-images" --data cut
cp -r good other
for name in other/t10k-labels*; do { head -c 8 "$name"; tail -c +10 "$name"; printf '\001'; } >other/new && \
    mv other/new "$name"; done
test_that "other data in one process" ends 2 "process 1: has another data set than process 0" --data other
test_that "another seed" ends 2 'process 1: its --seed is "7", and that of process 0 "1"' --seed 7
test_that "another network" ends 2 'process 1: its --hidden is "33"' --hidden 33
test_that "other blocks" ends 2 'process 1: its --blocks is "5"' --blocks 5
test_that "a wrong option of one process" ends 2 'process 1: --alpha is "7"' --alpha 7
test_that "a checkpoint that only one process resumes" ends 2 "process 1: " --resume one
test_that "a double in one process" ends 2 'process 1: its --precision is "f64"' --precision f64
if grep -q avx2 /proc/cpuinfo 2>/dev/null; then
    test_that "other instructions" ends 2 "different bits: kernels" --level baseline
fi

refuses() { # STATUS TEXT PROCESSES OPTIONS...
    expected=$1 text=$2 processes=$3
    shift 3
    over "$processes" "$program" $small --epochs 2 --quiet "$@"
    status=$?
    [ $status -eq "$expected" ] && [ "$(grep -c "^dualprop-mlp-mpi: " stderr)" -eq 1 ] && grep -qF -- "$text" stderr &&
        return 0
    echo "exit status $status; expected $expected, and one line with $text"
    shows
}
test_that "fewer blocks than processes" refuses 2 "--blocks is 2 and there are 3 processes" 3 --blocks 2
test_that "another number of processes than --ranks" refuses 2 "--ranks is 3, but there are 2 processes" 2 --ranks 3
test_that "diagnostics need one process" refuses 2 "--diagnostics needs the whole batch" 2 --diagnostics angle
test_that "a warm start needs one process" refuses 2 "--start needs the whole batch" 2 --start last
test_that "updates on the way need one process" refuses 2 "--updates needs the whole batch" 2 --updates 2 --passes 2
test_that "a tolerance needs one process" refuses 1 "a tolerance" 2 --rule dp --tolerance 0.1 --passes 3
without_blocks() {
    "$alone" ${small%% --blocks*} --epochs 1 --quiet --checkpoint plain >/dev/null || return 1
    over 2 "$program" --resume plain --data good --epochs 2 --quiet
    [ $? -eq 2 ] && grep -q "written without blocks; expected one process, or --blocks 2" stderr || shows || return 1
    over 2 "$program" --resume plain --data good --epochs 2 --blocks 2 --quiet || shows
}
test_that "a run that was written without blocks wants to be told of some" without_blocks

# Started by the mpirun of another MPI, each process is alone.
wrong_launcher() {
    OMPI_COMM_WORLD_SIZE=2 "$program" $small --ranks 2 >stdout 2>stderr </dev/null
    [ $? -eq 2 ] && grep -q "this process is alone: was the program started by the mpirun of another MPI" stderr &&
        grep -q "warning: OMPI_COMM_WORLD_SIZE is 2, but MPI reports one process" stderr || shows
}
test_that "a wrong launcher" wrong_launcher
plain_has_no_ranks() { ! "$alone" $small --ranks 1 >stdout 2>stderr && grep -q "unknown option --ranks" stderr; }
test_that "the plain program has no --ranks" plain_has_no_ranks

# The run goes on, as alone, and its exit status is 1.
full_disk() {
    rm -f many
    over 2 "$program" $small --epochs 3 --checkpoint many --log /dev/full --quiet
    [ $? -eq 1 ] && grep -q "/dev/full: writing the log failed" stderr && cmp one many && \
        grep -q "^test accuracy" stdout ||
        shows
}
test_that "a full disk in process 0" full_disk
help() { over 2 "$program" --help && grep -q "^Usage: dualprop-mlp-mpi " stdout && \
    [ "$(grep -c Usage stdout)" -eq 1 ]; }
test_that "help is printed once" help
of_many() {
    over 2 "$program" --help && grep -q -- "--threads N  *of each process; 0: the processors of the machine divided" \
        stdout && grep -q "138 after SIGUSR1" stdout && ! "$alone" --help | grep -q "of each process\|138" || shows
}
test_that "help is that of a run of many processes" of_many
# The number that peers.h has room for is a right one, if it is not met.
most_ranks() {
    over 2 "$program" $small --ranks 4096
    [ $? -eq 2 ] && grep -q -- "--ranks is 4096, but there are 2 processes" stderr || shows || return 1
    over 2 "$program" $small --ranks 4097
    [ $? -eq 2 ] && grep -q -- '--ranks is "4097"; expected a whole number from 1 to 4096' stderr || shows
}
test_that "--ranks may be as large as the number of processes" most_ranks
# A process that answered and left would keep the other waiting.
help_of_one() { # OPTION
    cat >one_asks <<END
#!/bin/sh
[ "\${OMPI_COMM_WORLD_RANK:-\${PMI_RANK:-0}}" = 0 ] || exec "$program" $1
exec "$program" $small --epochs 1
END
    chmod +x one_asks
    over 2 ./one_asks
    [ $? -eq 2 ] && grep -q "process 1: has another choice of --help or --version than process 0" stderr || shows
}
for option in --help --version; do
    test_that "$option of one process alone ends all" help_of_one $option
done
count_end
