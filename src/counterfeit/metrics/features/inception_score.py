"""The Inception score: how sure a classifier is of each sample, and how many classes it sees; by any other classifier
than Inception, the classifier score.

References:
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498).
    A Note on the Inception Score, Barratt & Sharma, 2018 (arXiv 1801.01973).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.downloads import locate
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.inception import WEIGHTS
from counterfeit.metrics.features.reference import beside, compare
from counterfeit.metrics.stats.proportions import share

__all__ = ["CLASSIFIER_SCORE", "INCEPTION_SCORE", "RECOGNIZED", "classifier_score", "compute"]

SPLITS = 10
SURE = 0.9  # what a classifier gives its first class where it recognizes a sample


def classifier_score(log_probs: Tensor, splits: int = SPLITS) -> tuple[float, float]:
    """Mean over splits of exp(mean KL(p(y|x) ‖ p(y))), and its standard error by the delta method.

    In a split of n samples, the mean divergence varies as their own divergences do, over √n. p(y) is that of the split.

    Arguments:
        log_probs: log p(y|x) in nats, (N, classes), in float64, N >= 2 splits.
        splits: consecutive parts of near equal sizes; shuffle what is ordered.

    Example:
        >>> certain = torch.eye(4, dtype=torch.float64).repeat(25, 1).log()
        >>> round(classifier_score(certain, splits=1)[0], 6)  # four classes, equally often
        4.0
    """
    if log_probs.ndim != 2 or splits < 1 or len(log_probs) < 2 * splits:
        raise ValueError(
            f"log-probabilities of shape {tuple(log_probs.shape)} and splits={splits} came; (N, classes) with at least "
            "two rows for each split are expected. Take more samples."
        )
    if bool(log_probs.isnan().any()) or not bool((log_probs <= 1e-6).all()):
        raise ValueError("values above 0, or NaN, came; logarithms of probabilities are expected. Use log_softmax.")
    scores, squares = [], []
    for part in log_probs.double().tensor_split(splits):
        marginal = part.logsumexp(0) - math.log(len(part))
        p = part.exp()
        divergences = torch.where(p > 0, p * (part - marginal), 0.0).sum(1)  # nats; 0 log 0 is 0
        scores.append(float(divergences.mean().exp()))
        squares.append(scores[-1] ** 2 * float(divergences.var()) / len(part))
    return sum(scores) / splits, math.sqrt(sum(squares)) / splits


def compute(model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None) -> Result:
    """The score of samples; beside it, with the test split, that of training examples, and the number of classes."""
    found = compare(model, source, evaluation, chosen)
    splits = min(SPLITS, len(found.samples) // 2)
    value, error = classifier_score(_shuffled(found.extractor, found.samples), splits)
    classes = found.extractor.log_probs(found.samples[:1]).shape[1]
    details = {"seed": evaluation.seed, "at most": classes}
    tested = evaluation.split == "test"
    references = beside("score", found, lambda x, _: _reached(found.extractor, x, splits)) if tested else {}
    name = "Inception score" if found.extractor.name == "inception" else "classifier score"
    protocol = f"{name}, {splits} splits, shuffled; {found.extractor.protocol}; {len(found.samples)} samples"
    return Result(value, error, len(found.samples), protocol, details, references=references)


def _reached(by: FeatureExtractor, x: Tensor, splits: int) -> Estimate:
    return Estimate(*classifier_score(_shuffled(by, x), min(splits, len(x) // 2)), len(x))


def _shuffled(by: FeatureExtractor, features: Tensor) -> Tensor:
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    return by.log_probs(features[order])


def recognized(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Share of the samples whose likeliest class has a probability of 0.9 or more; beside it that of held-out data."""
    found = compare(model, source, evaluation)

    def sure(x: Tensor) -> Estimate:
        return share(found.extractor.log_probs(x).amax(1).exp() >= SURE)

    references = beside("share", found, lambda x, _: sure(x)) if evaluation.split == "test" else {}
    protocol = f"share named with a probability of {SURE} or more; {found.extractor.protocol}; "
    protocol += f"{len(found.samples)} samples"
    return Result.of(sure(found.samples), protocol, {"seed": evaluation.seed}, references=references)


def _by_inception(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    return compute(model, source, replace(evaluation, features="inception"))


# "all" metrics are those that need no download, so Inception's only where its weights are at hand
SUMMARY = "how sure a classifier is of each sample, and of how many classes"
CLASSIFIER_SCORE = Metric("classifier-score", SUMMARY, "", "higher", Samples, compute, labels=True)
RECOGNIZED = Metric(
    "recognized", "share of samples that a classifier is sure of", "", "higher", Samples, recognized, labels=True
)
INCEPTION_SCORE = Metric(
    "inception-score", "the classifier score by Inception-v3, for natural images", "", "higher", Samples, _by_inception,
    applies=lambda source: source.spec.kind == "image" and source.spec.shape[0] == 3 and any(locate(WEIGHTS.name)),
)  # fmt: skip
