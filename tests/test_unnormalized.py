"""Noise-contrastive estimation and score matching on densities that are known."""

from __future__ import annotations

import math

import pytest
import torch

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.losses import cross_entropy
from counterfeit.models.energy.nce import NCE, Moments
from counterfeit.models.energy.score_matching import ScoreMatching, denoising, exact, sliced
from counterfeit.models.energy.shared.unnormalized import langevin, unnormalized
from probes import descend

COVARIANCE = torch.tensor([[2.0, 0.6], [0.6, 0.5]])
MEAN = torch.tensor([1.0, -2.0])


def correlated(n: int, seed: int = 0) -> torch.Tensor:
    with seeded(seed):
        return MEAN + torch.randn(n, 2) @ torch.linalg.cholesky(COVARIANCE).mT


def energy(name: str, dims: int = 2):
    with seeded(0):
        net = unnormalized(name, dims, (8,), 3)
        for p in net.parameters():
            p.data += 0.3 * torch.randn_like(p)
        net.loc.copy_(torch.arange(1.0, dims + 1))
        net.std.fill_(1.5)
    return net


@pytest.mark.parametrize("name", ["gaussian", "mixture", "ica"])
@torch.no_grad()
def test_normalizers_with_a_closed_form_agree_with_the_integral(name):
    net, line = energy(name), torch.linspace(-40, 40, 1_601)
    points = torch.cartesian_prod(line, line)
    found = float((-net(points)).double().logsumexp(0)) + 2 * math.log(float(line[1] - line[0]))
    assert float(net.log_z()) == pytest.approx(found, abs=1e-3)


@pytest.mark.parametrize("name", ["mlp", "gaussian", "mixture", "ica"])
def test_the_exact_criterion_is_that_of_second_derivatives(name):
    net, x = energy(name), torch.randn(4, 2)
    hessian = torch.stack([torch.autograd.functional.hessian(lambda v: net(v[None])[0], one) for one in x])
    expected = -hessian.diagonal(dim1=1, dim2=2).sum(1) + net.score(x).square().sum(1) / 2
    torch.testing.assert_close(exact(net, x), expected, atol=1e-4, rtol=1e-4)


def test_directions_give_the_exact_criterion_on_average():
    net, x = energy("mixture", 3), torch.randn(1, 3)
    with seeded(0):
        found = sliced(net, x.expand(20_000, -1)).detach()
    error = float(found.std()) / len(found) ** 0.5
    assert float(found.mean()) == pytest.approx(float(exact(net, x).detach()), abs=4 * error)


def test_the_score_of_data_with_noise_minimizes_the_denoising_criterion():
    net, x = unnormalized("gaussian", 1, (), 1), torch.randn(200_000, 1)
    best, losses = 1 / (1 + 0.5**2), []
    for precision in (0.8 * best, best, 1.2 * best):
        net.factor.data.fill_(precision**0.5)
        with seeded(0):
            losses.append(float(denoising(net, x, 0.5).mean().detach()))
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("criterion", ["exact", "sliced"])
def test_score_matching_finds_a_gaussian(criterion):
    x = correlated(20_000)
    with seeded(0):
        model = ScoreMatching(Spec((2,), "real"), "gaussian", criterion=criterion)
        model.initialize(Batch(x))
        descend(model, x, 600, 2e-2, 1_000)
    precision = model.net.factor.detach().tril()
    precision = (precision @ precision.mT) / torch.outer(model.net.std, model.net.std)
    torch.testing.assert_close(precision, x.mT.cov().inverse(), atol=0.1, rtol=0.05)
    assert float(model.net.log_z().detach()) == pytest.approx(
        math.log(2 * math.pi) + 0.5 * float(x.mT.cov().logdet()), abs=0.05
    )


def test_noise_contrast_finds_the_normalizer_of_a_gaussian():
    x = correlated(20_000)
    with seeded(0):
        model = NCE(Spec((2,), "real"), "gaussian", noise_ratio=2)
        model.initialize(Batch(x))
        descend(model, x, 500, 3e-2, 1_000)
    truth = float(model.net.log_z().detach())
    assert float(model.normalizer.log_z.detach()) == pytest.approx(truth, abs=0.05)
    assert truth == pytest.approx(math.log(2 * math.pi) + 0.5 * float(COVARIANCE.logdet()), abs=0.1)


def test_adaptive_noise_makes_itself_harder_to_tell():
    x = correlated(2_000)
    model = NCE(Spec((2,), "real"), noise="adaptive")
    model.initialize(Batch(x + 3.0))
    *_, update = model.updates(lambda: Batch(x), Clock(0, 1))
    assert update.parts == ("noise",)
    parameters = [*model.noise.parameters()]
    gradients = torch.autograd.grad(update.loss, parameters)
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            p -= 0.05 * g / norm
        with seeded(0):
            after = float(model.contrast(x, model.noise.sample(2_000))[0])
    assert after > -float(update.loss.detach())


def test_a_flow_that_stays_is_fitted_first():
    model, x = NCE(Spec((2,), "real"), noise="flow"), correlated(100)
    parts = [[u.parts for u in model.updates(lambda: Batch(x), Clock(step, 9))] for step in (0, 2, 3)]
    assert parts == [[("noise",)], [("noise",)], [("net", "normalizer")]]


def test_the_criterion_is_that_of_a_discriminator():
    model, x = NCE(Spec((2,), "real")), torch.randn(6, 2)
    y = torch.randn(6, 2)
    loss, _ = model.contrast(x, y)
    torch.testing.assert_close(loss, 2 * cross_entropy(model.logit(x), model.logit(y)))


def test_noise_has_the_moments_of_the_data():
    x, noise = correlated(5_000), Moments(2)
    noise.fit(x)
    expected = torch.distributions.MultivariateNormal(x.mean(0), x.mT.cov(correction=0))
    torch.testing.assert_close(noise.log_prob(x), expected.log_prob(x), atol=1e-2, rtol=1e-3)


def test_chains_keep_the_density():
    net = energy("mixture")
    line = torch.linspace(-20, 20, 401)
    points = torch.cartesian_prod(line, line)
    with torch.no_grad():
        p = (-net(points)).softmax(0)
    with seeded(0):
        start = points[torch.multinomial(p, 20_000, replacement=True)]
        moved = langevin(net, start, 30, 0.5)
    assert float((moved - start).abs().mean()) > 0.3
    torch.testing.assert_close(moved.mean(0), p @ points, atol=0.08, rtol=0)
    torch.testing.assert_close(moved.var(0), p @ (points - p @ points).square(), atol=0.25, rtol=0.05)


def test_many_values_are_refused_by_exact_derivatives():
    with pytest.raises(ValueError, match="criterion sliced"):
        ScoreMatching(Spec((101,), "real"), criterion="exact")
