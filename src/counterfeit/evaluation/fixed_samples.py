"""Samples made elsewhere in the place of a model: pictures in a folder or zip, an array in a file, a split of a source.

An array has N rows of the data's shape: images (N, C, H, W), with channels last (N, H, W, C), gray ones without a
channel (N, H, W), or flat (N, D) in the order channel, row, column; points (N, D). The first of these that fits counts.
Images are uint8 from 0 to 255 or floats in [0, 1]; binary ones hold 0 and 1, or 0 and 255. Where the data have a range
of their own (`data.range`), arrays hold values of that range, as those that `counterfeit sample` writes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from counterfeit import catalogue
from counterfeit.config.settings import Data
from counterfeit.data.sample_files import Array, read_samples
from counterfeit.data.source import SPLITS, Source
from counterfeit.data.sources.arrays import adopt
from counterfeit.evaluation.measure import Results
from counterfeit.evaluation.subject import FixedSamples, Subject

__all__ = ["evaluate", "outside"]


def outside(what: Any, data: Any = None) -> Subject:
    """Samples made elsewhere, or a split of a source as if it were samples, for a reference row.

    Arguments:
        what: a folder or zip of pictures, a .npy or .npz file, a split such as "mnist:train"; or an array or a tensor.
        data: the reference data, by name or path, as settings, or as `train` takes data; may be left out for a split.

    Raises:
        ValueError: where they cannot be read, or are not of the data's shape and range.

    Example:
        >>> outside("digits:train").evaluate("nearest", samples=10)["nearest"].value  # each is its own neighbour
        0.0
    """
    if not isinstance(what, (str, Path)):
        return _array(what, data)
    what, data = str(what), Data(str(data)) if isinstance(data, (str, Path)) else data
    name, _, split = what.rpartition(":")
    if name and split in SPLITS and (data is None or isinstance(data, Data)):
        data = data or Data(name)
        source, examples = catalogue.source(data), catalogue.source(dataclasses.replace(data, name=name)).split(split)
        source.spec.check(examples.first(1).x, source.name)
        return Subject(what, FixedSamples(source.spec, examples, what), source, real=True)
    if data is None:
        raise ValueError(f"{what} came without reference data to compare it with. Say which, as in --data mnist.")
    source = _reference(data)
    return Subject(
        Path(what).name, FixedSamples(source.spec, read_samples(Path(what).expanduser(), source), what), source
    )


def evaluate(samples: Any, *metrics: str, data: Any = None, **options: Any) -> Results:
    """Measure samples that were made elsewhere: row -> result; all metrics that apply where none are named.

    Arguments:
        samples: as `outside` takes them.
        metrics: names of metrics.
        data: the reference data, which the samples are compared with.
        options: any field of `Evaluation`, such as split="valid" or seed=1.

    Example:
        >>> import torch
        >>> evaluate(torch.zeros(30, 1, 8, 8), "nearest", data="digits")["nearest"].n
        30
    """
    return outside(samples, data).evaluate(*metrics, **options)


def _reference(data: Any) -> Source:
    """The data that samples are compared with."""
    if isinstance(data, (str, Path, Data)):
        return catalogue.source(data if isinstance(data, Data) else str(data))
    return adopt(data)


def _array(what: Any, data: Any) -> Subject:
    """Samples in an array or a tensor."""
    rows = what.detach().cpu().numpy() if isinstance(what, Tensor) else what
    if not isinstance(rows, np.ndarray):
        came = f"{type(what).__name__} came"
        raise ValueError(f"{came}; an array, a tensor, or the path of samples is expected. Convert it.")
    if data is None:
        raise ValueError("samples came without reference data to compare them with. Say which, as in data='mnist'.")
    source = _reference(data)
    return Subject("samples", FixedSamples(source.spec, Array(rows, source, "the array"), "the array"), source)
