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
from counterfeit.models.autoregressive.shared.tables import BINARY, check_memory

__all__ = ["FVSBN", "Triangular"]


class Triangular(Net):
    """A linear map whose i-th output sees the inputs before the i-th: weights below the diagonal.

    Arguments:
        dims: of what comes and what leaves.
        memory: how many of the inputs before it an output sees; all where None.
    """

    def __init__(self, dims: int, memory: int | None = None) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(dims, dims).mul_(0.01)), nn.Parameter(torch.zeros(dims))
        self.memory = dims if memory is None else memory

    def forward(self, x: Tensor) -> Tensor:
        """(B, dims) -> (B, dims)."""
        below = self.weight.tril(-1)
        seen = below if self.memory >= len(below) - 1 else below.triu(-self.memory)
        return linear(x, seen, self.bias).float()


class FVSBN(Autoregressive):
    """A fully visible sigmoid belief network: p(x_i = 1 | x before i) = σ(b_i + Σ W_ij x_j) over j before i.

    With a memory of k it is the logistic autoregression of order k, AR(k): j runs over the k values before i.

    References:
        Does the Wake-Sleep Algorithm Produce Good Density Estimators?, Frey, Hinton & Dayan, 1996.

    Arguments:
        spec: what the data are; binary.
        order: of the values, by which some are before others.
        order_seed: of a random order.
        memory: how many values before it the probability of a value depends on; all of them where null.

    Raises:
        ValueError: where data are not binary, or the memory is negative.

    Example:
        >>> FVSBN(Spec((1, 8, 8), "binary")).log_prob(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    places: Tensor

    def __init__(
        self, spec: Spec, order: OrderName = "raster", order_seed: int = 0, memory: int | None = None
    ) -> None:  # fmt: skip
        expect(spec, "binary", "FVSBN", BINARY)
        check_memory(0 if memory is None else memory)
        super().__init__(spec)
        self.net = Triangular(spec.dims, memory)
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
        """What the value adds to those after it that see it."""
        after = slice(i + 1, i + 1 + self.net.memory)
        state[0][:, after] += value[:, None] * self.net.weight[after, i]
        return state
