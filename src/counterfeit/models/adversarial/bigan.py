"""Adversarial nets that infer codes: an encoder plays on the generator's side.

References:
    Adversarial Feature Learning, Donahue et al., 2016 (arXiv 1605.09782): BiGAN.
    Adversarially Learned Inference, Dumoulin et al., 2016 (arXiv 1606.00704): ALI, the same with random codes.
    ALICE: Towards Understanding Adversarial Learning for Joint Distribution Matching, Li et al., 2017
        (arXiv 1709.01215): cycle consistency.
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653): categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, one_hot

from counterfeit.core import Batch, Clock, Net, Spec, check_codes, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.models.adversarial.shared.views import Views
from counterfeit.nets.conv import ConvDiscriminator, ConvPlayers
from counterfeit.nets.mlp import MLP

__all__ = ["BiGAN", "BiGANSettings", "CodeDiscriminator"]

MIRRORED = {"non-saturating", "minimax", "hinge", "wasserstein"}  # data's part is that of samples with the other sign


class CodeDiscriminator(Net):
    """Examples (B, *shape) and codes (B, code_dim) -> (B, 1): each seen by itself, then both together.

    Arguments:
        image: examples -> (B, units).
        code_dim: size of a code.
        units: of each hidden layer.
    """

    def __init__(self, image: Net, code_dim: int, units: int) -> None:
        super().__init__()
        self.code_dim, self.image = code_dim, image
        self.code = MLP(code_dim, (units,), units, "leaky-relu")
        self.joint = MLP(2 * units, (units,), 1, "leaky-relu")

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, *shape) and (B, code_dim) -> (B, 1)."""
        check_codes(z, self.code_dim)
        return self.joint(leaky_relu(torch.cat([self.image(x), self.code(z)], 1), 0.2))


@dataclass(frozen=True)
class BiGANSettings:
    """How the encoder infers codes, and what that weighs beside the game.

    Arguments:
        random: draw codes of data from a Gaussian whose mean and scale are inferred, as ALI does.
        image_weight: weight of the squared error of reconstructed data, mean over pixels in [0, 1] (ALICE).
        code_weight: weight of the squared error of reconstructed codes.
        categories: values of the categorical part of a code; 0 for none.
        encoder_width: channels of the encoder after its first convolution; each smaller level has twice as many.
        encoder_depth: 3x3 convolutions of the encoder after each that halves the sides.
        units: of the layers by which the discriminator sees codes, and pairs.

    Raises:
        ValueError: where a weight is negative, or there is a single category.
    """

    random: bool = False
    image_weight: float = 0.0
    code_weight: float = 0.0
    categories: int = 0
    encoder_width: int = 64
    encoder_depth: int = 0
    units: int = 512

    def __post_init__(self) -> None:
        if not min(self.image_weight, self.code_weight) >= 0:
            came = f"image_weight={self.image_weight} and code_weight={self.code_weight} came"
            raise ValueError(f"{came}; at least 0 is expected of both. Raise them.")
        if self.categories < 0 or self.categories == 1:
            raise ValueError(f"categories={self.categories} came; 0, or 2 and more are expected. Change it.")

    def encoder(self, spec: Spec, noise_dim: int) -> ConvDiscriminator:
        """Images (B, C, H, W) -> means, log scales where codes are random, and logits of the categories."""
        outputs = (1 + self.random) * noise_dim + self.categories
        return ConvDiscriminator(spec, self.encoder_width, "batch", outputs, depth=self.encoder_depth)


