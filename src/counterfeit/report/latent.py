"""Paths between codes.

References:
    Sampling Generative Networks, White, 2016 (arXiv 1609.04468).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterfeit.core import Decodes

__all__ = ["Path", "interpolate", "lerp", "slerp"]

Path = Callable[[Tensor, Tensor, Tensor], Tensor]


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight line from `a`, (N, latent), to `b` at the times `t`, (T,), in [0, 1]: (N, T, latent)."""
    t = t[:, None]
    return (1 - t) * a[:, None] + t * b[:, None]


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The great circle from `a`, (N, latent), to `b` at the times `t`, (T,), in [0, 1]: (N, T, latent).

    The direction turns at constant speed while the norm changes linearly, so that codes between two of equal norm have
    that norm too; Gaussian codes of many dimensions nearly all have the same. Opposite directions, between which no
    great circle is the shortest, are joined by the straight line.

    Example:
        >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))
        tensor([[[0.7071, 0.7071]]])
    """
    norms = torch.stack([a.norm(dim=1), b.norm(dim=1)]).clamp(min=1e-12)[..., None]  # (2, N, 1)
    u, v = a / norms[0], b / norms[1]
    # atan2 keeps its digits where the arc cosine loses them, near 0 and π
    angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))[:, None]  # (N, 1)
    turned = [torch.sin(part * angle)[..., None] for part in (1 - t, t)]  # (N, T, 1) each
    direction = (turned[0] * u[:, None] + turned[1] * v[:, None]) / torch.sin(angle)[..., None]
    curved = direction * lerp(norms[0], norms[1], t)
    return torch.where(torch.sin(angle)[..., None] > 1e-4, curved, lerp(a, b, t))


def interpolate(model: Decodes, a: Tensor, b: Tensor, steps: int, path: Path) -> Tensor:
    """Decode `steps` codes on the `path` from each of `a`, (N, latent), to each of `b`: (N, steps, *shape)."""
    codes = path(a, b, torch.linspace(0, 1, steps, device=a.device))
    return model.decode(codes.flatten(0, 1)).unflatten(0, (len(a), steps))
