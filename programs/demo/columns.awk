# columns.awk - from the JSON lines of mlp's log to columns: epoch, training and test accuracy in percent, and the angle
# to back-propagation's gradient of layer 1, 2, ... in degrees.

# The number behind "key": or an empty text.
function number(key,    rest) {
    if (!match($0, "\"" key "\":")) return ""
    rest = substr($0, RSTART + RLENGTH)
    match(rest, /^[-+0-9.eE]+/)
    return substr(rest, 1, RLENGTH)
}

# The numbers of the list behind "key":, separated by spaces.
function list(key,    rest) {
    if (!match($0, "\"" key "\":\\[[^]]*\\]")) return ""
    rest = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    gsub(/,/, " ", rest)
    return rest
}

BEGIN { print "# epoch  train%  test%  angles" }
{ printf "%d %.3f %.3f %s\n", number("epoch"), 100 * number("train_accuracy"), 100 * number("test_accuracy"),
    list("angle") }
