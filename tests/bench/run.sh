#!/bin/sh
# Runs the benchmark against PyTorch, JAX and ONNX Runtime from PyPI, kept in a virtual environment outside the tree.
# usage: run.sh    with CASES ("mlp", or any part of a case's name; default all) and BENCH_VENV in the environment
set -eu
here=$(dirname "$0")
root=$here/../..
# What several processes share needs MPI, and none of the frameworks.
case ${CASES:-} in
group*) exec python3 "$here/group.py" "${BUILD:-$root/build}/tests/bench/mpi" ${CASES#group} ;;
esac
venv=${BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/libdualprop-bench}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet numpy torch jax >&2
fi
case ${CASES:-all} in
*predict* | all) "$venv/bin/python" -c 'import onnx, onnxruntime' 2>/dev/null ||
    "$venv/bin/pip" install --quiet onnx onnxruntime >&2 ;;
esac
exec "$venv/bin/python" "$here/bench.py" "${BUILD:-$root/build}/tests/bench" "${CASES:-all}"
