"""Runs in folders: started, resumed, stopped, and read. A run that is done is not done again."""
import json
import os
import platform
import re
import signal
import subprocess
import time

from . import experiments

# What a line of results holds of the last epoch.
LAST = ("lipschitz", "angle", "residual", "test_top5", "sha256")
DIVERGED = re.compile(r"epoch (\d+), batch (\d+): (.*)")


def machine():
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def read_lines(path):
    """The whole JSON lines of a file, without half a line that a run was killed in."""
    lines = []
    try:
        with open(path, encoding="utf-8") as file:
            for text in file:
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    pass
    except FileNotFoundError:
        pass
    return lines


class Run:
    """OUTPUT/EXPERIMENT/DATASET/CELL/seed-N: run.json (how it was made), run.jsonl, run.safetensors, stdout, stderr,
    and `done` once it has ended by itself."""

    def __init__(self, root, experiment, cell, seed):
        self.experiment, self.cell, self.seed = experiment, cell, seed
        self.folder = os.path.join(root, cell.dataset, cell.name, f"seed-{seed}")
        self.process, self.began, self.done_before = None, 0, 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def is_done(self):
        return os.path.exists(self.path("done"))

    def about(self):
        try:
            with open(self.path("run.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def epochs(self):
        """One line of the log for each epoch; the last one counts where a resumed run logged an epoch twice."""
        return sorted({line["epoch"]: line for line in read_lines(self.path("run.jsonl")) if "epoch" in line}.values(),
                      key=lambda line: line["epoch"])

    def attacks(self):
        """One line of the log for each attack and strength; the last one counts where a run was cut among them."""
        return list({(line["attack"], line["epsilon"]): line
                     for line in read_lines(self.path("run.jsonl")) if "attack" in line}.values())

    def audits(self):
        """The first epoch's measured batches."""
        return [line for line in read_lines(self.path("audits.jsonl")) if line["epoch"] == 1]

    def divergence(self):
        """(epoch, batch, sentence) where the run ended by diverging, or None."""
        try:
            with open(self.path("stderr"), encoding="utf-8") as file:
                found = DIVERGED.search(file.read())
        except FileNotFoundError:
            return None
        return (int(found[1]), int(found[2]), found[3]) if found else None

    def tested(self):
        """Accuracy in % of the program's last line, or None."""
        try:
            with open(self.path("stdout"), encoding="utf-8") as file:
                found = re.findall(r"^test accuracy ([0-9.]+) %", file.read(), re.M)
        except FileNotFoundError:
            return None
        return float(found[-1]) if found else None

    def curves(self):
        """{name: values over the epochs} of what the experiment draws."""
        lines = self.epochs()
        return {key: [line[key] for line in lines] for key in self.experiment.curves
                if lines and all(key in line for line in lines)}

    # ---- running ----

    def command(self, programs, options):
        """The command that starts the run, or goes on with it."""
        cell, shared = self.cell, []
        for name in ("backend", "threads"):
            shared += [f"--{name}", str(options[name])]
        shared += ["--data", experiments.folder_of(cell.dataset), "--log", self.path("run.jsonl")]
        if not self.experiment.batches:
            shared += ["--checkpoint", self.path("run.safetensors")]
        extras = self.experiment.extras
        if options["short"] and "--attack" in extras:  # 18 evaluations of all test images
            extras = extras[:extras.index("--attack")]
        program = os.path.join(programs, "dualprop-" + cell.program)
        if os.path.exists(self.path("run.safetensors")):
            attack = extras[extras.index("--attack"):][:2] if "--attack" in extras else []
            return [program, "--resume", self.path("run.safetensors")] + shared + attack
        what = ["--preset", cell.preset] if cell.preset else ["--dataset", cell.dataset]
        command = [program] + what + ["--seed", str(self.seed)] + cell.options + extras + shared
        for name in ("epochs", "limit"):
            if options[name]:
                command += [f"--{name}", str(options[name])]
        if options["epochs"] and cell.program == "vgg16":
            command += ["--warmup", str(min(1, options["epochs"] - 1)), "--decay-epochs", str(options["epochs"])]
        if self.experiment.batches:
            command += ["--audit-log", self.path("audits.jsonl")]
        return command

    def start(self, programs, options, commit, machine, lock):
        os.makedirs(self.folder, exist_ok=True)
        about = self.about()
        command = self.command(about.get("programs", programs), options)
        if not os.path.exists(self.path("run.safetensors")):
            about = {"commit": commit, "programs": programs, "machine": machine, "command": command,
                     "limit": options["limit"],
                     "started": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())}
            with open(self.path("run.json"), "w", encoding="utf-8") as file:
                json.dump(about, file, indent=1)
            command[0] = os.path.join(programs, os.path.basename(command[0]))
        with open(self.path("stdout"), "a") as out, open(self.path("stderr"), "w") as error:
            # In a session of its own, so that Ctrl-C reaches this program alone, which then stops its runs. The lock
            # goes with it: while a run lives, nothing else starts it again.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=error,
                                            start_new_session=True, pass_fds=[lock])
        self.began, self.done_before = time.monotonic(), len(self.epochs())

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def poll(self):
        """None while it runs; True: done; False: stopped; a text: failed."""
        if self.process.poll() is None:
            if self.experiment.batches and len(self.audits()) >= self.experiment.batches:
                self.stop()
            return None
        status = self.process.returncode
        enough = self.experiment.batches and len(self.audits()) >= self.experiment.batches
        if status == 0 or enough or (status == 1 and self.divergence()):
            open(self.path("done"), "w").close()
            return True
        if status in (130, 143, 129):
            return False
        with open(self.path("stderr"), encoding="utf-8") as file:
            return file.read().strip() or f"{' '.join(self.process.args)}: exit status {status}"


class KnownRun:
    """A run that was made elsewhere, read from its line of results. Its folder is not here, and it is not run again."""

    def __init__(self, experiment, cell, row):
        self.experiment, self.cell, self.seed, self.row = experiment, cell, row["seed"], row

    def is_done(self):
        return True

    def about(self):
        return self.row

    def curves(self):
        return self.row.get("curves", {})

    def epochs(self):
        """The lines of the epochs that are known: all with their curves, or the last one alone."""
        count, curves = self.row["epochs"], self.curves()
        first = 1 if curves else count
        lines = [{"epoch": epoch, **{key: values[epoch - 1] for key, values in curves.items()}}
                 for epoch in range(first, count + 1)]
        if lines:
            lines[-1].update({key: self.row[key] for key in LAST if key in self.row})
        return lines

    def attacks(self):
        return self.row.get("attacks", [])

    def divergence(self):
        return tuple(self.row["diverged"]) if self.row["diverged"] else None

    def tested(self):
        return self.row["accuracy"]


def seconds_left(pending, running, jobs, epochs):
    """An estimate of the time that is left: epochs that were measured, and where none was the cells' guesses,
    scaled."""
    measured, ratio = {}, []
    for run in running + [run for run in pending if run.epochs()]:
        lines = run.epochs()[run.done_before if run in running else 0:]
        if lines and run in running:
            each = (time.monotonic() - run.began) / len(lines)
            measured[run.cell.name] = each
            ratio.append(each / run.cell.cost)
    scale = sum(ratio) / len(ratio) if ratio else 1
    total = 0
    for run in pending + running:
        left = epochs - len(run.epochs())
        total += max(0, left) * measured.get(run.cell.name, run.cell.cost * scale)
    return total / max(1, jobs)


def in_words(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"
