"""Translation: examples in another domain."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.core import (
    Batch,
    Generator,
    Translates,
    require,
)  # fmt: skip
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability, asked
from counterfeit.inference.draws import BATCH, evaluating

__all__ = ["TRANSLATE", "elsewhere", "everywhere", "few", "translate"]


def translate(model: Generator, x: Tensor, to: Tensor, batch_size: int = BATCH, seed: int = 0) -> Tensor:
    """Each of `x`, (N, *shape), in the domain that `to`, (N,), names for it."""
    return asked(model, require(model, Translates).translate, x, to, batch_size=batch_size, seed=seed)


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
    x, y = evenly_spaced(source, split, 16 * n)
    if y is None:
        raise ValueError(f"{source.name} has no labels; domains are expected. Choose data with labels.")
    chosen = (_rank(y, source.spec.classes) * source.spec.classes + y).argsort()[:n]
    chosen = chosen[y[chosen].argsort(stable=True)]
    return Batch(x[chosen], y[chosen])


def everywhere(model: Generator, x: Tensor, domains: int, seed: int = 0) -> Tensor:
    """Examples `x`, (N, *shape), and below them the same in each of the first `domains`, (1 + domains, N, *shape)."""
    x, able = x.to(model.device), require(model, Translates)
    with evaluating(model, seed):
        rows = [able.translate(x, torch.full((len(x),), to, device=x.device)) for to in range(domains)]
    return torch.stack([x, *rows])


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Images of every domain, and below them the same in the others: (1 + domains, columns, *shape)."""
    domains = source.spec.classes
    return everywhere(model, few(source, "valid", max(4, n // (1 + domains))).x, domains)


def _rank(y: Tensor, domains: int) -> Tensor:
    """How many of the same label come before each, (N,)."""
    return one_hot(y, domains).cumsum(0).gather(1, y[:, None]).squeeze(1) - 1


TRANSLATE = Ability("translate", Translates, translate, _preview, 30)
