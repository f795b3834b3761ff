"""Rule: how dyads take in what their neighbours send, and in which order. Its options are attributes."""
from __future__ import annotations

import ctypes as C
from typing import Any, Callable, NamedTuple, Tuple

import numpy as np

from ._context import Context, is_a, returned
from ._library import Handle, call, choice, exclusive, fixed, flag, function_of, guarded, name_of, shown, whole

_Doubles = C.POINTER(C.c_double)
ProximalFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, _Doubles, _Doubles, _Doubles, _Doubles, C.c_int64, C.c_int64)
LossFunction = C.CFUNCTYPE(C.c_int, C.c_void_p, _Doubles, _Doubles, _Doubles, _Doubles, C.c_int64, C.c_int64)


def _loss_function(function: Callable[[np.ndarray, np.ndarray], Any]) -> Any:
    """A function of outputs and targets as C calls it; what it raises is raised by the call that needed the loss."""
    def receive(_: Any, losses: Any, slopes: Any, outputs: Any, targets: Any, count: int, width: int) -> int:
        answer = [1]

        def work() -> None:
            given = [np.ctypeslib.as_array(pointer, (count, width)).copy() for pointer in (outputs, targets)]
            found = function(*given)
            if not isinstance(found, tuple) or len(found) != 2:
                raise TypeError(f"the loss function returned {type(found).__name__}; expected a tuple: losses, slopes")
            for pointer, value, shape, name in ((losses, found[0], (count,), "losses"),
                                                (slopes, found[1], (count, width), "slopes")):
                array = returned("the loss function", value, np.float64, shape, name)
                if pointer:
                    np.ctypeslib.as_array(pointer, shape)[...] = array
            answer[0] = 0
        guarded(work)
        return answer[0]
    return LossFunction(receive)


