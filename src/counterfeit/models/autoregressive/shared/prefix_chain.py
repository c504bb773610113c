"""The chain of a net of prefixes: NADE in any order."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Conditional
from counterfeit.models.autoregressive.shared.prefixes import PrefixNet

__all__ = ["PrefixChain"]


class PrefixChain(Chain):
    """The conditionals of a net of prefixes; remembered are the sums that its hidden units see.

    Arguments:
        net: of as many outputs as the conditional has parameters.
        order: places of the values from the first to the last, int64 (D,).
        conditional: the distribution of each value.
    """

    def __init__(self, net: PrefixNet, order: Tensor, conditional: Conditional) -> None:
        super().__init__(order, conditional)
        self.net = net

    def parameters(self, x: Tensor) -> Tensor:
        """Parameters of every conditional, (B, D) -> (B, D) where it has one, else (B, D, parameters)."""
        ordered = self.net(x[:, self.order], self.order)
        return _alone(torch.empty_like(ordered).index_copy(1, self.order, ordered))

    def begin(self, n: int) -> State:
        """The biases."""
        return (self.net.bias.repeat(n, 1),)

    def ask(self, state: State, i: int) -> Tensor:
        """What the hidden units say of the i-th value, (n,) or (n, parameters)."""
        units, place = self.net.units(state[0].clone()[None], slice(i, i + 1))[0], self.places[i]
        return _alone(units @ self.net.out_weight[place] + self.net.out_bias[place])

    def take(self, state: State, i: int, value: Tensor) -> State:
        """The sums with the value's term."""
        place = self.places[i]
        sums = state[0].addr_(value, self.net.weight[place])
        return (sums if self.net.place_weight is None else sums.add_(self.net.place_weight[place]),)


def _alone(outputs: Tensor) -> Tensor:
    return outputs.squeeze(-1) if outputs.shape[-1] == 1 else outputs
