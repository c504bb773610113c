"""What every autoregressive model does with its chains: likelihoods, samples and completions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Kind, Model, Spec, Update, check_request
from counterfeit.models.autoregressive.shared.chain import PARTICLES, Chain, draw, fill
from counterfeit.nets.masks import check_mask

__all__ = ["Autoregressive", "expect"]


def expect(spec: Spec, kind: Kind, who: str, remedy: str) -> None:
    """Raise a ValueError unless data are of a kind."""
    if spec.kind != kind:
        raise ValueError(f"the data are of kind {spec.kind!r}; {who} expects {kind}. {remedy}")


class Autoregressive(Model):
    """A mixture of one or several chains of conditionals.

    Subclasses implement `chain`, `training_log_prob` where they descend another objective than their density, and
    `log_weights` where some chains weigh more than others.
    """

    chains: int = 1
    """How many chains there are."""
    weighed: int = 4
    """How many of them a completion chooses from at most."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.one_by_one = spec.dims

    @abstractmethod
    def chain(self, k: int) -> Chain:
        """Chain number `k`, which reads the weights as they are now."""

    @property
    def log_weights(self) -> Tensor:
        """Logarithms of the chains' weights, (chains,): all weigh the same."""
        return torch.full((self.chains,), -math.log(self.chains), device=self.device)

    def training_log_prob(self, batch: Batch, clock: Clock) -> Tensor:
        """What is raised in training for a minibatch, in nats, (B,): the likelihood by each chain in turn."""
        return self.chain(clock.step % self.chains).log_prob(batch.x.flatten(1))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """One player: descend the negative log-likelihood."""
        loss = -self.training_log_prob(draw(), clock).mean()
        yield Update(loss, logs={"loss": loss.detach()})

    @property
    def order(self) -> Tensor:
        """Places of the values from the first to the last, int64 (D,), in the first chain."""
        return self.chain(0).order

    def conditionals(self, x: Tensor) -> Tensor:
        """Parameters of the first chain's conditional of every value of `x`: (B, *shape) or (B, *shape, parameters)."""
        return self.chain(0).parameters(x.flatten(1)).unflatten(1, self.spec.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,)."""
        self.spec.check(x, f"{type(self).__name__}.log_prob")
        return self.joint(x).logsumexp(1)

    def joint(self, x: Tensor) -> Tensor:
        """Joint log-likelihood with each chain in nats, (B, chains)."""
        given = [self.chain(k).log_prob(x.flatten(1)) for k in range(self.chains)]
        return torch.stack(given, 1) + self.log_weights

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), one value after another, each by a chain drawn at random."""
        check_request(n, y)
        which = torch.randint(self.chains, (n,), device=self.device)
        x = torch.empty(n, self.spec.dims, device=self.device)
        for k in which.unique().tolist():
            x[which == k] = draw(self.chain(k), int((which == k).sum()))
        return x.unflatten(1, self.spec.shape)

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """A draw of what is missing given the rest, (B, *shape); `mask` is 1 where `x` is known.

        Exact where the known values come first in the order; else one of several particles, chosen by how likely they
        make the known values that come later.
        """
        who = f"{type(self).__name__}.complete"
        self.spec.check(x, who)
        known = check_mask(mask, x, who)
        return self.filled(x.flatten(1), known.flatten(1)).unflatten(1, self.spec.shape)

    def filled(self, x: Tensor, known: Tensor) -> Tensor:
        """Draw what is missing of `x` where `known` is 0, both (B, D), by chains as likely as they find the rest."""
        some = torch.randperm(self.chains)[: self.weighed].tolist()
        draws, evidence = zip(*(fill(self.chain(k), x, known, PARTICLES) for k in some), strict=True)
        weights = torch.stack(evidence, 1) + self.log_weights[some]
        chosen = torch.multinomial(weights.softmax(1), 1)[:, 0]
        return torch.stack(draws, 1)[torch.arange(len(x)), chosen]
