"""Tables in Markdown, JSON lines and pictures from the runs that have ended."""
import collections
import json
import math
import os
import re
import statistics

from . import experiments
from .pictures import CATEGORIES, Line, Panel, draw, layer_colour
from .runs import LAST


# ---- Numbers ----

def spread(values, digits=2):
    """98.28 ± 0.16 of several values, 98.28 of one."""
    if not values:
        return "—"
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def table(head, rows):
    return row(head) + row(["---"] * len(head)) + "".join(row(cells) for cells in rows)


def last(run, key):
    lines = run.epochs()
    return lines[-1].get(key) if lines else None


def accuracy(run):
    """In %: of the program's last line, which is about the best network where there is a validation set."""
    tested = run.tested()
    if tested is None and last(run, "test_accuracy") is not None:
        return 100 * last(run, "test_accuracy")
    return tested


def outcome(run):
    diverged = run.divergence()
    if diverged:
        return f"diverged in epoch {diverged[0]}, batch {diverged[1]}: {diverged[2]}"
    if run.experiment.batches:
        return f"{len(run.audits())} batches measured"
    return f"test accuracy {accuracy(run):.2f} %" if accuracy(run) is not None else "it has ended"


def ended(todo):
    return [run for run in todo if run.is_done()]


def of_cell(runs, dataset, name):
    return [run for run in runs if run.cell.dataset == dataset and run.cell.name == name]


def commits(runs):
    return ", ".join(sorted({str(run.about().get("commit", "?")) for run in runs})) or "—"


def seeds(runs):
    return ", ".join(str(seed) for seed in sorted(run.seed for run in runs)) or "—"


def datasets(todo):
    return list(dict.fromkeys(run.cell.dataset for run in todo))


def cells(todo, dataset):
    return list({run.cell.name: run.cell for run in todo if run.cell.dataset == dataset}.values())


def name_of(dataset):
    names = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100",
             "imagenet32": "ImageNet32"}
    return names[dataset]


def origin(runs):
    """The machines, data and dates of the runs, as sentences."""
    about = [run.about() for run in runs]
    machines = collections.Counter(text.get("machine", "?") for text in about)
    where = "; ".join(f"{count} on {machine}" if len(machines) > 1 else f"on {machine}"
                      for machine, count in sorted(machines.items()))
    days = sorted({text.get("started", "?")[:10] for text in about})
    digests = sorted({(run.cell.dataset, last(run, "sha256")) for run in runs if last(run, "sha256")})
    text = f"{len(runs)} runs, started {' to '.join(dict.fromkeys([days[0], days[-1]]))}: {where}.\n"
    for dataset, digest in digests:
        text += f"SHA-256 of the contents of {name_of(dataset)} as it was read: `{digest}`.\n"
    return text


def without_curves(runs):
    """A sentence for each data set with runs whose logs are not here, so that no curve can be drawn of them."""
    text = ""
    for dataset in datasets(runs):
        lacking = {}
        for run in runs:
            if run.cell.dataset == dataset and run.experiment.curves and not run.curves() and not run.divergence():
                lacking.setdefault(run.seed, []).append(run.cell.name)
        if lacking:
            text += f"\nNot in the curves of {name_of(dataset)} over the epochs, since their logs are elsewhere: "
            text += "; ".join(f"seed {seed} of {', '.join(names)}" for seed, names in sorted(lacking.items())) + ".\n"
    return text


# ---- Table 1 ----

def against_paper(values, paper, paper_spread):
    """The difference of the means, and in how many of the paper's spreads."""
    if not values:
        return "—"
    difference = statistics.mean(values) - paper
    return f"{difference:+.2f} ({abs(difference) / paper_spread:.1f})"


def order(runs, dataset, names):
    """The cells' mean Lipschitz estimates in the paper's order, with > where it holds."""
    means = []
    for name in names:
        values = [last(run, "lipschitz") for run in of_cell(runs, dataset, name) if last(run, "lipschitz")]
        if not values:
            return None
        means.append(statistics.mean(values))
    signs = [">" if a > b else "<" for a, b in zip(means, means[1:])]
    text = f"{means[0]:.1f}" + "".join(f" {sign} {mean:.1f}" for sign, mean in zip(signs, means[1:]))
    return text + (" (the paper's order)" if "<" not in signs else " (not the paper's order)")


