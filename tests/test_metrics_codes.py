"""The kernel two-sample test of codes and prior, against its definition and under the null hypothesis."""

from __future__ import annotations

import pytest
import torch

from counterfeit.metrics.representation.code_distance import two_samples


def normal(n: int, d: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


def test_the_discrepancy_is_its_definition():
    x, y = normal(7), normal(7, seed=1) + 0.5
    both = torch.cat([x, y])
    pairs = [(both[i] - both[j]).square().sum() for i in range(14) for j in range(14) if i != j]
    scale = 2 * torch.stack(pairs).median()

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        distances = (a[:, None] - b[None]).square().sum(2) / scale
        return ((-distances).exp() + (-4 * distances).exp() + (-16 * distances).exp()) / 3

    within = sum((kernel(a, a).sum() - 7) / 42 for a in (x, y))
    assert two_samples(x, y).value == pytest.approx(float(within - 2 * kernel(x, y).mean()), rel=1e-6)


def test_equal_distributions_have_none_and_evenly_spread_p_values():
    found = [two_samples(normal(60, seed=2 * i), normal(60, seed=2 * i + 1), permutations=99) for i in range(100)]
    values = torch.tensor([row.value for row in found])
    assert float(values.mean()) == pytest.approx(0, abs=4 * float(values.std()) / 10)
    small = sum(row.p <= 0.1 for row in found)
    assert 2 <= small <= 22  # ten of a hundred, within four standard deviations
    assert float(values.std()) == pytest.approx(float(torch.tensor([row.spread for row in found]).mean()), rel=0.4)


def test_the_discrepancy_is_the_same_at_any_scale():
    x, y = normal(50), normal(50, seed=1) * 2
    assert two_samples(1e-3 * x, 1e-3 * y).value == pytest.approx(two_samples(x, y).value, rel=1e-6)


@pytest.mark.parametrize("y", [normal(200, seed=1) + 1, normal(200, seed=1) * 3, normal(200, seed=1).sign()])
def test_other_means_scales_and_shapes_are_found(y):
    assert two_samples(normal(200), y).p < 0.01


def test_points_that_are_all_the_same_are_far_from_others_and_near_to_themselves():
    x = torch.zeros(20, 2)
    assert two_samples(x, x).value == pytest.approx(0)
    assert two_samples(x, normal(20)).p < 0.01


def test_samples_of_unequal_size_are_refused():
    with pytest.raises(ValueError, match="equal ones"):
        two_samples(normal(5), normal(6))
