#!/bin/sh
# The Python package: its tests, its examples, weights in PyTorch's layout, the wheel in a clean environment, and a
# checkpoint
# read by the safetensors package. Where a package from PyPI is needed and there is no network, that test is skipped.
cd "$(dirname "$0")/.."
. tests/count.sh
folder=$(realpath -m "${BUILD:-build}")/check/python
DUALPROP_LIB_PATH=$(realpath "${LIB:-lib}")/libdualprop.so.0
PYTHONPATH=$PWD/python
export DUALPROP_LIB_PATH PYTHONPATH
mkdir -p "$folder"

# The first python3 that has numpy: Debian's, where another comes before it on the path.
for python in python3 /usr/bin/python3; do
    "$python" -c 'import numpy' 2>/dev/null && break
done
# make_venv NAME OPTION MODULE PACKAGE...: an environment that has a module, or a log that says why not.
make_venv() {
    venv=$folder/$1 option=$2 module=$3
    shift 3
    "$venv/bin/python" -c "import $module" 2>/dev/null && return 0
    rm -rf "$venv"
    "$python" -m venv $option "$venv" >"$folder/venv.log" 2>&1 &&
        timeout 200 "$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 15 "$@" \
            >>"$folder/venv.log" 2>&1
}

# count_of LOG COMMAND...: run a program that ends in "N passed, ...", and count what it counted.
count_of() {
    log=$1
    shift
    "$@" >"$log" 2>&1
    code=$?
    grep -vE '^[0-9]+ passed, ' "$log"
    set -- $(grep -E '^[0-9]+ passed, ' "$log" || echo "0 passed, 1 failed, 0 skipped")
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
    [ "$code" -eq 0 ] || [ "$3" -gt 0 ] || failed=$((failed + 1))
}

# In an environment with numpy and nothing else, with neither the checkout nor its library in sight.
wheel_trains() {
    (
        unset PYTHONPATH DUALPROP_LIB_PATH
        cp tests/python/module.py tests/python/headers.py "$folder/installed" && cp -r include "$folder/" || exit 1
        cd / && "$folder/clean/bin/python" -m pip install -q --disable-pip-version-check --no-deps --force-reinstall \
            "$folder"/dist/dualprop-*-py3-none-manylinux_*.whl || exit 1
        "$folder/clean/bin/python" -c 'import dualprop, os; assert "site-packages" in dualprop.__file__' &&
            DUALPROP_TEST_INSTALLED=1 "$folder/clean/bin/python" "$folder/installed/module.py" "$folder" \
                test_learns test_numpy_without_copies test_checkpoint_comes_back test_exceptions_in_logs_are_raised &&
            "$folder/clean/bin/python" -m dualprop.demo --epochs 2 --samples 600
    )
}

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "Python: python3 with numpy is not installed"
    count_end
    exit
fi

count_of "$folder/module.log" "$python" tests/python/module.py "$folder"
count_of "$folder/sentences.log" "$python" tests/python/sentences.py "$folder"
# With the Python of the benchmarks, where it has torch.
torch_python=${BENCH_VENV:+$BENCH_VENV/bin/}python3
if "$torch_python" -c 'import torch' 2>/dev/null; then
    test_that "beside PyTorch" "$torch_python" tests/python/beside_torch.py "$DUALPROP_LIB_PATH"
else
    skip "beside PyTorch: no torch here (BENCH_VENV names an environment that has it)"
fi
test_that "examples/python/mlp.py learns and resumes" "$python" tests/python/examples.py "$folder"
# Where they are installed: in this Python, or in that of the benchmarks.
for module in matplotlib:plot_run torch:compare_torch; do
    found=
    for candidate in "$python" "${BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/libdualprop-bench}/bin/python"; do
        [ -n "$found" ] || { "$candidate" -c "import numpy, ${module%:*}" 2>/dev/null && found=$candidate; }
    done
    if [ -n "$found" ]; then
        test_that "examples/python/${module#*:}.py" "$found" tests/python/examples.py "$folder" "${module#*:}"
        [ "${module%:*}" != torch ] || count_of "$folder/torch.log" "$found" tests/python/torch_layers.py
    else
        skip "examples/python/${module#*:}.py: ${module%:*} is not installed"
    fi
done
if [ -x "${BUILD:-build}/programs/dualprop-vgg16" ]; then
    test_that "weights go to PyTorch's layout and back" "$python" tests/python/pytorch_layout.py \
        "${BUILD:-build}/programs" "$folder"
else
    skip "PyTorch's layout: make programs first"
fi

if make_venv venv --system-site-packages safetensors safetensors; then
    test_that "Python's safetensors reads a checkpoint" "$venv/bin/python" tests/python/safetensors_reads.py "$folder"
else
    skip "safetensors package: not available from PyPI here ($(tail -n 1 "$folder/venv.log" | cut -c 1-100))"
fi

mkdir -p "$folder/installed"
tools/make-wheel "$folder/dist" >"$folder/wheel.log" 2>&1
case $? in
    0) if make_venv clean '' numpy numpy; then
           test_that "the wheel trains in a clean environment" wheel_trains
       else
           skip "wheel: numpy is not available from PyPI here"
       fi ;;
    3) skip "wheel: $(tail -n 1 "$folder/wheel.log")" ;;
    *) test_that "make wheel" cat "$folder/wheel.log" /no/wheel ;;
esac
count_end
