"""Likelihoods of values: normalized, equal to torch's own, with the means and draws that they promise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch.distributions import Bernoulli, Normal, StudentT

from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.likelihoods import LIKELIHOODS, likelihood

LEVELS = torch.arange(256, dtype=torch.float64) / 255


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def drawn(name: str, n: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(n, LIKELIHOODS[name].parameters, dtype=torch.float64)


@pytest.mark.parametrize("name", ["logistic", "categorical"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0])
def test_probabilities_of_the_levels_sum_to_one(name, scale):
    parameters = drawn(name, 50, scale)
    log_density = LIKELIHOODS[name].log_prob(LEVELS.expand(50, -1), parameters.unsqueeze(1).expand(-1, 256, -1))
    total = (log_density - math.log(256)).exp().sum(1)  # each level is 1/256 wide
    torch.testing.assert_close(total, torch.ones(50, dtype=torch.float64), atol=1e-8, rtol=0)
    assert bool(torch.isfinite(log_density).all())


@pytest.mark.parametrize("name", ["logistic", "categorical"])
def test_means_and_draws_of_levels_follow_their_probabilities(name):
    parameters = drawn(name, 4, 0.3)
    log_density = LIKELIHOODS[name].log_prob(LEVELS.expand(4, -1), parameters.unsqueeze(1).expand(-1, 256, -1))
    p = (log_density - math.log(256)).exp()
    x = LIKELIHOODS[name].sample(parameters.expand(40_000, -1, -1))
    assert bool(((x * 255).round() / 255 - x).abs().max() < 1e-9)
    torch.testing.assert_close(x.mean(0), p @ LEVELS, atol=0.01, rtol=0)
    black = (x == 0).double().mean(0)
    torch.testing.assert_close(black, p[:, 0], atol=0.01, rtol=0)
    if name == "categorical":
        torch.testing.assert_close(LIKELIHOODS[name].mean(parameters), p @ LEVELS)


def test_a_narrow_logistic_is_its_level():
    parameters = torch.tensor([100 / 255 - 0.5, -60.0], dtype=torch.float64)  # the scale stops at a third of a level
    log_density = LIKELIHOODS["logistic"].log_prob(LEVELS, parameters.expand(256, -1))
    assert int(log_density.argmax()) == 100
    assert math.exp(float(log_density[100]) - math.log(256)) > 0.6
    assert float(LIKELIHOODS["logistic"].mean(parameters)) == pytest.approx(100 / 255)


def test_real_and_binary_likelihoods_equal_those_of_torch():
    x = torch.randn(200, dtype=torch.float64)
    gaussian = drawn("gaussian", 200)
    scale = (-7 + torch.nn.functional.softplus(gaussian[:, 1] + 7)).exp()
    torch.testing.assert_close(LIKELIHOODS["gaussian"].log_prob(x, gaussian), Normal(gaussian[:, 0], scale).log_prob(x))
    student = drawn("student", 200)
    scale = (-7 + torch.nn.functional.softplus(student[:, 1] + 7)).exp()
    df = 2 + torch.nn.functional.softplus(student[:, 2])
    torch.testing.assert_close(
        LIKELIHOODS["student"].log_prob(x, student), StudentT(df, student[:, 0], scale).log_prob(x)
    )
    bits, logits = torch.rand(200, dtype=torch.float64).round(), drawn("bernoulli", 200)
    torch.testing.assert_close(
        LIKELIHOODS["bernoulli"].log_prob(bits, logits), Bernoulli(logits=logits.squeeze(1)).log_prob(bits)
    )


@pytest.mark.parametrize(("name", "law"), [("gaussian", 0.8413), ("student", None)])
def test_draws_of_real_values_have_the_shares_of_their_density(name, law):
    parameters = torch.tensor([[0.3, -0.5, 1.0][: LIKELIHOODS[name].parameters]], dtype=torch.float64)
    x = LIKELIHOODS[name].sample(parameters.expand(100_000, -1))
    grid = torch.linspace(-60, 60, 240_001, dtype=torch.float64)
    density = LIKELIHOODS[name].log_prob(grid, parameters.expand(len(grid), -1)).exp()
    below = density.cumsum(0) * (grid[1] - grid[0])
    assert float(below[-1]) == pytest.approx(1, abs=1e-3)
    for at in (-0.5, 0.3, 0.9065):  # mean + one standard deviation of the Gaussian
        share = float(below[torch.searchsorted(grid, torch.tensor(at, dtype=torch.float64))])
        assert float((x < at).double().mean()) == pytest.approx(share, abs=0.006)
    if law:
        assert float((x < 0.9070).double().mean()) == pytest.approx(law, abs=0.006)


@pytest.mark.parametrize("name", [*LIKELIHOODS])
def test_likelihoods_and_gradients_stay_finite_far_out(name):
    row = LIKELIHOODS[name]
    parameters = drawn(name, 100, 50.0).float().requires_grad_()
    x = 40 * torch.randn(100) if "real" in row.kinds else torch.rand(100).round()
    value = row.log_prob(x, parameters)
    value.sum().backward()
    assert bool(torch.isfinite(value).all())
    assert bool(torch.isfinite(parameters.grad).all())


def test_the_kind_of_the_data_chooses():
    names = [likelihood(Spec((2,), kind)).name for kind in ("binary", "image", "real")]
    assert names == ["bernoulli", "logistic", "gaussian"]
    with pytest.raises(ValueError, match="one of logistic, categorical, gaussian is expected"):
        likelihood(Spec((2,)), "student")
