"""The benchmark: our step against the baselines' in alternating rounds, one JSON line a case.

usage: bench.py FOLDER CASES    FOLDER: of the built workers and the probe; CASES: words that select cases by name, or
                                "all"; BATCHES in the environment chooses among a case's batches ("50 100 512")

Each round times our step and every baseline's on the same cores, one after the other; where cases have the same
baselines and these are slow, the cases share the rounds. The ratio of a case is the median over the rounds of (best
baseline's median in the round / our median): above 1 we are faster.

Between rounds a probe of multiply-adds in registers shows whether the cores are ours alone: on a quiet machine all
threads together reach what one reaches alone, times their number. Rounds between probes below 90 % of that are
repeated, up to ROUNDS_AT_MOST (fewer where a round takes long); where too few are quiet, all rounds count, and
"quiet_pairs" says how few were.

The VGG16 cases run on two threads and on one. Those named fw16 are set against our own step with one pass up and down:
their ratio, over_fw_bw, is how many times as long they take.

The activation cases, mlp-784-512-512-10-activation-NAME, run the dp step of batch 100 on one thread with each
activation, against PyTorch with the same one; over_relu is how many times as long as with relu it takes, in the same
rounds.

The tiny cases print microseconds a call, median and 99.9th percentile, of this library, of C written for the network
alone, of FANN (where libfann-dev is installed) and of PyTorch; the predict cases compare dualprop_predict() with
PyTorch and ONNX Runtime as the training cases do. PREDICT_BATCHES chooses batches ("1 32 256").

Cases ending in -products set our step without its optimizer, inference and gradient, against what BLIS alone needs for
the very products: there the ratio is the share of BLIS's rate that we keep, dyads and all else included.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
ROUNDS, ROUNDS_AT_LEAST, ROUNDS_AT_MOST, SLOW_ROUNDS_AT_MOST = 12, 10, 30, 16
QUIET = 0.9
NETWORKS = {"784-512-512-10": "784,512,512,10", "784-1000x4-10": "784,1000,1000,1000,1000,10"}
FRAMEWORKS = {"torch-fused": ("worker_torch.py", "fused"), "torch-foreach": ("worker_torch.py", "foreach"),
              "torch-compile": ("worker_torch.py", "compile"), "jax": ("worker_jax.py", "jit")}
BLIS = {"blis": ("worker_blis",)}
CASES = {"dp-fw-bw": (("dp-adjoint", "update"), FRAMEWORKS), "bp": (("bp", "update"), FRAMEWORKS),
         "products": (("dp-adjoint", "gradient"), BLIS)}
VGG16_FRAMEWORKS = {"torch-" + mode: ("worker_torch_vgg16.py", mode)
                    for mode in ("eager", "channels-last", "compile", "compile-channels-last")}
VGG16_FW_BW = ("dp-adjoint", 0.5, "fw-bw", 1)
VGG16_CASES = {"vgg16-dp-fw-bw": VGG16_FW_BW, "vgg16-bp": ("bp", 0.5, "fw-bw", 1)}
VGG16_LONG_CASES = {f"vgg16-dp-fw16-alpha-{alpha}": ("dp-adjoint", alpha, "fw", 16) for alpha in (0.5, 0, 1)}
VGG16_BATCH, SLOT_STEPS = 100, 20
ACTIVATIONS = ("tanh", "sigmoid", "softplus", "elu", "silu", "softmax")
ACTIVATION_BATCH = 100
TINY = ("20-16-2", "20-32-32-2", "64-64-10", "784-30-10")
TINY_BATCHES, TINY_CALLS, TINY_TORCH_CALLS = (1, 8), 100000, 5000
PREDICT = {"vgg16": "vgg16", **NETWORKS}
PREDICT_BATCHES = [int(word) for word in os.environ.get("PREDICT_BATCHES", "1 32 256").split()]
PREDICT_MODES = {"torch-eager": "eager", "torch-inference": "inference", "torch-compile": "compile",
                 "onnxruntime": "onnxruntime"}
BATCHES = [int(word) for word in os.environ.get("BATCHES", "50 100 512").split()]
THREADS = 2
PAUSE = 0.3  # before a probe: ONNX Runtime's threads look for work for a while after the last one


class Worker:
    """A process that answers numbers, a line for a line."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, number):
        try:
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()
            return [float(word) for word in self.process.stdout.readline().split()]
        except BrokenPipeError:
            return []

    def close(self):
        self.process.kill()
        self.process.wait()


