"""The classifier score against closed forms, a reference package, and its own spread over draws."""

from __future__ import annotations

import math

import pytest
import torch

from counterfeit.metrics.features.inception_score import classifier_score


def logits(n: int, classes: int, seed: int, sharp: float = 2.0) -> torch.Tensor:
    return sharp * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_uniform_predictions_score_one():
    assert classifier_score(torch.full((100, 5), -math.log(5)))[0] == pytest.approx(1.0)


def test_certain_predictions_score_the_number_of_classes_seen():
    certain = torch.eye(5).repeat(40, 1)[:, :].clamp(min=1e-30).log()
    assert classifier_score(certain[:, :], splits=4)[0] == pytest.approx(5.0)


def test_one_class_scores_one_however_certain():
    assert classifier_score(torch.tensor([[0.0, -70.0]]).repeat(50, 1))[0] == pytest.approx(1.0)


def test_score_is_the_exponential_of_the_mutual_information():
    p = logits(200, 7, 0).softmax(1)
    entropy = lambda q: -(q * q.log()).sum(-1)  # noqa: E731
    expected = float((entropy(p.mean(0)) - entropy(p).mean()).exp())
    assert classifier_score(p.log(), splits=1)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of a metric used without its buffers
def test_it_equals_torchmetrics():
    package = pytest.importorskip("torchmetrics.image.inception", reason="torchmetrics is not installed")
    features = logits(500, 10, 0)
    net = torch.nn.Flatten()
    net.num_features = 10
    metric = package.InceptionScore(feature=net, splits=10, normalize=True)
    metric.features = [features]
    torch.manual_seed(0)
    expected, _ = metric.compute()
    torch.manual_seed(0)
    shuffled = features[torch.randperm(len(features))]
    assert classifier_score(shuffled.log_softmax(1))[0] == pytest.approx(float(expected), rel=1e-9)


def test_error_is_the_deviation_over_draws():
    pairs = [classifier_score(logits(400, 5, seed).log_softmax(1)) for seed in range(200)]
    values, errors = (torch.tensor(column) for column in zip(*pairs, strict=True))
    assert 0.9 <= float(((values - values.mean()).abs() < 1.96 * errors).float().mean()) <= 0.99


def test_too_few_samples_are_an_error():
    with pytest.raises(ValueError, match=r"shape \(10, 3\) and splits=10 came; .* expected"):
        classifier_score(torch.zeros(10, 3))


def test_certainty_is_a_probability_too():
    assert classifier_score(torch.eye(10).repeat(10, 1).log(), splits=1)[0] == pytest.approx(10)
    with pytest.raises(ValueError, match="logarithms of probabilities are expected"):
        classifier_score(torch.eye(10).repeat(10, 1))
