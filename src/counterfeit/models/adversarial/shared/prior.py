"""The prior over the noise in a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Noise", "Prior"]

Noise = Literal["gaussian", "uniform"]


@dataclass(frozen=True)
class Prior:
    """The prior over the noise in a code, of unit variance.

    Arguments:
        noise: the prior over the noise in a code, of unit variance: gaussian, or uniform on (-√3, √3).
        noise_dim: dimension of the noise, which what else a code holds follows, such as a label, one-hot.

    Raises:
        ValueError: where there is no noise.

    Example:
        >>> Prior("uniform", noise_dim=3).draw(2, torch.device("cpu")).shape
        torch.Size([2, 3])
    """

    noise: Noise = "gaussian"
    noise_dim: int = 100

    def __post_init__(self) -> None:
        if self.noise_dim < 1:
            raise ValueError(f"noise_dim={self.noise_dim} came; at least 1 is expected. Raise it.")

    def draw(self, n: int, device: torch.device) -> Tensor:
        """The noise of `n` codes, (n, noise_dim)."""
        if self.noise == "gaussian":
            return torch.randn(n, self.noise_dim, device=device)
        return (torch.rand(n, self.noise_dim, device=device) - 0.5) * 12**0.5  # unit variance
