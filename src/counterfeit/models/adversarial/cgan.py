"""Conditional adversarial nets: both players are told the label.

References:
    Conditional Generative Adversarial Nets, Mirza and Osindero, 2014 (arXiv 1411.1784).
    cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.game import Game, Noise, Rules
from counterfeit.nets.conv import Condition, ConvDiscriminator, ConvGenerator, ConvNorm

__all__ = ["CGAN"]


class CGAN(Game):
    """Conditional adversarial nets: the generator draws from p(x | y), and the discriminator judges pairs (x, y).

    References:
        Conditional Generative Adversarial Nets, Mirza and Osindero, 2014 (arXiv 1411.1784).
        cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).

    Arguments:
        spec: what the data are: gray or RGB images with labels.
        condition: how the discriminator is told the label: as channels of the image, or projected on its features.
        width: channels of the generator before its last convolution; each smaller level has twice as many.
        discriminator_width: channels of the discriminator after its first convolution.
        discriminator_norm: of the discriminator's levels ("batch") or weights ("spectral").
        noise: the prior over codes, of unit variance.
        noise_size: size of the noise in a code, which the label follows, one-hot.
        rules: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or have no labels.

    Example:
        >>> model = CGAN(Spec((1, 8, 8), classes=10), width=8, discriminator_width=8)
        >>> model.sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        spec: Spec,
        condition: Condition = "projection",
        width: int = 64,
        discriminator_width: int = 64,
        discriminator_norm: ConvNorm = "batch",
        noise: Noise = "gaussian",
        noise_size: int = 100,
        rules: Rules = Rules(),  # noqa: B008
    ) -> None:
        generator = ConvGenerator(spec, noise_size + spec.classes, width)
        discriminator = ConvDiscriminator(
            spec, discriminator_width, discriminator_norm, classes=spec.classes, condition=condition
        )
        super().__init__(spec, generator, discriminator, noise, noise_size, rules, conditional=True)
