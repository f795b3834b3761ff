"""torch_layers.py - dualprop.torch: gradients are those of autograd, whatever is in front and behind, and stay those of
the forward pass that they belong to. Prints one line a failed test and the count.   usage: torch_layers.py"""
import copy
import os
import sys
import traceback

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "python"))
import dualprop as dp  # noqa: E402
import dualprop.torch  # noqa: E402


def make(precision="f64", activation="tanh", backend="auto", rule=None, capacity=7):
    context = dp.Context(backend, precision=precision)
    network = dp.Network(context, 5).dense(6, activation).dense(4, activation).dense(3).initialize(seed=2)
    return dualprop.torch.Layers(network, rule(context) if rule else None, capacity)


def by_autograd(layers, x, activation=torch.tanh):
    weights = dict(layers.named_parameters())
    for k in (1, 2, 3):
        x = x @ weights[f"layer{k}_weight"] + weights[f"layer{k}_bias"]
        x = activation(x) if k < 3 else x
    return x


def gradients_of(loss, layers, x):
    layers.zero_grad()
    x.grad = None
    loss.backward()
    return [x.grad.clone()] + [one.grad.clone() for one in layers.parameters()]


def difference(found, expected):
    return max(float((one - other).double().norm() / other.double().norm()) for one, other in zip(found, expected))


def compare(layers, tolerance, dtype, activation=torch.tanh, weigh=None):
    torch.manual_seed(3)
    x = torch.randn(7, 5, dtype=dtype, requires_grad=True)
    weigh = weigh or (lambda y: (y ** 3).mean() + y[0].sum())
    found = gradients_of(weigh(layers(x)), layers, x)
    expected = gradients_of(weigh(by_autograd(layers, x, activation)), layers, x)
    assert difference(found, expected) < tolerance, difference(found, expected)
    assert torch.allclose(layers(x), by_autograd(layers, x, activation), atol=1e-5)


def test_gradients_are_those_of_autograd():
    """O(beta^2) at alpha = 1/2: 1e-6 times a constant with beta = 1e-3."""
    for backend in ("reference", "blis"):
        for name, activation in (("tanh", torch.tanh), ("sigmoid", torch.sigmoid),
                                 ("softplus", torch.nn.functional.softplus),
                                 ("silu", torch.nn.functional.silu)):
            compare(make("f64", name, backend), 1e-5, torch.float64, activation)


def test_gradients_in_f32():
    """Deltas keep their digits at small beta; 1e-4 is the promise."""
    for backend in ("reference", "blis"):
        compare(make("f32", "tanh", backend), 1e-4, torch.float32)


def test_back_propagation_is_exact():
    compare(make(rule=lambda context: dp.Rule(context, "bp")), 1e-12, torch.float64)


def test_errors_fall_with_the_square_of_beta():
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    errors = []
    for beta in (0.1, 0.01):
        layers = make(rule=lambda context: dp.Rule(context, "dp-adjoint", alpha=0.5, beta=beta))
        found = gradients_of(layers(x).square().sum(), layers, x)
        errors.append(difference(found, gradients_of(by_autograd(layers, x).square().sum(), layers, x)))
    assert 50 < errors[0] / errors[1] < 200, errors


def test_in_front_and_behind():
    torch.manual_seed(1)
    context = dp.Context()
    network = dp.Network(context, 36).dense(8, "tanh").dense(6).initialize(seed=1)
    middle = dualprop.torch.Layers(network, capacity=4)
    front, back = torch.nn.Conv2d(2, 4, 3), torch.nn.Linear(6, 2)
    images = torch.randn(4, 2, 5, 5)
    weights = dict(middle.named_parameters())

    def same(x):
        return torch.tanh(x @ weights["layer1_weight"]
                          + weights["layer1_bias"]) @ weights["layer2_weight"] + weights["layer2_bias"]
    found = []
    for forward in (middle, same):
        for one in (front, middle, back):
            one.zero_grad()
        back(forward(front(images).flatten(1))).square().mean().backward()
        found.append([p.grad.clone() for one in (front, middle, back) for p in one.parameters()])
    assert difference(*found) < 1e-4, difference(*found)


