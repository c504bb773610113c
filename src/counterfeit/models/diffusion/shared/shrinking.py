"""Pictures made small, as a linear map whose null space is what was lost.

References:
    Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model, Wang, Yu & Zhang, 2023 (arXiv 2212.00490).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["Shrinking"]


class Shrinking:
    """Y = R X C^T: each side made `factor` times smaller, bicubic and antialiased, as `nets.upscaling.shrink` does.

    Arguments:
        sides: height and width of the small pictures.
        factor: how many times larger the others are.
        like: what has the type and the device.
    """

    def __init__(self, sides: Sequence[int], factor: int, like: Tensor) -> None:
        self.rows, self.columns = (_matrix(side, factor).to(like) for side in sides)
        self.rows_back, self.columns_back = torch.linalg.pinv(self.rows), torch.linalg.pinv(self.columns)

    def small(self, x: Tensor) -> Tensor:
        """(B, C, factor H, factor W) -> (B, C, H, W)."""
        return self.rows @ x @ self.columns.T

    def large(self, y: Tensor) -> Tensor:
        """The least pictures, (B, C, factor H, factor W), that are `y`, (B, C, H, W), when made small."""
        return self.rows_back @ y @ self.columns_back.T

    def held(self, x: Tensor, large: Tensor) -> Tensor:
        """What is nearest to `x` and small the same as `large`, which `self.large` gave (2023, eq. 12)."""
        return x + large - self.large(self.small(x))


def _matrix(side: int, factor: int) -> Tensor:
    """What a side of length factor * side is multiplied by, (side, factor * side)."""
    whole = torch.eye(factor * side)[None, None]
    return interpolate(whole, (side, factor * side), mode="bicubic", antialias=True)[0, 0]
