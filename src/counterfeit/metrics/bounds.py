"""Log-likelihoods of explicit models, exact or bounded from below, in nats of the data as given.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from counterfeit.core import Bounds, Density, Model
from counterfeit.data.source import Source
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.sampling import describe, evaluating
from counterfeit.metrics.statistics import bits_per_dim, mean_and_error

__all__ = ["ELBO", "IWAE", "LOG_LIKELIHOOD", "importance_weighted"]

VALUES = 2**20  # of decoder output at a time: 4 MB, since what leaves the cache is slower
SMALLEST = 64  # examples at a time, however many importance samples each has


def importance_weighted(model: Bounds, x: Tensor, k: int, rows: int) -> Tensor:
    """The importance-weighted bound with `k` samples, `rows` of the decoder at a time at most: nats, (B,).

    Bounds with k₁ and k₂ samples combine to the one with k₁ + k₂, since each is the logarithm of a mean weight (eq. 8).
    """
    step = max(1, rows // len(x))
    sizes = [min(step, k - start) for start in range(0, k, step)]
    log_w = torch.stack([model.iwae(x, size) + math.log(size) for size in sizes])
    return log_w.logsumexp(0) - math.log(k)


def elbo(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Mean evidence lower bound, one posterior sample an example."""
    bound = cast(Bounds, model).elbo
    return _average(model, source, evaluation, bound, evaluation.batch_size, "evidence lower bound, 1 posterior sample")


def iwae(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Mean importance-weighted bound with `evaluation.importance` samples an example."""
    k, rows = evaluation.importance, max(SMALLEST, VALUES // source.spec.dims)
    if k < 1:
        raise ValueError(f"importance={k} came; at least one importance sample is expected. The usual number is 200.")
    batch_size = min(evaluation.batch_size, max(SMALLEST, rows // k))

    def bound(x: Tensor) -> Tensor:
        return importance_weighted(cast(Bounds, model), x, k, rows)

    return _average(model, source, evaluation, bound, batch_size, f"importance-weighted bound, k={k} posterior samples")


def log_likelihood(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Mean exact log-likelihood."""
    log_prob = cast(Density, model).log_prob
    return _average(model, source, evaluation, log_prob, evaluation.batch_size, "exact log-likelihood")


def _average(
    model: Model, source: Source, evaluation: Evaluation, score: Callable[[Tensor], Tensor], batch_size: int, what: str
) -> Result:
    examples = source.split(evaluation.split)
    n = min(evaluation.limit or len(examples), len(examples))
    with evaluating(model, evaluation.seed):
        batches = torch.arange(n).split(batch_size)
        values = torch.cat([score(examples[index].x.to(model.device)) for index in batches])
    value, error = mean_and_error(values)
    details: dict[str, float] = {"seed": evaluation.seed}
    if source.spec.bounded:
        offset = 8.0 if source.spec.kind == "image" else 0.0  # a density on [0, 1] of 8-bit values
        details["bits_per_dim"] = bits_per_dim(value, source.spec.dims, offset)
    return Result(value, error, n, f"{what}; nats; {describe(source, evaluation.split, n)}", details)


ELBO = Metric("elbo", "evidence lower bound of the log-likelihood", "nats", "higher", Bounds, elbo)
IWAE = Metric("iwae", "importance-weighted lower bound of the log-likelihood", "nats", "higher", Bounds, iwae)
LOG_LIKELIHOOD = Metric("log-likelihood", "exact log-likelihood", "nats", "higher", Density, log_likelihood)
