"""Digits in several domains, unpaired, with the map between domains hidden from training but known to who evaluates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.images import to_bytes
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.in_memory import Fixed, pick
from counterfeit.data.sources.mnist import MNIST

__all__ = ["Paired", "UnpairedDigits"]

SLOPE = 0.25  # columns that a slanted row moves for each row above the middle
SHIFT = 14  # a shifted picture moves by a row and a column for each so many pixels of its side


@runtime_checkable
class Paired(Protocol):
    """Knows what an example of one domain is in another, though it is never trained on pairs."""

    def truth(self, x: Tensor, y: Tensor, to: Tensor) -> Tensor:
        """The examples `x`, (B, *shape), of the domains `y`, (B,), as they are in the domains `to`, (B,)."""


class Look(NamedTuple):
    """The colors, red, green and blue in [0, 1], of what is 0 and of what is 1 in a gray picture."""

    paper: tuple[float, float, float]
    ink: tuple[float, float, float]

    def show(self, x: Tensor, channels: int) -> Tensor:
        """Gray pictures (B, 1, H, W) in these colors, (B, channels, H, W)."""
        paper, ink = (x.new_tensor(color[:channels]).view(-1, 1, 1) for color in self)
        return paper + (ink - paper) * x

    def read(self, x: Tensor) -> Tensor:
        """The gray pictures, (B, 1, H, W), that those in these colors came from, by the channel of most contrast."""
        contrast = [ink - paper for paper, ink in zip(*self, strict=True)][: x.shape[1]]
        best = max(range(len(contrast)), key=lambda channel: abs(contrast[channel]))
        return ((x[:, best : best + 1] - self.paper[best]) / contrast[best]).clamp(0, 1)


LOOKS: Mapping[str, Look] = {
    "plain": Look((0, 0, 0), (1, 1, 1)),
    "negative": Look((1, 1, 1), (0, 0, 0)),
    "red": Look((0, 0, 0), (1, 0, 0)),
    "blueprint": Look((0, 0, 0.6), (1, 1, 1)),
    "sunny": Look((1, 1, 0), (0, 0, 0.6)),
}
GRAY = ("plain", "negative")
MOVES = ("shifted", "slanted", "mirrored", "turned")


def move(x: Tensor, name: str, back: bool = False) -> Tensor:
    """Pictures (B, C, H, W) shifted, slanted, mirrored or turned by 90 degrees, or `back`; no pixel is lost.

    Example:
        >>> x = torch.rand(2, 1, 8, 8)
        >>> all(torch.equal(move(move(x, name), name, back=True), x) for name in MOVES)
        True
    """
    if name == "shifted":
        return x.roll([(-1 if back else 1) * max(1, round(side / SHIFT)) for side in x.shape[2:]], (2, 3))
    if name == "mirrored":
        return x.flip(3)
    if name == "turned":
        return x.rot90(-1 if back else 1, (2, 3))
    rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
    shift = (SLOPE * (len(rows) / 2 - rows[:, None])).round().long() * (-1 if back else 1)
    return x[:, :, rows[:, None], (columns - shift) % len(columns)]


class Domain(NamedTuple):
    """A look, and how pictures are moved before they are given it."""

    look: Look
    moves: tuple[str, ...]

    def show(self, x: Tensor, channels: int) -> Tensor:
        """Gray digits (B, 1, H, W) as they are in this domain."""
        for name in self.moves:
            x = move(x, name)
        return self.look.show(x, channels)

    def read(self, x: Tensor) -> Tensor:
        """The gray digits that pictures of this domain came from, (B, 1, H, W)."""
        x = self.look.read(x)
        for name in reversed(self.moves):
            x = move(x, name, back=True)
        return x


def domain(name: str) -> Domain:
    """The domain of that name: a look, moves, or both, as in "negative+slanted"."""
    words = str(name).split("+")
    looks, moves = [word for word in words if word in LOOKS], tuple(word for word in words if word in MOVES)
    if len(looks) > 1 or len(looks) + len(moves) < len(words):
        known = f"one of {', '.join(LOOKS)} and any of {', '.join(MOVES)}"
        raise ValueError(f"domain {name!r} came; {known} is expected, joined by `+`. Correct data.options.domains.")
    return Domain(LOOKS[looks[0] if looks else "plain"], moves)


class UnpairedDigits(Source):
    """Handwritten digits in several domains, each an invertible map of pixels: labels are the domains.

    No digit occurs in two domains, so that there are no pairs to learn from. `truth` knows the maps.

    Arguments:
        size: resize images to `size` x `size` pixels; None keeps their own.
        domains: a look (plain, negative, red, blueprint, sunny), or moves (shifted, slanted, mirrored, turned), or both
            with a `+` between.
        digits: mnist, or the smaller digits that travel with the package.

    Raises:
        ValueError: for domains that are unknown, less than two, or the same.

    Example:
        >>> source = UnpairedDigits(domains=("plain", "negative"), digits="digits")
        >>> x, y = source.split("test").first(2)
        >>> torch.equal(source.truth(x, y, 1 - y), 1 - x)
        True
    """

    name = "unpaired-digits"
    summary = "handwritten digits in domains whose map is hidden: unpaired translation"

    def __init__(
        self, size: int | None = None, domains: Sequence[str] = ("plain", "negative+shifted"), digits: str = "mnist"
    ) -> None:
        kinds: Mapping[str, type[Fixed]] = {"mnist": MNIST, "digits": Digits}
        if digits not in kinds:
            raise ValueError(f"digits {digits!r} came; mnist or digits is expected. Correct data.options.digits.")
        domains = domains.split(",") if isinstance(domains, str) else domains  # as on the command line
        if len({*domains}) < max(2, len(domains)):
            raise ValueError(f"domains {domains!r} came; two or more different ones are expected. Name others.")
        self.digits, self.class_names = kinds[digits](size), tuple(map(str, domains))
        self.domains = [domain(name) for name in self.class_names]
        gray = all(one.look in map(LOOKS.get, GRAY) for one in self.domains)
        self.spec = Spec((1 if gray else 3, *self.digits.spec.shape[1:]), "image", len(self.domains))

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the digits came from, and whether a checksum confirmed it."""
        return self.digits.files

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test": its digits dealt out among the domains."""
        return pick(self._splits, name)

    def truth(self, x: Tensor, y: Tensor, to: Tensor) -> Tensor:
        """The pictures `x`, (B, C, H, W), of the domains `y`, (B,), as they are in the domains `to`, (B,)."""
        gray, out = torch.empty_like(x[:, :1]), torch.empty_like(x)
        for label, one in enumerate(self.domains):
            gray[y == label] = one.read(x[y == label])
        for label, one in enumerate(self.domains):
            out[to == label] = one.show(gray[to == label], x.shape[1])
        return out

    @cached_property
    def _splits(self) -> dict[str, InMemory]:
        return {name: self._dealt(self.digits.split(name)) for name in SPLITS}

    def _dealt(self, digits: InMemory) -> InMemory:
        order = np.random.RandomState(0).permutation(len(digits))  # legacy: its stream is frozen
        y = torch.from_numpy(order % len(self.domains))
        x = torch.empty(len(y), *self.spec.shape, dtype=torch.uint8)
        for label, one in enumerate(self.domains):
            shown = one.show(digits[torch.where(y == label)[0]].x, self.spec.shape[0])
            x[y == label] = to_bytes(shown)
        return InMemory(x, y)
