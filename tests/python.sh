#!/bin/sh
# Drives the library from Python through ctypes, takes weights to PyTorch's layout, and reads a checkpoint with the
# safetensors package.
# The package comes from PyPI into a virtual environment under build/; without a network that test is skipped.
cd "$(dirname "$0")/.."
. tests/count.sh
folder=${BUILD:-build}/check/python
mkdir -p "$folder"

# The first python3 that has numpy: Debian's, where another comes before it on the path.
for python in python3 /usr/bin/python3; do
    "$python" -c 'import numpy' 2>/dev/null && break
done
venv=$folder/venv
make_venv() {
    "$venv/bin/python" -c 'import numpy, safetensors' 2>/dev/null && return 0
    rm -rf "$venv"
    "$python" -m venv --system-site-packages "$venv" >"$folder/venv.log" 2>&1 &&
        timeout 120 "$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 15 safetensors \
            >>"$folder/venv.log" 2>&1
}

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "Python: python3 with numpy is not installed"
    skip "PyTorch's layout: python3 with numpy is not installed"
    skip "safetensors package: python3 with numpy is not installed"
    count_end
    exit
fi

"$python" tests/python/smoke.py "$folder" >"$folder/smoke.log" 2>&1
code=$?
grep -v ' passed, ' "$folder/smoke.log"
set -- $(grep -E '^[0-9]+ passed, ' "$folder/smoke.log" || echo "0 passed, 1 failed, 0 skipped")
passed=$((passed + $1)) failed=$((failed + $3))
[ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1

test_that "weights go to PyTorch's layout and back" "$python" tests/python/pytorch_layout.py "${BUILD:-build}/programs" "$folder"

if make_venv; then
    test_that "Python's safetensors reads a checkpoint" "$venv/bin/python" tests/python/safetensors_reads.py "$folder"
else
    skip "safetensors package: not to be had from PyPI here ($(tail -n 1 "$folder/venv.log" | cut -c 1-100))"
fi
count_end
