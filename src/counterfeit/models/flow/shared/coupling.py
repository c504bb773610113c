"""Coupling layers: some values stay and say how the others move.

References:
    NICE: Non-linear Independent Components Estimation, Dinh, Krueger & Bengio, 2015 (arXiv 1410.8516).
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from counterfeit.core import Net
from counterfeit.models.flow.shared.elementwise import Elementwise
from counterfeit.models.flow.shared.layers import Conditioned, Layer, Norm, normalization, within_reach
from counterfeit.nets.layers import with_planes
from counterfeit.nets.mlp import MLP

__all__ = ["MaskedCoupling", "VectorCoupling", "vector_couplings"]


class VectorCoupling(Conditioned):
    """Some values of a vector stay; a net that sees them alone says how the others move (Dinh et al., 2017, eqs. 4, 5).

    Arguments:
        kept: whether each value stays, bool (D,).
        hidden: sizes of the net's hidden layers.
        elementwise: how single values move.
        conditions: numbers that each example's condition has.
    """

    stay: Tensor
    move: Tensor

    def __init__(self, kept: Tensor, hidden: Sequence[int], elementwise: Elementwise, conditions: int = 0) -> None:
        super().__init__()
        self.register_buffer("stay", kept.nonzero()[:, 0])
        self.register_buffer("move", (~kept).nonzero()[:, 0])
        self.net = MLP(len(self.stay) + conditions, hidden, elementwise.parameters * len(self.move))
        self.elementwise = elementwise

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move what does not stay, (B, D)."""
        y, ladj = self.elementwise.forward(x[:, self.move], self._raw(x, condition))
        return x.index_copy(1, self.move, y), ladj.sum(1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Move it back: what stays says how."""
        return y.index_copy(1, self.move, self.elementwise.inverse(y[:, self.move], self._raw(y, condition)))

    def _raw(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """(B, D) -> (B, values that move, parameters)."""
        seen = within_reach(x[:, self.stay])
        if condition is not None:
            seen = torch.cat([seen, condition], 1)
        return self.net(seen).unflatten(1, (-1, self.elementwise.parameters))


class MaskedCoupling(Conditioned):
    """The same for images, whose net sees zeros in place of what moves (Dinh et al., 2017, eq. 9).

    Arguments:
        kept: 1 for what stays and 0 for what moves, as an image.
        net: (B, C + conditions, H, W) -> (B, parameters * C, H, W).
        elementwise: how single values move.
    """

    kept: Tensor

    def __init__(self, kept: Tensor, net: Net, elementwise: Elementwise) -> None:
        super().__init__()
        self.register_buffer("kept", kept)
        self.net, self.elementwise = net, elementwise

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move what does not stay."""
        y, ladj = self.elementwise.forward(x, self._raw(x, condition))
        ladj = torch.where(self.kept == 1, 0, ladj)
        return torch.where(self.kept == 1, x, y), ladj.flatten(1).sum(1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Move it back: what stays says how."""
        return torch.where(self.kept == 1, y, self.elementwise.inverse(y, self._raw(y, condition)))

    def _raw(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W, parameters)."""
        seen = within_reach(x * self.kept)
        if condition is not None:  # each number as a channel that is the same everywhere
            seen = with_planes(seen, condition)
        return self.net(seen).unflatten(1, (-1, x.shape[1])).movedim(1, -1)


def vector_couplings(
    dims: int, count: int, hidden: Sequence[int], elementwise: Elementwise, norm: Norm = "none", conditions: int = 0
) -> list[Layer]:
    """Couplings of vectors, (B, D), by multilayer perceptrons; every second value stays, in turn.

    Arguments:
        dims: D, at least 2.
        count: how many, at least 2, since each leaves half of the values as they are.
        hidden: sizes of the hidden layers of each net.
        elementwise: how single values move.
        norm: what stands after each.
        conditions: numbers that each example's condition has.

    Raises:
        ValueError: where there are too few dimensions or couplings.
    """
    if dims < 2:
        raise ValueError(f"data of {dims} dimension came; couplings expect 2 or more. Take `maf`, which takes one too.")
    if count < 2:
        raise ValueError(f"couplings={count} came; 2 or more are expected, since each keeps half the values. Raise it.")
    even, layers = torch.arange(dims) % 2 == 0, list[Layer]()
    for i in range(count):
        kept = even if i % 2 == 0 else ~even
        layers += [VectorCoupling(kept, hidden, elementwise, conditions), *normalization(norm, dims)]
    return layers
