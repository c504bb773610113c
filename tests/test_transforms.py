"""Transforms: log-determinants against autograd, inverses, and the probabilities of discrete values."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd.functional import jacobian

from counterfeit.common.numerics import bits_per_dim
from counterfeit.core import Spec
from counterfeit.transforms import (
    TRANSFORMS,
    Affine,
    Binarize,
    Composition,
    Dequantize,
    Flatten,
    Logit,
    build,
)

IMAGE = Spec((1, 2, 3))


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, *IMAGE.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def levels() -> torch.Tensor:
    return torch.arange(256.0).view(-1, 1) / 255


SMOOTH = [Affine(0.3, -1.7), Logit(), Logit(1e-6), Flatten(), Composition(), build(["symmetric", "flatten"])]


@pytest.mark.parametrize("transform", SMOOTH, ids=lambda t: type(t).__name__)
def test_log_determinant_equals_autograd(transform):
    x = images(3)
    _, ladj = transform.forward(x)
    for example, found in zip(x, ladj, strict=True):
        slope = jacobian(lambda e: transform.forward(e.view(1, *IMAGE.shape))[0].flatten(), example.flatten())
        assert torch.allclose(torch.linalg.slogdet(slope).logabsdet, found)


@pytest.mark.parametrize("transform", SMOOTH, ids=lambda t: type(t).__name__)
def test_inverse_returns_the_input(transform):
    x = images()
    transform.spec(IMAGE)
    assert torch.allclose(transform.inverse(transform.forward(x)[0]), x)


def test_chain_adds_log_determinants():
    x = images()
    chain = Composition(Affine(0.1, 0.5), Logit())
    halved, first = Affine(0.1, 0.5).forward(x)
    assert torch.allclose(chain.forward(x)[1], first + Logit().forward(halved)[1])


@pytest.mark.parametrize("noise", [None, 0.0, 1 - 2**-24])
def test_dequantized_values_return_to_their_level(noise, monkeypatch):
    if noise is not None:
        monkeypatch.setattr(torch, "rand_like", lambda x: torch.full_like(x, noise))
    y, ladj = Dequantize().forward(levels())
    assert torch.equal(Dequantize().inverse(y), levels())
    assert y.max() < 1
    assert torch.equal(ladj, torch.zeros(256))


def test_dequantized_uniform_values_are_uniform():
    x = levels().repeat(400, 1)
    y = Dequantize().forward(x)[0].sort(0).values[:, 0]
    assert (y - torch.linspace(0, 1, len(y))).abs().max() < 1.63 / math.sqrt(len(y))  # Kolmogorov-Smirnov, 1 %


def test_density_on_the_unit_interval_gives_probabilities_of_levels():
    y = torch.cat([Dequantize().forward(levels())[0] for _ in range(200)], 1)  # (256, 200)
    density = 6 * y * (1 - y)  # Beta(2, 2)
    assert float((density.mean(1) / 256).sum()) == pytest.approx(1.0, abs=1e-3)


def test_uniform_over_256_values_is_8_bits_per_dimension():
    log_prob = 0.0 + Dequantize().forward(levels())[1].mean()  # uniform on [0, 1]: log 1
    assert bits_per_dim(float(log_prob), 1, offset=8.0) == 8.0


def test_binarize_is_unbiased():
    x = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).repeat(20_000, 1)
    y, ladj = Binarize().forward(x)
    error = (x[0] * (1 - x[0]) / len(x)).sqrt()
    assert ((y.mean(0) - x[0]).abs() <= 4.5 * error).all()
    assert torch.equal(ladj, torch.zeros(len(x)))
    assert torch.equal(y, y.round())


def test_binarize_draws_from_the_global_random_state():
    x = images().float()
    torch.manual_seed(0)
    y = Binarize().forward(x)[0]
    torch.manual_seed(0)
    assert torch.equal(y, (torch.rand_like(x) < x).float())
    assert torch.equal(Binarize().inverse(y), y)


@pytest.mark.parametrize("name", ["binarize", "dequantize", "logit"])
@pytest.mark.parametrize("bad", [torch.full((1, 2), 1.5), torch.full((1, 2), -0.1), torch.full((1, 2), float("nan"))])
def test_values_outside_of_the_unit_interval_are_an_error(name, bad):
    with pytest.raises(ValueError, match=name):
        TRANSFORMS[name]().forward(bad)


def test_integers_are_an_error():
    with pytest.raises(ValueError, match="expects floating point"):
        Binarize().forward(torch.ones(1, 2, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("names", "spec"),
    [
        ([], IMAGE),
        (["binarize"], Spec((1, 2, 3), "binary")),
        (["dequantize"], IMAGE),
        (["symmetric"], Spec((1, 2, 3), "real")),
        (["dequantize", "logit", "flatten"], Spec((6,), "real")),
    ],
)
def test_spec_says_what_data_become(names, spec):
    chain = build(names)
    assert chain.spec(IMAGE) == spec
    spec.check(chain.forward(images())[0], "the test")


def test_vectors_of_bits_become_binary_data_and_others_are_refused():
    bits, chain = torch.tensor([[0.0, 1, 1], [1.0, 0, 1]]), build(["binarize"])
    assert chain.spec(Spec((3,), "real")) == Spec((3,), "binary")
    chain.fit(lambda: bits)
    assert torch.equal(chain.forward(bits)[0], bits)
    with pytest.raises(ValueError, match=r"lies in \[0, 3\]; binarize expects \[0, 1\]"):
        chain.fit(lambda: 3 * bits)


@pytest.mark.parametrize("name", ["dequantize", "logit"])
def test_transforms_of_images_refuse_real_values(name):
    with pytest.raises(ValueError, match=f"of kind 'real'; {name} expects image"):
        build(["symmetric", name]).spec(IMAGE)


def test_symmetric_spans_minus_one_to_one():
    assert build(["symmetric"]).forward(torch.tensor([[0.0, 0.5, 1.0]]))[0].tolist() == [[-1.0, 0.0, 1.0]]


def test_unknown_name_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match="'binarise' is unknown; did you mean 'binarize'"):
        build(["flatten", "binarise"])
    with pytest.raises(ValueError, match="known: binarize, dequantize"):
        build(["zzz"])


def test_flatten_without_a_shape_is_an_error():
    with pytest.raises(ValueError, match="call `spec` first"):
        Flatten().inverse(torch.zeros(1, 6))


def test_settings_without_an_inverse_are_an_error():
    with pytest.raises(ValueError, match="scale=0"):
        Affine(1.0, 0.0)
    with pytest.raises(ValueError, match="alpha=0"):
        Logit(0.0)
