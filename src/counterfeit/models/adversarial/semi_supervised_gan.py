"""Adversarial nets that learn to classify from few labels.

References:
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498), section 5.
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653): iic_weight.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Clock, Draw, Spec, Update, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.labelled import FewLabels, labelled_count
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake
from counterfeit.models.adversarial.shared.views import Views
from counterfeit.nets.conv import ConvPlayers

__all__ = ["SemiSupervisedGAN"]

NETS = ConvPlayers(discriminator_norm="none", dropout=0.3)
SETTINGS = GANSettings(objective="feature-matching", resample_noise=False)


class SemiSupervisedGAN(FewLabels, FeaturedGAN):
    """Semi-supervised adversarial nets: the discriminator tells K classes of data, and samples as one more.

    It has K outputs l; an image is data with probability Z / (Z + 1), Z = sum exp(l), so that fixing the output of the
    class of samples at 0 loses nothing. Of the labels, only those of `num_labelled` training examples are ever looked
    at, as many of each class, drawn by the training seed and kept with the weights.

    With a weight of `iic_weight`, an unlabelled image is seen twice, once moved by `views`, as labelled ones are too.
    The class of each is to tell that of the other, and all classes are to be as frequent.

    References:
        Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498), section 5.
        Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
            1807.06653), equation 3.

    Arguments:
        spec: what the data are: gray or RGB images with labels.
        num_labelled: number of training examples whose labels are used; null for ten of each class, all where it has
            fewer.
        supervised_weight: weight of the log-likelihood of these labels.
        views: how labelled images, and the other view of all, are changed at random, and what the other view weighs.
        adversarial: whether the game is played; without it the discriminator is trained by labels, and by views, alone.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or have no labels, or `num_labelled` is no multiple of their classes.

    Example:
        >>> model = SemiSupervisedGAN(Spec((1, 8, 8), classes=10), nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.classify(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, spec: Spec, num_labelled: int | None = None, supervised_weight: float = 1.0,
        views: Views = Views(), adversarial: bool = True, nets: ConvPlayers = NETS,  # noqa: B008
        prior: Prior = Prior(), settings: GANSettings = SETTINGS,  # noqa: B008
    ) -> None:  # fmt: skip
        labelled_count(num_labelled, spec.classes)
        if not supervised_weight >= 0:
            raise ValueError(f"supervised_weight={supervised_weight} came; at least 0 is expected. Raise it.")
        generator, discriminator = nets.generator(spec, prior.noise_dim), nets.discriminator(spec, spec.classes)
        super().__init__(spec, generator, discriminator, prior, settings)
        self.nets = nets
        self.supervised_weight, self.views, self.adversarial = supervised_weight, views, adversarial
        self.undivided += views.undivided()
        self.hold_labelled(num_labelled)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """The game of Algorithm 1, or a step of the discriminator as a classifier where it is not played."""
        if self.adversarial:
            yield from super().updates(draw, clock)
        else:
            yield Update.of("discriminator", self.classifier_losses(draw().x))

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The logit log Z of data against samples, and those of the classes, (B, 1 + classes)."""
        logits = super().discriminator_outputs(x)
        return torch.cat([logits.logsumexp(1, keepdim=True), logits], 1)

    def discriminator_losses(self, real: Batch, fake: Fake, on_real: Tensor, on_fake: Tensor) -> Losses:
        """L_unsupervised, and L_supervised of the labels that the discriminator may see (section 5)."""
        unsupervised = super().discriminator_losses(real, fake, on_real, on_fake)
        return unsupervised | self.classifier_losses(real.x, on_real)

    def classifier_losses(self, x: Tensor, on_x: Tensor | None = None) -> Losses:
        """Less the log-likelihood of labels, and what the classes of two views of images tell of each other.

        Arguments:
            x: images without labels, as many as with labels are taken.
            on_x: outputs on them, (B, 1 + classes), where they are known.
        """
        positions = torch.randint(len(self.labelled_y), (len(x),), device=self.device)
        labelled = self.labelled_x[positions]
        if not self.views.iic_weight:
            return {"class": self._class_loss(self.discriminator_outputs(self.views.other(labelled)), positions)}
        with without_statistics(self.discriminator):
            both = self.discriminator_outputs(self.views.other(torch.cat([labelled, x])))
        named, other = both.split(len(x))
        one = self.discriminator_outputs(x) if on_x is None else on_x
        shared = self.views.loss(one[:, 1:], other[:, 1:])
        return {"class": self._class_loss(named, positions), "views": shared}

    def _class_loss(self, outputs: Tensor, positions: Tensor) -> Tensor:
        return self.supervised_weight * cross_entropy(outputs[:, 1:], self.labelled_y[positions])

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes), of images that are data."""
        self.spec.check(x, "SemiSupervisedGAN.classify")
        return self.discriminator(x).log_softmax(1)
