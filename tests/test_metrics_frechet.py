"""The Fréchet distance against closed forms, an independent matrix square root, and its own spread over draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from counterfeit import catalogue
from counterfeit.config.settings import Evaluation
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory
from counterfeit.evaluation.subject import FixedSamples
from counterfeit.metrics.features.fid_infinity import distance_of_all
from counterfeit.metrics.features.frechet import (
    FID,
    frechet_distance,
    frechet_error,
    gaussian_distance,
    unseen_distance,
)
from counterfeit.metrics.features.reference import Moments, moments
from planted import Alternating

GOLDEN = 2.0921540329


def gaussian(mean: list[float], variances: list[float]) -> Moments:
    return Moments(torch.tensor(mean, dtype=torch.float64), torch.tensor(variances, dtype=torch.float64).sqrt().diag())


def features(n: int, d: int, seed: int, loc: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    """Correlated features: the last d standard normal columns are sums of those before."""
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return loc + scale * x.cumsum(1) / math.sqrt(d)


def by_square_root(x: torch.Tensor, y: torch.Tensor) -> float:
    """The textbook formula: the matrix square root of the product of the covariances, as most packages take it."""
    a, b = x.numpy(), y.numpy()
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root))


def test_diagonal_covariances_have_a_closed_form():
    p, q = gaussian([0.0, 1.0, 2.0], [1.0, 4.0, 9.0]), gaussian([1.0, 1.0, 0.0], [4.0, 4.0, 1.0])
    assert gaussian_distance(p, q) == pytest.approx(1 + 4 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2, rel=1e-12)


def test_shift_gives_its_squared_length():
    x = features(200, 5, 0)
    assert frechet_distance(x, x + torch.tensor([3.0, 0.0, 4.0, 0.0, 0.0])) == pytest.approx(25, rel=1e-10)


@pytest.mark.parametrize("n", [10, 200])
def test_distance_to_itself_is_zero(n):
    x = features(n, 20, 0)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_it_is_symmetric_and_rotations_change_nothing():
    x, y = features(300, 6, 0), features(200, 6, 1, 0.2, 1.3)
    rotation = torch.linalg.qr(features(6, 6, 2)).Q
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-10)
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y), rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(500, 400), (40, 50), (500, 40)])
def test_it_equals_the_textbook_formula(n, m):
    x, y = features(n, 64, 0), features(m, 64, 1, 0.1, 1.2)
    # rank-deficient products have no exact square root in floating point: 1e-6 where n < d
    assert frechet_distance(x, y) == pytest.approx(by_square_root(x, y), rel=1e-10 if min(n, m) > 64 else 1e-5)


def test_fewer_points_than_features_take_the_same_value_as_covariances_do():
    x, y = features(30, 50, 0), features(40, 50, 1, 0.1, 1.2)
    assert frechet_distance(x, y) == pytest.approx(gaussian_distance(moments(x), moments(y)), rel=1e-8)


def test_recorded_value_stays():
    # by scipy 1.17 (sqrtm) and by torchmetrics 1.9 (eigenvalues) for these seeds, which agree to 1e-11 (2026-11)
    x, y = features(1_000, 64, 0), features(1_000, 64, 1, 0.1, 1.2)
    assert frechet_distance(x, y) == pytest.approx(GOLDEN, rel=1e-9)


def test_it_equals_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    x, y = features(1_000, 64, 0), features(800, 64, 1, 0.1, 1.2)
    p, q = moments(x), moments(y)
    theirs = fid._compute_fid(p.mean, p.covariance, q.mean, q.covariance)
    assert frechet_distance(x, y) == pytest.approx(float(theirs), rel=1e-9)


def test_float32_features_keep_their_digits():
    x, y = (features(400, 32, seed, 100.0).float() for seed in (0, 1))
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(x.double(), y.double()), rel=1e-9)


def test_dead_features_change_nothing():
    x, y = features(200, 5, 0), features(200, 5, 1, 0.3)
    dead = torch.zeros(200, 3, dtype=torch.float64)
    wide = [torch.cat([points, dead], 1) for points in (x, y)]
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(x, y), rel=1e-9)
    assert frechet_error(*wide, *map(moments, wide))[1] == pytest.approx(
        frechet_error(x, y, moments(x), moments(y))[1], rel=1e-4
    )


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.3, 1.1), (1.0, 0.7)])
def test_error_is_the_deviation_over_draws(loc, scale):
    generator, values, errors = torch.Generator().manual_seed(0), [], []
    for _ in range(200):
        x = torch.randn(500, 6, generator=generator)
        y = loc + scale * torch.randn(400, 6, generator=generator)
        value, error = frechet_error(x, y, moments(x), moments(y))
        values.append(value)
        errors.append(error)
    values, errors = torch.tensor(values), torch.tensor(errors)
    covered = float(((values - values.mean()).abs() < 1.96 * errors).float().mean())
    assert 0.9 <= covered <= 0.99
    assert 0.85 < float(errors.square().mean().sqrt() / values.std()) < 1.5


def test_features_of_two_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"\(5, 3\) and \(5, 4\) came; .* expected"):
        frechet_distance(torch.zeros(5, 3), torch.zeros(5, 4))


@pytest.mark.parametrize(
    "scales",
    [torch.tensor([1_000.0, 2.0, 2.0]), 1 / torch.arange(1.0, 513.0), 10.0 ** -torch.arange(11.0)],
    ids=["two small", "one over i", "ten decades"],
)
@pytest.mark.parametrize("n", [400, 2_000])
def test_spectra_over_many_decades_keep_all_they_overlap_in(scales: torch.Tensor, n: int):
    x = torch.randn(n, len(scales), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scales
    p = moments(x)
    assert frechet_distance(x, x.clone()) == 0
    assert frechet_error(x, x, p, p) == (0, pytest.approx(0, abs=1e-12 * float(p.covariance.trace())))
    twice = float(p.mean.square().sum() + p.covariance.trace())  # the square of the mean, and (2 - 1)² tr S
    assert frechet_distance(x, 2 * x) == pytest.approx(twice, rel=1e-10)


@pytest.mark.parametrize("arrange", [lambda x: x, lambda x: x[x[:, 0].argsort()]])
def test_the_distance_of_all_does_not_hang_on_the_order_of_examples(arrange):
    """Of the same two clusters, which alternate on one side, or are sorted, and are mixed on the other."""
    x, y = (features(2_000, 4, seed) for seed in (0, 1))
    x[::2] += 4
    y[torch.randperm(2_000, generator=torch.Generator().manual_seed(2))[:1_000]] += 4
    value, error = distance_of_all(arrange(x), y)
    assert abs(value) < 4 * error < 0.3


def test_the_floor_of_data_that_alternate_is_no_distance():
    source = Alternating()
    model = FixedSamples(source.spec, source.split("train"), "train")
    found = FID.compute(model, source, Evaluation(samples=200, features="pixels"))
    assert found.references["real halves"].value < 0.02  # light from dark: 4 (1/2)² = 1


@pytest.mark.parametrize("n", [200, 300, 600])  # of 600: all others, the other half, and a random half
def test_what_is_made_of_data_that_alternate_is_compared_with_all_kinds(n: int):
    source = Alternating()
    model = FixedSamples(source.spec, source.split("train"), "train")
    images = {"": evenly_spaced(source, "test", n).x}
    found = unseen_distance(model, source, Evaluation(features="pixels"), images, "images")
    assert found.value < 0.02  # light from dark: 4 (1/2)² = 1
    assert found.n == (n if n < 600 else pytest.approx(300, abs=1))


def test_value_and_reference_row_are_one_formula():
    source = catalogue.source("digits")
    train = source.split("train").first()
    model = FixedSamples(source.spec, InMemory(train.x), "train")
    found = FID.compute(model, source, Evaluation(samples=len(train.x), features="pixels"))
    assert found.references["real"].value == pytest.approx(found.value, rel=1e-12)
    assert found.references["real"].n == found.n == len(train.x)
    assert found.references["real halves"].n == len(train.x) // 3
    assert 0 < found.references["real halves"].value < 1


def test_a_constant_side_leaves_the_variance_of_the_other():
    x, zero = features(300, 4, 0), torch.zeros(200, 4, dtype=torch.float64)
    value, error = frechet_error(zero, x, moments(zero), moments(x))
    assert value == pytest.approx(float(x.mean(0).square().sum() + x.var(0).sum()), rel=1e-12)
    assert 0 < error < value
    assert frechet_distance(zero, zero) == 0


@pytest.mark.parametrize("n", [2, 3])
def test_too_few_for_halves_have_a_value_without_an_error(n: int):
    source = catalogue.source("digits")
    model = FixedSamples(source.spec, InMemory(source.split("train").first(n).x), "few")
    found = FID.compute(model, source, Evaluation(samples=n, features="pixels"))
    assert found.value > 0
    assert found.error is None


def test_values_that_are_no_numbers_are_an_error():
    x = features(50, 3, 0)
    with pytest.raises(ValueError, match="features came that are not finite"):
        frechet_distance(torch.where(x > 2, math.nan, x), x)


@pytest.mark.parametrize(("d", "n", "loc", "scale"), [(16, 1_000, 0.0, 1.0), (16, 1_000, 0.3, 1.1), (4, 300, 0.1, 1.0)])
def test_ever_more_examples_have_the_distance_of_the_distributions(d: int, n: int, loc: float, scale: float):
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(60):
        x, y = torch.randn(n, d, generator=generator), loc + scale * torch.randn(n, d, generator=generator)
        found.append((*distance_of_all(x, y), frechet_distance(x, y)))
    values, errors, biased = torch.tensor(found, dtype=torch.float64).unbind(1)
    true = d * loc**2 + d * (scale - 1) ** 2
    bias = float(biased.mean()) - true
    assert bias > 0.04  # at this many examples
    assert abs(float(values.mean()) - true) < bias / 4
    assert float(((values - true).abs() < 1.96 * errors).double().mean()) > 0.9


def test_ever_more_examples_are_not_seen_from_few():
    with pytest.raises(ValueError, match="79 examples of 10 features came; 80 at least"):
        distance_of_all(features(79, 10, 0), features(200, 10, 1))
