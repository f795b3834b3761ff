"""module.py - the Python package: that it does what it says, and that nothing that is passed to it can crash it.

Prints one line a failed test and the count at the end.

usage: module.py FOLDER [NAME...]   (FOLDER receives a checkpoint that safetensors_reads.py compares)
"""
import copy
import ctypes as C
import gc
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
if "DUALPROP_TEST_INSTALLED" not in os.environ:
    sys.path.insert(0, os.path.join(ROOT, "python"))
sys.path.insert(0, HERE)
import dualprop as dp  # noqa: E402
import headers  # noqa: E402
from dualprop import _arrays, _context, _library, _signatures  # noqa: E402


def blobs(count, seed):
    """Points of three classes, in float32: easy enough that a few dozen steps must learn them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    centres = np.array([[2, 0], [-1, 1.7], [-1, -1.7]])
    return np.ascontiguousarray(centres[labels] + 0.4 * random.standard_normal((count, 2)), np.float32), labels


class Trained:
    """A small network trained on arrays that lie where numpy put them."""

    def __init__(self):
        self.context = dp.Context()
        self.network = dp.Network(self.context, 2).dense(8, "tanh").dense(3).initialize(seed=1)
        self.rule = dp.Rule(self.context, "dp-adjoint")
        self.state = dp.State(self.network, self.rule, capacity=64)
        self.optimizer = dp.Optimizer(self.network, "adam", learning_rate=0.02)
        points, labels = blobs(640, 1)
        for step in range(100):
            part = slice(64 * (step % 10), 64 * (step % 10) + 64)
            self.optimizer.learn(self.state, points[part], labels[part])


def refuses(kind, call, *words):
    """The call raises this kind of exception, whose sentence has these words."""
    try:
        result = call()
    except kind as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError(f"{call} gave {result!r}; expected {kind.__name__}")


# ---- the table ----


def test_signatures_are_the_headers(_):
    wanted = headers.table(headers.read())
    with open(headers.TABLE, encoding="utf-8") as file:
        assert file.read() == wanted, "run tests/python/headers.py"
    assert len(_signatures.FUNCTIONS) > 100, "the headers were not understood"


def test_structs_are_the_headers(_):
    text = headers.read()
    for struct, name in ((_context.Options, "dualprop_options"), (_arrays.View, "dualprop_view")):
        body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (name, name), text, flags=re.S).group(1)
        members = re.findall(r"(\w+)(?:\[\w+\])?;", body)
        assert members == [field[0] for field in struct._fields_], (members, struct._fields_)


def test_every_function_is_exported(_):
    for name in _signatures.FUNCTIONS:
        _library.bound(name)


def test_every_function_is_used(_):
    """What the package does not offer is a short list of what Python has no use for."""
    text = ""
    folder = os.path.dirname(dp.__file__)
    for name in os.listdir(folder):
        if name.endswith(".py") and name != "_signatures.py":
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text += file.read()
    plain = {"infer", "learn", "predict", "predict_probabilities",
             "evaluate"}  # the _view calls do the same on any arrays
    unused = {name for name in _signatures.FUNCTIONS
              if not re.search(r'"%s"' % name, text) and not name.endswith("_destroy") and name not in plain
              and not re.match(r"rule_[gs]et_", name)}
    # A table of functions in C, and buffers in place of malloc: they are for programs in C.
    allowed = {"status_message", "diagnostics_state", "backend_builtin", "arena_allocator",
               "context_memory_needed", "context_set_allocator", "rule_memory_needed", "layer_map_functions"}
    # A group needs a transport of the caller's, and Python has torch.distributed and mpi4py for the gradients.
    unused = {name for name in unused if not name.startswith("group_")
              and name not in ("optimizer_group", "optimizer_set_group")}
    assert unused <= allowed, sorted(unused - allowed)


# ---- learning ----


def test_learns(trained):
    points, labels = blobs(500, 2)
    result = trained.state.evaluate(points, labels)
    assert result.accuracy > 0.95 and result.count == 500, result
    assert (trained.state.predict(points).argmax(axis=1) == labels).sum() == result.correct


def test_weights_say_what_predict_says(trained):
    points, _ = blobs(50, 3)
    network = trained.network
    hidden = np.tanh(points @ network["layer1.weight"] + network["layer1.bias"])
    scores = hidden @ network["layer2.weight"] + network["layer2.bias"]
    np.testing.assert_allclose(trained.state.predict(points), scores, rtol=1e-4, atol=1e-5)


def test_network_as_c_source(_):
    """What export_c() writes predicts with the bits of the reference backend."""
    context = dp.Context(backend="reference")
    network = dp.Network(context, (6, 5, 2)).convolution(4, 3, activation="softplus").max_pool(2).dense(3)
    network.initialize(seed=1)
    images = np.random.default_rng(1).normal(size=(5, 6, 5, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        network.export_c(folder, "net")
        library = os.path.join(folder, "net.so")
        command = os.environ.get("CC", "cc").split() + ["-std=c11", "-ffp-contract=off", "-shared", "-fPIC"]
        subprocess.run(command + ["-o", library, os.path.join(folder, "net.c")], check=True)
        predict = C.CDLL(library).net_predict
        for image, expected in zip(images, dp.State(network, None, capacity=5).predict(images)):
            scores = np.empty(3, np.float32)
            predict(C.c_void_p(scores.ctypes.data), C.c_void_p(image.ctypes.data))
            np.testing.assert_array_equal(scores, expected)


def test_listing_of_the_module(_):
    """The program in the package's own description."""
    lines = dp.__doc__.split("\n\n")[1].replace("images = ", "").splitlines()
    batches = [(np.zeros((100, 28, 28, 1), np.float32), np.zeros(100, np.int64))] * 2
    space = {"batches": batches, "images": batches[0][0]}
    exec("\n".join(line[4:] for line in lines), space)
    assert space["scores"].shape == (100, 10)


