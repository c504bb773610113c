"""Bounds against a linear Gaussian model whose evidence is known: z ~ N(0, 1), x | z ~ N(z, 1), so x ~ N(0, 2)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from counterfeit.config.settings import Evaluation
from counterfeit.core import Bounds, Density, Model, Spec, Update
from counterfeit.data.source import InMemory, Source, transformed
from counterfeit.metrics.likelihood.bounds import (
    BITS_PER_DIM,
    ELBO,
    IWAE,
    LOG_LIKELIHOOD,
    importance_weighted,
    on_levels,
)
from counterfeit.transforms import build


class Linear(Model):
    """Proposes from the prior, so its bounds are loose."""

    def __init__(self) -> None:
        super().__init__(Spec((1,), "real"))
        self.scale, self.largest = nn.Parameter(torch.ones(())), 0

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def weights(self, x, k):
        self.largest = max(self.largest, len(x) * k)
        return torch.distributions.Normal(torch.randn(len(x), k), self.scale).log_prob(x)

    def elbo(self, x):
        return self.weights(x, 1)[:, 0]

    def iwae(self, x, k):
        return self.weights(x, k).logsumexp(1) - math.log(k)

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, math.sqrt(2)).log_prob(x)[:, 0]


class Points(Source):
    name, summary = "points", "points of the linear Gaussian model"

    def __init__(self, kind="real") -> None:
        self.spec = Spec((1,), kind)
        x = torch.rand(2_000, 1, generator=torch.Generator().manual_seed(0))
        self.x = x if kind == "image" else (x > 0.5).float() if kind == "binary" else 4 * x - 2

    def split(self, name):
        return InMemory(self.x)


def exact(source: Source) -> float:
    return float(Linear().log_prob(source.split("test").first().x).mean())


def test_elbo_equals_its_closed_form():
    x = Points().x
    expected = float((-0.5 * (x.square() + 1) - 0.5 * math.log(2 * math.pi)).mean())
    result = ELBO.compute(Linear(), Points(), Evaluation())
    assert result.value == pytest.approx(expected, abs=4 * result.error)
    assert result.n == 2_000


def test_bounds_are_ordered_and_tighten():
    elbo = ELBO.compute(Linear(), Points(), Evaluation()).value
    k5, k500 = (IWAE.compute(Linear(), Points(), Evaluation(importance_samples=k)).value for k in (5, 500))
    assert elbo < k5 < k500 == pytest.approx(exact(Points()), abs=0.01)


def test_exact_log_likelihood():
    assert LOG_LIKELIHOOD.compute(Linear(), Points(), Evaluation()).value == pytest.approx(exact(Points()), abs=1e-6)


def test_chunks_of_importance_samples_combine_exactly():
    log_w = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))

    class Listed(Linear):
        used = 0

        def iwae(self, x, k):
            chunk, self.used = log_w[:, self.used : self.used + k], self.used + k
            return chunk.logsumexp(1) - math.log(k)

    combined = importance_weighted(Listed(), torch.zeros(4, 1), k=10, rows=12)  # 3 + 3 + 3 + 1
    assert torch.allclose(combined, log_w.logsumexp(1) - math.log(10), atol=1e-6)


def test_memory_of_importance_samples_is_bounded(monkeypatch):
    monkeypatch.setattr("counterfeit.metrics.likelihood.bounds.VALUES", 6_400)
    model = Linear()
    IWAE.compute(model, Points(), Evaluation(importance_samples=1_000, max_examples=300))
    assert model.largest <= 6_400


def test_results_repeat_under_a_seed_and_leave_the_random_state():
    before = torch.get_rng_state()
    values = [ELBO.compute(Linear(), Points(), Evaluation(seed=seed)).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_no_importance_samples_are_an_error():
    with pytest.raises(ValueError, match="importance_samples: 0 came"):
        IWAE.compute(Linear(), Points(), Evaluation(importance_samples=0))


def test_limit_takes_the_first_examples():
    assert ELBO.compute(Linear(), Points(), Evaluation(max_examples=10)).n == 10


@pytest.mark.parametrize(("kind", "offset"), [("image", 8.0), ("binary", 0.0)])
def test_bits_per_dimension_count_the_8_bits_of_images(kind, offset):
    result = LOG_LIKELIHOOD.compute(Linear(), Points(kind), Evaluation())
    assert result.details["bits_per_dim"] == pytest.approx(offset - result.value / math.log(2))


def test_real_values_have_no_bits_per_dimension():
    assert "bits_per_dim" not in LOG_LIKELIHOOD.compute(Linear(), Points(), Evaluation()).details


class Levels(Source):
    """8-bit values, all alike."""

    name, summary = "levels", "uniform levels"

    def __init__(self, shape=(1, 2, 2)) -> None:
        self.spec = Spec(shape, "image")

    def split(self, name):
        g = torch.Generator().manual_seed(0)
        return InMemory(torch.randint(256, (3_000, *self.spec.shape), generator=g, dtype=torch.uint8))


class OfUniform(Linear):
    """The density of uniform pixels, wherever transforms have taken them."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def log_prob(self, x):
        return -self.source.log_det(x)


