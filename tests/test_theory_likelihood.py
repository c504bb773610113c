"""Likelihood against autograd, the reference density and the formats of floating point."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Normal

from counterfeit.theory import likelihood

X = torch.randn(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def log_likelihood(mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    return Normal(mean, std).log_prob(X).sum()


def test_fit_equals_scipy():
    assert [float(value) for value in likelihood.fit_normal(X)] == pytest.approx(stats.norm.fit(X.numpy()))


def test_gradient_of_the_log_likelihood_vanishes_at_the_fit_which_is_a_maximum():
    at = torch.stack(likelihood.fit_normal(X)).requires_grad_()
    (gradient,) = torch.autograd.grad(log_likelihood(*at), at)
    hessian = torch.autograd.functional.hessian(lambda a: log_likelihood(*a), at.detach())
    assert gradient.abs().max() < 1e-12
    assert (torch.linalg.eigvalsh(hessian) < 0).all()


@pytest.mark.parametrize("x", [torch.zeros(5), torch.ones(1), torch.rand(3, 2)])
def test_draws_under_which_no_density_is_likeliest_are_refused(x):
    with pytest.raises(ValueError, match="at least two different ones"):
        likelihood.fit_normal(x)


@pytest.mark.parametrize(("dtype", "power"), [(torch.float32, -150), (torch.float64, -1075), (torch.bfloat16, -134)])
def test_least_is_half_the_smallest_number_of_a_format(dtype, power):
    assert likelihood.log_least(dtype) == pytest.approx(power * math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_powers_of_two_vanish_where_the_exponents_end(dtype):
    least = round(likelihood.log_least(dtype) / math.log(2))
    halves = torch.full((2_000,), 0.5, dtype=dtype)
    assert int(likelihood.first_zero(halves)) == -least  # 2^least is a tie, and rounded to the even 0


def test_a_product_that_stays_and_one_that_starts_at_zero():
    factors = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    assert likelihood.first_zero(factors).tolist() == [4, 1, 2]


def test_expected_number_of_factors_is_that_of_exponential_terms():
    """For exponential terms the sum passes a level by 1 on average, whatever the level: E[N] = L + 1 exactly."""
    draws = torch.rand(20_000, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = likelihood.first_zero(draws.float()).double()  # -log of a uniform draw is exponential
    expected = likelihood.expected_first_zero(torch.float32, 1.0, 2.0)
    assert expected == pytest.approx(150 * math.log(2) + 1)
    assert float(found.mean()) == pytest.approx(expected, abs=4 * float(found.std()) / math.sqrt(len(found)))


def test_densities_that_need_not_vanish_are_refused():
    with pytest.raises(ValueError, match="above 0 is expected"):
        likelihood.expected_first_zero(torch.float32, -0.1, 1.0)
