# program_runs.sh - for the tests of programs: running one of them, and what is expected of a run. Source it after
# count.sh
# and setting $program, the path of the program under test.
program_name=$(basename "$program")

run() {
    timeout 60 "$program" "$@" >stdout 2>stderr </dev/null
}

one_line() { # one line on stderr, beginning with the program's name and holding the text $1
    [ "$(wc -l <stderr)" -eq 1 ] && [ "$(wc -c <stderr)" -lt 1100 ] && grep -q "^$program_name: " stderr &&
        grep -qF -- "$1" stderr && return 0
    echo "on stderr, where one line with $1 was expected:"
    cat stderr
    return 1
}

status_is() {
    [ "$1" -eq "$2" ] || { echo "exit status $1; expected $2"; cat stderr; return 1; }
}

# A run that is not resumed writes into new logs.
trains() {
    case " $* " in *" --resume "*) ;; *"log log "*) rm -f log ;; esac
    case " $* " in *" --resume "*) ;; *"log audits "*) rm -f audits ;; esac
    run "$@"
    status_is $? 0 && [ ! -s stderr ] &&
        tail -n 1 stdout | grep -qE '^test accuracy [0-9]+\.[0-9]{2} %  \(top-[0-9]+ [0-9]+\.[0-9]{2} %, loss '\
'[0-9.]+, [0-9]+ epochs?, [0-9.]+ s\)$'
}

# The last line without the time it took.
result() {
    tail -n 1 stdout | sed 's/,[^,]*$//'
}

refuses_option() { # TEXT OPTIONS...: exit status 2 and one line with the text
    text=$1
    shift
    run "$@"
    status_is $? 2 && one_line "$text" && [ ! -s stdout ]
}

refuses_file() { # TEXT OPTIONS...: exit status 1 and one line with the text
    text=$1
    shift
    run "$@"
    status_is $? 1 && one_line "$text"
}

# A copy of the good set in which one file is replaced by what the command writes. $small: options that train quickly.
refuses_set() { # TEXT NAME COMMAND...
    text=$1 name=$2
    shift 2
    rm -rf bad && cp -r good bad && rm bad/$name
    "$@" >bad/$name
    refuses_file "bad/$name: $text" $small --data bad
}

# Bytes without a pattern, the same each time: COUNT of them. Nothing needs to be installed for them.
bytes() {
    [ -s noise ] || gzip -nc "$program" | tail -c +5001 | head -c 2000000 >noise
    head -c "$1" noise
}

# .npy: a header of 118 bytes after magic, version and length, as numpy writes it.
npy() { # TYPE SHAPE
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"
}

# Interrupt a run once it has logged an epoch. Its options must make every step short. Files: log, halfway, stdout,
# stderr.
interrupted_run() { # SIGNAL STATUS OPTIONS...
    signal=$1 wanted=$2
    shift 2
    rm -f log halfway
    "$program" "$@" --log log --checkpoint halfway >stdout 2>stderr </dev/null &
    process=$!
    tries=0
    while [ ! -s log ] && [ $tries -lt 600 ]; do sleep 0.02; tries=$((tries + 1)); done
    kill -$signal $process
    wait $process
    status_is $? "$wanted" && one_line "interrupted after" && [ "$(wc -l <log)" -lt 4 ]
}
