"""Super-resolution by adversarial nets.

References:
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, Ledig et al., 2016
        (arXiv 1609.04802).
    Autoencoding beyond Pixels Using a Learned Similarity Metric, Larsen et al., 2015 (arXiv 1512.09300), for the
        discriminator's features as content.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterfeit.core import Batch, Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.paired_gan import PairedGAN
from counterfeit.nets.conv import ConvDiscriminator
from counterfeit.nets.upscaling import Upscaler, UpscalingPlayers, shrink

__all__ = ["SRGAN"]

SETTINGS = GANSettings(penalty="r1", penalty_weight=2.0, penalty_every=4)


class SRGAN(PairedGAN):
    """Super-resolution by adversarial nets: draws pictures in two or four times as many pixels a side.

    It learns from the pictures of any data, which it makes small itself. The error of pixels alone gives the mean of
    all pictures that a small one may have been, which is blurred; the discriminator, which is shown pictures of full
    size, asks for one of them, and its features, rather than pixels, say what it is to look like.

    References:
        Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, Ledig et al., 2016
            (arXiv 1609.04802).

    Arguments:
        spec: what the data are: gray or RGB images.
        factor: how many times as many pixels a side, 2 or 4.
        nets: sizes of both players.
        pixel_weight: weight of the mean squared error of pixels in [0, 1], a quarter of the paper's in [-1, 1].
        feature_weight: weight of the squared error of the discriminator's features, as a share of their square.
        adversarial_weight: weight of the adversarial loss; at 0 only the error of pixels is left.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or their sides are no multiples of `factor`.

    Example:
        >>> SRGAN(Spec((3, 32, 32)), nets=UpscalingPlayers(width=4, blocks=1)).upscale(torch.rand(2, 3, 10, 12)).shape
        torch.Size([2, 3, 40, 48])
    """

    generator: Upscaler
    discriminator: ConvDiscriminator

    def __init__(
        self, spec: Spec, factor: int = 4, nets: UpscalingPlayers = UpscalingPlayers(),  # noqa: B008
        pixel_weight: float = 1.0, feature_weight: float = 0.01, adversarial_weight: float = 0.002,
        settings: GANSettings = SETTINGS,
    ) -> None:  # fmt: skip
        if spec.kind != "image" or len(spec.shape) != 3 or any(side % factor for side in spec.shape[1:]):
            raise ValueError(
                f"data of kind {spec.kind} and shape {spec.shape} came; images in [0, 1] whose sides are multiples of "
                f"{factor} are expected. Set data.size, or another factor."
            )
        super().__init__(spec, nets.generator(spec, factor), nets.discriminator(spec), adversarial_weight, settings)
        self.nets = nets
        self.factor, self.pixel_weight, self.feature_weight = factor, pixel_weight, feature_weight

    def generate(self, real: Batch) -> Tensor:
        """The images of a minibatch, made small and upscaled again."""
        return self.generator(shrink(real.x, self.factor))

    def errors(self, x: Tensor, fake: Tensor) -> Losses:
        """Squared errors of pixels and, in a game, of features (eq. 4 and 5)."""
        found = {"pixels": self.pixel_weight * (fake - x).square().mean()}
        if self.adversarial_weight and self.feature_weight:
            with torch.no_grad():
                wanted = self.discriminator.features(x).float()
            off = (self.discriminator.features(fake).float() - wanted).square().sum(1)
            found["features"] = self.feature_weight * (off / wanted.square().sum(1)).mean()
        return found

    def upscale(self, x: Tensor) -> Tensor:
        """Pictures in [0, 1], (B, C, H, W) of any size, as (B, C, factor H, factor W)."""
        shape = tuple(x.shape[2:]) if isinstance(x, Tensor) and x.ndim == 4 else self.spec.shape[1:]
        replace(self.spec, shape=(self.spec.shape[0], *shape)).check(x, "SRGAN.upscale")
        return self.generator(x).clamp(0, 1)
