"""The prior over the noise in a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Noise", "Prior"]

Noise = Literal["gaussian", "uniform", "mixture", "discrete"]
APART = 8.0  # standard deviations of a Gaussian of the mixture between its center and the next


@dataclass(frozen=True)
class Prior:
    """The prior over the noise in a code: every dimension has mean 0 and variance 1, and all are independent.

    Arguments:
        noise: the prior over the noise in a code, of unit variance: gaussian; uniform on (-√3, √3); mixture, in every
            dimension, of narrow Gaussians; discrete, which is -1 or 1 where there are two components.
        noise_dim: dimension of the noise, which what else a code holds follows, such as a label, one-hot.
        noise_components: equally likely and evenly spaced values of a dimension of discrete noise, or Gaussians of a
            mixture; a code then has that many to the power of its dimensions.

    Raises:
        ValueError: where there is no noise, or it has a single component.

    Example:
        >>> Prior("uniform", noise_dim=3).draw(2, torch.device("cpu")).shape
        torch.Size([2, 3])
        >>> Prior("discrete", noise_dim=1).draw(100, torch.device("cpu")).unique()
        tensor([-1.,  1.])
    """

    noise: Noise = "gaussian"
    noise_dim: int = 100
    noise_components: int = 2

    def __post_init__(self) -> None:
        for name, least in (("noise_dim", 1), ("noise_components", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} came; at least {least} is expected. Raise it.")

    def draw(self, n: int, device: torch.device) -> Tensor:
        """The noise of `n` codes, (n, noise_dim)."""
        shape = (n, self.noise_dim)
        if self.noise == "gaussian":
            return torch.randn(shape, device=device)
        u = torch.rand(shape, device=device)
        if self.noise == "uniform":
            return (u - 0.5) * 12**0.5  # unit variance
        k = self.noise_components
        center = (k * u).floor().clamp(max=k - 1) - (k - 1) / 2  # k u may round to k
        variance = (k * k - 1) / 12  # of the centers
        if self.noise == "discrete":
            return center / variance**0.5
        return (center + torch.randn_like(u) / APART) / (variance + APART**-2) ** 0.5
