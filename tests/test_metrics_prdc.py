"""Precision, recall, density and coverage against their definitions, the reference package and closed forms."""

from __future__ import annotations

import contextlib
import io

import pytest
import torch

from counterfeit.common import numerics
from counterfeit.metrics.features import knn as module
from counterfeit.metrics.features.prdc import expected_coverage, prdc

NAMES = ["precision", "recall", "density", "coverage"]


def draws(n: int, d: int, seed: int, loc: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    return loc + scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def by_definition(real: torch.Tensor, fake: torch.Tensor, k: int) -> list[float]:
    """Every distance in float64, one by one."""
    real, fake = real.double(), fake.double()
    between = (real[:, None] - fake).norm(dim=2)
    radii, fake_radii = ((x[:, None] - x).norm(dim=2).kthvalue(k + 1, 1).values for x in (real, fake))
    inside = between < radii[:, None]
    return [
        float(inside.any(0).double().mean()), float((between < fake_radii).any(1).double().mean()),
        int(inside.sum()) / (k * len(fake)), float(inside.any(1).double().mean()),
    ]  # fmt: skip


def values(real: torch.Tensor, fake: torch.Tensor, k: int = 5) -> list[float]:
    scores = prdc(real, fake, k, k)
    return [scores[name].value for name in NAMES]


CASES = [(200, 150, 2, 0.0), (150, 200, 16, 0.0), (150, 150, 64, 100.0)]


@pytest.mark.parametrize(("n", "m", "d", "far"), CASES)
@pytest.mark.parametrize("k", [1, 5])
def test_they_equal_their_definitions(n, m, d, far, k):
    real, fake = draws(n, d, 0, far), draws(m, d, 1, far + 0.1, 0.9)
    assert values(real, fake, k) == pytest.approx(by_definition(real, fake, k), rel=1e-12)


@pytest.mark.parametrize(("n", "m", "d", "far"), CASES)
def test_they_equal_the_reference_package(n, m, d, far):
    package = pytest.importorskip("prdc", reason="prdc is not installed")
    real, fake = draws(n, d, 0, far), draws(m, d, 1, far + 0.1, 0.9)
    with contextlib.redirect_stdout(io.StringIO()):
        expected = package.compute_prdc(real.double().numpy(), fake.double().numpy(), 5)
    assert values(real, fake) == pytest.approx([float(expected[name]) for name in NAMES], rel=1e-12)


def test_small_and_wide_balls_are_chosen_apart():
    real, fake = draws(200, 4, 0), draws(200, 4, 1)
    both, three, five = prdc(real, fake, 3, 5), prdc(real, fake, 3, 3), prdc(real, fake, 5, 5)
    assert [both[name] for name in NAMES] == [*(three[n] for n in NAMES[:2]), *(five[n] for n in NAMES[2:])]


def test_samples_that_are_the_data_lie_in_every_ball():
    real = draws(300, 8, 0)
    assert values(real, real) == [1.0, 1.0, 1.0, 1.0]


def test_a_point_is_no_neighbour_of_its_own_far_from_the_origin():
    # float32 distances of uncentred features are off by more than the neighbours are apart
    real, fake = draws(200, 32, 0, 1e4), draws(200, 32, 1, 1e4)
    assert values(real, fake) == pytest.approx(by_definition(real, fake, 5), rel=1e-12)


def test_repeated_points_are_decided_exactly():
    real, fake = draws(100, 3, 0), draws(100, 3, 1)
    real[:10], fake[:5] = real[20].clone(), real[30:35]
    assert values(real, fake) == pytest.approx(by_definition(real, fake, 5), rel=1e-12)


def test_mode_that_is_missing_lowers_recall_and_coverage_alone():
    real = torch.cat([draws(200, 2, 0), draws(200, 2, 1, 20.0)])
    precision, recall, density, coverage = values(real, draws(400, 2, 2))
    assert min(precision, density) > 0.8
    assert max(recall, coverage) < 0.6


def test_noise_lowers_precision_and_density_alone():
    real, fake = draws(400, 2, 0), torch.cat([draws(400, 2, 1), draws(400, 2, 2, 50.0)])
    precision, recall, density, coverage = values(real, fake)
    assert max(precision, density) < 0.6
    assert min(recall, coverage) > 0.9


@pytest.mark.parametrize(("n", "m"), [(200, 200), (100, 300)])
def test_coverage_of_equal_distributions_is_as_expected(n, m):
    found = [values(draws(n, 2, 2 * i), draws(m, 2, 2 * i + 1))[3] for i in range(60)]
    mean, error = torch.tensor(found).mean(), torch.tensor(found).std() / 60**0.5
    assert abs(float(mean) - expected_coverage(n, m)) < 3 * float(error)


def test_errors_are_the_deviation_over_draws():
    scores = [prdc(draws(300, 8, 2 * i), draws(300, 8, 2 * i + 1, 0.3, 0.9), resamples=20) for i in range(50)]
    for name in NAMES:
        found, errors = (torch.tensor([getattr(s[name], field) for s in scores]) for field in ("value", "error"))
        assert 0.75 < float(errors.square().mean().sqrt() / found.std()) < 1.7, name
        assert float(((found - found.mean()).abs() < 1.96 * errors).float().mean()) > 0.85, name


def test_no_resamples_give_no_error():
    assert {score.error for score in prdc(draws(50, 2, 0), draws(50, 2, 1)).values()} == {None}


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Bytes of the largest tensor made inside."""

    nbytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.nbytes = max(self.nbytes, out.nbytes)
        return out


def test_memory_does_not_grow_with_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr("counterfeit.common.numerics.TILE", 2**16)
    with Largest() as largest:
        prdc(draws(2_000, 4, 0), draws(2_000, 4, 1), resamples=2)
    assert largest.nbytes < 2**20 < 2_000 * 2_000  # no matrix of all pairs, even of bytes


def test_memory_does_not_grow_with_the_number_of_ties():
    corners = torch.eye(256)  # all equally far apart: every pair is decided in float64
    with Largest() as largest:
        prdc(corners, corners + 1e-4)
    assert largest.nbytes <= 8 * module.COPIED < 256**3


def test_the_error_of_density_is_the_deviation_over_draws_in_few_and_many_dimensions():
    for d in (1, 32):
        pairs = [prdc(draws(300, d, 2 * i), draws(300, d, 2 * i + 1), resamples=10)["density"] for i in range(100)]
        values, errors = torch.tensor([(found.value, found.error) for found in pairs]).T
        assert 0.85 < float(errors.square().mean().sqrt() / values.std()) < 1.2, d
        assert float(((values - 1).abs() < 1.96 * errors).float().mean()) > 0.88, d  # its expectation is 1 exactly


def test_too_few_points_are_an_error():
    with pytest.raises(ValueError, match="5 real examples and 9 samples came; more than 5 of each are expected"):
        prdc(draws(5, 2, 0), draws(9, 2, 1))


def test_tolerance_is_wider_than_rounding():
    real, fake = draws(300, 256, 0, 3.0), draws(300, 256, 1, 3.0)
    tile = torch.cat([*module.squared_distances(real, fake)])
    exact = (real[:, None].double() - fake.double()).square().sum(2)
    norms = (real - numerics.centre(fake)).square().sum(1, keepdim=True)
    assert float(((tile - exact).abs() / (norms + exact)).max()) < numerics.ROUNDED[torch.float32] / 4


def test_blocks_do_not_change_anything(monkeypatch):
    real, fake = draws(1_300, 4, 0), draws(1_200, 4, 1, 0.2)
    whole = prdc(real, fake, resamples=3)
    monkeypatch.setattr(module, "CENTRED", 1)  # blocks of 1,024
    monkeypatch.setattr("counterfeit.common.numerics.TILE", 2**16)
    blocks = prdc(real, fake, resamples=3)
    assert {name: score.value for name, score in blocks.items()} == {n: score.value for n, score in whole.items()}
    assert [s.error for s in blocks.values()] == pytest.approx([s.error for s in whole.values()], rel=0.05)


def two_clusters(n: int, seed: int) -> torch.Tensor:
    x = draws(n, 64, seed, 0, 0.003)
    return x + torch.where(torch.arange(n) % 2 == 0, 10.0, -10.0)[:, None]


def outlying(n: int, seed: int, far: float) -> torch.Tensor:
    x = draws(n, 64, seed)
    x[n // 2] = far
    return x


ADVERSARIAL = {
    "tight clusters far apart": (two_clusters(400, 0), two_clusters(300, 1)),
    "a real outlier": (outlying(400, 0, 3e6), draws(300, 64, 1)),
    "an outlying sample": (draws(400, 64, 0), outlying(300, 1, 1e12)),
    "far from the origin": (draws(400, 64, 0, 1_000.0), draws(300, 64, 1, 1_000.0)),
    "small": (1e-6 * draws(400, 64, 0), 1e-6 * draws(300, 64, 1)),
    "copies": (draws(300, 64, 0), draws(300, 64, 0)),
    "duplicates": (draws(40, 64, 0).repeat(10, 1), draws(30, 64, 0).repeat(10, 1)),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_they_equal_their_definitions_on_adversarial_data(name):
    real, fake = ADVERSARIAL[name]
    assert values(real, fake) == pytest.approx(by_definition(real, fake, 5), rel=1e-12)


@pytest.mark.parametrize("name", ["tight clusters far apart", "a real outlier", "small"])
def test_they_equal_the_reference_package_on_adversarial_data(name):
    package = pytest.importorskip("prdc", reason="prdc is not installed")
    real, fake = ADVERSARIAL[name]
    with contextlib.redirect_stdout(io.StringIO()):
        expected = package.compute_prdc(real.double().numpy(), fake.double().numpy(), 5)
    assert values(real, fake) == pytest.approx([float(expected[name]) for name in NAMES], rel=1e-12)


def test_errors_on_adversarial_data_are_those_on_plain_data():
    plain = prdc(draws(400, 64, 0), draws(300, 64, 1), resamples=20)
    for real, fake in (ADVERSARIAL["a real outlier"], ADVERSARIAL["an outlying sample"]):
        found = prdc(real, fake, resamples=20)
        assert [found[n].error for n in NAMES] == pytest.approx([plain[n].error for n in NAMES], rel=0.1)


def test_values_that_are_no_numbers_are_an_error():
    x = draws(50, 3, 0)
    with pytest.raises(ValueError, match="not finite"):
        prdc(torch.where(x > 2, torch.nan, x), x)


def test_types_may_be_mixed():
    real, fake = draws(100, 3, 0), draws(100, 3, 1)
    assert prdc(real, fake.double()) == prdc(real.double(), fake)
