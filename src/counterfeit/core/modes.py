"""How a pass through a net is built: without gradients of its weights, and without running statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["frozen", "without_statistics"]


@contextmanager
def without_statistics(*modules: nn.Module) -> Iterator[None]:
    """Normalize by the statistics of the minibatch, and keep it out of those that `modules` keep for evaluation.

    For every pass of what is not what a net is evaluated on: samples of codes that are not from the prior, a second
    view of the data, the points of a penalty.
    """
    norms = [m for module in modules for m in module.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    kept = [norm for norm in norms if norm.track_running_stats]
    for norm in kept:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in kept:
            norm.track_running_stats = True


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Build a graph through `modules` while they stand still: no gradients of weights, and no running statistics.

    Yield the update outside of this context: another micro-batch may be built while this one waits.
    """
    parameters = [p for module in modules for p in module.parameters()]
    for p in parameters:
        p.requires_grad_(False)
    try:
        with without_statistics(*modules):
            yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
