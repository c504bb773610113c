"""How samples are drawn, where a model leaves a choice: the sampler, its steps and its guidance, for one draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from counterfeit.common.spelling import nearest
from counterfeit.core import Generator, Stepwise

__all__ = ["OPTIONS", "Guided", "HasSamplers", "sampling"]

OPTIONS = ("sampler", "sampling_steps", "guidance")
"""Attributes of models that a draw can change."""


@runtime_checkable
class HasSamplers(Protocol):
    """Can draw in several ways."""

    sampler: str
    """The one in use."""
    samplers: tuple[str, ...]
    """All of them."""


@runtime_checkable
class Guided(Protocol):
    """Follows labels as strongly as it is told."""

    guidance: float
    """How strongly; 1 is the conditional model."""


@contextmanager
def sampling(model: Generator, options: Mapping[str, Any]) -> Iterator[None]:
    """`model`, which draws by other options meanwhile.

    Arguments:
        model: whose attributes of these names are changed, and restored after.
        options: any of `OPTIONS`; those that are None stay as they are.

    Raises:
        ValueError: the model has no such option, or not that value of it.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        _check(model, name, value)
    before = {name: getattr(model, name) for name in given}
    for name, value in given.items():
        setattr(model, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)


def _check(model: Generator, name: str, value: Any) -> None:
    """Raise a ValueError where the model has no option of that name, or not that value."""
    if name not in OPTIONS:
        raise ValueError(f"{name} came; one of {', '.join(OPTIONS)} is expected. Leave it out.")
    came, who = f"{name}={value} came", type(model).__name__
    if name == "sampler":
        if not isinstance(model, HasSamplers):
            raise ValueError(f"{came}; {who} draws in one way only. Leave it out.")
        if value not in model.samplers:
            raise ValueError(f"sampler {value!r} is unknown; {nearest(value, model.samplers)}")
    elif name == "sampling_steps":
        if "sampling_steps" not in vars(model):  # those of a flow are its layers, and cannot be set
            raise ValueError(f"{came}; {who} draws in no steps that could be more or fewer. Leave it out.")
        low = int(isinstance(model, Stepwise))  # a chain may stay where it starts
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"{came}; a whole number of at least {low} is expected. Correct it.")
    else:
        if not isinstance(model, Guided) or not model.conditional:
            raise ValueError(f"{came}; {who} was trained without labels to follow. Leave it out.")
        if not 0 <= float(value) < math.inf:
            raise ValueError(f"{came}; a number of at least 0 is expected. The usual ones are 1 to 5.")
