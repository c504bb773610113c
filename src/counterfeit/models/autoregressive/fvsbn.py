"""The fully visible sigmoid belief network: each value is a logistic regression on those before it.

References:
    Connectionist Learning of Belief Networks, Neal, 1992.
    Does the Wake-Sleep Algorithm Produce Good Density Estimators?, Frey, Hinton & Dayan, 1996.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from counterfeit.core import Net, Spec
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli
from counterfeit.models.autoregressive.shared.model import Autoregressive, expect
from counterfeit.models.autoregressive.shared.orders import OrderName, ordering
from counterfeit.models.autoregressive.shared.tables import BINARY

__all__ = ["FVSBN", "Triangular"]


class Triangular(Net):
    """A linear map whose i-th output sees the inputs before the i-th: weights below the diagonal.

    Arguments:
        dims: of what comes and what leaves.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(dims, dims).mul_(0.01)), nn.Parameter(torch.zeros(dims))

    def forward(self, x: Tensor) -> Tensor:
        """(B, dims) -> (B, dims)."""
        return linear(x, self.weight.tril(-1), self.bias).float()


class FVSBN(Autoregressive):
    """A fully visible sigmoid belief network: p(x_i = 1 | x before i) = σ(b_i + Σ W_ij x_j) over j before i.

    References:
        Does the Wake-Sleep Algorithm Produce Good Density Estimators?, Frey, Hinton & Dayan, 1996.

    Arguments:
        spec: what the data are; binary.
        order: of the values, by which some are before others.
        order_seed: of a random order.

    Raises:
        ValueError: where data are not binary.

    Example:
        >>> FVSBN(Spec((1, 8, 8), "binary")).log_prob(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    places: Tensor

    def __init__(self, spec: Spec, order: OrderName = "raster", order_seed: int = 0) -> None:
        expect(spec, "binary", "FVSBN", BINARY)
        super().__init__(spec)
        self.net = Triangular(spec.dims)
        self.register_buffer("places", ordering(spec.shape, order, order_seed))

    def chain(self, k: int) -> Chain:  # noqa: ARG002
        """The only chain."""
        return FVSBNChain(self.net, self.places)


class FVSBNChain(Chain):
    """The conditionals of an FVSBN; remembered are the log-odds of all values, as far as they are summed."""

    def __init__(self, net: Triangular, order: Tensor) -> None:
        super().__init__(order, Bernoulli())
        self.net = net

    def parameters(self, x: Tensor) -> Tensor:
        """Log-odds of every value, (B, D) -> (B, D)."""
        ordered = self.net(x[:, self.order])
        return torch.empty_like(ordered).index_copy(1, self.order, ordered)

    def begin(self, n: int) -> State:
        """The biases."""
        return (self.net.bias.repeat(n, 1),)

    def ask(self, state: State, i: int) -> Tensor:
        """The sum of all before, (n,)."""
        return state[0][:, i]

    def take(self, state: State, i: int, value: Tensor) -> State:
        """What the value adds to all that come after."""
        state[0][:, i + 1 :] += value[:, None] * self.net.weight[i + 1 :, i]
        return state
