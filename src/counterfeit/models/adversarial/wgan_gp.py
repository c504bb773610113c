"""Wasserstein adversarial nets with a gradient penalty.

References:
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
    Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).
"""

from __future__ import annotations

from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.conv import ConvPlayers

__all__ = ["WGANGP"]


class WGANGP(DCGAN):
    """Wasserstein adversarial nets: a critic whose gradient norm is held at 1 estimates the Earth mover's distance.

    References:
        Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
        Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).

    Arguments: those of `DCGAN`.

    Example:
        >>> from counterfeit.core import Spec
        >>> WGANGP(Spec((1, 28, 28)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    default_nets = ConvPlayers(discriminator_norm="none")  # batch norms would make a gradient depend on other examples
    default_prior = Prior(noise_dim=128)
    default_settings = GANSettings(objective="wasserstein", discriminator_steps=5, penalty="gradient")
