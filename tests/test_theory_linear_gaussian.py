"""The linear-Gaussian model: identities, quadrature, autograd and enumeration of encoders; bounds from samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from counterfeit.theory import gaussian, montecarlo, quadrature
from counterfeit.theory.gaussian import Gaussian
from counterfeit.theory.linear_gaussian import LinearGaussian, best_encoder, mean_field, moment_matched

GENERATOR = torch.Generator().manual_seed(0)
MODEL = LinearGaussian(torch.randn(4, 3, generator=GENERATOR), torch.randn(4, generator=GENERATOR), 0.7)
X = torch.randn(4, generator=GENERATOR, dtype=torch.float64)
LOG_P = float(MODEL.marginal().log_prob(X[None]))


def random_q(seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    return Gaussian(torch.randn(3, generator=generator), root @ root.T + 0.1 * torch.eye(3))


def test_evidence_and_posterior_by_quadrature():
    model = LinearGaussian([[1.5], [-0.5]], [0.3, 0.0], 0.8)
    x, line = torch.tensor([1.0, 0.4]).double(), quadrature.rule(-10.0, 10.0)
    z = line.x[:, None]
    log_joint = Normal(z @ model.weight.T + model.bias, 0.8).log_prob(x).sum(1) + Normal(0.0, 1.0).log_prob(line.x)
    evidence = line.integrate(log_joint.exp())
    assert float(evidence.log()) == pytest.approx(float(model.marginal().log_prob(x[None])), abs=1e-9)
    mean, std = quadrature.moments(lambda _: log_joint - evidence.log(), line)
    posterior = model.posterior(x)
    assert float(mean) == pytest.approx(float(posterior.mean), abs=1e-9)
    assert float(std**2) == pytest.approx(float(posterior.covariance), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_evidence_is_elbo_plus_divergence_from_the_posterior(seed):
    q = random_q(seed)
    assert float(MODEL.elbo(X, q) + gaussian.kl(q, MODEL.posterior(X))) == pytest.approx(LOG_P, abs=1e-10)


def test_elbo_is_tight_and_flat_at_the_posterior():
    q = MODEL.posterior(X)
    mean, root = q.mean.clone().requires_grad_(), torch.linalg.cholesky(q.covariance).requires_grad_()
    lower = root.tril()
    elbo = MODEL.elbo(X, Gaussian(mean, lower @ lower.T))
    assert elbo.item() == pytest.approx(LOG_P, abs=1e-10)
    assert all(slope.abs().max() < 1e-10 for slope in torch.autograd.grad(elbo, (mean, root)))


def test_log_weights_average_to_the_elbo_and_are_constant_for_the_posterior():
    q = random_q(1)
    z = q.mean + torch.randn(50_000, 3, generator=GENERATOR).double() @ torch.linalg.cholesky(q.covariance).T
    estimate = montecarlo.importance_weighted(MODEL.log_weights(X, z, q), 1)
    assert abs(estimate.value - float(MODEL.elbo(X, q))) < 4 * estimate.error
    exact = MODEL.log_weights(X, z, MODEL.posterior(X))
    assert torch.allclose(exact, torch.tensor(LOG_P).double())


def test_mean_field_has_the_least_divergence_of_independent_q():
    p = random_q(2)
    best = mean_field(p)
    variances = best.covariance.diagonal().log().requires_grad_()
    (slope,) = torch.autograd.grad(gaussian.kl(Gaussian(best.mean, variances.exp().diag()), p), variances)
    assert slope.abs().max() < 1e-12
    gap = 0.5 * (torch.linalg.inv(p.covariance).diagonal().log().sum() + p.covariance.logdet())
    assert float(gaussian.kl(best, p)) == pytest.approx(float(gap))


def test_moments_have_the_least_divergence_the_other_way_round():
    p = random_q(2)
    best = moment_matched(p)
    variances = best.covariance.diagonal().log().requires_grad_()
    (slope,) = torch.autograd.grad(gaussian.kl(p, Gaussian(best.mean, variances.exp().diag())), variances)
    assert slope.abs().max() < 1e-12
    assert (best.covariance.diagonal() >= mean_field(p).covariance.diagonal()).all()


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_cost_of_an_encoder_is_its_mean_error(rank):
    matrix, cost = best_encoder(MODEL, rank)
    error = matrix - MODEL.encoder
    covariance = error @ MODEL.marginal().covariance @ error.T  # of the error of the mean, over p(x)
    assert 0.5 * float((MODEL.precision @ covariance).trace()) == pytest.approx(cost, abs=1e-10)
    assert int(torch.linalg.matrix_rank(matrix)) == rank


def test_no_encoder_of_one_hidden_unit_is_better():
    _, cost = best_encoder(MODEL, 1)

    def of(matrix: torch.Tensor) -> float:
        error = matrix - MODEL.encoder
        return 0.5 * float((MODEL.precision @ error @ MODEL.marginal().covariance @ error.T).trace())

    u, s, v = torch.linalg.svd(best_encoder(MODEL, 1)[0])
    noise = 0.1 * torch.randn(300, 7, generator=GENERATOR, dtype=torch.float64)
    assert all(of(s[0] * (u[:, 0] + one[:3]).outer(v[0] + one[3:])) > cost for one in noise)


def test_more_samples_tighten_the_bound():
    q = mean_field(MODEL.posterior(X))
    z = q.mean + torch.randn(60_000, 3, generator=GENERATOR).double() * q.covariance.diagonal().sqrt()
    bounds = [montecarlo.importance_weighted(MODEL.log_weights(X, z, q), k).value for k in (1, 5, 25)]
    assert bounds[0] < bounds[1] < bounds[2] < LOG_P


def test_a_bound_is_the_logarithm_of_a_mean_weight():
    log_w = torch.tensor([1.0, 3.0, 2.0, 2.0, 9.0]).log()  # the last is in no group of two
    assert montecarlo.importance_weighted(log_w, 2).value == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("weight", "bias", "noise"), [([[1.0]], [0.0, 0.0], 1.0), ([1.0], [0.0], 1.0), ([[1.0]], [0.0], 0.0)]
)
def test_what_is_no_model_is_refused(weight, bias, noise):
    with pytest.raises(ValueError, match="noise above 0 are expected"):
        LinearGaussian(weight, bias, noise)


def test_bad_ranks_and_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="0 to 3 is expected"):
        best_encoder(MODEL, 4)
    with pytest.raises(ValueError, match="at least one sample"):
        montecarlo.importance_weighted(torch.zeros(3), 0)
    with pytest.raises(ValueError, match="fewer than two draws"):
        montecarlo.importance_weighted(torch.zeros(3), 2)
