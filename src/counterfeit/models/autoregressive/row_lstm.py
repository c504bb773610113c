"""The Row LSTM: an LSTM that goes down a picture, and meets a whole row at once.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), section 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.causal import Causal, CausalConv2d, Memory, Reach
from counterfeit.models.autoregressive.shared.lstm import cell, recurrent
from counterfeit.models.autoregressive.shared.pixel_nets import Residual
from counterfeit.models.autoregressive.shared.pixels import PixelSettings, ResidualModel, odd

__all__ = ["RowLSTM", "RowLSTMLayer"]


class RowLSTMLayer(Causal):
    """An LSTM over rows, whose state is a row of features.

    The input-to-state convolution is one of all rows at once, masked along the row; only the state-to-state
    convolution, which sees the row above, waits for it.

    Arguments:
        inputs: features that come.
        hidden: features of the state.
        kernel: width of both convolutions, odd.
        channels: of a pixel.
    """

    remembered = 5

    def __init__(self, inputs: int, hidden: int, kernel: int, channels: int) -> None:
        super().__init__()
        self.inputs = CausalConv2d(inputs, 4 * hidden, Reach(0, kernel // 2, 0), "B", channels, parts=4)
        self.state = nn.Conv1d(hidden, 4 * hidden, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) -> (B, hidden, H, W), row after row (eq. 3)."""
        rows: list[Tensor] = []
        c = x.new_zeros(len(x), self.state.in_channels, x.shape[3])
        for gates in self.inputs(x, shift).unbind(2):
            h, c = cell(gates + self.state(rows[-1]) if rows else gates, c, 1)
            rows.append(h)
        return torch.stack(rows, 2)

    def blank(self, n: int, width: int) -> Memory:
        """What the inputs remember; state and cell of this row; what the state above says, and the cell above."""
        row = self.state.weight.new_zeros(n, self.state.in_channels, width)
        said = row.new_zeros(n, self.state.out_channels, width)
        return (*self.inputs.blank(n, width), row, row.clone(), said, row.clone())

    def turn(self, memory: Memory) -> None:
        """The row becomes the one above."""
        self.inputs.turn(memory[:1])
        _, h, c, said, above = memory
        said.copy_(self.state(h))
        above.copy_(c)

    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Into what the inputs remember."""
        self.inputs.put(memory[:1], column, x)

    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """One pixel of the row."""
        _, h, c, said, above = memory
        gates = self.inputs.pixel(memory[:1], column, x, shift)[:, :, 0, 0] + said[:, :, column]
        h[:, :, column], c[:, :, column] = cell(gates, above[:, :, column], 1)
        return h[:, :, column, None, None]


class RowLSTM(ResidualModel):
    """LSTMs that go down the picture row by row: the state at a pixel sees a triangle above it, which widens upwards.

    Pixels come row by row; the channels of each follow each other.

    References:
        Pixel Recurrent Neural Networks, van den Oord et al., 2016 (arXiv 1601.06759).

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        hidden: features of each state; between layers there are twice as many.
        layers: LSTMs, each with a residual connection around it.
        kernel: width of the convolutions from inputs and from the row above to a state, odd; 3 in the paper.
        settings: what models of pixels have in common.

    Raises:
        ValueError: where data are no pictures or have no labels to see, a kernel is even, or a layer has no features.

    Example:
        >>> RowLSTM(Spec((1, 5, 7), "binary"), hidden=4, layers=2).log_prob(torch.ones(2, 1, 5, 7)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, hidden: int = 32, layers: int = 7, kernel: int = 3,
        settings: PixelSettings = PixelSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        channels, width = spec.shape[0], odd("kernel", kernel)

        def block(labels: int) -> Residual:
            return recurrent(RowLSTMLayer(2 * hidden, hidden, width, channels), hidden, channels, labels)

        super().__init__(spec, hidden, layers, block, settings)
        self.kernel = kernel
