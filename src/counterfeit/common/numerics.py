"""Statistics that metrics share: pure functions of tensors, in full float32 and bounded memory; and seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.threads import using, worth

__all__ = [
    "ROUNDED", "SPARE", "Neighbours", "alike", "bits_per_dim", "centre", "certain", "check_finite", "kmeans",
    "logmeanexp", "mean", "mean_and_error", "mean_squared_error", "nearest", "sharpness", "squared_distances",
]  # fmt: skip

N = TypeVar("N", float, Tensor)

TILE = 2**22  # distances at a time: 16 MB, which a third-level cache holds
SPARE = 3  # candidates beside the k nearest, whose order may be rounded away
ROUNDED = {torch.float32: 2**-17, torch.float64: 2**-44}  # of squared norms, at most: what products lose of distances
SEEN = 255  # points whose median is the centre


class Neighbours(NamedTuple):
    """The nearest points first: Euclidean `distances` and `indices`, (N, k) each."""

    distances: Tensor
    indices: Tensor


def check_finite(x: Tensor, what: str) -> Tensor:
    """`x`, or a ValueError where any of it is not finite: comparisons with NaN are false, which looks like a score.

    Arguments:
        x: of any shape.
        what: it holds, in words.
    """
    if not bool(torch.isfinite(x).all()):
        raise ValueError(f"{what} came that are not finite; finite ones are expected. Evaluate an earlier checkpoint.")
    return x


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Mean of `values`, (N,), and its standard error: the standard deviation (ddof 0) over √N; None of one value.

    Example:
        >>> mean_and_error(torch.tensor([1.0, 3.0, 1.0, 3.0]))
        (2.0, 0.5)
    """
    if not values.numel():
        raise ValueError("no values came; the mean of at least one is expected. Evaluate on a split that is not empty.")
    values = check_finite(values.cpu().double(), "values")  # not every accelerator has float64
    error = float(values.std(correction=0)) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(values.mean()), error


def mean(values: Tensor) -> Estimate:
    """Mean of `values`, (N,), with its standard error, where there are several, and N.

    Example:
        >>> mean(torch.tensor([1.0, 3.0, 1.0, 3.0])).to_dict()
        {'value': 2.0, 'error': 0.5, 'n': 4}
    """
    return Estimate(*mean_and_error(values), len(values))


def logmeanexp(x: Tensor, dim: int = -1) -> Tensor:
    """Log mean exp(x) along `dim`, without overflow.

    Example:
        >>> logmeanexp(torch.tensor([1000.0, 1000.0]))
        tensor(1000.)
    """
    return x.logsumexp(dim) - math.log(x.shape[dim])


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference of each pair of examples, (B, *shape) -> (B,)."""
    if x.shape != y.shape:
        raise ValueError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} came; equal ones are expected. Reshape one.")
    x, y = alike(x, y)  # differences of integers would wrap round
    return (x - y).square().flatten(1).mean(1)


def bits_per_dim(nats: N, dims: int, offset: float = 0.0) -> N:
    """A log-likelihood of `nats` over `dims` values as bits per dimension, lower being better.

    Arguments:
        nats: mean log-likelihood of an example, or those of several, (N,).
        dims: number of values in an example.
        offset: bits that one value carries beyond the density: 8 where 8-bit values have a density on [0, 1], else 0.

    Example:
        >>> bits_per_dim(0.0, 3072, offset=8.0)  # uniform over 256 values
        8.0
    """
    return offset - nats / (dims * math.log(2))


def alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the wider of their types, float32 at least, so that one may be an array of integers or of float64.

    Example:
        >>> [t.dtype for t in alike(torch.zeros(2, dtype=torch.uint8), torch.zeros(2, dtype=torch.float64))]
        [torch.float64, torch.float64]
    """
    wide = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(wide), y.to(wide)


