"""Progressive growing of adversarial nets.

References:
    Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras et al., 2017 (arXiv 1710.10196).
    Which Training Methods for GANs do actually Converge?, Mescheder et al., 2018 (arXiv 1801.04406): R1.
"""

from __future__ import annotations

from collections.abc import Iterator

from counterfeit.core import Batch, Clock, Draw, Spec, Update
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.growing import GrowingDiscriminator, GrowingGenerator

__all__ = ["ProGAN"]

# the penalty is light: heavier ones leave a discriminator of few and small pictures no say
SETTINGS = GANSettings(resample_noise=False, penalty="r1", penalty_weight=0.2, penalty_every=4)


class ProGAN(FeaturedGAN):
    """Adversarial nets that grow: large shapes are learnt on small pictures, details when levels are added.

    Both players start at 4x4 pixels (7x7 where the side is 28). Every level is trained, then the next is faded in for
    as long. Samples always have the data's shape: pixels that are not there yet are repeated. Data are shown in as many
    pixels.

    References:
        Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras et al., 2017
            (arXiv 1710.10196).

    Arguments:
        spec: what the data are: gray or RGB images whose sides can be halved.
        width: channels of the generator's last level; each smaller one has twice as many.
        discriminator_width: channels of the discriminator's first level; each smaller one has twice as many.
        growing: share of training over which the players grow; 0 starts at full size.
        noise_dim: size of a code, Gaussian, scaled to a fixed length.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, their sides cannot be halved, or `growing` is no share.

    Example:
        >>> ProGAN(Spec((3, 32, 32)), width=4, discriminator_width=4).sample(2).shape
        torch.Size([2, 3, 32, 32])
    """

    generator: GrowingGenerator
    discriminator: GrowingDiscriminator

    def __init__(
        self, spec: Spec, width: int = 16, discriminator_width: int = 16, growing: float = 0.6,
        noise_dim: int = 128, settings: GANSettings = SETTINGS,
    ) -> None:  # fmt: skip
        if not 0 <= growing <= 1:
            raise ValueError(f"growing={growing} came; a share from 0 to 1 is expected. Correct it.")
        generator = GrowingGenerator(spec, noise_dim, width)
        discriminator = GrowingDiscriminator(spec, discriminator_width)
        super().__init__(spec, generator, discriminator, Prior("gaussian", noise_dim), settings)
        self.growing = growing

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """The game of its stage, on data in as many pixels."""
        self.generator.grow(self.stage(clock))
        self.discriminator.grow(self.stage(clock))

        def shown() -> Batch:
            real = draw()
            return Batch(self.discriminator.shown(real.x), real.y)

        yield from super().updates(shown, clock)

    def stage(self, clock: Clock) -> float:
        """How many levels have grown: half of a level's time it stands still, half the next one fades in.

        Example:
            >>> model = ProGAN(Spec((1, 16, 16)), width=4, growing=0.5)
            >>> [model.stage(Clock(step, 80)) for step in (0, 10, 15, 20, 35, 40, 79)]
            [0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
        """
        levels, over = self.generator.levels, self.growing * clock.steps
        time = min(1.0, clock.step / over) * levels if over else levels
        return int(time) + max(0.0, 2 * (time % 1) - 1)
