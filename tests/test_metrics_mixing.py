"""How well chains mix, on chains whose autocorrelation is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Spec
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.coverage.mixing import MIXING, autocorrelation, autocorrelation_time


def walks(keep: float, steps: int = 4_000, chains: int = 20, dims: int = 3) -> torch.Tensor:
    """Autoregressive chains of order 1, whose autocorrelation at lag t is keep^t."""
    with seeded(0):
        x = [torch.randn(chains, dims)]
        for _ in range(steps - 1):
            x.append(keep * x[-1] + (1 - keep**2) ** 0.5 * torch.randn(chains, dims))
    return torch.stack(x)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_the_autocorrelation_of_autoregressive_chains_is_found(keep):
    rho = autocorrelation(walks(keep))
    torch.testing.assert_close(rho[:5], keep ** torch.arange(5.0), atol=0.02, rtol=0)
    assert autocorrelation_time(rho) == pytest.approx((1 + keep) / (1 - keep), rel=0.05)


def test_many_values_are_gone_through_in_pieces():
    x = walks(0.5, 50, 2, 3_000)
    together = x - x.mean((0, 1))
    expected = torch.stack([(together[t:] * together[: 50 - t]).mean((1, 2)).sum() / (50 - t) for t in range(50)])
    torch.testing.assert_close(autocorrelation(x), expected / expected[0], atol=1e-4, rtol=1e-4)


class Sticky(Generator):
    """Two patterns, between which a chain goes with a probability of its own at every step."""

    def __init__(self, leaves: float) -> None:
        super().__init__(Spec((4,), "binary", classes=2))
        self.leaves, self.sampling_steps, self.scale = leaves, 10, nn.Parameter(torch.zeros(()))

    def sample(self, n, y=None):
        return self.seen(self.begin(n))

    def begin(self, n):
        return torch.rand(n, 1).round()

    def move(self, state, steps):
        for _ in range(steps):
            state = torch.where(torch.rand_like(state) < self.leaves, 1 - state, state)
        return state

    def seen(self, state):
        return state.expand(-1, 4).clone()


class Patterns(Source):
    name, summary = "patterns", "two patterns"

    def __init__(self) -> None:
        self.spec = Spec((4,), "binary", classes=2)
        y = torch.arange(40) % 2
        self.x = InMemory(y[:, None].expand(-1, 4).float(), y)

    def split(self, name):
        return self.x


@pytest.mark.parametrize("leaves", [0.002, 0.01])
def test_changes_of_class_are_counted(leaves):
    rows = MIXING.measure(Sticky(leaves), Patterns(), Evaluation())
    times = rows["autocorrelation-time"]
    assert rows["steps-to-another-class"].value == pytest.approx(1 / leaves, rel=0.25)
    if leaves > 0.005:
        assert times.value == pytest.approx(1 / leaves - 1, rel=0.35)  # rho(t) = (1 - 2 leaves)^t
    assert times.warnings


def test_chains_that_stay_say_so():
    result = MIXING.measure(Sticky(0.0), Patterns(), Evaluation())["steps-to-another-class"]
    assert result.value >= 990
    assert "no chain left" in result.warning
