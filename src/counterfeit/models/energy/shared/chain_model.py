"""Models that sample by a Markov chain."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from counterfeit.core import Model, Spec, check_request
from counterfeit.models.energy.shared.unnormalized import Unnormalized, langevin

__all__ = ["ChainModel", "LangevinModel"]


class ChainModel(Model):
    """A model whose samples are what is seen at the ends of chains; subclasses say where they begin and how they move.

    Arguments:
        spec: what the data are.
        sampling_steps: steps of a chain before a sample.
    """

    shows_samples = True

    def __init__(self, spec: Spec, sampling_steps: int) -> None:
        super().__init__(spec)
        self.sampling_steps = sampling_steps

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """What is seen at the ends of `n` chains, (n, *shape)."""
        check_request(n, y)
        return self.seen(self.move(self.begin(n), self.sampling_steps))

    @abstractmethod
    def begin(self, n: int) -> Tensor:
        """The states at which `n` chains begin, (n, …)."""

    @abstractmethod
    def move(self, state: Tensor, steps: int) -> Tensor:
        """Where chains are so many steps on, (n, …)."""

    @abstractmethod
    def seen(self, state: Tensor) -> Tensor:
        """The examples that states give, (n, *shape)."""


class LangevinModel(ChainModel):
    """An unnormalized density of real values, sampled by Langevin dynamics whose steps are accepted or refused.

    Arguments:
        spec: what the data are; real values.
        net: the energy.
        sampling_steps: steps of a chain before a sample.
        langevin_step: size of the first of these, in standard deviations of the data.
    """

    def __init__(self, spec: Spec, net: Unnormalized, sampling_steps: int, langevin_step: float) -> None:
        super().__init__(spec, sampling_steps)
        self.net, self.langevin_step = net, langevin_step

    def energy(self, x: Tensor) -> Tensor:
        """Energy in nats up to a constant, (B,)."""
        self.spec.check(x, f"{type(self).__name__}.energy")
        return self.net(x.flatten(1))

    def score(self, x: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """The gradient of -E at `x`, (B, *shape), whatever the time `t`."""
        self.spec.check(x, f"{type(self).__name__}.score")
        return self.net.score(x.flatten(1)).view_as(x)

    def move(self, state: Tensor, steps: int) -> Tensor:
        """Chains so many steps of Langevin dynamics on, (n, dims)."""
        return langevin(self.net, state, steps, self.langevin_step)

    def seen(self, state: Tensor) -> Tensor:
        """As they are, (n, *shape)."""
        return state.unflatten(1, self.spec.shape)