def test_listings_of_the_readme(_):
    """One after another, as a reader copies them, in a folder of their own; each does what its passage promises."""
    with open(os.path.join(ROOT, "python", "README.md"), encoding="utf-8") as file:
        listings = re.findall(r"```python\n(.*?)```", file.read(), flags=re.S)
    random = np.random.default_rng(1)
    labels = random.integers(0, 10, 300)
    images = random.uniform(0, 0.5, (300, 28, 28, 1))
    images[np.arange(300), 2 * labels + 3] += 0.5  # each class is a bright row
    space = {"batches": [(images[first:first + 100], labels[first:first + 100]) for first in (0, 100, 200)] * 5}
    place, printed, after = os.getcwd(), [], []
    space["print"] = lambda *words: printed.append(words)
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.chdir(folder)
            for listing in listings:
                before = {name: space.get(name) for name in ("network", "adam")}
                weights = dict(before["network"].items()) if before["network"] else {}
                exec(listing, space)
                after.append((before, weights, dict(space["network"].items())))
        finally:
            os.chdir(place)
    assert len(listings) == 8, "a new listing needs its line here"
    (_, _, learned), (saved, _, resumed), _, _, (_, frozen, one_more), (_, before_fused, fused), _, _ = after
    images_network = after[6][0]
    assert space["scores"].shape == (100, 10)
    for name, weights in learned.items():
        np.testing.assert_array_equal(resumed[name], weights)
    assert space["epoch"] == 3 and saved["network"] is not images_network["network"]
    assert images_network["adam"].steps == saved["adam"].steps + 2
    np.testing.assert_allclose(space["probabilities"].sum(1), 1, rtol=1e-5)
    assert (space["probabilities"].argmax(1) == labels[200:]).mean() > 0.9
    assert space["rule"].schedule == ("fw-bw", 3) and 1 <= printed[0][0] <= 3, printed
    for name in ("layer1.weight", "layer1.bias"):
        np.testing.assert_array_equal(frozen[name], one_more[name])
    assert (frozen["layer2.weight"] != one_more["layer2.weight"]).any()
    assert (before_fused["layer2.weight"] != fused["layer2.weight"]).any() and printed[1][0] > 0.9
    assert printed[-1][0] < 0.01, printed
    assert space["network"].layers[0].activation == "softsign"


def test_by_hand_is_infer(trained):
    points, labels = blobs(20, 4)
    rule = dp.Rule(trained.context, "dp", schedule=("fw", 3), beta=0.1)
    one, other = (dp.State(trained.network, rule, 20) for _ in range(2))
    one.infer(points, labels)
    other.begin(points, labels)
    for _ in range(3):
        other.run_pass()
    other.end()
    for which in ("plus", "minus", "mean", "delta", "bottom-up", "top-down"):
        np.testing.assert_array_equal(one.read(1, which), other.read(1, which))
    plus, minus = one.read(1, "plus"), one.read(1, "minus")
    np.testing.assert_allclose(one.read(1, "delta"), plus - minus, atol=1e-6)
    assert one.report.passes == 3


def test_gradients_through_numpy(trained):
    points, labels = blobs(20, 5)
    one, other = trained.network.clone(), trained.network.clone()
    first, second = dp.Optimizer(one, "adam"), dp.Optimizer(other, "adam")
    state = dp.State(one, trained.rule, 20)
    state.infer(points, labels)
    first.gradient(state)
    for name in first.gradients:
        second.gradients[name] = first.gradients[name]
    first.step()
    second.step()
    for name, weights in one.items():
        np.testing.assert_array_equal(weights, other[name])
    assert first.steps == second.steps == 1


def test_learning_without_a_gradient(trained):
    points, labels = blobs(20, 5)
    one, other = trained.network.clone(), trained.network.clone()
    fused, plain = dp.Optimizer(one, "plain-sgd", fused=True), dp.Optimizer(other, "sgd", momentum=0)
    first, second = dp.State(one, trained.rule, 20), dp.State(other, trained.rule, 20)
    for _ in range(3):
        fused.learn(first, points, labels)
        plain.learn(second, points, labels)
    for name, weights in one.items():
        np.testing.assert_array_equal(weights, other[name])
    refuses(dp.Error, lambda: fused.gradient(first), "keeps no gradient")


def test_predictions_that_keep_the_inference(trained):
    points, labels = blobs(8, 5)
    state = dp.State(trained.network, trained.rule, 8)
    state.keep_inference()
    state.infer(points, labels)
    delta, report = state.read(1, "delta"), state.report
    state.predict(points[::-1] * 2)
    state.evaluate(points * 3, labels)
    np.testing.assert_array_equal(state.read(1, "delta"), delta)
    assert state.report.loss == report.loss
    state.keep_inference(False)
    state.predict(points)
    refuses(dp.Error, lambda: state.read(1, "delta"), "no inference")


def test_single_neurons(trained):
    points, labels = blobs(4, 5)
    state = dp.State(trained.network, trained.rule, 4)
    width = trained.network.layers[0].outputs
    state.set_neurons(1, "listens", np.arange(width) % 2)
    state.begin(points, labels)
    start = state.read(1, "plus")
    state.update_layer(2)
    state.update_layer(1)
    moved = (state.read(1, "plus") != start).any(0)
    assert not moved[::2].any() and moved[1::2].any()
    part = state.read_part(1, "delta", 2, np.empty((4, 3), np.float32))
    np.testing.assert_array_equal(part, state.read(1, "delta")[:, 2:5])
    state.write_part(1, "delta", 2, part + 1)
    np.testing.assert_array_equal(state.read(1, "delta")[:, 2:5], part + 1)
    state.end()
    refuses(ValueError, lambda: state.set_neurons(1, "beta", [1]), "alpha")
    refuses(dp.Error, lambda: state.set_neurons(1, "alpha", np.full(width, 2.0)), "values[0]")


def test_memory_is_told_before(trained):
    outline = dp.Network.outline(trained.context, 2).dense(16, "relu").dense(3)
    network = dp.Network(trained.context, 2).dense(16, "relu").dense(3)
    assert outline.memory_needed == network.memory_needed > 4 * (2 * 16 + 16 + 16 * 3 + 3)
    assert dp.State.memory_needed(outline, trained.rule, 4) == dp.State.memory_needed(network, trained.rule, 4)
    assert dp.Optimizer.memory_needed(outline, "plain-sgd", fused=True) < dp.Optimizer.memory_needed(outline, "adam")
    refuses(dp.Error, lambda: outline.initialize(), "outline")


