"""State: the dyads of one network for a batch, their inference, and predictions."""
from __future__ import annotations

import ctypes as C
from typing import Any, NamedTuple, Optional

import numpy as np

from ._arrays import array_of, doubles, reads, samples, targets as targets_view, writes
from ._context import is_a
from ._library import Handle, call, fixed, flag, one_of, whole
from ._network import Network
from ._rule import Rule
from ._signatures import CONSTANTS

ARRAYS = {"plus": "S_PLUS", "minus": "S_MINUS", "mean": "S_MEAN", "delta": "S_DELTA", "bottom-up": "S_BOTTOM_UP",
          "top-down": "S_TOP_DOWN"}


NEURONS = {"alpha": "NEURON_ALPHA", "gain-plus": "NEURON_GAIN_PLUS", "gain-minus": "NEURON_GAIN_MINUS",
           "noise": "NEURON_NOISE", "listens": "NEURON_LISTENS"}


def which_of(which: str) -> int:
    """The constant of one of a layer's arrays."""
    return CONSTANTS[ARRAYS[one_of(which, "which", tuple(ARRAYS))]]


class Report(NamedTuple):
    """How the last inference went."""
    passes: int
    residual: float
    updates: int
    skipped: int
    loss: float
    correct: int


class Evaluation(NamedTuple):
    """Mean loss, samples whose greatest output is the label, and those with it among the k greatest."""
    loss: float
    correct: int
    top_k: int
    count: int

    @property
    def accuracy(self) -> float:
        """The fraction that is correct."""
        return self.correct / self.count


