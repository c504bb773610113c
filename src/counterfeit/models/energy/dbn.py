"""The deep belief network: restricted Boltzmann machines that are trained one on top of the other.

References:
    A Fast Learning Algorithm for Deep Belief Nets, Hinton, Osindero & Teh, 2006.
    On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.core import AnnealingPath, Batch, Clock, Draw, Spec, Update
from counterfeit.models.energy.shared.bipartite import Bipartite
from counterfeit.models.energy.shared.chain_model import ChainModel
from counterfeit.models.energy.shared.harmonium import Chains, Directed, Harmonium

__all__ = ["DBN", "Greedy"]


@dataclass(frozen=True)
class Greedy:
    """How the layers of a deep belief network are trained one by one.

    Arguments:
        layer_start: weights of a layer before its training: random, or mirrored: those of the layer below, upside
            down, with which the bound is the likelihood of that layer's machine, and rises from there (Hinton et al.,
            2006, section 4). Layers must then have at least as many units as the second one below.
        layer_shares: of the steps, one for each layer; equal ones where there are none.
    """

    layer_start: Literal["random", "mirrored"] = "random"
    layer_shares: tuple[float, ...] = ()

    def check(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise a ValueError where layers of these (visible, hidden) units cannot be trained so."""
        if self.layer_shares and (len(self.layer_shares) != len(sizes) or min(self.layer_shares) <= 0):
            raise ValueError(f"layer_shares={self.layer_shares} came; {len(sizes)} above 0 are expected, one a layer.")
        if self.layer_start == "mirrored":
            for (below, _), (_, hidden) in pairwise(sizes):
                if hidden < below:
                    came = f"layer_start=mirrored came with {hidden} units above {below}"
                    raise ValueError(f"{came}; at least as many are expected. Take random, or a larger layer.")


