"""Noise-contrastive estimation against closed forms, autograd, the game and maximum likelihood."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.models.energy.nce import NCE
from counterfeit.report.theory import contrast_runs, noise_contrast
from counterfeit.theory import contrast, game, gaussian, quadrature
from counterfeit.theory.gaussian import Gaussian

LINE = quadrature.rule(-20.0, 30.0, 500)
TRUTH = torch.tensor([0.0, 1.0, math.log(2 * math.pi) / 2], dtype=torch.float64)


def normal(mean: float = 0.0, std: float = 1.0) -> Normal:
    return Normal(torch.tensor(mean, dtype=torch.float64), std)


def features(x: Tensor) -> Tensor:
    return torch.stack([x, -x.square() / 2, -torch.ones_like(x)], -1)


P, SCORE = normal().log_prob(LINE.x), features(LINE.x)


def ratios(noise: Normal, ratio: float = 1.0) -> Tensor:
    found = contrast.covariance(SCORE, P, noise.log_prob(LINE.x), LINE.weights, ratio)
    return found.diagonal() / contrast.likelihood_covariance(SCORE, P, LINE.weights).diagonal()


def test_maximum_likelihood_has_its_textbook_variances():
    found = contrast.likelihood_covariance(SCORE, P, LINE.weights)
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, -1.0], [0.0, -1.0, 0.5]]).double()  # ln Z is ½ ln 2πσ²
    assert torch.allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("ratio", [1, 3, 10])
def test_noise_like_the_data_costs_one_part_more_for_each_part_of_noise(ratio):
    found = contrast.covariance(SCORE, P, P, LINE.weights, ratio)
    expected = (1 + 1 / ratio) * contrast.likelihood_covariance(SCORE, P, LINE.weights)
    assert torch.allclose(found, expected, atol=1e-8)


def test_endless_noise_is_maximum_likelihood_whatever_it_is():
    for noise in (normal(1.0), normal(0.0, 3.0)):
        assert torch.allclose(ratios(noise, 1e6), torch.ones(3).double(), atol=1e-3)


def test_variance_rises_as_noise_moves_away():
    found = torch.stack([ratios(normal(distance))[0] for distance in (0.0, 0.5, 1.0, 2.0, 4.0)])
    assert (found.diff() > 0).all()


def test_information_is_the_curvature_of_the_criterion():
    noise, theta = normal(1.0).log_prob(LINE.x), TRUTH

    def lost(theta: Tensor) -> Tensor:
        return -contrast.criterion(SCORE @ theta, P, noise, LINE.weights, 2.0)

    hessian = torch.autograd.functional.hessian(lost, theta)
    assert torch.allclose(hessian, contrast.information(SCORE, P, noise, LINE.weights, 2.0), atol=1e-10)
    assert torch.autograd.functional.jacobian(lost, theta).abs().max() < 1e-12  # the truth is the maximum


def test_criterion_is_the_value_of_the_game():
    noise, wrong = normal(1.5).log_prob(LINE.x), normal(0.4, 1.3).log_prob(LINE.x)
    for model in (P, wrong, wrong + 0.7):
        value = game.value(model - noise, P, noise, LINE.weights)
        assert float(contrast.criterion(model, P, noise, LINE.weights)) == pytest.approx(float(value), abs=1e-14)


def test_no_model_is_above_the_data_and_its_normalizer():
    noise = normal(1.0).log_prob(LINE.x)
    best = contrast.criterion(P, P, noise, LINE.weights, 3.0)
    for model in (P + 0.1, P - 0.1, normal(0.1).log_prob(LINE.x), normal(0.0, 1.1).log_prob(LINE.x)):
        assert contrast.criterion(model, P, noise, LINE.weights, 3.0) < best


def test_estimates_are_where_the_criterion_on_samples_is_flat():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 3, 400, generator=generator, dtype=torch.float64)
    y = (1 + 2 * y).repeat(1, 2)
    q = normal(1.0, 2.0)
    offsets = tuple(q.log_prob(part) + math.log(2) for part in (x, y))
    theta = contrast.estimate(features(x), features(y), offsets, TRUTH).requires_grad_()
    real, fake = ((features(p) @ theta[..., None])[..., 0] - o for p, o in zip((x, y), offsets, strict=True))
    loss = torch.nn.functional.softplus(-real).sum() + torch.nn.functional.softplus(fake).sum()
    (gradient,) = torch.autograd.grad(loss, theta)
    assert theta.shape == (3, 3)
    assert gradient.abs().max() < 1e-8
    assert (theta - TRUTH).abs().max() < 0.6


def test_noise_that_never_meets_the_data_is_refused():
    with pytest.raises(ValueError, match="overlaps them is expected"):
        contrast.covariance(SCORE, P, normal(25.0, 0.1).log_prob(LINE.x), LINE.weights)


def test_what_the_lesson_computes_holds():
    measured = {1.0: noise_contrast._measured(1.0, 0)}
    findings = [*noise_contrast._efficiency(measured), *noise_contrast._game(0), *noise_contrast._trivial("nats")]
    assert [finding.what for finding in findings if not finding.holds] == []


def test_the_density_of_a_learned_model_is_that_of_its_energy():
    with seeded(0):
        model = NCE(Spec((2,), "real"), energy="gaussian")
        model.net.fit(torch.randn(50, 2) * torch.tensor([2.0, 0.5]) + 1)
        for p in model.net.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
        x = torch.randn(20, 2)
    found = contrast_runs.learned(model)
    expected = -model.energy(x).detach().double() - float(model.net.log_z().detach())
    assert torch.allclose(found.log_prob(x), expected, atol=1e-4)


def test_runs_begin_with_the_noise_where_it_is_said_to_be(monkeypatch):
    monkeypatch.setattr(contrast_runs, "TRAIN", contrast_runs.replace(contrast_runs.TRAIN, steps=2))
    found = contrast_runs.runs(0)
    first = {name: looks[0] for name, looks in found.items()}
    start = gaussian.kl(
        Gaussian([0.0, 0.0], torch.tensor([[1.0, 0.8], [0.8, 1.0]])), Gaussian([0.0, 0.0], torch.eye(2))
    )
    assert all(look.divergence == pytest.approx(float(start), abs=0.02) for look in first.values())
    assert first["fixed, far away"].loss < 0.2 < 1 < first["fixed, like the data"].loss
    assert first["adaptive, far at first"].loss < 0.2
