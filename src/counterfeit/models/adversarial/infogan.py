"""Adversarial nets with codes that can be read back from the image.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing GANs, Chen et al., 2016 (arXiv 1606.03657).
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653): iic_weight.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Spec, Structure, without_statistics
from counterfeit.losses import iic_loss
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Fake, Noise, Player, SamplingGAN
from counterfeit.nets.augment import Augmentation, augment
from counterfeit.nets.conv import ConvPlayers

__all__ = ["InfoGAN"]


class InfoGAN(SamplingGAN):
    """Information maximizing adversarial nets: part of each code can be told from the image made of it.

    A code is noise, then one categorical code, one-hot, then continuous codes uniform on (-1, 1). The discriminator
    has outputs for both; the generator and they raise the variational bound of the mutual information (eq. 4).

    What a category is to mean is left open by this, and players soon agree on anything. With a weight of `iic_weight`
    the discriminator learns categories from data alone: the same of an image and of it seen differently, and all
    equally often. The generator raises the bound as before, which holds for any categories that are read.

    References:
        InfoGAN: Interpretable Representation Learning by Information Maximizing GANs, Chen et al., 2016
            (arXiv 1606.03657).
        Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
            1807.06653), equation 3.

    Arguments:
        spec: what the data are: gray or RGB images.
        categories: values of the categorical code.
        continuous: number of continuous codes.
        categorical_weight: weight of the categorical code's log-likelihood.
        continuous_weight: weight of the continuous codes' squared error, half of which is minus the log-likelihood of a
            Gaussian of variance 1, but for a constant.
        iic_weight: weight of invariance, the information that the categories of two views of an image share.
        view_augmentations: random changes that make the other view: flip, color, translation, cutout, affine.
        nets: sizes and norms of both players.
        noise: the prior over the noise of a code, of unit variance.
        noise_dim: size of the noise.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or there are fewer than 2 categories.

    Example:
        >>> model = InfoGAN(Spec((1, 8, 8)), nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.cluster(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        spec: Spec,
        categories: int = 10,
        continuous: int = 2,
        categorical_weight: float = 1.0,
        continuous_weight: float = 0.1,
        iic_weight: float = 0.0,
        view_augmentations: tuple[Augmentation, ...] = (),
        nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        noise: Noise = "gaussian",
        noise_dim: int = 62,
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:
        if categories < 2 or not min(continuous, iic_weight) >= 0:
            came = f"categories={categories}, continuous={continuous} and iic_weight={iic_weight} came"
            raise ValueError(f"{came}; at least 2, 0 and 0 are expected. Raise them.")
        codes = categories + continuous
        generator = nets.generator(spec, noise_dim + codes)
        discriminator = nets.discriminator(spec, outputs=1 + codes)
        super().__init__(spec, generator, discriminator, noise, noise_dim, settings)
        self.nets = nets
        self.categories, self.continuous = categories, continuous
        self.categorical_weight, self.continuous_weight = categorical_weight, continuous_weight
        self.iic_weight, self.view_augmentations = iic_weight, view_augmentations
        self.undivided += ("model.iic_weight",) if iic_weight else ()

    def structure(self) -> Structure:
        """What a code is made of: noise, a category, continuous codes."""
        return Structure(self.noise_dim, self.categories, self.continuous)

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim), of the categories `y`, (n,), where given."""
        z = super().prior(n, y)
        return torch.cat([z, 2 * torch.rand(n, self.continuous, device=self.device) - 1], 1)

    def beside(
        self, player: Player, on_real: Tensor | None, on_fake: Tensor, real: Batch, fake: Fake  # noqa: ARG002
    ) -> Mapping[str, Tensor]:  # fmt: skip
        """Minus the bound L_I of the mutual information of codes and samples, but for constants (eq. 5).

        With `iic_weight`, the discriminator learns categories from two views of data in place of samples.
        """
        category, c = fake.z[:, self.noise_dim :].split([self.categories, self.continuous], 1)
        guess, mean = on_fake[:, 1:].split([self.categories, self.continuous], 1)
        if self.iic_weight and on_real is not None:
            with without_statistics(self.discriminator):
                again = self.discriminator_outputs(augment(real.x, self.view_augmentations))
            one, other = (out[:, 1 : 1 + self.categories].softmax(1) for out in (on_real, again))
            losses = {"views": self.iic_weight * iic_loss(one, other)}
        else:
            losses = {"category": self.categorical_weight * cross_entropy(guess, category)}
        if self.continuous:
            losses["continuous"] = self.continuous_weight * (mean - c).square().sum(1).mean()
        return losses

    def cluster(self, x: Tensor) -> Tensor:
        """Log-probability of each category in nats, (B, categories); which class it stands for is for you to find."""
        self.spec.check(x, "InfoGAN.cluster")
        return self.discriminator(x)[:, 1 : 1 + self.categories].log_softmax(1)
