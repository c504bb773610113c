"""The Parzen window against brute force in float64, closed forms and the published protocol on MNIST."""

from __future__ import annotations

import json
import math
import os

import pytest
import torch
from torch import nn

from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.likelihood.parzen import PARZEN, SIGMAS, log_likelihood, select_sigma


def brute_force(x: torch.Tensor, samples: torch.Tensor, sigma: float) -> torch.Tensor:
    distances = torch.cdist(x.double(), samples.double(), compute_mode="donot_use_mm_for_euclid_dist")
    scores = torch.logsumexp(-distances.square() / (2 * sigma**2), 1)
    return scores - math.log(len(samples)) - x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))


@pytest.fixture(scope="module")
def mnist():
    if not os.environ.get("COUNTERFEIT_DATA"):
        pytest.skip("COUNTERFEIT_DATA is not set: no MNIST here")
    from counterfeit.data.sources.mnist import MNIST

    source = MNIST()
    n = {"train": 10_000, "valid": 1_000, "test": 10_000}
    return {split: source.split(split).first(n[split]).x.flatten(1) for split in n}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))


class Points(Source):
    """Gaussian points around 0 in two dimensions."""

    name, summary = "points", "Gaussian points"

    def __init__(self, scale: float = 0.3) -> None:
        self.spec = Spec((2,), "real")
        x = scale * torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
        self.parts = {"train": InMemory(x[:200]), "valid": InMemory(x[200:300]), "test": InMemory(x[300:])}

    def split(self, name):
        return self.parts[name]


class Gaussian(Model):
    def __init__(self, scale: float = 0.3) -> None:
        super().__init__(Spec((2,), "real"))
        self.scale = nn.Parameter(torch.tensor(scale))

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def sample(self, n, y=None):
        return self.scale * torch.randn(n, 2)


def test_one_sample_is_one_gaussian():
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Normal(0, 0.7).log_prob(x).sum(1)
    assert torch.allclose(log_likelihood(x, torch.zeros(1, 5), [0.7])[0], expected, atol=1e-5)