def squared_error(outputs, targets):
    error = outputs - targets
    return (error ** 2).sum(1) / 2, error


def test_a_loss_of_ones_own(trained):
    """Squared error as a function of numpy arrays, and as a gradient, has the deltas of the built-in one."""
    points, _ = blobs(20, 6)
    wanted = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    rules = [dp.Rule(trained.context, "dp", loss=loss, nudge_at="prediction") for loss in ("mse", squared_error, "ce")]
    states = [dp.State(trained.network, rule, 20) for rule in rules]
    states[0].infer(points, wanted)
    states[1].infer(points, wanted)
    states[2].infer_gradient(points, trained.state.predict(points) - wanted)
    for state in states[1:]:
        np.testing.assert_allclose(state.read(1, "delta"), states[0].read(1, "delta"), rtol=1e-5, atol=1e-8)
    assert rules[1].loss == "function"
    assert abs(states[0].report.loss - states[1].report.loss) < 1e-6 and np.isnan(states[2].report.loss)
    assert abs(states[0].evaluate(points, wanted).loss - states[1].evaluate(points, wanted).loss) < 1e-6
    rules[1].loss = "mse"
    states[1].prepare()
    states[1].infer(points, wanted)


def test_a_proximal_map_of_ones_own(trained):
    points, _ = blobs(20, 6)
    wanted = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    rules = [dp.Rule(trained.context, "dp", loss=loss) for loss in ("mse", squared_error)]
    refuses(dp.StateError, lambda: rules[0].set_loss_proximal(lambda *_: None), "Rule.loss = ...")
    rules[1].set_loss_proximal(lambda a, targets, t: (a + t * targets) / (1 + t))
    assert rules[1].has_loss_proximal and not rules[0].has_loss_proximal
    for rule in rules:
        rule.output_step = "exact"
    states = [dp.State(trained.network, rule, 20) for rule in rules]
    for state in states:
        state.infer(points, wanted)
    np.testing.assert_allclose(states[1].read(1, "delta"), states[0].read(1, "delta"), rtol=1e-4, atol=1e-7)
    for wrong, kind, word in ((lambda *_: 1 / 0, ZeroDivisionError, "division"),
                              (lambda *_: np.zeros(3), ValueError, "shape")):
        rules[1].set_loss_proximal(wrong)
        states[1].prepare()
        refuses(kind, lambda: states[1].infer(points, wanted), word)
    refuses(TypeError, lambda: rules[1].set_loss_proximal(3), "function")


def test_an_activation_of_ones_own(_):
    """A copy of tanh learns as tanh does, on several threads, and comes back from a file."""
    points, labels = blobs(600, 8)
    path = os.path.join(FOLDER, "own.safetensors")
    scores = []
    for name in ("tanh", "my-tanh"):
        context = dp.Context("blis", threads=2)
        if name == "my-tanh":
            assert context.register_activation(name, np.tanh, lambda a: 1 / np.cosh(a) ** 2) == name
        network = dp.Network(context, 2).dense(16, name).dense(3).initialize(seed=3)
        assert network.layers[0].activation == name and name in repr(network)
        state, adam = dp.State(network, dp.Rule(context, beta=0.1), 600), dp.Optimizer(network, "adam")
        for _ in range(20):
            adam.learn(state, points, labels)
        scores.append(state.predict(points))
    assert np.abs(scores[0]).max() > 0.1
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3, atol=1e-4)
    network.save(path)
    other = dp.Context("blis")
    refuses(dp.UnsupportedError, lambda: dp.Network.load(other, path), "my-tanh")
    other.register_activation("My_Tanh", np.tanh, lambda a: 1 / np.cosh(a) ** 2,
                              lambda x, y, span: np.sinh(span) / (np.cosh(x) * np.cosh(y)))
    loaded = dp.Network.load(other, path)
    gc.collect()  # the functions live as long as the network
    np.testing.assert_array_equal(dp.State(loaded, None, 600).predict(points), scores[1])
    for wrong in (lambda: other.register_activation("my-tanh", np.tanh, np.cosh), lambda: network.dense(2, "unheard"),
                  lambda: other.register_activation("relu", np.tanh, np.cosh)):
        refuses(dp.ArgumentError, wrong)
    refuses(dp.ArgumentError, lambda: network.dense(2, "unheard"), "register_activation() registered")
    refuses(TypeError, lambda: other.register_activation("two", np.tanh, None), "slope")
    refuses(TypeError, lambda: other.register_activation(2, np.tanh, np.tanh), "name")


def test_no_exception_of_an_activation_is_lost(_):
    points, labels = blobs(600, 9)
    context = dp.Context("reference", threads=2)
    for index, (value, slope, kind, word) in enumerate((
            (lambda a: 1 / 0, np.cosh, ZeroDivisionError, "division"),
            (lambda a: a[:1], np.cosh, ValueError, "value returned an array of shape"),
            (lambda a: 1.0, np.cosh, ValueError, "value returned an array of shape ()"),
            (lambda a: None, np.cosh, TypeError, "value returned None"),
            (lambda a: a + 1j, np.cosh, TypeError, "complex numbers"),
            (lambda a: a * np.nan, np.cosh, dp.DivergedError, "layer 1"),
            (lambda a: context.memory, np.cosh, dp.StateError, "callback"),
            (np.tanh, lambda a: "slope", ValueError, "could not convert"))):
        name = context.register_activation(f"own-{index}", value, slope)
        network = dp.Network(context, 2).dense(16, name).dense(3).initialize(seed=3)
        before = network["layer1.weight"]
        state, adam = dp.State(network, dp.Rule(context, "bp"), 600), dp.Optimizer(network, "adam")
        refuses(kind, lambda: adam.learn(state, points, labels), word)  # noqa: B023
        np.testing.assert_array_equal(before, network["layer1.weight"])


