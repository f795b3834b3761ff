#!/bin/sh
# Installs into a temporary folder and builds the README's program against what lies there: by pkg-config and by CMake,
# shared and static, in C and in C++. Checks names with spaces, modes, and what `make install` remembers of the build.
cd "$(dirname "$0")/.."
. tests/count.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/usr
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH

cat >"$work/expected" <<'EOF'
0 xor 0 = 0
0 xor 1 = 1
1 xor 0 = 1
1 xor 1 = 0
EOF

# Runs a program against the installed library; it must print what it was asked to print and nothing else.
prints_what_it_should() {
    LD_LIBRARY_PATH=$prefix/lib "$1" >"$work/output" 2>&1 || { cat "$work/output"; return 1; }
    diff "$work/expected" "$work/output"
}

install_to_prefix() {
    make --no-print-directory install PREFIX="$prefix" DESTDIR=
}

# A staged tree holds the same files, and none of them knows the stage.
stage_like_prefix() {
    make --no-print-directory install PREFIX=/usr LIBDIR=/usr/lib/some-machine DESTDIR="$work/stage" || return 1
    (cd "$prefix" && find . ! -type d | sort) >"$work/direct"
    (cd "$work/stage/usr" && find . ! -type d | sed 's|/some-machine||' | sort) >"$work/staged"
    diff "$work/direct" "$work/staged" || return 1
    ! grep -r "$work/stage" "$work/stage/usr" --include='*.pc' --include='*.cmake'
}

# Into the default prefix: the loader finds the library without a word. In a mount namespace with an /etc (which has the
# loader's cache) and a /usr/local of its own, so that the system stays as it is.
starts_at_once() {
    cp -a /etc "$work/etc" && CC=$CC unshare -m sh -ec '
        mount --bind "$1/etc" /etc
        mount -t tmpfs tmpfs /usr/local
        make --no-print-directory install
        unset PKG_CONFIG_PATH LD_LIBRARY_PATH
        $CC -o "$1/at_once" examples/minimal.c $(pkg-config --cflags --libs dualprop)
        "$1/at_once" >"$1/output"' sh "$work" && diff "$work/expected" "$work/output"
}

# What a debugger reads of a function lies in a file beside the library, and the library points at it.
stripped() {
    make --no-print-directory install-strip PREFIX=/usr DESTDIR="$work/stripped" || return 1
    library=$work/stripped/usr/lib/libdualprop.so.0
    for file in "$library" "$work/stripped/usr/lib/libdualprop.a" "$work/stripped/usr/bin/dualprop-mlp"; do
        ! readelf -SW "$file" | grep '\.debug_info' || { echo "$file has debug information"; return 1; }
    done
    for file in "$library" "$work/stripped/usr/bin/dualprop-mlp"; do
        debug=${file%/*}/.debug/${file##*/}.debug
        readelf -p .gnu_debuglink "$file" | grep -qF "${debug##*/}" && readelf -SW "$debug" | grep -q '\.debug_info' ||
            { echo "$file does not point at its debug information"; return 1; }
    done
    $CC -o "$work/archive" examples/minimal.c -Iinclude "$work/stripped/usr/lib/libdualprop.a" -lm -lpthread -ldl &&
        prints_what_it_should "$work/archive" || return 1
    have gdb || return 0
    gdb -nx -batch -ex 'info line dualprop_version' "$library" >"$work/lines" 2>&1
    grep -q 'Line [0-9]* of ".*version.c"' "$work/lines" || { cat "$work/lines"; return 1; }
}
# 2 MiB. By gcc 12 it has 2,046,112 bytes, of which BLIS's kernels and what they need are 27,000, and the library's own
# loops and products for three levels of instructions 1.3 million. Other compilers, flags and machines have other sizes.
is_small() {
    size=$(stat -c %s "$work/stripped/usr/lib/libdualprop.so.0")
    [ "$size" -lt 2097152 ] || { echo "$size bytes; expected fewer than 2097152"; return 1; }
}
stripped_is_uninstalled() {
    make --no-print-directory uninstall PREFIX=/usr DESTDIR="$work/stripped" || return 1
    left=$(find "$work/stripped" ! -type d; find "$work/stripped" -name .debug)
    [ -z "$left" ] || { echo "$left"; return 1; }
}

uninstall_leaves_nothing() {
    make --no-print-directory uninstall PREFIX=/usr LIBDIR=/usr/lib/some-machine DESTDIR="$work/stage" || return 1
    left=$(find "$work/stage" ! -type d)
    [ -z "$left" ] || { echo "$left"; return 1; }
}

