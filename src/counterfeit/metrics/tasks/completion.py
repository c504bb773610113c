"""How near completions are to what was there, how much they vary, and whether completed images look like images.

A draw from the right distribution has, in mean squares, twice the error of the best guess: its error alone says little.
So the best and the mean of several draws stand beside it, and their spread beside the one that the truth has.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 7.
    Why Should Ensemble Spread Match the RMSE of the Ensemble Mean?, Fortin et al., 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Completes, Generator
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Examples, Source
from counterfeit.inference.completion import complete
from counterfeit.metrics.base import Answer, Metric, Result
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples
from counterfeit.metrics.features.frechet import unseen_distance
from counterfeit.nets.masks import KINDS, mask_of

__all__ = ["COMPLETION", "DRAWS", "MaskedImages", "masked_images", "nearest_completion", "squared_error"]

DRAWS = 10  # completions of each image
FITTED = 10_000  # training examples at most whose mean is a completion
NOTE = "the truth's deviation is from the mean of the draws: completions that vary less are too sure"


class MaskedImages(NamedTuple):
    """Images `x` and masks, both (N, *shape), and which of `KINDS` each mask is, (N,); several may be of one image."""

    x: Tensor
    mask: Tensor
    kind: Tensor
    images: int

    def rms(self, squares: Tensor) -> tuple[float, float | None]:
        """Root of the mean of `squares`, (N,), and its standard error, images being independent of each other."""
        mean, error = mean_and_error(squares.view(-1, self.images).mean(0))
        root = max(mean, 0.0) ** 0.5
        return root, error / (2 * root) if root and error is not None else error


def masked_images(source: Source, evaluation: Evaluation, device: torch.device | str = "cpu") -> MaskedImages:
    """Held-out images, evenly spaced, one for every `DRAWS` samples, under each kind of mask in turn.

    Where there are fewer images, each comes under several kinds.
    """
    most, held = max(1, evaluation.samples // DRAWS), len(source.split(evaluation.split))
    images = min(most, held, evaluation.max_examples or held)
    repeats = min(len(KINDS), most // images)
    place = torch.arange(images)
    turn = place + place // len(KINDS)  # one further every round, so that even positions meet all kinds too
    kind = (turn + torch.arange(repeats)[:, None]).flatten() % len(KINDS)
    x = evenly_spaced(source, evaluation.split, images, evaluation.seed, device).x
    masks = torch.stack([mask_of(name, source.spec.shape) for name in KINDS])
    return MaskedImages(torch.cat([x] * repeats), masks[kind].to(device), kind, images)


def squared_error(y: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of `y`, (…, N, *shape), and `x` over what is missing, (…, N); 0 where nothing is.

    Example:
        >>> x, mask = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> squared_error(torch.tensor([[9.0, 3.0]]), x, mask)
        tensor([9.])
    """
    missing = 1 - mask.flatten(1)
    off = (y - x).square().flatten(-x.ndim + 1) * missing
    return off.sum(-1) / missing.sum(1).clamp(min=1)


class Known(Examples):
    """Examples of which only what `mask`, (*shape), is 1 for is seen."""

    def __init__(self, examples: Examples, mask: Tensor) -> None:
        self.examples, self.mask = examples, mask

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        batch = self.examples[index]
        return Batch(batch.x * self.mask.to(batch.x.device), batch.y)


def nearest_completion(asked: MaskedImages, train: Examples) -> Tensor:
    """Images whose missing values are those of the training example that is nearest in the known ones."""
    y = asked.x.clone()
    for kind in asked.kind.unique():
        chosen = (asked.kind == kind).to(y.device)
        x, mask = asked.x[chosen], asked.mask[chosen]
        found = nearest_examples(x * mask, Known(train, mask[0])).indices[:, 0]
        y[chosen] = torch.where(mask == 1, x, train[found.cpu()].x.to(x))
    return y


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Error and diversity of completions in root mean squares over what is missing, and their Fréchet distance."""
    asked = masked_images(source, evaluation, model.device)
    x, mask, images = asked.x, asked.mask, asked.images
    draws = complete(model, x, mask, DRAWS, evaluation.batch_size, evaluation.seed)
    with seeded(evaluation.seed):  # random transforms draw as examples are read
        mean = evenly_spaced(source, "train", FITTED, device=model.device).x.mean(0)
        baselines = {
            "mean image": torch.where(mask == 1, x, mean),
            "nearest neighbour": nearest_completion(asked, source.split("train")),
        }
    protocol = (
        f"{DRAWS} completions each of {images} images, {len(x)} masks ({', '.join(KINDS)}); "
        f"{describe(source, evaluation.split, images)}"
    )
    once_each = {name: y[:images] for name, y in {"": draws[0], **baselines}.items()}  # under one mask each
    words = f"completed images, one draw under one mask of each ({', '.join(KINDS)})"
    distance = unseen_distance(model, source, evaluation, once_each, words)
    return {
        "completion-error": _error(asked, draws, baselines, protocol),
        "completion-diversity": _diversity(asked, draws, protocol),
        "completion-fid": distance,
    }


def _error(asked: MaskedImages, draws: Tensor, baselines: Mapping[str, Tensor], protocol: str) -> Result:
    squares = squared_error(draws, asked.x, asked.mask)  # (draws, N)
    rows = {
        f"best of {DRAWS} draws": squares.amin(0),
        f"mean of {DRAWS} draws": squared_error(draws.mean(0), asked.x, asked.mask),
    } | {name: squared_error(y, asked.x, asked.mask) for name, y in baselines.items()}
    references = {name: Estimate(*asked.rms(values)) for name, values in rows.items()}
    chosen = {name: asked.kind == number for number, name in enumerate(KINDS)}
    details: dict[str, float] = {
        name: float(squares[:, some].mean().sqrt()) for name, some in chosen.items() if bool(some.any())
    }
    what = f"root mean squared error of a draw over missing values; {protocol}"
    return Result(*asked.rms(squares.mean(0)), asked.images, what, details, references=references)


def _diversity(asked: MaskedImages, draws: Tensor, protocol: str) -> Result:
    variance = squared_error(draws, draws.mean(0), asked.mask).sum(0) / (len(draws) - 1)  # without bias
    off = squared_error(draws.mean(0), asked.x, asked.mask) - variance / len(draws)  # of the mean of ever more draws
    references = {"truth": Estimate(*asked.rms(off))}
    what = f"standard deviation of draws in missing values, root mean square; {protocol}"
    return Result(*asked.rms(variance), asked.images, what, references=references, note=NOTE)


COMPLETION = Metric(
    "completion", "completions beside what was there: error, diversity and Fréchet distance", "", None, Completes,
    compute, applies=lambda source: len(source.spec.shape) == 3 and source.spec.bounded,
    rows={"completion-error": "lower", "completion-diversity": None, "completion-fid": "lower"},
)  # fmt: skip