class Probe:
    """How many multiply-adds the cores give now, against what they can give."""

    def __init__(self, program, threads):
        self.worker, self.threads = Worker(program), threads
        self.best = threads * max(self.worker.ask(1)[0] for _ in range(20))
        self.seen = []

    def is_quiet(self):
        now = max(self.worker.ask(self.threads)[0] for _ in range(2))
        self.best = max(self.best, now)
        self.seen.append(now)
        return now >= QUIET * self.best


def summary(rounds):
    times = [t for r in rounds for t in r]
    return {"min": round(min(times), 4), "median": round(statistics.median(times), 4)}


def start(folder, programs, arguments):
    """Workers by name; each program is a file and its own arguments, and all of them get the arguments too."""
    workers = {}
    for name, (program, *own) in programs.items():
        command = [sys.executable, HERE / program] if program.endswith(".py") else [folder / program]
        workers[name] = Worker(*command, *own, *arguments)
    return workers


def steps_a_round(times):
    """As many as take 150 ms; at least five, or two where a step takes long."""
    typical = statistics.median(times)
    return max(5 if typical < 100 else 2, min(100, int(150 / typical)))


def run_rounds(workers, steps, probe, at_most):
    """Times in rounds, the quiet ones where there are enough of them, and how many were quiet. Who dies is left out."""
    rounds, quiet = [], []
    before = probe.is_quiet()
    while len(quiet) < ROUNDS and len(rounds) < at_most:
        times = {}
        for name in list(workers):
            time.sleep(0.02)
            times[name] = workers[name].ask(steps[name])
            if not times[name]:
                del workers[name], times[name]
        time.sleep(PAUSE)
        after = probe.is_quiet()
        rounds.append(times)
        if before and after:
            quiet.append(times)
        before = after
    return (quiet if len(quiet) >= ROUNDS_AT_LEAST else rounds), len(quiet)


def ratio_of(rounds, name, baselines):
    """How many times as fast as the round's best baseline we are."""
    def ratio(times):
        return min(statistics.median(times[other]) for other in baselines) / statistics.median(times[name])
    return {"ratio": round(statistics.median(map(ratio, rounds)), 3)}


def over(rounds, name, other, key):
    """How many times as long as the other our step takes."""
    ratios = (statistics.median(times[name]) / statistics.median(times[other]) for times in rounds)
    return {key: round(statistics.median(ratios), 3)}


def split(names, ours):
    """Of those that run, which are cases and which are baselines."""
    cases, baselines = [n for n in names if n in ours], [n for n in names if n not in ours]
    return (cases, baselines) if cases and baselines else None


def report(rounds, quiet, ours, memory, missing, threads, batch, beside=None):
    """A line for each of our cases that were timed in the same rounds."""
    running = rounds[-1]
    cases, baselines = split([key for key in running if key != beside], ours)
    for name in cases:
        state_bytes, all_bytes = memory[name] or (0, 0)
        ratio = over(rounds, name, "fw-bw", "over_fw_bw") if "fw-bw" in running else ratio_of(rounds, name, baselines)
        if beside:
            ratio.update(over(rounds, name, beside, f"over_{beside}"))
        print(json.dumps({
            "name": name, "threads": threads, "batch": batch, "ours_ms": summary([r[name] for r in rounds]),
            "baselines": {key: summary([r[key] for r in rounds]) for key in baselines},
            **ratio, "pairs": len(rounds), "quiet_pairs": quiet,
            "state_bytes": int(state_bytes), "all_bytes": int(all_bytes), "not_run": missing}), flush=True)


def run_cases(probe, ours, workers, threads, batch, warm_steps=10, at_most=ROUNDS_AT_MOST, beside=None):
    """Time our cases (names of workers) and all the other workers, their baselines, in the same rounds.

    beside: a worker that is no baseline but another step of ours.
    """
    memory = {name: workers[name].ask(0) for name in ours}
    warm = {key: worker.ask(warm_steps) for key, worker in workers.items()}
    running = {key: worker for key, worker in workers.items() if warm[key]}
    if split(running, ours):
        rounds, quiet = run_rounds(running, {key: steps_a_round(warm[key]) for key in running}, probe, at_most)
    for worker in workers.values():
        worker.close()
    missing = sorted(set(workers) - set(running))
    if not split(running, ours):
        raise SystemExit(f"bench: nothing to compare; these did not run: {', '.join(missing)}")
    report(rounds, quiet, ours, memory, missing, threads, batch, beside)


