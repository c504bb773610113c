"""The gated PixelCNN: two stacks of convolutions that have no blind spot, with gates and, where asked, labels.

References:
    Conditional Image Generation with PixelCNN Decoders, van den Oord et al., 2016 (arXiv 1606.05328).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.causal import Causal, CausalConv2d, Memory, Places, Reach, down, pointwise
from counterfeit.models.autoregressive.shared.pixel_nets import Head, PixelNet, See
from counterfeit.models.autoregressive.shared.pixels import PixelModel, PixelSettings, odd, positive, square

__all__ = ["GatedPixelCNN", "VerticalStack"]


def gate(sums: Tensor) -> Tensor:
    """Tanh of one half of the features times the logistic function of the other (eq. 2)."""
    a, b = (half.contiguous(memory_format=torch.channels_last) for half in sums.chunk(2, 1))  # twice as fast as views
    return a.tanh() * b.sigmoid()


def pieces(shift: Tensor | None, layers: int) -> list[Tensor | None]:
    """What a label adds to the sums of each layer."""
    return [None] * layers if shift is None else [*shift.chunk(layers, 1)]


class VerticalStack(Causal):
    """Convolutions of all rows above a pixel, which need no mask; each says something to the other stack.

    Arguments:
        channels: of a pixel.
        width: features after each gate.
        kernels: side of each layer's convolution, odd.
    """

    def __init__(self, channels: int, width: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        comes = [channels, *[width] * (len(kernels) - 1)]
        self.convs = nn.ModuleList(
            CausalConv2d(inputs, 2 * width, square(side), "none", channels)
            for inputs, side in zip(comes, kernels, strict=True)
        )
        self.across = nn.ModuleList(pointwise(2 * width, 2 * width, channels, "none") for _ in kernels)
        self.sums, self.channels = 2 * width * len(kernels), channels
        self.remembered = len(kernels) + 3

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> what each layer says of the rows above each pixel, (B, layers 2 width, H, W)."""
        said, shifts = [], pieces(shift, len(self.convs))
        for (conv, across), add in zip(self.layers, shifts, strict=True):
            sums = conv(x, add)
            said.append(across(sums))
            x = gate(sums)
        return down(torch.cat(said, 1))

    def blank(self, n: int, width: int) -> Memory:
        """Rows of each layer; this row of the picture, what the rows above say of it, and the shift."""
        make = self.layers[0][0].weight.new_zeros
        rows = [part for conv, _ in self.layers for part in conv.blank(n, width)]
        return (*rows, make(n, self.channels, 1, width), make(n, self.sums, width), make(n, self.sums))

    def turn(self, memory: Memory) -> None:
        """The row goes through all layers."""
        *rows, x, said, shift = memory
        found, shifts = [], pieces(shift, len(self.convs))
        for (conv, across), row, add in zip(self.layers, rows, shifts, strict=True):
            sums = conv.row((row,), x, add)
            found.append(across(sums))
            x = gate(sums)
        said.copy_(torch.cat(found, 1)[:, :, 0])

    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Into the row of the picture, which the rows below see."""
        memory[-3][:, :, 0, column] = x[:, :, 0, 0]

    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """What the rows above say."""
        *_, said, kept = memory
        self.put(memory, column, x)
        if shift is not None:
            kept.copy_(shift)
        return said[:, :, column, None, None]

    @property
    def layers(self) -> list[tuple[CausalConv2d, CausalConv2d]]:
        """Each convolution, and what takes its sums to the other stack."""
        return cast(list[tuple[CausalConv2d, CausalConv2d]], [*zip(self.convs, self.across, strict=True)])


class GatedPixelNet(PixelNet):
    """A vertical stack, and a horizontal one of the pixels to the left, which also hears what the vertical one says.

    Arguments:
        channels: of a pixel.
        width: features after each gate.
        kernels: side of each layer's convolution, odd.
        head: from the last features to the parameters.
        labels: how many there are; 0 for none.
        places: what every place adds to the first features of the horizontal stack; None for nothing.
    """

    def __init__(
        self, channels: int, width: int, kernels: tuple[int, ...], head: Head, labels: int, places: Places | None
    ) -> None:  # fmt: skip
        super().__init__()
        self.vertical, self.head, self.places = VerticalStack(channels, width, kernels), head, places
        self.horizontal = nn.ModuleList(
            CausalConv2d(width if i else channels, 2 * width, Reach(0, side // 2, 0), "B" if i else "A", channels, 2)
            for i, side in enumerate(kernels)
        )
        self.out = nn.ModuleList(pointwise(width, width, channels) for _ in kernels)
        self.label = nn.Linear(labels, 2 * self.vertical.sums, bias=False) if labels else None

    @property
    def causal(self) -> list[Causal]:
        """The vertical stack, each layer of the horizontal one, and what places add."""
        return [self.vertical, *self.layers, *self.of_places]

    @property
    def layers(self) -> list[CausalConv2d]:
        """Of the horizontal stack."""
        return cast(list[CausalConv2d], [*self.horizontal])

    @property
    def entries(self) -> list[Causal]:
        """The vertical stack, and the first layer of the horizontal one."""
        return self.causal[:2]

    def features(self, x: Tensor, see: See, condition: Tensor | None) -> Tensor:
        """(B, C, H, W) -> (B, width, H, W) (figure 2)."""
        layers = len(self.horizontal)
        upper, lower = (None, None) if condition is None or self.label is None else self.label(condition).chunk(2, 1)
        said, shifts, h = see(self.vertical, x, upper).chunk(layers, 1), pieces(lower, layers), x
        for i, (conv, out) in enumerate(zip(self.layers, self.out, strict=True)):
            more = out(gate(see(conv, h, shifts[i]) + said[i]))
            h = h + more if i else self.placed(more, see)
        return h


class GatedPixelCNN(PixelModel):
    """A stack of convolutions for the rows above and one for the row of a pixel: together they see all before it.

    Gates take the place of rectifiers. Given labels, each adds something of its own to every gate (eq. 4). Pixels come
    row by row; the channels of each follow each other.

    References:
        Conditional Image Generation with PixelCNN Decoders, van den Oord et al., 2016 (arXiv 1606.05328).

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        width: features after each gate, in each stack.
        layers: of each stack.
        kernel: side of the convolutions after the first, odd.
        settings: what models of pixels have in common.

    Raises:
        ValueError: where data are no pictures or have no labels to see, a kernel is even, or a layer has no features.

    Example:
        >>> model = GatedPixelCNN(Spec((1, 8, 8), "binary", classes=10), 8, 2, settings=PixelSettings(conditional=True))
        >>> model.sample(2, torch.tensor([3, 7])).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, width: int = 32, layers: int = 7, kernel: int = 3,
        settings: PixelSettings = PixelSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        positive(width=width, layers=layers, head=settings.head)
        channels = spec.shape[0]
        kernels = (odd("first_kernel", settings.first_kernel), *[odd("kernel", kernel)] * (layers - 1))

        def build(parameters: int, labels: int) -> PixelNet:
            head, places = settings.head_of(width, channels, parameters), settings.places(spec, width)
            return GatedPixelNet(channels, width, kernels, head, labels, places)

        super().__init__(spec, build, settings)
        self.width, self.layers, self.kernel = width, layers, kernel