def centre(x: Tensor) -> Tensor:
    """The median of some of the points `x`, (N, D), evenly spaced, in each direction: (D,). Outliers do not move it."""
    return x[torch.arange(min(SEEN, len(x)), device=x.device) * len(x) // min(SEEN, len(x))].median(0).values


def squared_distances(x: Tensor, y: Tensor, reuse: bool = False, about: Tensor | None = None) -> Iterator[Tensor]:
    """Squared Euclidean distances from the rows of `x`, (N, D), to those of `y`, (M, D), in consecutive tiles (R, M).

    Both are centred first, so that few digits are lost in ‖x‖² - 2 x·y + ‖y‖²: what is, lies below `ROUNDED` times the
    squared distance of the row of `x` from the centre, or of the distance itself. None is below 0; what is too far for
    the type is infinitely far.

    Arguments:
        x: points.
        y: points.
        reuse: whether every tile takes the place of the one before.
        about: the centre, (D,); `centre(y)` where None.

    Example:
        >>> list(squared_distances(torch.tensor([[0.0]]), torch.tensor([[3.0], [4.0]])))
        [tensor([[ 9., 16.]])]
    """
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"rows of {x.shape[1]} and {y.shape[1]} values came; equal sizes are expected. Reshape one.")
    x, y = alike(x, y)
    about = centre(y) if about is None else about
    y = y - about
    y_norm, y_t = torch.linalg.vector_norm(y, dim=1).square_(), y.t()  # without a copy of squares
    room = y.new_empty(min(len(x), _rows(y)), len(y)) if reuse else None
    for tile in x.split(_rows(y)):
        centred = tile - about
        with _full_precision(x.device), using(max(torch.get_num_threads(), worth(2 * len(tile) * y.numel()))):
            out = None if room is None else room[: len(tile)]
            distances = torch.addmm(y_norm, centred, y_t, alpha=-2, out=out)  # (R, M)
        distances.add_(norm := centred.square().sum(1, keepdim=True)).clamp_(min=0)
        if not bool(torch.isfinite(y_norm).all() and torch.isfinite(norm).all()):
            distances.nan_to_num_(math.inf, math.inf)
        yield distances


def nearest(x: Tensor, y: Tensor, k: int = 1) -> Neighbours:
    """The `k` rows of `y`, (M, D), nearest to each row of `x`, (N, D), as exact differences say.

    Products find candidates; where their rounding could hide a nearer row, they are found again in float64.

    Example:
        >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [4.0]])).distances
        tensor([[3.]])
    """
    if not 1 <= k <= len(y):
        raise ValueError(f"k={k} came; between 1 and {len(y)} neighbours are expected, as there are that many points.")
    x, y = alike(x, y)
    found, sure = _candidates(x, y, k)
    if x.dtype != torch.float64 and not bool(sure.all()) and x.device.type != "mps":  # which has no float64
        again, _ = _candidates(x[~sure].double(), y.double(), k)
        found.distances[~sure], found.indices[~sure] = again.distances.to(x.dtype), again.indices
    return found


def _candidates(x: Tensor, y: Tensor, k: int) -> tuple[Neighbours, Tensor]:
    """The `k` rows of `y` nearest to each row of `x` among candidates, and whether no other row can be nearer."""
    about, parts, sure = centre(y), [], []
    for tile, points in zip(squared_distances(x, y, about=about), x.split(_rows(y)), strict=True):
        near = tile.topk(min(k + SPARE, len(y)), largest=False)
        rows = near.indices.sort(1).values  # of rows as near as each other, the first comes first
        exact = _apart(points, y, rows)  # a copy lies at 0
        order = exact.sort(dim=1, stable=True)
        parts.append(Neighbours(order.values[:, :k].to(x.dtype), rows.gather(1, order.indices)[:, :k]))
        kth, norms = order.values[:, k - 1].square(), (points - about).square().sum(1)
        sure.append(certain(kth, near.values.amax(1), norms, near.values.shape[1] == len(y)))
    distances, indices = (torch.cat(some) for some in zip(*parts, strict=True))
    return Neighbours(distances, indices), torch.cat(sure)


def _apart(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """Distances from each of `x`, (R, D), to its own `rows` of `y`, (R, K), by differences."""
    finest = x.dtype if x.device.type == "mps" else torch.float64  # which it has not
    return torch.stack([(x.to(finest) - y[some].to(finest)).norm(dim=1) for some in rows.unbind(1)], 1)


def certain(kth: Tensor, last: Tensor, norms: Tensor, every: bool) -> Tensor:
    """Whether points that are no candidates cannot be nearer than the k-th one, bool (N,).

    Arguments:
        kth: squared distance of the k-th nearest candidate, computed exactly, (N,).
        last: squared distance of the farthest candidate, as `squared_distances` says, (N,).
        norms: squared distances from the centre, (N,).
        every: whether all points are candidates.
    """
    lost = ROUNDED[last.dtype] * (norms + last)
    return (kth <= last - lost) | (kth == 0) | every


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
        owner = torch.cat([tile.argmin(1) for tile in squared_distances(x, centroids)])
        count = torch.bincount(owner, minlength=k).unsqueeze(1)
        means = torch.zeros_like(centroids).index_add_(0, owner, x) / count.clamp(min=1)
        centroids = torch.where(count > 0, means, centroids)  # a centroid without points stays
    return centroids


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


def sharpness(x: Tensor) -> Tensor:
    """Mean length of the gradient from pixel to pixel, (B, …, H, W) -> (B,).

    Example:
        >>> import torch
        >>> sharpness(torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None])
        tensor([1.])
    """
    across, down = x.diff(dim=-1)[..., :-1, :], x.diff(dim=-2)[..., :, :-1]
    return (across.square() + down.square()).sqrt().flatten(1).mean(1)
