"""Whether a model knows data that are not its own: how well its scores tell them from held-out data.

References:
    Deep Structured Energy Based Models for Anomaly Detection, Zhai, Cheng, Lu & Zhang, 2016 (arXiv 1605.07717).
    Do Deep Generative Models Know What They Don't Know?, Nalisnick et al., 2019 (arXiv 1810.09136).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.common.seeding import mix
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Batch, Bounds, Density, Discriminates, Energy, Generator, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import SPLITS, Source
from counterfeit.inference.draws import evaluating
from counterfeit.inference.encoding import Reconstructs, reconstruct
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.representation.reconstruction import mean_squared_error
from counterfeit.metrics.stats.proportions import interval
from counterfeit.metrics.stats.rank_tests import average_precision, exceedance

__all__ = ["ANOMALY", "Detection", "Detects", "detect", "shuffled"]

QUERIES = 2_000  # examples, and anomalies, at most that are scored
FEW = 100  # of either, below which a warning is given

Score = Callable[[Generator, Batch], Tensor]  # (B,), the higher the stranger


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


def _log_prob(model: Generator, batch: Batch) -> Tensor:
    return -require(model, Density).log_prob(batch.x)


def _elbo(model: Generator, batch: Batch) -> Tensor:
    return -require(model, Bounds).elbo(batch.x)


def _energy(model: Generator, batch: Batch) -> Tensor:
    return require(model, Energy).energy(batch.x)


def _reconstruction(model: Generator, batch: Batch) -> Tensor:
    return mean_squared_error(batch.x, reconstruct(model, batch.x, len(batch.x)))


def _discriminator(model: Generator, batch: Batch) -> Tensor:
    return -require(model, Discriminates).discriminator_outputs(batch.x, batch.y if model.conditional else None)[:, 0]


# A density is what the question is about, a bound and an energy stand for one; an autoencoder may rebuild anything; a
# discriminator has only seen samples of its own generator
SCORES: Mapping[str, tuple[type, Score]] = {
    "log-density": (Density, _log_prob),
    "elbo": (Bounds, _elbo),
    "energy": (Energy, _energy),
    "reconstruction": (Reconstructs, _reconstruction),
    "discriminator": (Discriminates, _discriminator),
}


class Detects(ABC):  # noqa: B024
    """Gives examples a score of some kind: density, bound, energy, reconstruction or a discriminator's logit."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return any(issubclass(other, capability) for capability, _ in SCORES.values())


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
    for name, (capability, score) in SCORES.items():
        if isinstance(model, capability):
            with evaluating(model, seed):
                ours, theirs = (_scores(partial(score, model), batch, batch_size) for batch in (normal, strange))
            found[name] = Detection(*exceedance(theirs, ours), average_precision(theirs, ours))
    return found


def _scores(score: Callable[[Batch], Tensor], batch: Batch, batch_size: int) -> Tensor:
    positions = torch.arange(len(batch.x), device=batch.x.device).split(batch_size)
    parts = [score(Batch(batch.x[p], None if batch.y is None else batch.y[p])) for p in positions]
    return torch.cat(parts).cpu()


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
