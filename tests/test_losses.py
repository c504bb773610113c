"""Adversarial objectives: the papers' formulas, their optima on distributions that can be enumerated, saturation."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from counterfeit.losses import OBJECTIVES, ObjectiveName

P, Q = torch.tensor([0.5, 0.3, 0.2, 0.0]).double(), torch.tensor([0.1, 0.4, 0.0, 0.5]).double()
# ten examples of each, so that a mean over examples is an expectation
REAL, FAKE = (torch.arange(4).repeat_interleave((10 * t).round().long()) for t in (P, Q))
GAN = OBJECTIVES["minimax"]


def kl(p: Tensor, q: Tensor) -> Tensor:
    return torch.special.xlogy(p, p / q).nansum()


def logits(n: int, seed: int) -> Tensor:
    return 2 * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed)).double()


def optimal_logits(p: Tensor, q: Tensor) -> Tensor:
    """Log D / (1 - D) of D = p / (p + q)."""
    return (p / q).log()


def generator_gradient(name: str, theta: Tensor, p: Tensor) -> Tensor:
    """Gradient of E_q f(D) in the logits `theta` of q, with D optimal for q and held still."""
    q = theta.softmax(0)
    values = torch.stack([OBJECTIVES[name].generator(a) for a in optimal_logits(p, q.detach())])
    return torch.autograd.grad((q * values).sum(), theta)[0]


def test_every_name_has_an_objective():
    assert {*OBJECTIVES} == {*get_args(ObjectiveName)}


def test_cross_entropy_is_the_formula_of_the_paper():
    real, fake = logits(7, 0), logits(5, 1)
    expected = -0.5 * real.sigmoid().log().mean() - 0.5 * (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(GAN.discriminator(real, fake), expected)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("minimax", lambda d: 0.5 * (1 - d).log().mean()),
        ("non-saturating", lambda d: -d.log().mean()),
        ("maximum-likelihood", lambda d: -0.5 * (d / (1 - d)).mean()),
        ("classification-error", lambda d: -0.5 * d.mean()),
    ],
)
def test_generator_loss_is_the_formula_of_the_paper(name, formula):
    fake = logits(9, 2)
    torch.testing.assert_close(OBJECTIVES[name].generator(fake), formula(fake.sigmoid()))


@pytest.mark.parametrize("name", ["minimax", "classification-error"])
def test_game_is_zero_sum(name):
    real, fake = logits(6, 3), logits(6, 4).requires_grad_()
    (one,) = torch.autograd.grad(OBJECTIVES[name].discriminator(real, fake), fake)
    (other,) = torch.autograd.grad(OBJECTIVES[name].generator(fake), fake)
    torch.testing.assert_close(one, -other)


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "classification-error"])
def test_losses_of_sure_discriminators_are_finite(name):
    for fake in (torch.full((3,), 1e4), torch.full((3,), -1e4)):
        assert torch.isfinite(OBJECTIVES[name].discriminator(-fake, fake))
        assert torch.isfinite(OBJECTIVES[name].generator(fake))


def test_optimal_discriminator_is_p_over_p_plus_q():
    a = torch.zeros(4).double().requires_grad_()
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = GAN.discriminator(a[REAL], a[FAKE])
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(a.sigmoid().detach(), P / (P + Q), atol=1e-5, rtol=0)


def test_value_of_the_optimal_discriminator_is_log_2_less_the_jensen_shannon_divergence():
    a = optimal_logits(P, Q).clamp(-50, 50)
    middle = (P + Q) / 2
    jsd = 0.5 * kl(P, middle) + 0.5 * kl(Q, middle)
    torch.testing.assert_close(GAN.discriminator(a[REAL], a[FAKE]), math.log(2) - jsd)


def test_equal_distributions_leave_log_2():
    torch.testing.assert_close(GAN.discriminator(torch.zeros(3), torch.zeros(3)), torch.tensor(math.log(2)))


def test_gradient_of_minimax_at_the_optimal_discriminator_is_that_of_the_jensen_shannon_divergence():
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.2, -0.4, 0.9]).double().requires_grad_()
    q = theta.softmax(0)
    jsd = 0.5 * kl(p, (p + q) / 2) + 0.5 * kl(q, (p + q) / 2)
    torch.testing.assert_close(generator_gradient("minimax", theta, p), torch.autograd.grad(jsd, theta)[0])


def test_gradient_of_maximum_likelihood_at_the_optimal_discriminator_is_half_that_of_kl():
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.2, -0.4, 0.9]).double().requires_grad_()
    expected = 0.5 * torch.autograd.grad(kl(p, theta.softmax(0)), theta)[0]
    torch.testing.assert_close(generator_gradient("maximum-likelihood", theta, p), expected)


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "maximum-likelihood"])
def test_game_ends_where_the_model_is_the_data(name):
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.zeros(3).double().requires_grad_()
    for _ in range(300):
        theta.data -= 2 * generator_gradient(name, theta, p)
    torch.testing.assert_close(theta.softmax(0).detach(), p, atol=1e-3, rtol=0)


def test_minimax_saturates_where_the_discriminator_is_sure_and_non_saturating_does_not():
    fake = torch.full((4,), -20.0, requires_grad=True)
    (flat,) = torch.autograd.grad(OBJECTIVES["minimax"].generator(fake), fake)
    (steep,) = torch.autograd.grad(OBJECTIVES["non-saturating"].generator(fake), fake)
    assert flat.abs().max() < 1e-8
    torch.testing.assert_close(steep.sum(), torch.tensor(-1.0))


@pytest.mark.parametrize(("real", "fake", "error"), [(50.0, -50.0, 0.0), (0.0, 0.0, 0.5), (-50.0, 50.0, 1.0)])
def test_classification_error_counts_mistakes(real, fake, error):
    value = OBJECTIVES["classification-error"].discriminator(torch.full((3,), real), torch.full((3,), fake))
    torch.testing.assert_close(value, torch.tensor(error))


def test_least_classification_error_is_half_of_one_less_the_total_variation():
    a = torch.where(P > Q, 50.0, -50.0)
    total_variation = 0.5 * (P - Q).abs().sum()
    value = OBJECTIVES["classification-error"].discriminator(a[REAL], a[FAKE])
    torch.testing.assert_close(value.double(), 0.5 * (1 - total_variation))
