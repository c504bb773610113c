"""The endless, shuffled stream of minibatches that training draws from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from counterfeit.common.seeding import mix
from counterfeit.core import Batch, Draw
from counterfeit.data.source import Examples

__all__ = ["Stream"]


class Order:
    """The indices of minibatch number t, a function of the seed alone, so that a position is one integer.

    Each epoch is a fresh permutation; what does not fill a minibatch at its end is left out.
    """

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.per_epoch = max(1, n // batch_size)
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    def _epoch(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(mix(self.seed, epoch))
        rounds = -(-self.batch_size // self.n)  # more than one where a minibatch is larger than the data
        return torch.cat([torch.randperm(self.n, generator=generator) for _ in range(rounds)])

    def __getitem__(self, t: int) -> Tensor:
        epoch, i = divmod(t, self.per_epoch)
        return self.epoch(epoch)[i * self.batch_size : (i + 1) * self.batch_size]


class Stream:
    """Minibatches of `examples`, cut into `slices` equal pieces of which this process draws those numbered `mine`.

    Piece j of minibatch t is the same however many processes or micro-batches share the work.

    Arguments:
        examples: one split.
        batch_size: examples in a whole minibatch.
        seed: of the order.
        device: where batches are delivered.
        slices: pieces a minibatch is cut into.
        mine: numbers of the pieces drawn here.
        position: minibatches drawn so far.
        workers: processes that decode streamed examples.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        seed: int,
        device: torch.device,
        slices: int = 1,
        mine: range = range(1),
        position: int = 0,
        workers: int = 0,
    ) -> None:
        self.order, self.examples, self.device = Order(len(examples), batch_size, seed), examples, device
        self.step = batch_size // slices
        self.positions = dict.fromkeys(mine, position)
        self.loaders = {j: iter(self._loader(j, workers)) for j in mine} if examples.streamed else {}

    @property
    def position(self) -> int:
        """Minibatches drawn so far."""
        return min(self.positions.values())

    def draws(self) -> list[Draw]:
        """One function a piece, each returning the next of its batches."""
        return [lambda j=j: self._draw(j) for j in self.positions]  # type: ignore[misc]

    def _draw(self, j: int) -> Batch:
        t = self.positions[j]
        self.positions[j] = t + 1
        batch = next(self.loaders[j]) if self.loaders else self.examples[self._index(t, j)]
        y = None if batch.y is None else batch.y.to(self.device, non_blocking=True)
        return Batch(batch.x.to(self.device, non_blocking=True), y)

    def _index(self, t: int, j: int) -> Tensor:
        return self.order[t][j * self.step : (j + 1) * self.step]

    def _loader(self, j: int, workers: int) -> DataLoader[Batch]:
        indices = _Indices(self, j, self.positions[j])
        return DataLoader(_Decoded(self.examples), batch_size=None, sampler=indices, num_workers=workers)


class _Indices(Sampler[Tensor]):
    def __init__(self, stream: Stream, j: int, start: int) -> None:
        self.stream, self.j, self.start = stream, j, start

    def __iter__(self) -> Iterator[Tensor]:
        return (self.stream._index(t, self.j) for t in count(self.start))


class _Decoded(Dataset[Batch]):
    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __getitem__(self, index: Tensor) -> Batch:
        return self.examples[index]
