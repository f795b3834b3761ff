"""The experiments of the paper as lists of runs: which preset, which options beside it, and what the paper reports."""
import os

FASHION = "/usr/share/datasets/fashion-mnist"
# Where the folder of each data set is named, in make and in the environment.
FOLDER = {"mnist": "MNIST", "fashion-mnist": "FASHION", "cifar10": "CIFAR10", "cifar100": "CIFAR100",
          "imagenet32": "IMAGENET32"}


class Cell:
    """One column of a table on one data set. cost: seconds of one core for an epoch, a guess until one was measured."""

    def __init__(self, dataset, name, title, preset, cost, options=(), program="mlp"):
        self.dataset, self.name, self.title, self.preset = dataset, name, title, preset
        self.cost, self.options, self.program = cost, list(options), program


class Experiment:
    """epochs: of a full run. extras: options of full runs only. batches: stop a run after so many measured batches; 0:
    train to the end. curves: what the report needs of every epoch, by its names in the log."""

    def __init__(self, name, cells, seeds, epochs, extras=(), batches=0, curves=()):
        self.name, self.cells, self.seeds, self.epochs = name, cells, seeds, epochs
        self.extras, self.batches, self.curves = list(extras), batches, curves


ALPHA = {"0": "0", "0.5": "1/2", "1": "1"}
# The paper says FGSM; its experiments took the gradient itself rather than its sign, which bp-raw does.
TABLE1 = [("dp-1", "DP, alpha 1", 24), ("dp-0.5", "DP, alpha 1/2", 12), ("dp-0", "DP, alpha 0", 24),
          ("dp-adjoint-1", "DP^T, alpha 1", 6), ("dp-adjoint-0.5", "DP^T, alpha 1/2", 12),
          ("dp-adjoint-0", "DP^T, alpha 0", 6), ("bp", "BP", 5), ("dp-0-e0", "DP, alpha 0, E_0", 30),
          ("bp-raw", "BP, adversarial", 9)]
# Accuracy in %, its spread, Lipschitz estimate, its spread.
TABLE1_PAPER = {
    "mnist": {"dp-1": (95.85, .68, 522, 288), "dp-0.5": (98.09, .06, 67.2, 12.6), "dp-0": (98.46, .07, 29.9, 4.2),
              "dp-adjoint-1": (98.06, .15, 73.4, 2.7), "dp-adjoint-0.5": (97.9, .1, 78.1, 9.9),
              "dp-adjoint-0": (98.21, .13, 43.2, 19.4), "bp": (98.05, .12, 55.1, 14.4),
              "dp-0-e0": (98.43, .11, 15.87, 6.34), "bp-raw": (98.43, .04, 36.16, 4.23)},
    "fashion-mnist": {"dp-1": (83.36, .74, 157.7, 57.8), "dp-0.5": (88.32, .05, 34.3, 4.0),
                      "dp-0": (89.16, .43, 19.97, 3.9), "dp-adjoint-1": (88.26, .46, 52.0, 23.6),
                      "dp-adjoint-0.5": (88.35, .37, 35.1, 7.0), "dp-adjoint-0": (88.18, .27, 29.4, 2.7),
                      "bp": (88.37, .56, 37.7, 10.2), "dp-0-e0": (88.29, .79, 8.05, 1.03),
                      "bp-raw": (88.64, .25, 12.68, .81)}}

# "checked": the inference that grows from pass to pass is reported as diverged; otherwise it trains on whatever comes.
CHECKED = ["--divergence", "growth"]
TABLE2 = [("dp-0", "DP, alpha 0", "dp-0", 15, CHECKED), ("dp-1", "DP, alpha 1", "dp-1", 15, CHECKED),
          ("dp-0-unchecked", "DP, alpha 0, growth not checked", "dp-0", 2400, []),
          ("dp-1-unchecked", "DP, alpha 1, growth not checked", "dp-1", 2400, []),
          ("dp-damped-0", "damped DP, alpha 0", "dp-damped-0", 2600, []),
          ("dp-damped-1", "damped DP, alpha 1", "dp-damped-1", 2600, []),
          ("dp-adjoint-0", "DP^T, alpha 0", "dp-adjoint-0", 90, []),
          ("dp-adjoint-1", "DP^T, alpha 1", "dp-adjoint-1", 90, []), ("bp", "BP", "bp", 60, [])]

TABLE3_PAPER = {"cifar10": {("1", "0"): "91.34 ± 0.16", ("1", "0.5"): "X", ("1", "1"): "X",
                            ("0.1", "0"): "92.41 ± 0.07", ("0.1", "0.5"): "89.3 ± 0.17 (later diverged)",
                            ("0.1", "1"): "X", ("0.01", "0"): "92.26 ± 0.22", ("0.01", "0.5"): "92.19 ± 0.32",
                            ("0.01", "1"): "92.19 ± 0.08", "bp": "92.36 ± 0.16"}}


