"""How many classes samples fall into, by a nearest-neighbour classifier in pixels: a first look for missing modes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples
from counterfeit.metrics.stats.proportions import share

__all__ = ["CLASSES", "classify", "kl_divergence"]

QUERIES = 1_000  # samples at most that are classified
COUNTED = 10_000  # training examples at most whose labels are counted
NEIGHBOURS = 5
USUAL = 0.99  # of held-out data lie as near to the training data as what counts


def classify(x: Tensor, source: Source, k: int = NEIGHBOURS) -> tuple[Tensor, Tensor]:
    """The commonest label among the `k` training examples nearest to each of `x`, (N, *shape), and the distance to one.

    Returns:
        Labels, int64 (N,), and distances to the nearest, (N,).

    Raises:
        ValueError: where the source has no labels.
    """
    train = source.split("train")
    distances, indices = nearest_examples(x, train, min(k, len(train)))
    return _labels(train[indices.flatten()], source).view(indices.shape).mode(1).values, distances[:, 0]


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


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Number of classes among samples no farther from the data than data; beside it their histogram, its divergence.

    Whatever is far from all training examples, as noise is, has a nearest one too; it counts for no class.
    """
    counted = _labels(evenly_spaced(source, "train", COUNTED), source)
    held_out = evenly_spaced(source, evaluation.split, QUERIES)
    n = min(evaluation.samples, QUERIES)
    samples = draw_samples(model, n, evaluation.seed, evaluation.batch_size)
    with seeded(evaluation.seed):  # random transforms draw as examples are read
        (found, far), (theirs, usual) = classify(samples, source), classify(held_out.x, source)
    near = far <= usual.sort().values[math.ceil(USUAL * len(usual)) - 1]
    histogram = torch.bincount(found[near], minlength=source.spec.classes)
    known = share(theirs == _labels(held_out, source))
    details = {
        "histogram": histogram.tolist(),
        "too_far": int((~near).sum()),
        "kl": kl_divergence(histogram, torch.bincount(counted, minlength=source.spec.classes)) if near.any() else None,
        "accuracy": known.value,
        "accuracy_low": known.low,
        "accuracy_high": known.high,
        "seed": evaluation.seed,
    }
    what = f"classes among those of {n} samples no farther from train than {USUAL:.0%} of held-out data"
    what += f", by {NEIGHBOURS} nearest neighbours in pixels"
    protocol = f"{what}; {describe(source, 'train', len(source.split('train')))}"
    return Result(float((histogram > 0).sum()), None, n, protocol, details)


CLASSES = Metric("class-coverage", "number of classes among the samples", "", "higher", Samples, compute, labels=True)