def test_a_map_of_ones_own(_):
    """A dense layer as a map learns as a dense layer does, has its norm, and comes back from a file."""
    points, labels = blobs(60, 8)
    path = os.path.join(FOLDER, "own-map.safetensors")
    functions = (lambda x, w: x @ w.reshape(2, 16), lambda delta, w: delta @ w.reshape(2, 16).T,
                 lambda x, delta, w: (x.T @ delta).ravel())
    scores, norms = [], []
    for own in (False, True):
        context = dp.Context("blis")
        network = dp.Network(context, 2)
        if own:
            assert context.register_map("matrix", *functions) == "matrix"
            network.custom("Matrix", 16, 32, "tanh")
        else:
            network.dense(16, "tanh")
        network.dense(3).initialize(seed=3)
        state, adam = dp.State(network, dp.Rule(context, beta=0.1), 60), dp.Optimizer(network, "adam")
        for _ in range(20):
            adam.learn(state, points, labels)
        scores.append(state.predict(points))
        norms.append(dp.Diagnostics(network, capacity=1).spectral_norm(1, 100))  # calls the map in float64
    assert network.layers[0].custom == ("matrix", 32, 2) and network.layers[1].custom is None
    assert network.layers[0].shape.kind == "custom" and network["layer1.weight"].shape == (32,)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3, atol=1e-4)
    assert abs(norms[0] - norms[1]) < 1e-3 * norms[0]
    network.save(path)
    other = dp.Context("blis")
    refuses(dp.UnsupportedError, lambda: dp.Network.load(other, path), "matrix")
    other.register_map("matrix", *functions)
    np.testing.assert_array_equal(dp.State(dp.Network.load(other, path), None, 60).predict(points), scores[1])
    refuses(dp.ArgumentError, lambda: dp.Network(other, 2).custom("unheard", 1, 1), "unheard")
    refuses(TypeError, lambda: other.register_map("two", *functions[:2], None), "gradient")
    for wrong, kind, word in ((lambda *_: 1 / 0, ZeroDivisionError, "division"),
                              (lambda *_: np.zeros(3), ValueError, "returned an array of shape"),
                              (lambda *_: None, TypeError, "returned None"),
                              (lambda *_: other.memory, dp.StateError, "callback")):
        for index in range(3):
            own = [wrong if i == index else function for i, function in enumerate(functions)]
            context = dp.Context("reference")
            context.register_map("wrong", *own)
            network = dp.Network(context, 2).dense(2).custom("wrong", 16, 32, "tanh").dense(3).initialize(seed=1)
            state, adam = dp.State(network, dp.Rule(context), 60), dp.Optimizer(network, "adam")
            refuses(kind, lambda: adam.learn(state, points, labels), word)  # noqa: B023


def test_no_exception_of_a_loss_is_lost(trained):
    points, labels = blobs(5, 7)
    before = trained.network["layer1.weight"]
    for loss, kind, word in ((lambda *_: 1 / 0, ZeroDivisionError, "division"), (lambda *_: None, TypeError, "tuple"),
                             (lambda outputs, _: (outputs, outputs), ValueError, "losses of shape"),
                             (lambda outputs, _: (outputs[:, 0], outputs * np.nan), dp.NotFiniteError, "gradient"),
                             (lambda *_: trained.network.initialize(1), dp.StateError, "callback")):
        rule = dp.Rule(trained.context, "dp", loss=loss)
        state = dp.State(trained.network, rule, 5)
        refuses(kind, lambda state=state: trained.optimizer.learn(state, points, labels), word)
    np.testing.assert_array_equal(before, trained.network["layer1.weight"])
    refuses(dp.Error, lambda: setattr(dp.Rule(trained.context), "loss", "huber"), "mse")
    state = dp.State(trained.network, dp.Rule(trained.context, loss=squared_error), 5)
    gc.collect()  # the rule, and with it the function, lives as long as the state
    state.infer(points, labels)


def test_weights_and_probabilities(trained):
    points, labels = blobs(20, 8)
    rule = dp.Rule(trained.context, loss="cross-entropy")
    state = dp.State(trained.network, rule, 20)
    each = np.array([state.evaluate(points[i:i + 1], labels[i:i + 1]).loss for i in range(20)])
    weights = np.linspace(0, 2, 20)
    state.set_sample_weights(weights)
    np.testing.assert_allclose(state.evaluate(points, labels).loss, (weights * each).mean(), rtol=1e-5)
    state.set_class_weights([0, 1, 2])
    np.testing.assert_allclose(state.evaluate(points, labels).loss, (labels * each).mean(), rtol=1e-5)
    state.set_class_weights(None)
    state.infer(points, labels)
    np.testing.assert_allclose(state.report.loss, each.mean(), rtol=1e-5)
    scores = state.predict(points).astype(np.float64)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(state.predict_probabilities(points), expected, rtol=1e-5)
    refuses(ValueError, lambda: state.set_class_weights([1, 2]), "outputs")
    refuses(ValueError, lambda: state.set_sample_weights([[1.0]]), "dimensions")
    refuses((TypeError, ValueError), lambda: state.set_sample_weights("abc"))


def test_options_of_rules(trained):
    settings = {"alpha": 0.25, "beta": 0.125, "loss": "ce", "output_step": "linear", "nudge_at": "prediction",
                "schedule": ("odd-even", 4), "async_fraction": 0.25, "tolerance": 1e-3, "pool_switches": "original",
                "time_step": 0.5, "warm_start": True, "divergence_limit": 100.0, "input_robustness": 0.5,
                "feedback": "random", "alpha_mismatch": 0.125, "noise": (0.5, 0.25, 0.125), "quantization": 8,
                "seed": 2**63 + 1, "order": (2, 1, 2)}
    rule = dp.Rule(trained.context, "dp", **settings)
    for name, value in settings.items():
        assert getattr(rule, name) == value, (name, getattr(rule, name), value)
    rule.set_layer(2, alpha=0.75, beta=0.5)
    assert rule.layer(2)["alpha"] == 0.75 and rule.layer(2)["beta"] == 0.5 and rule.layer(1)["alpha"] == 0.25
    damped = dp.Rule(trained.context, "dp-damped", damping=("gamma2", 7))
    assert damped.damping == ("gamma2", 7)
    assert not damped.fresh_minus and dp.Rule(trained.context, "lpom", fresh_minus=True).fresh_minus
    refuses(TypeError, lambda: dp.Rule(trained.context, "dp", gamma=1), "gamma", "alpha")
    refuses(dp.ArgumentError, lambda: dp.Rule(trained.context, "dp", alpha=2), "alpha")


