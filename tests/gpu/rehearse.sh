#!/bin/sh
# tests/gpu/run.sh from end to end on the stand-ins, in a root like that of a rented machine: no network, and neither
# make nor what is needed for building with jansson, Check, zlib, BLIS and pkg-config. Needs a kit (tests/gpu/pack.sh),
# built tests, and the right to make namespaces. Takes some minutes. PyTorch is left out, and where ncu and
# compute-sanitizer are called, only the program that they are given runs.
# usage: rehearse.sh [OUT]    WITHOUT=gcc: a machine without a compiler, where the binaries of the kit are used
set -eu
cd "$(dirname "$0")/../.."
build=$PWD/${BUILD:-build}
standins=$build/tests/cuda/standin
out=${1:-build/gpu-rehearsal}
[ -d build/gpu-kit/bin ] || { echo "first tests/gpu/pack.sh"; exit 1; }
ls "$standins"/libcublasLt.so.* >/dev/null 2>&1 || { echo "first make tests"; exit 1; }
mkdir -p "$out"
export REHEARSAL="$standins" OUT="$PWD/$out" LIMIT="${LIMIT:-3600}" BUILD_LIMIT="${BUILD_LIMIT:-120}"
export SLOWER="${SLOWER:-20}" WITHOUT="${WITHOUT:-}"
# The kit's module has NVIDIA's runtime in it, which finds no device here; this one takes the stand-in.
export REHEARSAL_MODULE="$build/tests/cuda/shared"
# With neither real library the stand-ins make up their answers, as on a machine that has none. Few calls are made to
# fail: here all of that only has to run.
export DUALPROP_REAL_CUDNN= DUALPROP_REAL_CUBLASLT= DUALPROP_TEST_SAMPLE=6
unset BUILD
exec unshare -Urmn sh -eu -c '
    over=$(mktemp -d) && mount -t tmpfs none "$over" && mkdir "$over/upper" "$over/work"
    mount -t overlay overlay -o "userxattr,lowerdir=/usr,upperdir=$over/upper,workdir=$over/work" /usr
    rm -f /usr/bin/make /usr/bin/gmake /usr/bin/pkg-config /usr/bin/pkgconf
    for headers in /usr/include /usr/include/*-linux-gnu; do
        rm -rf "$headers"/jansson*.h "$headers"/check*.h "$headers"/zlib.h "$headers"/zconf.h "$headers"/sha2.h \
            "$headers"/blis*
    done
    for folder in /usr/lib/*-linux-gnu; do
        for library in jansson check check_pic subunit z md blis; do
            rm -f "$folder/lib$library.a" "$folder/lib$library.so"
        done
        rm -rf "$folder"/blis*
    done
    for tool in $WITHOUT; do rm -f "/usr/bin/$tool"; done
    # NVIDIA has no such tools for the stand-ins: these only run the program that they are given.
    mkdir "$over/bin" && PATH=$over/bin:$PATH
    cat >"$over/bin/ncu" <<"END"
#!/bin/sh
while [ "${1#--}" != "$1" ]; do
    case $1 in --log-file) echo "\"ID\",\"Kernel Name\"" >"$2" ;; esac
    case $1 in --csv) shift ;; *) shift 2 ;; esac
done
exec "$@"
END
    sed -e "s/--csv)/--help) exit ;; --csv)/" -e "s/--log-file/--none/" "$over/bin/ncu" >"$over/bin/compute-sanitizer"
    chmod +x "$over/bin"/*
    cd "$1"
    exec sh tests/gpu/run.sh' rehearsal "$PWD"
