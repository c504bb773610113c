"""Moment matching beside what can be computed: kernels written out, and Gaussians, whose discrepancy is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Spec
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.matching.gmmn import GMMN, CodeSettings, discrepancy


def written_out(x: Tensor, y: Tensor, width: float) -> Tensor:
    def mean(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([(-(u - v).square().sum() / (2 * width**2)).exp() for u in a for v in b]).mean()

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def test_the_discrepancy_is_the_sum_of_its_kernels_written_out():
    with seeded(0):
        x, y = torch.randn(5, 3).double(), 2 + torch.randn(7, 3).double()
    expected = sum(written_out(x, y, width) for width in (3.0, 1.5, 0.75))
    torch.testing.assert_close(discrepancy(x, y, 3.0, 3), expected)


def test_its_slope_is_that_of_small_differences():
    with seeded(0):
        x, y = torch.randn(4, 3).double(), torch.randn(6, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: discrepancy(x, y, 2.0, 4), y)


def test_it_does_not_depend_on_where_zero_is():
    with seeded(0):
        x, y = torch.randn(50, 3), torch.randn(60, 3)
    torch.testing.assert_close(discrepancy(x + 500, y + 500, 1.0, 2), discrepancy(x, y, 1.0, 2), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_that_of_gaussians_is_known(shift):
    n, width = 3_000, 1.0
    with seeded(0):
        x, y = torch.randn(n, 1).double(), shift + torch.randn(n, 1).double()
    same = math.sqrt(width**2 / (width**2 + 2))
    other = same * math.exp(-(shift**2) / (2 * (width**2 + 2)))
    expected = 2 * same - 2 * other + 2 * (1 - same) / n  # the last for an example beside itself
    assert float(discrepancy(x, y, width)) == pytest.approx(expected, abs=4 * math.sqrt(expected / n))


def stepped(model: GMMN, x: Tensor, steps: int) -> None:
    stepper = Stepper(model, Train(steps=steps, batch_size=len(x), lr=1e-2), Processes())
    for step in range(steps):
        stepper.step([lambda: Batch(x)], Clock(step, steps))


def test_a_generator_takes_on_the_moments_of_the_data():
    with seeded(0):
        x = torch.tensor([3.0, -1.0]) + torch.randn(500, 2) @ torch.tensor([[2.0, 0.0], [1.0, 0.5]])
        model = GMMN(Spec((2,), "real"), (), prior=Prior("gaussian", 2))
        model.initialize(Batch(x))
        stepped(model, x, 400)
        found = model.sample(5_000)
    torch.testing.assert_close(found.mean(0), x.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(found.T.cov(), x.T.cov(), atol=0.5, rtol=0)


def test_the_autoencoder_learns_first_and_the_generator_of_its_codes_later():
    with seeded(0):
        model = GMMN(Spec((1, 8, 8)), (8,), codes=CodeSettings(3, 0.5, (16,)))
        x = torch.rand(20, 1, 8, 8)
        first, second = (list(model.updates(lambda: Batch(x), Clock(step, 10))) for step in (4, 5))
    assert [update.parts for update in first] == [("autoencoder",)]
    assert [update.parts for update in second] == [("generator",)]
    second[0].loss.backward()
    assert all(p.grad is None for p in model.autoencoder.parameters())
    assert model.generator(model.prior(2)).shape == (2, 3)
    assert model.sample(2).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("settings", [{"bandwidth": 0.0}, {"kernels": 0}])
def test_kernels_without_width_are_refused(settings):
    with pytest.raises(ValueError, match="to be positive"):
        GMMN(Spec((2,), "real"), **settings)


@pytest.mark.parametrize("settings", [{"latent_dim": -1}, {"latent_dim": 2, "autoencoder_fraction": 1.0}])
def test_codes_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="Correct them"):
        CodeSettings(**settings)
