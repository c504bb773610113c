"""Adversarial nets of 2014: two multilayer perceptrons.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

from torch import Tensor

from counterfeit.core import Net, Spec
from counterfeit.losses import ObjectiveName
from counterfeit.models.adversarial.game import Game, Noise
from counterfeit.nets.mlp import MLP, Activation, Norm

__all__ = ["GAN"]


class Generator(Net):
    """Codes (B, noise_size) -> examples (B, *shape): an MLP with a sigmoid where the data are bounded."""

    def __init__(self, spec: Spec, body: MLP) -> None:
        super().__init__()
        self.body, self.shape, self.bounded = body, spec.shape, spec.bounded

    def forward(self, z: Tensor) -> Tensor:
        """(B, noise_size) -> (B, *shape)."""
        x = self.body(z).unflatten(1, self.shape)
        return x.sigmoid() if self.bounded else x


class GAN(Game):
    """Adversarial nets: a generator and a discriminator, both multilayer perceptrons.

    References:
        Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).

    Arguments:
        spec: what the data are.
        hidden: sizes of the generator's hidden layers.
        activation: of the generator's hidden layers.
        norm: of the generator's hidden layers.
        init: generator weights uniform in ±init; PyTorch's default where null.
        marginals: start the output bias at the logit of the training marginals.
        discriminator_hidden: sizes of the discriminator's hidden layers.
        discriminator_activation: of the discriminator's hidden layers.
        discriminator_init: discriminator weights uniform in ±init; PyTorch's default where null.
        pieces: linear maps of a maxout unit.
        dropout: rates at the discriminator's input and hidden layers.
        noise: the prior over codes, of unit variance.
        noise_size: size of a code.
        objective: what each player descends.
        k: discriminator updates for each one of the generator.
        instance_noise: standard deviation of the noise on everything the discriminator sees.
        fresh: draw new codes for the generator's update, as Algorithm 1 does, or save a pass and reuse the last fakes.

    Example:
        >>> GAN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        spec: Spec,
        hidden: tuple[int, ...] = (512, 1024),
        activation: Activation = "relu",
        norm: Norm = "batch",
        init: float | None = None,
        marginals: bool = False,
        discriminator_hidden: tuple[int, ...] = (1024, 512),
        discriminator_activation: Activation = "leaky-relu",
        discriminator_init: float | None = None,
        pieces: int = 5,
        dropout: tuple[float, float] = (0.0, 0.0),
        noise: Noise = "gaussian",
        noise_size: int = 64,
        objective: ObjectiveName = "non-saturating",
        k: int = 1,
        instance_noise: float = 0.3,
        fresh: bool = True,
    ) -> None:
        body = MLP(noise_size, hidden, spec.dims, activation, norm, pieces=pieces, init=init)
        critic = MLP(
            spec.dims, discriminator_hidden, 1, discriminator_activation,
            dropout=dropout, pieces=pieces, init=discriminator_init,
        )  # fmt: skip
        super().__init__(spec, Generator(spec, body), critic, noise, noise_size, objective, k, instance_noise, fresh)
        self.marginals = marginals

    def initialize(self, x: Tensor) -> None:
        """Start the output bias at the logit of the mean of `x`, (N, *shape), as the 2014 recipe does."""
        if self.marginals and self.spec.bounded:
            mean = x.mean(0).flatten().clamp(1e-3, 1 - 1e-3)
            self.state_dict()["generator.body.last.bias"].copy_(mean.logit())
