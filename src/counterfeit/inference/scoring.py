"""How usual or strange examples are to a model: densities, bounds, energies and what stands in for them.

References:
    Deep Structured Energy Based Models for Anomaly Detection, Zhai, Cheng, Lu & Zhang, 2016 (arXiv 1605.07717).
    Testing for Outliers with Conformal p-values, Bates, Candès, Lei, Romano & Sesia, 2023 (arXiv 2104.08279).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from counterfeit.common.numerics import bits_per_dim, mean_squared_error
from counterfeit.core import Batch, Bounds, Density, Discriminates, Energy, Generator, require
from counterfeit.data.source import Source
from counterfeit.inference.draws import BATCH, evaluating
from counterfeit.inference.encoding import Reconstructs

__all__ = ["SCORES", "Detects", "Scored", "anomaly_scores", "in_bits", "p_values", "score", "scores_of"]

N = TypeVar("N", float, Tensor)

Score = Callable[[Generator, Batch], Tensor]  # (B,), the higher the stranger


def _log_prob(model: Generator, batch: Batch) -> Tensor:
    return -require(model, Density).log_prob(batch.x)


def _elbo(model: Generator, batch: Batch) -> Tensor:
    return -require(model, Bounds).elbo(batch.x)


def _energy(model: Generator, batch: Batch) -> Tensor:
    return require(model, Energy).energy(batch.x)


def _reconstruction(model: Generator, batch: Batch) -> Tensor:
    both = require(model, Reconstructs)
    return mean_squared_error(batch.x, both.decode(both.encode(batch.x)))


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
IN_NATS = ("log-density", "elbo")  # those that are log-likelihoods, or bound them


class Detects(ABC):  # noqa: B024
    """Gives examples a score of some kind: density, bound, energy, reconstruction or a discriminator's logit."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return any(issubclass(other, capability) for capability, _ in SCORES.values())


class Scored(NamedTuple):
    """What a model says of each of N examples, on the CPU.

    Arguments:
        by: which score it is: a key of `SCORES`.
        anomaly: the higher, the stranger, (N,): the negative log-likelihood in nats of the data as given, or its bound;
            an energy in nats; a mean squared error; or the negative logit of being data.
        nats: the log-likelihood, or its lower bound, of the data as given, (N,); None of other scores.
        bits: the same in bits per dimension, (N,); None where values are unbounded.
    """

    by: str
    anomaly: Tensor
    nats: Tensor | None = None
    bits: Tensor | None = None


def scores_of(model: Generator, labelled: bool = True) -> list[str]:
    """Names of the scores that the model has, the best justified first; a score that asks for labels if `labelled`."""
    asks = model.conditional and not labelled
    return [
        name for name, (capability, _) in SCORES.items()
        if isinstance(model, capability) and not (asks and name == "discriminator")
    ]  # fmt: skip


def anomaly_scores(
    model: Generator, batch: Batch, by: str, batch_size: int = BATCH, seed: int = 0
) -> Tensor:  # fmt: skip
    """A score of each example, the higher the stranger: (N,) on the CPU.

    Arguments:
        model: one that has the score.
        batch: examples as the model sees them, (N, *shape).
        by: a key of `SCORES`.
        batch_size: examples handed to the model at once.
        seed: of whatever the score draws.
    """
    rate = SCORES[by][1]
    x, y, to = batch.x.split(batch_size), None if batch.y is None else batch.y.split(batch_size), model.device
    with evaluating(model, seed):
        parts = [rate(model, Batch(some.to(to), None if y is None else y[i].to(to))) for i, some in enumerate(x)]
    return torch.cat(parts).cpu()


def score(
    model: Generator, source: Source, batch: Batch, by: str | None = None, batch_size: int = BATCH, seed: int = 0
) -> Scored:
    """How usual each example is to the model, in nats of the data as given where the score is a likelihood.

    Arguments:
        model: one that `Detects`.
        source: what it was trained on, through whose transforms densities are carried back.
        batch: examples as the model sees them, (N, *shape).
        by: a key of `SCORES`; the best justified that the model has where None.
        batch_size: examples handed to the model at once.
        seed: of whatever the score draws.

    Raises:
        ValueError: the model has no such score, or it is not a number of some example.
    """
    known = scores_of(model, batch.y is not None)
    if not known:
        raise ValueError(f"{type(model).__name__} came; a model with a density, bound, energy, codes that decode, or a "
                         "discriminator that asks for no labels is expected. Choose another.")  # fmt: skip
    if by is not None and by not in known:
        raise ValueError(f"score {by!r} came; {type(model).__name__} has {', '.join(known)}. Choose one of these.")
    by = by or known[0]
    found = anomaly_scores(model, batch, by, batch_size, seed).double()
    if bool(found.isnan().any()):
        first = int(found.isnan().nonzero()[0])
        raise ValueError(f"the {by} of example {first} is not a number; numbers are expected. Look at the example.")
    if by not in IN_NATS:
        return Scored(by, found)
    nats = source.log_det(batch.x).cpu().double() - found
    return Scored(by, -nats, nats, in_bits(nats, source))


def p_values(found: Tensor, held_out: Tensor) -> Tensor:
    """How rare scores as high as each of `found`, (N,), are among held-out data, (M,): conformal p-values, (N,).

    If an example is drawn as the held-out data are, its p-value is at most α with probability at most α (eq. 3).

    Example:
        >>> p_values(torch.tensor([5.0, 1.0]), torch.tensor([1.0, 2.0, 3.0]))
        tensor([0.2500, 1.0000])
    """
    below = torch.searchsorted(held_out.sort().values, found.contiguous())  # strictly below each
    return (1 + len(held_out) - below).to(found.dtype) / (1 + len(held_out))


def in_bits(nats: N, source: Source) -> N | None:
    """Log-likelihoods of the data before any transforms in bits per dimension; None where values are unbounded.

    A density on [0, 1] of 8-bit values is 8 bits short of a probability; binary values have one.
    """
    if not source.raw.spec.bounded:
        return None
    discrete = "binary" in (source.spec.kind, source.raw.spec.kind)
    return bits_per_dim(nats, source.raw.spec.dims, 0.0 if discrete else 8.0)