def test_schedules_by_long_names(trained):
    rule = dp.Rule(trained.context, schedule="forward")
    for name, short in (("forward", "fw"), ("Backward", "bw"), ("forward_backward", "fw-bw"), ("asynchronous", "async"),
                        ("fw", "fw"), ("odd-even", "odd-even"), ("jacobi", "jacobi"), ("random", "random")):
        rule.schedule = name, 2
        assert rule.schedule == (short, 2), (name, rule.schedule)
    refuses(dp.ArgumentError, lambda: setattr(rule, "schedule", "sideways"), "sideways", "fw-bw")
    refuses(dp.ArgumentError, lambda: setattr(rule, "loss", "forward"), "forward")


def test_misspelt_attributes_are_exceptions(trained):
    """Whatever the package makes has the attributes of its class alone; what it was made with cannot be replaced."""
    points, labels = blobs(8, 15)
    trained.state.infer(points, labels)
    things = (trained.context, trained.network, trained.rule, trained.state, trained.optimizer,
              trained.network.layers[0],
              trained.optimizer.gradients, dp.Checkpoint(trained.context), dp.Diagnostics(trained.network),
              trained.state.report, trained.state.evaluate(points, labels), trained.rule.noise, trained.context.memory)
    plain = {name for name in dp.__all__ if isinstance(getattr(dp, name), type)
             and not hasattr(getattr(dp, name), "_fields")
             and not issubclass(getattr(dp, name), BaseException)}
    assert plain < {type(thing).__name__ for thing in things}, plain  # and Gradients; a new class needs its object here
    for thing in things:
        for name in ("learningrate", "bta", "x"):
            refuses(AttributeError, lambda: setattr(thing, name, 0.1), name)
        if not isinstance(thing, tuple):
            assert weakref.ref(thing)() is thing
    for thing, name in ((trained.state, "rule"), (trained.state, "capacity"), (trained.state, "network"),
                        (trained.optimizer, "network"), (trained.network, "context"), (trained.rule, "context"),
                        (trained.network.layers[0], "index")):
        refuses(AttributeError, lambda: setattr(thing, name, getattr(thing, name)))


def test_diagnostics(trained):
    points, labels = blobs(20, 6)
    diagnostics = dp.Diagnostics(trained.network, "mse", 20)
    rule = dp.Rule(trained.context, "dp-adjoint", beta=0.01)
    state, optimizer = dp.State(trained.network, rule, 20), dp.Optimizer(trained.network)
    state.infer(points, labels)
    optimizer.gradient(state)
    diagnostics.twin(points, labels)
    assert diagnostics.compare(optimizer, 1).angle < 1
    assert diagnostics.input_gradient(state).shape == (20, 2)
    exact = np.linalg.norm(trained.network["layer1.weight"], 2)
    assert abs(diagnostics.spectral_norm(1) / exact - 1) < 1e-3
    assert diagnostics.lipschitz() > 0 and diagnostics.objective(state).dp > 0
    assert 0 <= diagnostics.zero_delta_fraction(state, 1) <= 1


def test_images(trained):
    network = dp.Network(trained.context, (8, 6, 3)).convolution(4, 3, "relu").max_pool(2).local(5, (3, 3), "tanh")
    network.flatten().dense(3).set_input_transform([0.5] * 3, [0.25] * 3).initialize(1, "he", 1.0)
    assert [layer.shape.kind for layer in network.layers] == ["convolution", "local", "dense"]
    assert network.layers[0].shape.output == (4, 3, 4) and network.layers[0].shape.pooling == "max"
    state = dp.State(network, dp.Rule(trained.context), 4)
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    dp.Optimizer(network).learn(state, images, random.integers(0, 3, 4))
    scaled = (images / 255 - 0.5) / 0.25
    np.testing.assert_allclose(state.predict(images), state.predict(scaled), rtol=1e-4, atol=1e-5)
    state.set_augmentation([[1, 0, 1]] * 4)
    moved = np.zeros_like(scaled)
    moved[:, 1:] = scaled[:, :-1, ::-1]
    np.testing.assert_allclose(state.predict(scaled), state.predict(moved), rtol=1e-4, atol=1e-5)
    layer = network.layers[1]
    layer.frozen, layer.learning_rate = True, 0.5
    assert layer.frozen and layer.learning_rate == 0.5 and layer.activation == "tanh"
    refuses(dp.StateError, lambda: network.dense(3))


# ---- arrays ----


def test_numpy_without_copies(trained):
    """Strides of any sign, broadcasts and transposed results: the library reads and writes where numpy says."""
    points, labels = blobs(50, 7)
    scores = trained.state.predict(points)
    wide = np.full((50, 5), np.nan, np.float64)
    wide[:, 4:0:-2] = points
    out = np.zeros((3, 50), np.float64)
    assert trained.state.predict(wide[:, 4:0:-2], out.T) is not None
    np.testing.assert_allclose(out.T, scores, rtol=1e-6)
    np.testing.assert_array_equal(trained.state.predict(points[::-1])[::-1], scores)
    same = trained.state.predict(np.broadcast_to(points[:1], (50, 2)))
    np.testing.assert_array_equal(same, np.broadcast_to(scores[:1], (50, 3)))
    before = trained.context.memory
    trained.state.predict(wide[:, 4:0:-2], out.T)
    assert trained.context.memory == before, "a prediction allocated"
    view = _arrays.reads(points[::2], "points")
    assert view.data == points.ctypes.data and view.strides[0] == 4 and view.array.base is points


