"""The neural autoregressive density estimator of real values: mixtures of Gaussians in the place of coins.

References:
    RNADE: The Real-Valued Neural Autoregressive Density-Estimator, Uria, Murray & Larochelle, 2013 (arXiv 1306.0186).
"""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterfeit.core import Batch, Spec
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import GaussianMixture
from counterfeit.models.autoregressive.shared.model import Autoregressive, expect
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering
from counterfeit.models.autoregressive.shared.prefix_chain import PrefixChain
from counterfeit.models.autoregressive.shared.prefixes import PrefixNet, Unit
from counterfeit.transforms import moments

__all__ = ["RNADE"]

LOWEST = -7.0  # of a component's log standard deviation: what repeats in the data would shrink it without end
REAL = "Add `dequantize` and `logit` to data.transforms, or choose points such as two-moons."


class RNADE(Autoregressive):
    """A neural autoregressive density estimator of real values, whose conditionals are mixtures of Gaussians.

    Each value is standardized by the mean and the standard deviation that it has in the training data; likelihoods are
    those of the data as given.

    References:
        RNADE: The Real-Valued Neural Autoregressive Density-Estimator, Uria et al., 2013 (arXiv 1306.0186).

    Arguments:
        spec: what the data are; real values.
        hidden: units of the hidden layer.
        components: Gaussians in each mixture.
        unit: the hidden layer's nonlinearity.
        order: of the values, by which some are before others.
        order_seed: of a random order.

    Raises:
        ValueError: where data are not real values, or one of them never changes.

    Example:
        >>> RNADE(Spec((2,), "real")).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    transforms = MappingProxyType({"image": ("dequantize", "logit")})
    places: Tensor
    loc: Tensor
    std: Tensor

    def __init__(
        self, spec: Spec, hidden: int = 100, components: int = 10, unit: Unit = "relu", order: OrderName = "raster",
        order_seed: int = 0,
    ) -> None:  # fmt: skip
        expect(spec, "real", "RNADE", REAL)
        if components < 1:
            raise ValueError(f"components={components} came; at least one Gaussian is expected. Raise it.")
        super().__init__(spec)
        self.net = PrefixNet(spec.dims, hidden, 3 * components, unit, scaled=True)
        with torch.no_grad():  # components begin beside each other: equal ones would stay so
            self.net.out_bias[:, components : 2 * components] = torch.linspace(-1.5, 1.5, components)
        self.register_buffer("places", ordering(spec.shape, order, order_seed))
        self.register_buffer("loc", torch.zeros(spec.dims))
        self.register_buffer("std", torch.ones(spec.dims))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the mean and the standard deviation of every value."""
        loc, std = moments(data.x.flatten(1))
        self.loc.copy_(loc)
        self.std.copy_(std)

    def chain(self, k: int) -> Chain:  # noqa: ARG002
        """The only chain."""
        return RNADEChain(self)


class RNADEChain(PrefixChain):
    """The conditionals of an RNADE: the net sees standardized values, and says in their unit what it expects."""

    def __init__(self, model: RNADE) -> None:
        super().__init__(model.net, model.places, GaussianMixture())
        self.loc, self.std = model.loc, model.std

    def parameters(self, x: Tensor) -> Tensor:
        """Logits, means and log standard deviations of every value, (B, D) -> (B, D, 3 components)."""
        return in_unit(super().parameters((x - self.loc) / self.std), self.loc, self.std)

    def ask(self, state: State, i: int) -> Tensor:
        """Those of the i-th value, (n, 3 components)."""
        return in_unit(super().ask(state, i), self.loc[self.places[i]], self.std[self.places[i]])

    def take(self, state: State, i: int, value: Tensor) -> State:
        """The sums with the term of the value, standardized."""
        return super().take(state, i, (value - self.loc[self.places[i]]) / self.std[self.places[i]])


def in_unit(raw: Tensor, loc: Tensor, std: Tensor) -> Tensor:
    """What a net says of standardized values, (…, 3 K), in the unit of data of mean and standard deviation (…)."""
    logits, means, scales = raw.chunk(3, -1)
    log_scale = LOWEST + softplus(scales - LOWEST)
    return torch.cat([logits, loc[..., None] + std[..., None] * means, log_scale + std.log()[..., None]], -1)
