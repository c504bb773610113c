"""Multilayer perceptrons whose weights are masked so that every output sees some inputs only.

References:
    MADE: Masked Autoencoder for Distribution Estimation, Germain, Gregor, Murray & Larochelle, 2015 (arXiv 1502.03509).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import linear, softplus

from counterfeit.core import Net
from counterfeit.nets.layers import at_least_float32
from counterfeit.nets.mlp import Dropout

__all__ = ["ACTIVATIONS", "FixedMasks", "Mask", "MaskedActivation", "MaskedMLP", "OneByOne", "degrees", "masks"]

MaskedActivation = Literal["relu", "softplus", "tanh"]
ACTIVATIONS: Mapping[MaskedActivation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "softplus": softplus, "tanh": torch.tanh
}  # fmt: skip
BLOCKS, TALL = 8, 128  # of units: how many at most, and how many units each has at least, so that products pay
SPARED = 0.2  # share of a layer's products that blocks must save
Block = tuple[int, int, int, int]


def degrees(dims: int, hidden: Sequence[int], seed: int) -> list[Tensor]:
    """How many inputs, in order, each unit of the hidden layers may see at most: int64 (units,) each (section 4.2).

    They are drawn evenly between the least of the layer before, so that no unit sees nothing, and `dims` - 1. A net of
    one mask may sort them, since units can change places; several masks of one net must not be alike.
    """
    generator, found, least = torch.Generator().manual_seed(seed), [], 1
    for size in hidden:
        found.append(torch.randint(least, max(dims, least + 1), (size,), generator=generator))
        least = int(found[-1].min())
    return found


class Mask(NamedTuple):
    """Which inputs each unit of a layer sees.

    Arguments:
        seen: (units, inputs), bool, or 1 and 0 in the type of the weights.
        blocks: rows from and to, columns from and to, outside of which nothing is seen; none where it does not pay.
    """

    seen: Tensor
    blocks: tuple[Block, ...] = ()

    def linear(self, x: Tensor, layer: nn.Linear) -> Tensor:
        """What a layer makes of `x`, (B, inputs), where units see what they may: (B, units)."""
        plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
        if self.blocks and x.device.type == "cpu" and not plain:
            bias = layer.weight.new_zeros(len(self.seen)) if layer.bias is None else layer.bias
            return _Blockwise.apply(x, layer.weight, bias, self.seen, self.blocks)
        unknown = self.seen.dtype == torch.bool  # a product would first make numbers of it
        return linear(x, torch.where(self.seen, layer.weight, 0) if unknown else layer.weight * self.seen, layer.bias)


def masks(rank: Tensor, hidden: Sequence[Tensor], outputs: int = 1, direct: bool = False) -> list[Mask]:
    """The mask of every layer (eqs. 8, 9).

    Arguments:
        rank: of each value in the order, from 1 on, int64 (D,).
        hidden: degrees of the hidden layers' units.
        outputs: how many for each value.
        direct: whether one of direct connections follows, from the values to the outputs.
    """
    inner = [Mask(degree[:, None] >= before) for before, degree in pairwise([rank, *hidden])]
    seen = [hidden[-1], rank] if direct else [hidden[-1]]
    return [*inner, *(Mask(rank.repeat_interleave(outputs)[:, None] > before) for before in seen)]


class FixedMasks(nn.Module):
    """The masks of a net whose degrees stay: made once, and with blocks where degrees are sorted.

    Half of the weights of such a net are masked. Where units stand in the order of their degrees, those weights lie on
    one side of a staircase, and products need not go there.

    Arguments:
        rank, hidden, outputs, direct: as `masks` has them.

    Example:
        >>> hidden = degrees(600, (512,), 0)
        >>> FixedMasks(torch.arange(1, 601), [hidden[0].sort().values])[0].blocks
        ((0, 128, 0, 149), (128, 256, 0, 306), (256, 384, 0, 450), (384, 512, 0, 599))
    """

    def __init__(self, rank: Tensor, hidden: Sequence[Tensor], outputs: int = 1, direct: bool = False) -> None:
        super().__init__()
        self.outputs, self.direct = outputs, direct
        for i in range(len(hidden) + 1 + direct):
            self.register_buffer(f"seen{i}", None, persistent=False)
        self.update(rank, hidden)

    def update(self, rank: Tensor, hidden: Sequence[Tensor]) -> None:
        """Make them anew, as when degrees were loaded."""
        every = [mask.seen for mask in masks(rank, hidden, self.outputs, self.direct)]
        self.blocks = [_blocks(seen) for seen in every]
        for i, seen in enumerate(every):
            setattr(self, f"seen{i}", seen.to(torch.get_default_dtype()))

    def __getitem__(self, i: int) -> Mask:
        return Mask(self.get_buffer(f"seen{i}"), self.blocks[i])

    def __iter__(self) -> Iterator[Mask]:
        return (self[i] for i in range(len(self.blocks)))


def _blocks(seen: Tensor) -> tuple[Block, ...]:
    """Groups of rows, and the columns that any row of the group sees."""
    (rows, columns), found = seen.shape, []
    height = max(TALL, -(-rows // BLOCKS))
    for start in range(0, rows, height):
        some = seen[start : start + height].any(0).nonzero()[:, 0].tolist() or [0]
        found.append((start, min(rows, start + height), some[0], some[-1] + 1))
    left = sum((b - a) * (d - c) for a, b, c, d in found)
    return tuple(found) if left <= (1 - SPARED) * rows * columns else ()


class _Blockwise(Function):
    """A masked linear map that leaves out of its products what lies outside of blocks.

    Weights are masked block by block, where they stay in the cache, and again on the way back.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, seen: Tensor, blocks: tuple[Block, ...]
    ) -> Tensor:  # fmt: skip
        """(B, inputs) -> (B, units)."""
        ctx.save_for_backward(x, weight, seen)
        ctx.blocks = blocks
        parts = [
            torch.addmm(bias[a:b], x[:, c:d], (weight[a:b, c:d] * seen[a:b, c:d]).mT) for a, b, c, d in blocks
        ]  # fmt: skip
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the inputs, weights and bias: by operations that can be differentiated again."""
        x, weight, seen = ctx.saved_tensors
        dx, dw = torch.zeros_like(x) if ctx.needs_input_grad[0] else None, torch.zeros_like(weight)
        for a, b, c, d in ctx.blocks:
            dw[a:b, c:d] = (g[:, a:b].mT @ x[:, c:d]) * seen[a:b, c:d]
            if dx is not None:
                dx[:, c:d] += g[:, a:b] @ (weight[a:b, c:d] * seen[a:b, c:d])
        return dx, dw, g.sum(0), None, None


class MaskedMLP(Net):
    """A multilayer perceptron from D values to outputs for each, which see the values of lower rank (eqs. 8, 9).

    Arguments:
        dims: values that come and leave.
        hidden: sizes of the hidden layers.
        activation: after each hidden layer.
        dropout: rate at the hidden layers.
        outputs: how many for each value.
        conditions: numbers that each example's condition has, which every value may depend on.
        direct: whether outputs also see values without a hidden layer between (section 4.1); such a net takes one mask
            more, the last.

    Raises:
        ValueError: where a layer has no units.

    Example:
        >>> net = MaskedMLP(6, (8,))
        >>> net(torch.rand(2, 6), masks(torch.arange(1, 7), degrees(6, (8,), 0))).shape
        torch.Size([2, 6])
    """

    def __init__(
        self, dims: int, hidden: Sequence[int], activation: MaskedActivation = "relu", dropout: float = 0.0,
        outputs: int = 1, conditions: int = 0, direct: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden={tuple(hidden)} came; layers of at least one unit are expected. Raise it.")
        self.outputs, sizes = outputs, [dims, *hidden, dims * outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.conditions = nn.Linear(conditions, hidden[0] + sizes[-1], bias=False) if conditions else None
        self.direct = nn.Linear(dims, sizes[-1], bias=False) if direct else None
        self.activation, self.dropout = ACTIVATIONS[activation], Dropout(dropout) if dropout else nn.Identity()

    @property
    def linears(self) -> list[nn.Linear]:
        """Every layer, the last of which gives the outputs."""
        return cast(list[nn.Linear], [*self.layers])

    def forward(self, x: Tensor, masks: Iterable[Mask], condition: Tensor | None = None) -> Tensor:
        """(B, D) -> (B, D * outputs), those of a value beside each other.

        Arguments:
            x: values in their places.
            masks: of every layer, as `masks` gives them.
            condition: of each example, (B, conditions), where there is one.
        """
        first, shift = self.shifts(condition)
        every, last = [*masks], len(self.layers) - 1
        y = every[last].linear(self.features(x, every[:last], first), self.linears[last])
        straight = None if self.direct is None else every[-1].linear(x, self.direct)
        return at_least_float32(_plus(_plus(y, straight), shift))

    def features(self, x: Tensor, masks: Iterable[Mask], shift: Tensor | None = None) -> Tensor:
        """The last hidden layer, (B, D) -> (B, units), where `shift`, (B, units), is added to the first."""
        for layer, mask in zip(self.linears, masks, strict=False):
            x, shift = self.dropout(self.activation(_plus(mask.linear(x, layer), shift))), None
        return x

    def shifts(self, condition: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """What a condition adds to the first hidden layer, (B, units), and to the outputs, (B, D * outputs)."""
        if condition is None or self.conditions is None:
            return None, None
        units = self.linears[0].out_features
        return self.conditions(condition).tensor_split([units], 1)


def _plus(x: Tensor, shift: Tensor | None) -> Tensor:
    return x if shift is None else x + shift


class OneByOne:
    """What a masked net says of each value as values come in order: all together cost one pass.

    Remembered are x and the hidden units that have seen all they may. A unit of degree d is computed once, when the
    d-th value comes.

    Arguments:
        net: reads its weights as they are at each question.
        order: places of the values from the first to the last, int64 (D,).
        hidden: degrees of the hidden layers' units.
        condition: of each example, where there is one.
    """

    def __init__(
        self, net: MaskedMLP, order: Tensor, hidden: Sequence[Tensor], condition: Tensor | None = None
    ) -> None:  # fmt: skip
        self.shift, self.said = net.shifts(condition)
        self.net, self.places = net, cast(list[int], order.tolist())
        counts = [torch.bincount(degree, minlength=len(self.places) + 1).tolist() for degree in hidden]
        self.groups = [degree.argsort().split(count) for degree, count in zip(hidden, counts, strict=True)]
        self.sizes = [len(self.places), *map(len, hidden)]

    def begin(self, n: int) -> tuple[Tensor, ...]:
        """No values, and no units, of `n` examples: each (n, …); it changes in place."""
        return tuple(self.net.linears[0].weight.new_zeros(n, size) for size in self.sizes)

    def ask(self, state: tuple[Tensor, ...], i: int) -> Tensor:
        """What the units of lower degree say of the i-th value, (n, outputs): those of others are still 0."""
        last, start = self.net.linears[-1], self.places[i] * self.net.outputs
        rows = slice(start, start + self.net.outputs)
        said = state[-1] @ last.weight[rows].mT + last.bias[rows]
        straight = None if self.net.direct is None else state[0] @ self.net.direct.weight[rows].mT
        return _plus(_plus(said, straight), None if self.said is None else self.said[:, rows])

    def take(self, state: tuple[Tensor, ...], i: int, value: Tensor) -> tuple[Tensor, ...]:
        """The units of degree i + 1, layer by layer, when the i-th values, (n,), have come."""
        state[0][:, self.places[i]] = value
        shift = self.shift
        for layer, before, h, group in zip(self.net.linears, state, state[1:], self.groups, strict=False):
            if len(units := group[i + 1]):
                raw = before @ layer.weight[units].mT + layer.bias[units]
                h[:, units] = self.net.activation(_plus(raw, None if shift is None else shift[:, units]))
            shift = None
        return state
