"""Adversarial nets for any f-divergence.

References:
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization, Nowozin et al., 2016
        (arXiv 1606.00709).
"""

from __future__ import annotations

from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.mlp import MLPPlayers

__all__ = ["FGAN"]


class FGAN(GAN):
    """Adversarial nets for an f-divergence: the discriminator raises a variational bound, the generator lowers it.

    References:
        f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization, Nowozin et al., 2016
            (arXiv 1606.00709).

    Arguments: those of `GAN`; the objective of its settings is the divergence.

    Example:
        >>> from counterfeit.core import Spec
        >>> FGAN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    default_nets = MLPPlayers(hidden=(512, 512), discriminator_hidden=(240, 240))
    default_prior = Prior("uniform")
    default_settings = GANSettings(objective="kl", resample_noise=False)
