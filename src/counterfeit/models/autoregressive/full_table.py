"""The full table: one probability for every example that there can be."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from counterfeit.core import Batch, Clock, Draw, Model, Spec, Update, check_request
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.autoregressive.shared.tables import BINARY, check_smoothing
from counterfeit.nets.masks import check_mask

__all__ = ["FullTable"]

MOST = 20  # binary values, whose table holds a million probabilities
CELLS = 2**22  # looked at in one go


class FullTable(Model):
    """Any distribution over a few binary values: the log-odds of each of their 2^n states against the last.

    Fitted exactly by counting. It can represent whatever there is, and learns of no state from any other.

    Arguments:
        spec: what the data are; at most 20 binary values.
        smoothing: added to the count of every state, so that nothing is impossible.

    Raises:
        ValueError: where data are not binary, or of too many values.

    Example:
        >>> sum(p.numel() for p in FullTable(Spec((10,), "binary")).parameters())
        1023
    """

    bits: Tensor

    def __init__(self, spec: Spec, smoothing: float = 1.0) -> None:
        expect(spec, "binary", "FullTable", BINARY)
        if spec.dims > MOST:
            raise ValueError(
                f"data of {spec.dims} values came; at most {MOST} are expected, since a full table of them has "
                f"2^{spec.dims} - 1 parameters. Choose a smaller data.size, or the model markov."
            )
        super().__init__(spec)
        self.smoothing = check_smoothing(smoothing)
        self.register_buffer("bits", 2 ** torch.arange(spec.dims))
        self.logits = nn.Parameter(torch.randn(2**spec.dims - 1).mul_(0.1))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Set the probability of every state to how often it came: maximum likelihood, with smoothing."""
        self.spec.check(data.x, "FullTable.initialize")
        counts = torch.bincount(self.states(data.x), minlength=len(self.logits) + 1).double() + self.smoothing
        self.logits.copy_(counts[:-1].log() - counts[-1].log())

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player: descend the negative log-likelihood."""
        loss = -self.log_probs()[self.states(draw().x)].mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def states(self, x: Tensor) -> Tensor:
        """The number of each example's state, whose bits its values are, int64 (B,)."""
        return (x.detach().flatten(1).long() * self.bits).sum(1)

    def log_probs(self) -> Tensor:
        """Log-probability of every state in nats, (2^n,)."""
        return pad(self.logits, (0, 1)).log_softmax(0)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,)."""
        self.spec.check(x, "FullTable.log_prob")
        return self.log_probs()[self.states(x)]

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape)."""
        check_request(n, y)
        below = self.log_probs().double().exp().cumsum(0)
        return self._values(torch.searchsorted(below, torch.rand(n, dtype=below.dtype, device=self.device)))

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """A draw of p(what is missing | the rest), exact, (B, *shape); `mask` is 1 where `x` is known."""
        self.spec.check(x, "FullTable.complete")
        known = check_mask(mask, x, "FullTable.complete").flatten(1).long()
        parts = [part.split(max(1, CELLS >> self.spec.dims)) for part in (x.flatten(1).long(), known)]
        return torch.cat([self._completed(*rows) for rows in zip(*parts, strict=True)])

    def _completed(self, x: Tensor, known: Tensor) -> Tensor:
        every = torch.arange(2**self.spec.dims, device=self.device)
        seen, fixed = (x * known * self.bits).sum(1), (known * self.bits).sum(1)
        log_p = torch.where(every & fixed[:, None] == seen[:, None], self.log_probs(), -torch.inf)  # (B, 2^n)
        below = log_p.double().softmax(1).cumsum(1)
        u = torch.rand(len(x), 1, dtype=below.dtype, device=self.device) * below[:, -1:]
        return self._values(torch.searchsorted(below, u, right=True)[:, 0])

    def _values(self, states: Tensor) -> Tensor:
        on = states.clamp(max=len(self.logits))[:, None] & self.bits > 0
        return on.float().unflatten(1, self.spec.shape)
