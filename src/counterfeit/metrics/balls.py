"""Balls around points that reach their k-th nearest neighbours, and who lies in them: tile by tile, decided exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.data.progress import Bar
from counterfeit.metrics.statistics import squared_distances

__all__ = ["Balls", "Near", "Tally", "neighbours", "radii", "radii_among", "tiles"]

SPARE = 3  # candidates beside the k nearest, whose order float32 may get wrong
LISTED = 8  # times k: of so many neighbours, a random half holds k
TOLERANCE = 2**-18  # of float32 squared distances, relative to the norms; nearer pairs are decided in float64
CENTRED = 2**25  # values of points centred at once: 128 MB
COPIED = 2**19  # values of points copied at once: 4 MB in float64, which a cache holds


class Near(NamedTuple):
    """Squared distances to the nearest others, nearest first, and their positions, (N, K) each."""

    squares: Tensor
    positions: Tensor


class Balls(NamedTuple):
    """Squared radii (N,) around real examples, small and wide, and around samples, (M,)."""

    small: Tensor
    wide: Tensor
    fake: Tensor


class Tally:
    """Counts who lies in whose ball, among real examples at positions `rows` and samples at `columns`.

    Where `points`, both whole feature matrices, are given, pairs that float32 cannot decide are decided in float64.
    """

    def __init__(
        self, balls: Balls, rows: Tensor, columns: Tensor, k: int, points: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.balls, self.rows, self.columns, self.k, self.points = balls, rows, columns, k, points
        self.precise = torch.zeros(len(columns), dtype=torch.bool)
        self.recalled, self.covered = torch.zeros(2, len(rows), dtype=torch.bool)
        self.density = 0
        if points:
            self.norms = [_norms(x, points[1].mean(0)) for x in points]

    def add(self, row: int, column: int, tile: Tensor) -> None:
        """Count the squared distances `tile` from real examples at positions from `row` to samples from `column`."""
        r, c = _span(self.rows, row, tile.shape[0]), _span(self.columns, column, tile.shape[1])
        if not self.points:
            tile = tile[self.rows[r] - row][:, self.columns[c] - column]
        squares = (self.balls.small[r, None], self.balls.wide[r, None], self.balls.fake[c])
        small, wide, fake = (self._inside(tile, radius, r, c) for radius in squares)
        self.precise[c] |= small.any(0)
        self.recalled[r] |= fake.any(1)
        self.covered[r] |= wide.any(1)
        self.density += int(wide.sum())

    def _inside(self, tile: Tensor, radius: Tensor, r: slice, c: slice) -> Tensor:
        if not self.points:
            return tile < radius
        reach = TOLERANCE * (self.norms[0][r, None] + self.norms[1].max())
        inside = tile < (radius - reach).float()
        doubtful = (tile < (radius + reach).float()) ^ inside
        if bool(doubtful.any()):
            i, j = doubtful.nonzero(as_tuple=True)
            real, fake = (x[some] for x, some in zip(self.points, (r, c), strict=True))
            inside[i, j] = _squares(real[i], fake[j]) < radius.expand_as(tile)[i, j]
        return inside

    def scores(self) -> tuple[float, float, float, float]:
        """Precision, recall, density, coverage."""
        precision, recall, coverage = (float(x.double().mean()) for x in (self.precise, self.recalled, self.covered))
        return precision, recall, self.density / (self.k * len(self.columns)), coverage


def _span(positions: Tensor, start: int, length: int) -> slice:
    """Where in the sorted `positions` those from `start` lie."""
    return slice(*torch.searchsorted(positions, torch.tensor([start, start + length])).tolist())


def tiles(x: Tensor, y: Tensor, what: str) -> Iterator[tuple[int, int, Tensor]]:
    """Squared distances from rows of `x` to rows of `y`, (R, C), with the positions of the first of both."""
    columns = max(1_024, CENTRED // y.shape[1])
    with Bar(what, len(x) * -(-len(y) // columns)) as bar:
        for column in range(0, len(y), columns):
            row = 0
            for tile in squared_distances(x, y[column : column + columns]):
                yield row, column, tile
                row += len(tile)
                bar.update(len(tile))


def neighbours(x: Tensor, k: int) -> Near:
    """The nearest other points, enough of them that a random half holds `k`, by float32 distances."""
    kept = min(len(x) - 1, LISTED * k + SPARE)
    squares, positions = torch.full((len(x), kept), math.inf), torch.zeros(len(x), kept, dtype=torch.int32)
    for row, column, tile in tiles(x, x, f"neighbours among {len(x):,}"):
        tile.diagonal(row - column).fill_(math.inf)  # a point is no neighbour of its own
        near = tile.topk(min(kept, tile.shape[1]), largest=False)
        rows = slice(row, row + len(tile))
        both = torch.cat([squares[rows], near.values], 1)
        squares[rows], order = both.topk(kept, largest=False)
        positions[rows] = torch.cat([positions[rows], near.indices.int() + column], 1).gather(1, order)
    return Near(squares, positions)


def radii(x: Tensor, near: Near, *ks: int) -> list[Tensor]:
    """Squared distance of each point to its k-th neighbour in float64, (N,), for each k."""
    positions = near.positions[:, : max(ks) + SPARE]
    rows, found = max(1, COPIED // (positions.shape[1] * x.shape[1])), []
    for some, candidates in zip(x.split(rows), positions.split(rows), strict=True):
        exact = _squares(some.repeat_interleave(candidates.shape[1], 0), x[candidates.flatten()])
        found.append(exact.view(candidates.shape).sort(1).values)
    ordered = torch.cat(found)
    return [ordered[:, k - 1] for k in ks]


def radii_among(near: Near, chosen: Tensor, k: int) -> Tensor:
    """The same among the points at positions `chosen` alone, for those points, in float32."""
    member = torch.zeros(len(near.positions), dtype=torch.int8)
    member[chosen] = 1
    count = member[near.positions[chosen]].cumsum(1, dtype=torch.int16)
    place = (count < k).sum(1).clamp(max=count.shape[1] - 1)  # of the k-th, or the last that is known
    return near.squares[chosen, place]


def _norms(x: Tensor, centre: Tensor) -> Tensor:
    """Squared distances from `centre`, (N,), without a copy of `x`."""
    return torch.cat([(some - centre).square_().sum(1) for some in x.split(max(1, COPIED // x.shape[1]))])


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of corresponding rows in float64: the same bits for the same pair, whoever asks."""
    return x.double().sub_(y).square_().sum(1)
