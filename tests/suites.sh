#!/bin/sh
# Runs suites one by one, each in a process of its own, so that one that a sanitizer ends costs none of the others: all
# of them, or those whose names begin with one of the arguments. What each printed is in FOLDER/NAME.log.
# With REPORTS_ALONE=yes tests may fail, such as those of a backend that was not built, and only reports count.
# usage: tests/suites.sh MAIN FOLDER [SUITE...]    with a command in front of MAIN, such as valgrind, in UNDER
cd "$(dirname "$0")/.."
. tests/count.sh
main=$1 logs=$2
shift 2
mkdir -p "$logs"
rm -f "$logs"/*.log
reported='ERROR: (Address|Leak)Sanitizer|WARNING: (Thread|Memory)Sanitizer|runtime error:'

runs() { # SUITE
    # In a session of its own: Check kills its process group when an alarm rings in a test that it did not fork.
    # shellcheck disable=SC2086 # one word each
    setsid -w ${UNDER-} "$main" "$1.c" >"$logs/$1.log" 2>&1 </dev/null
    status=$?
    [ -z "${REPORTS_ALONE-}" ] || ! tail -n 1 "$logs/$1.log" | grep -q ' passed, ' || status=0
    [ $status -eq 0 ] && ! grep -qE "$reported" "$logs/$1.log" || { tail -n 40 "$logs/$1.log"; return 1; }
}

for suite in $("$main" --list "$@"); do
    test_that "$suite: 0 reports" runs "$suite"
    echo "$suite: $(tail -n 1 "$logs/$suite.log")"
done
echo "$(cat "$logs"/*.log | awk '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { passed += $1; failed += $3 }
    END { print passed + 0 " tests, " failed + 0 " failed" }')," \
    "$(cat "$logs"/*.log | grep -cE "$reported") reports"
[ "$passed" -gt 0 ] || { echo "no suite ran"; exit 1; }
count_end
