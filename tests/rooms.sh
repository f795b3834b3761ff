#!/bin/sh
# The rooms of src/core look down only. docs/architecture.md has the list ("| floor | room | header | ..."): a file
# includes
# headers, and calls functions, of its own room and of rooms on lower floors; rooms on one floor never meet; from
# another
# room it includes that room's one header. src/math uses no other folder; src/cpu and src/cuda use src/math and
# themselves.
# Names of static functions, of structs and of macros are unique over src/core, src/cpu and src/math, so that a profile
# can be read, and so that one file can be made of them. The check is then tried on a tree with planted mistakes.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
passed=0 failed=0 skipped=0

# Lines "ROOM FLOOR HEADER".
rooms() {
    sed -n 's/^| *\([0-9][0-9]*\) *| *\([a-z]*\)\/ *| *\([a-z_]*\.h\) *|.*/\2 \1 \3/p' "$1/docs/architecture.md"
}

# The includes of tree $1 that the rooms forbid, one sentence each.
bad_includes() {
    (cd "$1" && grep -n '^#include "' $(find src -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh')) |
        sed -n 's/^\([^:]*\):[0-9]*:#include "\([^"]*\)".*/\1 \2/p' >"$scratch/includes"
    rooms "$1" | awk '
        NR == FNR { floor[$1] = $2; header[$1] = $3; next }
        function folder(path) {
            if (path ~ /^src\/core\//) return "core"
            return path ~ /^src\/cpu\// ? "cpu" : path ~ /^src\/cuda\// ? "cuda" : "math"
        }
        {
            n = split($1, from, "/"); parts = split($2, to, "/"); where = folder($1)
            if (where == "core" && !(from[3] in floor)) { print $1 " is in no room of docs/architecture.md"; next }
            if (parts == 1 || to[1] == "dualprop" || to[1] == "math") next
            if (where != "core") {
                if (to[1] != where) print $1 " includes " $2 ", which lies outside its part of the tree"
                next
            }
            if (to[1] != "core") { print $1 " includes " $2 ": src/core knows the backends by their tables"; next }
            room = to[2]
            if (room == from[3]) print $1 " includes " $2 " by its folder, which is its own"
            else if (!(room in floor)) print $1 " includes " $2 ", which is in no room"
            else if (floor[room] > floor[from[3]]) print $1 " uses " to[3] " of room " room ", which is above it"
            else if (floor[room] == floor[from[3]]) \
                print $1 " uses " to[3] " of room " room ", which is on its own floor"
            else if (to[3] != header[room]) print $1 " uses " to[3] ", which is private to room " room
        }' - "$scratch/includes"
}

# The same for calls, which a declaration of one's own could hide: undefined names of the objects under $2.
bad_calls() {
    nm -A --defined-only "$2"/*/*.o | awk '{ n = split($1, p, "/"); print $NF, p[n - 1] }' >"$scratch/homes"
    nm -A -u "$2"/*/*.o | awk '{ sub(/:$/, "", $1); print $1, $NF }' >"$scratch/uses"
    rooms "$1" >"$scratch/rooms"
    awk '
        FILENAME ~ /rooms$/ { floor[$1] = $2; next }
        FILENAME ~ /homes$/ { home[$1] = $2; next }
        $2 in home {
            n = split($1, from, "/"); room = from[n - 1]; name = from[n]; sub(/\.o.*/, ".c", name)
            if (home[$2] != room && floor[home[$2]] >= floor[room])
                print "src/core/" room "/" name " uses " $2 " of room " home[$2] \
                      (floor[home[$2]] > floor[room] ? ", which is above it" : ", which is on its own floor")
        }' "$scratch/rooms" "$scratch/homes" "$scratch/uses"
}

# Names of tree $1 that would clash in one file made of src/core, src/cpu and src/math: static functions and objects,
# tags of structs, and macros, that more than one file defines. A file may define a macro again that it undefines, or
# that a template undefines that it includes. Names in FORMULA() are of one type, and of one template each.
repeated_names() {
    (cd "$1" && awk '
        function note(kind, name) {
            if ((kind, name, FILENAME) in known) return
            known[kind, name, FILENAME] = 1
            files[kind, name] = files[kind, name] " " FILENAME
            count[kind, name]++
        }
        FNR == 1 { depth = 0 }
        /^#if/ && !/_H$/ { depth++ }
        /^#endif/ && depth > 0 { depth-- }
        { gsub(/__attribute__\(\([a-z_]*\)\) ?/, "") }
        /^static [^=;]*[ *(]([a-z_0-9]+|FORMULA\([a-z_0-9]+\))\(/ {
            name = $0
            if (/FORMULA\([a-z_0-9]+\)\(/) sub(/\)\(.*/, ")", name)
            else {
                sub(/FORMULA\([a-z_0-9]+\) /, "", name) # the type of the result
                sub(/\(.*/, "", name)
            }
            sub(/.*[ *]/, "", name)
            if (!depth || name !~ /^FORMULA/) note("static", name) # in #if: one of several that a template may have
        }
        /^static [^(]*[ *][a-z_0-9]+(\[[^\]]*\])*( =|;)/ || /^(struct|enum|union) [a-z_0-9]+ \{$/ {
            name = $0
            sub(/ (=|\{).*|;.*/, "", name)
            gsub(/\[[^\]]*\]/, "", name)
            sub(/.*[ *]/, "", name)
            note(/^static/ ? "static" : "tag", name)
        }
        /^ *# *(define|undef) / {
            name = $0
            sub(/^ *# *(define|undef) +/, "", name)
            sub(/[^A-Za-z_0-9].*/, "", name)
            if (/^ *# *define/) note("macro", name)
            else undefined[name, FILENAME] = 1
        }
        /^#include "/ {
            split($0, words, "\"")
            n = split(words[2], parts, "/")
            includes[FILENAME] = includes[FILENAME] " " parts[n]
        }
        END {
            for (key in count) {
                if (count[key] < 2) continue
                split(key, part, SUBSEP)
                many = split(files[key], where, " ")
                bad = part[1] != "macro"
                for (i = 1; i <= many && !bad; i++) {
                    if ((part[2], where[i]) in undefined) continue
                    bad = 1
                    folder = where[i]
                    sub(/[^\/]*$/, "", folder)
                    some = split(includes[where[i]], header, " ")
                    for (j = 1; j <= some; j++) if ((part[2], folder header[j]) in undefined) bad = 0
                }
                if (bad) print part[2] " is defined in" files[key]
            }
        }' $(find src/core src/cpu src/math -name '*.[ch]' | sort))
}

# $1: what is tested; $2: the file that must be empty.
expect_none() {
    if [ -s "$2" ]; then cat "$2"; echo "failed: $1"; failed=$((failed + 1)); else passed=$((passed + 1)); fi
}

# $1: what is tested; $2: the file; $3: the sentence that must be in it.
expect_sentence() {
    if grep -qxF "$3" "$2"; then passed=$((passed + 1)); else echo "failed: $1: no \"$3\""; failed=$((failed + 1)); fi
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
rooms . | awk 'END { exit NR < 10 }' || { echo "failed: docs/architecture.md has no list of rooms"; failed=1; }

bad_includes . >"$scratch/bad"
expect_none "includes" "$scratch/bad"
mkdir -p "$scratch/tree/docs" "$scratch/objects" && cp -r src "$scratch/tree/" && \
    cp docs/architecture.md "$scratch/tree/docs/"
plant() { printf '#include "%s"\n' "$2" >>"$scratch/tree/$1"; }
plant src/core/base/error.c core/backend/backend_internal.h
plant src/core/diagnostics/spectral.c core/checkpoint/checkpoint_internal.h
plant src/core/checkpoint/crc32.c core/inference/passes.h
plant src/cpu/blis/blis.c cuda/device.h
repeated_names . >"$scratch/bad"
expect_none "names of static functions, structs and macros" "$scratch/bad"
echo 'static int find_stale(void)' >>"$scratch/tree/src/core/base/status.c"
echo '#define LEAST_TABLE_BYTES 1' >>"$scratch/tree/src/math/loss.h"
printf '%s\n' 'struct composite {' 'static int copy_max_numbers[2];' >>"$scratch/tree/src/cpu/blis/blis.c"
echo 'static int copy_max_numbers;' >>"$scratch/tree/src/cpu/blis/blis_team.c"
repeated_names "$scratch/tree" >"$scratch/bad"
expect_sentence "a planted name" "$scratch/bad" \
    "find_stale is defined in src/core/base/status.c src/core/inference/layer_update.c"
expect_sentence "a planted macro" "$scratch/bad" \
    "LEAST_TABLE_BYTES is defined in src/core/backend/registry.c src/math/loss.h"
expect_sentence "a planted struct" "$scratch/bad" \
    "composite is defined in src/core/backend/composite.c src/cpu/blis/blis.c"
expect_sentence "a planted object" "$scratch/bad" \
    "copy_max_numbers is defined in src/cpu/blis/blis.c src/cpu/blis/blis_team.c"
bad_includes "$scratch/tree" >"$scratch/bad"
expect_sentence "a planted include" "$scratch/bad" \
    "src/core/base/error.c uses backend_internal.h of room backend, which is above it"
expect_sentence "a planted include of a room on the same floor" "$scratch/bad" \
    "src/core/diagnostics/spectral.c uses checkpoint_internal.h of room checkpoint, which is on its own floor"
expect_sentence "a planted include of a private header" "$scratch/bad" \
    "src/core/checkpoint/crc32.c uses passes.h, which is private to room inference"
expect_sentence "a planted include between backends" "$scratch/bad" \
    "src/cpu/blis/blis.c includes cuda/device.h, which lies outside its part of the tree"

if [ -d "$build/src/core/base" ]; then
    # Only the objects of sources that are there: a file that has moved leaves its old object.
    for object in "$build"/src/core/*/*.o; do
        source=${object#"$build"/}
        [ -e "${source%.o}.c" ] || continue
        room=$(basename "$(dirname "$object")")
        mkdir -p "$scratch/objects/$room" && ln -s "$(realpath "$object")" "$scratch/objects/$room/"
    done
    bad_calls . "$scratch/objects" >"$scratch/bad"
    expect_none "calls" "$scratch/bad"
    echo 'void dualprop__pool_destroy(void *); void planted(void); void planted(void) { dualprop__pool_destroy(0); }' |
        "${CC:-cc}" -x c -c -o "$scratch/objects/base/planted.o" -
    bad_calls . "$scratch/objects" >"$scratch/bad"
    expect_sentence "a planted call" "$scratch/bad" \
        "src/core/base/planted.c uses dualprop__pool_destroy of room platform, which is above it"
else
    echo "skipped: calls between rooms: $build has no objects of src/core"
    skipped=$((skipped + 1))
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
