"""What samples are compared with: features of real examples, kept in the cache, and of samples, computed once.

What is kept is a .npz without pickle, whose header says what it is of; one of anything else is refused.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.files import dumps
from counterfeit.common.schema import MisfitError, fields, parse_json, text
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator
from counterfeit.data.downloads import Arrays, cache_dir, content_hash, keep_arrays, load_arrays, memo
from counterfeit.data.selection import describe, evenly_spaced, spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.features.classifier import classifier
from counterfeit.metrics.features.extractors import FeatureExtractor, convolutions, pixels
from counterfeit.metrics.features.inception import inception
from counterfeit.metrics.shared import once

__all__ = [
    "Compared", "Moments", "Statistics", "beside", "compare", "drawn", "extractor", "halves_of_real", "header",
    "moments", "numbers_beside", "packed", "read_statistics", "real", "shared_extractor",
]  # fmt: skip

Header = Mapping[str, str | int]
Numbers = dict[str, float]  # by name, that come of one computation

ROWS = 4_096  # of features taken into a root at a time


class Moments(NamedTuple):
    """Mean (d,) and a root (r, d) of the covariance, both float64: rootᵀ root, with n - 1 in its denominator.

    A root keeps the digits of small variances beside large ones, which their squares in a covariance lose.
    """

    mean: Tensor
    root: Tensor

    @property
    def covariance(self) -> Tensor:
        """The covariance, (d, d)."""
        return self.root.t() @ self.root


class Statistics(NamedTuple):
    """Features of examples, float32 (n, d), and their moments where there are more examples than features."""

    features: Tensor
    moments: Moments | None


class Compared(NamedTuple):
    """Features of samples, float32 (n, d), those of real examples, and how both came about, in words."""

    samples: Tensor
    real: Statistics
    source: Source
    extractor: FeatureExtractor
    protocol: str


def moments(x: Tensor) -> Moments:
    """Mean and root of the covariance of features (n, d), n >= 2, in float64: min(n, d) rows.

    Example:
        >>> moments(torch.tensor([[0.0], [4.0]])).covariance.round(decimals=12)
        tensor([[8.]], dtype=torch.float64)
    """
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"features of shape {tuple(x.shape)} came; (n, d) with n >= 2 is expected. Take more samples.")
    mean = x.mean(0, dtype=torch.float64)
    root = mean.new_zeros(0, x.shape[1])
    for rows in x.split(ROWS):  # float64 copies of a piece at a time
        root = torch.cat([root, rows.double() - mean])
        root = torch.linalg.qr(root, mode="r").R if len(root) > x.shape[1] else root
    return Moments(mean, root / math.sqrt(len(x) - 1))


def extractor(source: Source, evaluation: Evaluation, device: torch.device | str = "cpu") -> FeatureExtractor:
    """What `evaluation.features` names, for data of `source`."""
    name = evaluation.features
    pictures, labels = len(source.spec.shape) == 3 and source.spec.bounded, source.spec.classes > 1
    if name == "auto":
        name = "pixels" if not pictures else "classifier" if labels or evaluation.weights else "convolutions"
    if name == "classifier":
        return classifier(source, evaluation.weights, device)
    if name == "inception":
        return inception(evaluation.weights, device)
    return convolutions(source.spec) if name == "convolutions" else pixels(source.spec)


def shared_extractor(source: Source, evaluation: Evaluation, device: torch.device | str = "cpu") -> FeatureExtractor:
    """What `evaluation.features` names, for data of `source`, made once within `sharing`."""
    key = ("extractor", source.name, source.fingerprint, evaluation.features, evaluation.weights)
    return once(key, lambda: extractor(source, evaluation, device))


def compare(
    model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None
) -> Compared:
    """Features of samples and of the split that `evaluation` names, each computed once within `sharing`.

    Arguments:
        model: one that samples.
        source: the data that it models; pictures behind transforms that make them something else are compared as
            pictures.
        evaluation: how many, which split, which features.
        chosen: any other extractor in place of the one that `evaluation` names.
    """
    samples, source = drawn(model, source, evaluation)
    by = chosen or shared_extractor(source, evaluation, model.device)
    key = ("features", model, source.name, source.fingerprint, by.protocol, _draw(evaluation))
    features = once(key, lambda: by(samples))
    reference = real(source, evaluation.split, evaluation.max_examples, by)
    data = describe(source, evaluation.split, len(reference.features), evaluation.max_examples)
    return Compared(features, reference, source, by, f"{by.protocol}; {len(samples)} samples; {data}")


def drawn(model: Generator, source: Source, evaluation: Evaluation) -> tuple[Tensor, Source]:
    """Samples as pictures, where the data were pictures before their transforms, and what they are compared with."""
    key = ("samples", model, _draw(evaluation))
    samples = once(key, lambda: draw_samples(model, evaluation.samples, evaluation.seed, evaluation.batch_size))
    source.spec.check(samples, source.name, values=False)
    if (len(source.spec.shape) != 3 or not source.spec.bounded) and source.raw.spec.kind == "image":
        return source.natural(samples), source.raw
    return samples, source


def real(source: Source, split: str, limit: int, by: FeatureExtractor, among: Tensor | None = None) -> Statistics:
    """Statistics of `limit` examples of a split (all where 0), evenly spaced: from the cache, or kept there.

    Arguments:
        source: the data.
        split: of which split.
        limit: how many at most.
        by: what gives their features.
        among: positions among which as many are taken, rising, int64 (M,); all where None.

    Raises:
        ValueError: where the cache holds something else in their place.
    """
    places = torch.arange(len(source.split(split))) if among is None else among
    n = min(limit or len(places), len(places))
    positions = places[spaced(n, len(places))]
    which = split if n == len(source.split(split)) else f"{n} of {split}, {content_hash({'': positions.numpy()})[:16]}"
    asked = header(source, which, n, by)
    path = cache_dir() / "statistics" / f"{hashlib.sha256(dumps(dict(asked)).encode()).hexdigest()[:16]}.npz"

    def examples() -> Tensor:
        return evenly_spaced(source, split, among=positions).x

    return once(("real", str(path)), lambda: _real(examples, by, asked, path))


def _real(examples: Callable[[], Tensor], by: FeatureExtractor, asked: Header, path: Path) -> Statistics:
    if path.is_file():
        return read_statistics(path, asked)
    features = by(examples())
    found = Statistics(features, moments(features) if len(features) > features.shape[1] else None)
    keep_arrays(f"statistics/{path.name}", packed(found, asked))
    return found


def beside(name: str, found: Compared, measure: Callable[[Tensor, Tensor], Estimate]) -> dict[str, Estimate]:
    """What training examples reach in the place of samples, by one number: see `numbers_beside`."""
    rows = numbers_beside(name, found, lambda x, y: measure(x, y).to_dict())
    return {who: Estimate.from_dict(row) for who, row in rows.items()}


def numbers_beside(name: str, found: Compared, measure: Callable[[Tensor, Tensor], Numbers]) -> dict[str, Numbers]:
    """What training examples reach in the place of samples: as many, evenly spaced, or all where there are fewer.

    Where there are fewer, as many of the samples are measured too, since many statistics depend on the number. Nothing
    where there are too few.

    Arguments:
        name: of the statistic, with the version of its definition where that changes.
        found: what samples were compared with.
        measure: numbers of features in the place of samples, and of the reference.
    """
    n = min(len(found.samples), len(found.source.split("train")))

    def trained() -> Numbers:
        return measure(real(found.source, "train", n, found.extractor).features, found.real.features)

    rows: dict[str, Numbers] = {}
    with suppress(ValueError):  # of too few: the number that it stands beside says so where it is too few itself
        rows["real"] = _kept(f"{name}; {n}", found, trained) | {"n": n}
        if n < len(found.samples):
            rows["samples, as many"] = {**measure(found.samples[:n], found.real.features), "n": n}
    return rows


def halves_of_real(name: str, found: Compared, measure: Callable[[Tensor, Tensor], Estimate]) -> dict[str, Estimate]:
    """What one part of the training examples reaches against another, which is no distance at all: the floor.

    As many of each as there are samples, and real examples that they are compared with, or a third of all at most.
    Each takes every third example, for sources may alternate: MNIST's even and odd examples are of different writers.

    Arguments:
        name: of the statistic, with the version of its definition where that changes.
        found: what samples were compared with.
        measure: number of features in the place of samples, and of the reference.
    """
    count = len(found.source.split("train"))
    n, m = (min(len(x), count // 3) for x in (found.samples, found.real.features))
    if min(n, m) < 2:
        return {}

    def apart() -> Numbers:
        parts = [(n, torch.arange(0, count, 3)), (m, torch.arange(1, count, 3))]
        x, y = (real(found.source, "train", size, found.extractor, among).features for size, among in parts)
        return measure(x, y).to_dict()

    return {"real halves": Estimate.from_dict(_kept(f"{name} of thirds; {n}; {m}", found, apart) | {"n": n})}


def _kept(what: str, found: Compared, measure: Callable[[], Numbers]) -> Numbers:
    """Numbers from the cache, or measured and kept there."""
    digest = hashlib.sha256(f"{what}; evenly spaced, by turns; {found.protocol}".encode()).hexdigest()[:16]
    arrays = memo(f"row-{digest}", lambda: {key: np.array(value) for key, value in measure().items()})
    return {key: value.item() for key, value in arrays.items()}


def header(source: Source, split: str, n: int, by: FeatureExtractor) -> Header:
    """What statistics are of: extractor, hash of its weights, resize mode, data with fingerprint, split, number."""
    return {
        "version": 2, "extractor": by.protocol, "weights": by.weights, "resize": by.resize, "source": source.name,
        "data": source.fingerprint, "split": split, "n": n,
    }  # fmt: skip


def packed(found: Statistics, of: Header) -> Arrays:
    """Statistics and their header as the arrays of a .npz file."""
    arrays = {"features": found.features.numpy()}
    if found.moments:
        arrays |= {"mean": found.moments.mean.numpy(), "root": found.moments.root.numpy()}
    return {**arrays, "header": np.array(dumps({**of, "content": content_hash(arrays)}))}


def read_statistics(path: Path, of: Header) -> Statistics:
    """The statistics in the file `path`.

    Raises:
        ValueError: where the file is damaged, or its header is not `of`.
    """
    arrays = dict(load_arrays(path) or {})
    header = str(arrays.pop("header", ""))
    try:
        found = parse_json(header, fields({"content": text}))
    except MisfitError:
        raise ValueError(f"{path} holds no statistics of features; it is damaged. Remove it.") from None
    for key, value in of.items():
        if found.get(key) != value:
            raise ValueError(f"{path} holds statistics of {key} {found.get(key)!r}; {value!r} is expected. Remove it.")
    if content_hash(arrays) != found["content"] or "features" not in arrays:
        raise ValueError(f"{path} holds other numbers than were written, or not all of them. Remove it.")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    known = Moments(tensors["mean"], tensors["root"]) if "mean" in tensors else None
    return Statistics(tensors["features"], known)


def _draw(evaluation: Evaluation) -> tuple[int, int, int]:
    return evaluation.samples, evaluation.seed, evaluation.batch_size
