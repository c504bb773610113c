"""Completion: what is missing of examples, drawn given the rest."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import (
    Completes,
    Generator,
    require,
)  # fmt: skip
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability
from counterfeit.inference.draws import BATCH, evaluating
from counterfeit.nets.masks import KINDS, mask_of

__all__ = ["COMPLETE", "complete"]


def complete(
    model: Generator, x: Tensor, mask: Tensor, draws: int = 1, batch_size: int = BATCH, seed: int = 0
) -> Tensor:
    """Draw completions of `x` where `mask`, both (N, *shape), is 0: (draws, N, *shape)."""
    fill = require(model, Completes).complete
    parts = [[part.to(model.device) for part in parts.split(batch_size)] for parts in (x, mask)]
    with evaluating(model, seed):  # one seed for all draws, which differ
        return torch.stack([torch.cat([*map(fill, *parts)]) for _ in range(draws)])


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Images, what is given of them, gray where it is missing, and completions: (rows, columns, *shape)."""
    columns = max(3, math.isqrt(n))
    x = evenly_spaced(source, "valid", max(1, n // columns), device=model.device).x
    mask = torch.stack([mask_of(KINDS[i % len(KINDS)], x.shape[1:]) for i in range(len(x))]).to(x)
    draws = [model.complete(x, mask) for _ in range(columns - 2)]
    return torch.stack([x, torch.where(mask == 1, x, 0.5), *draws], 1)


COMPLETE = Ability("complete", Completes, complete, _preview, 20)