def table1(todo, pictures):
    runs, text = ended(todo), ""
    for dataset in datasets(todo):
        rows = []
        for cell in cells(todo, dataset):
            mine = of_cell(runs, dataset, cell.name)
            paper = experiments.TABLE1_PAPER[dataset][cell.name]
            right = [accuracy(run) for run in mine]
            norms = [last(run, "lipschitz") for run in mine if last(run, "lipschitz") is not None]
            rows.append([cell.title, f"{paper[0]:.2f} ± {paper[1]:.2f}", spread(right),
                         against_paper(right, *paper[:2]),
                         f"{paper[2]:g} ± {paper[3]:g}", spread(norms, 1), seeds(mine), commits(mine)])
        text += f"\n### {name_of(dataset)}\n\n" + table(
            ["column", "accuracy %: paper", "ours", "difference (in the paper's spreads)", "Lipschitz: paper", "ours",
             "seeds", "commit"], rows)
        for title, names in (("DP at alpha 1, 1/2, 0, 0 with E_0", ["dp-1", "dp-0.5", "dp-0", "dp-0-e0"]),
                             ("BP and BP trained adversarially", ["bp", "bp-raw"])):
            found = order(runs, dataset, names)
            if found:
                text += f"\nLipschitz estimates of {title}: {found}.\n"
        pictures.append((f"robustness-{dataset}", f"Robustness, {name_of(dataset)} (Table 1's networks, means over the "
                         "seeds)", robustness_panels(runs, dataset), 3, ""))
    return text


def means_at(points):
    """(x, mean) or (x, mean, low, high) of {x: values}; a band where every x has several values."""
    banded = points and all(len(values) > 1 for values in points.values())
    out = []
    for x in sorted(points):
        mean = statistics.mean(points[x])
        deviation = statistics.stdev(points[x]) if banded else 0
        out.append((x, mean, mean - deviation, mean + deviation) if banded else (x, mean))
    return out


ROBUST = [("dp-1", "DP, alpha 1"), ("dp-0.5", "DP, alpha 1/2"), ("dp-0", "DP, alpha 0"),
          ("dp-0-e0", "DP, alpha 0, E_0"),
          ("bp", "BP"), ("bp-raw", "BP, adversarial")]


def robustness_panels(runs, dataset):
    panels = []
    for kind in ("fgsm", "pgd"):
        lines = []
        for (name, title), colour in zip(ROBUST, CATEGORIES):
            points = {}
            for run in of_cell(runs, dataset, name):
                attacks = [line for line in run.attacks() if line["attack"] == kind]
                if attacks:
                    points.setdefault(0, []).append(accuracy(run))
                for line in attacks:
                    points.setdefault(line["epsilon"], []).append(100 * line["test_accuracy"])
            lines.append(Line(title, means_at(points), colour))
        panels.append(Panel(kind.upper(), "epsilon", "test accuracy (%)", lines, top=100))
    lines = []
    for (name, title), colour in zip(ROBUST, CATEGORIES):
        points = {}
        for run in of_cell(runs, dataset, name):
            for epoch, norm in enumerate(run.curves().get("lipschitz", []), 1):
                points.setdefault(epoch, []).append(norm)
        lines.append(Line(title, means_at(points), colour, marks=False))
    panels.append(Panel("norm of W2 W1 W0", "epoch", "Lipschitz estimate", lines, log="y"))
    return panels


# ---- Table 2 and Fig. 3 ----

def divergence_in_short(epoch, batch, sentence):
    place = re.search(r"layer (\d+).* in pass (\d+)", sentence)
    where = f", layer {place[1]}, pass {place[2]}" if place else f": {sentence}"
    return f"epoch {epoch}, batch {batch}{where}"


def table2(todo, pictures):
    runs, rows = ended(todo), []
    for cell in cells(todo, "mnist"):
        mine = of_cell(runs, "mnist", cell.name)
        diverged = [run.divergence() for run in mine if run.divergence()]
        trained = [run for run in mine if not run.divergence()]
        if diverged:
            result = "X: " + "; ".join(divergence_in_short(*found) for found in diverged)
        else:
            result = spread([accuracy(run) for run in trained])
        first = [run.epochs()[0] for run in trained if run.epochs() and "norm" in run.epochs()[0]]
        ratio = [max(a / b for a, b in zip(line["norm"], line["bp_norm"]) if b > 0) for line in first]
        angle = [max(line["angle"]) for line in first]
        residual = [line["residual"] for line in first if line.get("residual") is not None]
        paper = "X" if cell.name in ("dp-0", "dp-1") else "trains" if "adjoint" in cell.name else ""
        rows.append([cell.title, paper, result, f"{statistics.mean(ratio):.3g}" if ratio else "—",
                     f"{statistics.mean(angle):.1f}" if angle else "—",
                     f"{statistics.mean(residual):.2g}" if residual else "—",
                     str(max((last(run, "epoch") or 0 for run in mine), default=0)), seeds(mine), commits(mine)])
    figure3(todo, pictures)
    return "\n" + table(["rule", "paper", "test accuracy %", "norm / BP's (worst layer, epoch 1)",
                         "angle to BP (worst layer, epoch 1)", "residual (epoch 1)", "epochs", "seeds", "commit"], rows)


