"""Log-likelihoods of explicit models, exact or bounded from below, in nats of the data as given.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Bounds, Density, Generator, GivenDensity, Kind, require
from counterfeit.data.selection import describe, spaced, to_device
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.inference.scoring import in_bits
from counterfeit.metrics.base import Metric, Result
from counterfeit.models.autoregressive.shared.recurrent import alive

__all__ = [
    "BITS_PER_DIM", "CONDITIONAL_LOG_LIKELIHOOD", "DISCRETE", "ELBO", "IWAE", "LOG_LIKELIHOOD", "NATS_PER_TOKEN",
    "averaged", "importance_weighted", "on_levels",
]  # fmt: skip

ANY = get_args(Kind)  # of data
VALUES = 2**20  # of decoder output at a time: 4 MB, since what leaves the cache is slower
DISCRETE = "values repeat, and a density may be as high as it likes there: add dequantize to data.transforms"
SMALLEST = 64  # examples at a time, however many importance samples each has


def importance_weighted(model: Bounds, x: Tensor, k: int, rows: int) -> Tensor:
    """The importance-weighted bound with `k` samples, `rows` of the decoder at a time at most: nats, (B,).

    Bounds with k₁ and k₂ samples combine to the one with k₁ + k₂, since each is the logarithm of a mean weight (eq. 8).
    """
    step = max(1, rows // len(x))
    sizes = [min(step, k - start) for start in range(0, k, step)]
    log_w = torch.stack([model.iwae(x, size) + math.log(size) for size in sizes])
    return log_w.logsumexp(0) - math.log(k)


def elbo(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean evidence lower bound, one posterior sample an example."""
    bound = require(model, Bounds).elbo
    of, what = lambda batch: bound(batch.x), "evidence lower bound, 1 posterior sample"
    return averaged(model, source, evaluation, of, evaluation.batch_size, what)


