"""A model's samples as one picture: a grid of images, a histogram of points, or lines of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterfeit.core import Decodes, Model, Samples, labels_of, require
from counterfeit.data.conditions import arranged, captions_in_rows
from counterfeit.data.images import tile
from counterfeit.data.labelled_images import below_texts, written
from counterfeit.data.sounds import shown
from counterfeit.data.source import Source
from counterfeit.data.sources.text_lines import Text
from counterfeit.inference.ability import abilities

__all__ = ["histogram", "means", "picture", "pictured"]


def means(model: Model, n: int) -> Tensor:
    """`n` samples for the eye: decoded means where the model decodes codes, draws elsewhere, (n, *shape)."""
    if isinstance(model, Decodes):
        return model.decode(model.prior(n))
    if isinstance(model, Samples):
        return model.sample(n)
    raise ValueError(f"{type(model).__name__} does not sample; a model that samples is expected.")


LINES = 24  # of texts, at most
EXTENT = 4.5  # of the part of the plane in which points are drawn, to each side


def pictured(model: Model) -> bool:
    """Whether there is a picture of what the model does."""
    return isinstance(model, (Samples, *(one.needs for one in abilities() if one.preview)))


def picture(model: Model, source: Source, n: int) -> NDArray[np.uint8]:
    """What the model does with about `n` images, as 8-bit pixels: a grid of samples; a histogram of points; or lines.

    Sounds are shown as waveforms.

    A model that works on given images is shown those of the validation split, the same at every call; one that takes
    labels shows a row of each, and one that takes captions a row below each of some.
    """
    if isinstance(source.raw, Text):
        return written(source.raw.decode(means(model, min(n, LINES)).cpu()), "#000000", "#ffffff")
    if len(source.raw.spec.shape) == 1:
        return histogram(source.natural(means(model, 50 * n)).cpu(), _reach(source))
    rate = source.raw.rate
    for one in () if model.shows_samples or (rate and isinstance(model, Samples)) else abilities():
        if one.preview and isinstance(model, one.needs):
            rows = one.preview(model, source, n)
            return tile(source.natural(rows.flatten(0, 1)).cpu(), rows.shape[1])
    if source.spec.captioned and isinstance(model, Samples):
        y, texts, counts = captions_in_rows(source, "valid", n)
        x = source.natural(model.sample(len(y), y)).cpu()
        return below_texts(texts, [tile(row, len(row)) for row in x.split(counts)], "#000000", "#ffffff")
    if labels := labels_of(model):
        y = arranged(n, labels)  # a row of each
        x = source.natural(require(model, Samples).sample(y.numel(), y.flatten())).cpu()
        return tile(shown(x, rate), y.shape[1])
    return tile(shown(source.natural(means(model, n)).cpu(), rate))


def _reach(source: Source) -> Sequence[tuple[float, float]]:
    """The part of the plane, or of the line, in which points are drawn: ±4.5 where the data lie in it."""
    x = source.raw.split("valid").first(1_000).x[:, :2].float()
    if bool((x.abs() <= EXTENT).all()):
        return [(-EXTENT, EXTENT)] * x.shape[1]
    low, high = x.amin(0), x.amax(0)
    room = 0.25 * (high - low).clamp(min=1e-6)
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def histogram(
    x: Tensor, within: Sequence[tuple[float, float]] = ((-EXTENT, EXTENT),) * 2, size: int = 128
) -> NDArray[np.uint8]:
    """Points (N, 1) or (N, 2), or the first two values of others, as a density picture, dark where they are many."""
    edges = [torch.linspace(*ends, size + 1) for ends in within]
    if x.shape[1] == 1:
        counts = torch.histc(x.flatten(), size, *within[0])
        height = counts / counts.max().clamp(min=1)
        filled = height[None, :] >= torch.linspace(1, 0, size)[:, None]
        return (255 * (1 - 0.8 * filled.float())).to(torch.uint8).numpy()
    counts = torch.histogramdd(x[:, :2].float(), bins=edges).hist.T.flip(0)
    dark = (counts / counts.max().clamp(min=1)).sqrt()
    return (255 * (1 - dark)).round().to(torch.uint8).numpy()