def figure3(todo, pictures):
    runs, panels = ended(todo), []
    titles = (("angle", "angle to back-propagation", "degrees"), ("difference", "norm of the difference", ""),
              ("norm", "norms of the gradients (dashed: BP)", ""))
    for key, title, unit in titles:
        for alpha in ("0", "1"):
            mine = of_cell(runs, "mnist", f"dp-adjoint-{alpha}")
            mine = [run for run in mine if key in run.curves()]
            layers = max((len(run.curves()[key][0]) for run in mine), default=0)
            lines = []
            for k in range(1, layers + 1):
                for source in ([key, "bp_norm"] if key == "norm" else [key]):
                    points = {}
                    for run in mine:
                        for epoch, values in enumerate(run.curves()[source], 1):
                            points.setdefault(epoch, []).append(values[k - 1])
                    lines.append(Line("" if source == "bp_norm" else str(k), means_at(points), layer_colour(k, layers),
                                      dashed=source == "bp_norm"))
            panels.append(Panel(f"{title}, alpha {alpha}", "epoch", unit, lines))
    pictures.append(("figure3",
                     "Fig. 3: DP^T with 30 iterations, MNIST, 784-1000x4-10 (mean and spread over the seeds)", panels,
                     2, "layer"))
    return "\nThe runs are those of Table 2 by DP^T.\n"


# ---- Table 3 and Fig. 2 ----

def table3(todo, pictures):
    runs, text = ended(todo), ""
    for dataset in datasets(todo):
        rows = []
        for cell in cells(todo, dataset):
            mine = of_cell(runs, dataset, cell.name)
            found = re.fullmatch(r"dp-adjoint-(.*)-beta-(.*)", cell.name)
            key = (found[2], found[1]) if found else "bp"
            paper = experiments.TABLE3_PAPER.get(dataset, {}).get(key, "")
            results = [f"X (epoch {run.divergence()[0]})" for run in mine if run.divergence()]
            right = [accuracy(run) for run in mine if not run.divergence()]
            top5 = [100 * last(run, "test_top5") for run in mine if last(run, "test_top5") is not None]
            angle = [max(last(run, "angle")) for run in mine if last(run, "angle")]
            rows.append([cell.title, paper, "; ".join(results + ([spread(right)] if right or not results else [])),
                         spread(top5), f"{statistics.mean(angle):.1f}" if angle else "—",
                         str(max((last(run, "epoch") or 0 for run in mine), default=0)), seeds(mine), commits(mine)])
        text += f"\n### {name_of(dataset)}\n\n" + table(
            ["rule", "top-1 %: paper", "ours", "top-5 %, last epoch", "worst angle, last epoch", "epochs", "seeds",
             "commit"],
            rows)
        panels = [angle_panel(cell.title, "epoch", [point for run in of_cell(runs, dataset, cell.name)[:1]
                                                    for point in enumerate(run.curves().get("angle", []), 1)])
                  for cell in cells(todo, dataset)]
        pictures.append((f"table3-angles-{dataset}", f"Angle to back-propagation by layer, VGG16, {name_of(dataset)}",
                         panels, 3,
                         "layer"))
    return text


def angle_panel(title, x, points):
    layers = len(points[0][1]) if points else 0
    return Panel(title, x, "angle to back-propagation (degrees)",
                 [Line(str(k + 1), [(place, angles[k]) for place, angles in points], layer_colour(k + 1, layers))
                  for k in range(layers)])