def test_a_backward_pass_belongs_to_its_forward_pass():
    """Two forward passes, then both backward: in any order, and with other inputs in between."""
    layers = make()
    x, other = (torch.randn(7, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    first, second = layers(x), layers(other[:3])
    layers.state.predict(np.zeros((2, 5)))
    (first.sum() + second.square().sum()).backward()
    found = [x.grad.clone(), other.grad.clone()] + [one.grad.clone() for one in layers.parameters()]
    layers.zero_grad()
    x.grad = other.grad = None
    (by_autograd(layers, x).sum() + by_autograd(layers, other[:3]).square().sum()).backward()
    expected = [x.grad, other.grad] + [one.grad for one in layers.parameters()]
    assert difference(found, expected) < 1e-5


def test_torch_trains_the_parameters():
    layers = make("f32", capacity=50)
    adam = torch.optim.Adam(layers.parameters(), lr=0.01)
    x = torch.rand(50, 5)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2], x[:, 3] - x[:, 4]], 1)
    losses = []
    for _ in range(300):
        adam.zero_grad()
        loss = (layers(x) - y).square().mean()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 50, losses[::100]
    layers(x)
    assert np.array_equal(layers.network["layer1.weight"], layers.layer1_weight.detach().numpy())


def test_a_changed_parameter_is_noticed():
    layers = make()
    x = torch.randn(7, 5, dtype=torch.float64)
    before = layers(x)
    with torch.no_grad():
        layers.layer1_weight.mul_(2)
    assert not torch.equal(layers(x), before)
    layers.network.initialize(seed=9)  # and one that others wrote is written over
    assert torch.equal(layers(x), layers(x))
    assert torch.allclose(layers(x), by_autograd(layers, x))


