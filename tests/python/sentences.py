"""sentences.py - what is passed wrongly to the Python package is an exception whose sentence names the parameter.

Every parameter of every public method, constructor and property is passed values of wrong types and wrong values, one
at a time beside valid others. Prints one line a failed test and the count at the end.

usage: sentences.py FOLDER
"""
import inspect
import os
import re
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
if "DUALPROP_TEST_INSTALLED" not in os.environ:
    sys.path.insert(0, os.path.join(HERE, "..", "..", "python"))
import dualprop as dp  # noqa: E402

NAN, INFINITE = float("nan"), float("inf")


class Things:
    """Objects of each class, and valid arguments for all that is called."""

    def __init__(self):
        self.context = dp.Context("reference")
        self.network = dp.Network(self.context, (4, 4, 1)).convolution(2, 3).dense(3).initialize()
        self.network.set_feedback("random")
        self.rule = dp.Rule(self.context, "dp-damped")
        self.state = dp.State(self.network, self.rule, 4)
        self.optimizer = dp.Optimizer(self.network)
        self.checkpoint = dp.Checkpoint(self.context)
        self.diagnostics = dp.Diagnostics(self.network, capacity=4)
        self.fresh = dp.Network(self.context, (4, 4, 1)).convolution(2, 3)  # to which layers may be added
        self.context.register_map("matrix", *[lambda *arrays: arrays[0]] * 3)
        self.images, self.labels = np.zeros((4, 4, 4, 1), np.float32), np.zeros(4, np.int64)
        self.gradients = self.optimizer.gradients
        self.layer = self.network.layers[0]


things = Things()
# The object that has the methods of a class; a class of which nothing is called needs none.
OBJECTS = {dp.Context: things.context, dp.Network: things.network, dp.Rule: things.rule, dp.State: things.state,
           dp.Optimizer: things.optimizer, dp.Checkpoint: things.checkpoint, dp.Diagnostics: things.diagnostics,
           dp.Layer: things.layer, dp.Gradients: things.gradients}


class Refuses:
    """Breaks whatever is done with it."""

    def __repr__(self):
        raise ZeroDivisionError("no picture")

    def __array__(self, *_, **__):
        raise ZeroDivisionError("no array")

    def __index__(self):
        raise TypeError("no number")

    def __bool__(self):
        raise ZeroDivisionError("neither true nor false")


strange = [object(), Refuses(), things.rule, len, {}, 1j]
whole = [*strange, None, 3.7, "3", b"3", True, np.True_, NAN, [1], (), np.zeros(2, int), 2**70, -2**70]
real = [*strange, None, "0.5", b"1", True, np.False_, [0.5], np.zeros(2), 10**400, np.complex64(1j)]
name = [*strange, None, "nope", "", "\0", "\ud800x", b"relu", 1.5, True, [], -7, 10**6, 2**70]
word = [*strange, None, "nope", "", "\0", b"x", 1, 1.5, True, []]
truth = [*strange, None, "no", "", 2, -1, 0.5, NAN, [], (1,), np.zeros(2)]
text = [*strange, None, 3, 1.5, True, [], b"bytes", "a\0b"]
function = [*strange[:3], 3, "x", [], {}]
pair = [*strange, 1.5, "3", True, [1], (1, 2, 3), [1.5, 2], ["1", "2"], (), np.zeros(2), (1, 2**70), 2**64]
tensor = [None, *strange, "x", "3", [[1.0], [1.0, 2.0]], np.array(["a"]), np.array(["1.5"]), np.zeros((4, 3), complex),
          np.zeros(3, object), np.zeros((1,) * 9), np.zeros((2, 3), "datetime64[s]"), np.zeros((4, 3)).astype(">f4"),
          np.ma.array([1.0]), [None]]
array = [*tensor, 3, True, [[]], np.zeros((9, 9)), np.zeros(0)]
filled = [*array, [0.0], np.zeros((4, 3), int), np.broadcast_to(np.float32(0), (4, 3))]
numbers = [*strange[:2], things.rule, len, 1j, "x", "3", ["1"], [1j], [[1.0]], [None], [NAN], [-1.0], [0.5] * 99]


def not_a(kind):
    """What is no object of a class."""
    return [None, 3, "x", b"", [], *(thing for thing in [*strange, *OBJECTS.values()] if not isinstance(thing, kind))]


