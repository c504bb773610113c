"""Pictures with captions, composed of attributes: what a caption asks for, and whether a picture shows it, is known.

Some pairs of attributes never come together in training, so that it can be tested whether a model has learnt what the
words mean or only which pictures there are.

References:
    Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from counterfeit.core import Spec
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.in_memory import pick
from counterfeit.data.sources.mnist import MNIST
from counterfeit.data.tokenizer import encode, vocabulary
from counterfeit.nets.text import Asked

__all__ = ["Captioned", "CaptionedDigits", "CaptionedShapes", "Composed", "PairChoice", "composed"]

PairChoice = Literal["seen", "all"]
Phrases = Mapping[str, tuple[str, ...]]  # the values of an attribute, each with the names that a caption may give it

COLORS = {
    "red": (255, 50, 50), "green": (40, 210, 60), "blue": (70, 110, 255), "yellow": (255, 225, 40),
    "purple": (185, 60, 225), "white": (255, 255, 255),
}  # fmt: skip
SHARES = {"small": 14 / 32, "large": 22 / 32}  # of a picture's side that the thing in it takes
JITTER = 1 / 32  # of a picture's side that a thing may be off its place
POSITIONS = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")
SYNONYMS = {"small": ("tiny",), "large": ("big",), "center": ("middle",)}
TEMPLATES = (
    "a {size} {color} {kind} at the {position}", "a {size} {kind} in {color} at the {position}",
    "at the {position} a {size} {color} {kind}",
)  # fmt: skip
LENGTH = 12  # words in a caption at most
UNSAID = (0.0, 0.1, 0.1, 0.1)  # how often a caption is silent about kind, color, size and position
CHUNK = 4_096  # pictures composed at once


@runtime_checkable
class Composed(Protocol):
    """Knows which value of each attribute its pictures have and its captions ask for."""

    attributes: Mapping[str, Phrases]
    """Their values, each with the names that a caption may give it."""

    def truth(self, split: str) -> Tensor:
        """The attributes of all examples of a split, said or not, int64 (N, attributes)."""

    def asked(self, y: Tensor) -> Tensor:
        """What captions `y`, (N, length), ask for: int64 (N, attributes), -1 where they say nothing."""

    def unseen(self, attributes: Tensor) -> Tensor:
        """Which rows of attributes, (N, attributes), hold a pair kept out of training."""

    def unabridged(self) -> Source:
        """The same source with no pairs kept out."""


def composed(source: Source) -> Composed:
    """The source, whose attributes are known.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(source, Composed):
        raise ValueError(f"{source.name} came; captions of known attributes are expected. Take captioned-shapes.")
    return source


