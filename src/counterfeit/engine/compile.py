"""Compiling the nets of a model in place, and a check that a graph of each was captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from counterfeit.core import Model, Net

__all__ = ["compile_nets", "outermost"]

GRAPHS = 8  # of one net, as its modes, types and batch sizes differ: what torch allows one function


def compile_nets(model: Model, backend: str) -> Callable[[], None] | None:
    """Compile every outermost net in place; returns a check, for after a step, that a graph of each was captured."""
    if backend == "off":
        return None
    missing = dict(enumerate(outermost(model)))
    _allow_graphs(GRAPHS * len(missing))
    for i, net in list(missing.items()):
        net.compile(backend=_noting(backend, partial(missing.pop, i, None)))

    def check() -> None:
        if missing:
            names = ", ".join(type(net).__name__ for net in missing.values())
            raise ValueError(f"train.compile={backend} captured no graph of {names}. Train with train.compile=off.")

    return check


def _allow_graphs(count: int) -> None:
    """So many graphs of one function: nets of one class share it, and each has graphs of its own."""
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, count)
    limits.accumulated_recompile_limit = max(limits.accumulated_recompile_limit, count)


def _noting(backend: str, note: Callable[[], object]) -> Callable[..., Any]:
    """The backend of that name, which first calls `note` whenever a graph was captured."""
    compiler = torch._dynamo.lookup_backend(backend)

    def compile_graph(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        note()
        return compiler(graph, inputs)

    return compile_graph


def outermost(module: torch.nn.Module) -> Iterator[Net]:
    """Every net of a module that is in no other and may be compiled."""
    for child in module.children():
        if isinstance(child, Net):
            if not child.double_backward:
                yield child
        else:
            yield from outermost(child)