def figure2(todo, pictures):
    rows = []
    for dataset in datasets(todo):
        mine = [run for run in ended(todo) if run.cell.dataset == dataset]
        pictures.append((f"figure2-{dataset}",
                         f"Fig. 2b and 2d: angle to back-propagation in the first batches, {name_of(dataset)}",
                         [angle_panel(run.cell.title, "batch",
                                      [(line["batch"], line["angle"]) for line in run.audits()])
                          for run in mine], 2, "layer"))
        for run in mine:
            angles = [line["angle"] for line in run.audits()]
            worst = [max(line) for line in angles]
            rows.append([name_of(dataset), run.cell.title, str(len(angles)), f"{statistics.mean(worst):.1f}",
                         f"{max(worst):.1f}", f"{statistics.mean(worst[-20:]):.1f}", commits([run])])
    return "\n" + table(["data", "rule", "batches", "worst layer's angle: mean", "largest", "mean of the last 20",
                         "commit"], rows)


# ---- The atlas ----

def atlas(todo, pictures):
    runs, rows, panels = ended(todo), [], []
    for axis, title, values in experiments.ATLAS:
        right, angle = [], []
        for rule, colour in (("dp", CATEGORIES[1]), ("dp-adjoint", CATEGORIES[0])):
            points, angles = {}, {}
            for i, (value, _options) in enumerate(values):
                mine = of_cell(runs, "fashion-mnist", f"{axis}-{value}-{rule}")
                trained = [run for run in mine if not run.divergence()]
                found = [accuracy(run) for run in trained]
                worst = [max(last(run, "angle")) for run in trained if last(run, "angle")]
                diverged = len(mine) - len(trained)
                if found:
                    points[i] = found
                if worst:
                    angles[i] = worst
                rows.append([title, value, rule, (spread(found) if found else "—")
                             + (f" ({diverged} diverged)" if diverged else ""),
                             spread(worst, 1), seeds(mine), commits(mine)])
            right.append(Line(rule, means_at(points), colour))
            angle.append(Line(rule, means_at(angles), colour))
        labels = [value for value, _options in values]
        panels.append(Panel(title, "", "test accuracy (%)", right, labels=labels, top=90))
        panels.append(Panel(title, "", "worst layer's angle (degrees)", angle, labels=labels))
    pictures.append(("atlas",
                     "Atlas of asymmetry: 784-128x3-10, 10,000 images of Fashion-MNIST, 5 epochs (mean and spread over "
                     "the seeds)", panels, 4, ""))
    return "\n" + table(["what is varied", "value", "rule", "test accuracy %", "worst angle, last epoch", "seeds",
                         "commit"], rows)


def figure3_alone(todo, pictures):
    return figure3(todo, pictures)


WRITERS = {"table1": table1, "table2": table2, "table3": table3, "figure2": figure2, "figure3": figure3_alone,
           "atlas": atlas}


def as_lines(runs):
    for run in runs:
        line = {"data": run.cell.dataset, "cell": run.cell.name, "seed": run.seed, "epochs": last(run, "epoch") or 0,
                "accuracy": accuracy(run), "diverged": run.divergence()}
        line.update({key: last(run, key) for key in LAST if last(run, key) is not None})
        about = run.about()
        measured = run.audits() if run.experiment.batches else []
        angles = [[round(angle, 2) for angle in batch["angle"]] for batch in measured]
        for key, value in (("limit", about.get("limit")), ("curves", run.curves()), ("attacks", run.attacks()),
                           ("batches", len(angles)), ("angles", angles)):
            line.update({key: value} if value else {})
        line.update({key: about.get(key) for key in ("commit", "machine", "started")})
        yield json.dumps(line)


def write(name, title, todo, results, here):
    """Write results/TITLE.md, .jsonl and pictures; the paths, the table's first."""
    os.makedirs(results, exist_ok=True)
    pictures, runs = [], ended(todo)
    text = f"# {title}\n\nWritten by `tools/reproduce {name}`. "
    text += origin(runs) if runs else "No run has ended yet.\n"
    text += WRITERS[name](todo, pictures)
    written = [os.path.join(results, title + end) for end in (".md", ".jsonl")]
    suffix = title[len(name):]
    for stem, heading, panels, columns, key in pictures:
        picture = os.path.join(results, f"{stem}{suffix}.png")
        if draw(picture, heading, panels, columns, key):
            written.append(picture)
            text += f"\n![{heading}]({os.path.basename(picture)})\n"
    text += without_curves(runs)
    left = len(todo) - len(runs)
    if left:
        text += f"\n{left} of {len(todo)} runs have not ended; a dash stands where none has.\n"
    with open(written[0], "w", encoding="utf-8") as file:
        file.write(text)
    with open(written[1], "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in as_lines(runs)))
    return written