@pytest.mark.parametrize("names", [["dequantize"], ["dequantize", "logit"], ["dequantize", "logit", "flatten"]])
def test_uniform_levels_cost_8_bits_whatever_the_transforms(names):
    source = transformed(Levels(), build(names))
    result = BITS_PER_DIM.compute(OfUniform(source), source, Evaluation())
    assert result.value == pytest.approx(8, abs=1e-6)
    assert not result.warning


def test_a_density_of_transformed_values_is_reported_in_nats_of_the_data():
    source = transformed(Levels(), build(["dequantize", "logit"]))

    class Logistic(Linear):
        def log_prob(self, x):  # nearly the density of logits of uniform pixels
            return (torch.nn.functional.logsigmoid(x) + torch.nn.functional.logsigmoid(-x)).flatten(1).sum(1)

    result = LOG_LIKELIHOOD.compute(Logistic(), source, Evaluation())
    assert result.value == pytest.approx(4 * math.log(0.9), abs=1e-4)  # alpha=0.05 leaves 0.9 of the line
    assert result.details["bits_per_dim"] == pytest.approx(8 - math.log2(0.9), abs=1e-4)


def test_bits_and_their_error_are_nats_in_another_unit():
    nats = LOG_LIKELIHOOD.compute(Linear(), Points("image"), Evaluation())
    bits = BITS_PER_DIM.compute(Linear(), Points("image"), Evaluation())
    assert bits.value == nats.details["bits_per_dim"]
    assert bits.error == pytest.approx(nats.error / math.log(2))
    assert bits.protocol == nats.protocol.replace("nats", "bits per dimension")


def test_real_values_have_no_bits():
    assert not BITS_PER_DIM.applies(Points())
    with pytest.raises(ValueError, match="holds real values"):
        BITS_PER_DIM.compute(Linear(), Points(), Evaluation())


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        ([], True), (["logit"], True), (["symmetric"], True), (["logit", "flatten"], True), (["dequantize"], False),
        (["dequantize", "logit"], False), (["dequantize", "symmetric"], False),
    ],
)  # fmt: skip
def test_densities_of_discrete_values_are_warned_of(names, warned):
    source = transformed(Levels(), build(names))
    assert bool(LOG_LIKELIHOOD.compute(OfUniform(source), source, Evaluation()).warning) == warned


@pytest.mark.parametrize(("levels", "warned"), [(2, True), (16, True), (2**12, True), (2**30, False)])
def test_values_that_repeat_are_discrete_however_many_there_are(levels, warned):
    x = torch.rand(2_000, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert on_levels((x * levels).floor()) == warned


def test_one_constant_column_has_a_density_as_high_as_one_likes():
    x = torch.rand(100, 5, generator=torch.Generator().manual_seed(0))
    assert not on_levels(x)
    x[:, 3] = 0.5
    assert on_levels(x)


def test_protocol_names_bound_split_and_data():
    source = Points()
    result = IWAE.compute(Linear(), source, Evaluation(importance_samples=5, max_examples=10, split="valid"))
    data = f"valid n=10 evenly spaced; real values; points {source.fingerprint}"
    assert result.protocol == f"importance-weighted bound, k=5 posterior samples; nats; {data}"


def test_metrics_ask_for_the_capability_that_they_use():
    assert (ELBO.needs, IWAE.needs, LOG_LIKELIHOOD.needs) == (Bounds, Bounds, Density)
    assert isinstance(Linear(), Bounds)
