"""What every model checks of what it is asked: a request, labels, captions, series, actions and codes."""

from __future__ import annotations

import numbers

import torch
from torch import Tensor

from counterfeit.core.vocabulary import Generator, Spec

__all__ = [
    "check_actions", "check_captions", "check_codes", "check_labels", "check_request", "check_series",
    "check_told", "labels_seen",
]  # fmt: skip


def check_request(n: int, y: Tensor | None = None) -> None:
    """Raise a ValueError unless `n` >= 1 samples without labels are asked for."""
    if not isinstance(n, numbers.Integral):
        raise ValueError(f"n={n!r} came; a whole number of samples is expected. Ask for n >= 1.")
    if n < 1:
        raise ValueError(f"n={n} came; at least one sample is expected. Ask for n >= 1.")
    if y is not None:
        raise ValueError("`y` came; this model samples without labels. Leave `y` out, or train a conditional model.")


def check_labels(y: Tensor | None, n: int, classes: int, values: bool = True) -> Tensor:
    """The labels `y`, or a ValueError unless they are (n,) integers and, where `values`, from 0 to `classes` - 1."""
    if y is None:
        raise ValueError(f"no labels came; {n} labels are expected. Give `y`, or choose data with labels.")
    if y.shape != (n,) or y.is_floating_point() or y.is_complex():
        raise ValueError(f"`y` has shape {tuple(y.shape)}, dtype {y.dtype}; ({n},) integers are expected. Convert it.")
    if values and n and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"labels {int(y.min())} to {int(y.max())} came; 0 to {classes - 1} are expected. Correct `y`.")
    return y.long()


def check_captions(y: Tensor | None, n: int, spec: Spec, values: bool = True) -> Tensor:
    """The tokens `y`, or a ValueError unless they are (n, length) and, where `values`, those of the data's words."""
    want = f"({n}, {spec.max_tokens}) integers"
    if y is None:
        raise ValueError(f"no captions came; {want} are expected. Give `y`, or choose data with captions.")
    if y.shape != (n, spec.max_tokens) or y.is_floating_point() or y.is_complex():
        raise ValueError(f"`y` has shape {tuple(y.shape)}, dtype {y.dtype}; {want} are expected. Convert it.")
    if values and n and not 0 <= int(y.min()) <= int(y.max()) <= len(spec.vocabulary):
        came = f"tokens {int(y.min())} to {int(y.max())} came"
        raise ValueError(f"{came}; 0 to {len(spec.vocabulary)} are expected. Take those of the data's own words.")
    return y.long()


def check_series(y: Tensor | None, n: int, spec: Spec, values: bool = True) -> Tensor:
    """The series `y`, or a ValueError unless they are (n, channels, frames) and, where `values`, finite."""
    want = f"({n}, {', '.join(map(str, spec.series))}) floating point"
    if y is None:
        raise ValueError(f"no series came; {want} are expected. Give `y`, or choose data with a series.")
    if y.shape != (n, *spec.series) or not y.is_floating_point():
        raise ValueError(f"`y` has shape {tuple(y.shape)}, dtype {y.dtype}; {want} are expected. Convert it.")
    if values and not bool(torch.isfinite(y).all()):
        raise ValueError("`y` holds values that are not finite; finite ones are expected. Clean the series first.")
    return y


def check_actions(y: Tensor | None, shape: tuple[int, int], spec: Spec) -> Tensor | None:
    """The actions `y`, or a ValueError unless they are integers of this `shape`, each of an action of the data.

    None where the data have no actions and none came.
    """
    if y is None and not spec.actions:
        return None
    names = ", ".join(spec.actions)
    if not spec.actions:
        raise ValueError(f"actions {tuple(y.shape)} came; none are expected, as the data had none. Leave them out.")  # type: ignore[union-attr]
    if y is None:
        raise ValueError(f"no actions came; {shape} numbers of {names} are expected. Give the action after each frame.")
    if y.shape != shape or y.is_floating_point() or y.is_complex():
        came = f"`actions` has shape {tuple(y.shape)}, dtype {y.dtype}"
        raise ValueError(f"{came}; {shape} integers are expected: one after each frame, and for each step but one.")
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < len(spec.actions):
        came = f"actions {int(y.min())} to {int(y.max())} came"
        raise ValueError(f"{came}; 0 to {len(spec.actions) - 1} are expected, for {names}. Correct them.")
    return y.long()


def check_told(model: Generator) -> None:
    """Raise a ValueError unless the model is told the labels or series of examples."""
    if not model.conditional:
        who = type(model).__name__
        raise ValueError(f"{who} is told nothing of examples; a conditional model is expected. Take `log_prob`.")


def labels_seen(spec: Spec, conditional: bool) -> int:
    """How many labels a model sees: those of the data where it is `conditional`, else 0; a ValueError without any."""
    if conditional and spec.classes < 1:
        raise ValueError("data without labels came; a conditional model expects labels. Choose data with classes.")
    return spec.classes if conditional else 0


def check_codes(z: Tensor, size: int) -> None:
    """Raise a ValueError unless `z` is (B, size)."""
    if z.ndim != 2 or z.shape[1] != size:
        raise ValueError(f"`z` has shape {tuple(z.shape)}; (B, {size}) is expected. Draw codes with `prior(n)`.")
