"""Handwritten digits in two domains, each digit in both: what unpaired translation has to find out, told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.images import to_bytes
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick
from counterfeit.data.sources.unpaired_digits import UnpairedDigits

__all__ = ["PairedDigits"]


class PairedDigits(Source):
    """The digits of `unpaired-digits`, of which each is known in both domains: the second is made from the first.

    Arguments:
        size: resize images to `size` x `size` pixels; None keeps their own.
        domains: two of those of `unpaired-digits`, the first of which is given.
        digits: mnist, or the smaller digits that travel with the package.

    Raises:
        ValueError: for domains that are unknown, not two, or the same.

    Example:
        >>> import torch
        >>> x, y = PairedDigits(domains=("plain", "negative"), digits="digits").split("test").first(2)
        >>> torch.allclose(x, 1 - y, atol=0.01)
        True
    """

    name = "paired-digits"
    summary = "handwritten digits in two domains, each digit in both: paired translation"

    def __init__(
        self, size: int | None = None, domains: Sequence[str] = ("plain", "negative+shifted"), digits: str = "mnist"
    ) -> None:
        self.unpaired = UnpairedDigits(size, domains, digits)
        if len(self.unpaired.domains) != 2:
            raise ValueError(f"domains {domains!r} came; two are expected, the first of which is given. Name two.")
        shape = self.unpaired.spec.shape
        self.spec = Spec(shape, "image", given=shape)

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the digits came from, and whether a checksum confirmed it."""
        return self.unpaired.files

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> dict[str, InMemory]:
        return {name: self._paired(self.unpaired.digits.split(name)) for name in SPLITS}

    def _paired(self, digits: InMemory) -> InMemory:
        gray = digits.first().x
        given, x = (to_bytes(one.show(gray, self.spec.shape[0])) for one in self.unpaired.domains)
        return InMemory(x, given)

    def truth(self, given: Tensor) -> Tensor:
        """What belongs to pictures of the first domain, (B, C, H, W)."""
        first, second = self.unpaired.domains
        return second.show(first.read(given), given.shape[1])
