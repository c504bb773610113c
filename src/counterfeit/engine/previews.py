"""A model's samples as one picture: a grid of images, or a histogram of points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterfeit.core import Assembles, Completes, Decodes, Enlarges, Model, Predicts, Samples, Translates, labels_of
from counterfeit.data.conditions import arranged
from counterfeit.data.images import tile
from counterfeit.data.selection import spread
from counterfeit.data.source import Source
from counterfeit.inference.capabilities import enlarged, everywhere, few, foreseen
from counterfeit.nets.masks import KINDS, mask_of

__all__ = ["histogram", "means", "picture", "pictured"]


def means(model: Model, n: int) -> Tensor:
    """`n` samples for the eye: decoded means where the model decodes codes, draws elsewhere, (n, *shape)."""
    if isinstance(model, Decodes):
        return model.decode(model.prior(n))
    if isinstance(model, Samples):
        return model.sample(n)
    raise ValueError(f"{type(model).__name__} does not sample; a model that samples is expected.")


def completions(model: Any, source: Source, n: int) -> Tensor:
    """Images, what is given of them, gray where it is missing, and completions: (rows, columns, *shape)."""
    columns = max(3, math.isqrt(n))
    x = spread(source, "valid", max(1, n // columns), device=model.device).x
    mask = torch.stack([mask_of(KINDS[i % len(KINDS)], x.shape[1:]) for i in range(len(x))]).to(x)
    draws = [model.complete(x, mask) for _ in range(columns - 2)]
    return torch.stack([x, torch.where(mask == 1, x, 0.5), *draws], 1)


def translations(model: Any, source: Source, n: int) -> Tensor:
    """Images of every domain, and below them the same in the others: (1 + domains, columns, *shape)."""
    domains = source.spec.classes
    return everywhere(model, few(source, "valid", max(4, n // (1 + domains))).x, domains)


def enlargements(model: Any, source: Source, n: int) -> Tensor:
    """Images in few pixels, bicubic, enlarged by the model and true: (rows, 4, *shape)."""
    return torch.stack(enlarged(model, spread(source, "valid", max(1, n // 4)).x), 1)


def predictions(model: Any, source: Source, n: int) -> Tensor:
    """Films, each above the frames that were given of it and those foreseen: (rows, frames, C, H, W)."""
    films = spread(source, "valid", max(1, n // (2 * source.spec.shape[0])), device=model.device).x
    found = foreseen(model, films)
    return torch.stack([films, torch.cat([found.given, found.model], 1)], 1).flatten(0, 1)


def puzzles(model: Any, source: Source, n: int) -> Tensor:
    """Images above what is made of their patches: (rows, columns, *shape)."""
    columns = max(2, math.isqrt(n))
    x = spread(source, "valid", max(1, n // (2 * columns)) * columns, device=model.device).x
    x = x[: max(1, len(x) // columns) * columns]  # whole rows
    both = torch.stack([x, model.assemble(model.cut(x)[0])[0]])
    return torch.cat([torch.stack([*pair]) for pair in zip(*(half.split(columns) for half in both), strict=True)])


# what a model can do -> pictures of it, (rows, columns, *shape), from the seed in force; the first that fits is shown
GRIDS: dict[type, Callable[[Any, Source, int], Tensor]] = {
    Assembles: puzzles, Completes: completions, Translates: translations,
    Enlarges: enlargements, Predicts: predictions,
}  # fmt: skip


def pictured(model: Model) -> bool:
    """Whether there is a picture of what the model does."""
    return isinstance(model, (Samples, *GRIDS))


def picture(model: Model, source: Source, n: int) -> NDArray[np.uint8]:
    """What the model does with about `n` images, as 8-bit pixels: a grid of samples, or their histogram for points.

    A model that works on given images is shown those of the validation split, the same at every call; one that takes
    labels shows a row of each.
    """
    if len(source.raw.spec.shape) == 1:
        return histogram(source.natural(means(model, 50 * n)).cpu())
    for ability, grid in GRIDS.items():
        if isinstance(model, ability):
            rows = grid(model, source, n)
            return tile(source.natural(rows.flatten(0, 1)).cpu(), rows.shape[1])
    if labels := labels_of(model):
        y = arranged(n, labels)  # a row of each
        return tile(source.natural(cast(Samples, model).sample(y.numel(), y.flatten())).cpu(), y.shape[1])
    return tile(source.natural(means(model, n)).cpu())


def histogram(x: Tensor, extent: float = 4.5, size: int = 128) -> NDArray[np.uint8]:
    """Points (N, 1) or (N, 2) within ±extent as a density picture, dark where they are many."""
    edges = torch.linspace(-extent, extent, size + 1)
    if x.shape[1] == 1:
        counts = torch.histc(x.flatten(), size, -extent, extent)
        height = counts / counts.max().clamp(min=1)
        filled = height[None, :] >= torch.linspace(1, 0, size)[:, None]
        return (255 * (1 - 0.8 * filled.float())).to(torch.uint8).numpy()
    counts = torch.histogramdd(x[:, :2].float(), bins=[edges, edges]).hist.T.flip(0)
    dark = (counts / counts.max().clamp(min=1)).sqrt()
    return (255 * (1 - dark)).round().to(torch.uint8).numpy()
