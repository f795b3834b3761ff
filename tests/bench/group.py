"""Steps that processes share, against one process with as many threads: one JSON line a case.

usage: group.py FOLDER [WORDS]     FOLDER: of worker_group; WORDS select cases by name. ROUNDS, ROUND_STEPS and RANKS
                                   ("1 2") in the environment

Each round runs all rows of a case, one after the other; figures are milliseconds, the median over the rounds of a run's
median, and the ratio of each row to the first, the median over the rounds. Needs mpirun, and nothing else.
"""
import json
import os
import statistics
import subprocess
import sys

WORKER = os.path.join(sys.argv[1], "worker_group")
WORDS = [word for word in sys.argv[2:] if word not in ("group", "all")]
ROUNDS = int(os.environ.get("ROUNDS", "5"))
RANKS = [int(word) for word in os.environ.get("RANKS", "2").split()]
STEPS = {"mlp": 60, "vgg16": 5}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
if "Open MPI" not in subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout:
    MPIRUN = ["mpirun"]


def run(ranks, *words):
    """The median of one run, in milliseconds."""
    command = [*MPIRUN, "-n", ranks, WORKER, *words]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr[-500:]}")
    return float(result.stdout.split()[1])


def case(name, rows):
    if WORDS and not any(word in name for word in WORDS):
        return
    rounds = [{row: run(*words) for row, words in rows.items()} for _ in range(ROUNDS)]
    first = next(iter(rows))
    line = {"case": f"group-{name}", "rounds": ROUNDS}
    for row in rows:
        line[row] = {"ms": round(statistics.median(one[row] for one in rounds), 3),
                     "ratio": round(statistics.median(one[row] / one[first] for one in rounds), 3)}
    print(json.dumps(line), flush=True)


def steps_of(network, batch):
    steps = os.environ.get("ROUND_STEPS", STEPS[network])
    most = max(RANKS)
    rows = {f"1 process, {most} threads": (1, network, batch, 0, most, steps),
            "1 process, 1 thread": (1, network, batch, 0, 1, steps)}
    for ranks in RANKS:
        rows[f"{ranks} processes, 1 thread"] = (ranks, network, batch, ranks, 1, steps)
    case(f"{network}-{batch}", rows)


def blocks_of(network, batch):
    steps = os.environ.get("ROUND_STEPS", STEPS[network])
    rows = {f"{blocks} blocks": (1, network, batch, blocks, max(RANKS), steps) for blocks in (0, 1, 2, 4)}
    case(f"blocks-{network}-{batch}", rows)


def sums_of(numbers, steps):
    for ranks in RANKS:
        case(f"sum-{4 * numbers / 1e6:.1f}MB-{ranks}",
             {"MPI_Allreduce": (ranks, "sum", numbers, "mpi", steps),
              "own order": (ranks, "sum", numbers, "ours", steps)})


steps_of("mlp", 100)
steps_of("mlp", 512)
steps_of("vgg16", 100)
blocks_of("mlp", 100)
blocks_of("mlp", 512)
blocks_of("vgg16", 100)
sums_of(669706, 30)
sums_of(33638218, 5)
