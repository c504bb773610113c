"""The kernel distance against its definition, a reference package, and its own spread over draws."""

from __future__ import annotations

import pytest
import torch

from counterfeit.metrics.features import kid
from counterfeit.metrics.features.kid import kernel_distance


def draws(n: int, d: int, seed: int, loc: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + loc


def by_definition(x: torch.Tensor, y: torch.Tensor) -> float:
    """Sums over all pairs of different points."""
    k = lambda a, b: (a @ b.t() / a.shape[1] + 1) ** 3  # noqa: E731
    (n, m), xx, yy = (len(x), len(y)), k(x, x), k(y, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * k(x, y).mean())


@pytest.mark.parametrize("rows", [7, 64, 2_048])
def test_tiles_sum_to_the_definition(rows, monkeypatch):
    monkeypatch.setattr(kid, "ROWS", rows)
    x, y = draws(90, 5, 0), draws(70, 5, 1, 0.3)
    assert kernel_distance(x, y)[0] == pytest.approx(by_definition(x, y), rel=1e-10)


@pytest.mark.parametrize("d", [8, 256])
def test_float32_features_are_near_float64(d):
    x, y = draws(500, d, 0).relu(), draws(400, d, 1, 0.1).relu()
    assert kernel_distance(x.float(), y.float())[0] == pytest.approx(by_definition(x, y), rel=1e-5)


def test_error_does_not_depend_on_tiles(monkeypatch):
    x, y = draws(90, 5, 0), draws(70, 5, 1, 0.3)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kid, "ROWS", 16)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-9)


def test_it_equals_torchmetrics():
    package = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    x, y = draws(300, 16, 0), draws(300, 16, 1, 0.2)
    assert kernel_distance(x, y)[0] == pytest.approx(float(package.poly_mmd(x, y)), rel=1e-9)


def test_it_is_unbiased():
    values = torch.tensor([kernel_distance(draws(40, 3, 2 * i), draws(30, 3, 2 * i + 1))[0] for i in range(300)])
    assert abs(float(values.mean())) < 3 * float(values.std()) / 300**0.5


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.5])
def test_error_is_the_deviation_over_draws(shift):
    pairs = [kernel_distance(draws(400, 8, 2 * i), draws(300, 8, 2 * i + 1, shift)) for i in range(200)]
    values, errors = (torch.tensor(column) for column in zip(*pairs, strict=True))
    covered = float(((values - values.mean()).abs() < 1.96 * errors).float().mean())
    assert 0.9 <= covered <= 0.995
    assert 0.8 < float(errors.square().mean().sqrt() / values.std()) < 1.3


def test_one_example_is_an_error():
    with pytest.raises(ValueError, match="N, M >= 2 are expected"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_outliers_keep_the_digits_that_kernels_of_float32_lose():
    x, y = (torch.randn(60, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    x[0] = 1e9

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a.double() @ b.double().t() / 4 + 1) ** 3

    xx, yy = (kernel(a, a).fill_diagonal_(0).sum() / (60 * 59) for a in (x, y))
    value, error = kernel_distance(x, y)
    assert value == pytest.approx(float(xx + yy - 2 * kernel(x, y).mean()), rel=1e-9)
    assert error > abs(value) / 10


def test_mixed_types_are_as_good_as_one():
    x, y = (torch.randn(60, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert kernel_distance(x, y.double()) == kernel_distance(x.double(), y)
    assert kernel_distance((x * 9).int(), y)[0] == pytest.approx(kernel_distance((x * 9).int().float(), y)[0])


def test_values_that_are_no_numbers_are_an_error():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="not finite"):
        kernel_distance(torch.where(x > 1, torch.nan, x), x)