def is_wanted(name):
    wanted = sys.argv[2].split()
    return "all" in wanted or any(word in name for word in wanted)


def run_mlps(folder, probe):
    for network, widths in NETWORKS.items():
        for case, (ours, baselines) in CASES.items():
            name = f"mlp-{network}-{case}"
            for batch in BATCHES if is_wanted(name) else []:
                programs = {name: ("worker_dualprop", *ours), **baselines}
                workers = start(folder, programs, (THREADS, batch, widths))
                run_cases(probe(THREADS), [name], workers, THREADS, batch)


def run_vgg16(folder, probe):
    fw_bw = {"fw-bw": ("worker_vgg16", *VGG16_FW_BW)}
    for cases, baselines in ((VGG16_CASES, VGG16_FRAMEWORKS), (VGG16_LONG_CASES, fw_bw)):
        ours = {name: ("worker_vgg16", *arguments) for name, arguments in cases.items() if is_wanted(name)}
        for threads in (2, 1) if ours else ():
            workers = start(folder, {**ours, **baselines}, (threads, VGG16_BATCH))
            run_cases(probe(threads), list(ours), workers, threads, VGG16_BATCH, warm_steps=3,
                      at_most=SLOW_ROUNDS_AT_MOST)


def run_activations(folder, probe):
    """Each activation and relu in the same rounds, against PyTorch with that activation."""
    network, batch = "784-512-512-10", ACTIVATION_BATCH
    for activation in ACTIVATIONS:
        name, relu = f"mlp-{network}-activation-{activation}", "relu"
        if not is_wanted(name):
            continue
        programs = {name: ("worker_dualprop", "dp-adjoint", "update"),
                    **{key: FRAMEWORKS[key] for key in ("torch-fused", "torch-compile")}}
        workers = start(folder, programs, (1, batch, NETWORKS[network], activation))
        workers.update(start(folder, {relu: ("worker_dualprop", "dp-adjoint", "update")},
                             (1, batch, NETWORKS[network])))
        run_cases(probe(1), [name], workers, 1, batch, beside=relu)


def run_tiny(folder):
    """One process times ours, the loops and FANN, another PyTorch."""
    for index, network in enumerate(TINY):
        for batch in TINY_BATCHES if is_wanted(f"tiny-{network}") else []:
            ours = subprocess.run([folder / "tiny", str(index), str(batch), str(TINY_CALLS)], stdout=subprocess.PIPE,
                                  check=True, text=True)
            torch = subprocess.run([sys.executable, HERE / "worker_torch_tiny.py", str(batch), str(TINY_TORCH_CALLS),
                                    network.replace("-", ",")], stdout=subprocess.PIPE, check=True, text=True)
            print(json.dumps({**json.loads(ours.stdout), "torch_us": json.loads(torch.stdout)}), flush=True)


def run_predictions(folder, probe):
    for network, words in PREDICT.items():
        for batch in PREDICT_BATCHES if is_wanted(f"predict-{network}") else []:
            name = f"predict-{network}"
            workers = start(folder, {name: ("worker_predict",)}, (words, THREADS, batch))
            for key, mode in PREDICT_MODES.items():
                workers.update(start(folder, {key: ("worker_predict.py", mode)}, (words, THREADS, batch)))
            run_cases(probe(THREADS), [name], workers, THREADS, batch)


def run_slots(folder):
    """Where a VGG16 step's time goes, by layer and direction."""
    program = folder / "slots_vgg16"
    if is_wanted("vgg16-slots") and program.exists():
        for threads in (THREADS, 1):
            words = [program, *VGG16_FW_BW, threads, VGG16_BATCH, SLOT_STEPS]
            subprocess.run([str(word) for word in words], check=True)


def main():
    folder, probes = pathlib.Path(sys.argv[1]), {}

    def probe_of(threads):
        if threads not in probes:
            probes[threads] = Probe(folder / "probe", threads)
        return probes[threads]

    run_mlps(folder, probe_of)
    run_activations(folder, probe_of)
    run_tiny(folder)
    run_predictions(folder, probe_of)
    run_vgg16(folder, probe_of)
    run_slots(folder)
    for threads, probe in probes.items():
        print(json.dumps({"name": "fma-probe", "threads": threads, "gflops": {
            "best": round(probe.best, 1), "median": round(statistics.median(probe.seen), 1),
            "min": round(min(probe.seen), 1)}}), flush=True)


main()
