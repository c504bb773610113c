"""Adversarial nets of 2014: two multilayer perceptrons.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Net, Spec, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Noise, SamplingGAN
from counterfeit.nets.mlp import MLP, Activation, Norm

__all__ = ["GAN"]

SETTINGS = GANSettings(instance_noise=0.3)


class Generator(Net):
    """Codes (B, noise_dim) -> examples (B, *shape): an MLP with a sigmoid where the data are bounded."""

    def __init__(self, spec: Spec, body: MLP) -> None:
        super().__init__()
        self.body, self.shape, self.bounded = body, spec.shape, spec.bounded

    def forward(self, z: Tensor) -> Tensor:
        """(B, noise_dim) -> (B, *shape)."""
        x = self.body(z).unflatten(1, self.shape)
        return x.sigmoid() if self.bounded else x


class GAN(SamplingGAN):
    """Adversarial nets: a generator and a discriminator, both multilayer perceptrons.

    References:
        Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).

    Arguments:
        spec: what the data are.
        hidden: sizes of the generator's hidden layers.
        activation: of the generator's hidden layers.
        norm: of the generator's hidden layers.
        init: generator weights uniform in ±init; PyTorch's default where null.
        init_bias_from_data: start the output bias at the logit of the training marginals.
        init_weights_from_data: start the output weights at random combinations of training examples, so that the first
            samples have the mean and covariance of the data.
        center_inputs: let the discriminator see examples minus the mean of the training data.
        discriminator_hidden: sizes of the discriminator's hidden layers.
        discriminator_activation: of the discriminator's hidden layers.
        discriminator_init: discriminator weights uniform in ±init; PyTorch's default where null.
        maxout_pieces: linear maps of a maxout unit.
        dropout: rates at the discriminator's input and hidden layers.
        noise: the prior over codes, of unit variance.
        noise_dim: size of a code.
        settings: what the game is played for, and what keeps it stable.

    Example:
        >>> GAN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    generator: Generator
    discriminator: MLP

    def __init__(
        self,
        spec: Spec,
        hidden: tuple[int, ...] = (512, 1024),
        activation: Activation = "relu",
        norm: Norm = "batch",
        init: float | None = None,
        init_bias_from_data: bool = False,
        init_weights_from_data: bool = False,
        center_inputs: bool = False,
        discriminator_hidden: tuple[int, ...] = (1024, 512),
        discriminator_activation: Activation = "leaky-relu",
        discriminator_init: float | None = None,
        maxout_pieces: int = 5,
        dropout: tuple[float, float] = (0.0, 0.0),
        noise: Noise = "gaussian",
        noise_dim: int = 64,
        settings: GANSettings = SETTINGS,
    ) -> None:
        body = MLP(noise_dim, hidden, spec.dims, activation, norm, maxout_pieces=maxout_pieces, init=init)
        critic = MLP(
            spec.dims, discriminator_hidden, 1, discriminator_activation,
            dropout=dropout, maxout_pieces=maxout_pieces, init=discriminator_init, center=center_inputs,
        )  # fmt: skip
        super().__init__(spec, Generator(spec, body), critic, noise, noise_dim, settings)
        self.activation, self.norm, self.dropout = activation, norm, dropout
        self.init_bias_from_data, self.init_weights_from_data = init_bias_from_data, init_weights_from_data

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Start the output at the mean of the data, as the 2014 recipe does, or at their covariance too."""
        x = data.x
        if self.discriminator.center is not None:
            self.discriminator.center.copy_(x.mean(0).flatten())
        last = self.generator.body.last
        if self.init_bias_from_data and self.spec.bounded:
            last.bias.copy_(x.mean(0).flatten().clamp(1e-3, 1 - 1e-3).logit())
        if self.init_weights_from_data and len(x) > 1:
            with without_statistics(self.generator):
                h = self.generator.body.hidden(self.prior(len(x)))
            y = x.flatten(1).clamp(0.01, 0.99).logit() if self.spec.bounded else x.flatten(1)
            share = torch.randn_like(h) / (len(x) * h.var(0).sum()).sqrt()  # (N, hidden)
            last.weight.copy_((y - y.mean(0)).T @ share)
            last.bias.copy_(y.mean(0) - last.weight @ h.mean(0))
