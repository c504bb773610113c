"""What benchmarks beside other packages have in common: minibatches, steps of either side, and their rates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Literal

import torch
from torch import Tensor, nn

from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Model
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

Precision = Literal["fp32", "bf16"]
Row = dict[str, object]
Step = Callable[[Tensor], object]
"""A step of training on a minibatch of data."""


def our_step(model: Model, size: int, lr: float, precision: Precision = "fp32", length: int = 1) -> Step:
    """By the project's step loop, with Adam, in a training of `length` steps."""
    stepper = Stepper(model, Train(steps=length, batch_size=size, lr=lr, precision=precision), Processes())
    steps = count()  # every step draws noise of its own
    return lambda x: stepper.step([lambda: Batch(x)], Clock(next(steps), length))


def their_step(module: nn.Module, loss: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer) -> Step:
    """As everyone writes it."""

    def step(x: Tensor) -> None:
        module.train()
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return step


def minibatches(x: Tensor, steps: int, size: int, seed: int = 0) -> Iterator[Tensor]:
    """So many minibatches, drawn by a generator of their own: a step may set the global one."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield x[torch.randint(len(x), (size,), generator=generator)]


def seconds(step: Step, x: Tensor, size: int, steps: int = 20) -> float:
    """Seconds of the processor a step, minibatches being drawn."""
    start = time.process_time()
    for batch in minibatches(x, steps, size):
        step(batch)
    return (time.process_time() - start) / steps


def compared(taken: list[tuple[float, ...]], per: float) -> Row:
    """Examples a second and ratios, medians over rounds of seconds for `per`: ours, perhaps in bf16, theirs."""
    *rates, other = (round(per / statistics.median(times), 1) for times in zip(*taken, strict=True))
    ratios = [round(statistics.median(each[-1] / each[i] for each in taken), 3) for i in range(len(rates))]
    return {
        **dict(zip(("ours", "bf16"), rates, strict=False)), "theirs": other,
        **dict(zip(("ratio", "bf16_ratio"), ratios, strict=False)),
    }  # fmt: skip
