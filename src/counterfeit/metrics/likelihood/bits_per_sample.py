"""What a sample of sound costs, beside what simple densities ask for it."""

from __future__ import annotations

import dataclasses
import math

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Density, Generator
from counterfeit.data.selection import evenly_spaced, spaced
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.likelihood.bounds import log_likelihood
from counterfeit.metrics.likelihood.sound_baselines import LinearPrediction, NGram, fit_linear_predictions, fit_ngrams

__all__ = ["BITS_PER_SAMPLE"]

DEPTH = 15.0  # bits that a level of 16, which is 2^-15 wide, adds to those of a density
VALUES = 4_000_000  # of training clips at most that n-grams count
FITTED = 1_000_000  # that linear predictions are fitted to
NOTE = "n-grams and linear predictions are fitted to training clips, and their orders chosen on validation clips"


def bits_per_sample(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Mean exact log-likelihood in bits of a 16-bit sample."""
    exact = log_likelihood(model, source, evaluation)
    dims = source.raw.spec.dims
    clips = source.raw.split(evaluation.split)
    test = _in_turns(clips[spaced(exact.n, len(clips))].x)
    references = {one.name: _estimate(one.log_prob(test), dims) for one in _fitted(source.raw)}
    details = {"nats_per_sample": exact.value / dims, **exact.details}
    return dataclasses.replace(
        exact, value=in_bits(exact.value, dims), error=(exact.error or 0.0) / (dims * math.log(2)),
        protocol=exact.protocol.replace("; nats; ", "; bits of a 16-bit sample; "), details=details,
        references=references, note=NOTE,
    )  # fmt: skip


def in_bits(nats: float, dims: int) -> float:
    """A log-likelihood of `dims` samples in [-1, 1] in bits of each, where it is written with 16 bits.

    Example:
        >>> in_bits(100 * math.log(0.5), 100)  # an even density on [-1, 1]
        16.0
    """
    return DEPTH - nats / (dims * math.log(2))


def _estimate(nats: Tensor, dims: int) -> Estimate:
    value, error = mean_and_error(nats)
    return Estimate(in_bits(value, dims), None if error is None else error / (dims * math.log(2)))


def _fitted(source: Source) -> list[NGram | LinearPrediction]:
    """The best of each kind on the validation clips."""
    dims, valid = source.spec.dims, _in_turns(source.split("valid").first().x)
    some = lambda values: _in_turns(evenly_spaced(source, "train", max(2, values // dims)).x)  # noqa: E731
    grams = fit_ngrams(some(VALUES), valid)
    best = max(grams, key=lambda one: float(one.log_prob(valid).mean()))
    return [best, fit_linear_predictions(some(FITTED), valid)[-1]]


def _in_turns(x: Tensor) -> Tensor:
    """Clips with their channels taking turns, (N, D)."""
    return x.transpose(1, 2).flatten(1) if x.ndim == 3 else x.flatten(1)


BITS_PER_SAMPLE = Metric(
    "bits-per-sample", "exact log-likelihood of sound in bits of a 16-bit sample", "bits", "lower", Density,
    bits_per_sample, kind="exact", applies=lambda source: source.raw.rate is not None,
)  # fmt: skip
