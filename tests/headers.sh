#!/bin/sh
# Compiles each public header alone, as strict C11 and as C++17: a header must bring what it needs and nothing odd.
cd "$(dirname "$0")/.."
. tests/count.sh

compile() {
    printf '#include "%s"\nextern int not_empty;\n' "$2" | $1 -pedantic-errors -Wall -Wextra -Werror -Iinclude \
        -fsyntax-only -
}

have "$CXX" || skip "headers as C++17: no C++ compiler here"
for header in include/dualprop/*.h; do
    name=dualprop/$(basename "$header")
    test_that "$name alone as C11" compile "$CC -std=c11 -x c" "$name"
    have "$CXX" && test_that "$name alone as C++17" compile "$CXX -std=c++17 -x c++" "$name"
done

# The companion's header, with the headers of that MPI, which -pedantic would look into, and without the bindings of C++
# that MPI has given up.
compile_mpi() {
    printf '#include "dualprop/mpi.h"\nextern int not_empty;\n' | $1 -Wall -Wextra -Werror -Iinclude \
        -Isrc/mpi/include -fsyntax-only -
}
if have mpicc; then
    test_that "dualprop/mpi.h alone as C11" compile_mpi "mpicc -std=c11 -x c"
    ! have mpicxx || test_that "dualprop/mpi.h alone as C++17" compile_mpi \
        "mpicxx -std=c++17 -x c++ -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX"
else
    skip "dualprop/mpi.h: there is no mpicc"
fi
count_end
