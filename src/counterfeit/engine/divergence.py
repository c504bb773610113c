"""Training that diverged: at which step, and in which layer, a number first was not finite.

Losses are looked at only when they are logged, lest every step wait for the device; by then all weights may be lost.
Since steps can be repeated exactly, those since the last checkpoint are taken once more with every layer watched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterfeit.config.settings import Train
from counterfeit.core import Clock, Model
from counterfeit.data.loader import Stream
from counterfeit.data.source import Examples
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

__all__ = ["DivergedError", "UnhealthyError", "began"]

PATIENCE = 60.0  # seconds of looking for where it began


class DivergedError(RuntimeError):
    """A loss or weight that is not finite; `reason` says which."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnhealthyError(DivergedError):
    """The doctor found a failure, and was asked not to let it go on."""


class _FoundError(Exception):
    """Ends the search."""


def began(run: Path, model: Model, examples: Examples, train: Train, processes: Processes, until: int) -> str:
    """Where a number first was not finite, in words; "" where that was not found within a minute.

    The weights of the model are those of the last step that was looked at.

    Arguments:
        run: the run folder; without a checkpoint nothing can be repeated.
        model: that was trained.
        examples: that it was trained on.
        train: how.
        processes: that share the work; with several nothing is repeated, since all would have to find the same.
        until: the step at which it showed.
    """
    path = _before(run, (until - 1) // train.log_every * train.log_every)
    if path is None or processes.world > 1:
        return ""
    stepper = Stepper(model, train, processes)
    state = checkpoint.restore(path, stepper)
    slices, mine = train.micro_batches, processes.share(train.micro_batches)
    position, device = state["position"], model.device
    draws = Stream(examples, train.batch_size, train.seed, device, slices, mine, position, train.workers).draws()
    end, found, step = time.perf_counter() + PATIENCE, list[str](), state["step"]
    with _watched(model, found), suppress(_FoundError):
        while step < until and time.perf_counter() < end:
            step += 1
            logs = stepper.step(draws, Clock(step - 1, train.steps))
            _check(found, {f"weight {name}": value for name, value in model.named_parameters()} | logs)
    return f"it began at step {step} with {found[0]}" if found else ""


def _before(run: Path, step: int) -> Path | None:
    """The newest checkpoint not after a step whose losses were finite; the oldest where all are; None for none."""
    every = checkpoint.checkpoints(run)
    early = [path for path in every if checkpoint.read_state(path)["step"] <= step]
    return early[-1] if early else every[0] if every else None


@contextmanager
def _watched(model: nn.Module, found: list[str]) -> Iterator[None]:
    """Inside, what the layers of a model put out and the gradients of its parameters are looked at."""
    hooks = []
    for name, layer in model.named_modules():
        if name and not [*layer.children()]:
            hooks.append(layer.register_forward_hook(partial(_put_out, found, f"{name} ({type(layer).__name__})")))
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            hooks.append(weight.register_hook(partial(_pulled, found, name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _put_out(found: list[str], name: str, layer: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG001
    if isinstance(output, Tensor):
        _check(found, {f"the output of {name}": output})


def _pulled(found: list[str], name: str, gradient: Tensor) -> None:
    _check(found, {f"the gradient of {name}": gradient})


def _check(found: list[str], values: dict[str, Tensor]) -> None:
    """End the search where one of the values holds a number that is not finite."""
    for name, value in values.items():
        if not bool(torch.isfinite(value.detach()).all()):
            found.append(name)
            raise _FoundError