def folder_of(dataset):
    """The folder of a data set as the environment names it, or None."""
    given = os.environ.get(FOLDER[dataset], "")
    if given:
        return os.path.abspath(given)
    return FASHION if dataset == "fashion-mnist" and os.path.isdir(FASHION) else None


def table1():
    cells = [Cell(dataset, name, title, f"table1-{name}-{dataset}", cost)
             for name, title, cost in TABLE1 for dataset in ("mnist", "fashion-mnist")]
    return Experiment("table1", cells, [1, 2, 3], 20,
                      ["--diagnostics", "lipschitz", "--attack", "0.02,0.05,0.1,0.2"], curves=["lipschitz"])


MEASURED = ["--diagnostics", "angle,norms,residual", "--audit-every", "50"]


def table2():
    cells = [Cell("mnist", name, title, f"table2-{preset}-mnist", cost, MEASURED + options)
             for name, title, preset, cost, options in TABLE2]
    return Experiment("table2", cells, [1, 2, 3, 4, 5], 20,
                      curves=["angle", "difference", "norm", "bp_norm", "residual"])


def figure3():
    """The runs of Fig. 3 are those of Table 2 by DP^T."""
    whole = table2()
    cells = [cell for cell in whole.cells if cell.name.startswith("dp-adjoint")]
    return Experiment("table2", cells, whole.seeds, whole.epochs, curves=whole.curves)


def table3_cell(dataset, alpha, beta, options=()):
    if alpha is None:
        return Cell(dataset, "bp", "BP", f"table3-bp-{dataset}", 1400, options, "vgg16")
    return Cell(dataset, f"dp-adjoint-{alpha}-beta-{beta}", f"DP^T, alpha {ALPHA[alpha]}, beta {beta}",
                f"table3-dp-adjoint-{alpha}-beta-{beta}-{dataset}", 9000 if alpha == "0.5" else 2000, options, "vgg16")


def table3():
    angles = ["--diagnostics", "angle", "--audit-every", "50"]
    cells = [table3_cell(dataset, alpha, beta, angles) for dataset in ("cifar10", "cifar100")
             for beta in ("1", "0.1", "0.01") for alpha in ("0", "0.5", "1")]
    cells += [table3_cell(dataset, None, None) for dataset in ("cifar10", "cifar100")]
    cells.append(table3_cell("imagenet32", "0.5", "0.01"))
    return Experiment("table3", cells, [1, 2, 3], 130, curves=["angle"])


def figure2():
    """Fig. 2b and 2d: the angles in each of the first 200 batches. 2a and 2c are drawn from Table 3's runs."""
    every = ["--diagnostics", "angle", "--audit-every", "1"]
    return Experiment("figure2", [table3_cell(dataset, "0", beta, every) for dataset in ("cifar10", "cifar100")
                                  for beta in ("0.01", "1")], [1], 1, batches=200)


# The small network of the atlas, and what is varied: (axis, title, [(value, options)]).
ATLAS_NETWORK = ["--hidden", "128,128,128", "--limit", "10000", "--epochs", "5", "--batch", "50", "--alpha", "0.5",
                 "--beta", "0.5", "--passes", "4", "--diagnostics", "angle", "--audit-every", "20"]
ATLAS = [("mismatch", "mismatch of alpha (SD)", [(v, ["--alpha-mismatch", v]) for v in "0 0.1 0.2 0.3 0.5".split()]),
         ("noise-state", "noise on states (SD)", [(v, ["--noise-state", v]) for v in "0 0.003 0.01 0.03 0.1".split()]),
         ("noise-down", "noise on signals (SD)", [(v, ["--noise-down", v]) for v in "0 0.003 0.01 0.03 0.1".split()]),
         ("bits", "bits per state", [(v, ["--quantize", v]) for v in "4 6 8 10 12".split()]),
         ("async", "fraction of neurons per visit",
          [(v, ["--schedule", "async", "--async-fraction", v, "--passes", "12"])
           for v in "0.1 0.25 0.5 0.75 1".split()]),
         ("alpha", "alpha", [(v, ["--alpha", v]) for v in "0 0.25 0.5 0.75 1".split()]),
         ("passes", "passes at alpha 0.25", [(v, ["--passes", v, "--alpha", "0.25"]) for v in "1 2 4 8 16".split()])]


def atlas():
    cells = [Cell("fashion-mnist", f"{axis}-{value}-{rule}", f"{rule}, {title} {value}", None, 2,
                  ["--rule", rule] + ATLAS_NETWORK + options)
             for axis, title, values in ATLAS for value, options in values for rule in ("dp", "dp-adjoint")]
    return Experiment("atlas", cells, [1, 2, 3], 5)


EXPERIMENTS = {"table1": table1, "table2": table2, "table3": table3, "figure2": figure2, "figure3": figure3,
               "atlas": atlas}