def test_density_integrates_to_one():
    grid = torch.linspace(-6, 6, 2_001)[:, None]
    density = log_likelihood(grid, torch.tensor([[-1.0], [0.5], [2.0]]), [0.3, 0.6]).exp()
    assert torch.allclose(torch.trapezoid(density, grid[:, 0]), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("sigma", [SIGMAS[0], 0.1668, SIGMAS[-1]])
def test_float32_is_near_float64_on_synthetic_images(sigma):
    generator = torch.Generator().manual_seed(0)
    x, samples = torch.rand(200, 784, generator=generator), torch.rand(1_000, 784, generator=generator)
    difference = log_likelihood(x, samples, [sigma])[0].double() - brute_force(x, samples, sigma)
    assert difference.mean().abs() < 2e-3
    assert difference.abs().max() < 2e-2


@pytest.mark.parametrize("sigma", [SIGMAS[0], SIGMAS[2], SIGMAS[-1]])
def test_float32_is_near_float64_on_mnist(mnist, sigma):
    x, samples = mnist["test"][:100], mnist["train"][:5_000]
    difference = log_likelihood(x, samples, [sigma])[0].double() - brute_force(x, samples, sigma)
    assert difference.mean().abs() < 2e-3


def test_real_images_score_what_was_published(mnist):
    sigma = select_sigma(mnist["valid"], mnist["train"])
    value, error = mean_and_error(log_likelihood(mnist["test"], mnist["train"], [sigma])[0])
    assert sigma == pytest.approx(0.1668, abs=1e-4)
    assert value == pytest.approx(241.2, abs=0.1)
    assert error == pytest.approx(2.1, abs=0.05)


def test_samples_that_are_the_examples_score_finitely():
    x = torch.rand(50, 784, generator=torch.Generator().manual_seed(0))
    peak = -math.log(50) - 784 * math.log(0.1 * math.sqrt(2 * math.pi))
    assert torch.allclose(log_likelihood(x, x, [0.1])[0], torch.full((50,), peak), atol=1e-2)


def test_sigma_is_the_likeliest_of_the_grid():
    source, samples = Points(), 0.3 * torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    valid = source.split("valid").first().x
    scores = [float(brute_force(valid, samples, sigma).mean()) for sigma in SIGMAS]
    assert select_sigma(valid, samples) == SIGMAS[scores.index(max(scores))]


def test_result_carries_protocol_sigma_and_reference_rows():
    source = Points()
    result = PARZEN.compute(Gaussian(), source, Evaluation(samples=500, seed=3))
    assert result.n == 300
    assert result.protocol == (
        "Parzen window, Gaussian kernel; 500 samples; sigma from logspace(-1, 0, 10) on the first 100 of valid; "
        f"test n=300; real values; points {source.fingerprint}"
    )
    assert result.details["sigma"] in SIGMAS
    assert result.references["real"].n == 200
    assert result.references["k-means"].n == 100
    assert result.references["samples, as many"].n == 200
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_protocol_depends_on_no_seed():
    first, second = (PARZEN.compute(Gaussian(), Points(), Evaluation(samples=50, seed=seed)) for seed in (0, 1))
    assert first.value != second.value
    assert first.fingerprint == second.fingerprint


def test_references_are_kept_between_evaluations(monkeypatch):
    first = PARZEN.compute(Gaussian(), Points(), Evaluation(samples=50)).references
    monkeypatch.delattr("counterfeit.metrics.likelihood.parzen.kmeans")
    assert PARZEN.compute(Gaussian(), Points(), Evaluation(samples=50)).references == first


def test_validation_leaves_the_references_out():
    result = PARZEN.compute(Gaussian(), Points(), Evaluation(samples=50, split="valid", max_examples=70))
    assert result.n == 70
    assert not result.references


@pytest.mark.parametrize(("scale", "warned"), [(1.0, False), (1e-3, True), (30.0, True)])
def test_sigma_at_an_edge_of_the_grid_warns(scale, warned):
    result = PARZEN.compute(Gaussian(scale), Points(scale), Evaluation(samples=500, split="valid"))
    assert bool(result.warning) == warned


def test_data_of_another_shape_are_an_error():
    class Wide(Gaussian):
        def sample(self, n, y=None):
            return torch.zeros(n, 3)

    with pytest.raises(ValueError, match="rows of 2 and 3 values"):
        PARZEN.compute(Wide(), Points(), Evaluation(samples=50))


def test_one_sample_far_off_is_one_sample_less():
    x, samples = Points().split("test").first().x, Points().split("train").first().x
    far = torch.cat([samples, torch.full((1, 2), 1e12)])
    expected = brute_force(x, samples, 0.1) + math.log(len(samples) / len(far))
    assert torch.allclose(log_likelihood(x, far, [0.1])[0].double(), expected, atol=1e-3)


@pytest.mark.parametrize(("scale", "sigma"), [(25.0, 0.1), (1_000.0, 1.0), (1e-6, 1e-7)])
def test_values_large_beside_the_bandwidth_keep_their_digits(scale, sigma):
    x, samples = (scale * torch.randn(100, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    samples = torch.cat([samples, x + sigma])
    assert torch.allclose(log_likelihood(x, samples, [sigma])[0].double(), brute_force(x, samples, sigma), atol=0.05)


def test_samples_too_far_for_any_distance_are_no_score():
    class Lost(Gaussian):
        def sample(self, n, y=None):
            return torch.full((n, 2), 1e30)

    with pytest.raises(ValueError, match="not finite"):
        PARZEN.compute(Lost(), Points(), Evaluation(samples=50))


@pytest.mark.parametrize("sigmas", [[0.0], [0.1, -1.0], []])
def test_a_kernel_without_width_is_an_error(sigmas):
    with pytest.raises(ValueError, match="bandwidths above 0 are expected"):
        log_likelihood(torch.zeros(1, 2), torch.zeros(5, 2), sigmas)


def test_reference_rows_are_spread_over_sorted_data():
    class Sorted(Points):
        def __init__(self):
            super().__init__()
            self.parts["train"] = InMemory(torch.cat([torch.full((100, 2), 5.0), self.parts["train"].first(100).x]))

    rows = PARZEN.compute(Gaussian(), Sorted(), Evaluation(samples=20)).references
    plain = PARZEN.compute(Gaussian(), Points(), Evaluation(samples=10)).references
    assert rows["real"].n == 20
    assert rows["real"].value == pytest.approx(plain["real"].value, abs=1.0)  # half of them are of use
