#!/bin/sh
# src/core/checkpoint/exported_formulas.h is what `make formulas` would write.
cd "$(dirname "$0")/.."
. tests/count.sh
is_up_to_date() {
    tools/export-formulas | diff - src/core/checkpoint/exported_formulas.h ||
        { echo 'call `make formulas`'; return 1; }
}
if have python3; then
    test_that "exported formulas are those of src/math" is_up_to_date
else
    skip "exported formulas: python3 is not installed"
fi
count_end