class Captioned(Source):
    """Things of some kind, color, size and position on black, each with a caption.

    Captions come from a small grammar with synonyms, and some leave attributes unsaid. Training and validation hold no
    pair of attributes that is `unseen`; the test split has all combinations alike.

    Arguments:
        size: side of the pictures in pixels, 8 or more; 32 where None.
        pairs: "seen" keeps some pairs of attributes out of training and validation, "all" none.
    """

    kinds: ClassVar[tuple[str, ...]]
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = SYNONYMS

    def __init__(self, size: int | None = None, pairs: PairChoice = "seen") -> None:
        side = 32 if size is None else size
        if pairs not in ("seen", "all"):
            raise ValueError(f"data.options.pairs: {pairs!r} came; seen or all is expected.")
        if side < 8:
            raise ValueError(f"`size` is {size}; {self.name} expects 8 pixels or more. Leave it out for 32.")
        self.pairs = pairs
        values = {"kind": self.kinds, "color": COLORS, "size": SHARES, "position": POSITIONS}
        self.attributes: Mapping[str, Phrases] = {
            name: {value: (value, *self.synonyms.get(value, ())) for value in some} for name, some in values.items()
        }
        named = [name for phrases in self.attributes.values() for names in phrases.values() for name in names]
        words = vocabulary([*named, *(template.format(**dict.fromkeys(values, "")) for template in TEMPLATES)])
        phrases = tuple(tuple(each.values()) for each in self.attributes.values())
        self.spec = Spec((3, side, side), vocabulary=words, max_tokens=LENGTH, phrases=phrases)

    @abstractmethod
    def unabridged(self) -> Captioned:
        """The same source with no pairs kept out."""

    @abstractmethod
    def things(self, split: str, random: np.random.RandomState) -> Tensor:
        """The kinds of the things in a split, int64 (N,)."""

    @abstractmethod
    def shapes(self, split: str, rows: Tensor, kinds: Tensor, side: int) -> Tensor:
        """Things number `rows` of a split, of these kinds, white on black: shades in [0, 1], (B, side, side)."""

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._splits, name)[0]

    def truth(self, split: str) -> Tensor:
        """The attributes of all examples of a split, said or not, int64 (N, 4)."""
        return pick(self._splits, split)[1]

    @cached_property
    def _splits(self) -> Mapping[str, tuple[InMemory, Tensor]]:
        return {split: self._compose(split, seed) for seed, split in enumerate(SPLITS)}

    def unseen(self, attributes: Tensor) -> Tensor:
        """Which rows of attributes, (N, 4), hold a pair kept out of training: of every kind, a color and a position."""
        kind, color, _, position = attributes.unbind(1)
        return (kind >= 0) & ((color == kind % len(COLORS)) | (position == (2 * kind + 1) % len(POSITIONS)))

    def asked(self, y: Tensor) -> Tensor:
        """Which value of each attribute captions `y`, (N, length), ask for: int64 (N, 4), -1 where they say nothing."""
        return Asked(self.spec).to(y.device)(y)

    def describe(self, attributes: Tensor) -> list[str]:
        """A plain caption for each row of attributes, (N, 4), which is silent where they are -1."""
        return [self._caption(row, TEMPLATES[0], (0, 0, 0, 0)) for row in attributes.tolist()]

    def _compose(self, split: str, seed: int) -> tuple[InMemory, Tensor]:
        """The examples of a split and their attributes."""
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        kinds = self.things(split, random)
        attributes = self._attributes(kinds, split, random)
        shift = torch.from_numpy(random.uniform(-JITTER, JITTER, (len(kinds), 2)))
        x = torch.empty(len(kinds), *self.spec.shape, dtype=torch.uint8)
        for rows in torch.arange(len(kinds)).split(CHUNK):
            x[rows] = self._paint(split, rows, attributes[rows], shift[rows])
        said = np.where(random.rand(len(kinds), 4) < UNSAID, -1, attributes.numpy()).tolist()
        templates, wordings = random.randint(len(TEMPLATES), size=len(said)), random.randint(2, size=(len(said), 4))
        texts = [self._caption(row, TEMPLATES[t], w) for row, t, w in zip(said, templates, wordings, strict=True)]
        return InMemory(x, encode(texts, self.spec.vocabulary, LENGTH)), attributes

    def _attributes(self, kinds: Tensor, split: str, random: np.random.RandomState) -> Tensor:
        """Attributes for things of these kinds, (N, 4): all alike, but for the pairs kept out."""
        ends = [len(values) for values in self.attributes.values()][1:]
        found = torch.cat([kinds[:, None], torch.from_numpy(random.randint(0, ends, (len(kinds), 3)))], 1)
        while self.pairs == "seen" and split != "test" and bool((again := self.unseen(found)).any()):
            found[again, 1:] = torch.from_numpy(random.randint(0, ends, (int(again.sum()), 3)))
        return found

    def _caption(self, attributes: Sequence[int], template: str, wordings: Sequence[int]) -> str:
        """A caption by `template`, without the words around what is unsaid (-1)."""
        parts = {}
        for (name, phrases), value, wording in zip(self.attributes.items(), attributes, wordings, strict=True):
            names = [*phrases.values()][value]
            parts[name] = names[wording % len(names)] if value >= 0 else ""
        for name, around in {"position": "at the {position}", "color": "in {color}"}.items():
            template = template if parts[name] else template.replace(around, "")
        return " ".join(template.format(**parts).split())

    def _paint(self, split: str, rows: Tensor, attributes: Tensor, shift: Tensor) -> Tensor:
        """Things number `rows` of a split with their attributes, uint8 (B, 3, S, S)."""
        whole = self.spec.shape[1]
        shades = torch.zeros(len(rows), whole, whole)
        kinds, colors, sizes, positions = attributes.unbind(1)
        for size, share in enumerate(SHARES.values()):
            some, side = torch.where(sizes == size)[0], round(share * whole)
            room = whole - side
            place = torch.stack([positions[some] // 3, positions[some] % 3], 1) * room / 2  # of the upper left corner
            corner = (place + shift[some] * whole).round().clamp(0, room).long()
            down, right = (corner[:, i, None] + torch.arange(side) for i in (0, 1))
            drawn = self.shapes(split, rows[some], kinds[some], side)
            shades[some[:, None, None], down[:, :, None], right[:, None, :]] = drawn
        painted = shades[:, None] * torch.tensor([*COLORS.values()])[colors][:, :, None, None]
        return painted.round().to(torch.uint8)


class CaptionedDigits(Captioned):
    """Handwritten digits in color, small or large, at one of nine places, each with a caption.

    Arguments:
        size: side of the pictures in pixels, 8 or more; 32 where None.
        pairs: "seen" keeps some pairs of attributes out of training and validation, "all" none.
        digits: whose: "mnist", or those of 8x8 pixels that travel with the package ("bundled").

    Example:
        >>> from counterfeit.data.tokenizer import caption
        >>> source = CaptionedDigits(digits="bundled")
        >>> caption(source.split("train").first(1).y[0], source.spec.vocabulary)
        'a big 2 in yellow at the top right'
    """

    name = "captioned-digits"
    summary = "digits of MNIST in color, of two sizes, at nine places, with captions, 32x32"
    kinds = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    synonyms = SYNONYMS | {kind: (str(digit),) for digit, kind in enumerate(kinds)}

    def __init__(
        self, size: int | None = None, pairs: PairChoice = "seen", digits: Literal["mnist", "bundled"] = "mnist"
    ) -> None:
        super().__init__(size, pairs)
        if digits not in ("mnist", "bundled"):
            raise ValueError(f"data.options.digits: {digits!r} came; mnist or bundled is expected.")
        self.digits, self.written = digits, MNIST() if digits == "mnist" else Digits()

    def unabridged(self) -> CaptionedDigits:
        """The same source with no pairs kept out."""
        return CaptionedDigits(self.spec.shape[1], "all", self.digits)

    def things(self, split: str, random: np.random.RandomState) -> Tensor:  # noqa: ARG002
        """The labels of the digits."""
        return self.written.split(split).first().labels

    def shapes(self, split: str, rows: Tensor, kinds: Tensor, side: int) -> Tensor:  # noqa: ARG002
        """The digits, resized with antialiasing; MNIST's without two pixels of its wide margins."""
        x = self.written.split(split)[rows].x
        margin = x.shape[2] // 14
        x = x[:, :, margin : x.shape[2] - margin, margin : x.shape[3] - margin]
        return interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)[:, 0]


class CaptionedShapes(Captioned):
    """Geometric shapes in color, small or large, at one of nine places, each with a caption; drawn, not downloaded.

    Arguments:
        size: side of the pictures in pixels, 8 or more; 32 where None.
        pairs: "seen" keeps some pairs of attributes out of training and validation, "all" none.
    """

    name = "captioned-shapes"
    summary = "24,000 shapes in color, of two sizes, at nine places, with captions, 32x32"
    kinds = ("circle", "square", "triangle", "diamond", "cross", "ring")

    def unabridged(self) -> CaptionedShapes:
        """The same source with no pairs kept out."""
        return CaptionedShapes(self.spec.shape[1], "all")

    def things(self, split: str, random: np.random.RandomState) -> Tensor:
        """Kinds, all alike."""
        return torch.from_numpy(random.randint(len(self.kinds), size=20_000 if split == "train" else 2_000))

    def shapes(self, split: str, rows: Tensor, kinds: Tensor, side: int) -> Tensor:  # noqa: ARG002
        """Every shape, with the share of each pixel at its border that it covers, to first order."""
        axis = (torch.arange(side) + 0.5) / side * 2 - 1
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        return (0.5 - _distances(x, y)[kinds] * side / 2).clamp(0, 1)


def _distances(x: Tensor, y: Tensor, r: float = 0.85) -> Tensor:
    """How far places in [-1, 1]², y pointing down, (S, S), lie outside of each shape, (6, S, S); negative inside."""
    radius, ax, ay = (x.square() + y.square()).sqrt(), x.abs(), y.abs()
    low = y - 0.75 * r
    roof = (3**0.5 * ax - (y + 0.95 * r)) / 2  # two edges that meet at the top
    arms = torch.minimum(torch.maximum(ax - r, ay - r / 3), torch.maximum(ax - r / 3, ay - r))
    return torch.stack([
        radius - r, torch.maximum(ax, ay) - 0.8 * r, torch.maximum(low, roof), (ax + ay - 1.1 * r) / 2**0.5, arms,
        (radius - 0.75 * r).abs() - 0.22 * r,
    ])  # fmt: skip
