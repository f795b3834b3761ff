"""The benchmark: our step against the baselines' in alternating rounds, one JSON line a case.

usage: bench.py WORKER CASES    WORKER: the built worker_dualprop; CASES: words that select cases by name, or "all"

Each round times our step and every baseline's on the same cores, one after the other. The ratio of a case is the
median over the rounds of (best baseline's median in the round / our median): above 1 we are faster.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
ROUNDS = 12
NETWORKS = {"784-512-512-10": "784,512,512,10", "784-1000x4-10": "784,1000,1000,1000,1000,10"}
RULES = {"dp-fw-bw": "dp-adjoint", "bp": "bp"}
BASELINES = {"torch-fused": ("worker_torch.py", "fused"), "torch-foreach": ("worker_torch.py", "foreach"),
             "torch-compile": ("worker_torch.py", "compile"), "jax": ("worker_jax.py", "jit")}


class Worker:
    """A process that times steps when told to."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self, steps):
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
            return [float(word) for word in self.process.stdout.readline().split()]
        except BrokenPipeError:
            return []

    def close(self):
        self.process.kill()
        self.process.wait()


def summary(rounds):
    times = [t for r in rounds for t in r]
    return {"min": round(min(times), 4), "median": round(statistics.median(times), 4)}


def run_case(worker, name, rule, threads, batch, widths):
    workers = {"ours": Worker([worker, rule, threads, batch, widths])}
    for baseline, (script, mode) in BASELINES.items():
        workers[baseline] = Worker([sys.executable, HERE / script, mode, threads, batch, widths])
    warm = {key: w.run(10) for key, w in workers.items()}
    missing = sorted(key for key, times in warm.items() if not times)
    rounds = {key: [] for key in workers if key not in missing}
    if "ours" in missing or len(rounds) < 2:
        for w in workers.values():
            w.close()
        raise SystemExit(f"bench: nothing to compare; these did not run: {', '.join(missing)}")
    steps = {key: max(5, min(100, int(150 / statistics.median(warm[key])))) for key in rounds}
    for _ in range(ROUNDS):
        for key in rounds:
            time.sleep(0.02)
            rounds[key].append(workers[key].run(steps[key]))
    for w in workers.values():
        w.close()
    medians = {key: [statistics.median(r) for r in rounds[key]] for key in rounds}
    ratios = [min(medians[key][i] for key in medians if key != "ours") / medians["ours"][i] for i in range(ROUNDS)]
    print(json.dumps({"name": name, "threads": threads, "batch": batch, "ours_ms": summary(rounds["ours"]),
                      "baselines": {key: summary(rounds[key]) for key in rounds if key != "ours"},
                      "ratio": round(statistics.median(ratios), 3), "pairs": ROUNDS, "not_run": missing}), flush=True)


def main():
    worker, cases = sys.argv[1], sys.argv[2].split()
    for network, widths in NETWORKS.items():
        for rule_name, rule in RULES.items():
            name = f"mlp-{network}-{rule_name}"
            for batch in (50, 100, 512):
                if "all" in cases or any(word in name for word in cases):
                    run_case(worker, name, rule, 2, batch, widths)


main()
