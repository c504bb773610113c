"""Energy distances against closed forms and distribution functions."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import energy_distance as root_on_the_line

from counterfeit.theory.montecarlo import energy_distance


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def folded(mean: float, std: float) -> float:
    """E|N(mean, std²)|."""
    return std * math.sqrt(2 / math.pi) * math.exp(-((mean / std) ** 2) / 2) + mean * math.erf(mean / std / 2**0.5)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_two_gaussians_have_the_distance_of_folded_normals(shift):
    expected = 2 * folded(shift, 2**0.5) - 2 * folded(0.0, 2**0.5)
    assert energy_distance(draws(3_000, 1), shift + draws(3_000, 1, seed=1)) == pytest.approx(expected, abs=0.03)


def test_the_mean_over_few_samples_of_the_same_is_zero():
    found = [energy_distance(draws(5, 2, seed=i), draws(7, 2, seed=1_000 + i)) for i in range(400)]
    mean = sum(found) / len(found)
    assert abs(mean) < 4 * torch.tensor(found).std() / 20


def test_on_the_line_it_is_the_square_of_scipys_but_for_the_bias():
    x, y = draws(50, 1), 1 + 2 * draws(70, 1, seed=1)
    bias = sum(float(torch.cdist(some, some).mean()) / (len(some) - 1) for some in (x, y))
    assert energy_distance(x, y) == pytest.approx(root_on_the_line(x[:, 0], y[:, 0]) ** 2 - bias)


def test_it_turns_and_moves_with_the_data_and_has_their_unit():
    x, y = draws(40, 3), 1 + draws(30, 3, seed=1)
    turn = torch.linalg.qr(draws(3, 3, seed=2))[0]
    assert energy_distance(3 * x @ turn + 5, 3 * y @ turn + 5) == pytest.approx(3 * energy_distance(x, y))
    assert energy_distance(x.view(40, 1, 3), y.view(30, 1, 3)) == pytest.approx(energy_distance(x, y))


@pytest.mark.parametrize("shapes", [((1, 2), (5, 2)), ((5, 2), (5, 3))])
def test_what_has_no_distance_is_refused(shapes):
    with pytest.raises(ValueError, match="at least two of each, of the same shape, are expected"):
        energy_distance(*map(torch.zeros, shapes))