def test_labels_of_every_type(trained):
    points, labels = blobs(30, 8)
    expected = trained.state.evaluate(points, labels.astype(np.int32))
    for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int64, np.longlong, np.uint32, np.uint64):
        assert trained.state.evaluate(points, labels.astype(kind)) == expected, kind
    assert trained.state.evaluate(points, labels.tolist()) == expected
    assert trained.state.evaluate(points, np.repeat(labels, 3)[::3]) == expected
    dense = trained.state.evaluate(points, np.eye(3)[labels])
    assert dense == expected
    refuses(ValueError, lambda: trained.state.evaluate(points, labels + 2**40))
    refuses(dp.ArgumentError, lambda: trained.state.evaluate(points, labels + 3), "targets[")
    refuses(TypeError, lambda: trained.state.evaluate(points, labels > 0), "bool")


def test_sentences_of_wrong_arrays(trained):
    """They tell a reader what was passed and what to pass."""
    points, labels = blobs(8, 14)
    state, optimizer = trained.state, trained.optimizer
    diagnostics = dp.Diagnostics(trained.network, "mse", 8)
    for kind in (np.float32, np.float64):
        for call in (lambda x, y: optimizer.learn(state, x, y), state.infer, state.begin, state.evaluate,
                     diagnostics.twin):
            refuses(dp.ArgumentError, lambda: call(points, labels.astype(kind)),
                    f"one dimension of {np.dtype(kind).name}: labels must be integers, real targets (count, outputs)")
            refuses(dp.ArgumentError, lambda: call(points[0], labels[:1]), "one sample: pass x[None]")
            refuses(TypeError, lambda: call(points, labels.astype(str)), "text", "labels (integers", "(count, outputs)")
            refuses(TypeError, lambda: call(points.astype(str), labels), "text", "numbers", "float32")
    for predict in (state.predict, state.predict_probabilities):
        refuses(dp.ArgumentError, lambda: predict(points[0]), "one sample: pass x[None]")
        np.testing.assert_array_equal(predict(points[0][None]), predict(points)[:1])
    refuses(dp.ArgumentError, lambda: state.infer_gradient(points[0], np.zeros((1, 3))), "one sample: pass x[None]")
    images = dp.Network(trained.context, (3, 4, 1)).convolution(2, 3).flatten().dense(2).initialize()
    image, of_images = np.zeros((3, 4), np.uint8), dp.State(images)
    refuses(dp.ArgumentError, lambda: of_images.predict(image), "(3, 4)", "pass x[None]")
    assert of_images.predict(image[None]).shape == of_images.predict(image.reshape(1, 12)).shape == (1, 2)
    of_one = dp.State(dp.Network(trained.context, 1).dense(1).initialize(), None, 8)
    assert of_one.predict(np.zeros(8)).shape == (8, 1) and of_one.predict(np.zeros(1)).shape == (1, 1)


def test_sentences_of_wrong_values(trained):
    """In the caller's words; tests/python/sentences.py passes wrong values to every parameter that there is."""
    network, state = dp.Network(trained.context, 2), trained.state
    for call, sentence in (
            (lambda: dp.Context("nope"), "backend is 'nope'; expected one of auto, reference, blis, cpu, cuda"),
            (lambda: dp.Context(precision="f16"), "precision is 'f16'; expected one of f32, f64"),
            (lambda: dp.Context(precision="u8"), "precision is 'u8'; expected one of f32, f64"),
            (lambda: dp.Context(level=1.5), "level is 1.5; expected one of auto, baseline, avx2, avx512"),
            (lambda: network.dense(3.7), "outputs is 3.7; expected a whole number"),
            (lambda: network.dense(True), "outputs is True; expected a whole number"),
            (lambda: network.dense(3, None), "activation is None; expected one of identity, relu, "),
            (lambda: dp.Rule(trained.context, alpha="0.5"), "alpha is '0.5'; expected a number"),
            (lambda: dp.Rule(trained.context, quantization=1), "quantization is 1; expected 0 or 2..24"),
            (lambda: dp.Rule(trained.context, warm_start="no"), "warm_start is 'no'; expected True or False"),
            (lambda: state.read(99, "plus"), "index is 99; expected 0..2"),
            (lambda: state.read(-1, "plus"), "index is -1; expected 0..2"),
            (lambda: dp.Checkpoint.from_bytes(trained.context, 5), "data is int; expected bytes"),
            (lambda: network.initialize(1, scale=2), "scale is 2.0; expected an initializer beside it")):
        error = refuses(Exception, call)
        assert str(error).startswith(sentence), (str(error), sentence)


def test_sentences_name_what_the_package_has(trained):
    """Functions that the library's sentences recommend are called by their names in Python."""
    refuses(dp.StateError, lambda: dp.State(dp.Network(trained.context, 2).dense(1), None, 4).predict(np.zeros((4, 2))),
            "call Network.initialize()")
    refuses(dp.UnsupportedError, lambda: dp.Optimizer(trained.network, "adam", momentum=0.9), "Optimizer(betas=...)")
    state = dp.State(trained.network, trained.rule, 4)
    refuses(dp.StateError, lambda: state.read(1, "plus"), "call State.infer() or State.begin() first")
    found = set()
    for folder, _, files in os.walk(os.path.join(ROOT, "src")):
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                for sentence in re.findall(r'"[^"\n]*"', file.read()):
                    found |= set(re.findall(r"dualprop_(\w+)\(\)", sentence))
    assert len(found) > 25 or "DUALPROP_TEST_INSTALLED" in os.environ, found
    for name in found - {name for name in found if "group" in name}:
        thing = dp
        for part in re.sub(r"\(.*\)| = .*", "", _library.name_here(name)).split("."):
            thing = getattr(thing, part)


