"""Paired image-to-image translation by conditional adversarial nets.

References:
    Image-to-Image Translation with Conditional Adversarial Networks, Isola et al., 2017 (arXiv 1611.07004).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from counterfeit.core import Batch, Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.paired_gan import PairedGAN
from counterfeit.nets.translation import PatchDiscriminator, SkipGenerator

__all__ = ["Pix2Pix", "Pix2PixPlayers"]


@dataclass(frozen=True)
class Pix2PixPlayers:
    """The sizes of both players.

    Arguments:
        width: channels of the generator's largest level; every smaller one has twice as many, up to eight times.
        dropout: rate of the generator on the way up, its only noise (section 2.1).
        discriminator_width: channels of the discriminator after its first convolution.
    """

    width: int = 64
    dropout: float = 0.5
    discriminator_width: int = 64


class Pix2Pix(PairedGAN):
    """Paired translation: makes of a given picture the one that belongs to it, as an outline becomes a photograph.

    The generator descends the absolute error of its picture, which alone is blurred where several pictures fit, and
    what a discriminator of patches says of the pair. The data are pairs: `data.pairs`, or a source that has some.

    References:
        Image-to-Image Translation with Conditional Adversarial Networks, Isola et al., 2017 (arXiv 1611.07004).

    Arguments:
        spec: what the data are: gray or RGB images in [0, 1], and given ones of the same sides.
        nets: sizes of both players.
        error_weight: weight of the mean absolute error, in [-1, 1], the λ of the paper (eq. 4).
        adversarial_weight: of the adversarial loss; at 0 the generator is trained by the error alone.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no pairs of images, or their sides cannot be halved.

    Example:
        >>> model = Pix2Pix(Spec((3, 16, 16), given=(1, 16, 16)), Pix2PixPlayers(4, discriminator_width=4)).eval()
        >>> model.render(torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 3, 16, 16])
    """

    conditional = True
    generator: SkipGenerator
    discriminator: PatchDiscriminator

    def __init__(
        self, spec: Spec, nets: Pix2PixPlayers = Pix2PixPlayers(), error_weight: float = 100.0,
        adversarial_weight: float = 1.0, settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if spec.kind != "image" or len(spec.given) != 3 or spec.given[1:] != spec.shape[1:]:
            raise ValueError(
                f"data of kind {spec.kind}, shape {spec.shape} and given {spec.given or 'nothing'} came; pairs of "
                "images are expected. Take outlines or paired-digits, or set data.pairs for a folder."
            )
        if not error_weight >= 0:
            raise ValueError(f"error_weight={error_weight} came; at least 0 is expected. Raise it.")
        channels = spec.given[0] + spec.shape[0]
        pairs = replace(spec, shape=(channels, *spec.shape[1:]))
        generator = SkipGenerator(spec, spec.given[0], nets.width, nets.dropout)
        discriminator = PatchDiscriminator(pairs, nets.discriminator_width)
        super().__init__(spec, generator, discriminator, adversarial_weight, settings)
        self.nets, self.error_weight = nets, error_weight

    def generate(self, real: Batch) -> Tensor:
        """What the generator makes of the pictures that are given with a minibatch, (B, *shape)."""
        return self.generator(real.labels)

    def errors(self, x: Tensor, fake: Tensor) -> Losses:
        """The mean absolute error of pixels in [-1, 1] (eq. 3)."""
        return {"error": self.error_weight * 2 * l1_loss(fake, x)}

    def judged(self, real: Batch, x: Tensor) -> Tensor:
        """Logits of the patches of pairs of what is given with a minibatch and `x`, (B, patches)."""
        return self.discriminator(self.settings.augmented(torch.cat([real.labels, x], 1)))

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean logit of the patches of examples `x` beside the pictures `y` that they are made from, (B, 1)."""
        self.spec.check(x, "Pix2Pix.discriminator_outputs")
        if y is None:
            raise ValueError(f"no pictures came beside {len(x)} examples; those they are made from are expected.")
        self.spec.givens.check(y, "Pix2Pix.discriminator_outputs")
        return self.discriminator(torch.cat([y, x], 1)).mean(1, keepdim=True)

    def render(self, given: Tensor) -> Tensor:
        """What belongs to pictures in [0, 1], (B, *given), as (B, *shape)."""
        self.spec.givens.check(given, "Pix2Pix.render")
        return self.generator(given)
