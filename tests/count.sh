# count.sh - for the shell tests: counts what passed, failed and was skipped. Source it, call count_end at the end.
passed=0 failed=0 skipped=0
CC=${CC:-gcc}
CXX=${CXX:-g++}

# test_that "description" COMMAND...: passes where the command succeeds; its output is shown where it fails.
test_that() {
    description=$1
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$description" "$output"
    fi
}

# skip "reason"
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

count_end() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
