#!/bin/sh
# Every program with --backend cuda where there is no device for it: one sentence, exit status 1, no other backend.
# By itself a program goes on with the CPU, with the same sentence. usage: tests/programs/no_device.sh
cd "$(dirname "$0")/../.."
. tests/count.sh
build=$PWD/${BUILD:-build} lib=$PWD/${LIB:-lib} golden=$PWD/tests/golden
folder=$build/check/no-device
rm -rf "$folder" && mkdir -p "$folder/alone" && cd "$folder" || exit 1

# Without a module beside them.
for name in mlp vgg16 asymmetry vectors; do cp "$build/programs/dualprop-$name" alone; done

refuses() { # TEXT PROGRAM
    case $2 in
        vectors) set -- "$1" "$2" --precision f32 "$golden" ;;
        vgg16) set -- "$1" "$2" --data . ;;
    esac
    text=$1 name=$2
    shift 2
    timeout 60 "$programs/dualprop-$name" --backend cuda "$@" >stdout 2>stderr </dev/null
    status=$?
    [ $status -eq 1 ] && [ ! -s stdout ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -q "^dualprop-$name: " stderr &&
        grep -qF -- "$text" stderr && return 0
    echo "exit status $status, expected 1 and one line with $text:"
    cat stdout stderr
    return 1
}

# --backend auto goes on, on the CPU; what it says comes before the data are read only in a run that has some.
falls_back() { # TEXT
    timeout 60 "$programs/dualprop-vectors" --backend auto --precision f32 "$golden" >stdout 2>stderr </dev/null &&
        [ ! -s stderr ] && explains "$1"
}

explains() {
    [ -d /usr/share/datasets/fashion-mnist ] || return 0
    timeout 60 "$programs/dualprop-mlp" --backend auto --hidden 4 --limit 20 --epochs 1 >stdout 2>stderr </dev/null &&
        grep -qF -- "$1" stdout && grep -q "^backend [br].*: no[t ]" stdout && return 0
    echo "expected a run that says $1:"
    cat stdout stderr
    return 1
}

all_refuse() { # WHAT TEXT
    for name in mlp vgg16 asymmetry vectors; do test_that "$name: $1" refuses "$2" $name; done
}

unset DUALPROP_BACKEND_PATH LD_LIBRARY_PATH
programs=$folder/alone
if ldconfig -p 2>/dev/null | grep -q libdualprop-cuda; then
    skip "no module: one is installed"
else
    all_refuse "no module" "libdualprop-cuda.so.0: cannot open shared object file"
    test_that "auto: no module" falls_back "no CUDA module was found"
fi
mkdir broken && head -c 5000 "$build/programs/dualprop-mlp" >broken/libdualprop-cuda.so.0
export DUALPROP_BACKEND_PATH="$folder/broken"
all_refuse "a truncated module" "is truncated"
# By itself the library looks for a driver before it opens the module.
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    test_that "auto: a truncated module" falls_back "is truncated"
else
    test_that "auto: a truncated module" falls_back "no NVIDIA driver is installed"
fi

mkdir pipe && mkfifo pipe/libdualprop-cuda.so.0
export DUALPROP_BACKEND_PATH="$folder/pipe"
test_that "mlp: a pipe for a module" refuses "no regular file" mlp

# A module that may not be read is not one that is missing; root may read everything.
mkdir locked && echo words >locked/libdualprop-cuda.so.0 && chmod 0 locked/libdualprop-cuda.so.0
export DUALPROP_BACKEND_PATH="$folder/locked"
run_as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi
}
may_not_read() {
    run_as_nobody timeout 60 "$programs/dualprop-mlp" --backend cuda >stdout 2>stderr </dev/null
    status=$?
    [ $status -eq 1 ] && grep -q "Permission denied" stderr && return 0
    echo "exit status $status, expected 1 and a line with Permission denied:"
    cat stderr
    return 1
}
if run_as_nobody timeout 60 "$programs/dualprop-mlp" --help >stdout 2>stderr; then
    test_that "mlp: a module that may not be read" may_not_read
else
    skip "a module that may not be read: only root may run programs here"
fi

module=$lib/libdualprop-cuda.so.0 standin=$build/tests/cuda/standin
if [ ! -e "$module" ] || [ ! -d "$standin" ]; then
    skip "no driver, no library: the CUDA module was not built"
    count_end
    exit
fi
export DUALPROP_BACKEND_PATH="$lib"
if [ -e /dev/nvidiactl ]; then
    skip "no driver: there is one here"
else
    all_refuse "no driver" "no NVIDIA driver is installed"
    test_that "auto: no driver" falls_back "no NVIDIA driver is installed"
fi
# What stands first in the path is no library; the device is a stand-in's, for a module with a shared runtime.
export DUALPROP_BACKEND_PATH="$build/tests/cuda/shared"
mkdir runtime products && cp "$standin/libcuda.so.1" runtime && cp "$standin/libcuda.so.1" products
for name in "$standin"/libcudart.so.*[0-9]; do echo words >runtime/"$(basename "$name")"; cp "$name" products; done
for name in "$standin"/libcublasLt.so.*[0-9]; do echo words >products/"$(basename "$name")"; done
export LD_LIBRARY_PATH="$folder/runtime"
all_refuse "no CUDA runtime" "libcudart"
test_that "auto: no CUDA runtime" falls_back "libcudart"
export LD_LIBRARY_PATH="$folder/products"
all_refuse "no cuBLASLt" "cuBLASLt cannot be loaded"
test_that "auto: no cuBLASLt" falls_back "cuBLASLt cannot be loaded"
count_end
