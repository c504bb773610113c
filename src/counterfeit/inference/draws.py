"""Samples: drawn in batches under a seed of their own, in evaluation mode, leaving everything as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from counterfeit.common.progress import Bar
from counterfeit.common.seeding import mix, seeded
from counterfeit.core import Decodes, Generator, Samples, Stepwise, check_request, labels_of, require
from counterfeit.data.conditions import conditions
from counterfeit.data.source import SPLITS, Source

__all__ = ["BATCH", "Drawn", "draw", "draw_samples", "evaluating", "trajectory"]

BATCH = 1_000  # examples handed to a model at once


@runtime_checkable
class Restarts(Protocol):
    """Hands out what there is once, until it starts again."""

    def restart(self) -> None:
        """Start again."""


@contextmanager
def evaluating(model: Generator, seed: int) -> Iterator[None]:
    """`model` in evaluation mode, from its start, without gradients and under `seed`; modes are restored after."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    if isinstance(model, Restarts):
        model.restart()
    try:
        with torch.no_grad(), seeded(mix(seed, len(SPLITS)), model.device):  # mixed: data may be made from a plain seed
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def draw_samples(model: Generator, n: int, seed: int = 0, batch_size: int = BATCH, y: Tensor | None = None) -> Tensor:
    """Draw `n` examples from `model` in the data's natural unit, (n, *shape), on its device.

    Arguments:
        model: one that samples.
        n: how many.
        seed: of the draw, which leaves the random state as it was.
        batch_size: how many are drawn at once; the draw depends on it.
        y: the label of each, (n,), where the model takes labels and they are not left to it.

    Raises:
        ValueError: where the model does not sample, or its samples are not finite.
    """
    if n < 1 or batch_size < 1:
        raise ValueError(f"n={n} and batch_size={batch_size} came; at least 1 is expected of both. Ask for more.")
    x = _drawn(model, n, seed, batch_size, y)
    if not bool(torch.isfinite(x).all()):
        raise ValueError("some samples are not finite; finite ones are expected. Evaluate an earlier checkpoint.")
    return x


def _drawn(
    model: Generator, n: int, seed: int, batch_size: int, y: Tensor | None = None, mean: bool = False,
    show: bool = False,
) -> Tensor:  # fmt: skip
    """Draws of `n` examples in batches under one seed; decoded means where `mean` and the model decodes codes."""
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    labels = [None] * len(sizes) if y is None else y.split(sizes)
    with evaluating(model, seed):
        if mean and y is None and isinstance(model, Decodes):
            return torch.cat([model.decode(model.prior(size)) for size in sizes])
        able, asked = require(model, Samples), zip(sizes, labels, strict=True)
        if show and isinstance(model, Stepwise):
            with Bar("sampling", len(sizes) * model.sampling_steps) as bar:
                return torch.cat([_last(model.trajectory(size, some), bar) for size, some in asked])
        return torch.cat([able.sample(size, some) for size, some in asked])


def _last(steps: Iterator[Tensor], bar: Bar) -> Tensor:
    """The last of some tensors, each of which moves a bar."""
    x = torch.empty(0)
    for x in steps:  # noqa: B007
        bar.update(1)
    return x


class Drawn(Protocol):
    """What can be evaluated: a run, or samples made elsewhere."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def model(self) -> Generator:
        """What is asked."""

    @property
    def source(self) -> Source:
        """The data that it is measured against."""

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU."""


def draw(
    subject: Drawn, n: int, seed: int = 0, y: Any = None, mean: bool = False, show: bool = False
) -> Tensor:  # fmt: skip
    """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU.

    Arguments:
        subject: what is asked.
        n: how many.
        seed: the same seed gives the same samples.
        y: for a model that takes labels or captions, one for all or one each: `data.conditions` says how.
        mean: decoded means in place of draws, where the model decodes codes and no labels are asked for.
        show: tell by a bar how far a draw in steps has come.
    """
    model = subject.model
    require(model, Samples)
    check_request(n)
    asked = conditions(y, n, subject.source, labels_of(model))
    return subject.source.natural(_drawn(model, n, seed, BATCH, asked, mean, show)).cpu()


def trajectory(subject: Drawn, n: int, seed: int = 0, y: Any = None) -> Tensor:
    """What `n` examples are after each step of a draw, in the data's natural unit, (n, steps, *shape), on the CPU.

    Arguments:
        subject: what is asked.
        n: how many.
        seed: the same seed gives the same samples.
        y: as for `draw`.

    Raises:
        ValueError: the model does not draw in steps.
    """
    model = subject.model
    if not isinstance(model, Stepwise):
        raise ValueError(f"{type(model).__name__} came; a model that draws in steps, as diffusion, is expected.")
    check_request(n)
    asked = conditions(y, n, subject.source, labels_of(model))
    with evaluating(model, seed), Bar("sampling", model.sampling_steps) as bar:
        steps = []
        for x in model.trajectory(n, asked):
            steps.append(subject.source.natural(x).cpu())
            bar.update(1)
    return torch.stack(steps, 1)
