"""The parameters of two layers of units, and the chains whose ends are negative examples.

References:
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient, Tieleman, 2008.
    Deep Boltzmann Machines and the Centering Trick, Montavon & Müller, 2012.
    A Practical Guide to Training Restricted Boltzmann Machines, Hinton, 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from counterfeit.core import Net
from counterfeit.models.energy.shared.bipartite import BinaryUnits, Bipartite, GaussianUnits, base_rates

__all__ = ["Chains", "Directed", "Harmonium"]

SPREAD = 0.01  # of weights before training (Hinton, section 8)
WITHIN = 0.5  # of the standard deviation of real values, which hidden units leave unexplained at first


@dataclass(frozen=True)
class Chains:
    """Where negative examples come from, and samples.

    Arguments:
        gibbs_steps: steps of Gibbs sampling to each negative example: k of contrastive divergence.
        persistent: chains go on from update to update (Tieleman, 2008); else each starts at a training example.
        chains: how many there are side by side, where they are persistent; samples start from them.
        sampling_steps: steps of Gibbs sampling before a sample.
        centered: units enter the energy less their mean at the start, which makes its gradients better conditioned
            (Montavon & Müller, 2012).
    """

    gibbs_steps: int = 1
    persistent: bool = True
    chains: int = 100
    sampling_steps: int = 200
    centered: bool = True

    def __post_init__(self) -> None:
        if min(self.gibbs_steps, self.chains) < 1 or self.sampling_steps < 0:
            came = f"gibbs_steps={self.gibbs_steps}, chains={self.chains}, sampling_steps={self.sampling_steps} came"
            raise ValueError(f"{came}; at least 1 step, 1 chain and 0 steps before a sample are expected. Raise them.")

    def undivided(self) -> tuple[str, ...]:
        """Settings by which a minibatch cannot be split."""
        return ("model.persistent",) if self.persistent else ()


class Harmonium(Net):
    """Two layers of units; its output is the free energy.

    The energy is of v - μ and h - λ, which is one of v and h with other biases. Where it is not centered, both are 0.

    Arguments:
        visible: how many units.
        hidden: how many, binary.
        gaussian: whether visible units are real numbers, and not binary.
        chains: whether it is centered, and how many chains move between its layers.
    """

    mean: Tensor
    fantasies: Tensor

    def __init__(self, visible: int, hidden: int, gaussian: bool, chains: Chains) -> None:
        super().__init__()
        self.weight = nn.Parameter(SPREAD * torch.randn(visible, hidden))
        self.visible, self.hidden = nn.Parameter(torch.zeros(visible)), nn.Parameter(torch.zeros(hidden))
        self.log_scale = nn.Parameter(torch.zeros(visible)) if gaussian else None
        self.chains, self.rest = chains, 0.5 if chains.centered else 0.0
        self.register_buffer("mean", torch.full((visible,), self.rest))
        self.register_buffer("fantasies", torch.rand(chains.chains, visible).round())

    def forward(self, v: Tensor, up: float = 1.0) -> Tensor:
        """Free energy of visible units in nats where the energy counts `up` times, (B, V) -> (B,)."""
        return self.units().times(up).free_energy(v)

    def units(self) -> Bipartite:
        """The same units with biases that count for v and h as they are."""
        hidden = self.hidden - self.mean @ self.weight
        if self.log_scale is not None:
            return GaussianUnits(self.weight, self.visible, self.hidden, self.log_scale.exp())
        return BinaryUnits(self.weight, self.visible - self.rest * self.weight.sum(1), hidden)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """See the means of the visible units, (N, V), from which chains start, too."""
        count = len(self.fantasies)
        if self.log_scale is not None:
            std = x.std(0, correction=0).clamp(min=1e-6)
            self.visible.copy_(x.mean(0))
            self.log_scale.copy_((WITHIN * std).log())
            self.fantasies.copy_(self.visible + std * torch.randn_like(self.fantasies))
            return
        self.visible.copy_(base_rates(x))
        self.mean.copy_(self.visible.sigmoid() if self.chains.centered else torch.zeros_like(self.mean))
        self.fantasies.copy_(torch.rand_like(self.fantasies) < self.visible.sigmoid().expand(count, -1))

    @torch.no_grad()
    def mirror(self, below: Harmonium, mean: Tensor) -> None:
        """Begin as the same machine upside down: its visible units then have the law of the hidden ones below.

        Hidden units beyond the visible ones below know nothing, and change nothing. Chains go on where those below are.

        Arguments:
            below: one whose hidden units are as many as these visible ones, with no more visible ones than these
                hidden ones.
            mean: of the hidden units below, given the data, (V,).
        """
        units, size = below.units(), below.weight.shape[0]
        self.weight[:, :size].copy_(units.weight.mT)
        self.weight[:, size:].mul_(0.1)
        self.mean.copy_(mean if self.chains.centered else torch.zeros_like(mean))
        self.visible.copy_(units.hidden + self.rest * self.weight.sum(1))
        self.hidden.copy_(self.mean @ self.weight)
        self.hidden[:size].add_(units.visible)
        self.fantasies.copy_(units.draw_hidden(below.begin(len(self.fantasies))))

    @torch.no_grad()
    def negative(self, v: Tensor, up: float = 1.0, down: float = 1.0) -> Tensor:
        """The ends of chains after `gibbs_steps`: of persistent ones, (chains, V), or of such as start at `v`, (B, V).

        Hidden units see `up` times the energy, and visible ones `down` times.
        """
        units, start = self.units().detached(), self.fantasies if self.chains.persistent else v
        hidden, visible, end = units.times(up), units.times(down), start
        for _ in range(self.chains.gibbs_steps):
            end = visible.draw_visible(hidden.draw_hidden(end))
        if self.chains.persistent:
            self.fantasies.copy_(end)
        return end

    def begin(self, n: int) -> Tensor:
        """Where `n` random ones of the persistent chains stand, (n, V)."""
        return self.fantasies[torch.randint(len(self.fantasies), (n,), device=self.fantasies.device)]


class Directed(nn.Module):
    """Visible units that depend on hidden ones, with weights of their own.

    Arguments:
        layer: whose weights it begins at, each time `follow` is called.
    """

    def __init__(self, layer: Harmonium) -> None:
        super().__init__()
        units = layer.units()
        self.weight, self.visible = (nn.Parameter(t.detach().clone()) for t in (units.weight, units.visible))
        self.log_scale = None if layer.log_scale is None else nn.Parameter(layer.log_scale.detach().clone())

    @torch.no_grad()
    def follow(self, layer: Harmonium) -> None:
        """Begin at the weights of that layer."""
        units = layer.units()
        self.weight.copy_(units.weight)
        self.visible.copy_(units.visible)
        if self.log_scale is not None and layer.log_scale is not None:
            self.log_scale.copy_(layer.log_scale)

    def units(self) -> Bipartite:
        """The units, whose hidden ones have no biases."""
        hidden = self.weight.new_zeros(self.weight.shape[1])
        if self.log_scale is not None:
            return GaussianUnits(self.weight, self.visible, hidden, self.log_scale.exp())
        return BinaryUnits(self.weight, self.visible, hidden)
