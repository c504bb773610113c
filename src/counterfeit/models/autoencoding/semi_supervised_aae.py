"""The adversarial autoencoder that learns to classify from few labels.

References:
    Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644), section 5.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Spec, Update
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.labelled import FewLabels, labelled_count
from counterfeit.models.autoencoding.aae import AAE, AAESettings
from counterfeit.models.autoencoding.shared.priors import CodePrior
from counterfeit.nets.coder import CoderNets

__all__ = ["SemiSupervisedAAE"]


class SemiSupervisedAAE(FewLabels, AAE):
    """A semi-supervised adversarial autoencoder: codes are a class, some of which are known, and a style.

    Of the labels, only those of `num_labelled` training examples are ever looked at, as many of each class, drawn by
    the training seed and kept with the weights. All other examples are rebuilt from what the encoder says of them.

    References:
        Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644), section 5.

    Arguments:
        spec: what the data are, which have labels.
        num_labelled: number of training examples whose labels are used; null for ten of each class, all where it has
            fewer.
        supervised_weight: weight of the log-likelihood of these labels.
        codes: the prior; its categories are the classes of the data, however many are named.
        aae: how examples are rebuilt, and what judges codes.
        nets: what encoder and decoder are.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data have no labels, categories that are no classes are asked for, or `num_labelled` is no
            multiple of the classes.

    Example:
        >>> model = SemiSupervisedAAE(Spec((1, 8, 8), classes=10))
        >>> model.classify(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, spec: Spec, num_labelled: int | None = None, supervised_weight: float = 1.0,
        codes: CodePrior = CodePrior(), aae: AAESettings = AAESettings(), nets: CoderNets = CoderNets(),  # noqa: B008
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        labelled_count(num_labelled, spec.classes)
        if codes.categories not in (0, spec.classes):
            came = f"categories={codes.categories} came for data of {spec.classes} classes"
            raise ValueError(f"{came}; as many are expected. Leave it out.")
        if not supervised_weight >= 0:
            raise ValueError(f"supervised_weight={supervised_weight} came; at least 0 is expected. Raise it.")
        codes = replace(codes, categories=spec.classes)
        super().__init__(spec, codes, aae, nets, settings)
        self.supervised_weight = supervised_weight
        self.hold_labelled(num_labelled)

    def generator_update(self, real: Batch, fake: Tensor) -> Update:
        """What an adversarial autoencoder descends, and the negative log-likelihood of labels (section 5)."""
        update = super().generator_update(real, fake)
        which = (len(self.labelled_y) * torch.rand(len(real.x), device=self.device)).long()
        told = cross_entropy(self.read(self.labelled_x[which])[1], self.labelled_y[which])
        logs = {**update.logs, "generator/class": told.detach()}
        return Update(update.loss + self.supervised_weight * told, update.parts, logs)

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes)."""
        self.spec.check(x, "SemiSupervisedAAE.classify")
        return self.read(x)[1].log_softmax(1)
