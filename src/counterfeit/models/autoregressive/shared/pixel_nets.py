"""Nets of pixels: what they are made of, and how their layers meet whole pictures or one pixel after another.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from counterfeit.core import Net
from counterfeit.models.autoregressive.shared.causal import Causal, CausalConv2d, Places, pointwise
from counterfeit.nets.layers import at_least_float32

__all__ = ["Head", "PixelNet", "Residual", "ResidualNet", "See", "whole"]

See = Callable[[Causal, Tensor, Tensor | None], Tensor]
"""How a layer meets what comes: whole pictures, or one pixel and a memory. It takes the layer, x and a shift."""


class Head(nn.Module):
    """Two masked 1x1 convolutions from features to the parameters of each value (2016, table 1).

    Arguments:
        features: that come.
        hidden: in between.
        channels: of a pixel.
        parameters: of a value.
    """

    def __init__(self, features: int, hidden: int, channels: int, parameters: int) -> None:
        super().__init__()
        self.hidden = pointwise(features, hidden, channels)
        self.last, self.channels = pointwise(hidden, channels * parameters, channels), channels

    def forward(self, h: Tensor) -> Tensor:
        """(B, features, H, W) -> (B, C, H, W), or (B, C, H, W, parameters) where there are several."""
        out = at_least_float32(self.last(self.hidden(h.relu()).relu()))
        return out.unflatten(1, (self.channels, -1)).movedim(2, -1).squeeze(-1)


class PixelNet(Net):
    """Parameters of every value of pictures, given those before it.

    Subclasses give features, and name the layers that remember something from pixel to pixel.
    """

    head: Head
    places: Places | None
    """What every place adds to the first features; None for nothing."""

    def placed(self, h: Tensor, see: See) -> Tensor:
        """Features with what their places add, (B, features, H, W)."""
        return h if self.places is None else see(self.places, h, None)

    @property
    def of_places(self) -> list[Causal]:
        """The layer of places, where there is one, for `causal`."""
        return [] if self.places is None else [self.places]

    @property
    @abstractmethod
    def causal(self) -> list[Causal]:
        """Layers that `features` meets through `see`."""

    @property
    @abstractmethod
    def entries(self) -> list[Causal]:
        """Those of them that see the values themselves."""

    @abstractmethod
    def features(self, x: Tensor, see: See, condition: Tensor | None) -> Tensor:
        """Values in [-1, 1], (B, C, H, W), and labels, one-hot (B, labels), -> (B, features, H, W)."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, C, H, W), or (B, C, H, W, parameters)."""
        return self.head(self.features(2 * x - 1, whole, condition))


def whole(layer: Causal, x: Tensor, shift: Tensor | None = None) -> Tensor:
    """Whole pictures."""
    return layer(x, shift)


class Residual(nn.Module):
    """Features and what a layer adds to them: inputs, the layer between rectifiers or gates, and a way back up.

    Arguments:
        before: from features to what the layer takes.
        layer: of few features.
        up: from these to all features.
        shifts: sums of the layer that a label adds to; 0 for none.
        labels: how many there are.
    """

    def __init__(self, before: nn.Module, layer: Causal, up: nn.Module, shifts: int, labels: int) -> None:
        super().__init__()
        self.before, self.layer, self.up = before, layer, up
        self.label = nn.Linear(labels, shifts, bias=False) if labels else None

    def forward(self, x: Tensor, see: See, condition: Tensor | None) -> Tensor:
        """(B, features, H, W) -> (B, features, H, W)."""
        shift = None if self.label is None or condition is None else self.label(condition)
        return x + self.up(see(self.layer, self.before(x), shift))


class ResidualNet(PixelNet):
    """A masked convolution, residual blocks and two layers of one pixel (2016, table 1).

    Arguments:
        first: from values to features.
        blocks: that keep their number.
        head: to the parameters.
        places: what every place adds to the first features; None for nothing.
    """

    def __init__(
        self, first: CausalConv2d, blocks: Sequence[Residual], head: Head, places: Places | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.first, self.blocks, self.head, self.places = first, nn.ModuleList(blocks), head, places

    @property
    def causal(self) -> list[Causal]:
        """The first convolution, what places add, and the layer of each block."""
        return [self.first, *self.of_places, *(block.layer for block in cast(list[Residual], [*self.blocks]))]

    @property
    def entries(self) -> list[Causal]:
        """The first convolution."""
        return [self.first]

    def features(self, x: Tensor, see: See, condition: Tensor | None) -> Tensor:
        """(B, C, H, W) -> (B, features, H, W)."""
        h = self.placed(see(self.first, x, None), see)
        for block in self.blocks:
            h = block(h, see, condition)
        return h
