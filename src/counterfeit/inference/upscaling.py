"""Upscaling: pictures in more pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from counterfeit.core import (
    Generator,
    Upscales,
    require,
)  # fmt: skip
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability, asked
from counterfeit.inference.draws import BATCH
from counterfeit.nets.upscaling import bicubic, shrink

__all__ = ["UPSCALE", "Upscaled", "upscale", "upscaled"]


def upscale(model: Generator, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """Pictures `x`, (N, C, H, W), in more pixels, (N, C, factor H, factor W)."""
    return asked(model, require(model, Upscales).upscale, x, batch_size=batch_size, seed=seed)


class Upscaled(NamedTuple):
    """Pictures of the same size, (N, C, H, W) each: pixels repeated, bicubic, by a model, and the truth."""

    nearest: Tensor
    bicubic: Tensor
    model: Tensor
    truth: Tensor


def upscaled(model: Generator, truth: Tensor, batch_size: int = BATCH, seed: int = 0) -> Upscaled:
    """The pictures `truth`, (N, C, H, W) in [0, 1], made small and upscaled again, on the device of the model."""
    factor, parts = require(model, Upscales).factor, truth.to(model.device).split(batch_size)
    low = torch.cat([shrink(part, factor) for part in parts])
    nearest = interpolate(low, scale_factor=float(factor), mode="nearest")
    ours = upscale(model, low, batch_size, seed)
    return Upscaled(nearest, bicubic(low, factor).clamp(0, 1), ours, torch.cat(parts))


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Images in few pixels, bicubic, upscaled by the model and true: (rows, 4, *shape)."""
    return torch.stack(upscaled(model, evenly_spaced(source, "valid", max(1, n // 4)).x), 1)


UPSCALE = Ability("upscale", Upscales, upscale, _preview, 40)
