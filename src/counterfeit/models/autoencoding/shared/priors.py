"""Priors that codes are to follow, of which nothing is asked but that they can be drawn.

References:
    Adversarial Autoencoders, Makhzani, Shlens, Jaitly, Goodfellow & Frey, 2015 (arXiv 1511.05644), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["PRIORS", "CodePrior", "PriorName"]

PriorName = Literal["gaussian", "mixture", "swiss-roll"]
COMPONENTS = 10  # of the mixture
PETAL = (0.5, 0.1)  # standard deviations of a component, away from the middle and across
DISTANCE = 1.4  # of its mean from the middle
TURNS, REACH = 2.0, 3.0  # of the roll, and its largest radius


def _gaussian(n: int, size: int, device: torch.device) -> Tensor:
    return torch.randn(n, size, device=device)


def _mixture(n: int, size: int, device: torch.device) -> Tensor:
    """Ten Gaussians in the plane of each pair of dimensions, around the middle like petals."""
    which = (COMPONENTS * torch.rand(n, size // 2, device=device)).floor()
    angle = 2 * math.pi * which / COMPONENTS
    along, across = torch.randn(n, size, device=device).chunk(2, 1)
    return _turned(DISTANCE + PETAL[0] * along, PETAL[1] * across, angle)


def _swiss_roll(n: int, size: int, device: torch.device) -> Tensor:
    """A spiral in the plane of each pair of dimensions, on which points are as dense near the middle as outside."""
    root = torch.rand(n, size // 2, device=device).sqrt()  # the length of the spiral grows as the square of its radius
    return _turned(REACH * root, torch.zeros_like(root), 2 * math.pi * TURNS * root)


def _turned(x: Tensor, y: Tensor, angle: Tensor) -> Tensor:
    """Points (x, y) of planes, (n, pairs) each, turned by an angle: (n, 2 pairs)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], 2).flatten(1)


PRIORS: Mapping[str, Callable[[int, int, torch.device], Tensor]] = {
    "gaussian": _gaussian,
    "mixture": _mixture,
    "swiss-roll": _swiss_roll,
}


@dataclass(frozen=True)
class CodePrior:
    """What codes are to be distributed like: a style, and then a category, one-hot, where there are categories.

    Arguments:
        prior: of the style: gaussian: standard normal; mixture: ten Gaussians around the middle of the plane of every
            two dimensions; swiss-roll: a spiral in each such plane.
        latent_dim: size of the style.
        categories: values of the category, all equally likely; 0 for none.

    Raises:
        ValueError: where there is no style, one that does not fill planes, or a single category.

    Example:
        >>> CodePrior("swiss-roll", latent_dim=2, categories=3).draw(4, torch.device("cpu")).shape
        torch.Size([4, 5])
    """

    prior: PriorName = "gaussian"
    latent_dim: int = 8
    categories: int = 0

    def __post_init__(self) -> None:
        if self.latent_dim < 1 or (self.latent_dim % 2 and self.prior != "gaussian"):
            came = f"latent_dim={self.latent_dim} came with prior {self.prior}"
            raise ValueError(f"{came}; at least 1, and an even number for mixture and swiss-roll, is expected.")
        if self.categories < 0 or self.categories == 1:
            raise ValueError(f"categories={self.categories} came; 0, or 2 and more are expected. Change it.")

    @property
    def code_dim(self) -> int:
        """Size of a code."""
        return self.latent_dim + self.categories

    def draw(self, n: int, device: torch.device) -> Tensor:
        """Draw `n` codes, (n, code_dim)."""
        style = PRIORS[self.prior](n, self.latent_dim, device)
        if not self.categories:
            return style
        which = (self.categories * torch.rand(n, device=device)).long()
        return torch.cat([style, one_hot(which, self.categories).to(style.dtype)], 1)
