"""The restricted Boltzmann machine, trained by contrastive divergence or by persistent chains.

References:
    Information Processing in Dynamical Systems: Foundations of Harmony Theory, Smolensky, 1986.
    Training Products of Experts by Minimizing Contrastive Divergence, Hinton, 2002.
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient, Tieleman, 2008.
    On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from counterfeit.core import AnnealingPath, Batch, Clock, Draw, Spec, Update
from counterfeit.models.energy.shared.chain_model import ChainModel
from counterfeit.models.energy.shared.harmonium import Chains, Harmonium
from counterfeit.nets.masks import check_mask

__all__ = ["RBM"]


class RBM(ChainModel):
    """A restricted Boltzmann machine: p(v) = Σ_h exp(-E(v, h)) / Z, with E(v, h) = -v·b - h·c - v·W h.

    Real values have Gaussian visible units, E(v, h) = |u|²/2 - h·c - u·W h with u = (v - b) / s, whose scales s are
    learned. Values of pictures in [0, 1] are taken for probabilities of binary units, and samples are such
    probabilities.

    References:
        Training Products of Experts by Minimizing Contrastive Divergence, Hinton, 2002.
        Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient, Tieleman, 2008.

    Arguments:
        spec: what the data are.
        hidden: how many hidden units.
        chains: where negative examples come from, and samples.
        sparsity: the share of examples for which a hidden unit is to be 1 (Lee et al., 2008); null for any.
        sparsity_weight: weight of the squared distance from that share, summed over hidden units.

    Raises:
        ValueError: where there is no unit, or sparsity is no share.

    Example:
        >>> model = RBM(Spec((1, 4, 4), "binary"), hidden=8)
        >>> model.energy(model.sample(3)).shape
        torch.Size([3])
    """

    bounded = False  # the free energy is exact

    def __init__(
        self, spec: Spec, hidden: int = 500, chains: Chains = Chains(), sparsity: float | None = None,  # noqa: B008
        sparsity_weight: float = 1.0,
    ) -> None:  # fmt: skip
        if hidden < 1 or not 0 < (0.5 if sparsity is None else sparsity) < 1 or sparsity_weight < 0:
            came = f"hidden={hidden}, sparsity={sparsity}, sparsity_weight={sparsity_weight} came"
            raise ValueError(f"{came}; a unit, a share between 0 and 1, and a weight of 0 or more, are expected.")
        super().__init__(spec, chains.sampling_steps)
        self.layer = Harmonium(spec.dims, hidden, spec.kind == "real", chains)
        self.chains, self.sparsity, self.sparsity_weight = chains, sparsity, sparsity_weight
        self.undivided = (*chains.undivided(), *(() if sparsity is None else ("model.sparsity",)))

    def initialize(self, data: Batch) -> None:
        """See the mean of every value."""
        self.layer.initialize(data.x.flatten(1))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the free energy of data less that of the chains' ends, whose gradient is that of the log-likelihood.

        In expectation, where the chains have converged: the gradient of ln Z is that of -F under the model.
        """
        v = draw().x.flatten(1)
        losses = {"free_energy": self.layer(v).mean() - self.layer(self.layer.negative(v)).mean()}
        if self.sparsity is not None:
            active = self.layer.units().inputs(v).sigmoid().mean(0)
            losses["sparsity"] = self.sparsity_weight * (active - self.sparsity).square().sum()
        shown = {"pseudo_likelihood": self.pseudo_likelihood(v).mean()} if self.spec.bounded else {}
        yield Update.of("layer", losses, shown)

    @torch.no_grad()
    def pseudo_likelihood(self, v: Tensor) -> Tensor:
        """Log p(v_i | all others) of a random binary unit i of each example, (B, V), in nats, (B,)."""
        units = self.layer.units()
        one = torch.randint(v.shape[1], (len(v), 1), device=v.device)
        flipped = v.scatter(1, one, 1 - v.gather(1, one))
        return logsigmoid(units.free_energy(flipped) - units.free_energy(v))

    def energy(self, x: Tensor) -> Tensor:
        """Free energy in nats, (B,)."""
        self.spec.check(x, "RBM.energy")
        return self.layer(x.flatten(1))

    def annealing_path(self, x: Tensor) -> AnnealingPath:
        """From independent values with the means of `x`, (N, *shape), to the model."""
        return self.layer.units().path(x.flatten(1))

    def log_z(self) -> Tensor | None:
        """The normalizer's logarithm, scalar, where one layer is small enough to sum over its states."""
        return self.layer.units().log_z()

    def encode(self, x: Tensor) -> Tensor:
        """Probabilities of the hidden units, (B, hidden)."""
        self.spec.check(x, "RBM.encode")
        return self.layer.units().inputs(x.flatten(1)).sigmoid()

    def begin(self, n: int) -> Tensor:
        """Visible units of random ones of the persistent chains, (n, dims)."""
        return self.layer.begin(n)

    @torch.no_grad()
    def move(self, state: Tensor, steps: int) -> Tensor:
        """Visible units after steps of Gibbs sampling, (n, dims)."""
        return self.layer.units().detached().gibbs(state, steps)

    @torch.no_grad()
    def seen(self, state: Tensor) -> Tensor:
        """What is drawn through the hidden units once more, or its means, (n, *shape)."""
        units = self.layer.units().detached()
        return units.emitted(units.draw_hidden(state), self.spec.kind == "image").unflatten(1, self.spec.shape)

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` with what is missing drawn by a chain that what is known holds, `mask` 1 there; (B, *shape) each."""
        self.spec.check(x, "RBM.complete")
        units, known = self.layer.units().detached(), check_mask(mask, x, "RBM.complete").flatten(1)
        start = torch.where(known == 1, x.flatten(1), self.layer.fantasies[0])
        v = units.gibbs(start, self.sampling_steps, known)
        v = torch.where(known == 1, v, units.emitted(units.draw_hidden(v), self.spec.kind == "image"))
        return v.unflatten(1, self.spec.shape)

    def filters(self) -> Tensor:
        """What each hidden unit looks for: its weights, (hidden, *shape)."""
        return self.layer.weight.detach().mT.unflatten(1, self.spec.shape)
