"""Autoencoders against closed forms: principal components, posterior means, Jacobians, chains with a known end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Draw, Spec
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.metrics.representation.principal_components import pca
from counterfeit.models.autoencoding.autoencoder import Autoencoder
from counterfeit.models.autoencoding.shared.code_model import like_rows
from counterfeit.models.autoencoding.shared.reconstruction import reconstruction
from flat import flat

CLOCK = Clock(0, 10)
IMAGES, BITS, REAL = Spec((1, 4, 4)), Spec((1, 2, 3), "binary"), Spec((4,), "real")


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def always(x: Tensor) -> Draw:
    return lambda: Batch(x)


def descend(model, draw: Draw, steps: int, **settings) -> None:
    stepper = Stepper(model, Train(**{"steps": steps, "schedule": "cosine"} | settings), Processes())
    for step in range(steps):
        stepper.step([draw], Clock(step, steps))
    model.requires_grad_(False).eval()


# Errors and codes -----------------------------------------------------------------------------------------------------


def test_errors_are_log_densities_up_to_a_constant():
    raw, x = torch.randn(5, 4, 1), torch.randn(5, 4)
    density = Normal(raw.squeeze(-1), 1).log_prob(x).sum(1)
    constant = Normal(0, 1).log_prob(torch.tensor(0.0)) * 4
    assert torch.allclose(reconstruction(REAL).loss(x, raw), constant - density, atol=1e-5)
    raw, bits = torch.randn(5, *BITS.shape, 1), torch.rand(5, *BITS.shape).round()
    probability = Bernoulli(logits=raw.squeeze(-1)).log_prob(bits).flatten(1).sum(1)
    assert torch.allclose(reconstruction(BITS).loss(bits, raw), -probability, atol=1e-5)


def test_cross_entropy_of_gray_values_is_least_at_the_values_themselves():
    x = torch.rand(3, *IMAGES.shape) * 0.8 + 0.1
    raw = x.logit().unsqueeze(-1).requires_grad_()
    loss = reconstruction(IMAGES).loss(x, raw)
    assert torch.allclose(loss, Bernoulli(x).entropy().flatten(1).sum(1), atol=1e-5)
    (slope,) = torch.autograd.grad(loss.sum(), raw)
    assert float(slope.abs().max()) < 1e-6


def test_cross_entropy_of_real_values_is_refused():
    with pytest.raises(ValueError, match="squared is expected"):
        Autoencoder(REAL, error="cross-entropy")


def test_draws_like_rows_have_their_mean_and_covariance():
    rows = torch.randn(7, 3) @ torch.randn(3, 3) + 5
    drawn = like_rows(rows, 200_000)
    assert torch.allclose(drawn.mean(0), rows.mean(0), atol=0.05)
    assert torch.allclose(drawn.T.cov(), rows.T.cov(), atol=0.05 * float(rows.T.cov().max()))
    assert torch.allclose(like_rows(rows[:1], 4), rows[:1].expand(4, -1))


# The autoencoder ------------------------------------------------------------------------------------------------------


def test_a_linear_autoencoder_finds_the_principal_subspace():
    x = torch.randn(400, 4) @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5])) @ torch.linalg.qr(torch.randn(4, 4))[0]
    model = flat(Autoencoder, REAL, latent_dim=2, hidden=())
    descend(model, always(x), 600, lr=0.03)
    best = (pca(x, 2).reconstruct(x) - x).square().mean()
    found = model.decode(model.encode(x))
    assert float((found - x).square().mean()) == pytest.approx(float(best), rel=1e-3)  # no less is possible
    assert torch.allclose(found, pca(x, 2).reconstruct(x), atol=0.05)


def test_the_loss_is_the_mean_error_of_reconstructions():
    model, x = flat(Autoencoder, BITS, latent_dim=2, hidden=(8,)), torch.rand(6, *BITS.shape).round()
    (update,) = model.updates(always(x), CLOCK)
    with torch.no_grad():
        expected = -Bernoulli(model.decode(model.encode(x))).log_prob(x).flatten(1).sum(1).mean()
    assert float(update.loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_codes_are_drawn_where_those_of_training_examples_lie():
    model, x = flat(Autoencoder, REAL, latent_dim=3, hidden=(8,)), torch.randn(50, 4) * 3 + 1
    model.initialize(Batch(x))
    with torch.no_grad():
        z, drawn = model.encode(x), model.prior(100_000)
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.02)
    assert torch.allclose(drawn.T.cov(), z.T.cov(correction=0), atol=0.02)


@pytest.mark.parametrize("n", [1, 3, 1_000, 2_345])
def test_few_training_examples_are_all_kept_and_many_evenly(n):
    model, x = flat(Autoencoder, REAL, latent_dim=1, hidden=()), torch.arange(float(n))[:, None].expand(n, 4)
    model.initialize(Batch(x))
    kept = model.examples[:, 0]
    assert len(kept.unique()) == min(n, 1_000)
    assert float(kept.mean()) == pytest.approx((n - 1) / 2, abs=max(1.0, n / 1_000))


def test_sampled_bits_have_decoded_means():
    model = flat(Autoencoder, BITS, latent_dim=2, hidden=(8,))
    model.initialize(Batch(torch.ones(1, *BITS.shape)))  # one code
    with torch.no_grad():
        mean = model.decode(model.prior(1))[0]
        assert torch.allclose(model.sample(20_000).mean(0), mean, atol=0.02)


# Optimizers -----------------------------------------------------------------------------------------------------------


def test_the_first_step_of_adadelta_is_that_of_its_paper():
    model = flat(Autoencoder, REAL, latent_dim=1, hidden=())
    x, before = torch.randn(5, 4), [p.detach().clone() for p in model.parameters()]
    (update,) = model.updates(always(x), CLOCK)
    slopes = torch.autograd.grad(update.loss, [*model.parameters()])
    Stepper(model, Train(optimizer="adadelta", lr=1.0), Processes()).step([always(x)], CLOCK)
    for p, start, g in zip(model.parameters(), before, slopes, strict=True):
        expected = -g * (1e-6 / (0.1 * g.square() + 1e-6)).sqrt()  # Zeiler, 2012, algorithm 1, with decay 0.9
        assert torch.allclose(p - start, expected, atol=1e-6)
