"""Codes: encoded, decoded, and both."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from counterfeit.core import (
    Decodes,
    Encodes,
    Generator,
    require,
)  # fmt: skip
from counterfeit.inference.ability import Ability, asked
from counterfeit.inference.draws import BATCH

__all__ = ["DECODE", "ENCODE", "RECONSTRUCT", "Reconstructs", "decode", "encode", "reconstruct"]


def encode(model: Generator, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """The code of each of `x`, (N, *shape): (N, latent)."""
    return asked(model, require(model, Encodes).encode, x, batch_size=batch_size, seed=seed)


def decode(model: Generator, z: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """What each of the codes `z`, (N, latent), stands for, (N, *shape)."""
    return asked(model, require(model, Decodes).decode, z, batch_size=batch_size, seed=seed)


@runtime_checkable
class Reconstructs(Encodes, Decodes, Protocol):
    """Maps data to codes and back."""


def reconstruct(model: Generator, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """What the codes of `x`, (N, *shape), decode to."""
    both = require(model, Reconstructs)
    return asked(model, lambda part: both.decode(both.encode(part)), x, batch_size=batch_size, seed=seed)


ENCODE = Ability("encode", Encodes, encode)
DECODE = Ability("decode", Decodes, decode)
RECONSTRUCT = Ability("reconstruct", Reconstructs, reconstruct)
