"""Hidden units that see ever longer prefixes of an example, with weights that all prefixes share.

References:
    The Neural Autoregressive Distribution Estimator, Larochelle & Murray, 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from counterfeit.core import Net

__all__ = ["TILE", "PrefixNet", "Unit"]

Unit = Literal["sigmoid", "relu", "tanh"]
UNITS: Mapping[Unit, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid_, "relu": torch.relu_, "tanh": torch.tanh_
}  # fmt: skip
TILE = 16  # prefixes at a time: few enough to stay in the cache, many enough to be worth a product


class PrefixNet(Net):
    """Outputs for every value of an example, made from hidden units that see the values before it.

    With a_i = c + Σ W_j x_j over j before i, outputs are o_i = b_i + V_i g(a_i). The sums grow by one term from prefix
    to prefix, so all D prefixes together cost O(D hidden), as one prefix does.

    Arguments:
        dims: values of an example.
        hidden: units.
        outputs: for each value.
        unit: the nonlinearity g.
        masked: whether the units are also told which values are before: Σ (W_j x_j + U_j).
        scaled: whether a_i is multiplied by a factor of its own, which keeps long sums in range (RNADE).

    Example:
        >>> PrefixNet(6, 4, 1)(torch.rand(2, 6), torch.arange(6)).shape
        torch.Size([2, 6, 1])
    """

    def __init__(
        self, dims: int, hidden: int, outputs: int, unit: Unit = "sigmoid", masked: bool = False, scaled: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden={hidden} came; at least one unit is expected. Raise it.")
        bound = dims**-0.5
        self.weight = nn.Parameter(torch.empty(dims, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out_weight = nn.Parameter(torch.empty(dims, hidden, outputs).uniform_(-(hidden**-0.5), hidden**-0.5))
        self.out_bias = nn.Parameter(torch.zeros(dims, outputs))
        self.place_weight = nn.Parameter(torch.empty(dims, hidden).uniform_(-bound, bound)) if masked else None
        self.scale = nn.Parameter(1 / (1 + torch.arange(dims, dtype=torch.float32))) if scaled else None
        self.unit: Unit = unit

    def forward(self, x: Tensor, order: Tensor, known: Tensor | None = None) -> Tensor:
        """Outputs of the values in `order`, int64 (D,), for examples `x` in that order: (B, D) -> (B, D, outputs).

        Tiles of prefixes are one product each, of the values within the tile that a prefix sees with their weights.
        Where `known`, (B, D), is given, all outputs come from the units that see the values where it is 1.
        """
        if known is not None:
            units = self.seen(x, known, order)
            return (torch.einsum("bh,dho->bdo", units, self.out_weight[order]) + self.out_bias[order]).float()
        weight, out_weight, out_bias = (t[order] for t in (self.weight, self.out_weight, self.out_bias))
        places = None if self.place_weight is None else self.place_weight[order]
        before, outputs = self.bias.expand(len(x), -1), []
        for start in range(0, x.shape[1], TILE):
            tile = slice(start, start + TILE)
            part, w = x[:, tile], weight[tile]
            lower = torch.ones(len(w), len(w), dtype=x.dtype, device=x.device).tril(-1)
            a = (part * lower[:, None]).matmul(w)  # (T, B, T) (T, hidden) -> (T, B, hidden)
            a = a.add_(before)
            if places is not None:
                a = a + (lower @ places[tile])[:, None]
                before = before + places[tile].sum(0)
            outputs.append(torch.bmm(self.units(a, tile), out_weight[tile]))  # (T, B, outputs)
            before = before + part @ w
        return (torch.cat(outputs) + out_bias[:, None]).transpose(0, 1).float()

    def units(self, a: Tensor, tile: slice) -> Tensor:
        """Hidden units of the sums `a`, (T, B, hidden), of the prefixes in `tile`."""
        return UNITS[self.unit](a if self.scale is None else a * self.scale[tile, None, None])

    def seen(self, x: Tensor, known: Tensor, order: Tensor) -> Tensor:
        """Hidden units that see the values of `x`, (B, D) in `order`, where `known` is 1: (B, hidden)."""
        a = (x * known) @ self.weight[order] + self.bias
        a = a if self.place_weight is None else a + known @ self.place_weight[order]
        return self.units(a[None], slice(-1, None))[0]
