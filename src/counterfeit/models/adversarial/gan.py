"""Adversarial nets of 2014: two multilayer perceptrons.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

import torch

from counterfeit.core import Batch, Spec, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.mlp import MLP, MLPGenerator, MLPPlayers

__all__ = ["GAN"]


class GAN(FeaturedGAN):
    """Adversarial nets: a generator and a discriminator, both multilayer perceptrons.

    References:
        Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).

    Arguments:
        spec: what the data are.
        nets: sizes, activations and initial weights of both players.
        init_bias_from_data: start the output bias at the logit of the training marginals.
        init_weights_from_data: start the output weights at random combinations of training examples, so that the first
            samples have the mean and covariance of the data.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Example:
        >>> GAN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    generator: MLPGenerator
    discriminator: MLP
    default_nets = MLPPlayers()
    default_prior = Prior(noise_dim=64)
    default_settings = GANSettings(instance_noise=0.3)

    def __init__(
        self, spec: Spec, nets: MLPPlayers | None = None, init_bias_from_data: bool = False,
        init_weights_from_data: bool = False, prior: Prior | None = None,
        settings: GANSettings | None = None,
    ) -> None:  # fmt: skip
        nets, prior = nets or self.default_nets, prior or self.default_prior
        generator, discriminator = nets.generator(spec, prior.noise_dim), nets.discriminator(spec)
        super().__init__(spec, generator, discriminator, prior, settings or self.default_settings)
        self.nets = nets
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
