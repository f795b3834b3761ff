#!/usr/bin/env python3
"""Breaks one line of src/core at a time, in a copy of the tree, and looks whether the suites notice.

usage: tests/mutants.py [COUNT] [SEED]    with BUILD (build/mutants), FILES (a pattern), LINES (FILE:LINE ..., all of
whose mutants are tried) and SUITES in the environment

Each mutant is one small change, chosen by the seed: a comparison, a constant, an operator, a condition. It is compiled,
linked into tests/main of a build of its own, and suites run until one of them notices. A mutant that none notices is
printed with its line, and in the end with the reason if tests/mutants.txt has one.
"""
import filecmp, glob, os, random, re, shutil, subprocess, sys, time

count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
build = os.path.abspath(os.environ.get("BUILD", "build/mutants"))
tree = f"{build}/tree"
CHANGES = [(r"<=", "<"), (r">=", ">"), (r" < ", " <= "), (r" > ", " >= "), (r"==", "!="), (r"!=", "=="),
           (r"&&", "||"), (r"\|\|", "&&"), (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "),
           (r"\b1\b", "2"), (r"\b0\b", "1"), (r"\breturn DUALPROP_OK;", "return DUALPROP_ERROR_IO;"),
           (r"if \(!", "if ("), (r"\+\+", "--")]
# Suites of the file's room first, then those that look at everything a little; the slow ones are left to a person.
ROOMS = {"base": ["sizes", "context", "view", "arenas", "file", "initialize"],
         "platform": ["system_calls", "thread_pool", "file", "io", "process"],
         "backend": ["context", "own_slots", "module", "failing_backend", "custom_activation", "custom_map"],
         "network": ["network", "convolution", "initialize", "publish"],
         "rule": ["rule", "rule_revision", "misuse", "checkpoint_texts", "rules_learning"],
         "state": ["dyad_access", "neurons", "shares", "state_memory", "sample_weights", "keep_inference", "open",
                   "caches", "rules_model", "custom_map", "rules_hardware"],
         "inference": ["rules_output", "custom_activation", "own_loss", "oracles", "rules_model", "rules_learning",
                       "rules_hardware", "convolution_rules", "neurons", "open"],
         "learning": ["learning", "extreme_steps", "misuse", "sample_weights", "group"],
         "checkpoint": ["json", "checkpoint_texts", "checkpoint", "hostile_files", "export"],
         "diagnostics": ["diagnostics"], "group": ["group"]}
EVERYWHERE = ["arguments_", "refused_calls", "oom", "random_calls", "failing_backend"]
sound = {}  # does the suite pass without a mutant?

def make(*targets):
    jobs = os.environ.get("JOBS", os.cpu_count())
    return subprocess.run(["make", "-s", f"-j{jobs}", "NVCC=no", "CORE_FLAGS=-O1", *targets], cwd=tree,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def copy_tree():
    """What git tracks, and what is new; files that are the same are left alone, so that a second run builds little."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, text=True).stdout
    for name in names.splitlines():
        if os.path.isfile(name):
            os.makedirs(os.path.dirname(f"{tree}/{name}"), exist_ok=True)
            if not os.path.exists(f"{tree}/{name}") or not filecmp.cmp(name, f"{tree}/{name}", shallow=False):
                shutil.copy(name, f"{tree}/{name}")


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


def passes(suite, program="main"):
    try:
        exactly = suite if suite.endswith("_") else f"{suite}.c"
        return subprocess.run([f"build/tests/{program}", exactly], cwd=tree, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=900,
                              env={**os.environ, "CK_DEFAULT_TIMEOUT": "120"}).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def notices(path):
    """The first suite that fails with the mutant and passes without, or None."""
    for suite in os.environ.get("SUITES", "").split() or ROOMS[path.split("/")[2]] + EVERYWHERE:
        if not passes(suite):
            sound[suite] = sound[suite] if suite in sound else passes(suite, "sound")
            if sound[suite]:
                return suite
    return None


def known_reasons():
    """Lines of tests/mutants.txt: FILE: CODE -> CODE: REASON, whatever the line's number."""
    reasons, name = {}, "tests/mutants.txt"
    for line in open(name, encoding="utf-8") if os.path.exists(name) else []:
        if line.strip() and not line.startswith("#"):
            change, reason = line.rstrip("\n").split("  ::  ")
            reasons[change] = reason
    return reasons


def main():
    copy_tree()
    if make("build/tests/main"):
        sys.exit("mutants: the build without a mutant fails")
    shutil.copy2(f"{tree}/build/tests/main", f"{tree}/build/tests/sound")
    found, reasons = list(candidates()), known_reasons()
    random.Random(seed).shuffle(found)
    lines = os.environ.get("LINES", "").split()
    if lines:
        found = [change for change in found if f"{change[0]}:{change[1] + 1}" in lines]
    killed, survivors, tried = 0, [], 0
    for path, number, begin, end, text in found:
        if tried == count:
            break
        whole = open(path, encoding="utf-8").read()
        lines = open(f"{tree}/{path}", encoding="utf-8").read().split("\n")
        before = lines[number]
        lines[number] = before[:begin] + text + before[end:]
        kept = "\n".join(lines[:number] + [before] + lines[number + 1:])
        open(f"{tree}/{path}", "w", encoding="utf-8").write("\n".join(lines))
        if make("build/tests/main") == 0:  # else no mutant: the compiler refuses it
            tried += 1
            started = time.monotonic()
            killer = notices(path)
            killed += killer is not None
            change = f"{path}: {before.strip()}  ->  {lines[number].strip()}"
            if killer is None:
                survivors.append((f"{path}:{number + 1}", change))
            print(f"{tried}: {killer or 'SURVIVES'} {time.monotonic() - started:.0f} s {path}:{number + 1}: "
                  f"{before.strip()}  ->  {lines[number].strip()}", flush=True)
        open(f"{tree}/{path}", "w", encoding="utf-8").write(kept)
    print("suites that fail without a mutant:", *[suite for suite in sound if not sound[suite]])
    print(f"{killed} of {tried} mutants killed (seed {seed})")
    for place, change in survivors:
        print("survivor:", place, change, "::", reasons.get(change, "no reason yet"))


main()
