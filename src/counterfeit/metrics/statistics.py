"""Statistics that metrics share: pure functions of tensors, in full float32 and bounded memory; and seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit.metrics.threads import using, worth

__all__ = [
    "Neighbours", "bits_per_dim", "kmeans", "logmeanexp", "mean_and_error", "nearest", "seeded", "squared_distances",
]  # fmt: skip

TILE = 2**22  # distances at a time: 16 MB, which a third-level cache holds


class Neighbours(NamedTuple):
    """The nearest points first: Euclidean `distances` and `indices`, (N, k) each."""

    distances: Tensor
    indices: Tensor


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean of `values`, (N,), and its standard error: the standard deviation (ddof 0) over √N.

    Example:
        >>> mean_and_error(torch.tensor([1.0, 3.0, 1.0, 3.0]))
        (2.0, 0.5)
    """
    if not values.numel():
        raise ValueError("no values came; the mean of at least one is expected. Evaluate on a split that is not empty.")
    values = values.cpu().double()  # not every accelerator has float64
    return float(values.mean()), float(values.std(correction=0)) / math.sqrt(values.numel())


def logmeanexp(x: Tensor, dim: int = -1) -> Tensor:
    """Log mean exp(x) along `dim`, without overflow.

    Example:
        >>> logmeanexp(torch.tensor([1000.0, 1000.0]))
        tensor(1000.)
    """
    return x.logsumexp(dim) - math.log(x.shape[dim])


def bits_per_dim(nats: float, dims: int, offset: float = 0.0) -> float:
    """A log-likelihood of `nats` over `dims` values as bits per dimension, lower being better.

    Arguments:
        nats: mean log-likelihood of an example.
        dims: number of values in an example.
        offset: bits that one value carries beyond the density: 8 where 8-bit values have a density on [0, 1], else 0.

    Example:
        >>> bits_per_dim(0.0, 3072, offset=8.0)  # uniform over 256 values
        8.0
    """
    return offset - nats / (dims * math.log(2))


def squared_distances(x: Tensor, y: Tensor, reuse: bool = False) -> Iterator[Tensor]:
    """Squared Euclidean distances from the rows of `x`, (N, D), to those of `y`, (M, D), in consecutive tiles (R, M).

    Both are centred first, so that float32 loses few digits in ‖x‖² - 2 x·y + ‖y‖²; no distance is below 0. With
    `reuse`, every tile takes the place of the one before.

    Example:
        >>> list(squared_distances(torch.tensor([[0.0]]), torch.tensor([[3.0], [4.0]])))
        [tensor([[ 9., 16.]])]
    """
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"rows of {x.shape[1]} and {y.shape[1]} values came; equal sizes are expected. Reshape one.")
    centre = y.mean(0)
    y = y - centre
    y_norm, y_t = torch.linalg.vector_norm(y, dim=1).square_(), y.t()  # without a copy of squares
    room = y.new_empty(min(len(x), _rows(y)), len(y)) if reuse else None
    for tile in x.split(_rows(y)):
        centred = tile - centre
        with _full_precision(x.device), using(max(torch.get_num_threads(), worth(2 * len(tile) * y.numel()))):
            out = None if room is None else room[: len(tile)]
            distances = torch.addmm(y_norm, centred, y_t, alpha=-2, out=out)  # (R, M)
        yield distances.add_(centred.square().sum(1, keepdim=True)).clamp_(min=0)


def nearest(x: Tensor, y: Tensor, k: int = 1) -> Neighbours:
    """The `k` rows of `y`, (M, D), nearest to each row of `x`, (N, D).

    Example:
        >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [4.0]])).distances
        tensor([[3.]])
    """
    if not 1 <= k <= len(y):
        raise ValueError(f"k={k} came; between 1 and {len(y)} neighbours are expected, as there are that many points.")
    distances, indices = [], []
    for tile, points in zip(squared_distances(x, y), x.split(_rows(y)), strict=True):
        index = tile.topk(k, largest=False).indices  # (R, k)
        indices.append(index)
        distances.append((points[:, None] - y[index]).norm(dim=2))  # again, exactly: a copy lies at 0
    return Neighbours(torch.cat(distances), torch.cat(indices))


def kmeans(x: Tensor, k: int, steps: int = 10, seed: int = 0) -> Tensor:
    """Centroids, (k, D), of the points `x`, (N, D): Lloyd's algorithm from `k` distinct points drawn under `seed`.

    References:
        Least Squares Quantization in PCM, Lloyd, 1982.
    """
    if not 1 <= k <= len(x):
        raise ValueError(f"k={k} came; between 1 and {len(x)} centroids are expected, as there are that many points.")
    start = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:k]
    centroids = x[start.to(x.device)]
    for _ in range(steps):
        owner = nearest(x, centroids).indices.squeeze(1)
        count = torch.bincount(owner, minlength=k).unsqueeze(1)
        mean = torch.zeros_like(centroids).index_add_(0, owner, x) / count.clamp(min=1)
        centroids = torch.where(count > 0, mean, centroids)  # a centroid without points stays
    return centroids


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Draw from `seed` inside, on the CPU and on `device`, and restore the random states after.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeded(0):
        ...     torch.rand(1)
        tensor([0.4963])
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    device = torch.device(device)
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            torch.cuda.default_generators[index].manual_seed(seed)
        elif device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        yield


def _rows(y: Tensor) -> int:
    return max(64, TILE // max(y.shape))


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    # products in float32 whatever the caller allows: rounded distances move a score by whole nats
    backends: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    backends = [backend for backend in backends if hasattr(backend, "fp32_precision")]  # torch >= 2.9
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