def iwae(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean importance-weighted bound with `evaluation.importance_samples` samples an example."""
    tokens = len(source.spec.vocabulary) + 1 if source.spec.kind == "tokens" else 1
    k, rows = evaluation.importance_samples, max(SMALLEST, VALUES // (source.spec.dims * tokens))
    if k < 1:
        raise ValueError(f"importance={k} came; at least one importance sample is expected. The usual number is 200.")
    batch_size = min(evaluation.batch_size, max(SMALLEST, rows // k))

    def bound(batch: Batch) -> Tensor:
        return importance_weighted(require(model, Bounds), batch.x, k, rows)

    return averaged(model, source, evaluation, bound, batch_size, f"importance-weighted bound, k={k} posterior samples")


def log_likelihood(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean exact log-likelihood."""
    log_prob = require(model, Density).log_prob
    of = lambda batch: log_prob(batch.x)  # noqa: E731
    return averaged(model, source, evaluation, of, evaluation.batch_size, "exact log-likelihood")


def conditional_log_likelihood(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean exact log-likelihood given the label, or the second series, of each example."""
    log_prob, spec = require(model, GivenDensity).log_prob_given, source.spec
    if not (spec.classes or spec.series):
        raise ValueError(f"{source.name} has neither labels nor series; some are expected. Take `log-likelihood`.")
    of = lambda batch: log_prob(batch.x, batch.labels)  # noqa: E731
    what = f"exact log-likelihood given {'the series' if spec.series else 'the label'}"
    found = averaged(model, source, evaluation, of, evaluation.batch_size, what)
    return dataclasses.replace(found, references={})  # a truth would be of examples alone


def averaged(
    model: Generator,
    source: Source,
    evaluation: Evaluation,
    score: Callable[[Batch], Tensor],
    batch_size: int,
    what: str,
) -> Result:
    """The mean of a log-likelihood, carried back through the transforms of the data, over a split.

    Arguments:
        model: whose it is.
        source: the data.
        evaluation: which split, and how many examples of it.
        score: examples as the model sees them, (B, *shape) -> log-likelihoods in nats, (B,).
        batch_size: examples handed over at once.
        what: how the protocol calls it.
    """
    examples = source.split(evaluation.split)
    n = min(evaluation.max_examples or len(examples), len(examples))
    with evaluating(model, evaluation.seed):
        batches = spaced(n, len(examples)).split(batch_size)
        discrete = not (model.levels or source.spec.discrete) and on_levels(examples[batches[0]].x)
        drawn = (to_device(examples[index], model.device) for index in batches)
        values = torch.cat([score(batch) + source.log_det(batch.x) for batch in drawn])
    value, error = mean_and_error(values)
    details: dict[str, Any] = {"seed": evaluation.seed}
    if (bits := in_bits(value, source)) is not None:
        details["bits_per_dim"] = bits
    if source.spec.kind == "tokens":
        tokens = sum(int(alive(examples[index].x).sum()) for index in batches)
        details |= {"nats_per_token": -value * n / tokens, "tokens": tokens}
    protocol = f"{what}; nats; {describe(source, evaluation.split, n, evaluation.max_examples)}"
    return Result(
        value, error, n, protocol, details, references=_truth(source.raw, evaluation.split, batches),
        warnings=(DISCRETE,) if discrete else (),
    )  # fmt: skip


def _truth(source: Source, split: str, batches: Sequence[Tensor]) -> Mapping[str, Estimate]:
    """The log-likelihood of the same examples by the density that they are drawn from, where that is known."""
    if not isinstance(source, Density):
        return {}
    examples = source.split(split)
    values = torch.cat([source.log_prob(examples[index].x) for index in batches])
    return {"truth": Estimate(*mean_and_error(values), len(values))}


def nats_per_token(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean negative log-likelihood of a token, by the exact one or the importance-weighted bound."""
    found = log_likelihood(model, source, evaluation) if isinstance(model, Density) else iwae(model, source, evaluation)
    value, scale = found.details["nats_per_token"], found.details["nats_per_token"] / -found.value
    details = {"nats": found.value, "tokens": found.details["tokens"]}
    theirs = found.references.items()
    truth = {name: Estimate(-scale * one.value, scale * (one.error or 0), one.n) for name, one in theirs}
    protocol = found.protocol.replace("; nats; ", "; nats of each token, the end of a text among them; ")
    return dataclasses.replace(
        found, value=value, error=None if found.error is None else found.error * scale, protocol=protocol,
        details=details, references=truth,
    )  # fmt: skip


class _Likely(ABC):  # noqa: B024
    """Has a log-likelihood, or a bound of it."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return issubclass(other, Density) or issubclass(other, Bounds)


def on_levels(x: Tensor) -> bool:
    """Whether most values in `x`, (N, *shape), or in one place of it, are there twice: continuous ones hardly ever are.

    Example:
        >>> on_levels(torch.rand(100, 4)), on_levels((255 * torch.rand(1_000, 4)).round())
        (False, True)
    """
    if len(x) < 2 or len(x.unique()) < x.numel() / 2:
        return len(x) > 1
    ordered = x.flatten(1).sort(0).values
    return bool((ordered.diff(dim=0) == 0).double().mean(0).max() > 0.5)


def in_bits_per_dim(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean exact log-likelihood in bits per dimension."""
    exact = log_likelihood(model, source, evaluation)
    bits = in_bits(exact.value, source)
    if bits is None or exact.error is None:
        raise ValueError(f"{source.name} holds real values; bits per dimension expect images. Take `log-likelihood`.")
    error = exact.error / (source.raw.spec.dims * math.log(2))
    details = {"nats": exact.value} | {k: v for k, v in exact.details.items() if k != "bits_per_dim"}
    protocol = exact.protocol.replace("; nats; ", "; bits per dimension; ")
    return dataclasses.replace(exact, value=bits, error=error, protocol=protocol, details=details)


ELBO = Metric(
    "elbo", "evidence lower bound of the log-likelihood", "nats", "higher", Bounds, elbo, kind="bound", kinds=ANY
)
IWAE = Metric(
    "iwae", "importance-weighted lower bound of the log-likelihood", "nats", "higher", Bounds, iwae, kind="bound",
    kinds=ANY,
)  # fmt: skip
LOG_LIKELIHOOD = Metric(
    "log-likelihood", "exact log-likelihood", "nats", "higher", Density, log_likelihood, kind="exact", kinds=ANY
)
CONDITIONAL_LOG_LIKELIHOOD = Metric(
    "conditional-log-likelihood", "exact log-likelihood given the label or series of each example", "nats", "higher",
    GivenDensity, conditional_log_likelihood, kind="exact", kinds=ANY, suits=lambda model: model.conditional,
)  # fmt: skip
BITS_PER_DIM = Metric(
    "bits-per-dim", "exact log-likelihood in bits per dimension", "bits", "lower", Density, in_bits_per_dim,
    kind="exact", applies=lambda source: source.raw.spec.bounded,
)  # fmt: skip
NATS_PER_TOKEN = Metric(
    "nats-per-token", "negative log-likelihood of a token of a text, or its upper bound", "nats", "lower", _Likely,
    nats_per_token, kind="exact", kinds=("tokens",),
)  # fmt: skip