class State(Handle):
    """The dyads of a network for up to `capacity` samples. Without a rule it predicts and evaluates only."""
    __slots__ = ("_network", "_rule", "_capacity", "_inputs")
    _kind = "state"
    network = fixed("network", "The network whose dyads these are.")
    rule = fixed("rule", "The rule of its inferences, or None.")
    capacity = fixed("capacity", "The most samples of one call.")

    def __init__(self, network: Network, rule: Optional[Rule] = None, capacity: int = 1) -> None:
        self._network = is_a(Network, network, "network")
        self._rule = None if rule is None else is_a(Rule, rule, "rule")
        self._capacity, self._inputs = capacity, network.inputs
        parents = (network,) if rule is None else (network, rule)
        self._create("state_create", parents, network, rule, capacity=capacity)

    @staticmethod
    def memory_needed(network: Network, rule: Optional[Rule] = None, capacity: int = 1) -> int:
        """The bytes that a state would take."""
        number = C.c_uint64()
        call("state_memory_needed", C.byref(number), is_a(Network, network, "network"),
             None if rule is None else is_a(Rule, rule, "rule"), capacity=capacity)
        return number.value

    def prepare(self) -> None:
        """Plan again after the rule's structure has changed."""
        call("state_prepare", self)

    # ---- inference ----

    def infer(self, inputs: Any, targets: Any) -> None:
        """Let the dyads settle on a batch. targets: labels (whole numbers), or an array of (count, outputs)."""
        call("infer_view", self, C.byref(samples(inputs, self._inputs)), C.byref(targets_view(targets)))

    def infer_gradient(self, inputs: Any, gradient: Any) -> None:
        """Infer with the slope of a loss that you have computed: (count, outputs), of each sample's own loss."""
        call("infer_gradient", self, C.byref(samples(inputs, self._inputs)), C.byref(reads(gradient, "gradient")))

    def begin(self, inputs: Any, targets: Any) -> None:
        """Begin an inference by hand: the feed-forward start."""
        call("infer_begin", self, C.byref(samples(inputs, self._inputs)), C.byref(targets_view(targets)))

    def update_layer(self, index: int) -> None:
        """Update one layer once, between begin() and end()."""
        call("infer_layer", self, index=index)

    def run_pass(self) -> None:
        """Run the next pass of the schedule, between begin() and end()."""
        call("infer_pass", self)

    def end(self) -> None:
        """End the inference begun by hand."""
        call("infer_end", self)

    def set_augmentation(self, augmentation: Any) -> None:
        """Shift and mirror the images of the next batch: (count, 3) of rows down, columns right, mirrored or not."""
        array = array_of(augmentation, "augmentation")
        if (array.dtype.kind not in "iub" or array.ndim != 2 or array.shape[1] != 3
                or array.min(initial=0) < -2**31 or array.max(initial=0) >= 2**31):
            raise ValueError(f"augmentation has {array.dtype.name} of shape {array.shape}; expected whole numbers of "
                             "32 bits of shape (count, 3)")
        array = np.ascontiguousarray(array, np.int32)
        call("state_set_augmentation", self, augmentation=array.ctypes.data_as(C.c_void_p),
             **{"len(augmentation)": len(array)})

    def _weigh(self, name: str, weights: Any) -> None:
        array = doubles(weights, "weights")
        call(name, self, weights=array.ctypes.data_as(C.c_void_p), **{"len(weights)": len(array)})

    def set_sample_weights(self, weights: Any) -> None:
        """Weigh the samples of the next inference or evaluation; None: no weights."""
        self._weigh("state_set_sample_weights", weights)

    def set_class_weights(self, weights: Any) -> None:
        """Weigh the classes from now on, one weight for each output; None: no weights."""
        self._weigh("state_set_class_weights", weights)

    def set_neurons(self, index: int, which: str, values: Any) -> None:
        """Give single neurons of a layer an "alpha", "gain-plus", "gain-minus" or "noise" of their own, or say who
        "listens" (0 or 1); None: none of their own."""
        which = NEURONS[one_of(which, "which", tuple(NEURONS))]
        array = doubles(values, "values")
        call("state_set_neurons", self, index=index, which=CONSTANTS[which], values=array.ctypes.data_as(C.c_void_p),
             **{"len(values)": len(array)})

    @property
    def report(self) -> Report:
        """How the last inference went."""
        passes, residual, updates, skipped = C.c_int(), C.c_double(), C.c_int64(), C.c_int64()
        loss, correct = C.c_double(), C.c_int64()
        call("state_report", C.byref(passes), C.byref(residual), C.byref(updates), C.byref(skipped), C.byref(loss),
             C.byref(correct), self)
        return Report(passes.value, residual.value, updates.value, skipped.value, loss.value, correct.value)

    @property
    def inference_count(self) -> int:
        """How many inferences were begun: with the rule's seed it decides what is drawn."""
        number = C.c_uint64()
        call("state_inference_count", C.byref(number), self)
        return number.value

    @inference_count.setter
    def inference_count(self, value: int) -> None:
        call("state_set_inference_count", self, inference_count=value)

    def damping(self, index: int) -> tuple:
        """gamma_k as it was estimated (or NaN), and the D_k that was used."""
        gamma, damping = C.c_double(), C.c_double()
        call("state_damping", C.byref(gamma), C.byref(damping), self, index=index)
        return gamma.value, damping.value

    # ---- dyads ----

    def read(self, index: int, which: str, out: Optional[np.ndarray] = None, *,
             count: Optional[int] = None) -> np.ndarray:
        """A layer's "plus", "minus", "mean", "delta", "bottom-up" or "top-down"; count: of samples, the capacity
        else."""
        if out is None:
            widths = [self.network.inputs, *(layer.outputs for layer in self.network.layers)]
            width = widths[whole(index, "index", 0, len(widths) - 1)]
            rows = self.capacity if count is None else whole(count, "count", 1, self.capacity)
            out = np.empty((rows, width), self.network.context.dtype)
        call("state_read", out=C.byref(writes(out, "out")), state=self, index=index, which=which_of(which))
        return out

    def write(self, index: int, which: str, value: Any) -> None:
        """Overwrite "plus", "minus", "mean" or "delta" of a layer, between begin() and end()."""
        call("state_write", self, index=index, which=which_of(which), value=C.byref(reads(value, "value")))

    def read_part(self, index: int, which: str, first: int, out: np.ndarray) -> np.ndarray:
        """Read neurons first .. first + out.shape[1] - 1 of a layer into an array of (samples, neurons)."""
        call("state_read_part", out=C.byref(writes(out, "out")), state=self, index=index, which=which_of(which),
             first=first)
        return out

    def write_part(self, index: int, which: str, first: int, value: Any) -> None:
        """Overwrite neurons of a layer from number `first` on, between begin() and end()."""
        call("state_write_part", self, index=index, which=which_of(which), first=first,
             value=C.byref(reads(value, "value")))

    # ---- predictions ----

    def keep_inference(self, keep: bool = True) -> None:
        """Leave the inference alone while predicting and evaluating, which costs the memory of a prediction."""
        call("state_keep_inference", self, keep=flag(keep, "keep"))

    def _outputs(self, name: str, inputs: Any, out: Optional[np.ndarray]) -> np.ndarray:
        view = samples(inputs, self._inputs)
        if out is None:
            if view.array.ndim == 0:
                raise ValueError("inputs is a single number; expected an array of samples")
            out = np.empty((view.array.shape[0], self.network.outputs), self.network.context.dtype)
        call(name, out=C.byref(writes(out, "out")), state=self, inputs=C.byref(view))
        return out

    def predict(self, inputs: Any, out: Optional[np.ndarray] = None) -> np.ndarray:
        """The network's outputs, (count, outputs); into out where it is given."""
        return self._outputs("predict_view", inputs, out)

    def predict_probabilities(self, inputs: Any, out: Optional[np.ndarray] = None) -> np.ndarray:
        """The softmax of the network's outputs, (count, outputs); not for a network that ends in softmax or sigmoid."""
        return self._outputs("predict_probabilities_view", inputs, out)

    def evaluate(self, inputs: Any, targets: Any, k: int = 1) -> Evaluation:
        """Compare the outputs with labels or dense targets."""
        loss, correct, top_k = C.c_double(), C.c_int64(), C.c_int64()
        view = samples(inputs, self._inputs)
        call("evaluate_view", C.byref(loss), C.byref(correct), C.byref(top_k), k=k, state=self, inputs=C.byref(view),
             targets=C.byref(targets_view(targets)))
        return Evaluation(loss.value, correct.value, top_k.value, view.array.shape[0])
