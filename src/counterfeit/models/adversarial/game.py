"""The adversarial game that every model of the family plays: Algorithm 1 of the founding paper.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Model, Net, Spec, Update, check_codes, check_request, frozen
from counterfeit.losses import OBJECTIVES, ObjectiveName

__all__ = ["Game", "Noise"]

Noise = Literal["gaussian", "uniform"]


class Game(Model):
    """Two players over one value function: `discriminator` descends, then `generator`.

    Arguments:
        spec: what the data are.
        generator: codes (B, noise_size) -> examples (B, *shape).
        discriminator: examples -> logits (B, 1).
        noise: the prior over codes, of unit variance: "gaussian", or "uniform" on (-√3, √3).
        noise_size: size of a code.
        objective: what each player descends.
        k: discriminator updates for each one of the generator.
        instance_noise: standard deviation of the Gaussian noise on everything the discriminator sees.
        fresh: draw new codes for the generator's update, as Algorithm 1 does, or save a pass and reuse the last fakes.
    """

    def __init__(
        self,
        spec: Spec,
        generator: Net,
        discriminator: Net,
        noise: Noise,
        noise_size: int,
        objective: ObjectiveName,
        k: int,
        instance_noise: float,
        fresh: bool,
    ) -> None:
        super().__init__(spec)
        if k < 1 or noise_size < 1:
            raise ValueError(f"k={k} and noise_size={noise_size} came; both are expected to be at least 1. Raise them.")
        if not instance_noise >= 0:
            raise ValueError(f"instance_noise={instance_noise} came; at least 0 is expected. Raise it.")
        self.generator, self.discriminator = generator, discriminator
        self.noise, self.noise_size, self.k, self.instance_noise = noise, noise_size, k, instance_noise
        self.objective, self.fresh = OBJECTIVES[objective], fresh

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Algorithm 1: `k` steps of the discriminator, each on a fresh minibatch, then one of the generator."""
        for _ in range(self.k):
            real = draw().x
            with torch.set_grad_enabled(not self.fresh):
                fake = self.generator(self.prior(len(real)))
            on_real, on_fake = self.judge(torch.cat([real, fake.detach()])).chunk(2)
            loss = self.objective.discriminator(on_real, on_fake)
            yield Update(loss, ("discriminator",), _logs("discriminator", loss, real=on_real, fake=on_fake))
        with frozen(self.discriminator):
            fake = self.generator(self.prior(len(real))) if self.fresh else fake
            loss = self.objective.generator(self.judge(fake))
        yield Update(loss, ("generator",), _logs("generator", loss))

    def judge(self, x: Tensor) -> Tensor:
        """The discriminator's logits on examples `x`, (B, 1), blurred by the instance noise while training."""
        if self.instance_noise and self.training:
            x = x + self.instance_noise * torch.randn_like(x)
        return self.discriminator(x)

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes, (n, noise_size)."""
        check_request(n)
        z = torch.randn if self.noise == "gaussian" else torch.rand
        codes = z(n, self.noise_size, device=self.device)
        return codes if self.noise == "gaussian" else (codes - 0.5) * 12**0.5  # unit variance

    def decode(self, z: Tensor) -> Tensor:
        """The examples that the codes `z` stand for, (B, *shape)."""
        check_codes(z, self.noise_size)
        return self.generator(z)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), rounded where the data are binary."""
        check_request(n, y)
        x = self.generator(self.prior(n))
        return x.round() if self.spec.kind == "binary" else x


def _logs(player: str, loss: Tensor, **logits: Tensor) -> dict[str, Tensor]:
    logs = {f"{player}/loss": loss.detach()}
    return logs | {f"{player}/{name}": a.detach().sigmoid().mean() for name, a in logits.items()}
