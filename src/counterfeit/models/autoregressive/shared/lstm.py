"""What recurrent nets of pixels share: the step of an LSTM, from gates to state, and the block around it.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), equation 3,
        and figure 5.
"""

from __future__ import annotations

from torch import Tensor, nn

from counterfeit.models.autoregressive.shared.causal import Causal, pointwise
from counterfeit.models.autoregressive.shared.pixel_nets import Residual

__all__ = ["cell", "recurrent"]


def cell(gates: Tensor, c: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """State and cell from the sums of the gates o, f, i, g, of which `dim` has four times as many as `c` has."""
    o, f, i, g = gates.chunk(4, dim)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def recurrent(layer: Causal, hidden: int, channels: int, labels: int) -> Residual:
    """An LSTM of 2 hidden features to `hidden`, a way back up, and a residual connection around both."""
    return Residual(nn.Identity(), layer, pointwise(hidden, 2 * hidden, channels), 4 * hidden, labels)
