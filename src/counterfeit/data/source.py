"""Sources of data: what they hold, in which splits, and how one is drawn from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Spec
from counterfeit.transforms import Composition

__all__ = ["Examples", "InMemory", "Source", "Streamed", "fingerprint", "transformed"]

SPLITS = ("train", "valid", "test")


class Examples(Dataset[Batch], ABC):
    """One split of a source, a torch `Dataset`; a tensor of positions gives a batch in the natural unit.

    A list, an array or a slice of positions gives a batch too, one position an example and its label. Subclasses
    implement `__len__` and `take`.

    Example:
        >>> split = InMemory(torch.rand(5, 2), torch.arange(5))
        >>> split[-1].y, split[1:4].x.shape, len([*split])
        (tensor(4), torch.Size([3, 2]), 5)
    """

    @property
    def streamed(self) -> bool:
        """Whether reading is slow enough for worker processes."""
        return False

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""

    def __getitem__(self, index: Tensor | int | slice | Sequence[int]) -> Batch:
        """Examples at some positions, or the one at a position; those below 0 count from the end."""
        if isinstance(index, Tensor) and index.ndim == 1 and index.dtype == torch.int64:
            return self.take(index)  # no look at the values: they may be on a device
        if isinstance(index, slice):
            return self.take(torch.arange(len(self))[index])
        places = torch.as_tensor(index)
        if places.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8) or places.ndim > 1:
            raise TypeError(f"{index!r} came; a position, a slice, or positions (B,) are expected.")
        if places.numel() and not -len(self) <= int(places.min()) <= int(places.max()) < len(self):
            raise IndexError(f"{index!r} came; positions below {len(self)} are expected.")
        batch = self.take(places.long().reshape(-1) % len(self))
        one = places.ndim == 0
        return Batch(batch.x[0], None if batch.y is None else batch.y[0]) if one else batch

    def __getitems__(self, index: Sequence[int]) -> list[Any]:
        """What a torch `DataLoader` puts together: pairs of an example and its label, or examples without labels."""
        x, y = self[torch.as_tensor(index, dtype=torch.int64)]
        return [*x] if y is None else [*zip(x, y, strict=True)]

    def __iter__(self) -> Iterator[Batch]:
        """One example after the other."""
        return (self[i] for i in range(len(self)))

    @property
    def labels(self) -> Tensor | None:
        """The labels of all examples, int64 (N,), or None."""
        return self.first().y

    @property
    def nbytes(self) -> int:
        """Bytes held in memory; 0 where examples are decoded as they are drawn."""
        return 0

    def to(self, device: torch.device | str) -> Examples:  # noqa: ARG002
        """The same examples on `device`, where they are held in memory."""
        return self

    def first(self, n: int | None = None) -> Batch:
        """The first `n` examples (all where None), in the natural unit."""
        return self[torch.arange(len(self) if n is None else min(n, len(self)))]


class InMemory(Examples):
    """Examples held as one tensor, 8-bit where the data are, and indexed on the device where it lives.

    Arguments:
        x: uint8 (N, *shape), divided by `scale` when read; or float32, handed over as it is.
        y: labels, int64 (N,), captions, series or, as uint8, pictures that examples are made from; or None.
        scale: what the largest 8-bit value means, 255 for images.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None, scale: float = 255.0) -> None:
        self.x, self.y, self.scale = x, y, scale

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        index = index.to(self.x.device)
        x = self.x.index_select(0, index)
        if x.dtype == torch.uint8:
            x = x.float().div_(self.scale)
        y = None if self.y is None else self.y.index_select(0, index)
        if y is not None and y.dtype == torch.uint8:
            y = y.float().div_(255.0)
        return Batch(x, y)

    @property
    def labels(self) -> Tensor | None:
        """The labels of all examples, int64 (N,), or None."""
        return self.y

    @property
    def nbytes(self) -> int:
        """Bytes of the examples."""
        return self.x.nbytes

    def to(self, device: torch.device | str) -> InMemory:
        """The same examples on `device`."""
        return InMemory(self.x.to(device), None if self.y is None else self.y.to(device), self.scale)


class Streamed(Examples):
    """Examples too many for memory: `read(i)` decodes one, (uint8 tensor, label), in worker processes.

    Subclasses implement `__len__` and `read`.
    """

    @property
    def streamed(self) -> bool:
        """True: every example is decoded when it is drawn."""
        return True

    @abstractmethod
    def read(self, index: int) -> tuple[Tensor, int]:
        """Decode the example at position `index`: uint8 (*shape) and its label (-1 where there is none)."""

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        pairs = [self.read(int(i)) for i in index]
        x = torch.stack([x for x, _ in pairs]).float().div_(255.0)
        y = torch.tensor([y for _, y in pairs])
        return Batch(x, None if bool((y < 0).any()) else y)


