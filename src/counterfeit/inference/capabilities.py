"""What models are asked for besides samples, each once: in batches, in evaluation mode, and under a seed of its own.

Everything here takes examples as the model sees them and returns tensors on the model's device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from counterfeit.core import (
    Assembles,
    Batch,
    Completes,
    Decodes,
    Encodes,
    Enlarges,
    Model,
    Predicts,
    Translates,
    require,
)  # fmt: skip
from counterfeit.data.selection import spread
from counterfeit.data.source import Source
from counterfeit.inference.draws import BATCH, evaluating
from counterfeit.nets.enlarging import bicubic, shrink

__all__ = [
    "Enlarged", "Foreseen", "Reconstructs", "asked", "assemble", "complete", "decode", "elsewhere", "encode",
    "enlarge", "enlarged", "everywhere", "few", "foreseen", "horizon", "predict", "reconstruct", "translate",
]  # fmt: skip

STEPS = 10  # of a rollout, where films are long enough


def asked(
    model: Model, answer: Callable[..., Tensor], *examples: Tensor, batch_size: int = BATCH, seed: int = 0
) -> Tensor:
    """What `answer` gives for `examples`, tensors of N rows each, asked in batches; (N, …) on the model's device.

    Arguments:
        model: whose answer it is; in evaluation mode meanwhile.
        answer: of tensors of some rows, a tensor of as many.
        examples: what it is asked about.
        batch_size: how many rows are handed over at once.
        seed: of whatever is drawn on the way.
    """
    batches = zip(*(rows.split(batch_size) for rows in examples), strict=True)
    with evaluating(model, seed):
        return torch.cat([answer(*(part.to(model.device) for part in parts)) for parts in batches])


def encode(model: Model, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """The code of each of `x`, (N, *shape): (N, latent)."""
    return asked(model, require(model, Encodes).encode, x, batch_size=batch_size, seed=seed)


def decode(model: Model, z: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """What each of the codes `z`, (N, latent), stands for, (N, *shape)."""
    return asked(model, require(model, Decodes).decode, z, batch_size=batch_size, seed=seed)


@runtime_checkable
class Reconstructs(Encodes, Decodes, Protocol):
    """Maps data to codes and back."""


def reconstruct(model: Model, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """What the codes of `x`, (N, *shape), decode to."""
    both = require(model, Reconstructs)
    return asked(model, lambda part: both.decode(both.encode(part)), x, batch_size=batch_size, seed=seed)


def complete(model: Model, x: Tensor, mask: Tensor, draws: int = 1, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """Draw completions of `x` where `mask`, both (N, *shape), is 0: (draws, N, *shape)."""
    fill = require(model, Completes).complete
    parts = [[part.to(model.device) for part in parts.split(batch_size)] for parts in (x, mask)]
    with evaluating(model, seed):  # one seed for all draws, which differ
        return torch.stack([torch.cat([*map(fill, *parts)]) for _ in range(draws)])


def translate(model: Model, x: Tensor, to: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """Each of `x`, (N, *shape), in the domain that `to`, (N,), names for it."""
    return asked(model, require(model, Translates).translate, x, to, batch_size=batch_size, seed=seed)


def enlarge(model: Model, x: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """Pictures `x`, (N, C, H, W), in more pixels, (N, C, factor H, factor W)."""
    return asked(model, require(model, Enlarges).enlarge, x, batch_size=batch_size, seed=seed)


def predict(model: Model, x: Tensor, steps: int, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """The `steps` frames after the frames `x`, (N, T, C, H, W): (N, steps, C, H, W)."""
    able = require(model, Predicts)
    return asked(model, lambda part: able.predict(part, steps), x, batch_size=batch_size, seed=seed)


def assemble(model: Model, patches: Tensor, batch_size: int = BATCH, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images around patches, (N, *shape), and the likeliest corners of each, (N, K, 2)."""
    images, corners = [], []
    with evaluating(model, seed):
        for part in patches.split(batch_size):
            x, places = require(model, Assembles).assemble(part.to(model.device))
            best = places.flatten(2).argmax(2)
            images.append(x)
            corners.append(torch.stack([best // places.shape[3], best % places.shape[3]], 2))
    return torch.cat(images), torch.cat(corners)


def elsewhere(y: Tensor, domains: int) -> Tensor:
    """A domain to go to from each of `y`, (N,): in turn all but its own, int64 (N,).

    Example:
        >>> elsewhere(torch.tensor([0, 0, 1, 2]), 3).tolist()
        [1, 2, 2, 0]
    """
    turn = _rank(y, domains) % (domains - 1)
    return (y + 1 + turn) % domains


def few(source: Source, split: str, n: int) -> Batch:
    """About `n` examples of a split, as many of each label as there are, in the order of labels.

    Raises:
        ValueError: where the data have no labels.
    """
    x, y = spread(source, split, 16 * n)
    if y is None:
        raise ValueError(f"{source.name} has no labels; domains are expected. Choose data with labels.")
    chosen = (_rank(y, source.spec.classes) * source.spec.classes + y).argsort()[:n]
    chosen = chosen[y[chosen].argsort(stable=True)]
    return Batch(x[chosen], y[chosen])


def _rank(y: Tensor, domains: int) -> Tensor:
    """How many of the same label come before each, (N,)."""
    return one_hot(y, domains).cumsum(0).gather(1, y[:, None]).squeeze(1) - 1


def everywhere(model: Model, x: Tensor, domains: int, seed: int = 0) -> Tensor:
    """Examples `x`, (N, *shape), and below them the same in each of the first `domains`, (1 + domains, N, *shape)."""
    x, able = x.to(model.device), require(model, Translates)
    with evaluating(model, seed):
        rows = [able.translate(x, torch.full((len(x),), to, device=x.device)) for to in range(domains)]
    return torch.stack([x, *rows])


class Enlarged(NamedTuple):
    """Pictures of the same size, (N, C, H, W) each: pixels repeated, bicubic, by a model, and the truth."""

    nearest: Tensor
    bicubic: Tensor
    model: Tensor
    truth: Tensor


def enlarged(model: Model, truth: Tensor, batch_size: int = BATCH, seed: int = 0) -> Enlarged:
    """The pictures `truth`, (N, C, H, W) in [0, 1], made small and enlarged again, on the device of the model."""
    factor, parts = require(model, Enlarges).factor, truth.to(model.device).split(batch_size)
    low = torch.cat([shrink(part, factor) for part in parts])
    nearest = interpolate(low, scale_factor=float(factor), mode="nearest")
    ours = enlarge(model, low, batch_size, seed)
    return Enlarged(nearest, bicubic(low, factor).clamp(0, 1), ours, torch.cat(parts))


class Foreseen(NamedTuple):
    """Frames that were given, (N, given, C, H, W), and after them the model's and the true ones, (N, steps, …)."""

    given: Tensor
    model: Tensor
    truth: Tensor

    @property
    def copied(self) -> Tensor:
        """The last frame given, in the place of every later one."""
        return self.given[:, -1:].expand_as(self.truth)


def horizon(frames: int) -> int:
    """Steps that are foreseen of films of so many frames: 10, or what leaves two frames, which show a motion.

    Example:
        >>> horizon(20), horizon(6), horizon(2)
        (10, 4, 1)
    """
    return min(STEPS, max(1, frames - 2))


def foreseen(model: Model, films: Tensor, batch_size: int = BATCH, seed: int = 0) -> Foreseen:
    """The end of `films`, (N, T, C, H, W), foreseen from their beginning, on the device of the model."""
    films = films.to(model.device)
    given, truth = films.tensor_split([films.shape[1] - horizon(films.shape[1])], 1)
    return Foreseen(given, predict(model, given, truth.shape[1], batch_size, seed), truth)
