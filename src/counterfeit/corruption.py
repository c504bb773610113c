"""Corruption of examples: noise that denoising models are trained to remove, and that metrics ask them to.

References:
    Stacked Denoising Autoencoders, Vincent, Larochelle, Lajoie, Bengio & Manzagol, 2010, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from counterfeit.core import Kind, Spec

__all__ = ["CORRUPTIONS", "Corruption", "CorruptionName", "corrupt"]

CorruptionName = Literal["gaussian", "masking", "salt-and-pepper"]


class Noise(NamedTuple):
    """A way to corrupt: (x, level) -> x, (B, *shape), and the kinds of data that stay of their kind by it."""

    corrupt: Callable[[Tensor, float], Tensor]
    kinds: tuple[Kind, ...]


def _gaussian(x: Tensor, level: float) -> Tensor:
    return x + level * torch.randn_like(x)


def _masking(x: Tensor, level: float) -> Tensor:
    return x * (torch.rand_like(x) >= level)


def _salt_and_pepper(x: Tensor, level: float) -> Tensor:
    u = torch.rand_like(x)  # of the values below `level`, half turn black and half white
    return torch.where(u < level, (u < level / 2).to(x.dtype), x)


CORRUPTIONS: Mapping[str, Noise] = {
    "gaussian": Noise(_gaussian, ("image", "real")),
    "masking": Noise(_masking, ("image", "binary", "real")),
    "salt-and-pepper": Noise(_salt_and_pepper, ("image", "binary")),
}


def corrupt(x: Tensor, spec: Spec, name: str, level: float) -> Tensor:
    """Examples, (B, *shape), with noise; bounded ones stay in [0, 1].

    Arguments:
        x: what is corrupted.
        spec: what the data are.
        name: gaussian: normal noise is added; masking: values become 0; salt-and-pepper: values become 0 or 1.
        level: standard deviation of Gaussian noise, else the share of values that are changed.

    Raises:
        ValueError: where the data would not stay of their kind.

    Example:
        >>> corrupt(torch.ones(1, 3), Spec((3,)), "masking", 1.0)
        tensor([[0., 0., 0.]])
    """
    noise = CORRUPTIONS[name]
    if spec.kind not in noise.kinds:
        known = ", ".join(other for other, row in CORRUPTIONS.items() if spec.kind in row.kinds)
        raise ValueError(f"corruption {name} came for data of kind {spec.kind!r}; one of {known} is expected. Take it.")
    x = noise.corrupt(x, level)
    return spec.within(x)


@dataclass(frozen=True)
class Corruption:
    """How examples are corrupted in training.

    Arguments:
        corruption: gaussian: normal noise is added, within [0, 1] where the data are; masking: values become 0;
            salt-and-pepper: values become 0 or 1.
        level: standard deviation of Gaussian noise, else the share of values that are changed.

    Raises:
        ValueError: where the level is none.
    """

    corruption: CorruptionName = "masking"
    level: float = 0.3

    def __post_init__(self) -> None:
        most = float("inf") if self.corruption == "gaussian" else 1.0
        if not 0 <= self.level <= most:
            raise ValueError(f"level={self.level} came with {self.corruption}; 0 to {most:g} is expected. Correct it.")

    def __call__(self, x: Tensor, spec: Spec) -> Tensor:
        """Corrupted examples, (B, *shape)."""
        return corrupt(x, spec, self.corruption, self.level)