# They need nothing but the system's libraries.
programs_run() {
    for program in dualprop-mlp dualprop-vgg16 dualprop-asymmetry dualprop-vectors; do
        "$prefix/bin/$program" --help >"$work/output" || return 1
        grep -q "$program" "$work/output" || { echo "$program --help does not name it"; return 1; }
    done
}

# Each program has a page without mistakes, with its options in it.
manual_pages() {
    for program in dualprop-mlp dualprop-vgg16 dualprop-asymmetry dualprop-vectors; do
        page=$prefix/share/man/man1/$program.1
        grep -q "^.B .*backend" "$page" || { echo "$page lacks --backend"; return 1; }
        if have groff; then
            complaints=$(groff -man -ww -z "$page" 2>&1)
            [ -z "$complaints" ] || { echo "$complaints"; return 1; }
        fi
    done
}

# A prefix with a space and an &, a relative LIBDIR, and a umask that would hide everything.
unusual_prefix() {
    (umask 077 && make --no-print-directory install PREFIX="$work/a b&c" LIBDIR=lib/some-machine DESTDIR=) || return 1
    hidden=$(find "$work/a b&c" ! -type l ! -perm -a=r)
    [ -z "$hidden" ] || { echo "not readable by all users: $hidden"; return 1; }
    (
        PKG_CONFIG_PATH="$work/a b&c/lib/some-machine/pkgconfig"
        eval "$CC -std=c11 -o '$work/unusual' examples/minimal.c $(pkg-config --cflags --libs dualprop)"
    ) && LD_LIBRARY_PATH="$work/a b&c/lib/some-machine" "$work/unusual" | diff "$work/expected" -
}

# The .pc file may move with its tree.
moved_tree() {
    cp -r "$prefix" "$work/moved" || return 1
    flags=$(PKG_CONFIG_PATH=$work/moved/lib/pkgconfig pkg-config --define-prefix --cflags --libs dualprop)
    [ "${flags% }" = "-I$work/moved/include -L$work/moved/lib -ldualprop" ] || { echo "$flags"; return 1; }
}

# As `CFLAGS=... make` and then `sudo make install`, which has another environment.
remembers_the_options() {
    (
        unset MAKEFLAGS MFLAGS MAKEOVERRIDES
        CFLAGS='-DREMEMBERED="a #b"' make --no-print-directory BUILD="$work/build" "$work/build/options.mk" &&
            env -u CFLAGS make --no-print-directory -n BUILD="$work/build" LIB="$work/lib" install >"$work/output" 2>&1
    ) || { cat "$work/output"; return 1; }
    grep -q 'REMEMBERED="a #b"' "$work/output" || { grep version.c "$work/output"; return 1; }
}

# A compiler says which binutils are its own.
binutils_of_the_compiler() {
    printf '%s\n' '#!/bin/sh' 'case $1 in' '-dumpmachine) echo some-machine ;;' \
        '-print-prog-name=*) echo "/cross/${1#*=}" ;;' 'esac' >"$work/cross-gcc" && chmod +x "$work/cross-gcc" &&
        (unset MAKEFLAGS MFLAGS MAKEOVERRIDES AR OBJCOPY
         make --no-print-directory -n CC="$work/cross-gcc" BLIS=no NVCC=no BUILD="$work/cross" \
             LIB="$work/cross/lib" all) \
            >"$work/output" 2>&1 && grep -q '^/cross/objcopy ' "$work/output" && grep -q '/cross/ar rcs ' "$work/output"
}

with_pkg_config() {
    $CC -std=c11 -Wall -Wextra -Werror -o "$work/shared" examples/minimal.c $(pkg-config --cflags --libs dualprop) &&
        prints_what_it_should "$work/shared"
}

with_pkg_config_static() {
    $CC -std=c11 -static -o "$work/static" examples/minimal.c $(pkg-config --static --cflags --libs dualprop) &&
        prints_what_it_should "$work/static"
}

with_the_archive() {
    $CC -std=c11 -o "$work/archive" examples/minimal.c -I"$prefix/include" "$prefix/lib/libdualprop.a" \
        -lm -lpthread -ldl && prints_what_it_should "$work/archive"
}

# As one who writes a kernel does: headers, the tester's archive and the shared library of the installed tree.
with_the_tester() {
    [ -e "$prefix/include/dualprop/testing.h" ] && [ -e "$prefix/lib/libdualprop-testing.a" ] || return 1
    for example in test_my_kernel custom_layer; do
        $CC -std=c11 -Wall -Wextra -Werror -o "$work/$example" "examples/$example.c" -ldualprop-testing \
            $(pkg-config --cflags --libs dualprop) -lm &&
            LD_LIBRARY_PATH=$prefix/lib "$work/$example" >"$work/output" 2>&1 || { cat "$work/output"; return 1; }
        grep -Eq '^0 of [1-9][0-9]* cases failed$|^largest error of a gradient: .*e-' "$work/output" ||
            { cat "$work/output"; return 1; }
    done
}

