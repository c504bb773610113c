"""Whether a model knows data that are not its own: how well its scores tell them from held-out data.

References:
    Deep Structured Energy Based Models for Anomaly Detection, Zhai, Cheng, Lu & Zhang, 2016 (arXiv 1605.07717).
    Do Deep Generative Models Know What They Don't Know?, Nalisnick et al., 2019 (arXiv 1810.09136).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.common.seeding import mix
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Batch, Generator
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import SPLITS, Source
from counterfeit.inference.scoring import Detects, anomaly_scores, scores_of
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.stats.proportions import interval
from counterfeit.metrics.stats.rank_tests import average_precision, exceedance

__all__ = ["ANOMALY", "Detection", "detect", "shuffled"]

QUERIES = 2_000  # examples, and anomalies, at most that are scored
FEW = 100  # of either, below which a warning is given


class Detection(NamedTuple):
    """How well scores tell anomalies from normal examples.

    Arguments:
        auroc: how often an anomaly scores higher than a normal example: 1/2 by chance.
        error: its standard error, of the draw of examples; None where there is one of either alone.
        aupr: area under precision and recall, anomalies being what is sought.
    """

    auroc: float
    error: float | None
    aupr: float


def shuffled(x: Tensor, seed: int = 0) -> Tensor:
    """Examples like `x`, (N, *shape), in each value alone but in no two: every position is shuffled by itself."""
    flat = x.flatten(1)
    generator = torch.Generator().manual_seed(mix(seed, len(SPLITS)))  # mixed: data may be made from a plain seed
    order = torch.rand(flat.shape, generator=generator).argsort(0).to(x.device)
    return flat.gather(0, order).view_as(x)


def detect(
    model: Generator, normal: Batch, strange: Batch, batch_size: int = 1_000, seed: int = 0
) -> dict[str, Detection]:
    """How well each score that the model has tells `strange` examples from `normal` ones, the best justified first.

    Arguments:
        model: one that `Detects`.
        normal: held-out data, (N, *shape).
        strange: anomalies of the same shape and range, (M, *shape): another data set, or classes that were held out.
        batch_size: examples handed to the model at once.
        seed: of whatever the scores draw.
    """
    found = {}
    for name in scores_of(model):
        ours, theirs = (anomaly_scores(model, batch, name, batch_size, seed) for batch in (normal, strange))
        found[name] = Detection(*exceedance(theirs, ours), average_precision(theirs, ours))
    return found


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """How well the best justified score tells held-out data from anomalies; beside it every other score."""
    normal = evenly_spaced(
        source, evaluation.split, min(QUERIES, evaluation.max_examples or QUERIES), device=model.device
    )
    x, whence = _anomalies(normal.x, source, evaluation)
    strange = Batch(x, None if normal.y is None else normal.y[torch.arange(len(x)) % len(normal.y)])
    found = detect(model, normal, strange, evaluation.batch_size, evaluation.seed)
    if not found:
        raise ValueError(f"{type(model).__name__} scores no examples; a density, bound or energy is expected.")
    name, best = next(iter(found.items()))
    details: dict[str, Any] = {"aupr": best.aupr, "scores": {k: d._asdict() for k, d in found.items()}}
    details |= {"seed": evaluation.seed}
    n = len(normal.x)
    few, (low, high) = min(n, len(x)), interval(best.auroc, min(n, len(x)), best.error)
    warnings = (f"{len(x)} anomalies and {n} examples are few; take more",) if few < FEW else ()
    what = f"AUROC by {name} of {whence} against"
    return Result(
        best.auroc, best.error, n, f"{what} {describe(source, evaluation.split, n)}", details, low=low, high=high,
        warnings=warnings
    )  # fmt: skip


def _anomalies(x: Tensor, source: Source, evaluation: Evaluation) -> tuple[Tensor, str]:
    """Anomalies, (M, *shape), and where they are from, in words."""
    if evaluation.anomaly_data is None:
        return shuffled(x, evaluation.seed), "as many examples, every value shuffled by itself,"
    shape = source.raw.spec.shape
    other = source.alike(catalogue.source(Data(evaluation.anomaly_data, shape[-1] if len(shape) == 3 else None)))
    strange = evenly_spaced(
        other, evaluation.split, min(QUERIES, evaluation.max_examples or QUERIES), device=x.device
    ).x
    source.spec.check(strange, f"{source.name}, as whose anomalies {evaluation.anomaly_data} came,", values=False)
    return strange, f"{describe(other, evaluation.split, len(strange))}"


ANOMALY = Metric(
    "anomaly", "how well strange examples are told from data (AUROC)", "", "higher", Detects, compute,
    applies=lambda source: source.spec.dims > 1,
)  # fmt: skip
