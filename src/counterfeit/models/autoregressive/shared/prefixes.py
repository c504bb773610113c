"""Hidden units that see ever longer prefixes of an example, with weights that all prefixes share.

References:
    The Neural Autoregressive Distribution Estimator, Larochelle & Murray, 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from counterfeit.core import Net

__all__ = ["TILE", "PrefixNet", "Unit"]

Unit = Literal["sigmoid", "relu", "tanh"]
UNITS: Mapping[Unit, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid_, "relu": torch.relu_, "tanh": torch.tanh_
}  # fmt: skip
SLOPES: Mapping[Unit, Callable[[Tensor, Tensor], Tensor]] = {  # of a gradient in units and the units, in its place
    "sigmoid": lambda g, h: torch.ops.aten.sigmoid_backward.grad_input(g, h, grad_input=g),
    "tanh": lambda g, h: torch.ops.aten.tanh_backward.grad_input(g, h, grad_input=g),
    "relu": lambda g, h: torch.ops.aten.threshold_backward.grad_input(g, h, 0, grad_input=g),
}
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

        Where a CPU is to give gradients, prefixes come one after another, in the cache, and are made again on the way
        back. Else tiles of them are one product each, of the values within the tile that a prefix sees with their
        weights. Where `known`, (B, D), is given, all outputs come from the units that see the values where it is 1.
        """
        if known is not None:
            units = self.seen(x, known, order)
            return (torch.einsum("bh,dho->bdo", units, self.out_weight[order]) + self.out_bias[order]).float()
        weight, out_weight, out_bias = (t[order] for t in (self.weight, self.out_weight, self.out_bias))
        places = None if self.place_weight is None else self.place_weight[order]
        plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
        if x.device.type == "cpu" and torch.is_grad_enabled() and not plain:
            outputs = _OneByOne.apply(x, weight, self.bias, out_weight, places, self.scale, self.unit)
        else:
            outputs = self.tiles(x, weight, out_weight, places)
        return (outputs + out_bias[:, None]).transpose(0, 1).float()

    def tiles(self, x: Tensor, weight: Tensor, out_weight: Tensor, places: Tensor | None) -> Tensor:
        """Outputs but for their biases, (D, B, outputs), of weights in order, by a product for a tile of prefixes."""
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
        return torch.cat(outputs)

    def units(self, a: Tensor, tile: slice) -> Tensor:
        """Hidden units of the sums `a`, (T, B, hidden), of the prefixes in `tile`."""
        return UNITS[self.unit](a if self.scale is None else a * self.scale[tile, None, None])

    def seen(self, x: Tensor, known: Tensor, order: Tensor) -> Tensor:
        """Hidden units that see the values of `x`, (B, D) in `order`, where `known` is 1: (B, hidden)."""
        a = (x * known) @ self.weight[order] + self.bias
        a = a if self.place_weight is None else a + known @ self.place_weight[order]
        return self.units(a[None], slice(-1, None))[0]


class _OneByOne(Function):
    """Outputs of all prefixes, one after another: (B, D) -> (D, B, outputs).

    The sums of one prefix stay in the cache of a processor, which those of all prefixes, D times as many, do not. On
    the way back they are made again, tile by tile, from those at the beginning of each tile.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, out_weight: Tensor, places: Tensor | None,
        scale: Tensor | None, unit: Unit,
    ) -> Tensor:  # fmt: skip
        """Go from the first prefix to the last."""
        columns, a = x.mT.contiguous()[..., None], bias.repeat(len(x), 1)  # (D, B, 1), (B, hidden)
        h, kept, found = torch.empty_like(a), [], x.new_empty(len(columns), len(x), out_weight.shape[2])
        rows = zip(*(_rows(t, columns) for t in (columns, weight, places, scale, out_weight, found)), strict=True)
        for i, (column, w, u, s, v, out) in enumerate(rows):
            if i % TILE == 0:
                kept.append(a.clone())
            torch.mm(_units(a, s, unit, h), v, out=out)
            _grow(a, column, w, u, a)
        ctx.save_for_backward(columns, weight, out_weight, places, scale, *kept)
        ctx.unit = unit
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """Go back from the last to the first; `later` is the gradient in the sums of all prefixes behind."""
        columns, weight, out_weight, places, scale, *kept = ctx.saved_tensors
        given = (columns if ctx.needs_input_grad[0] else None, weight, out_weight, places, scale)
        found = [None if t is None else torch.empty_like(t) for t in given]
        later, (h, da) = torch.zeros_like(kept[0]), (torch.empty_like(kept[0]) for _ in range(2))
        sums = h.new_empty(TILE + 1, *h.shape).unbind()
        every = (columns, weight, places, scale, out_weight, g, *found)
        rows = [*zip(*(_rows(t, columns) for t in every), strict=True)]
        for start in reversed(range(0, len(rows), TILE)):
            tile = rows[start : start + TILE]
            sums[0].copy_(kept.pop())
            for a, after, (column, w, u, *_) in zip(sums, sums[1:], tile, strict=False):
                _grow(a, column, w, u, after)
            for a, row in reversed([*zip(sums, tile, strict=False)]):
                _step_back(a, row, ctx.unit, (later, h, da))
        dx, *others = found
        return (None if dx is None else dx[..., 0].mT, others[0], later.sum(0), *others[1:], None)


def _units(a: Tensor, scale: Tensor | None, unit: Unit, out: Tensor) -> Tensor:
    """The hidden units of sums."""
    return UNITS[unit](out.copy_(a) if scale is None else torch.mul(a, scale, out=out))


def _grow(a: Tensor, column: Tensor, weight: Tensor, place: Tensor | None, out: Tensor) -> None:
    """The sums of a prefix that is longer by a value, (B, 1)."""
    torch.addcmul(a, column, weight, out=out)
    if place is not None:
        out.add_(place)


def _step_back(a: Tensor, row: Sequence[Any], unit: Unit, held: tuple[Tensor, Tensor, Tensor]) -> None:
    """From the gradient in the sums behind a prefix to that in its own, by its sums; fills in what a value has."""
    column, w, _, s, v, g, dx, dw, dv, du, ds = row
    later, h, da = held
    torch.mv(later.mT, column[:, 0], out=dw)
    if dx is not None:
        torch.mv(later, w, out=dx[:, 0])
    if du is not None:
        torch.sum(later, 0, out=du)
    _units(a, s, unit, h)
    torch.mm(h.mT, g, out=dv) if g.shape[1] > 1 else torch.mv(h.mT, g[:, 0], out=dv[:, 0])
    SLOPES[unit](torch.mm(g, v.mT, out=da), h)
    if s is not None:
        ds.copy_(torch.dot(da.flatten(), a.flatten()))
        da *= s
    later += da


def _rows(t: Tensor | None, like: Tensor) -> Sequence[Any]:
    """What each value has of `t`, which may be nothing."""
    return [None] * len(like) if t is None else t.unbind()
