"""Rendering: what belongs to given pictures, as learnt from pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterfeit.core import Generator, Renders, require
from counterfeit.data.images import alike_channels
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability, asked
from counterfeit.inference.draws import BATCH

__all__ = ["RENDER", "render", "rendered"]


def render(model: Generator, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """What belongs to the given pictures `x`, (N, *given), as (N, *shape)."""
    return asked(model, require(model, Renders).render, x, batch_size=batch_size, seed=seed)


def rendered(model: Generator, source: Source, split: str, n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """About `n` given pictures of a split, evenly spaced, what a model makes of them, and the truth, (n, …) each."""
    truth, given = evenly_spaced(source, split, n, device=model.device)
    if given is None or not source.spec.given:
        raise ValueError(f"{source.name} has no pairs; some are expected. Set data.pairs.")
    return given, render(model, given, seed=seed), truth


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Given pictures, what the model makes of them, and the truth: (rows, 3, *shape)."""
    return torch.stack(alike_channels(*rendered(model, source, "valid", max(1, n // 3))), 1)


RENDER = Ability("render", Renders, render, _preview, 35)
