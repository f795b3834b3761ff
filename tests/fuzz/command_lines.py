#!/usr/bin/env python3
"""Runs programs with random command lines: each ends by itself, with a documented status, and says why it refuses.

usage: tests/fuzz/command_lines.py [COUNT] [SEED]    with BUILD (build) in the environment; a build with sanitizers sees
more

Options and the names they take are read from --help. Values are good, odd, huge, or no values at all. A run may end
with 0 (done), 1 (something failed) or 2 (a bad option, with a sentence on stderr); it may not end by a signal, print a
sanitizer's report or "nan", or write files other than those that it was told to.
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
build = os.path.abspath(os.environ.get("BUILD", "build"))
here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
draw = random.Random(seed)
NUMBERS = ["0", "1", "2", "3", "-1", "0.5", "1e-3", "1e300", "1e-300", "nan", "inf", "-inf", "", "0x10", "1,2", "1,,2",
           "9" * 30,
           "1e999", " 1", "1 ", "2147483648", "9223372036854775808", "18446744073709551616", "3,4,5", "\xff", "%s%n"]
PATHS = ["made", "made/", "data/train-images-idx3-ubyte", "nowhere/x", "/dev/null", "/", ".", "a" * 300, "", "log", "-"]
# The longest these may be asked for.
SMALL = {"--epochs", "--passes", "--hidden", "--threads", "--batch", "--limit", "--steps", "--samples"}


def options_of(program):
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    found = {}
    for name, value, words in re.findall(r"^  (--[a-z0-9-]+)(?: ([A-Z][A-Z,.\[\]]*))? +(.*)$", text, re.M):
        found[name] = (value, re.findall(r"\b[a-z][a-z0-9-]+\b", words))
    return found


def value_for(name, kind, words):
    if name in SMALL and draw.random() < 0.7:
        return draw.choice(["1", "2", "3", "8"])
    if kind in ("FILE", "DIR", "PATH"):
        return draw.choice(PATHS)
    if kind == "NAME" and words and draw.random() < 0.8:
        return draw.choice(words)
    if draw.random() < 0.6:
        return draw.choice(["1", "2", "0.5", "0.1", "1e-3"])
    return draw.choice(NUMBERS + PATHS if draw.random() < 0.1 else NUMBERS)


def command(program, options, base):
    line = [program, *base]
    for _ in range(draw.randint(1, 4)):
        name = draw.choice(sorted(options))
        if name in ("--help", "--version"):
            continue
        kind, words = options[name]
        line.append(name if draw.random() < 0.97 else name[:-1])
        if kind and draw.random() < 0.97:
            line.append(value_for(name, kind, words))
    return line


def complaint(line, done, folder, before):
    out = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    if done.returncode not in (0, 1, 2):
        return f"status {done.returncode}"
    if re.search(r"Sanitizer|runtime error|stack smashing|terminate called", out):
        return "a report: " + out[-2000:]
    if done.returncode and not done.stderr.strip():
        return "no sentence"
    if re.search(r"(?<![a-z-])nan(?![a-z])", done.stdout.decode(errors="replace")):
        return "it prints nan: " + done.stdout.decode(errors="replace")[-500:]
    others = set(os.listdir(folder)) - before - set(line)
    if others - {word.rstrip("/") for word in line}:
        return f"it left {sorted(others)}"
    return None


def main():
    statuses, bad = {}, 0
    folder = tempfile.mkdtemp()
    make = os.path.join(here, "python", "make_images.py")
    subprocess.run([sys.executable, make, "mnist", os.path.join(folder, "data"), "40"], check=True)
    base = ("--data data --dataset idx --hidden 8 --batch 10 --epochs 1 --limit 30 --backend reference "
            "--threads 1").split()
    programs = [(os.path.join(build, "programs", "dualprop-mlp"), base)]
    for program, start in programs:
        options = options_of(program)
        for _ in range(count):
            line = command(program, options, start)
            before = set(os.listdir(folder))
            try:
                done = subprocess.run([os.fsencode(word) if "\xff" not in word else word.encode("latin-1")
                                       for word in line],
                                      cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
                wrong = complaint(line, done, folder, before)
                statuses[done.returncode] = statuses.get(done.returncode, 0) + 1
            except subprocess.TimeoutExpired:
                wrong = "it does not end within five minutes"
            if wrong:
                bad += 1
                print("FAILED:", line[1:], wrong)
            for name in set(os.listdir(folder)) - {"data"}:
                path = os.path.join(folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    shutil.rmtree(folder)
    print(f"{count} command lines (seed {seed}); statuses:",
          ", ".join(f"{k}: {v}" for k, v in sorted(statuses.items())))
    print(f"{count - bad} passed, {bad} failed, 0 skipped")
    return bad > 0


sys.exit(main())
