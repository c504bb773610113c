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
from counterfeit.nets.mlp import Dropout

__all__ = ["ACTIVATIONS", "MaskedActivation", "MaskedMLP", "degrees"]

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
    """A multilayer perceptron from D values to one output for each, which sees the values of lower rank (eqs. 8, 9).

    Arguments:
        dims: values that come and leave.
        hidden: sizes of the hidden layers.
        activation: after each hidden layer.
        dropout: rate at the hidden layers.

    Raises:
        ValueError: where a layer has no units.

    Example:
        >>> net = MaskedMLP(6, (8,))
        >>> net(torch.rand(2, 6), torch.arange(1, 7), degrees(6, (8,), 0)).shape
        torch.Size([2, 6])
    """

    def __init__(
        self, dims: int, hidden: Sequence[int], activation: MaskedActivation = "relu", dropout: float = 0.0
    ) -> None:  # fmt: skip
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden={tuple(hidden)} came; layers of at least one unit are expected. Raise it.")
        sizes = [dims, *hidden, dims]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.activation, self.dropout = ACTIVATIONS[activation], Dropout(dropout) if dropout else nn.Identity()

    @property
    def linears(self) -> list[nn.Linear]:
        """Every layer, the last of which gives the outputs."""
        return cast(list[nn.Linear], [*self.layers])

    def forward(self, x: Tensor, rank: Tensor, hidden: Sequence[Tensor]) -> Tensor:
        """(B, D) -> (B, D).

        Arguments:
            x: values in their places.
            rank: of each value in the order, from 1 on, int64 (D,).
            hidden: degrees of the hidden layers' units.
        """
        h, last = self.features(x, rank, hidden), self.linears[-1]
        return linear(h, last.weight * (rank[:, None] > hidden[-1]), last.bias).float()

    def features(self, x: Tensor, rank: Tensor, hidden: Sequence[Tensor]) -> Tensor:
        """The last hidden layer, (B, D) -> (B, units)."""
        before = rank
        for layer, degree in zip(self.linears[:-1], hidden, strict=True):
            x = linear(x, layer.weight * (degree[:, None] >= before), layer.bias)
            x, before = self.dropout(self.activation(x)), degree
        return x
