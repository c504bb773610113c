"""A model of your own: NICE, a flow of additive couplings, fitted to two moons and checked against their exact density.

    python examples/own_model.py [STEPS]

References:
    NICE: Non-linear Independent Components Estimation, Dinh, Krueger & Bengio, 2015 (arXiv 1410.8516).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import counterfeit as cf
from counterfeit.core import check_request
from counterfeit.nets.mlp import MLP


class NICE(cf.Model):
    """Additive couplings between data and Gaussian noise, and one diagonal scaling.

    Arguments:
        spec: what the data are; two dimensions or more.
        hidden: sizes of each coupling's hidden layers.
        couplings: how many.
    """

    def __init__(self, spec: cf.Spec, hidden: tuple[int, ...] = (64, 64), couplings: int = 6) -> None:
        super().__init__(spec)
        nets = [MLP(spec.dims, hidden, spec.dims) for _ in range(couplings)]
        self.shifts = nn.ModuleList(nets)
        self.log_scale = nn.Parameter(torch.zeros(spec.dims))
        self.register_buffer("even", (torch.arange(spec.dims) % 2 == 0).float())

    def updates(self, draw: Callable[[], cf.Batch], clock: cf.Clock) -> Iterator[cf.Update]:
        """One player: descend the negative log-likelihood."""
        yield cf.Update(-self.log_prob(draw().x).mean())

    def masks(self) -> list[Tensor]:
        """The dimensions that each coupling leaves as they are, alternating."""
        return [self.even if i % 2 else 1 - self.even for i in range(len(self.shifts))]

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,)."""
        self.spec.check(x, "NICE.log_prob")
        h = x.flatten(1)
        for shift, kept in zip(self.shifts, self.masks(), strict=True):
            h = h + (1 - kept) * shift(kept * h)
        z = h * self.log_scale.exp()
        return self.log_scale.sum() - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape)."""
        check_request(n, y)
        h = torch.randn(n, self.spec.dims, device=self.device) * (-self.log_scale).exp()
        for shift, kept in zip(reversed(self.shifts), reversed(self.masks()), strict=True):
            h = h - (1 - kept) * shift(kept * h)
        return h.unflatten(1, self.spec.shape)


def main(steps: int) -> None:
    """Fit, then compare with the truth."""
    settings = {"train.batch_size": 256, "train.schedule": "cosine", "model.couplings": 6}
    run = cf.train(NICE, data="two-moons", steps=steps, settings=settings)
    x = run.source.split("test").first().x
    print(run.evaluate("log-likelihood"))
    print(f"the truth: {run.source.log_prob(x).mean():.3f} nats")
    print(run.report())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000)
