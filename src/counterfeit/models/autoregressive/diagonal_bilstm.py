"""The Diagonal BiLSTM: LSTMs that go through a picture diagonal by diagonal, from both upper corners.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.causal import Causal, Memory, down, pointwise
from counterfeit.models.autoregressive.shared.lstm import cell, recurrent
from counterfeit.models.autoregressive.shared.pixel_nets import Residual
from counterfeit.models.autoregressive.shared.pixels import PixelSettings, ResidualModel

__all__ = ["DiagonalBiLSTM", "DiagonalBiLSTMLayer", "diagonals"]


def diagonals(height: int, width: int, mirrored: bool = False) -> Tensor:
    """Places of a picture's pixels, diagonal after diagonal from the upper left corner: int64 (H W,).

    The paper skews a picture, each row one place further to the right than the one above, so that a diagonal becomes a
    column, half of which is empty. This is the same without the empty places.

    Arguments:
        height: of the picture.
        width: of the picture.
        mirrored: whether to begin in the upper right corner.

    Example:
        >>> diagonals(2, 3).tolist(), diagonals(2, 3, mirrored=True).tolist()
        ([0, 1, 3, 2, 4, 5], [2, 1, 5, 0, 4, 3])
    """
    columns = torch.arange(width).flip(0) if mirrored else torch.arange(width)
    return (torch.arange(height)[:, None] + columns).flatten().argsort(stable=True)


class Direction(nn.Module):
    """An LSTM from an upper corner: the state at a pixel is made of those above it and beside it, nearer to the corner.

    Arguments:
        inputs: features that come.
        hidden: features of the state.
        channels: of a pixel.
        right: whether it begins in the right corner; else in the left, where a pixel's channels see those before only.
    """

    def __init__(self, inputs: int, hidden: int, channels: int, right: bool) -> None:
        super().__init__()
        self.inputs = pointwise(inputs, 4 * hidden, channels, "none" if right else "B", parts=4)
        self.state = nn.Linear(2 * hidden, 4 * hidden, bias=False)  # a column of two pixels in the skewed picture
        self.hidden, self.right = hidden, right

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) -> (B, hidden, H, W), diagonal after diagonal."""
        n, _, height, width = x.shape
        order = diagonals(height, width, self.right).to(x.device)
        pixels = x.flatten(2).permute(2, 0, 1)[order].flatten(0, 1)  # (H W B, inputs)
        shift = None if shift is None else shift.repeat(len(order), 1)
        gates = self.inputs(pixels[:, :, None, None], shift).view(len(order), n, -1)
        ends = [(max(0, d - width + 1), min(d, height - 1)) for d in range(height + width - 1)]  # first and last row
        h = c = gates.new_zeros(0, n, self.hidden)
        found = list[Tensor]()
        for d, diagonal in enumerate(gates.split([last - first + 1 for first, last in ends])):
            edges = (0, 0, 0, 0, int(ends[d][0] == 0), int(ends[d][1] == d))  # 0 above the picture and beside it
            h, c = pad(h, edges), pad(c, edges)
            h, c = self.step(diagonal, h[1:], h[:-1], c[1:])
            found.append(h)
        return torch.cat(found)[order.argsort()].permute(1, 2, 0).unflatten(2, (height, width))

    def step(self, gates: Tensor, beside: Tensor, above: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """State and cell of pixels from the states beside and above and the cell beside, (…, hidden) each."""
        to_beside, to_above = self.state.weight.t().chunk(2)
        sums = torch.addmm(gates.flatten(0, -2), beside.flatten(0, -2), to_beside)
        sums = torch.addmm(sums, above.flatten(0, -2), to_above)
        return cell(sums.view_as(gates), c, -1)

    def along(self, gates: Tensor, above: Tensor) -> Tensor:
        """States of a row given those of the row above: (n, 4 hidden, W), (n, hidden, W) -> (n, hidden, W)."""
        h = c = gates.new_zeros(len(gates), self.hidden)
        row = []
        for column, over in zip(gates.unbind(2), above.unbind(2), strict=True):
            h, c = self.step(column, h, over, c)
            row.append(h)
        return torch.stack(row, 2)


class DiagonalBiLSTMLayer(Causal):
    """Two LSTMs, one from each upper corner; together they see all that is above and to the left of a pixel.

    The one from the right sees pixels to the right in its own row. So its states are moved down by a row before they
    are added to the other's.

    Arguments:
        inputs: features that come.
        hidden: features of each state.
        channels: of a pixel.
    """

    remembered = 6

    def __init__(self, inputs: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.left = Direction(inputs, hidden, channels, right=False)
        self.right = Direction(inputs, hidden, channels, right=True)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) -> (B, hidden, H, W)."""
        return self.left(x, shift) + down(self.right(x, shift))

    def blank(self, n: int, width: int) -> Memory:
        """Inputs, left states and cells of the row; the left and right states of the row above; and the shift."""
        inputs, hidden = self.left.inputs.weight.shape[1], self.left.hidden
        make = self.left.state.weight.new_zeros
        return (make(n, inputs, width), *(make(n, hidden, width) for _ in range(4)), make(n, 4 * hidden))

    def turn(self, memory: Memory) -> None:
        """The row becomes the one above, through which the right LSTM goes now."""
        x, h, _, above, right, shift = memory
        above.copy_(h)
        gates = self.right.inputs(x.flip(2)[:, :, None], shift)[:, :, 0]
        right.copy_(self.right.along(gates, right.flip(2)).flip(2))

    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Into the row of inputs, which the right LSTM sees later."""
        memory[0][:, :, column] = x[:, :, 0, 0]

    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """One step of the left LSTM, and what the right one made of the row above."""
        _, h, c, above, right, kept = memory
        self.put(memory, column, x)
        if shift is not None:
            kept.copy_(shift)
        gates = self.left.inputs(x, shift)[:, :, 0, 0]
        left = (h[:, :, column - 1], c[:, :, column - 1]) if column else (torch.zeros_like(h[:, :, 0]),) * 2
        h[:, :, column], c[:, :, column] = self.left.step(gates, left[0], above[:, :, column], left[1])
        return (h[:, :, column] + right[:, :, column])[:, :, None, None]


class DiagonalBiLSTM(ResidualModel):
    """LSTMs along diagonals from both upper corners, which together see all that comes before a pixel in every layer.

    All but the last value of the row above: the first convolution keeps it from the features of its own pixel, and no
    pixel is to the right of it, so that only pixels within that convolution's reach see it before the next row. Pixels
    come row by row; the channels of each follow each other. Samples are drawn from a cache: the left LSTM takes a step
    for each pixel, the right one goes through a row when it is whole.

    References:
        Pixel Recurrent Neural Networks, van den Oord et al., 2016 (arXiv 1601.06759).

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        hidden: features of each state; between layers there are twice as many.
        layers: pairs of LSTMs, each with a residual connection around it.
        settings: what models of pixels have in common.

    Raises:
        ValueError: where data are no pictures or have no labels to see, a kernel is even, or a layer has no features.

    Example:
        >>> DiagonalBiLSTM(Spec((1, 5, 7), "binary"), hidden=4, layers=2).log_prob(torch.ones(2, 1, 5, 7)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, hidden: int = 16, layers: int = 7, settings: PixelSettings = PixelSettings()  # noqa: B008
    ) -> None:  # fmt: skip
        channels = spec.shape[0]

        def block(labels: int) -> Residual:
            return recurrent(DiagonalBiLSTMLayer(2 * hidden, hidden, channels), hidden, channels, labels)

        super().__init__(spec, hidden, layers, block, settings)
