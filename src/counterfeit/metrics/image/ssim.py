"""Structural similarity of two pictures: luminance, contrast and structure under a Gaussian window.

References:
    Image Quality Assessment: From Error Visibility to Structural Similarity, Wang, Bovik, Sheikh & Simoncelli, 2004.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

__all__ = ["ssim", "ssim_parts", "window"]

TAPS, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


def window(side: int) -> int:
    """Taps of the Gaussian window on images of `side` pixels: 11, or the largest odd number that fits.

    Example:
        >>> window(28), window(8)
        (11, 7)
    """
    return min(TAPS, side - 1 + side % 2)


def ssim_parts(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM and its factor of contrast and structure, each averaged over the positions of the window.

    Arguments:
        x: images in [0, 1], (B, C, H, W).
        y: as many of the same shape.

    Returns:
        Both for each channel, (B, C), in the dtype of `x`; the window stays within the image ("valid" padding).
    """
    if x.shape != y.shape or x.ndim != 4 or x.dtype != y.dtype:
        came = f"{x.dtype} {tuple(x.shape)} and {y.dtype} {tuple(y.shape)}"
        raise ValueError(f"images of {came} came; two batches (B, C, H, W) of equal shape and dtype are expected.")
    maps = torch.stack([x, y, x * x, y * y, x * y])  # (5, B, C, H, W)
    mean_x, mean_y, xx, yy, xy = _blur(maps.flatten(0, 2)[:, None]).unflatten(0, maps.shape[:3])[:, :, :, 0]
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    variances = (xx - mean_x**2) + (yy - mean_y**2)
    contrast = (2 * (xy - mean_x * mean_y) + K2**2) / (variances + K2**2)  # times structure, eq. 13 without luminance
    return (luminance * contrast).mean((2, 3)), contrast.mean((2, 3))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of each pair of images in [0, 1], (B, C, H, W), averaged over channels: (B,).

    Example:
        >>> x = torch.rand(2, 3, 16, 16)
        >>> ssim(x, x)
        tensor([1., 1.])
    """
    return ssim_parts(x, y)[0].mean(1)


def _blur(x: Tensor) -> Tensor:
    """Convolve (N, 1, H, W) with the window, one axis after the other."""
    down, across = _gaussian(x, window(x.shape[2])), _gaussian(x, window(x.shape[3]))
    return conv2d(conv2d(x, down.view(1, 1, -1, 1)), across.view(1, 1, 1, -1))


def _gaussian(like: Tensor, taps: int) -> Tensor:
    t = torch.arange(taps, dtype=like.dtype, device=like.device) - taps // 2
    weights = (-(t**2) / (2 * SIGMA**2)).exp()
    return weights / weights.sum()
