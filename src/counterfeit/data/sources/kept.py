"""Data that were handed over in Python, kept in the run folder so that every verb finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from counterfeit.common.files import DataError, atomic
from counterfeit.core import Spec
from counterfeit.data.downloads import sealed, unsealed
from counterfeit.data.images import Span
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.arrays import read_arrays
from counterfeit.data.sources.in_memory import pick

__all__ = ["KEPT", "Kept", "keep", "kept_name"]

KEPT = "run:data.npz"
"""What `data.name` says where data from Python are kept in the run folder, in the file of that name after the colon."""


class Kept(Source):
    """What was handed over in Python and kept in a run folder, as `keep` wrote it.

    Arguments:
        path: the file.
        size: is not asked again: it was done before the examples were kept.
        span: likewise.

    Raises:
        DataError: the file cannot be read, or lacks something.
    """

    name = "kept"
    summary = "examples handed over in Python, in their run folder"

    def __init__(self, path: str | Path, size: int | None = None, span: Span | None = None) -> None:  # noqa: ARG002
        held = unsealed(read_arrays(Path(path)))
        if held is None:
            raise DataError(f"{path} is damaged. Restore it, or train anew.")
        try:
            self._splits = {name: _kept(held, name) for name in SPLITS}
            self.class_names = tuple(map(str, held["classes"]))
            self.span = tuple(held["span"].tolist()) or None
            self._fingerprint = str(held["fingerprint"])
            shape = tuple(self._splits["train"].x.shape[1:])
            self.spec = Spec(shape, str(held["kind"]), len(self.class_names))  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is damaged ({error}). Restore it, or train anew.") from None

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @property
    def fingerprint(self) -> str:
        """That of what was handed over."""
        return self._fingerprint


def keep(source: Source, path: Path) -> None:
    """Write all splits of `source` to a .npz that `Kept` reads as the same source.

    Raises:
        ValueError: its examples are not held in memory.
    """
    arrays: dict[str, np.ndarray] = {
        "kind": np.array(source.spec.kind), "classes": np.array([*source.class_names], str),
        "span": np.array(source.span or ()), "fingerprint": np.array(source.fingerprint),
    }  # fmt: skip
    for name in SPLITS:
        examples = source.split(name)
        if not isinstance(examples, InMemory):
            raise ValueError(f"{source.name} is not held in memory; save it to files and name their path.")
        arrays |= {f"x_{name}": examples.x.cpu().numpy(), f"scale_{name}": np.array(examples.scale)}
        arrays |= {} if examples.y is None else {f"y_{name}": examples.y.cpu().numpy()}
    with atomic(path) as part, part.open("wb") as file:
        np.savez(file, **sealed(arrays))  # type: ignore[arg-type]


def kept_name() -> str:
    """The name of the file in a run folder that holds data handed over in Python."""
    return KEPT.partition(":")[2]


def _kept(held: Mapping[str, np.ndarray], name: str) -> InMemory:
    y = held.get(f"y_{name}")
    labels = None if y is None else torch.from_numpy(y)
    return InMemory(torch.from_numpy(held[f"x_{name}"]), labels, float(held[f"scale_{name}"]))
