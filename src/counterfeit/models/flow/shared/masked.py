"""Masked autoregressive layers: each value moves by what is before it in an order.

References:
    Masked Autoregressive Flow for Density Estimation, Papamakarios, Pavlakou & Murray, 2017 (arXiv 1705.07057).
    MADE: Masked Autoencoder for Distribution Estimation, Germain, Gregor, Murray & Larochelle, 2015 (arXiv 1502.03509).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.core import Net, Spec
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering
from counterfeit.models.flow.shared.elementwise import CenterScale, Elementwise
from counterfeit.models.flow.shared.layers import Conditioned, Layer, Norm, normalization, within_reach
from counterfeit.nets.masked import FixedMasks, MaskedActivation, MaskedMLP, OneByOne, degrees

__all__ = ["MaskedAutoregressive", "MaskedConditioner", "MaskedSettings"]

Value = Callable[[int, Tensor], Tensor]
"""A value at a place, (n,), of what a net says of it, (n, outputs)."""


class MaskedConditioner(Net):
    """What a masked net says of each value given those before it.

    Arguments:
        order: places of the values from the first to the last, int64 (D,).
        hidden: sizes of the hidden layers.
        activation: of the hidden layers.
        outputs: how many for each value.
        seed: of the mask.
        conditions: numbers that each example's condition has, which every value may depend on.
    """

    order: Tensor
    rank: Tensor

    def __init__(
        self, order: Tensor, hidden: Sequence[int], activation: MaskedActivation, outputs: int, seed: int,
        conditions: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.net = MaskedMLP(len(order), hidden, activation, outputs=outputs, conditions=conditions)
        self.register_buffer("order", order)
        self.register_buffer("rank", order.argsort() + 1)
        for i, layer in enumerate(degrees(len(order), hidden, seed)):
            self.register_buffer(f"degrees{i}", layer.sort().values)
        self.masks = FixedMasks(self.rank, self.hidden, outputs)
        self.register_load_state_dict_post_hook(lambda net, _: net.masks.update(net.rank, net.hidden))

    @property
    def hidden(self) -> list[Tensor]:
        """Degrees of the hidden layers' units."""
        return [self.get_buffer(f"degrees{i}") for i in range(len(self.net.layers) - 1)]

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(B, D) -> (B, D, outputs)."""
        return self.net(within_reach(x), self.masks, condition).unflatten(1, (-1, self.net.outputs))

    def one_by_one(self, value: Value, like: Tensor, condition: Tensor | None = None) -> Tensor:
        """Values like `like`, (n, D), one after another: each is `value` of its place and of what is said of it."""
        steps, x = OneByOne(self.net, self.order, self.hidden, condition), torch.empty_like(like)
        state = steps.begin(len(x))
        for i, place in enumerate(steps.places):
            x[:, place] = value(place, steps.ask(state, i))
            state = steps.take(state, i, within_reach(x[:, place]))
        return x


class MaskedAutoregressive(Conditioned):
    """Moves each value by parameters that come of the values before it: one pass there, one value at a time back.

    Arguments:
        conditioner: says the parameters.
        elementwise: how single values move.
    """

    def __init__(self, conditioner: MaskedConditioner, elementwise: Elementwise) -> None:
        super().__init__()
        self.conditioner, self.elementwise = conditioner, elementwise

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All values at once, (B, D)."""
        y, ladj = self.elementwise.forward(x, self.conditioner(x, condition))
        return y, ladj.sum(1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Value after value; from a cache where no gradient is asked for."""
        return self.recomputed(y, condition) if torch.is_grad_enabled() else self._cached(y, condition)

    def recomputed(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """The same by a whole pass for every value, which can be differentiated."""
        x = torch.zeros_like(y)
        for place in self.conditioner.order:
            value = self.elementwise.inverse(y[:, place], self.conditioner(x, condition)[:, place])
            x = x.index_copy(1, place[None], value[:, None])
        return x

    def _cached(self, y: Tensor, condition: Tensor | None) -> Tensor:
        def value(place: int, raw: Tensor) -> Tensor:
            return self.elementwise.inverse(y[:, place], raw)

        return self.conditioner.one_by_one(value, y, condition)


@dataclass(frozen=True)
class MaskedSettings:
    """Layers of a masked autoregressive flow.

    Arguments:
        layers: how many, at least 1; every second one goes through the values in the opposite order.
        hidden: sizes of the hidden layers of each masked net.
        activation: of the hidden layers.
        scale_bound: of the logarithm of each scale, which grows without end otherwise.
        norm: between layers: none, batch or actnorm.
        order: of the values, by which some are before others.
        order_seed: of a random order, and of masks.
        conditional: whether the nets see the label, and `sample` takes one.
    """

    layers: int = 5
    hidden: tuple[int, ...] = (64, 64)
    activation: MaskedActivation = "relu"
    scale_bound: float = 3.0
    norm: Norm = "none"
    order: OrderName = "raster"
    order_seed: int = 0
    conditional: bool = False

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers={self.layers} came; at least one is expected. The paper takes 5 and 10.")

    def place(self, spec: Spec, i: int) -> Tensor:
        """The order of layer `i`: places from the first to the last, int64 (D,)."""
        order = ordering(spec.shape, self.order, self.order_seed)
        return order.flip(0) if i % 2 else order

    def conditioner(self, spec: Spec, i: int, outputs: int, conditions: int = 0) -> MaskedConditioner:
        """The masked net of layer `i`."""
        place, seed = self.place(spec, i), self.order_seed + i
        return MaskedConditioner(place, self.hidden, self.activation, outputs, seed, conditions)

    def build(self, spec: Spec) -> list[tuple[MaskedAutoregressive, list[Layer]]]:
        """Every layer, and what stands after it."""
        move, conditions = CenterScale(self.scale_bound), spec.classes if self.conditional else 0
        nets = [self.conditioner(spec, i, move.parameters, conditions) for i in range(self.layers)]
        return [(MaskedAutoregressive(net, move), normalization(self.norm, spec.dims)) for net in nets]
