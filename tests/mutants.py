#!/usr/bin/env python3
"""Breaks one line of src/core at a time and looks whether the suites notice.

usage: tests/mutants.py [COUNT] [SEED]    with BUILD (build/mutants), SUITES and FILES (a pattern) in the environment

Each mutant is one small change, chosen by the seed: a comparison, a constant, an operator, a condition. It is compiled,
linked into tests/main of a build of its own, and the suites that touch its room run; a mutant that no test notices is
printed with its line. The last lines are how many were killed, and the survivors.
"""
import os, random, re, subprocess, sys, glob

count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
build = os.environ.get("BUILD", "build/mutants")
CHANGES = [(r"<=", "<"), (r">=", ">"), (r" < ", " <= "), (r" > ", " >= "), (r"==", "!="), (r"!=", "=="),
           (r"&&", "||"), (r"\|\|", "&&"), (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "),
           (r"\b1\b", "2"), (r"\b0\b", "1"), (r"\breturn DUALPROP_OK;", "return DUALPROP_ERROR_IO;"),
           (r"if \(!", "if ("), (r"\+\+", "--")]
ROOMS = {"base": ["context", "view", "draw", "host", "names"],
         "platform": ["file", "io", "thread_pool", "process", "cpus"],
         "backend": ["context", "module", "backend", "arguments"],
         "network": ["network", "convolution", "initialize", "arguments"],
         "rule": ["rule", "arguments"], "state": ["state", "rules", "caches", "dyad", "learning"],
         "inference": ["rules", "oracles", "vectors", "learning", "predict"],
         "learning": ["learning", "rules_learning", "gradient"],
         "checkpoint": ["checkpoint", "hostile_files"], "diagnostics": ["diagnostics"], "group": ["group"]}


def make(*targets):
    return subprocess.run(["make", "-s", "NVCC=no", f"BUILD={build}", f"LIB={build}/lib", "OPTIMIZE=-O1", *targets],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def candidates():
    for path in sorted(glob.glob(os.environ.get("FILES", "src/core/*/*.c"))):
        in_comment = False
        for number, line in enumerate(open(path, encoding="utf-8").read().split("\n")):
            code = line.strip()
            in_comment = in_comment or code.startswith("/*")
            if not in_comment and code and not code.startswith(("#", "*", "//", '"')) and "static const" not in code:
                for pattern, text in CHANGES:
                    for found in re.finditer(pattern, line):
                        if line[:found.start()].count('"') % 2 == 0:
                            yield path, number, found.start(), found.end(), text
            if "*/" in line:
                in_comment = False


def main():
    if make(f"{build}/tests/main"):
        sys.exit("mutants: the build without a mutant fails")
    found = list(candidates())
    random.Random(seed).shuffle(found)
    killed, survivors, tried = 0, [], 0
    for path, number, begin, end, text in found:
        if tried == count:
            break
        whole = open(path, encoding="utf-8").read()
        lines = whole.split("\n")
        before = lines[number]
        lines[number] = before[:begin] + text + before[end:]
        try:
            open(path, "w", encoding="utf-8").write("\n".join(lines))
            if make(f"{build}/tests/main"):
                continue  # no mutant: the compiler refuses it
            tried += 1
            suites = os.environ.get("SUITES", "").split() or ROOMS[path.split("/")[2]]
            try:
                dead = subprocess.run([f"{build}/tests/main", *suites], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL,
                                      stdin=subprocess.DEVNULL, timeout=900,
                                      env={**os.environ, "CK_DEFAULT_TIMEOUT": "60"}).returncode != 0
            except subprocess.TimeoutExpired:
                dead = True
            killed += dead
            if not dead:
                survivors.append(f"{path}:{number + 1}: {before.strip()}  ->  {lines[number].strip()}")
                print("survives", survivors[-1], flush=True)
        finally:
            open(path, "w", encoding="utf-8").write(whole)
    print(f"{killed} of {tried} mutants killed (seed {seed})")
    for line in survivors:
        print("survivor:", line)


main()
