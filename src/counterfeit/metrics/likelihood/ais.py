"""The log-likelihood of data under an energy, whose normalizer annealed importance sampling estimates.

References:
    Annealed Importance Sampling, Neal, 2001 (arXiv physics/9803008).
    On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import AnnealingPath, Anneals, Energy, Generator, require
from counterfeit.data.selection import describe, evenly_spaced, load
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.inference.scoring import in_bits
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.likelihood.annealing import LogZ, annealed_importance, geometric, tuned
from counterfeit.metrics.likelihood.bounds import DISCRETE, on_levels
from counterfeit.metrics.likelihood.mcmc import HMC, DiscreteLangevin, LogDensity
from counterfeit.models.energy.shared.bipartite import base_rates

__all__ = ["AIS", "binary", "real"]

RUNS = 100
NOTE = "ln Z is too low on average and likelihoods too high: slower annealing lowers them"
FITTED = 50_000  # training examples at most that the base distribution is fitted to


def binary(log_f: LogDensity, x: Tensor) -> AnnealingPath:
    """The path from the base rates of binary examples `x`, (N, D), to the density exp(`log_f`) on {0, 1}^D."""
    return geometric(Independent(Bernoulli(logits=base_rates(x)), 1), log_f, DiscreteLangevin())


def real(log_f: LogDensity, x: Tensor) -> AnnealingPath:
    """The path from a Gaussian fitted to the examples `x`, (N, D), to the density exp(`log_f`) on R^D.

    Chains live where that Gaussian is standard, so one step size suits all directions.
    """
    loc, scale = x.mean(0), _cholesky(x)
    ladj = scale.diagonal().log().sum()
    standard = Independent(Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1)
    return geometric(standard, lambda z: log_f(loc + z @ scale.mT) + ladj, HMC())


def _cholesky(x: Tensor) -> Tensor:
    covariance = x.mT.cov(correction=0).reshape(x.shape[1], x.shape[1])
    ridge = 1e-4 * covariance.diagonal().mean() + 1e-12  # pixels that never change leave it singular
    return torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance), dtype=x.dtype, device=x.device))


WAYS: Mapping[str, tuple[Callable[[LogDensity, Tensor], AnnealingPath], str]] = {
    "binary": (binary, "discrete Langevin moves from base rates"),
    "real": (real, "Hamiltonian moves from a Gaussian"),
}


OWN = "Gibbs sampling from base rates"


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean of -energy - ln Z over the split, with ln Z estimated from the model's energy alone."""
    if source.spec.kind not in WAYS:
        raise ValueError(f"{source.name} holds images; `ais` expects binary or real values. Add binarize or logit.")
    shape, energy = source.spec.shape, require(model, Energy).energy

    def log_f(x: Tensor) -> Tensor:
        return -energy(x.unflatten(1, shape))

    train = load(source, "train", FITTED, device=model.device).x.flatten(1)
    x = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device).x.flatten(1)
    with evaluating(model, evaluation.seed):
        log_z, how = _normalizer(model, log_f, train, evaluation.annealing_steps)
        parts = x.split(evaluation.batch_size)
        log_det = [source.log_det(part.unflatten(1, shape)) for part in parts]
        value, error = mean_and_error(torch.cat([log_f(part) for part in parts]) + torch.cat(log_det))
    value -= log_z.value
    bound = "lower bound: " if isinstance(model, Anneals) and model.bounded else ""
    told = describe(source, evaluation.split, len(x), evaluation.max_examples)
    protocol = f"{bound}-energy - ln Z, {how}; nats; {told}"
    discrete = not source.spec.discrete and on_levels(x)
    details, bits = _details(log_z), in_bits(value, source)
    return Result(
        value, math.hypot(error or 0.0, log_z.error), len(x), protocol,
        details | {"seed": evaluation.seed} | ({} if bits is None else {"bits_per_dim": bits}),
        warnings=(*filter(None, [log_z.warning, DISCRETE if discrete else ""]),), note=NOTE if log_z.error else "",
    )  # fmt: skip


def _normalizer(model: Generator, log_f: LogDensity, x: Tensor, steps: int) -> tuple[LogZ, str]:
    """The normalizer's logarithm and how it was found: summed where the model can, else along a path of its own."""
    if isinstance(model, Anneals):
        if (exact := model.log_z()) is not None:
            value = float(exact)
            return LogZ(value, 0.0, value, value, RUNS, RUNS), "ln Z summed over all states"
        path, moves = model.annealing_path(x.unflatten(1, model.spec.shape)), OWN
    else:
        way, moves = WAYS[model.spec.kind]
        path = way(log_f, x)
    how = f"annealed importance sampling of {steps} steps, {RUNS} runs, {moves}"
    return annealed_importance(path, tuned(path, steps, RUNS), RUNS), how


def _details(log_z: LogZ) -> dict[str, Any]:
    low = log_z.low if math.isfinite(log_z.low) else None  # JSON knows no infinity
    return {
        "log_z": log_z.value, "log_z_error": log_z.error, "log_z_interval": [low, log_z.high],
        "effective_runs": log_z.effective,
    }  # fmt: skip


AIS = Metric(
    "ais", "log-likelihood by annealed importance sampling", "nats", "higher", Energy, compute,
    applies=lambda source: source.spec.kind in WAYS,  # nobody says whether an energy on pixels ends at 0 and 1
)  # fmt: skip
