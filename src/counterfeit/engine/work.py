"""The work of a training step, counted: floating-point operations of its products and convolutions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from counterfeit.common.seeding import seeded
from counterfeit.common.threads import worth
from counterfeit.config.settings import Train
from counterfeit.core import Clock, Model
from counterfeit.data.loader import Stream
from counterfeit.data.source import Source
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

__all__ = ["Work", "work"]


@dataclass(frozen=True)
class Work:
    """A step's floating-point operations and its `products`, the operations of PyTorch that they fall to."""

    operations: float
    products: int

    @property
    def each(self) -> float:
        """Floating-point operations of one product, on average."""
        return self.operations / max(1, self.products)

    @property
    def threads(self) -> int:
        """How many threads it is worth."""
        return worth(self.each)

    def __str__(self) -> str:
        return f"{self.products} products of {self.each / 1e6:.3g} MFLOP on average"


def work(model: Model, source: Source, train: Train) -> Work:
    """The work of the first step, counted while a copy of the model makes it; nothing is changed or drawn.

    Arguments:
        model: on the CPU.
        source: what it is to be trained on.
        train: how.
    """
    examples, pieces = source.split("train"), train.micro_batches
    stream = Stream(examples, train.batch_size, train.seed, model.device, pieces, range(pieces))
    with seeded(train.seed), _Counted() as counted:
        Stepper(copy.deepcopy(model), train, Processes()).step(stream.draws(), Clock(0, train.steps))
    return Work(counted.operations, counted.products)


class _Counted(TorchDispatchMode):
    """Counts what reaches a device while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.products = 0.0, 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        from torch.utils.flop_counter import flop_registry

        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count:
            self.operations += count(*args, **(kwargs or {}), out_val=out)
            self.products += 1
        return out
