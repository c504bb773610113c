"""Balls around points that reach their k-th nearest neighbours, and pairs that lie close enough to matter, by tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import SPARE, centre, certain, squared_distances
from counterfeit.common.progress import Bar

__all__ = ["COPIED", "ClosePairs", "Near", "close", "neighbours", "norms", "radii", "radii_among", "squares_of", "sure"]

LISTED = 8  # times k: of so many neighbours, a random half holds k
CENTRED = 2**25  # values of points centred at once: 128 MB
COPIED = 2**19  # values of points copied at once: 4 MB in float64, which a cache holds
LOOKED = 2**20  # distances looked at together: all that is made of them takes 60 MB at most


class Near(NamedTuple):
    """Squared distances to the nearest others, nearest first, and their positions, (N, K) each."""

    squares: Tensor
    positions: Tensor


class ClosePairs(NamedTuple):
    """Real examples and samples that lie close: positions of both, int64 (P,), and squared distances by products."""

    real: Tensor
    fake: Tensor
    squares: Tensor


def norms(x: Tensor, about: Tensor) -> Tensor:
    """Squared distances of `x`, (N, d), from a centre, (d,), without a copy of all: (N,)."""
    found, rows = x.new_empty(len(x)), max(1, COPIED // x.shape[1])
    for part, some in zip(found.split(rows), x.split(rows), strict=True):
        torch.sum((some - about).square_(), 1, out=part)
    return found


def tiles(x: Tensor, y: Tensor, what: str) -> Iterator[tuple[int, int, Tensor]]:
    """Squared distances from rows of `x` to rows of `y`, (R, C), with the positions of the first of both.

    Memory is bounded: each takes the place of one before.
    """
    columns, about = max(1_024, CENTRED // y.shape[1]), centre(y)
    with Bar(what, len(x) * -(-len(y) // columns)) as bar:
        for column in range(0, len(y), columns):
            row = 0
            for whole in squared_distances(x, y[column : column + columns], reuse=True, about=about):
                for tile in whole.split(max(1, LOOKED // whole.shape[1])):
                    yield row, column, tile
                    row += len(tile)
                    bar.update(len(tile))


def close(real: Tensor, fake: Tensor, within: Tensor, around: Tensor) -> Iterator[ClosePairs]:
    """Yield every pair nearer than what `within`, (N,), says of the real example, or `around`, (M,), of the sample.

    Arguments:
        real: real examples, (N, d).
        fake: samples, (M, d).
        within: squared distances.
        around: squared distances.
    """
    for row, column, tile in tiles(real, fake, "neighbourhoods"):
        near = tile < within[row : row + len(tile), None]
        near |= tile < around[column : column + tile.shape[1]]
        i, j = near.nonzero(as_tuple=True)
        yield ClosePairs(i + row, j + column, tile[i, j])


def neighbours(x: Tensor, k: int) -> Near:
    """The nearest other points, enough of them that a random half holds `k`, by products in the points' own type."""
    kept = min(len(x) - 1, LISTED * k + SPARE)
    squares, positions = x.new_full((len(x), kept), math.inf), torch.zeros(len(x), kept, dtype=torch.int32)
    for row, column, tile in tiles(x, x, f"neighbours among {len(x):,}"):
        tile.diagonal(row - column).fill_(math.inf)  # a point is no neighbour of its own
        near = tile.topk(min(kept, tile.shape[1]), largest=False)
        rows = slice(row, row + len(tile))
        both = torch.cat([squares[rows], near.values], 1)
        squares[rows], order = both.topk(kept, largest=False)
        positions[rows] = torch.cat([positions[rows], near.indices.int() + column], 1).gather(1, order)
    return Near(squares, positions)


def sure(x: Tensor, near: Near, k: int) -> bool:
    """Whether no point but those that are `near` can be one of the `k` nearest of any, whatever products lose."""
    looked = near.squares[:, : k + SPARE]
    (kth,), every = radii(x, near, k), looked.shape[1] == len(x) - 1
    return bool(certain(kth, looked[:, -1], norms(x, centre(x)), every).all())


def radii(x: Tensor, near: Near, *ks: int) -> list[Tensor]:
    """Squared distance of each point to its k-th neighbour in float64, (N,), for each k."""
    positions = near.positions[:, : max(ks) + SPARE]
    own = torch.arange(len(x)).repeat_interleave(positions.shape[1])
    ordered = squares_of(x, x, own, positions.flatten()).view(positions.shape).sort(1).values
    return [ordered[:, k - 1] for k in ks]


def radii_among(near: Near, chosen: Tensor, k: int) -> Tensor:
    """The same among the points at positions `chosen` alone, for those points, by products."""
    member = torch.zeros(len(near.positions), dtype=torch.int8)
    member[chosen] = 1
    count = member[near.positions[chosen]].cumsum(1, dtype=torch.int16)
    place = (count < k).sum(1).clamp(max=count.shape[1] - 1)  # of the k-th, or the last that is known
    return near.squares[chosen, place]


def squares_of(x: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances from `x[i]` to `y[j]` in float64, (P,): the same bits for the same pair, whoever asks."""
    found = torch.empty(len(i), dtype=torch.float64)
    rows = min(len(i), max(1, COPIED // x.shape[1]))
    # rooms that last: what is freed beside what is kept, again and again, leaves holes that nothing fits
    ours, theirs, gaps = x.new_empty(rows, x.shape[1]), y.new_empty(rows, x.shape[1]), found.new_empty(rows, x.shape[1])
    for start in range(0, len(i), max(1, rows)):
        some = slice(start, start + rows)
        here = slice(len(i[some]))
        torch.index_select(x, 0, i[some], out=ours[here])
        torch.index_select(y, 0, j[some], out=theirs[here])
        torch.sum(gaps[here].copy_(ours[here]).sub_(theirs[here]).square_(), 1, out=found[some])
    return found
