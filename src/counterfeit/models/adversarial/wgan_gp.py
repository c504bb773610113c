"""Wasserstein adversarial nets with a gradient penalty.

References:
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
    Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.game import Rules
from counterfeit.nets.conv import ConvNorm

__all__ = ["WGANGP"]

RULES = Rules(objective="wasserstein", k=5, penalty="gradient")


class WGANGP(DCGAN):
    """Wasserstein adversarial nets: a critic whose slope is held at 1 estimates the Earth mover's distance.

    References:
        Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
        Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).

    Arguments:
        spec: what the data are: gray or RGB images whose sides can be halved.
        width: channels of the generator before its last convolution; each smaller level has twice as many.
        discriminator_width: channels of the critic after its first convolution.
        discriminator_norm: of the critic; batch normalization would make a slope depend on other examples.
        noise_size: size of a code, Gaussian.
        rules: what the game is played for, and what keeps it stable.

    Example:
        >>> WGANGP(Spec((1, 28, 28)), width=8, discriminator_width=8).sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        spec: Spec,
        width: int = 64,
        discriminator_width: int = 64,
        discriminator_norm: ConvNorm = "none",
        noise_size: int = 128,
        rules: Rules = RULES,
    ) -> None:
        super().__init__(spec, width, discriminator_width, discriminator_norm, noise_size=noise_size, rules=rules)
