#!/bin/sh
# Debian packages: built, installed into an empty system's folder, used there, and removed again.
cd "$(dirname "$0")/.."
. tests/count.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packages_are_built() {
    COMPRESSION=none tools/make-deb "$work/packages" && [ "$(ls "$work/packages"/*.deb | wc -l)" -ge 4 ]
}

installed() {
    mkdir -p "$work/root/var/lib/dpkg/info" "$work/root/var/lib/dpkg/updates" && : >"$work/root/var/lib/dpkg/status" &&
        : >"$work/root/var/lib/dpkg/available" &&
        dpkg --root="$work/root" --force-depends --force-not-root --force-script-chrootless --log="$work/log" \
            -i "$work/packages"/*.deb
}

a_program_is_built_and_runs() {
    folder=$(dirname "$(find "$work/root" -name libdualprop.so.0)")
    PKG_CONFIG_PATH=$folder/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    flags=$(pkg-config --cflags --libs dualprop) &&
        $CC -o "$work/minimal" examples/minimal.c -I"$work/root/usr/include" -L"$folder" $flags &&
        LD_LIBRARY_PATH=$folder "$work/minimal" | grep -q '^1 xor 1 = 0$' &&
        "$work/root/usr/bin/dualprop-mlp" --help >"$work/output" &&
        [ -e "$work/root/usr/share/man/man1/dualprop-mlp.1.gz" ]
}

# Debian's Python, which has Debian's numpy, with the package's modules and the packages' library.
python_learns() {
    folder=$(dirname "$(find "$work/root" -name libdualprop.so.0)")
    PYTHONPATH=$work/root/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$folder PYTHONDONTWRITEBYTECODE=1 \
        env -u DUALPROP_LIB_PATH /usr/bin/python3 - <<'EOF' >"$work/output" 2>&1 || { cat "$work/output"; return 1; }
import importlib.metadata
import sys
import numpy
import dualprop
context = dualprop.Context(threads=1)
network = dualprop.Network(context, 2).dense(8, "tanh").dense(2).initialize(seed=1)
state = dualprop.State(network, dualprop.Rule(context), capacity=4)
adam = dualprop.Optimizer(network, "adam", learning_rate=0.02)
samples = numpy.array([[0, 0], [0, 1], [1, 0], [1, 1]], numpy.float32)
for _ in range(400):
    adam.learn(state, samples, numpy.array([0, 1, 1, 0]))
print(state.predict(samples).argmax(axis=1))
assert importlib.metadata.version("dualprop") == dualprop.__version__
print(next(line for line in open("/proc/self/maps") if "libdualprop.so.0" in line))
EOF
    grep -qxF '[0 1 1 0]' "$work/output" && grep -qF "$folder/libdualprop.so.0" "$work/output" || {
        cat "$work/output"
        return 1
    }
}

# Whatever the library links is a package that it depends on.
names_what_it_needs() {
    dpkg-deb -f "$work/packages"/libdualprop0_*.deb Depends | grep -q libc6
}

removed() {
    names=$(for package in "$work/packages"/*.deb; do dpkg-deb -f "$package" Package; done)
    dpkg --root="$work/root" --force-not-root --force-script-chrootless --log="$work/log" -P $names || return 1
    left=$(find "$work/root/usr" ! -type d 2>/dev/null)
    [ -z "$left" ] || { echo "$left"; return 1; }
}

if have dpkg-deb && have dpkg-shlibdeps && have dpkg-architecture; then
    test_that "make deb" packages_are_built
    test_that "it names what it needs" names_what_it_needs
    if [ "$(id -u)" = 0 ]; then
        test_that "installed" installed
        test_that "a program with the packages" a_program_is_built_and_runs
        if /usr/bin/python3 -c 'import numpy' 2>"$work/output"; then
            test_that "Python learns with the packages" python_learns
        else
            skip "python3-dualprop: Debian's Python has no numpy here"
        fi
        test_that "removed" removed
    else
        skip "packages installed and removed: not root"
    fi
else
    skip "Debian packages: dpkg-dev is not installed"
fi
count_end
