"""The game's theorems by enumeration and quadrature; fits; and a discriminator trained by the engine."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from counterfeit.losses import OBJECTIVES
from counterfeit.report.theory.discriminator import LINE as WIDE
from counterfeit.report.theory.discriminator import PAIRS
from counterfeit.report.theory.lone_discriminator import trained
from counterfeit.theory import fits, game, information, matrix_games, quadrature

LINE = quadrature.rule(-20.0, 20.0, 160)


def simplex(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).log().neg().softmax(0)


P, Q = simplex(9, 0), simplex(9, 1)


def test_no_discriminator_beats_the_optimal_one():
    best = game.cost(P.log(), Q.log())
    shifts = 0.3 * torch.randn(500, 9, generator=torch.Generator().manual_seed(0))
    optimal = game.optimal_logits(P.log(), Q.log())
    assert all(game.value(optimal + shift, P.log(), Q.log()) < best for shift in shifts)


def test_the_gradient_of_the_value_vanishes_at_the_optimal_discriminator():
    logits = game.optimal_logits(P.log(), Q.log()).requires_grad_()
    (gradient,) = torch.autograd.grad(game.value(logits, P.log(), Q.log()), logits)
    assert gradient.abs().max() < 1e-15


def test_cost_is_the_divergence_for_discrete_distributions():
    assert float(game.cost(P.log(), Q.log())) == pytest.approx(float(game.EQUILIBRIUM + 2 * information.jsd(P, Q)))


def test_cost_is_the_divergence_for_densities():
    p, q = Normal(torch.tensor(0.0).double(), 1.0), Normal(torch.tensor(1.5).double(), 2.0)
    cost = game.cost(p.log_prob(LINE.x), q.log_prob(LINE.x), LINE.weights)
    twice = 2 * quadrature.jsd(p.log_prob, q.log_prob, LINE)
    assert float(cost + math.log(4)) == pytest.approx(float(twice), rel=1e-10)


def test_cost_of_distributions_that_do_not_meet_is_zero():
    p, q = torch.tensor([1.0, 0.0]).double().log(), torch.tensor([0.0, 1.0]).double().log()
    assert float(game.cost(p, q)) == 0


def test_the_loss_of_the_engine_is_half_the_value():
    logits = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = torch.tensor([3, 1, 2, 5, 1, 1, 4, 2, 1])
    p = counts / counts.sum()
    loss = OBJECTIVES["minimax"].discriminator(logits.repeat_interleave(counts), logits)
    value = game.value(logits, p.double().log(), torch.full((9,), 1 / 9).double().log())
    assert float(loss) == pytest.approx(-0.5 * float(value), rel=1e-6)


def test_the_table_mixed_by_the_generator_is_the_value():
    levels = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    p, q = P[:3] / P[:3].sum(), Q[:3] / Q[:3].sum()
    said = torch.cartesian_prod(levels, levels, levels)
    by_value = torch.stack([game.value(one.logit(), p.log(), q.log()) for one in said])
    assert torch.allclose(game.table(p, levels) @ q, by_value)


def test_the_table_of_the_game_is_worth_the_equilibrium():
    p = P[:2] / P[:2].sum()
    solved = matrix_games.solve(game.table(p, torch.arange(1, 64).double() / 64))
    assert solved.value == pytest.approx(game.EQUILIBRIUM, abs=1e-9)
    assert torch.allclose(solved.column, p, rtol=0.04)


def test_distance_is_the_mean_error_over_what_is_seen():
    logits = torch.zeros(9).double()
    by_hand = ((P + Q) / 2 * (0.5 - P / (P + Q)).abs()).sum()
    assert float(game.distance(logits, P.log(), Q.log())) == pytest.approx(float(by_hand))


def test_pulls_are_those_of_the_paper():
    d = torch.tensor([0.01, 0.3, 0.9], dtype=torch.float64)
    pulls = game.pulls(d.logit())
    assert torch.allclose(pulls["minimax"], d / 2)
    assert torch.allclose(pulls["non-saturating"], 1 - d)
    assert torch.allclose(pulls["maximum-likelihood"], d / (1 - d) / 2)


def peaks(x: torch.Tensor) -> torch.Tensor:
    return torch.logaddexp(Normal(-2.0, 0.5).log_prob(x), Normal(2.0, 0.5).log_prob(x)) - math.log(2)


def test_fit_by_kl_matches_moments():
    mean, std = quadrature.moments(peaks, LINE)
    fit = fits.fit_gaussian(peaks, "kl", LINE)
    assert fit.mean == pytest.approx(float(mean), abs=1e-5)
    assert fit.std == pytest.approx(float(std), abs=1e-5) == pytest.approx(math.sqrt(4.25), abs=1e-5)


def test_fit_by_reverse_kl_takes_one_peak():
    fit = fits.fit_gaussian(peaks, "reverse-kl", LINE)
    assert abs(fit.mean) == pytest.approx(2, abs=0.01)
    assert fit.divergence == pytest.approx(math.log(2), abs=1e-3)


def test_unknown_divergence_is_refused():
    with pytest.raises(ValueError, match="kl, reverse-kl, jsd are expected"):
        fits.fit_gaussian(peaks, "hellinger", LINE)


def test_a_discriminator_trained_by_the_engine_nears_the_optimal_one():
    pair = PAIRS["N(0, 1) and N(1, 1)"]
    judge = trained(lambda n, step: pair.draw(0, n, step), 200, seed=0)
    with torch.no_grad():
        error = game.distance(judge.logits(WIDE.x), *pair.logs(WIDE.x), WIDE.weights)
    assert error < 0.02