# By the archive, and by the source, which a site with two MPIs compiles itself.
over_mpi() {
    mpicc -std=c11 -o "$work/group" examples/mpi/minimal_mpi.c $(pkg-config --cflags --libs dualprop-mpi) &&
        prints_sum "$work/group" && mv "$work/output" "$work/sum" &&
        mpicc -std=c11 -o "$work/group_from_source" examples/mpi/minimal_mpi.c \
            "$prefix/share/dualprop/mpi_transport.c" $(pkg-config --cflags --libs dualprop) &&
        prints_sum "$work/group_from_source" && cmp "$work/output" "$work/sum" &&
        pkg-config --variable=mpi dualprop-mpi | grep -q "[0-9]"
}
prints_sum() {
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 LD_LIBRARY_PATH=$prefix/lib "$1" >"$work/output" 2>&1 &&
        grep -q "^sum of layer 1's weights" "$work/output" || { cat "$work/output"; return 1; }
}

in_cxx() {
    $CXX -std=c++17 -x c++ -o "$work/cxx" examples/minimal.c $(pkg-config --cflags --libs dualprop) &&
        prints_what_it_should "$work/cxx"
}

with_cmake() {
    mkdir -p "$work/cmake" && cp examples/minimal.c examples/test_my_kernel.c "$work/cmake" &&
        cat >"$work/cmake/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.13)
project(minimal C)
find_package(dualprop 0.1 REQUIRED)
add_executable(shared minimal.c)
target_link_libraries(shared PRIVATE dualprop::dualprop)
add_executable(static minimal.c)
target_link_libraries(static PRIVATE dualprop::dualprop_static)
add_executable(tester test_my_kernel.c)
target_link_libraries(tester PRIVATE dualprop::dualprop_testing dualprop::dualprop)
EOF
    cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" &&
        cmake --build "$work/cmake/build" && prints_what_it_should "$work/cmake/build/shared" &&
        prints_what_it_should "$work/cmake/build/static" &&
        "$work/cmake/build/tester" | grep -Eq '^0 of [1-9][0-9]* cases failed$'
}

cmake_refuses_a_later_version() {
    sed -i 's/dualprop 0.1/dualprop 99.0/' "$work/cmake/CMakeLists.txt"
    ! cmake -S "$work/cmake" -B "$work/cmake/build99" -DCMAKE_PREFIX_PATH="$prefix"
}

test_that "make install" install_to_prefix
test_that "the programs are installed and run" programs_run
test_that "manual pages" manual_pages
test_that "a prefix with a space and an &, a relative LIBDIR, umask 077" unusual_prefix
test_that "a tree that was moved" moved_tree
test_that "make install remembers the options of the build" remembers_the_options
test_that "ar and objcopy are the compiler's" binutils_of_the_compiler
test_that "a program by pkg-config, shared" with_pkg_config
test_that "a program by pkg-config, static" with_pkg_config_static
test_that "a program with libdualprop.a" with_the_archive
test_that "a kernel and a layer tested by libdualprop-testing.a" with_the_tester
if have mpicc; then
    test_that "a group over MPI, by the archive and by the installed source" over_mpi
else
    skip "a group over MPI: there is no mpicc"
fi
if have "$CXX"; then test_that "a program in C++" in_cxx; else skip "a program in C++: no C++ compiler here"; fi
if have cmake; then
    test_that "a program by CMake, shared and static, and a kernel tested" with_cmake
    test_that "CMake refuses a version that is not there" cmake_refuses_a_later_version
else
    skip "a program by CMake: cmake is not installed"
fi
test_that "make install DESTDIR= stages the same files" stage_like_prefix
test_that "make uninstall" uninstall_leaves_nothing
if [ "$(id -u)" = 0 ] && have ldconfig && unshare -m mount -t tmpfs tmpfs /usr/local 2>/dev/null; then
    test_that "a program starts after make install without ldconfig" starts_at_once
else
    skip "make install into /usr/local: not root, or there are no mount namespaces"
fi
test_that "make install-strip" stripped
flags=$(uname -m)\ $(cat "${BUILD:-build}/flags")
case $flags in
*fsanitize*) is_usual=no ;;
'x86_64 gcc '*' -O3 -g '*) is_usual=yes ;;
*) is_usual=no ;;
esac
if [ $is_usual = yes ]; then
    test_that "the stripped library is below 2 MiB" is_small
else
    skip "size of the library: it was built by other flags than the Makefile's, or is for another machine"
fi
test_that "make uninstall takes separate debug information too" stripped_is_uninstalled
count_end