# The wrong values of each parameter, by its name; where a name is of two kinds, by its class, or its class and method.
WRONG = {
    "accumulate": truth, "activation": name, "alpha": [*real, -1, 2, NAN], "alpha_mismatch": [*real, -1, NAN],
    "async_fraction": [*real, 0, -1, 1.5, NAN], "augmentation": [*array, [[1, 2]], [[1, 2, 2**40]], [[0.5, 1, 0]]],
    "autotune": truth, "backend": name, "beta": [*real, 0, NAN, INFINITE],
    "betas": [*strange, 0.9, "ab", (0.9,), (0.9, 1.0), (NAN, 0.9), ("0.9", 0.9), (0.9, 0.9, 0.9), (True, 0.5)],
    "bottom": truth, "capacity": [*whole, 0, -1], "channels": [*whole, 0, -1], "clip": [*real, -1, NAN],
    "context": not_a(dp.Context), "count": [*whole, 0, -1, 5],
    "damping": [*name, ("half",), ("half", 1.5), (1.5, 1)], "Rule.set_layer.damping": [*real, -1, NAN],
    "data": [None, 3, "text", object(), [1, 2], np.zeros(3)], "decay": [*whole, -1], "delayed_status": truth,
    "deviation": [*numbers, [0.0], None, ()], "device": [*whole, -1], "difference": function,
    "divergence_limit": [*real, 0, 1, NAN], "end": [*real, -1, NAN], "epsilon": [*real, 0, -1, NAN],
    "fan_in": [*whole, 0, -1, 99], "feedback": name, "first": [*whole, -1, 99], "folder": text,
    "forward": [*function, None], "fresh_minus": truth, "frozen": truth, "function": function, "fused": truth,
    "gradient": array, "Context.gradient": [*function, None], "growth_limit": [*whole, -1],
    "index": [*whole, -1, 99], "Rule.index": [*whole, -1], "inference_count": [*whole, -1], "initializer": name,
    "input_robustness": [*real, -1, NAN], "inputs": array,
    "input_shape": [*strange, None, "3", True, 1.5, 0, -1, (), (1, 2), (1, 2, 3, 4), (0, 1, 1), (1, 1.5, 1), 2**70],
    "iterations": [*whole, 0, -1], "k": [*whole, 0, -1], "keep": truth, "kernel": [*pair, 0, -1], "key": text,
    "kind": name, "learning_rate": [*real, -1, NAN, INFINITE], "level": name, "Context.set_log.level": word,
    "limit": word, "log": function, "log_level": word, "loss": [*(v for v in name if not callable(v)), "function"],
    "map": [*word, "Nope"], "mean": [*(v for v in numbers if v != [-1.0]), None, ()],
    "module": [*strange, 3, 1.5, b"x", "a\0b"],
    "momentum": [*real, -1, 1, NAN], "name": text, "network": not_a(dp.Network),
    "noise": [*strange, None, 1, "abc", (1, 2), (1, 2, "3"), (-1, 0, 0), (0, NAN, 0), (True, 0, 0)],
    "nudge_at": name, "numerics": name, "optimizer": not_a(dp.Optimizer),
    "order": [*strange[:4], None, 1, "12", [1.5], [-1], [2**40], ["1"], [True]], "other": not_a(dp.Optimizer),
    "out": filled, "output_step": name, "outputs": [*whole, 0, -1], "padding": [*pair, -1], "passes": [*whole, 0, -1],
    "path": text, "pool_switches": name, "precision": [*name, "u8", "i64", "f16", 3],
    "quantization": [*whole, 1, -1, 99], "rule": not_a(dp.Rule), "run": function, "scale": [*real, -1, NAN, INFINITE],
    "schedule": [*name, ("fw",), ("fw", 1.5)], "Optimizer.schedule": name, "seed": [*whole, -1],
    "slope": [*function, None], "source": not_a(dp.Network), "start": [*real, -1, NAN], "state": not_a(dp.State),
    "stream": [*whole, -1], "stride": [*pair, 0, -1], "targets": [*array, [7] * 4, [-1] * 4, [2**40] * 4],
    "threads": [*whole, -7, "some"], "time_step": [*real, 0, -1, 2, NAN], "tolerance": [*real, -1, NAN],
    "top": truth, "transposed": [*function, None], "value": array,
    "Context.register_activation.value": [*function, None],
    "Context.set_limit.value": [*whole, -1], "Checkpoint.put_text.value": text,
    "Checkpoint.__setitem__.value": tensor, "values": numbers, "variant": name,
    "warm_start": truth, "warmup": [*whole, -1], "weight_decay": [*real, -1, NAN], "weights": numbers,
    "Network.weights": [*whole, 0, -1], "which": word, "window": [*pair, 0, -1],
}
NONE_IS_FINE = {"State.set_neurons.values", "State.set_sample_weights.weights", "State.set_class_weights.weights",
                "Checkpoint.put_text.value", "Context.set_log.log", "Context.set_parallel_for.run",
                "Context.set_stream.stream", "Rule.set_loss_proximal.function"}
FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
VALID = {
    "activation": "relu", "augmentation": [[0, 0, 0]] * 4, "channels": 2, "context": things.context, "count": 4,
    "data": b"", "deviation": [1.0], "first": 0, "folder": FOLDER, "forward": len, "function": len, "gradient":
    np.zeros((4, 3)), "Context.gradient": len, "index": 1, "inputs": things.images, "input_shape": 3, "kernel": 3,
    "key": "key", "keep": True, "kind": "sgd", "Network.set_feedback.kind": "random", "level": "info",
    "limit": "tensors",
    "log": None, "map": "matrix", "mean": [0.0], "name": "layer2.weight", "network": things.network,
    "optimizer": things.optimizer, "other": things.optimizer, "out": np.zeros((32, 3), np.float32), "outputs": 3,
    "path": os.path.join(FOLDER, "sentences.safetensors"), "rule": things.rule, "run": lambda task, count: None,
    "schedule": "warmup-cosine", "slope": len,
    "source": things.network, "state": things.state, "stream": None, "targets": things.labels, "transposed": len,
    "value": np.zeros((32, 3)), "Context.register_activation.value": len, "Context.set_limit.value": 9,
    "Checkpoint.put_text.value": "x", "values": None, "weights": None, "Network.weights": 4, "which": "plus",
    "State.set_neurons.which": "alpha", "window": 2,
    "initializer": "he", "State.predict.out": None, "State.predict_probabilities.out": None,
    "Diagnostics.input_gradient.out": None, "State.read.out": None, "State.write.value": np.zeros((4, 32)),
}
OPEN = {"State.update_layer", "State.write", "State.write_part"}  # called during an inference by hand
ITEMS = ("__getitem__", "__setitem__")
ADDS = {"dense", "convolution", "local", "custom", "max_pool", "average_pool"}  # called before there is a state


def found(table, *names):
    """What a table has of a parameter: by class and method, by class, or by its name alone."""
    for key in (".".join(names), f"{names[0]}.{names[-1]}", names[-1]):
        if key in table:
            return table[key]
    raise KeyError(f"tests/python/sentences.py knows no values of {'.'.join(names)}; a new parameter needs its line")


def parameters_of(kind, method, function):
    """The parameters of a method with the values that it takes; those with defaults are left to them."""
    parameters = [p for p in inspect.signature(function).parameters.values()
                  if p.name != "self" and not p.name.startswith("_") and p.kind != p.VAR_KEYWORD]
    needed = {p.name: found(VALID, kind.__name__, method, p.name) for p in parameters if p.default is p.empty}
    return parameters, needed


def calls_of(kind):
    """(method, parameter, call with a value) of all that is public in a class."""
    thing = OBJECTS[kind]
    for method in sorted(dir(kind)):
        static = inspect.getattr_static(kind, method)
        if isinstance(static, property):
            if static.fset and not method.startswith("_"):
                yield method, method, False, lambda value, method=method: setattr(thing, method, value)
            continue
        if not callable(getattr(kind, method)) or (method.startswith("_") and method not in ("__init__", *ITEMS)):
            continue
        function = kind if method == "__init__" else getattr(things.fresh if method in ADDS else thing, method)
        parameters, needed = parameters_of(kind, method, function)
        for p in parameters:
            def call(value, name=p.name, method=method, function=function, needed=needed):
                arguments = {**needed, name: value}
                return function(*arguments.values()) if method in ITEMS else function(**arguments)
            yield method, p.name, p.default is None, call
    if kind is dp.Rule:
        for setting in dp.Rule._settings:
            yield "__init__", setting, False, lambda value, setting=setting: dp.Rule(things.context, **{setting: value})


def complaint(kind, method, parameter, call, value):
    """What is wrong with what came of it, or None."""
    if f"{kind.__name__}.{method}" in OPEN:
        things.state.begin(things.images, things.labels)
    try:
        result = call(value)
        return f"accepted: {result!r}"
    except (dp.Error, TypeError, ValueError, KeyError, OverflowError) as error:
        word = "layer2.weight" if method == "__setitem__" and parameter == "value" else parameter
        if re.search(r"(?<![\w.])%s(?!\w)" % re.escape(word), str(error)):
            return None
        return f"{type(error).__name__}: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if f"{kind.__name__}.{method}" in OPEN:
            things.state.end()


def sweep(kind):
    """How many values were passed, and a line for each that was taken or refused without a good sentence."""
    count, wrong = 0, []
    for method, parameter, optional, call in calls_of(kind):
        where = (kind.__name__, method, parameter)
        for value in found(WRONG, *where):
            if value is None and (optional or ".".join(where) in NONE_IS_FINE):
                continue
            count += 1
            text = complaint(kind, method, parameter, call, value)
            if text:
                picture = "Refuses()" if isinstance(value, Refuses) else repr(value)[:60]
                wrong.append(f"{'.'.join(where)} = {picture}: {text}")
    return count, wrong


things.state.infer(things.images, things.labels)
things.optimizer.gradient(things.state)
passed = failed = values = 0
for kind in OBJECTS:
    count, wrong = sweep(kind)
    for line in wrong:
        print("FAILED:", line)
    values, passed, failed = values + count, passed + (not wrong), failed + bool(wrong)
classes = {getattr(dp, name) for name in dp.__all__ if isinstance(getattr(dp, name), type)}
for kind in classes - set(OBJECTS):
    if not issubclass(kind, (Exception, tuple)):
        print(f"FAILED: {kind.__name__} is not in OBJECTS")
        failed += 1
if values < 3000:
    print(f"FAILED: {values} values were passed; expected more than 3000")
    failed += 1
print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
