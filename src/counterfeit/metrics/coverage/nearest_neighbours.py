"""How far samples lie from the training data: near copies are memorized, and far ones are no digits.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), figure 2.
    A Non-Parametric Test to Detect Data-Copying in Generative Models, Meehan et al., 2020 (arXiv 2004.05675).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import Neighbours, mean, nearest
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced, halves
from counterfeit.data.source import Examples, Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result

__all__ = ["NEAREST", "copies", "nearest_examples", "references"]

QUERIES = 1_000  # samples at most whose neighbours are sought
CHUNK = 10_000  # training examples read at a time


def nearest_examples(x: Tensor, examples: Examples, k: int = 1, among: Tensor | None = None) -> Neighbours:
    """The `k` examples nearest to each of `x`, by Euclidean distance in pixels, read piece by piece.

    Arguments:
        x: (N, *shape) in the data's natural unit.
        examples: one split, positions in which the result's `indices` are.
        k: how many, nearest first.
        among: positions to search, rising, int64 (M,); all where None.
    """
    among = torch.arange(len(examples)) if among is None else among
    if not 1 <= k <= len(among):
        raise ValueError(f"k={k} came; between 1 and {len(among)} neighbours are expected. Ask for fewer.")
    x, found = x.flatten(1).float(), []
    for positions in among.split(CHUNK):
        some = examples[positions].x.to(x.device).flatten(1)
        near = nearest(x, some, min(k, len(some)))
        found.append(Neighbours(near.distances, positions.to(x.device)[near.indices]))
    distances, indices = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    order = distances.sort(dim=1, stable=True)
    return Neighbours(order.values[:, :k], indices.gather(1, order.indices[:, :k]))


def copies(distances: Tensor, dims: int) -> int:
    """How many of `distances` are below half a gray level of 255 in each of `dims` pixels (root mean square)."""
    return int((distances < 0.5 / 255 * math.sqrt(dims)).sum())


def references(source: Source, n: int, device: torch.device) -> dict[str, Estimate]:
    """The same distance for what is known to be new: one half of the training examples from the other, held-out data.

    Halves are random, for sources may alternate: MNIST's even and odd examples are of different writers.
    """
    train = source.split("train")
    held_out = {
        "held-out": mean(nearest_examples(evenly_spaced(source, "test", n, device=device).x, train).distances[:, 0])
    }
    if len(train) < 2:
        return held_out
    first, second = halves(len(train))
    x = evenly_spaced(source, "train", n, device=device, among=first).x
    return {"halves": mean(nearest_examples(x, train, among=second).distances[:, 0]), **held_out}


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean distance from samples to their nearest training example; reference rows come with the test split only."""
    n, train = min(evaluation.samples, QUERIES), source.split("train")
    samples = draw_samples(model, n, evaluation.seed, evaluation.batch_size)
    known: dict[str, Estimate] = {}
    with seeded(evaluation.seed):  # random transforms draw as examples are read
        distances = nearest_examples(samples, train).distances[:, 0]
        if evaluation.split == "test":
            known = references(source, n, samples.device)
    details = {"seed": evaluation.seed}
    if source.spec.bounded:
        details["copies"] = copies(distances, source.spec.dims)
    what = f"mean Euclidean distance from {n} samples, and evenly spaced references, to their nearest example"
    return Result.of(
        mean(distances), f"{what}; {describe(source, 'train', len(train))}", details,
        references=known
    )  # fmt: skip


NEAREST = Metric("nearest", "distance from samples to their nearest training example", "", None, Samples, compute)
