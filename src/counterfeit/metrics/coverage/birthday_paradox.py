"""How many different things a model draws: the birthday paradox.

Among n draws from N equally likely things, about n² / 2N pairs are the same. What counts as the same is learnt from
real data: the distance below which real examples, as many, have ten pairs.

References:
    Do GANs Actually Learn the Distribution? An Empirical Study, Arora & Zhang, 2017 (arXiv 1706.08224).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import ROUNDED, SPARE, alike, centre, certain, squared_distances
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result

__all__ = ["SUPPORT", "Support", "closest_pairs", "support_size"]

QUERIES = 5_000  # samples at most that are paired
PAIRS = 10  # of real examples that count as duplicates: the distance of the farthest of them is the threshold
FINE = 1e3  # times what products lose: thresholds below are looked at in float64
SHOWN = 5  # closest pairs that are reported


class Support(NamedTuple):
    """An estimate of the number of different things.

    Arguments:
        size: pairs over duplicates; 1/3 of the pairs, a lower bound at 95 %, where there are no duplicates.
        error: its standard error; None for the lower bound.
        duplicates: pairs within the threshold.
    """

    size: float
    error: float | None
    duplicates: int


def closest_pairs(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` pairs of rows of `x`, (N, D), that are closest: distances, (k,), and rows, int64 (k, 2).

    Example:
        >>> closest_pairs(torch.tensor([[0.0], [5.0], [6.0]]), 1)
        (tensor([1.]), tensor([[1, 2]]))
    """
    n, total = len(x), len(x) * (len(x) - 1) // 2
    if not 1 <= k <= total:
        raise ValueError(f"k={k} came; between 1 and {total} pairs are expected of {n} points. Ask for fewer.")
    x, _ = alike(x, x)
    near, pairs = _candidates(x, min(k + SPARE, total))
    distances, order = (x[pairs[:, 0]] - x[pairs[:, 1]]).norm(dim=1).sort()  # by differences: a copy lies at 0
    norms = (x - centre(x)).square().sum(1).max()
    if x.dtype == torch.float64 or certain(distances[k - 1].square(), near, norms, k + SPARE >= total):
        return distances[:k], pairs[order[:k]]
    distances, pairs = closest_pairs(x.double(), k)
    return distances.to(x.dtype), pairs


def _candidates(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` closest pairs as products say: the squared distance of the last, and their rows, int64 (k, 2)."""
    n, near = len(x), x.new_full((k,), math.inf)
    pairs, start = torch.zeros(k, 2, dtype=torch.int64, device=x.device), 0
    for tile in squared_distances(x, x):
        rows, start = torch.arange(start, start + len(tile), device=x.device), start + len(tile)
        tile.masked_fill_(torch.arange(n, device=x.device) <= rows[:, None], math.inf)  # each pair once
        some = tile.flatten().topk(min(k, tile.numel()), largest=False)
        found = torch.stack([rows[some.indices // n], some.indices % n], 1)
        near, order = torch.cat([near, some.values]).topk(k, largest=False)
        pairs = torch.cat([pairs, found])[order]
    return near.max(), pairs


def support_size(x: Tensor, threshold: float) -> Support:
    """How many different things the rows of `x`, (N, D), were drawn from, if those within `threshold` are one.

    Copies are one at any threshold. The number of duplicates varies as a Poisson variable does, and more where some
    things are drawn more often.
    """
    n = len(x)
    if n < 2:
        raise ValueError(f"{n} samples came; two at least are expected. Draw more.")
    x, _ = alike(x, x)
    norms = float((x - centre(x)).square().sum(1).max())
    x = x if threshold**2 > FINE * ROUNDED[x.dtype] * norms else x.double()
    within = threshold**2 + ROUNDED[x.dtype] * norms  # what products lose of the distance of copies
    same = torch.cat([(tile <= within).sum(1) for tile in squared_distances(x, x)]).double().cpu() - 1
    same = same.clamp(min=0)  # of each, without itself
    duplicates, pairs = float(same.sum()) / 2, n * (n - 1) / 2
    if not duplicates:
        return Support(pairs / 3, None, 0)
    uneven = max(0.0, float(same.var() - same.mean()))
    relative = math.sqrt(duplicates + n * uneven) / duplicates
    return Support(pairs / duplicates, pairs / duplicates * relative, round(duplicates))


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Support size of the model's samples; beside it that of held-out data by the same threshold, and closest pairs."""
    train = evenly_spaced(source, "train", min(evaluation.samples, QUERIES)).x.flatten(1)
    samples = draw_samples(model, len(train), evaluation.seed, evaluation.batch_size).flatten(1).float()
    if len(train) < 2:
        raise ValueError(f"{len(train)} samples came; two at least are expected, better thousands. Draw more.")
    total = len(train) * (len(train) - 1) // 2
    distances, _ = closest_pairs(train, min(PAIRS, total))
    threshold = float(distances[-1]) * (1 + 1e-6)
    found, held_out = support_size(samples, threshold), evenly_spaced(source, evaluation.split, len(train)).x.flatten(1)
    near, pairs = closest_pairs(samples, min(SHOWN, total))
    details = {
        "duplicates": found.duplicates,
        "threshold": threshold,
        "closest": [[*rows, distance] for rows, distance in zip(pairs.tolist(), near.tolist(), strict=True)],
        "seed": evaluation.seed,
    }
    real = support_size(held_out, threshold)
    bound = "no duplicates among the samples: the value is a lower bound at 95 %"
    what = f"pairs of {len(samples)} samples over those closer than the {PAIRS} closest pairs of as many of train"
    return Result(
        found.size, found.error, len(samples), f"{what}; {describe(source, 'train', len(train))}", details,
        references={"real": Estimate(real.size, real.error, len(held_out))},
        warnings=(bound,) if found.error is None else ()
    )  # fmt: skip


SUPPORT = Metric(
    "support-size", "number of different samples by the birthday paradox", "", "higher", Samples, compute,
    applies=lambda source: source.spec.bounded,
)  # fmt: skip