class BiGAN(SamplingGAN):
    """Bidirectional adversarial nets: the discriminator tells pairs (x, E(x)) of data from pairs (G(z), z).

    The generator and the encoder move together. Where no discriminator can tell the pairs apart, the encoder inverts
    the generator (2016, theorem 2).

    Classes of data are no clusters in a Gaussian prior. With `categories` a code is noise and then a category, one-hot;
    the encoder learns it from data alone, as what two views of an image have in common, and players take it as given.

    References:
        Adversarial Feature Learning, Donahue et al., 2016 (arXiv 1605.09782).
        Adversarially Learned Inference, Dumoulin et al., 2016 (arXiv 1606.00704).
        Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
            1807.06653), equation 3.

    Arguments:
        spec: what the data are: gray or RGB images.
        bigan: how codes are inferred, and what that weighs.
        views: of data, by which categories are found.
        nets: sizes and norms of both players.
        prior: over the noise in a code; the encoder learns to give codes of this distribution, so that any code of
            data can be compared with it.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or the settings do not fit pairs.

    Example:
        >>> model = BiGAN(Spec((1, 8, 8)), BiGANSettings(encoder_width=8), nets=ConvPlayers(8, discriminator_width=8))
        >>> model.decode(model.encode(model.sample(2))).shape
        torch.Size([2, 1, 8, 8])
    """

    compares = False  # samples are played for in more places than one

    makers = ("generator", "encoder")

    def __init__(
        self, spec: Spec, bigan: BiGANSettings = BiGANSettings(),
        views: Views = Views(1.0, ("affine",)), nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        prior: Prior = Prior(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if settings.objective not in MIRRORED:
            known = ", ".join(sorted(MIRRORED))
            raise ValueError(f"objective {settings.objective} came; pairs are separated by one of {known}. Change it.")
        code = prior.noise_dim + bigan.categories
        discriminator = CodeDiscriminator(nets.discriminator(spec, outputs=bigan.units), code, bigan.units)
        super().__init__(spec, nets.generator(spec, code), discriminator, prior, settings)
        self.nets, self.bigan, self.categories, self.views = nets, bigan, bigan.categories, views
        self.encoder = bigan.encoder(spec, prior.noise_dim)
        self.undivided += views.undivided() if bigan.categories else ()

    def generate(self, real: Batch) -> Fake:
        """As many samples as there are data, conditioned on their codes, and data on those inferred."""
        z = self.prior(len(real.x))
        return Fake(self.generator(z), z, z, self.infer(real.x))

    def infer(self, x: Tensor) -> Tensor:
        """Codes of examples `x` as the game is played with them, (B, code_dim): drawn, where they are random."""
        mean, log_scale, category = self._read(x)
        z = mean + log_scale.exp() * torch.randn_like(mean) if self.bigan.random else mean
        return self._code(z, category)

    def _read(self, x: Tensor) -> Sequence[Tensor]:
        """What the encoder says: mean, log of the scale where codes are random, and logits of the categories."""
        return self.encoder(x).split([self.noise_dim, self.bigan.random * self.noise_dim, self.categories], 1)

    def _code(self, z: Tensor, category: Tensor) -> Tensor:
        """Noise and the likeliest category, (B, code_dim)."""
        return torch.cat([z, one_hot(category.argmax(1), self.categories)], 1) if self.categories else z

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits of examples `x` and codes `y`, (B, 1), those that `encode` finds where None."""
        z, noise = self.encode(x) if y is None else y, self.settings.instance_noise if self.training else 0.0
        return super().discriminator_outputs(x, z + noise * torch.randn_like(z) if noise else z)

    def gradient_penalty(self, real: Tensor, fake: Fake, clock: Clock) -> Losses:
        """The weighted penalty on the gradient in pairs; none where this step has none.

        In codes, of which no paper says it, gradients are per half a standard deviation: halved, as in images. Per a
        whole one they held the discriminator back, at twice the distance of samples from data.
        """
        dims, (real_z, fake_z) = self.spec.dims, cast(tuple[Tensor, Tensor], fake.conditioning())

        def critic(pair: Tensor) -> Tensor:
            return self.discriminator_outputs(pair[:, :dims].unflatten(1, self.spec.shape), pair[:, dims:])

        pairs = torch.cat([real.flatten(1), real_z], 1), torch.cat([fake.x.flatten(1), fake_z], 1)
        return self.penalty(critic, *pairs, clock)

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """The objective of samples with their codes, that of data with theirs, and what pairs miss being inverse."""
        losses, codes = super().generator_losses(real, fake, on_fake), cast(Tensor, fake.real_y)
        losses["encoder"] = self.objective.generator(
            -self.discriminator_outputs(real.x, codes)
        )  # data pass for samples
        if self.bigan.image_weight:
            with without_statistics(self.generator):  # inferred codes are not the prior's
                losses["image"] = self.bigan.image_weight * (self.generator(codes) - real.x).square().mean()
        if self.bigan.code_weight:
            with without_statistics(self.encoder):  # which is for data
                losses["code"] = self.bigan.code_weight * (self.infer(fake.x) - fake.z).square().mean()
        if self.categories:
            with without_statistics(self.encoder):
                one, other = self._read(torch.cat([real.x, self.views.other(real.x)]))[2].chunk(2)
            losses["views"] = self.views.loss(one, other)
        return losses

    def encode(self, x: Tensor) -> Tensor:
        """The inferred code of each example, its mean where codes are random, (B, code_dim)."""
        self.spec.check(x, "BiGAN.encode")
        mean, _, category = self._read(x)
        return self._code(mean, category)

    def features(self, x: Tensor) -> Tensor:
        """The encoder's last level, averaged over 3 x 3 places of the image, (B, features)."""
        self.spec.check(x, "BiGAN.features")
        return self.encoder.pooled(x)
