"""Wasserstein adversarial nets with a gradient penalty.

References:
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
    Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Noise
from counterfeit.nets.conv import ConvPlayers

__all__ = ["WGANGP"]

NETS = ConvPlayers(discriminator_norm="none")  # under batch normalization a slope would depend on other examples
SETTINGS = GANSettings(objective="wasserstein", discriminator_steps=5, penalty="gradient")


class WGANGP(DCGAN):
    """Wasserstein adversarial nets: a critic whose slope is held at 1 estimates the Earth mover's distance.

    References:
        Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
        Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).

    Arguments:
        spec: what the data are: gray or RGB images whose sides can be halved.
        nets: sizes and norms of both players.
        noise: the prior over codes, of unit variance.
        noise_dim: size of a code.
        settings: what the game is played for, and what keeps it stable.

    Example:
        >>> WGANGP(Spec((1, 28, 28)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        spec: Spec,
        nets: ConvPlayers = NETS,
        noise: Noise = "gaussian",
        noise_dim: int = 128,
        settings: GANSettings = SETTINGS,
    ) -> None:
        super().__init__(spec, nets, noise, noise_dim, settings)
