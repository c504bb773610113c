"""How many classes samples fall into, by a nearest-neighbour classifier in pixels: a first look for missing modes."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, Samples
from counterfeit.data.source import Source
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.neighbours import nearest_examples
from counterfeit.metrics.proportions import share
from counterfeit.metrics.sampling import describe, draw_samples, spread
from counterfeit.metrics.statistics import seeded

__all__ = ["CLASSES", "classify", "kl_divergence"]

QUERIES = 1_000  # samples at most that are classified
COUNTED = 10_000  # training examples at most whose labels are counted
NEIGHBOURS = 5


def classify(x: Tensor, source: Source, k: int = NEIGHBOURS) -> Tensor:
    """The commonest label among the `k` training examples nearest to each of `x`, (N, *shape): int64 (N,).

    Raises:
        ValueError: where the source has no labels.
    """
    train = source.split("train")
    indices = nearest_examples(x, train, min(k, len(train))).indices
    return _labels(train[indices.flatten()], source).view(indices.shape).mode(1).values


def _labels(batch: Batch, source: Source) -> Tensor:
    if batch.y is None or source.spec.classes < 1:
        raise ValueError(f"{source.name} has no labels; `classes` expects them. Choose another metric or other data.")
    return batch.y


def kl_divergence(p: Tensor, q: Tensor) -> float:
    """KL(p ‖ q) in nats of two histograms, (C,), which need not be normalized.

    Example:
        >>> round(kl_divergence(torch.tensor([1, 0]), torch.tensor([2, 2])), 4)
        0.6931
    """
    p, q = p.double() / p.sum(), q.double() / q.sum()
    return float((torch.xlogy(p, p) - torch.xlogy(p, q)).sum())


def compute(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Number of classes among the samples; beside it their histogram, its divergence and the classifier's accuracy."""
    counted = _labels(spread(source, "train", COUNTED), source)
    held_out = spread(source, evaluation.split, QUERIES)
    n = min(evaluation.samples, QUERIES)
    samples = draw_samples(model, n, evaluation.seed, evaluation.batch_size)
    with seeded(evaluation.seed):  # random transforms draw as examples are read
        histogram = torch.bincount(classify(samples, source), minlength=source.spec.classes)
        correct = classify(held_out.x, source) == _labels(held_out, source)
    known = share(correct)
    details = {
        "histogram": histogram.tolist(),
        "kl": kl_divergence(histogram, torch.bincount(counted, minlength=source.spec.classes)),
        "accuracy": known.value,
        "accuracy_low": known.low,
        "accuracy_high": known.high,
        "seed": evaluation.seed,
    }
    what = f"classes among {n} samples by {NEIGHBOURS} nearest neighbours in pixels"
    protocol = f"{what}; {describe(source, 'train', len(source.split('train')))}"
    return Result(float((histogram > 0).sum()), None, n, protocol, details)


CLASSES = Metric("classes", "number of classes among the samples", "", "higher", Samples, compute, labels=True)
