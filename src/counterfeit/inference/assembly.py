"""Assembly: whole images around patches that come without their places."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import (
    Assembles,
    Generator,
    require,
)  # fmt: skip
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability
from counterfeit.inference.draws import BATCH, evaluating

__all__ = ["ASSEMBLE", "assemble"]


def assemble(model: Generator, patches: Tensor, batch_size: int = BATCH, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images around patches, (N, *shape), and the likeliest corners of each, (N, K, 2)."""
    images, corners = [], []
    with evaluating(model, seed):
        for part in patches.split(batch_size):
            x, places = require(model, Assembles).assemble(part.to(model.device))
            best = places.flatten(2).argmax(2)
            images.append(x)
            corners.append(torch.stack([best // places.shape[3], best % places.shape[3]], 2))
    return torch.cat(images), torch.cat(corners)


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Images above what is made of their patches: (rows, columns, *shape)."""
    columns = max(2, math.isqrt(n))
    x = evenly_spaced(source, "valid", max(1, n // (2 * columns)) * columns, device=model.device).x
    x = x[: max(1, len(x) // columns) * columns]  # whole rows
    both = torch.stack([x, model.assemble(model.cut(x)[0])[0]])
    return torch.cat([torch.stack([*pair]) for pair in zip(*(half.split(columns) for half in both), strict=True)])


ASSEMBLE = Ability(
    "assemble", Assembles, lambda model, patches, seed=0: assemble(model, patches, seed=seed)[0], _preview, 10
)