def _proximal(function: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> Any:
    """A proximal map as C calls it; exceptions as above."""
    def receive(_: Any, minimisers: Any, a: Any, targets: Any, t: Any, count: int, width: int) -> int:
        answer = [1]

        def work() -> None:
            given = [np.ctypeslib.as_array(pointer, (count, width)).copy() for pointer in (a, targets)]
            found = function(*given, np.ctypeslib.as_array(t, (count, 1)).copy())
            array = returned("the proximal map", found, np.float64, (count, width))
            np.ctypeslib.as_array(minimisers, (count, width))[...] = array
            answer[0] = 0
        guarded(work)
        return answer[0]
    return ProximalFunction(receive)


def _several(value: Any, name: str, expected: str) -> list:
    """The elements of what has some."""
    try:
        return list(value)
    except TypeError:
        raise TypeError(f"{name} is {shown(value)}; expected {expected}") from None


def _number(name: str, kind: Any, doc: str) -> Any:
    def get(self: "Rule") -> Any:
        place = kind()
        call("rule_get_" + name, C.byref(place), self)
        return place.value

    def set(self: "Rule", value: Any) -> None:
        call("rule_set_" + name, exclusive(self), **{name: value})
    return property(get, set, doc=doc)


def _choice(name: str, group: str, doc: str) -> Any:
    def get(self: "Rule") -> str:
        place = C.c_int()
        call("rule_get_" + name, C.byref(place), self)
        return name_of(group, place.value)

    def set(self: "Rule", value: Any) -> None:
        call("rule_set_" + name, exclusive(self), **{name: choice(group, value, name)})
    return property(get, set, doc=doc)


class Noise(NamedTuple):
    """Standard deviations of the noise on states, top-down signals and weights."""
    state: float
    top_down: float
    weight: float


class Rule(Handle):
    """A rule such as "dp-adjoint", "dp", "bp"; every option may be given by name, and is an attribute afterwards.

        rule = dp.Rule(context, "dp-adjoint", alpha=0.5, beta=0.5, loss="cross-entropy")
        rule.schedule = "forward-backward", 3       # the schedule and its passes
        rule.beta = 0.1

    After the variant, the schedule or an option that needs other memory has changed, call State.prepare() on its
    states.
    """
    __slots__ = ("_context", "_functions")
    _kind = "rule"
    context = fixed("context", "The context that it belongs to.")
    _settings = ("alpha", "beta", "loss", "output_step", "nudge_at", "schedule", "passes", "order", "async_fraction",
                 "tolerance", "pool_switches", "time_step", "warm_start", "divergence_limit", "growth_limit", "damping",
                 "fresh_minus", "input_robustness", "feedback", "alpha_mismatch", "noise", "quantization", "seed")

    def __init__(self, context: Context, variant: Any = "dp-adjoint", **settings: Any) -> None:
        self._context = is_a(Context, context, "context")
        unknown = sorted(set(settings) - set(self._settings))
        if unknown:
            raise TypeError(f"Rule has no option {unknown[0]!r}; expected one of {', '.join(self._settings)}")
        self._functions: list = []
        self._create("rule_create", (context,), context, variant=choice("RULE", variant, "variant"))
        for name, value in settings.items():
            setattr(self, name, value)

    @classmethod
    def _of(cls, context: Context, pointer: Any) -> "Rule":
        rule = cls.__new__(cls)
        rule._context = context
        rule._functions = []
        rule._adopt(pointer, (context,))
        return rule

    variant = _choice("variant", "RULE", "The rule's name.")
    _loss = _choice("loss", "LOSS", "The loss by name.")
    output_step = _choice("output_step", "OUTPUT_STEP", '"linear", "exact" or "sprovr".')
    nudge_at = _choice("nudge_at", "NUDGE_AT", '"current" or "prediction": where the linear step takes the loss.')
    pool_switches = _choice("pool_switches", "SWITCHES", '"bottom-up" or "original": whose arg-max pooling uses.')
    feedback = _choice("feedback", "FEEDBACK", "What carries delta down.")
    alpha = _number("alpha", C.c_double, "The weight of s+ in the mean, of all layers; in [0, 1].")
    beta = _number("beta", C.c_double, "The strength of the nudge, of all layers.")
    async_fraction = _number("async_fraction", C.c_double, 'The fraction of neurons that update under "async".')
    tolerance = _number("tolerance", C.c_double, "Stop early when a pass changes less than this; 0: never.")
    time_step = _number("time_step", C.c_double, "Of leaky integration, in (0, 1].")
    divergence_limit = _number("divergence_limit", C.c_double, "How far states may grow before that is an error.")
    growth_limit = _number("growth_limit", C.c_int, "How many growing passes are an error; 0: none.")
    input_robustness = _number("input_robustness", C.c_double, "rho: makes the input a dyad too; 0: it is none.")
    alpha_mismatch = _number("alpha_mismatch", C.c_double, "The deviation of alpha between neurons.")
    quantization = _number("quantization", C.c_int, "Bits of the states; 0: real numbers.")
    seed = _number("seed", C.c_uint64, "Of all that is random in inference.")

    @property
    def loss(self) -> str:
        """"mse", "ce" or "function". May be set to a name, or to a function of your own:

            def huber(outputs, targets):              # float64 arrays of (count, outputs), copies
                error = outputs - targets
                slopes = np.clip(error, -1, 1)
                return (slopes * (error - slopes / 2)).sum(1), slopes     # a loss for each sample, and its slopes
            rule.loss = huber

        What it raises is raised by the call that needed the loss. Call State.prepare() on states made before.
        """
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        if not callable(value):
            self._loss = value
            return
        function = _loss_function(value)
        # An inference that is open keeps the function that it began with, so that old ones live as long as the rule.
        self._functions.append(function)
        call("rule_set_loss_function", exclusive(self), function, None)

    def set_loss_proximal(self, function: Any) -> None:
        """Add the proximal map to a loss of your own, for exact output steps: function(a, targets, t) is the s that
        minimises t * loss(s) + |s - a|^2 / 2 for each sample, where t is (count, 1) and may be negative; None removes
        it. Set the loss before; call State.prepare() on states made before."""
        kept = None if function is None else _proximal(function_of(function, "function"))
        self._functions.append(kept)
        call("rule_set_loss_proximal", exclusive(self), kept)

    @property
    def has_loss_proximal(self) -> bool:
        """Has the loss a proximal map of yours?"""
        place = C.c_void_p()
        call("rule_get_loss_proximal", C.byref(place), self)
        return bool(place.value)

    @property
    def warm_start(self) -> bool:
        """Does an inference start from the last values?"""
        place = C.c_int()
        call("rule_get_warm_start", C.byref(place), self)
        return bool(place.value)

    @warm_start.setter
    def warm_start(self, value: bool) -> None:
        call("rule_set_warm_start", exclusive(self), flag(value, "warm_start"))

    @property
    def fresh_minus(self) -> bool:
        """Is s- of the layer above formed again before each update (Eq. 50)? Of lpom alone."""
        place = C.c_int()
        call("rule_get_fresh_minus", C.byref(place), self)
        return bool(place.value)

    @fresh_minus.setter
    def fresh_minus(self, value: bool) -> None:
        call("rule_set_fresh_minus", exclusive(self), flag(value, "fresh_minus"))

    @property
    def schedule(self) -> Tuple[str, int]:
        """The schedule and its passes; may be set to a name alone, which keeps the passes.

        "forward-backward" and "fw-bw", "forward" and "fw", "backward" and "bw", "asynchronous" and "async" are the
        same; the others are "odd-even", "even-odd", "jacobi", "random" and "list". The short name is what is read.
        """
        schedule, passes = C.c_int(), C.c_int()
        call("rule_get_schedule", C.byref(schedule), C.byref(passes), self)
        return name_of("SCHEDULE", schedule.value), passes.value

    @schedule.setter
    def schedule(self, value: Any) -> None:
        name, passes = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, self.schedule[1])
        self._set_schedule(name, {"schedule (passes)": passes})

    @property
    def passes(self) -> int:
        """The passes of the schedule."""
        return self.schedule[1]

    @passes.setter
    def passes(self, value: int) -> None:
        self._set_schedule(self.schedule[0], {"passes": value})

    def _set_schedule(self, name: Any, passes: dict) -> None:
        call("rule_set_schedule", exclusive(self), schedule=choice("SCHEDULE", name, "schedule"), **passes)

    @property
    def order(self) -> Tuple[int, ...]:
        """The order of the schedule "list"."""
        count = C.c_int64()
        call("rule_get_order", None, 0, C.byref(count), self)
        layers = (C.c_int32 * max(1, count.value))()
        call("rule_get_order", layers, count.value, C.byref(count), self)
        return tuple(layers[:count.value])

    @order.setter
    def order(self, value: Any) -> None:
        layers = [whole(layer, "order", 0, 65535) for layer in _several(value, "order", "numbers of layers")]
        call("rule_set_order", exclusive(self), order=(C.c_int32 * max(1, len(layers)))(*layers),
             **{"len(order)": len(layers)})

    @property
    def damping(self) -> Tuple[str, int]:
        """Where D_k comes from, and the power iterations; may be set to a name alone, which keeps those."""
        damping, iterations = C.c_int(), C.c_int()
        call("rule_get_damping", C.byref(damping), C.byref(iterations), self)
        return name_of("DAMPING", damping.value), iterations.value

    @damping.setter
    def damping(self, value: Any) -> None:
        name, iterations = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, self.damping[1])
        call("rule_set_damping", exclusive(self), damping=choice("DAMPING", name, "damping"),
             **{"damping (power iterations)": iterations})

    @property
    def noise(self) -> Noise:
        """Standard deviations: of states, of top-down signals, of weights."""
        numbers = [C.c_double() for _ in range(3)]
        call("rule_get_noise", *map(C.byref, numbers), self)
        return Noise(*(number.value for number in numbers))

    @noise.setter
    def noise(self, value: Any) -> None:
        expected = "three numbers: of states, top-down signals, weights"
        numbers = _several(value, "noise", expected)
        if len(numbers) != 3:
            raise ValueError(f"noise is {shown(value)}; expected {expected}")
        call("rule_set_noise", exclusive(self), **{f"noise[{i}]": number for i, number in enumerate(numbers)})

    def set_layer(self, index: int, *, alpha: Any = None, beta: Any = None, damping: Any = None) -> None:
        """Set one layer's alpha, beta or D."""
        whole(index, "index", 0)
        for name, value in (("alpha", alpha), ("beta", beta), ("damping", damping)):
            if value is not None:
                call("rule_set_layer_" + name, exclusive(self), index=index, **{name: value})

    def layer(self, index: int) -> dict:
        """One layer's alpha, beta, and D where it was given (else NaN)."""
        found = {}
        for name in ("alpha", "beta", "damping"):
            place = C.c_double()
            call("rule_get_layer_" + name, C.byref(place), self, index=index)
            found[name] = place.value
        return found

    def __repr__(self) -> str:
        return "<dualprop.Rule (closed)>" if self.closed else f"<dualprop.Rule {self.variant}>"
