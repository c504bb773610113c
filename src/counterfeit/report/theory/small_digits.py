"""The bundled digits as minibatches for models that are trained alone: gray levels, or bits drawn with them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from counterfeit.common.seeding import mix
from counterfeit.core import Batch
from counterfeit.data.sources.digits import Digits

__all__ = ["bits", "bits_of", "gray", "split"]


@cache
def split(name: str) -> Batch:
    """All of `train`, `valid` or `test`: pictures in [0, 1], (N, 1, 8, 8), and their labels."""
    source = Digits()
    return source.split(name).first(source.sizes[name])


def gray(seed: int, size: int, step: int) -> Batch:
    """Training pictures of a step, drawn with replacement, (size, 1, 8, 8)."""
    return Batch(_some(size, _generator(seed, step)))


def bits(seed: int, size: int, step: int) -> Batch:
    """The same as bits, each 1 with the probability that the gray level is."""
    generator = _generator(seed, step)
    return Batch(bits_of(_some(size, generator), generator))


def bits_of(x: Tensor, generator: torch.Generator) -> Tensor:
    """Bits drawn with the gray levels of pictures as probabilities, of their shape."""
    return (torch.rand(x.shape, generator=generator) < x).float()


def _generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(mix(seed, step))


def _some(size: int, generator: torch.Generator) -> Tensor:
    x = split("train").x
    return x[torch.randint(len(x), (size,), generator=generator)]
