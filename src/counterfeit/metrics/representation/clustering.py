"""How well categories found without labels agree with the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.config.settings import Evaluation
from counterfeit.core import Clusters, Generator, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.stats.proportions import share

__all__ = ["CLUSTER_ACCURACY", "matching"]

MATCHED = 10_000  # training examples by which categories are matched to classes


def matching(found: Tensor, y: Tensor, categories: int, classes: int) -> Tensor:
    """The class that each category stands for, (categories,): one to one, such that most examples agree.

    Categories that are left over, where there are more than classes, stand for the class they hold most of.

    Arguments:
        found: category of each example, int64 (N,).
        y: class of each example, int64 (N,).
        categories: how many there are.
        classes: how many there are.

    Example:
        >>> matching(torch.tensor([1, 1, 0, 0, 0]), torch.tensor([0, 0, 1, 1, 0]), 2, 2).tolist()
        [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    counts = torch.bincount(found * classes + y, minlength=categories * classes).view(categories, classes)
    stands = counts.argmax(1)
    rows, columns = (torch.from_numpy(i) for i in linear_sum_assignment(counts.cpu().numpy(), maximize=True))
    stands[rows] = columns.to(stands.device)
    return stands


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Fraction of the split whose category is the one matched to its class on training examples."""
    known = evenly_spaced(source, "train", MATCHED, device=model.device)
    x, y = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device)
    if known.y is None or y is None:
        raise ValueError(f"{source.name} has no labels; cluster-accuracy expects them. Choose data with labels.")
    with evaluating(model, evaluation.seed):
        guess = [_categories(model, some, evaluation.batch_size) for some in (known.x, x)]
        categories = require(model, Clusters).cluster(x[:1]).shape[1]
    stands = matching(guess[0], known.y, categories, source.spec.classes)
    used = torch.bincount(guess[1], minlength=categories)
    what = f"{categories} categories matched to classes on {len(known.x)} training examples"
    protocol = f"{what}; {describe(source, evaluation.split, len(x), evaluation.max_examples)}"
    return Result.of(share(stands[guess[1]] == y), protocol, {"matched": stands.tolist(), "used": used.tolist()})


def _categories(model: Generator, x: Tensor, batch_size: int) -> Tensor:
    return torch.cat([require(model, Clusters).cluster(some).argmax(1) for some in x.split(batch_size)])


CLUSTER_ACCURACY = Metric(
    "cluster-accuracy", "fraction of images in the category that stands for their class", "", "higher", Clusters,
    compute, labels=True,
)  # fmt: skip
