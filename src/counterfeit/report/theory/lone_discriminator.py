"""A discriminator trained alone, on two distributions that stand still."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from counterfeit.config.settings import Train
from counterfeit.core import Clock, Draw, Model, Spec, Update
from counterfeit.losses import OBJECTIVES
from counterfeit.nets.mlp import MLP
from counterfeit.report.theory.stepped import Drawn, stepped

__all__ = ["LoneDiscriminator", "trained"]

BATCH, LR, EMA = 1_024, 1e-2, 0.995


class LoneDiscriminator(Model):
    """A discriminator of points on the line, shown examples as `x` and fakes as `y`."""

    def __init__(self) -> None:
        super().__init__(Spec((1,), "real"))
        self.discriminator = MLP(1, (64, 64), 1, "tanh")

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """The discriminator's half of Algorithm 1."""
        batch = draw()
        if batch.y is None:
            raise ValueError("a batch without fakes came; examples x and fakes y are expected. Draw both.")
        loss = OBJECTIVES["minimax"].discriminator(self.discriminator(batch.x), self.discriminator(batch.y))
        yield Update(loss, ("discriminator",))

    def logits(self, x: Tensor) -> Tensor:
        """Logits at points of the line, (N,) -> float64 (N,)."""
        return self.discriminator(x.float()[:, None])[:, 0].double()


def trained(draw: Drawn, steps: int, seed: int) -> LoneDiscriminator:
    """A discriminator after `steps` of the engine on draws, (size, step) -> examples x and fakes y, (size, 1)."""
    train = Train(
        lr=LR, betas=(0.9, 0.99), schedule="linear", steps=steps, batch_size=BATCH, seed=seed, ema=EMA, device="cpu"
    )  # fmt: skip
    return stepped(LoneDiscriminator, draw, train, "a discriminator")
