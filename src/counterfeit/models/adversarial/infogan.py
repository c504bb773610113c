"""Adversarial nets with codes that can be read back from the image.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing GANs, Chen et al., 2016 (arXiv 1606.03657).
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653): iic_weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Spec, Structure, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake
from counterfeit.models.adversarial.shared.views import Views
from counterfeit.nets.conv import ConvPlayers

__all__ = ["Codes", "InfoGAN"]


@dataclass(frozen=True)
class Codes:
    """Codes that can be read back, and what it weighs that they are.

    Arguments:
        categories: values of the categorical code.
        continuous: number of continuous codes.
        categorical_weight: weight of the categorical code's log-likelihood.
        continuous_weight: weight of the continuous codes' squared error, half of which is minus the log-likelihood of a
            Gaussian of variance 1, but for a constant.

    Raises:
        ValueError: where there are fewer than 2 categories.
    """

    categories: int = 10
    continuous: int = 2
    categorical_weight: float = 1.0
    continuous_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.categories < 2 or self.continuous < 0:
            came = f"categories={self.categories} and continuous={self.continuous} came"
            raise ValueError(f"{came}; at least 2 and 0 are expected. Raise them.")

    @property
    def dim(self) -> int:
        """Dimension of both together."""
        return self.categories + self.continuous

    def split(self, x: Tensor) -> Sequence[Tensor]:
        """What is of the categorical and what of the continuous codes in (B, dim)."""
        return x.split([self.categories, self.continuous], 1)


class InfoGAN(FeaturedGAN):
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
        codes: which can be read back, and what that weighs.
        views: of data, by which the discriminator finds categories.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or there are fewer than 2 categories.

    Example:
        >>> model = InfoGAN(Spec((1, 8, 8)), nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.cluster(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, spec: Spec, codes: Codes = Codes(), views: Views = Views(),  # noqa: B008
        nets: ConvPlayers = ConvPlayers(), prior: Prior = Prior(noise_dim=62),  # noqa: B008
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        generator = nets.generator(spec, prior.noise_dim + codes.dim)
        discriminator = nets.discriminator(spec, outputs=1 + codes.dim)
        super().__init__(spec, generator, discriminator, prior, settings)
        self.nets, self.codes, self.categories, self.views = nets, codes, codes.categories, views
        self.undivided += views.undivided()

    def structure(self) -> Structure:
        """What a code is made of: noise, a category, continuous codes."""
        return Structure(self.noise_dim, self.categories, self.codes.continuous)

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim), of the categories `y`, (n,), where given."""
        z = super().prior(n, y)
        return torch.cat([z, 2 * torch.rand(n, self.codes.continuous, device=self.device) - 1], 1)

    def discriminator_losses(self, real: Batch, fake: Fake, on_real: Tensor, on_fake: Tensor) -> Losses:
        """The objective, less the bound L_I (eq. 6); categories are learnt from two views of data where these weigh."""
        losses = super().discriminator_losses(real, fake, on_real, on_fake)
        if not self.views.iic_weight:
            return losses | self._category_loss(fake.z, on_fake) | self._continuous_loss(fake.z, on_fake)
        with without_statistics(self.discriminator):
            again = self.discriminator_outputs(self.views.other(real.x))
        one, other = (self.codes.split(outputs[:, 1:])[0] for outputs in (on_real, again))
        return losses | {"views": self.views.loss(one, other)} | self._continuous_loss(fake.z, on_fake)

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """The objective, less the bound L_I (eq. 6)."""
        losses = super().generator_losses(real, fake, on_fake)
        return losses | self._category_loss(fake.z, on_fake) | self._continuous_loss(fake.z, on_fake)

    def _category_loss(self, z: Tensor, outputs: Tensor) -> Losses:
        """Minus the bound L_I of the information of samples about the categorical code, but for constants (eq. 5)."""
        category, guess = self.codes.split(z[:, self.noise_dim :])[0], self.codes.split(outputs[:, 1:])[0]
        return {"category": self.codes.categorical_weight * cross_entropy(guess, category)}

    def _continuous_loss(self, z: Tensor, outputs: Tensor) -> Losses:
        """The same about the continuous codes, where there are any."""
        c, mean = self.codes.split(z[:, self.noise_dim :])[1], self.codes.split(outputs[:, 1:])[1]
        weight = self.codes.continuous_weight
        return {"continuous": weight * (mean - c).square().sum(1).mean()} if self.codes.continuous else {}

    def cluster(self, x: Tensor) -> Tensor:
        """Log-probability of each category in nats, (B, categories); which class it stands for is for you to find."""
        self.spec.check(x, "InfoGAN.cluster")
        return self.discriminator(x)[:, 1 : 1 + self.categories].log_softmax(1)
