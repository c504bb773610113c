"""What a model can be asked for: one declaration an ability, found in the files of this folder.

An ability is a function that asks a model which has a capability, in batches, in evaluation mode and under a seed, and
a picture of the model doing it, which training shows at every save.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.discovery import declared
from counterfeit.core import Generator
from counterfeit.data.source import Source
from counterfeit.inference.draws import BATCH, evaluating

__all__ = ["Ability", "abilities", "asked"]


@dataclass(frozen=True)
class Ability:
    """What models with a capability can be asked for.

    Arguments:
        name: of the method that a run has for it.
        needs: the capability.
        ask: (model, *examples, seed=0) -> an answer for each example, (N, …), on the model's device; examples are as
            the model sees them.
        preview: (model, source, n) -> about `n` pictures of it as rows, (rows, columns, *shape), from the seed in
            force; None where there is none.
        order: of two whose pictures could be shown, the lower is.
    """

    name: str
    needs: type
    ask: Callable[..., Tensor]
    preview: Callable[[Any, Source, int], Tensor] | None = None
    order: int = 50


@cache
def abilities() -> tuple[Ability, ...]:
    """Every ability, in the order in which they are shown."""
    return tuple(sorted(declared("counterfeit.inference", Ability).values(), key=lambda one: one.order))


def asked(
    model: Generator, answer: Callable[..., Tensor], *examples: Tensor, batch_size: int = BATCH, seed: int = 0
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