def test_what_does_not_fit_is_an_exception():
    layers = make()
    for wrong, kind in ((torch.zeros(7, 5), TypeError), (torch.zeros(5, dtype=torch.float64), ValueError),
                        (torch.zeros(7, 6, dtype=torch.float64), dp.ArgumentError)):
        try:
            layers(wrong)
        except kind:
            continue
        raise AssertionError(wrong.shape)
    x = torch.zeros(8, 5, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        layers(x)  # predictions may be longer than the capacity
    try:
        layers(x)
    except ValueError as error:
        assert "capacity" in str(error)
    else:
        raise AssertionError("8 samples in a state for 7")


def test_the_scale_of_the_loss_does_not_matter():
    """Loss scaling begins at 65536; tiny losses do not vanish, in f32 either."""
    for precision, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        for scale in (1e-30, 1e-6, 1e3, 65536.0, 1e9, 1e30):
            compare(make(precision), 1e-4, dtype, weigh=lambda y, scale=scale: (y.square().sum() + y[0, 1]) * scale)
    layers, x = make(), torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    assert all(not one.any() for one in gradients_of(layers(x).sum() * 0, layers, x))
    try:
        (layers(x).sum() * float("inf")).backward()
    except dp.Error:
        return
    raise AssertionError("an infinite gradient")


def test_changes_that_torch_does_not_count_are_noticed():
    layers = make()
    x = torch.randn(7, 5, dtype=torch.float64)

    def double_by_numpy():
        layers.layer1_weight.detach().numpy()[:] *= 2
    for change in (lambda: layers.layer1_weight.data.mul_(1.5), lambda: layers.layer2_weight.data.clamp_(-0.1, 0.1),
                   lambda: layers.layer1_bias.data.copy_(torch.ones(6)), double_by_numpy):
        layers(x)
        change()
        assert torch.allclose(layers(x), by_autograd(layers, x))


def test_a_copy_is_independent():
    torch.manual_seed(4)
    layers = make("f64", rule=lambda context: dp.Rule(context, "dp-adjoint", alpha=0.5, beta=2e-3))
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    expected = gradients_of(layers(x).square().sum(), layers, x)
    model = copy.deepcopy(torch.nn.Sequential(layers, torch.nn.Tanh()))
    twin = model[0]
    assert twin.network is not layers.network and twin.rule.beta == 2e-3 and twin.state.capacity == 7
    assert all(torch.equal(one, other) for one, other in zip(layers.parameters(), twin.parameters()))
    found = gradients_of(twin(x).square().sum(), twin, x)
    assert difference(found, expected) < 1e-12
    with torch.no_grad():
        twin.layer1_weight.mul_(2)
        twin.rule.beta = 0.1
    assert not torch.allclose(twin(x), layers(x)) and torch.allclose(layers(x), by_autograd(layers, x))
    assert layers.rule.beta == 2e-3
    del layers
    assert torch.allclose(twin(x), by_autograd(twin, x))


def test_an_empty_batch():
    """As torch's layers: an empty result, and gradients that are zero."""
    layers = make()
    x = torch.empty(0, 5, dtype=torch.float64, requires_grad=True)
    y = layers(x)
    assert y.shape == (0, 3) and y.dtype == torch.float64
    gradients = gradients_of(y.sum(), layers, x)
    assert gradients[0].shape == (0, 5) and all(not one.any() for one in gradients)
    with torch.no_grad():
        assert layers(x).shape == (0, 3)
    try:
        layers(torch.empty(0, 6, dtype=torch.float64))
    except ValueError as error:
        assert "(count, 5)" in str(error), error
        return
    raise AssertionError("(0, 6) for 5 inputs")


def test_another_precision_is_refused():
    for precision, same, others in (("f32", "float", ("double", "half", "bfloat16")),
                                    ("f64", "double", ("float", "half"))):
        layers = make(precision)
        x = torch.zeros(2, 5, dtype=getattr(torch, {"float": "float32", "double": "float64"}[same]))
        getattr(layers, same)().to("cpu")
        for other in others:
            try:
                getattr(layers, other)()
            except TypeError as error:
                assert "precision" in str(error) and str(x.dtype) in str(error), error
            else:
                raise AssertionError(other)
        assert layers(x).dtype == x.dtype and layers.layer1_weight.dtype == x.dtype


def test_unchanged_parameters_are_not_written():
    layers = make()
    x = torch.randn(7, 5, dtype=torch.float64)
    layers(x)
    before = layers.network.generation
    layers(x)
    assert layers.network.generation == before
    with torch.no_grad():
        layers.layer2_bias.add_(1)
    layers(x)
    assert layers.network.generation == before + 1
    layers.network["layer1.bias"] = np.ones(6)  # what others wrote is written over
    assert torch.allclose(layers(x), by_autograd(layers, x))
    layers.network.initialize(seed=9)
    assert torch.allclose(layers(x), by_autograd(layers, x))


def test_the_network_gets_the_parameters_before_it_is_saved():
    layers = make()
    state = {name: 2 * value for name, value in layers.state_dict().items()}
    layers.load_state_dict(state)
    network = layers.copy_to_network()
    assert network is layers.network
    for name in network.keys():
        assert np.array_equal(network[name], state[name.replace(".", "_")].numpy()), name


def test_second_derivatives_are_refused():
    layers = make()
    front = torch.nn.Linear(5, 5, dtype=torch.float64)
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    try:
        torch.autograd.grad(layers(front(x)).sum(), x, create_graph=True)
    except RuntimeError as error:
        assert "second derivatives" in str(error), error
        return
    raise AssertionError("a gradient of a gradient")


tests = [(name, test) for name, test in list(globals().items()) if name.startswith("test_")]
failed = 0
for name, test in tests:
    try:
        test()
    except Exception:
        failed += 1
        print(f"failed: {name}")
        traceback.print_exc()
print(f"{len(tests) - failed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
