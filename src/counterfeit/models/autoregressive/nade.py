"""The neural autoregressive distribution estimator, in one order or in any.

References:
    The Neural Autoregressive Distribution Estimator, Larochelle & Murray, 2011.
    A Deep and Tractable Density Estimator, Uria, Murray & Larochelle, 2014 (arXiv 1310.1757): order-agnostic training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Spec
from counterfeit.models.autoregressive.shared.chain import Chain, fill
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli
from counterfeit.models.autoregressive.shared.model import Autoregressive, expect
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering
from counterfeit.models.autoregressive.shared.prefix_chain import PrefixChain
from counterfeit.models.autoregressive.shared.prefixes import PrefixNet, Unit
from counterfeit.models.autoregressive.shared.tables import BINARY

__all__ = ["NADE"]


class NADE(Autoregressive):
    """A neural autoregressive distribution estimator: hidden units see ever more of an example, with shared weights.

    References:
        The Neural Autoregressive Distribution Estimator, Larochelle & Murray, 2011.
        A Deep and Tractable Density Estimator, Uria, Murray & Larochelle, 2014 (arXiv 1310.1757).

    Arguments:
        spec: what the data are; binary.
        hidden: units of the hidden layer.
        unit: the hidden layer's nonlinearity.
        order: of the values, by which some are before others.
        order_seed: of random orders.
        order_agnostic: learn the conditionals of all orders at once, one drawn for every example; what is known is then
            always first, so that every completion is exact.
        orders: how many orders the density is a mixture of, where it learns all: `order`, and others at random.

    Raises:
        ValueError: where data are not binary, or several orders are asked of a model that learns one.

    Example:
        >>> NADE(Spec((1, 8, 8), "binary")).log_prob(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    places: Tensor

    def __init__(
        self, spec: Spec, hidden: int = 500, unit: Unit = "sigmoid", order: OrderName = "raster", order_seed: int = 0,
        order_agnostic: bool = False, orders: int = 1,
    ) -> None:  # fmt: skip
        expect(spec, "binary", "NADE", BINARY)
        if orders < 1 or (orders > 1 and not order_agnostic):
            raise ValueError(f"orders={orders} came; 1 is expected, or more with order_agnostic. Set both, or neither.")
        super().__init__(spec)
        self.net = PrefixNet(spec.dims, hidden, 1, unit, masked=order_agnostic)
        self.order_agnostic, self.chains = order_agnostic, orders
        others = [ordering(spec.shape, "random", order_seed + k) for k in range(1, orders)]
        self.register_buffer("places", torch.stack([ordering(spec.shape, order, order_seed), *others]))

    def chain(self, k: int) -> Chain:
        """The conditionals in order number `k`."""
        return PrefixChain(self.net, self.places[k], Bernoulli())

    def training_log_prob(self, batch: Batch, clock: Clock) -> Tensor:
        """The log-likelihood in its order, or an unbiased estimate of its mean over all orders (2014, eq. 8), (B,)."""
        if not self.order_agnostic:
            return super().training_log_prob(batch, clock)
        x = batch.x.flatten(1)
        rank = torch.rand_like(x).argsort(1).argsort(1)  # of each value in an order of the example's own
        before = (torch.rand_like(x[:, :1]) * x.shape[1]).long()  # how many values are known, from 0 to D - 1
        known = (rank < before).to(x.dtype)
        log_prob = Bernoulli().log_prob(self.net(x, self.raster, known)[..., 0], x)
        share = x.shape[1] / (x.shape[1] - before[:, 0])
        return share * (log_prob * (1 - known)).sum(1)

    @property
    def raster(self) -> Tensor:
        """Every place as it comes, int64 (D,)."""
        return torch.arange(self.spec.dims, device=self.device)

    def filled(self, x: Tensor, known: Tensor) -> Tensor:
        """Draw what is missing of `x` where `known` is 0, both (B, D): in an order that has what is known first."""
        if not self.order_agnostic:
            return super().filled(x, known)
        out = torch.empty_like(x)
        for mask in known.unique(dim=0):
            rows, shuffled = (known == mask).all(1), torch.randperm(len(mask), device=x.device)
            order = shuffled[mask[shuffled].argsort(descending=True, stable=True)]
            out[rows] = fill(PrefixChain(self.net, order, Bernoulli()), x[rows], known[rows])[0]
        return out

    def encode(self, x: Tensor) -> Tensor:
        """The hidden units that have seen all of `x`, (B, hidden)."""
        self.spec.check(x, "NADE.encode")
        return self.net.seen(x.flatten(1), torch.ones_like(x).flatten(1), self.raster)
