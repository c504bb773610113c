"""Multilayer perceptrons whose weights are masked so that every output sees some inputs only.

References:
    MADE: Masked Autoencoder for Distribution Estimation, Germain, Gregor, Murray & Larochelle, 2015 (arXiv 1502.03509).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from counterfeit.core import Net
from counterfeit.nets.layers import at_least_float32
from counterfeit.nets.mlp import Dropout

__all__ = ["ACTIVATIONS", "MaskedActivation", "MaskedMLP", "OneByOne", "degrees"]

MaskedActivation = Literal["relu", "softplus", "tanh"]
ACTIVATIONS: Mapping[MaskedActivation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "softplus": softplus, "tanh": torch.tanh
}  # fmt: skip


def degrees(dims: int, hidden: Sequence[int], seed: int) -> list[Tensor]:
    """How many inputs, in order, each unit of the hidden layers may see at most: int64 (units,) each (section 4.2).

    They are drawn evenly between the least of the layer before, so that no unit sees nothing, and `dims` - 1.
    """
    generator, found, least = torch.Generator().manual_seed(seed), [], 1
    for size in hidden:
        found.append(torch.randint(least, max(dims, least + 1), (size,), generator=generator))
        least = int(found[-1].min())
    return found


class MaskedMLP(Net):
    """A multilayer perceptron from D values to outputs for each, which see the values of lower rank (eqs. 8, 9).

    Arguments:
        dims: values that come and leave.
        hidden: sizes of the hidden layers.
        activation: after each hidden layer.
        dropout: rate at the hidden layers.
        outputs: how many for each value.
        conditions: numbers that each example's condition has, which every value may depend on.

    Raises:
        ValueError: where a layer has no units.

    Example:
        >>> net = MaskedMLP(6, (8,))
        >>> net(torch.rand(2, 6), torch.arange(1, 7), degrees(6, (8,), 0)).shape
        torch.Size([2, 6])
    """

    def __init__(
        self, dims: int, hidden: Sequence[int], activation: MaskedActivation = "relu", dropout: float = 0.0,
        outputs: int = 1, conditions: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden={tuple(hidden)} came; layers of at least one unit are expected. Raise it.")
        self.outputs, sizes = outputs, [dims, *hidden, dims * outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.conditions = nn.Linear(conditions, hidden[0] + sizes[-1], bias=False) if conditions else None
        self.activation, self.dropout = ACTIVATIONS[activation], Dropout(dropout) if dropout else nn.Identity()

    @property
    def linears(self) -> list[nn.Linear]:
        """Every layer, the last of which gives the outputs."""
        return cast(list[nn.Linear], [*self.layers])

    def forward(
        self, x: Tensor, rank: Tensor, hidden: Sequence[Tensor], condition: Tensor | None = None
    ) -> Tensor:  # fmt: skip
        """(B, D) -> (B, D * outputs), those of a value beside each other.

        Arguments:
            x: values in their places.
            rank: of each value in the order, from 1 on, int64 (D,).
            hidden: degrees of the hidden layers' units.
            condition: of each example, (B, conditions), where there is one.
        """
        first, direct = self.shifts(condition)
        h, last = self.features(x, rank, hidden, first), self.linears[-1]
        seen = rank.repeat_interleave(self.outputs)[:, None] > hidden[-1]
        return at_least_float32(_plus(linear(h, last.weight * seen, last.bias), direct))

    def features(
        self, x: Tensor, rank: Tensor, hidden: Sequence[Tensor], shift: Tensor | None = None
    ) -> Tensor:  # fmt: skip
        """The last hidden layer, (B, D) -> (B, units), where `shift`, (B, units), is added to the first."""
        before = rank
        for layer, degree in zip(self.linears[:-1], hidden, strict=True):
            x = _plus(linear(x, layer.weight * (degree[:, None] >= before), layer.bias), shift)
            x, before, shift = self.dropout(self.activation(x)), degree, None
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
        self.shift, self.direct = net.shifts(condition)
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
        return _plus(said, None if self.direct is None else self.direct[:, rows])

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
