"""headers.py - the public headers as data, and python/dualprop/_signatures.py compared with them.

usage: headers.py [--update]   compares, or writes the table again from the headers
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(ROOT, "python", "dualprop", "_signatures.py")
CODES = {"int": "i", "int32_t": "i", "dualprop_status": "i", "int64_t": "l", "uint32_t": "u", "uint64_t": "L",
         "size_t": "z", "double": "d", "dualprop_log": "p", "dualprop_parallel_for": "p"}
HEAD = '''"""The signatures of the library's functions and the values of its constants.

A signature is the code of the result, a code for each argument, and the names of the arguments in the header:

    S status   v nothing   s const char *   p another pointer, or a function
    i int, int32_t   u uint32_t   l int64_t   L uint64_t   z size_t   d double

Names have no "dualprop_" and no "DUALPROP_". tests/python/headers.py compares this table with the headers, and writes
it again with --update.
"""
'''


def read():
    """The text of all public headers, without comments and without testing.h, which is another library's."""
    text = ""
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "dualprop", "*.h"))):
        if os.path.basename(path) != "testing.h":
            with open(path, encoding="utf-8") as file:
                text += file.read()
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def code_of(declaration):
    """The code of one parameter such as `const double *mean`."""
    if "*" in declaration or "[" in declaration:
        return "s" if re.fullmatch(r"const char \*\w+", declaration) else "p"
    words = [word for word in declaration.split() if word != "const"]
    return CODES.get(words[0], "p")


def name_of(declaration):
    """The name of one parameter such as `const int64_t kernel[2]`."""
    return re.findall(r"\w+", re.sub(r"\[.*?\]", "", declaration))[-1]


def without_parentheses(arguments):
    """A parameter that is a pointer to a function has commas of its own: leave out what stands in its parentheses."""
    return re.sub(r"\(\s*\*\s*(\w+)\s*\)\s*\([^()]*\)", r"*\1", arguments)


def functions(text):
    """{name: signature} of every public function."""
    found = {}
    pattern = r"^\s*DUALPROP_(?:CALL|API)\b([\w\s*]*?)\bdualprop_(\w+)\(([^;]*)\);"
    for result, name, arguments in re.findall(pattern, text, flags=re.S | re.M):
        arguments = [" ".join(a.split()) for a in without_parentheses(arguments).split(",")]
        arguments = [] if arguments == ["void"] else arguments
        codes, names = "".join(code_of(a) for a in arguments), [name_of(a) for a in arguments]
        result = " ".join(result.replace("DUALPROP_CHECKED", "").split())
        kinds = {"": "S", "dualprop_status": "S", "void": "v", "const char *": "s", "const char*": "s", "uint32_t": "u"}
        found[name] = " ".join([kinds.get(result, "p"), codes, *names]).strip()
    return found


def constants(text):
    """{name: value} of the plain enumerations and of the numbers that are defined."""
    found = {}
    for body in re.findall(r"enum\s*\{([^}#]*)\}", text):
        for name, value in re.findall(r"DUALPROP_(\w+)\s*=\s*(-?\d+)", body):
            found[name] = int(value)
    for name, value in re.findall(r"^\s*X\((\w+), (\d+),", text, flags=re.M):
        found[name] = int(value)
    for name, value in re.findall(r"^#define DUALPROP_(\w+) \(?(-?\d+)\)?\s*$", text, flags=re.M):
        found[name] = int(value)
    return found


def table(text):
    """What the table should be."""
    parts = [HEAD]
    for title, entries in (("FUNCTIONS", functions(text)), ("CONSTANTS", constants(text))):
        lines = [f'    "{name}": {value!r},'.replace("'", '"') for name, value in sorted(entries.items())]
        parts.append("\n".join([f"{title} = {{", *lines, "}"]) + "\n")
    return "\n".join(parts)


def main():
    wanted = table(read())
    if "--update" in sys.argv:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(wanted)
        return 0
    with open(TABLE, encoding="utf-8") as file:
        held = file.read()
    for line in sorted(set(wanted.splitlines()) ^ set(held.splitlines())):
        print("differs:", line.strip())
    if held != wanted:
        print("if the headers are right: tests/python/headers.py --update")
    return held != wanted


if __name__ == "__main__":
    sys.exit(main())
