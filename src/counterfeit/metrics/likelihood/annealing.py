"""Annealed importance sampling: the normalizer of an energy, and with it the log-likelihood of data.

Chains start from a distribution that is known, and follow a path of densities to the one whose normalizer is sought;
what the density changes by at each step, where the chain stands, multiplies into its weight. The mean weight estimates
the ratio of normalizers, without bias where moves are fixed beforehand, and nearly so where kernels adapt their step to
all chains together. Its logarithm is too low on average, so likelihoods come out too high.

References:
    Annealed Importance Sampling, Neal, 2001 (arXiv physics/9803008).
    On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from counterfeit.common.numerics import logmeanexp, mean_and_error
from counterfeit.core import AnnealingPath
from counterfeit.metrics.likelihood.mcmc import Kernel, LogDensity

__all__ = ["LogZ", "annealed_importance", "geometric", "schedule", "tuned"]

STAGES = ((0.5, 500), (0.9, 4_000), (1.0, 10_000))  # to which β in how many steps: Salakhutdinov & Murray
PARTS = 20  # of the path, between which the steps are shared out
PILOT = 8  # times fewer steps in the pass that decides how
FEW = 0.1  # of the runs: with a lower effective number, the estimate is not to be trusted


class LogZ(NamedTuple):
    """An estimate of ln Z.

    Arguments:
        value: logarithm of the mean weight, nats.
        error: its standard error.
        low: logarithm of (Ẑ - 3σ̂), which is -inf where σ̂ is that large.
        high: logarithm of (Ẑ + 3σ̂).
        effective: effective number of runs, (Σw)² / Σw².
        runs: how many there were.
    """

    value: float
    error: float
    low: float
    high: float
    effective: float
    runs: int

    @property
    def warning(self) -> str | None:
        """What is wrong with the estimate, if anything."""
        if self.effective >= FEW * self.runs:
            return None
        return f"effective number of runs {self.effective:.1f} of {self.runs}: ln Z is not to be trusted; anneal slower"


def schedule(steps: int = 14_500) -> Tensor:
    """`steps` + 1 values of β from 0 to 1, ever closer: float64, as Salakhutdinov & Murray's where there are 14,500.

    Example:
        >>> schedule(29)[[0, 1, 9, 29]]
        tensor([0.0000, 0.5000, 0.9000, 1.0000], dtype=torch.float64)
    """
    if steps < 1:
        raise ValueError(f"steps={steps} came; at least one step of annealing is expected. 14,500 are usual.")
    start, ends = 0.0, [torch.zeros(1, dtype=torch.float64)]
    total, done = sum(count for _, count in STAGES), 0
    for end, count in STAGES:
        share = round(steps * (done + count) / total) - round(steps * done / total)
        ends.append(torch.linspace(start, end, share + 1, dtype=torch.float64)[1:])
        start, done = (end if share else start), done + count
    return torch.cat(ends)


def annealed_importance(path: AnnealingPath, betas: Sequence[float] | Tensor, runs: int = 100) -> LogZ:
    """Estimate ln Z at the end of `path`.

    Arguments:
        path: where chains start and how they move.
        betas: from 0 to 1, rising.
        runs: chains, at least 2.
    """
    betas = torch.as_tensor(betas, dtype=torch.float64).tolist()
    if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or betas != sorted(betas) or runs < 2:
        raise ValueError(f"{len(betas)} betas and runs={runs} came; betas rising from 0 to 1 and 2 runs are expected.")
    x = path.sample(runs)
    log_w = torch.zeros(runs, dtype=torch.float64)
    for before, after in pairwise(betas):
        change, x = path.step(x, before, after)
        log_w += change.cpu()  # float64: many small steps
    return _log_z(path.log_z, log_w)


def tuned(path: AnnealingPath, steps: int, runs: int = 100) -> Tensor:
    """`steps` + 1 values of β from 0 to 1, closer where a quick uniform pass sees the weights scatter: float64.

    Steps in a part of the path scatter its log-weights by V / steps, so that √V is the share each part should have.
    """
    quick = torch.linspace(0, 1, max(PARTS, steps // PILOT) + 1, dtype=torch.float64)
    x, changes = path.sample(runs), torch.zeros(PARTS, runs, dtype=torch.float64)
    for before, after in pairwise(quick.tolist()):
        change, x = path.step(x, before, after)
        changes[min(int(before * PARTS), PARTS - 1)] += change.cpu()
    _check(changes)
    scatter = changes.std(1) + 1e-3 * changes.std(1).max() + 1e-12
    edges = torch.cat([scatter.new_zeros(1), scatter.cumsum(0) / scatter.sum()])  # share of the steps by each edge
    at = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    part = (torch.searchsorted(edges, at) - 1).clamp(0, PARTS - 1)
    betas = (part + (at - edges[part]) / (edges[part + 1] - edges[part])) / PARTS
    betas[0], betas[-1] = 0.0, 1.0
    return betas


def _check(log_w: Tensor) -> None:
    if not bool(torch.isfinite(log_w).all()):
        raise ValueError("some weights are not finite; finite energies are expected. Evaluate an earlier checkpoint.")


def _log_z(base: float, log_w: Tensor) -> LogZ:
    _check(log_w)
    value = float(logmeanexp(log_w))
    mean, error = mean_and_error((log_w - value).exp())
    relative = (error or 0.0) / mean
    effective = float((2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp())
    low = math.log1p(-3 * relative) if 3 * relative < 1 else -math.inf
    value += base
    return LogZ(value, relative, value + low, value + math.log1p(3 * relative), effective, len(log_w))


def geometric(base: Distribution, log_f: LogDensity, kernel: Kernel) -> AnnealingPath:
    """The path f_β = base^(1-β) f^β.

    Arguments:
        base: over events (D,).
        log_f: logarithm of the density whose normalizer is sought, (R, D) -> (R,).
        kernel: the moves; HMC on R^D, DiscreteLangevin on {0, 1}^D.
    """

    def step(x: Tensor, before: float, after: float) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            change = (after - before) * (log_f(x) - base.log_prob(x))
        return change, kernel(x, lambda x: (1 - after) * base.log_prob(x) + after * log_f(x))

    return AnnealingPath(lambda n: base.sample((n,)), 0.0, step)