class DBN(ChainModel):
    """A deep belief network: p(v, h¹, …) = p(v | h¹) p(h¹ | h²) … p(hᴸ⁻¹, hᴸ), whose last factor is an RBM.

    Layers are trained greedily, each on what the one below makes of the data. Then, where a fraction of the steps is
    left for it, weights that go up and weights that go down part, and all are trained together by the up-down
    algorithm (Hinton et al., 2006, section 5).

    References:
        A Fast Learning Algorithm for Deep Belief Nets, Hinton, Osindero & Teh, 2006.
        On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.

    Arguments:
        spec: what the data are.
        hidden: how many units each hidden layer has, from the lowest on.
        chains: where negative examples come from, and samples.
        greedy: how layers are trained one by one.
        finetune_fraction: share of the steps, at the end, of the up-down algorithm.

    Raises:
        ValueError: where there are fewer than two hidden layers, one has no unit, the fraction is none, or layers
            cannot be trained as it is said.

    Example:
        >>> model = DBN(Spec((1, 4, 4), "binary"), hidden=(8, 6))
        >>> model.sample(3).shape
        torch.Size([3, 1, 4, 4])
    """

    bounded = True
    untied: Tensor

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (500, 1_000), chains: Chains = Chains(),  # noqa: B008
        greedy: Greedy = Greedy(), finetune_fraction: float = 0.3,
    ) -> None:  # fmt: skip
        if len(hidden) < 2 or min(hidden) < 1 or not 0 <= finetune_fraction < 1:
            came = f"hidden={hidden}, finetune_fraction={finetune_fraction} came"
            raise ValueError(f"{came}; two layers or more, and a fraction below 1, are expected. For one, take rbm.")
        super().__init__(spec, chains.sampling_steps)
        sizes = [*pairwise((spec.dims, *hidden))]
        real = [spec.kind == "real", *(False for _ in sizes[1:])]
        self.layers = nn.ModuleList(Harmonium(*size, one, chains) for size, one in zip(sizes, real, strict=True))
        self.generative = nn.ModuleList(Directed(layer) for layer in self.stack[:-1] if finetune_fraction)
        greedy.check(sizes)
        self.chains, self.finetune_fraction, self.undivided = chains, finetune_fraction, chains.undivided()
        self.greedy = greedy
        self.register_buffer("untied", torch.zeros((), dtype=torch.bool))

    def initialize(self, data: Batch) -> None:
        """See the mean of every value."""
        self.stack[0].initialize(data.x.flatten(1))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend what trains one layer's RBM, or all of them by the up-down algorithm."""
        v, greedy = draw().x.flatten(1), round((1 - self.finetune_fraction) * clock.steps)
        if clock.step < greedy:
            one, time = Clock(clock.step, greedy).shared(self.greedy.layer_shares or (1,) * len(self.layers))
            with torch.no_grad():
                if one and not time.step and self.greedy.layer_start == "mirrored":
                    self.mirror(one, v)
                v = self.up(v, one)[-1]
            losses = {"free_energy": self.layers[one](v).mean() - self._dreamt(one, v)[0]}
            yield Update.of(f"layers.{one}", losses).during(time)
            return
        if clock.step == greedy:
            self.untie()
        yield Update.of(("layers", "generative"), self.wake_sleep(v)).during(clock.since(greedy))

    @torch.no_grad()
    def mirror(self, one: int, v: Tensor) -> None:
        """Begin a layer as the one below upside down, so that it gives these units the law that they had (2006)."""
        for layer in self.stack[: one - 1]:
            v = layer.units().draw_hidden(v)
        below = self.stack[one - 1]
        self.stack[one].mirror(below, below.units().inputs(v).sigmoid().mean(0))

    def wake_sleep(self, v: Tensor) -> dict[str, Tensor]:
        """The losses of the up-down algorithm for examples, (B, dims): of ways down, of the top, of ways up."""
        with torch.no_grad():
            awake = self.up(v, len(self.stack) - 1)
        wake = [self.below(i).log_prob(*pair) for i, pair in enumerate(pairwise(awake))]
        fantasy, dream = self._dreamt(len(self.stack) - 1, awake[-1])
        with torch.no_grad():
            asleep = [dream]
            for i in reversed(range(len(self.stack) - 1)):
                asleep.append(self.below(i).draw_visible(asleep[-1]))
        sleep = [_log_q(layer.units(), *pair) for layer, pair in zip(self.stack, pairwise(asleep[::-1]), strict=False)]
        return {
            "wake": -torch.stack(wake).sum(0).mean(),
            "free_energy": self.stack[-1](awake[-1]).mean() - fantasy,
            "sleep": -torch.stack(sleep).sum(0).mean(),
        }

    def _dreamt(self, one: int, v: Tensor) -> tuple[Tensor, Tensor]:
        """The mean free energy of the ends of chains in a layer's RBM, and these ends."""
        ends = self.stack[one].negative(v)
        return self.stack[one](ends).mean(), ends

    def up(self, v: Tensor, layers: int) -> list[Tensor]:
        """Examples, (B, dims), and above them draws of the units of the first `layers` hidden layers."""
        units = [v]
        for layer in self.stack[:layers]:
            units.append(layer.units().draw_hidden(units[-1]))
        return units

    @torch.no_grad()
    def untie(self) -> None:
        """Let weights that go down begin at those that go up."""
        for one, layer in zip(self.generative, self.stack, strict=False):
            cast(Directed, one).follow(layer)
        self.untied.fill_(True)

    def below(self, one: int) -> Bipartite:
        """The units whose visible ones are drawn given the hidden, in going down through layer `one`."""
        directed = bool(self.untied) and one < len(self.generative)
        return cast(Directed, self.generative[one]).units() if directed else self.stack[one].units()

    @property
    def stack(self) -> list[Harmonium]:
        """The RBMs from the lowest on."""
        return cast(list[Harmonium], [*self.layers])

    def energy(self, x: Tensor) -> Tensor:
        """An estimate of an upper bound of the free energy, with one draw of the posterior, in nats, (B,).

        With Z of the top RBM, -energy - ln Z bounds log p(x) from below (Salakhutdinov & Murray, 2008, eq. 29).
        """
        self.spec.check(x, "DBN.energy")
        top = len(self.stack) - 1
        units = self.up(x.flatten(1), top)
        bound = -self.stack[-1](units[-1])
        for i, (below, above) in enumerate(pairwise(units)):
            bound = bound + self.below(i).log_prob(below, above) - _log_q(self.stack[i].units(), below, above)
        return -bound

    def annealing_path(self, x: Tensor) -> AnnealingPath:
        """The top RBM's, from independent units with the means of those above examples `x`, (N, *shape)."""
        return self.stack[-1].units().path(self.up(x.flatten(1), len(self.stack) - 1)[-1])

    def log_z(self) -> Tensor | None:
        """The logarithm of the top RBM's normalizer, scalar, where one of its layers is small enough."""
        return self.stack[-1].units().log_z()

    def encode(self, x: Tensor) -> Tensor:
        """Probabilities of the highest hidden units above probabilities of all below, (B, hidden)."""
        self.spec.check(x, "DBN.encode")
        h = x.flatten(1)
        for layer in self.stack:
            h = layer.units().inputs(h).sigmoid()
        return h

    def begin(self, n: int) -> Tensor:
        """Lower units of the top RBM of random ones of its persistent chains, (n, units)."""
        return self.stack[-1].begin(n)

    @torch.no_grad()
    def move(self, state: Tensor, steps: int) -> Tensor:
        """These units after steps of Gibbs sampling in the top RBM, (n, units)."""
        return self.stack[-1].units().detached().gibbs(state, steps)

    @torch.no_grad()
    def seen(self, state: Tensor) -> Tensor:
        """What is drawn through the highest units and all the way down, (n, *shape), or its means."""
        h = self.stack[-1].units().draw_hidden(state)
        for i in reversed(range(1, len(self.stack))):
            h = self.below(i).draw_visible(h)
        return self.below(0).emitted(h, self.spec.kind == "image").unflatten(1, self.spec.shape)

    def filters(self) -> Tensor:
        """What each of the lowest hidden units looks for: its weights, (hidden, *shape)."""
        return self.stack[0].weight.detach().mT.unflatten(1, self.spec.shape)


def _log_q(units: Bipartite, v: Tensor, h: Tensor) -> Tensor:
    """Log q(h | v) of drawn hidden units in nats, (B,)."""
    return -binary_cross_entropy_with_logits(units.inputs(v), h, reduction="none").sum(1)
