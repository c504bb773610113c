"""Pictures of pictures: samples, their nearest training examples, walks between codes, reconstructions.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Decodes, require
from counterfeit.data.images import encode_png, tile
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.inference.encoding import Reconstructs
from counterfeit.inference.latent import interpolate, lerp, slerp
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples
from counterfeit.report.html.figure import Picture

__all__ = [
    "SEED", "columns", "crisp", "framed", "has_images", "neighbours", "padded", "png", "reconstructions", "samples",
    "stacked", "walks",
]  # fmt: skip

SEED = 0
FRAME = (245, 183, 0)  # the founding paper's yellow
SEARCHED = 100_000  # training examples at most among which the nearest are sought


def has_images(run: Drawn) -> bool:
    """Whether the data are gray or color images."""
    shape = run.source.raw.spec.shape
    return len(shape) == 3 and shape[0] in (1, 3)


def crisp(run: Drawn) -> bool:
    """Whether four images of the run fit a row, so that their pixels are rarely shown smaller than they are."""
    return not has_images(run) or run.source.raw.spec.shape[2] <= 128


def columns(run: Drawn, width: int) -> int:
    """How many images of the run fit a row of `width` pixels."""
    height, across = run.source.raw.spec.shape[1:]
    scale = max(1, -(-56 // height))  # as `tile` enlarges them
    return max(4, min(12, width // (scale * across + 2)))


def samples(run: Drawn, n: int) -> Tensor:
    """`n` samples for the eye, decoded means where the model decodes codes, (n, *shape)."""
    return run.sample(n, SEED, mean=True)


def neighbours(run: Drawn, x: Tensor) -> tuple[Tensor, Tensor]:
    """The training example nearest to each of `x`, (N, *shape), by Euclidean distance in pixels, and that, (N,)."""
    train = run.source.raw.split("train")
    found = nearest_examples(x, train, among=torch.arange(min(len(train), SEARCHED)))
    return train[found.indices[:, 0].cpu()].x.cpu(), found.distances[:, 0]


def framed(x: Tensor, near: Tensor) -> np.ndarray:
    """A grid of `x`, (rows, columns, C, H, W), and beside it, framed in color, the column `near`, (rows, C, H, W).

    Returns:
        uint8 (height, width, 3).
    """
    left, right = _color(tile(x.flatten(0, 1), x.shape[1])), _color(tile(near, 1))
    right[tile(torch.zeros_like(near[:, :1]), 1) > 0] = FRAME  # what lies between images
    return np.concatenate([left, right], 1)


def walks(run: Drawn, n: int, steps: int) -> tuple[Tensor, Tensor]:
    """Decoded codes on the straight line and on the great circle between `n` pairs, (n, steps, *shape) each."""
    model = run.model
    with evaluating(model, SEED):
        a, b = require(model, Decodes).prior(2 * n).chunk(2)
        straight, curved = (interpolate(require(model, Decodes), a, b, steps, path) for path in (lerp, slerp))
    shown = run.source.natural(torch.stack([straight, curved]).flatten(0, 2)).unflatten(0, (2, n, steps))
    return shown[0], shown[1]


def reconstructions(run: Drawn, n: int) -> tuple[Tensor, Tensor]:
    """The first `n` test examples, as the model saw them, and what decoding their codes gives, (n, *shape) each."""
    model = run.model
    with evaluating(model, SEED):
        x = run.source.split("test").first(n).x.to(model.device)
        both = require(model, Reconstructs)
        again = both.decode(both.encode(x))
    return run.source.natural(x), run.source.natural(again)


def padded(x: Tensor, n: int) -> Tensor:
    """The images `x`, (N, C, H, W), and gray ones after them, (n, C, H, W)."""
    return torch.cat([x, x.new_full((n - len(x), *x.shape[1:]), 0.5)])


def stacked(rows: Sequence[tuple[Tensor, ...]], gap: int = 12) -> np.ndarray:
    """Groups of rows of images, (N, C, H, W) each, one above the other, with a transparent `gap` between groups.

    Rows shorter than the longest end in gray.

    Returns:
        uint8 (height, width, 4).
    """
    across = max(len(row) for group in rows for row in group)
    bands = [_opaque(tile(torch.cat([padded(row, across) for row in group]), across)) for group in rows]
    space = np.zeros((gap, *bands[0].shape[1:]), np.uint8)
    return np.concatenate([piece for band in bands for piece in (band, space)][:-1])


def _color(grid: np.ndarray) -> np.ndarray:
    return grid if grid.ndim == 3 else np.repeat(grid[..., None], 3, 2)


def _opaque(grid: np.ndarray) -> np.ndarray:
    return np.concatenate([_color(grid), np.full((*grid.shape[:2], 1), 255, np.uint8)], 2)


def png(run: Drawn, pixels: np.ndarray) -> Picture:
    """Pixels as the picture of a figure of the run."""
    return Picture(encode_png(pixels), ".png", crisp(run))
