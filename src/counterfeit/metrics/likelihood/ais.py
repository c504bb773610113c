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
from torch.nn.functional import softplus

from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Energy, Generator, require
from counterfeit.data.selection import describe, evenly_spaced, load
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.inference.scoring import in_bits
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.likelihood.annealing import LogZ, Path, annealed_importance, geometric, tuned
from counterfeit.metrics.likelihood.bounds import DISCRETE, on_levels
from counterfeit.metrics.likelihood.mcmc import HMC, DiscreteLangevin, LogDensity

__all__ = ["AIS", "base_rates", "binary", "rbm", "real"]

RUNS = 100
NOTE = "ln Z is too low on average and likelihoods too high: slower annealing lowers them"
FITTED = 50_000  # training examples at most that the base distribution is fitted to


def base_rates(x: Tensor) -> Tensor:
    """Logits of the mean of binary examples `x`, (N, D) -> (D,), as if each value had once more been 0 and once 1."""
    return ((x.sum(0) + 1) / (len(x) + 2)).logit()


def rbm(weight: Tensor, visible: Tensor, hidden: Tensor, base: Tensor | None = None) -> Path:
    """The path of a binary RBM, E(v, h) = -v·visible - h·hidden - v·weight·h, moved by block Gibbs sampling.

    Hidden units are summed out of the densities, and scaled by β with their biases and weights.

    Arguments:
        weight: (V, H).
        visible: biases, (V,).
        hidden: biases, (H,).
        base: biases of the distribution at β = 0, (V,), `base_rates` of the data at best; 0 where None.
    """
    base = torch.zeros_like(visible) if base is None else base.to(visible)
    shapes = tuple(weight.shape), tuple(visible.shape), tuple(hidden.shape), tuple(base.shape)
    if weight.ndim != 2 or shapes[1:] != ((len(weight),), (weight.shape[1],), (len(weight),)):
        raise ValueError(f"shapes {shapes} came; weight (V, H), visible (V,), hidden (H,) and base (V,) are expected.")
    weight, visible, hidden, base = (t.detach().float() for t in (weight, visible, hidden, base))
    both = torch.cat([weight, (visible - base)[:, None]], 1)  # one product for both that v enters
    back, shift, wide = weight.t().contiguous(), visible - base, hidden.double()

    def step(v: Tensor, before: float, after: float) -> tuple[Tensor, Tensor]:
        inputs = (v @ both).double()  # (R, H + 1)
        total = inputs[:, :-1] + wide
        change = (softplus(after * total) - softplus(before * total)).sum(1) + (after - before) * inputs[:, -1]
        mean_h = (after * total).float().sigmoid()
        h = torch.rand_like(mean_h).lt_(mean_h)
        mean_v = torch.addmm(base + after * shift, h, back, alpha=after).sigmoid_()
        return change, torch.rand_like(mean_v).lt_(mean_v)

    log_z = float(softplus(base.double()).sum()) + hidden.numel() * math.log(2)
    rates = base.sigmoid()
    return Path(lambda n: torch.rand(n, len(rates), device=rates.device).lt_(rates), log_z, step)


def binary(log_f: LogDensity, x: Tensor) -> Path:
    """The path from the base rates of binary examples `x`, (N, D), to the density exp(`log_f`) on {0, 1}^D."""
    return geometric(Independent(Bernoulli(logits=base_rates(x)), 1), log_f, DiscreteLangevin())


def real(log_f: LogDensity, x: Tensor) -> Path:
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


WAYS: Mapping[str, tuple[Callable[[LogDensity, Tensor], Path], str]] = {
    "binary": (binary, "discrete Langevin moves from base rates"),
    "real": (real, "Hamiltonian moves from a Gaussian"),
}


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
        how, moves = WAYS[source.spec.kind]
        path = how(log_f, train)
        log_z = annealed_importance(path, tuned(path, evaluation.annealing_steps, RUNS), RUNS)
        parts = x.split(evaluation.batch_size)
        log_det = [source.log_det(part.unflatten(1, shape)) for part in parts]
        value, error = mean_and_error(torch.cat([log_f(part) for part in parts]) + torch.cat(log_det))
    value -= log_z.value
    what = f"-energy - ln Z, annealed importance sampling of {evaluation.annealing_steps} steps, {RUNS} runs, {moves}"
    protocol = f"{what}; nats; {describe(source, evaluation.split, len(x), evaluation.max_examples)}"
    discrete = not source.spec.discrete and on_levels(x)
    details, bits = _details(log_z), in_bits(value, source)
    return Result(
        value, math.hypot(error or 0.0, log_z.error), len(x), protocol,
        details | {"seed": evaluation.seed} | ({} if bits is None else {"bits_per_dim": bits}),
        warnings=(*filter(None, [log_z.warning, DISCRETE if discrete else ""]),), note=NOTE
    )  # fmt: skip


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
