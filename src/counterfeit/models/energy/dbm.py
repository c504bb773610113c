"""The deep Boltzmann machine: layers of units that all depend on each other, up and down.

References:
    Deep Boltzmann Machines, Salakhutdinov & Hinton, 2009.
    Deep Boltzmann Machines and the Centering Trick, Montavon & Müller, 2012.
    Multi-Prediction Deep Boltzmann Machines, Goodfellow, Mirza, Courville & Bengio, 2013: completion by mean field.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn

from counterfeit.core import AnnealingPath, Batch, Clock, Draw, Spec, Update
from counterfeit.models.energy.shared.bipartite import BinaryUnits, base_rates, bits
from counterfeit.models.energy.shared.chain_model import ChainModel
from counterfeit.models.energy.shared.harmonium import Chains, Harmonium
from counterfeit.nets.masks import check_mask

__all__ = ["DBM"]


class DBM(ChainModel):
    """A deep Boltzmann machine: E(v, h¹, h², …) = -v·W¹h¹ - h¹·W²h² - … less the biases' terms; all units are binary.

    Layers are first trained one by one, with doubled inputs in place of those of the layers that are missing; then
    together: mean-field inference for the data, persistent chains for the model. Every other layer taken together, the
    units form two layers of one RBM, of which half is hidden also where the data are known.

    Values of pictures in [0, 1] are taken for probabilities, and samples are such probabilities.

    References:
        Deep Boltzmann Machines, Salakhutdinov & Hinton, 2009.

    Arguments:
        spec: what the data are, in [0, 1].
        hidden: how many units each hidden layer has, from the lowest on.
        chains: where negative examples come from, and samples.
        pretrain_fraction: share of the steps, at the start, in which layers are trained one by one.
        mean_field_steps: updates of all hidden layers in inference.
        completion: how what is missing is drawn: by a chain, or from the mean field given the rest, as in the
            multi-prediction machine (Goodfellow et al., 2013).

    Raises:
        ValueError: where the data are not in [0, 1], there are fewer than two hidden layers, or a number is none.

    Example:
        >>> model = DBM(Spec((1, 4, 4), "binary"), hidden=(8, 6))
        >>> model.energy(model.sample(3)).shape
        torch.Size([3])
    """

    kinds = ("image", "binary")
    bounded = True
    fantasies: Tensor

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (500, 1_000), chains: Chains = Chains(),  # noqa: B008
        pretrain_fraction: float = 0.3, mean_field_steps: int = 10,
        completion: Literal["gibbs", "mean-field"] = "gibbs",
    ) -> None:  # fmt: skip
        if not spec.bounded:
            raise ValueError(f"{spec.kind} data came; a DBM expects values in [0, 1]. Take rbm or dbn for others.")
        if len(hidden) < 2 or min(hidden) < 1 or not 0 <= pretrain_fraction < 1 or mean_field_steps < 1:
            came = f"hidden={hidden}, pretrain_fraction={pretrain_fraction}, mean_field_steps={mean_field_steps} came"
            raise ValueError(f"{came}; two layers or more, a fraction below 1 and a step are expected. Correct them.")
        super().__init__(spec, chains.sampling_steps)
        self.layers = nn.ModuleList(Harmonium(*size, False, chains) for size in pairwise((spec.dims, *hidden)))
        self.chains, self.pretrain_fraction, self.completion = chains, pretrain_fraction, completion
        self.mean_field_steps, self.undivided = mean_field_steps, ("model.chains",)
        self.sizes = (spec.dims, *hidden)
        self.register_buffer("fantasies", torch.rand(chains.chains, sum(self.sizes[::2])).round())

    def initialize(self, data: Batch) -> None:
        """See the mean of every value."""
        self.stack[0].initialize(data.x.flatten(1))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend the free energy of data less that of the chains' ends: of one layer, or of the whole machine."""
        v, alone = draw().x.flatten(1), round(self.pretrain_fraction * clock.steps)
        if clock.step < alone:
            one, time = Clock(clock.step, alone).shared((1,) * len(self.layers))
            yield Update.of(f"layers.{one}", {"free_energy": self._pretrained(one, v)}).during(time)
            return
        with torch.no_grad():
            even = self.mean_field(v)
            if clock.step == alone:  # chains begin at the data
                self.fantasies.copy_(bits(even[torch.arange(len(self.fantasies), device=v.device) % len(even)]))
            self.fantasies.copy_(self.units().detached().gibbs(self.fantasies, self.chains.gibbs_steps))
        units = self.units()
        loss = units.free_energy(even).mean() - units.free_energy(self.fantasies.clone()).mean()
        yield Update.of("layers", {"free_energy": loss}).during(clock.since(alone))

    def _pretrained(self, one: int, v: Tensor) -> Tensor:
        """What a layer descends by itself, with its inputs doubled where the machine has a layer beyond."""
        with torch.no_grad():
            for i in range(one):
                v = bits(self._doubled(i, v))
        up, down = self._copies(one)
        negative = self.stack[one].negative(v, up, down)
        free = self.stack[one](v, up).mean() - self.stack[one](negative, up).mean()
        return max(up, down) / up * free

    def _copies(self, one: int) -> tuple[float, float]:
        """By how much a layer's inputs from below count, and those from above, while it is trained alone."""
        return 1.0 + (one + 1 < len(self.stack)), 1.0 + (one > 0)

    def _doubled(self, one: int, v: Tensor) -> Tensor:
        """Probabilities of a layer's hidden units in a pass up that stands in for the layers above, (B, H)."""
        return cast(BinaryUnits, self.stack[one].units()).times(self._copies(one)[0]).inputs(v).sigmoid()

    @property
    def stack(self) -> list[Harmonium]:
        """The layers from the lowest on."""
        return cast(list[Harmonium], [*self.layers])

    def units(self) -> BinaryUnits:
        """The machine as one RBM: examples and every second hidden layer are visible, the others hidden."""
        pairs = [cast(BinaryUnits, layer.units()) for layer in self.stack]
        rows = [self._row(pairs, i) for i in range(0, len(self.sizes), 2)]
        biases = [self._bias(pairs, i) for i in range(len(self.sizes))]
        return BinaryUnits(torch.cat(rows), torch.cat(biases[::2]), torch.cat(biases[1::2]))

    def _row(self, pairs: list[BinaryUnits], i: int) -> Tensor:
        """Weights of the units of layer `i` with all of the layers of the other half."""
        found = []
        for k in range(1, len(self.sizes), 2):
            if abs(k - i) > 1:
                found.append(pairs[0].weight.new_zeros(self.sizes[i], self.sizes[k]))
            else:
                found.append(pairs[i].weight if k > i else pairs[k].weight.mT)
        return torch.cat(found, 1)

    def _bias(self, pairs: list[BinaryUnits], i: int) -> Tensor:
        """Of the units of layer `i`: what both of its RBMs give."""
        below = pairs[i - 1].hidden if i else 0
        above = pairs[i].visible if i < len(pairs) else 0
        return torch.as_tensor(below + above)

    @torch.no_grad()
    def mean_field(self, v: Tensor, known: Tensor | None = None) -> Tensor:
        """Examples and means of every second hidden layer, (B, even units), after `mean_field_steps` (2009, eq. 9).

        Arguments:
            v: examples, (B, dims).
            known: 1 where values are, (B, dims); others are inferred, too.
        """
        units, below, start, dims = self.units().detached(), v, [v], self.spec.dims
        for i in range(len(self.stack)):
            below = self._doubled(i, below)
            start.append(below)
        even = torch.cat(start[::2], 1)
        if known is None:  # what examples give is the same in every update
            given, free = v @ units.weight[:dims] + units.hidden, units.weight[dims:]
            for _ in range(self.mean_field_steps):
                odd = torch.addmm(given, even[:, dims:], free).sigmoid_()
                even = torch.cat([v, torch.addmm(units.visible[dims:], odd, free.mT).sigmoid_()], 1)
            return even
        hold = self._held(known) == 1
        for _ in range(self.mean_field_steps):
            even = torch.where(hold, even, units.visible_mean(units.inputs(even).sigmoid()))
        return even

    def energy(self, x: Tensor) -> Tensor:
        """The variational free energy of the mean field in nats, (B,): no less than the free energy (2009, eq. 8)."""
        self.spec.check(x, "DBM.energy")
        even = self.mean_field(x.flatten(1))
        p = even[:, self.spec.dims :]
        entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum(1)
        return self.units().free_energy(even) - entropy

    def annealing_path(self, x: Tensor) -> AnnealingPath:
        """From independent units with the means of examples `x`, (N, *shape), and of what is inferred of them."""
        return self.units().path_from(base_rates(self.mean_field(x.flatten(1))))

    def log_z(self) -> Tensor | None:
        """The normalizer's logarithm, scalar, where one half of the units is small enough to sum over its states."""
        return self.units().log_z()

    def encode(self, x: Tensor) -> Tensor:
        """Means of all hidden units, those of every second layer last, (B, units)."""
        self.spec.check(x, "DBM.encode")
        even = self.mean_field(x.flatten(1))
        return torch.cat([self.units().inputs(even).sigmoid(), even[:, self.spec.dims :]], 1)

    def begin(self, n: int) -> Tensor:
        """Examples and every second hidden layer of random ones of the persistent chains, (n, even units)."""
        return self.fantasies[torch.randint(len(self.fantasies), (n,), device=self.device)]

    @torch.no_grad()
    def move(self, state: Tensor, steps: int) -> Tensor:
        """These units after steps of Gibbs sampling, (n, even units)."""
        return self.units().detached().gibbs(state, steps)

    @torch.no_grad()
    def seen(self, state: Tensor) -> Tensor:
        """What is drawn through the other half of the units, or its means, (n, *shape)."""
        units = self.units().detached()
        return self._seen(units.emitted(units.draw_hidden(state), self.spec.kind == "image"))

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` with what is missing drawn given what is known, `mask` 1 there; (B, *shape) each."""
        self.spec.check(x, "DBM.complete")
        known = check_mask(mask, x, "DBM.complete").flatten(1)
        v = torch.where(known == 1, x.flatten(1), self.fantasies[:1, : self.spec.dims])
        units, even = self.units().detached(), self.mean_field(v, known)
        if self.completion == "mean-field":
            return self._seen(torch.where(known == 1, v, bits(even[:, : self.spec.dims])))
        hold = self._held(known)
        even = units.gibbs(torch.where(hold == 1, even, bits(even)), self.sampling_steps, hold)
        drawn = units.emitted(units.draw_hidden(even), self.spec.kind == "image")[:, : self.spec.dims]
        return self._seen(torch.where(known == 1, v, drawn))

    def _held(self, known: Tensor) -> Tensor:
        """What is known of an example, (B, dims), and nothing of the hidden layers beside it, (B, even units)."""
        return torch.cat([known, known.new_zeros(len(known), sum(self.sizes[2::2]))], 1)

    def _seen(self, even: Tensor) -> Tensor:
        """The part of the units, (B, even units), that is an example, (B, *shape)."""
        return even[:, : self.spec.dims].unflatten(1, self.spec.shape)

    def filters(self) -> Tensor:
        """What each of the lowest hidden units looks for: its weights, (hidden, *shape)."""
        return self.stack[0].weight.detach().mT.unflatten(1, self.spec.shape)