class Source(ABC):
    """A data set: its spec, its splits and a fingerprint of its content.

    Subclasses set `name`, `summary` and, in `__init__`, `spec`, and implement `split`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    spec: Spec
    class_names: Sequence[str] = ()
    warning: str = ""
    """What a person should know before training on it, if anything."""
    span: tuple[float, float] | None = None
    """The values of the files that 0 and 1 stand for, where these are not all that the files' type can hold."""

    rate: int | None = None
    """Samples a second where examples are sound, (channels, T) in [-1, 1]; None elsewhere."""

    @abstractmethod
    def split(self, name: str) -> Examples:
        """The examples of the split "train", "valid" or "test"; cached, so cheap to call again."""

    expected_transforms: Sequence[str] = ()
    """Transforms that a model meets these data behind where settings leave them to it and it asks for none itself."""

    @property
    def raw(self) -> Source:
        """The source before any transforms."""
        return self

    value_names: Sequence[str] = ()
    """What each value of an example is called, where they have names."""

    @property
    def constant(self) -> Sequence[str]:
        """Names of what never changes in training, of which there can be no density, where values have names."""
        return ()

    def alike(self, other: Source) -> Source:
        """Another source, seen through the transforms of this one."""
        return other

    @property
    def folds(self) -> Sequence[Source]:
        """The same data with other examples for validation and the test, none of which a model of this was trained on.

        Raises:
            ValueError: there are none.
        """
        raise ValueError(f"{self.name} has no folds; data with some, as tfd, are expected. Leave evaluate.folds out.")

    def transform(self, x: Tensor) -> Tensor:
        """Examples before any transforms, (B, *raw shape), as a model of this source sees them, (B, *shape)."""
        return x

    def natural(self, x: Tensor) -> Tensor:
        """Examples as a model of this source gives them, (B, *shape), in the unit of the data before any transforms."""
        return x

    def log_det(self, x: Tensor) -> Tensor:
        """What turns a log-density of examples `x`, (B, *shape), into one of the data before any transforms, (B,)."""
        return x.new_zeros(len(x))

    @property
    def modes(self) -> Tensor | None:
        """Centers of the modes, float32 (K, D), where the density is known as a mixture; None elsewhere."""
        return None

    @property
    def std(self) -> float | None:
        """Standard deviation around a mode, where it is known and the same in every direction; None elsewhere."""
        return None

    def called(self, label: int) -> str:
        """The name of the class of a label, or its number where classes have no names."""
        return str(self.class_names[label]) if self.class_names else str(label)

    def label(self, name: str) -> int:
        """The label of the class of that name, or number.

        Raises:
            ValueError: there is none.
        """
        names = [self.called(label) for label in range(self.spec.classes)]
        if name in names:
            return names.index(name)
        if name.isdecimal() and int(name) < len(names):
            return int(name)
        known = f"one of {', '.join(names)}" if names else "data with classes"
        raise ValueError(f"class {name!r} came; {known} is expected. Choose another.")

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of examples in each split."""
        return {name: len(self.split(name)) for name in SPLITS}

    @property
    def fingerprint(self) -> str:
        """A short hash of the content, the same on every machine."""
        return fingerprint(*(self.split(name) for name in SPLITS))


LOOKED_AT = 1_000_000  # training examples, at most, that transforms are fitted to


class _Transformed(Source):
    """A source whose batches pass through a chain of transforms."""

    def __init__(self, raw: Source, chain: Composition) -> None:
        self._raw, self._chain = raw, chain
        with seeded(0):
            chain.fit(lambda: raw.split("train").first(LOOKED_AT).x)
        self.name, self.summary, self.class_names = raw.name, raw.summary, raw.class_names  # type: ignore[misc]
        self.warning, self.span, self.rate, self.value_names = raw.warning, raw.span, raw.rate, raw.value_names
        self.spec = chain.spec(raw.spec)

    def split(self, name: str) -> Examples:
        return _Through(self._raw.split(name), self._chain)

    @property
    def raw(self) -> Source:
        return self._raw

    def alike(self, other: Source) -> Source:
        return _Transformed(other, self._chain)

    def transform(self, x: Tensor) -> Tensor:
        return self._chain.forward(x)[0]

    def natural(self, x: Tensor) -> Tensor:
        return self._chain.inverse(x)

    def log_det(self, x: Tensor) -> Tensor:
        total = x.new_zeros(len(x))
        for transform in reversed(self._chain.transforms):  # those that draw have none, whatever they draw
            x = transform.inverse(x)
            total = total + transform.forward(x)[1]
        return total

    @property
    def fingerprint(self) -> str:
        return "+".join([self._raw.fingerprint, *(type(t).__name__.lower() for t in self._chain.transforms)])


class _Through(Examples):
    def __init__(self, raw: Examples, chain: Composition) -> None:
        self.raw, self.chain = raw, chain

    def __len__(self) -> int:
        return len(self.raw)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        x, y = self.raw.take(index)
        return Batch(self.chain.forward(x)[0], y)

    @property
    def nbytes(self) -> int:
        return self.raw.nbytes

    @property
    def streamed(self) -> bool:
        return self.raw.streamed

    def to(self, device: torch.device | str) -> Examples:
        return _Through(self.raw.to(device), self.chain)


def transformed(source: Source, chain: Composition) -> Source:
    """`source` with every batch passed through `chain`; random transforms draw from the global random state."""
    return _Transformed(source, chain)


def fingerprint(*splits: Examples) -> str:
    """Hash the content of in-memory splits: the first 16 hexadecimal digits of SHA-256."""
    digest = hashlib.sha256()
    for examples in splits:
        if isinstance(examples, InMemory):
            digest.update(str((tuple(examples.x.shape), examples.x.dtype, examples.scale)).encode())
            digest.update(examples.x.cpu().contiguous().numpy().tobytes())
            if examples.y is not None:
                digest.update(examples.y.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
