"""Mixing: how many steps of a Markov chain one independent sample costs.

References:
    Monte Carlo Methods in Statistical Mechanics: Foundations and New Algorithms, Sokal, 1997, section 3.
    Better Mixing via Deep Representations, Bengio, Mesnil, Dauphin & Rifai, 2013 (arXiv 1207.4404).
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, MarkovChain, require
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.metrics.base import Answer, Metric, Result
from counterfeit.metrics.coverage.class_coverage import classify

__all__ = ["MIXING", "autocorrelation", "autocorrelation_time"]

CHAINS, STEPS = 50, 1_000
WINDOW = 5  # autocorrelation times after which the sum ends (Sokal)
THINNED = 10  # steps between states that are classified
COLUMNS = 4_096  # values at a time


def autocorrelation(x: Tensor) -> Tensor:
    """Autocorrelation at every lag of chains of several values, weighted by their variances.

    Arguments:
        x: (steps, chains, D); means are taken over steps and chains together.

    Returns:
        Of lags 0 to steps - 1, (steps,).
    """
    steps = len(x)
    x = (x - x.mean((0, 1))).flatten(1)
    total = x.new_zeros(steps)
    for part in x.split(COLUMNS, 1):
        spectrum = torch.fft.rfft(part, 2 * steps, dim=0)
        total += torch.fft.irfft(spectrum * spectrum.conj(), 2 * steps, dim=0)[:steps].sum(1)
    total = total / torch.arange(steps, 0, -1, device=x.device)
    return total / total[0].clamp(min=1e-12)


def autocorrelation_time(rho: Tensor) -> float:
    """1 + 2 Σ ρ(t) up to the first lag that is five such times long; the number of steps that one sample counts for.

    Arguments:
        rho: autocorrelation at lags from 0 on, (steps,).

    Example:
        >>> round(autocorrelation_time(0.5 ** torch.arange(100.0)), 2)
        3.0
    """
    times = 2 * rho.cumsum(0) - 1
    long = torch.arange(len(rho), device=rho.device) >= WINDOW * times
    return float(times[int(long.int().argmax()) if bool(long.any()) else -1].clamp(min=1.0))


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Autocorrelation time of the values, and steps from one class to another where the data have labels."""
    chain = require(model, MarkovChain)
    with evaluating(model, evaluation.seed):
        state, states = chain.move(chain.begin(CHAINS), chain.sampling_steps), []
        for _ in range(STEPS):
            state = chain.move(state, 1)
            states.append(chain.seen(state).flatten(1).cpu())
    x = torch.stack(states)
    what = f"{CHAINS} chains of {STEPS} steps, after {chain.sampling_steps} to begin with; {source.name}"
    rows: dict[str, Result | str] = {"autocorrelation-time": _time(x, what, evaluation)}
    if source.spec.classes > 1:
        rows["steps-to-another-class"] = _crossings(x[::THINNED], source, what)
    return rows


def _time(x: Tensor, what: str, evaluation: Evaluation) -> Result:
    value = autocorrelation_time(autocorrelation(x))
    halves = torch.tensor([autocorrelation_time(autocorrelation(half)) for half in x.split(CHAINS // 5, 1)])
    few = "chains are short for their autocorrelation, whose time is longer than it seems" if 50 * value > STEPS else ""
    protocol = f"integrated autocorrelation time of values, in steps; window {WINDOW}; {what}"
    return Result(
        value, mean_and_error(halves)[1], CHAINS, protocol, {"seed": evaluation.seed}, warnings=(few,) if few else ()
    )


def _crossings(x: Tensor, source: Source, what: str) -> Result:
    """Steps a chain spends in a class, which are at least as many as there were where no chain left its own."""
    found = classify(x.flatten(0, 1).view(-1, *source.spec.shape), source)[0].view(x.shape[:2])
    left = (found[1:] != found[:-1]).sum(0).float()
    total = THINNED * (len(x) - 1)
    mean, error = mean_and_error(left)
    value = total / max(mean, 1 / CHAINS)
    relative = (error or 0.0) / max(mean, 1 / CHAINS)
    none = "" if mean else "no chain left the class in which it began"
    protocol = f"steps between changes of class, by nearest neighbours in pixels, every {THINNED} steps; {what}"
    return Result(value, value * relative, CHAINS, protocol, warnings=(none,) if none else ())


MIXING = Metric(
    "mixing", "how many steps of its chain one independent sample costs", "steps", "lower", MarkovChain, compute,
    rows={"autocorrelation-time": "lower", "steps-to-another-class": "lower"},
)  # fmt: skip
