"""An input with two right answers, as data, and the nets that learn to answer: by an error, or against a discriminator.

In minibatches `x` is the answer, the example that is generated, and `y` the input that it is asked for with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Normal

from counterfeit.common.seeding import mix
from counterfeit.core import Batch, Clock, Draw, Model, Net, Spec, Update
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.nets.mlp import MLP
from counterfeit.theory import quadrature

__all__ = [
    "LINE", "SIGMA", "UPPER", "Game", "Loss", "Regression", "branch", "draw", "log_prob", "mean", "median",
]  # fmt: skip

Loss = Literal["squared", "absolute"]
UPPER, SIGMA = 0.7, 0.08  # share of answers on the upper branch; their spread around a branch
LINE = quadrature.rule(-3.0, 3.0, 300)
SPEC, HIDDEN = Spec((1,), "real"), (64, 64)


def branch(inputs: Tensor) -> Tensor:
    """Height of the upper branch, (N,) -> (N,); the lower one is as deep."""
    return 0.8 + 0.3 * torch.sin(math.pi * inputs)


def draw(seed: int, size: int, step: int) -> Batch:
    """Inputs uniform in [-1, 1] and an answer to each, (size, 1) both."""
    generator = torch.Generator().manual_seed(mix(seed, step))
    inputs = 2 * torch.rand(size, 1, generator=generator) - 1
    sign = torch.where(torch.rand(size, 1, generator=generator) < UPPER, 1.0, -1.0)
    return Batch(sign * branch(inputs) + SIGMA * torch.randn(size, 1, generator=generator), inputs)


def log_prob(answers: Tensor, inputs: Tensor) -> Tensor:
    """Log-density of answers given their inputs, in nats, (N,) -> float64 (N,)."""
    height = branch(inputs.double())
    upper, lower = (Normal(sign * height, SIGMA).log_prob(answers.double()) for sign in (1, -1))
    return torch.logaddexp(upper + math.log(UPPER), lower + math.log(1 - UPPER))


def mean(inputs: Tensor) -> Tensor:
    """Conditional mean, (N,) -> (N,)."""
    return (2 * UPPER - 1) * branch(inputs)


def median(inputs: Tensor) -> Tensor:
    """Conditional median, (N,) -> float64 (N,)."""
    return torch.stack([quadrature.quantile(partial(log_prob, inputs=at), LINE) for at in inputs])


class Regression(Model):
    """A net that gives one answer to every input, and descends the mean squared or absolute error."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(SPEC)
        self.net, self.loss = MLP(1, HIDDEN, 1, "tanh"), loss

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player."""
        batch = draw()
        error = self.net(_inputs(batch)) - batch.x
        yield Update((error.square() if self.loss == "squared" else error.abs()).mean(), ("net",))

    def answers(self, inputs: Tensor) -> Tensor:
        """The only answer, (N,) -> (N,)."""
        return self.net(inputs.float()[:, None])[:, 0]


class Judge(Net):
    """A discriminator of answers with their inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = MLP(2, HIDDEN, 1, "leaky-relu")

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Answers and inputs, (B, 1) both -> logits (B, 1)."""
        return self.body(torch.cat([x, y], 1))


class Game(SamplingGAN):
    """Conditional adversarial nets of points on the line, both conditioned on a real number.

    References:
        Conditional Generative Adversarial Nets, Mirza and Osindero, 2014 (arXiv 1411.1784).
    """

    def __init__(self, prior: Prior = Prior(noise_dim=2), settings: GANSettings = GANSettings()) -> None:  # noqa: B008
        super().__init__(SPEC, MLP(prior.noise_dim + 1, HIDDEN, 1, "leaky-relu"), Judge(), prior, settings)

    def generate(self, real: Batch) -> Fake:
        """An answer to each of the inputs."""
        inputs = _inputs(real)
        z = torch.cat([self.noise.draw(len(inputs), self.device), inputs], 1)
        return Fake(self.generator(z), z, inputs)

    def answers(self, inputs: Tensor) -> Tensor:
        """A draw for each input, (N,) -> (N,)."""
        return self.generate(Batch(torch.empty(len(inputs), 1), inputs.float()[:, None])).x[:, 0]


def _inputs(batch: Batch) -> Tensor:
    if batch.y is None:
        raise ValueError("a minibatch without inputs came; answers x and inputs y are expected. Draw both.")
    return batch.y
