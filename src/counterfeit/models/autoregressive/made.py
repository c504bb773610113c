"""The masked autoencoder for distribution estimation, of one mask or of many.

References:
    MADE: Masked Autoencoder for Distribution Estimation, Germain, Gregor, Murray & Larochelle, 2015 (arXiv 1502.03509).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli
from counterfeit.models.autoregressive.shared.model import Autoregressive, expect
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering
from counterfeit.models.autoregressive.shared.tables import BINARY
from counterfeit.nets.masked import FixedMasks, Mask, MaskedActivation, MaskedMLP, OneByOne, degrees, masks

__all__ = ["MADE"]


@dataclass(frozen=True)
class MaskedNetSettings:
    """What a masked net has beside its hidden layers' sizes.

    Arguments:
        activation: of the hidden layers.
        dropout: rate at the hidden layers.
        direct: whether each output also sees the values before it without a hidden layer between (section 4.1).
    """

    activation: MaskedActivation = "relu"
    dropout: float = 0.0
    direct: bool = False


class MADE(Autoregressive):
    """A masked autoencoder: one pass gives all conditionals, since masks leave each output what is before it.

    With several masks, every step trains one in turn, and the density is the mixture of all.

    References:
        MADE: Masked Autoencoder for Distribution Estimation, Germain et al., 2015 (arXiv 1502.03509).

    Arguments:
        spec: what the data are; binary.
        hidden: sizes of the hidden layers.
        nets: what else the net has.
        masks: how many; each lets the hidden units see other values (connectivity-agnostic training).
        order_agnostic: whether each mask also has an order of its own.
        order: of the values, by which some are before others; of the first mask where each has its own.
        order_seed: of random orders and of masks.

    Raises:
        ValueError: where data are not binary, or no mask or a layer without units is asked for.

    Example:
        >>> model = MADE(Spec((1, 8, 8), "binary"), hidden=(64,), masks=4)
        >>> model.log_prob(torch.ones(2, 1, 8, 8)).shape  # of the mixture of four
        torch.Size([2])
    """

    places: Tensor

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (500,), nets: MaskedNetSettings = MaskedNetSettings(),
        masks: int = 1, order_agnostic: bool = False, order: OrderName = "raster", order_seed: int = 0,
    ) -> None:  # fmt: skip
        expect(spec, "binary", "MADE", BINARY)
        if masks < 1:
            raise ValueError(f"masks={masks} came; at least one mask is expected. The paper's numbers are 1 and 32.")
        super().__init__(spec)
        self.net = MaskedMLP(spec.dims, hidden, nets.activation, nets.dropout, direct=nets.direct)
        self.chains, self.dropout = masks, nets.dropout
        names: list[OrderName] = ["random" if order_agnostic and k else order for k in range(masks)]
        orders = [ordering(spec.shape, name, order_seed + k) for k, name in enumerate(names)]
        self.register_buffer("places", torch.stack(orders))
        every = [degrees(spec.dims, hidden, order_seed + k) for k in range(masks)]
        for i, layer in enumerate(zip(*every, strict=True)):
            self.register_buffer(f"degrees{i}", torch.stack(layer if masks > 1 else [layer[0].sort().values]))
        rank = self.places[0].argsort() + 1
        self.fixed = FixedMasks(rank, self.hidden(0), direct=nets.direct) if masks == 1 else None
        self.register_load_state_dict_post_hook(_renew)

    def hidden(self, k: int) -> list[Tensor]:
        """Degrees of the hidden layers' units under mask number `k`, int64 (units,) each."""
        return [self.get_buffer(f"degrees{i}")[k] for i in range(len(self.net.layers) - 1)]

    def chain(self, k: int) -> MADEChain:
        """The conditionals under mask number `k`."""
        return MADEChain(self.net, self.places[k], self.hidden(k), self.fixed)

    def encode(self, x: Tensor) -> Tensor:
        """The last hidden layer under the first mask, (B, units)."""
        self.spec.check(x, "MADE.encode")
        chain = self.chain(0)
        return self.net.features(x.flatten(1), chain.masks[: len(self.net.layers) - 1])


def _renew(model: MADE, _: object) -> None:
    """Make masks anew of degrees that were loaded."""
    if model.fixed is not None:
        model.fixed.update(model.places[0].argsort() + 1, model.hidden(0))


class MADEChain(Chain):
    """The conditionals of a masked net under one mask; what values share is remembered unit by unit.

    Arguments:
        net: gives the conditionals' parameters.
        order: places of the values from the first to the last, int64 (D,).
        hidden: degrees of the hidden layers' units.
        fixed: the masks that follow, where they are kept; made where they are asked for otherwise.
    """

    def __init__(
        self, net: MaskedMLP, order: Tensor, hidden: list[Tensor], fixed: FixedMasks | None = None
    ) -> None:  # fmt: skip
        super().__init__(order, Bernoulli())
        self.net, self.hidden, self.fixed = net, hidden, fixed

    @property
    def masks(self) -> list[Mask]:
        """Of every layer."""
        if self.fixed is not None:
            return [*self.fixed]
        return masks(self.order.argsort() + 1, self.hidden, direct=self.net.direct is not None)

    def parameters(self, x: Tensor) -> Tensor:
        """Log-odds of every value, (B, D) -> (B, D)."""
        return self.net(x, self.masks)

    def begin(self, n: int) -> State:
        """No values, and no units."""
        return self.one_by_one.begin(n)

    def ask(self, state: State, i: int) -> Tensor:
        """Log-odds of the i-th value, (n,)."""
        return self.one_by_one.ask(state, i)[:, 0]

    def take(self, state: State, i: int, value: Tensor) -> State:
        """The units of degree i + 1, layer by layer."""
        return self.one_by_one.take(state, i, value)

    @cached_property
    def one_by_one(self) -> OneByOne:
        """What is asked for value after value."""
        return OneByOne(self.net, self.order, self.hidden)
