#!/bin/sh
# src/core/checkpoint/exported_formulas.h is what `make formulas` would write.
cd "$(dirname "$0")/.."
. tests/count.sh
is_up_to_date() {
    tools/export-formulas | diff - src/core/checkpoint/exported_formulas.h ||
        { echo 'call `make formulas`'; return 1; }
}
test_that "exported formulas are those of src/math" is_up_to_date
count_end
