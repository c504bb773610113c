"""Nets against the formulas that define them."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, softplus

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import ConvDiscriminator
from counterfeit.nets.layers import DoublingConv2d, GroupNorm, attend
from counterfeit.nets.mlp import MLP, Activation, Dropout, Gated, GaussianNoise, Maxout, MLPPlayers


def test_maxout_is_the_largest_of_its_linear_maps():
    net, x = Maxout(6, 4, pieces=3), torch.randn(5, 6)
    weights, biases = net.linear.weight.split(4), net.linear.bias.split(4)
    maps = [x @ w.T + b for w, b in zip(weights, biases, strict=True)]
    torch.testing.assert_close(net(x), torch.stack(maps).max(0).values)


def test_maxout_of_one_piece_is_linear():
    net, x = Maxout(6, 4, pieces=1), torch.randn(5, 6)
    torch.testing.assert_close(net(x), net.linear(x))


def test_a_gated_unit_is_a_linear_map_times_a_sigmoid():
    net, x = Gated(6, 4), torch.randn(5, 6)
    values, gates = net.linear(x).chunk(2, 1)
    torch.testing.assert_close(net(x), values * gates.sigmoid())


def test_dropout_keeps_the_expectation():
    torch.manual_seed(0)
    x = torch.full((200_000,), 3.0)
    assert Dropout(0.3)(x).mean() == pytest.approx(3.0, abs=4 * 3 * (0.3 / 0.7 / len(x)) ** 0.5)


def test_dropout_leaves_zeros_and_scaled_values():
    torch.manual_seed(0)
    values, counts = Dropout(0.25)(torch.ones(10_000)).unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / 0.75]))
    assert counts[0] / 10_000 == pytest.approx(0.25, abs=0.02)


def test_dropout_decides_each_value_apart_from_its_neighbours():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(20_000, 7)) != 0).float()  # 7: no multiple of the four values to an integer
    assert torch.corrcoef(kept.T).triu(1).abs().max() < 5 / 20_000**0.5


def test_dropout_is_the_identity_in_evaluation():
    x = torch.randn(3, 4)
    assert torch.equal(Dropout(0.5).eval()(x), x)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", torch.relu),
        ("leaky-relu", lambda a: leaky_relu(a, 0.2)),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("softplus", softplus),
    ],
)
def test_perceptron_is_the_composition_of_its_layers(activation, function):
    net, x = MLP(6, (5, 4), 3, activation), torch.randn(2, 6)
    first, second = (layer for layer in net.hidden if isinstance(layer, nn.Linear))
    torch.testing.assert_close(net(x), net.last(function(second(function(first(x))))))


@pytest.mark.parametrize("activation", get_args(Activation))
def test_every_activation_gives_every_weight_a_gradient(activation):
    net = MLP(6, (5, 4), 3, activation)
    net(torch.randn(16, 6)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


def test_perceptron_flattens_examples_of_any_shape():
    net, x = MLP(12, (5,), 3), torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(net(x), net(x.flatten(1)))


def test_perceptron_without_hidden_layers_is_linear():
    net, x = MLP(6, (), 3), torch.randn(2, 6)
    torch.testing.assert_close(net(x), net.last(x))


def test_output_is_float32_whatever_the_precision_inside():
    net = MLP(6, (5,), 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert net.hidden(torch.randn(2, 6)).dtype == torch.bfloat16
        assert net(torch.randn(2, 6)).dtype == torch.float32


def test_batch_normalization_comes_before_the_activation_and_takes_the_bias_with_it():
    net = MLP(6, (5,), 3, norm="batch")
    linear, norm, act = net.hidden
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(act, nn.ReLU)
    assert linear.bias is None
    y = norm(linear(torch.randn(64, 6)))
    torch.testing.assert_close(y.mean(0), torch.zeros(5), atol=1e-5, rtol=0)


def test_dropout_has_a_rate_at_the_input_and_one_at_hidden_layers():
    rates = [1 - layer.keep for layer in MLP(6, (5, 4), 3, dropout=(0.2, 0.5)).hidden if isinstance(layer, Dropout)]
    assert rates == pytest.approx([0.2, 0.5, 0.5], abs=1e-5)
    assert not any(isinstance(layer, Dropout) for layer in MLP(6, (5, 4), 3).hidden)


@pytest.mark.parametrize("activation", ["relu", "maxout"])
def test_init_bounds_the_weights_and_fills_the_bound(activation):
    net = MLP(50, (40,), 30, activation, init=0.05)
    for name, p in net.state_dict().items():
        if name.endswith("weight"):
            assert 0.049 < float(p.abs().max()) <= 0.05
            assert float(p.std()) == pytest.approx(0.05 / 3**0.5, rel=0.1)
        else:
            assert not p.any()


def test_perceptron_is_a_net_that_the_engine_compiles():
    assert isinstance(MLP(6, (5,), 3), Net)
    assert not MLP.double_backward


NOISY = {"generator_dropout": 0.25, "generator_noise": 0.5}


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_noise_is_behind_the_activation_of_every_hidden_layer_of_the_generator(activation, norm):
    body = MLPPlayers((5, 4), activation, norm, **NOISY).generator(Spec((2,), "real"), 3).body
    kinds = [type(layer) for layer in body.hidden]
    ends = [i for i, kind in enumerate(kinds) if kind is GaussianNoise]
    assert ends == [len(kinds) // 2 - 1, len(kinds) - 1]
    assert [kinds[i - 1] for i in ends] == [Dropout, Dropout]
    assert [body.hidden[: end + 1](torch.zeros(2, 3)).shape[1] for end in ends] == [5, 4]


def test_noise_of_hidden_units_has_its_mean_and_variance_in_evaluation_too():
    torch.manual_seed(0)
    body = MLPPlayers((1,), norm="none", **NOISY).generator(Spec((1,), "real"), 1).eval().body
    with torch.no_grad():
        body.hidden[0].weight.fill_(2.0)
        body.hidden[0].bias.zero_()
        h = body.hidden(torch.ones(100_000, 1)).double()
    assert float(h.mean()) == pytest.approx(2.0, abs=0.02)
    assert float(h.var()) == pytest.approx(2.0**2 * 0.25 / 0.75 + 0.5**2, rel=0.02)


def test_a_generator_without_noise_inside_is_as_it_was():
    torch.manual_seed(0)
    body = MLPPlayers((5,)).generator(Spec((2,), "real"), 3).body
    torch.manual_seed(0)
    plain = MLP(3, (5,), 2, norm="batch")
    assert {name: value.tolist() for name, value in body.state_dict().items()} == {
        name: value.tolist() for name, value in plain.state_dict().items()
    }


@pytest.mark.parametrize(
    "noise", [{"generator_dropout": 1.0}, {"generator_noise": -0.1}, {"generator_noise": float("nan")}]
)
def test_impossible_noise_of_hidden_units_is_refused(noise):
    with pytest.raises(ValueError, match=r"came; a rate in \[0, 1\) and a standard deviation from 0 are expected"):
        MLPPlayers(**noise).generator(Spec((2,), "real"), 3)


@pytest.mark.parametrize("sizes", [(0, (5,), 3), (6, (5, 0), 3), (6, (5,), 0)])
def test_layers_without_units_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1 is expected"):
        MLP(*sizes)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 5)])
def test_a_doubling_convolution_is_one_of_repeated_pixels(shape):
    layer = DoublingConv2d(3, 5).double()
    x = torch.rand(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    found = layer(x)
    expected = conv2d(interpolate(x, scale_factor=2.0, mode="nearest"), layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(found, expected)
    weights, inputs = torch.rand_like(found), (x, layer.weight, layer.bias)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), inputs) for out in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_doubling_convolution_hands_on_the_layout_that_convolutions_are_fast_in():
    y = DoublingConv2d(4, 6).to(memory_format=torch.channels_last)(torch.rand(2, 4, 8, 8))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_a_deeper_discriminator_halves_as_often_and_keeps_the_variance_of_its_input():
    torch.manual_seed(0)
    flat, deep = (ConvDiscriminator(Spec((1, 32, 32)), 16, "none", depth=depth) for depth in (0, 2))
    convolutions = [[m.stride for m in net.body if isinstance(m, nn.Conv2d)] for net in (flat, deep)]
    assert convolutions == [[(2, 2)] * 3, [(2, 2), (1, 1), (1, 1)] * 3]
    x = torch.rand(64, 1, 32, 32)
    before, *after = (float(v.detach().square().mean()) for v in (2 * x - 1, flat.features(x), deep.features(x)))
    assert after[0] < 0.01 * before < 0.1 * before < after[1] < 10 * before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_groups_are_normalized_in_float32_at_least(dtype):
    torch.manual_seed(0)
    norm, x = GroupNorm(2, 6).to(dtype), (100 + torch.randn(3, 6, 5, 4)).to(dtype)
    groups = x.double().unflatten(1, (2, 3))
    variance, mean = torch.var_mean(groups, (2, 3, 4), correction=0, keepdim=True)
    expected = ((groups - mean) / (variance + norm.eps).sqrt()).flatten(1, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = norm(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected.to(dtype).double(), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_attention_is_a_mean_of_values_weighted_by_how_keys_meet_queries(dtype, causal):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4).to(dtype) for _ in range(3))
    scores = q.double() @ k.double().mT / 4**0.5
    if causal:
        scores = scores.masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), float("-inf"))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = attend(q, k, v, causal)
    assert found.dtype == dtype
    expected = (scores.softmax(-1) @ v.double()).to(dtype)
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)