def test_wrong_arrays_are_exceptions(trained):
    points, labels = blobs(8, 9)
    predict = trained.state.predict
    refuses(dp.ArgumentError, lambda: predict(points[:, :1]), "inputs")
    refuses(TypeError, lambda: predict(points.astype(np.float16)), "float16", "float32")
    refuses(TypeError, lambda: predict(points.astype(">f4")), "byte order")
    refuses(TypeError, lambda: predict(points.astype(object)), "object")
    refuses(TypeError, lambda: predict(np.array(["a"])))
    refuses(TypeError, lambda: predict(points.astype(np.complex64)))
    refuses(TypeError, lambda: predict(np.ma.array(points)), "mask")
    refuses(dp.ArgumentError, lambda: predict(np.zeros((0, 2), np.float32)))
    refuses(ValueError, lambda: predict(np.float32(1)))
    refuses(ValueError, lambda: predict(np.zeros((1,) * 9, np.float32)), "dimensions")
    record = np.zeros(8, np.dtype([("a", np.int8), ("x", np.float32, 2)]))
    refuses(ValueError, lambda: predict(record["x"]), "multiple")
    odd = np.zeros(8 * 2 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(8, 2)
    refuses(ValueError, lambda: predict(odd), "item size")
    apart = np.ndarray((8, 2), np.float32, np.zeros(8 * 10, np.uint8), strides=(10, 4))
    refuses(ValueError, lambda: predict(apart), "byte strides (10, 4)")
    out = np.zeros((8, 3), np.float32)
    out.flags.writeable = False
    refuses(ValueError, lambda: predict(points, out), "read-only")
    refuses(TypeError, lambda: predict(points, [[0.0] * 3] * 8), "list")
    refuses(TypeError, lambda: predict(points, np.zeros((8, 3), np.int32)), "int32")
    refuses(dp.ArgumentError, lambda: predict(points, np.zeros((8, 4), np.float32)), "out has the shape [8, 4]")
    refuses(dp.ArgumentError, lambda: predict(points, np.lib.stride_tricks.as_strided(np.zeros(3, np.float32), (8, 3),
                                                                                     (0, 4), writeable=True)))
    refuses(dp.NotFiniteError, lambda: predict(points * np.inf))
    refuses(dp.ArgumentError, lambda: trained.network.__setitem__("layer1.weight", np.zeros((3, 2))))
    refuses(KeyError, lambda: trained.network["layer9.weight"], "layer1.weight")


# ---- nothing crashes ----


def test_anything_may_be_passed(trained):
    """Every method of every class, with values of every sort: an exception or a result, never a crash."""
    values = [None, 0, -1, 2**70, -2**70, 1.5, float("nan"), "x", "relu", "\0", b"bytes", object(), [], [1, 2],
              (1, 2, 3), {},
              np.zeros(3), np.zeros((2, 2), np.float32), np.array("a"), True, len, Exception, 1j, range(3)]
    points, labels = blobs(4, 10)
    path = os.path.join(FOLDER, "anything.safetensors")
    context = dp.Context("reference")
    network = dp.Network(context, 2).dense(3).initialize()
    rule, checkpoint = dp.Rule(context), dp.Checkpoint(context)
    state, optimizer = dp.State(network, rule, 4), dp.Optimizer(network)
    diagnostics = dp.Diagnostics(network, "mse", 4)
    optimizer.learn(state, points, labels)
    network.save(path)
    values += [context, network, rule, state, optimizer, checkpoint, diagnostics, network.layers[0]]
    skipped = {"close", "set_stream", "write", "save", "export_c", "cancel", "set_log", "set_parallel_for"}
    calls = 0
    for thing in (dp.Context, dp.Network, dp.Rule, dp.State, dp.Optimizer, dp.Checkpoint, dp.Diagnostics, dp.Layer,
                  network, rule, state, optimizer, checkpoint, diagnostics, context, network.layers[0]):
        if isinstance(thing, type):
            methods = [thing]
        else:
            methods = [getattr(thing, name) for name in dir(type(thing)) if not name.startswith("_") and
                       name not in skipped and callable(getattr(type(thing), name))]
            for name in dir(type(thing)):
                attribute = getattr(type(thing), name)
                if isinstance(attribute, property) and attribute.fset:
                    methods.append(lambda value, thing=thing, name=name: setattr(thing, name, value))
        for method in methods:
            if method == dp.Context:
                continue  # starts threads; see below
            for first in values:
                for others in ((), (None,), (0,), ("relu",), (2**40,), (points, labels), (network, 3)):
                    calls += 1
                    try:
                        method(first, *others)
                    except Exception:
                        pass
    for first in values:
        for keywords in ({}, {"precision": first}, {"level": first}, {"numerics": first}, {"module": first},
                         {"log": first}):
            try:
                dp.Context("reference" if keywords else first, **keywords)
            except Exception:
                pass
    assert calls > 10000, calls


def test_closed_objects_are_exceptions(_):
    context = dp.Context()
    network = dp.Network(context, 2).dense(3).initialize()
    state = dp.State(network, dp.Rule(context), 4)
    layer = network.layers[0]
    context.close()
    network.close()
    refuses(dp.HandleError, lambda: state.predict(np.zeros((2, 2), np.float32)), "closed")
    refuses(dp.HandleError, lambda: network["layer1.weight"], "closed")
    refuses(dp.HandleError, lambda: layer.outputs, "closed")
    refuses(dp.HandleError, lambda: dp.Rule(context), "closed")
    refuses(dp.HandleError, lambda: dp.Network.__new__(dp.Network)["layer1.weight"])
    refuses(dp.HandleError, lambda: state.__init__(network))
    state.close()
    state.close()
    assert "closed" in repr(state)


def test_objects_outlive_their_parents(_):
    state = dp.State(dp.Network(dp.Context(), 2).dense(3).initialize(), None, 4)
    gc.collect()
    assert state.predict(np.zeros((2, 2), np.float32)).shape == (2, 3)


def test_no_copies_of_handles(trained):
    for copies in (copy.copy, copy.deepcopy, pickle.dumps):
        refuses(TypeError, lambda: copies(trained.network), "cannot")


def test_many_threads_on_one_state(trained):
    """A second thread gets BusyError or a result; closing meanwhile is an exception later, never a crash."""
    state = dp.State(trained.network, trained.rule, 64)
    points, labels = blobs(64, 11)
    expected, odd = trained.state.predict(points), []

    def work():
        for _ in range(300):
            try:
                np.testing.assert_array_equal(state.predict(points), expected)
            except (dp.BusyError, dp.HandleError):
                pass
            except Exception as error:
                odd.append(error)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        try:
            trained.rule.set_layer(1, alpha=0.5)
        except dp.BusyError:
            pass
    state.close()
    for thread in threads:
        thread.join()
    assert not odd, odd


def test_fork(trained):
    """A child of fork() goes on with one thread; multiprocessing's default works."""
    points, _ = blobs(8, 12)
    expected = trained.state.predict(points)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if np.array_equal(trained.state.predict(points), expected) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


# ---- callbacks ----


def test_exceptions_in_logs_are_raised(_):
    class Mine(Exception):
        pass

    def log(level, component, message):
        raise Mine(message)
    context = dp.Context()
    refuses(Mine, lambda: context.set_log(log), "backend")
    refuses(Mine, lambda: dp.Context(log=log))
    heard = []
    context.set_log(lambda *words: heard.append(words))
    assert heard and heard[0][0] == "info", heard
    refuses(dp.StateError, lambda: context.set_log(lambda *words: context.memory), "callback")


def test_loops_of_ones_own(trained):
    context = dp.Context()
    network = dp.Network(context, 2).dense(8, "tanh").dense(3).initialize(seed=1)
    for name, weights in trained.network.items():
        network[name] = weights
    state = dp.State(network, dp.Rule(context), 64)
    points, _ = blobs(64, 13)
    expected = trained.state.predict(points)
    ran = []

    def in_threads(task, count):
        ran.append(count)
        threads = [threading.Thread(target=task, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def breaks_off(task, count):
        task(0)
        raise ZeroDivisionError

    def repeats(task, count):
        for _ in range(2):
            for index in range(count):
                task(index)
    wide = dp.Network(context, 300).dense(300, "relu").dense(200).initialize(1)
    images = np.ones((256, 300), np.float32)
    serial = dp.State(wide, None, 256).predict(images)
    context.set_parallel_for(in_threads, 2)
    np.testing.assert_array_equal(state.predict(points), expected)
    np.testing.assert_array_equal(dp.State(wide, None, 256).predict(images), serial)
    assert ran, "nothing was done in parallel"
    out = np.zeros((256, 200), np.float32)
    context.set_parallel_for(breaks_off, 2)
    refuses(ZeroDivisionError, lambda: dp.State(wide, None, 256).predict(images, out))
    np.testing.assert_array_equal(out, serial)
    context.set_parallel_for(repeats, 2)
    refuses(dp.StateError, lambda: dp.State(wide, None, 256).predict(images), "already")
    context.set_parallel_for(None)


def test_interrupts_are_kept(_):
    def log(*words):
        raise KeyboardInterrupt
    refuses(KeyboardInterrupt, lambda: dp.Context(log=log))


# ---- files and finding ----


def test_checkpoint_comes_back(trained):
    path = os.path.join(FOLDER, "module.safetensors")
    with dp.Checkpoint(trained.context) as checkpoint:
        for put, what in ((checkpoint.put_network, trained.network), (checkpoint.put_optimizer, trained.optimizer),
                          (checkpoint.put_rule, trained.rule), (checkpoint.put_state, trained.state)):
            put(what)
        checkpoint.put_text("epoch", "3")
        checkpoint["counts"] = np.arange(6, dtype=np.int32).reshape(2, 3)[:, ::-1]
        checkpoint.write(path)
    with dp.Checkpoint.read(trained.context, path) as again:
        network, rule = again.network(), again.rule()
        assert again.get_text("epoch") == "3" and again.get_text("absent") is None
        np.testing.assert_array_equal(again["counts"], [[2, 1, 0], [5, 4, 3]])
        assert "layer1.weight" in again.keys() and rule.variant == "dp-adjoint"
        assert again.optimizer(network).steps == trained.optimizer.steps
        again.restore_state(trained.state)
        refuses(KeyError, lambda: again["absent"])
    for name, weights in trained.network.items():
        np.testing.assert_array_equal(network[name], weights)
    with open(path, "rb") as file:
        assert dp.Checkpoint.from_bytes(trained.context, file.read()).network().outputs == 3
    np.savez(os.path.join(FOLDER, "module.npz"), **dict(trained.network.items()))
    refuses(dp.AccessError, lambda: dp.Network.load(trained.context, path + ".absent"), "absent")
    refuses(dp.FormatError, lambda: dp.Checkpoint.from_bytes(trained.context, b"nonsense"))


def run_python(code, **variables):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(dp.__file__)), **variables}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_a_library_that_is_missing_is_a_sentence(_):
    result = run_python("import dualprop as dp; dp.Context()", DUALPROP_LIB_PATH="/no/such/folder/x.so")
    assert "LibraryNotFoundError" in result.stderr and "/no/such/folder/x.so" in result.stderr, result.stderr
    result = run_python("import dualprop as dp; dp.Context()", DUALPROP_LIB_PATH="/proc/self/exe")
    assert "LibraryNotFoundError" in result.stderr and result.returncode == 1, result


def test_demo_learns(_):
    result = run_python("import runpy, sys; sys.argv = ['demo', '--epochs', '5', '--samples', '2000']; "
                        "runpy.run_module('dualprop.demo', run_name='__main__')")
    assert result.returncode == 0, result.stderr
    accuracy = float(re.findall(r"([\d.]+) %", result.stdout)[-1])
    assert accuracy > 70, result.stdout  # a quarter is chance


def main():
    trained = Trained()
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (len(sys.argv) > 2 and name not in sys.argv[2:]):
            continue
        try:
            test(trained)
            passed += 1
        except Exception as error:  # whatever it is, the other tests go on
            failed += 1
            print("FAILED: %s: %s: %s" % (name, type(error).__name__, error))
            if len(sys.argv) > 2:
                traceback.print_exc()
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
if __name__ == "__main__":
    sys.exit(main())
