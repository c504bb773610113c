"""Anomaly detection by each score, where the right answer is known."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Discriminates, Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.representation.anomaly import ANOMALY, Detects, detect, shuffled
from counterfeit.metrics.stats.rank_tests import average_precision, exceedance

COVARIANCE = torch.tensor([[1.0, 0.9], [0.9, 1.0]])


class Tied(Source):
    """Two coordinates that depend on each other."""

    name, summary = "tied", "a correlated Gaussian"
    spec = Spec((2,), "real")

    def split(self, name):
        g = torch.Generator().manual_seed(0)
        return InMemory(torch.randn(3_000, 2, generator=g) @ torch.linalg.cholesky(COVARIANCE).T)


class Gaussian(Model):
    def __init__(self):
        super().__init__(Spec((2,), "real"))
        self.loc = nn.Parameter(torch.zeros(2))

    def updates(self, draw, clock):
        yield Update(self.loc.sum())

    def log_prob(self, x):
        return torch.distributions.MultivariateNormal(self.loc, COVARIANCE).log_prob(x)


class Everything(Gaussian):
    def elbo(self, x):
        return self.log_prob(x) - 1

    def iwae(self, x, k):
        return self.elbo(x)

    def energy(self, x):
        return -self.log_prob(x)

    def encode(self, x):
        return x.mean(1, keepdim=True)

    def prior(self, n):
        return torch.randn(n, 1)

    def decode(self, z):
        return z.expand(-1, 2)

    def discriminator_outputs(self, x, y=None):
        return torch.stack([self.log_prob(x), x[:, 0]], 1)


class Judge(Model):
    """Discriminates by labels."""

    conditional = True

    def __init__(self):
        super().__init__(Spec((2,), "real"))
        self.loc = nn.Parameter(torch.zeros(2))

    def updates(self, draw, clock):
        yield Update(self.loc.sum())

    def discriminator_outputs(self, x, y=None):
        return y.float()[:, None]


def test_shuffling_keeps_values_and_breaks_what_ties_them():
    x = Tied().split("test").first().x
    y = shuffled(x)
    assert torch.equal(x.sort(0).values, y.sort(0).values)
    assert float(x.T.corrcoef()[0, 1]) > 0.85
    assert abs(float(y.T.corrcoef()[0, 1])) < 0.06
    assert torch.equal(y, shuffled(x))


def test_a_density_tells_shuffled_data_apart_as_well_as_can_be():
    result = ANOMALY.compute(Gaussian(), Tied(), Evaluation())
    x, y = (torch.randn(200_000, 2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    ours, theirs = (Gaussian().log_prob(z).detach() for z in (x @ torch.linalg.cholesky(COVARIANCE).T, y))
    expected = float((ours > theirs).double().mean())
    assert result.value == pytest.approx(expected, abs=3 * result.error)
    assert result.n == 2_000
    assert result.protocol.startswith("AUROC by log-density of as many examples, every value shuffled")
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_every_score_points_to_the_strange():
    details = ANOMALY.compute(Everything(), Tied(), Evaluation()).details
    assert list(details["scores"]) == ["log-density", "elbo", "energy", "reconstruction", "discriminator"]
    assert len({round(found["auroc"], 6) for name, found in details["scores"].items() if name != "reconstruction"}) == 1
    assert all(found["auroc"] > 0.75 for found in details["scores"].values())


def test_scores_agree_with_scikit_learn_on_other_data():
    metrics = pytest.importorskip("sklearn.metrics")
    normal, strange = Tied().split("test").first(300).x, 2 * torch.rand(200, 2)
    found = detect(Gaussian(), Batch(normal), Batch(strange), batch_size=64)["log-density"]
    scores = -Gaussian().log_prob(torch.cat([normal, strange])).detach()
    labels = [0] * 300 + [1] * 200
    assert found.auroc == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert found.aupr == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)


def test_data_from_the_same_source_are_not_strange():
    x = Tied().split("test").first().x
    found = detect(Gaussian(), Batch(x[:1_500]), Batch(x[1_500:]))["log-density"]
    assert found.auroc == pytest.approx(0.5, abs=3 * found.error)
    assert found.error == pytest.approx(math.sqrt(1 / 12 * 2 / 1_500), rel=0.05)


def test_labels_reach_a_conditional_discriminator():
    x = torch.zeros(4, 2)
    found = detect(Judge(), Batch(x, torch.ones(4).long()), Batch(x, torch.zeros(4).long()))
    assert found["discriminator"].auroc == 1.0


def test_labels_are_kept_from_one_that_is_told_none():
    class Plain(Judge):
        conditional = False

        def discriminator_outputs(self, x, y=None):
            assert y is None
            return x[:, :1]

    assert not Gaussian().conditional
    x = torch.ones(4, 2)
    found = detect(Plain(), Batch(x, torch.ones(4).long()), Batch(-x, torch.zeros(4).long()))
    assert found["discriminator"].auroc == 1.0


def test_any_score_will_do():
    assert isinstance(Gaussian(), Detects)
    assert isinstance(Judge(), Detects)
    assert isinstance(Judge(), Discriminates)
    assert not isinstance(nn.Linear(1, 1), Detects)


def test_one_value_cannot_be_shuffled_against_others():
    class Line(Tied):
        spec = Spec((1,), "real")

    assert ANOMALY.applies(Tied())
    assert not ANOMALY.applies(Line())


def test_scores_that_are_no_numbers_are_an_error():
    scores = torch.tensor([1.0, math.nan, 3.0])
    for statistic in (exceedance, average_precision):
        for pair in ((scores, torch.zeros(3)), (torch.zeros(3), scores)):
            with pytest.raises(ValueError, match="scores came that are not finite"):
                statistic(*pair)


def test_one_score_alone_has_no_error():
    assert exceedance(torch.tensor([2.0]), torch.tensor([1.0, 3.0])) == (0.5, None)
