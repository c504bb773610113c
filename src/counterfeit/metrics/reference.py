"""What samples are compared with: features of real examples, kept in the cache, and of samples, computed once.

What is kept is a .npz without pickle, whose header says what it is of; one of anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Model
from counterfeit.data.cache import Arrays, cache_dir, keep_arrays, load_arrays, memo
from counterfeit.data.source import Source
from counterfeit.metrics.classifier import classifier
from counterfeit.metrics.features import FeatureExtractor, convolutions, pixels
from counterfeit.metrics.inception import inception
from counterfeit.metrics.metric import Evaluation
from counterfeit.metrics.sampling import describe, draw_samples, load, spread
from counterfeit.metrics.sharing import once

__all__ = [
    "Compared", "Moments", "Statistics", "compare", "drawn", "extractor", "floor", "header", "moments", "packed",
    "read", "real", "shared_extractor",
]  # fmt: skip

Header = Mapping[str, str | int]


class Moments(NamedTuple):
    """Mean (d,) and covariance (d, d) with n - 1 in its denominator, both float64."""

    mean: Tensor
    covariance: Tensor


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
    """Mean and covariance of features (n, d), n >= 2, in float64.

    Example:
        >>> moments(torch.tensor([[0.0], [2.0]])).covariance
        tensor([[2.]], dtype=torch.float64)
    """
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"features of shape {tuple(x.shape)} came; (n, d) with n >= 2 is expected. Take more samples.")
    mean = x.mean(0, dtype=torch.float64)
    covariance = mean.new_zeros(x.shape[1], x.shape[1])
    for rows in x.split(4_096):  # float64 copies of a piece at a time
        centred = rows.double() - mean
        covariance.addmm_(centred.t(), centred)
    return Moments(mean, covariance / (len(x) - 1))


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
    model: Model, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None
) -> Compared:
    """Features of samples and of the split that `evaluation` names, each computed once within `sharing`.

    Arguments:
        model: one that samples.
        source: what it imitates; pictures behind transforms that make them something else are compared as pictures.
        evaluation: how many, which split, which features.
        chosen: any other extractor in place of the one that `evaluation` names.
    """
    samples, source = drawn(model, source, evaluation)
    by = chosen or shared_extractor(source, evaluation, model.device)
    key = ("features", model, source.name, source.fingerprint, by.protocol, _draw(evaluation))
    features = once(key, lambda: by(samples))
    reference = real(source, evaluation.split, evaluation.limit, by)
    data = describe(source, evaluation.split, len(reference.features))
    return Compared(features, reference, source, by, f"{by.protocol}; {len(samples)} samples; {data}")


def drawn(model: Model, source: Source, evaluation: Evaluation) -> tuple[Tensor, Source]:
    """Samples as pictures, where the data were pictures before their transforms, and the source that they imitate."""
    key = ("samples", model, _draw(evaluation))
    samples = once(key, lambda: draw_samples(model, evaluation.samples, evaluation.seed, evaluation.batch_size))
    source.spec.check(samples, source.name, values=False)
    if (len(source.spec.shape) != 3 or not source.spec.bounded) and source.raw.spec.kind == "image":
        return source.natural(samples), source.raw
    return samples, source


def real(source: Source, split: str, limit: int, by: FeatureExtractor, among: range | None = None) -> Statistics:
    """Statistics of the first `limit` examples of a split (all where 0): from the cache, or computed and kept there.

    Arguments:
        source: the data.
        split: of which split.
        limit: how many at most.
        by: what gives their features.
        among: positions among which as many are taken, evenly spaced, in place of the first.

    Raises:
        ValueError: where the cache holds something else in their place.
    """
    places = range(len(source.split(split))) if among is None else among
    n = min(limit or len(places), len(places))
    asked = header(source, split if among is None else f"{split}[{among.start}::{among.step}]", n, by)
    path = cache_dir() / "statistics" / f"{hashlib.sha256(json.dumps(dict(asked)).encode()).hexdigest()[:16]}.npz"
    examples = lambda: (load(source, split, n) if among is None else spread(source, split, n, among=among)).x  # noqa: E731
    return once(("real", str(path)), lambda: _real(examples, by, asked, path))


def _real(examples: Callable[[], Tensor], by: FeatureExtractor, asked: Header, path: Path) -> Statistics:
    if path.is_file():
        return read(path, asked)
    features = by(examples())
    found = Statistics(features, moments(features) if len(features) > features.shape[1] else None)
    keep_arrays(f"statistics/{path.name}", packed(found, asked))
    return found


def floor(name: str, found: Compared, statistic: Callable[[Tensor, Tensor], Sequence[float]]) -> list[float]:
    """What training examples reach in the place of as many samples, kept in the cache.

    Arguments:
        name: of the statistic, with the version of its definition where that changes.
        found: what samples were compared with.
        statistic: of features of training examples and of the reference.
    """
    n = min(len(found.samples), len(found.source.split("train")))
    digest = hashlib.sha256(f"{name}; {n}; {found.protocol}".encode()).hexdigest()[:16]

    def measure() -> Arrays:
        train = real(found.source, "train", n, found.extractor)
        return {"values": np.array(statistic(train.features, found.real.features))}

    values: list[float] = memo(f"floor-{digest}", measure)["values"].tolist()
    return values


def header(source: Source, split: str, n: int, by: FeatureExtractor) -> Header:
    """What statistics are of: extractor, hash of its weights, resize mode, data with fingerprint, split, number."""
    return {
        "version": 1, "extractor": by.protocol, "weights": by.weights, "resize": by.resize, "source": source.name,
        "data": source.fingerprint, "split": split, "n": n,
    }  # fmt: skip


def packed(found: Statistics, of: Header) -> Arrays:
    """Statistics and their header as the arrays of a .npz file."""
    arrays = {"features": found.features.numpy()}
    if found.moments:
        arrays |= {"mean": found.moments.mean.numpy(), "covariance": found.moments.covariance.numpy()}
    return {**arrays, "header": np.array(json.dumps({**of, "content": _content(arrays)}))}


def read(path: Path, of: Header) -> Statistics:
    """The statistics in the file `path`.

    Raises:
        ValueError: where the file is damaged, or its header is not `of`.
    """
    arrays = dict(load_arrays(path) or {})
    text = str(arrays.pop("header", ""))
    try:
        found = json.loads(text)
        content = found.pop("content")
    except (ValueError, KeyError, AttributeError):
        raise ValueError(f"{path} holds no statistics of features; it is damaged. Remove it.") from None
    for key, value in of.items():
        if found.get(key) != value:
            raise ValueError(f"{path} holds statistics of {key} {found.get(key)!r}; {value!r} is expected. Remove it.")
    if _content(arrays) != content or "features" not in arrays:
        raise ValueError(f"{path} holds other numbers than were written, or not all of them. Remove it.")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    known = Moments(tensors["mean"], tensors["covariance"]) if "mean" in tensors else None
    return Statistics(tensors["features"], known)


def _draw(evaluation: Evaluation) -> tuple[int, int, int]:
    return evaluation.samples, evaluation.seed, evaluation.batch_size


def _content(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
