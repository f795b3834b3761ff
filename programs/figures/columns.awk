# columns.awk - from the JSON lines of a program's log to columns for gnuplot: the numbers after the keys, in their
# order, a list's one after another. Lines without the first key (attacks, say) are left out; what a line lacks is NaN.
# usage: awk -v keys="epoch angle" -f columns.awk LOG

# The number or the list behind "key":, separated by spaces; an empty text where there is none.
function behind(key,    found) {
    if (!match($0, "\"" key "\": *(\\[[^]]*\\]|-?[0-9][-+0-9.eE]*)")) return ""
    found = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
    gsub(/[][, ]+/, " ", found)
    sub(/^ /, "", found)
    return found
}

BEGIN { count = split(keys, key, " ") }
{
    line = behind(key[1])
    if (line == "") next
    for (i = 2; i <= count; i++) {
        found = behind(key[i])
        line = line " " (found == "" ? "NaN" : found)
    }
    gsub(/null/, "NaN", line)
    print line
}
