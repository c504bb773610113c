"""The adversarial autoencoder that sorts data into categories that nobody named.

References:
    Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644), section 6.
"""

from __future__ import annotations

from torch import Tensor

from counterfeit.core import Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.autoencoding.aae import AAE, AAESettings
from counterfeit.models.autoencoding.shared.priors import CodePrior
from counterfeit.nets.coder import CoderNets

__all__ = ["ClusteringAAE"]


class ClusteringAAE(AAE):
    """An adversarial autoencoder whose codes are a category and a style, which sorts data without labels.

    References:
        Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644), section 6.

    Arguments:
        spec: what the data are.
        codes: the prior, of at least 2 categories.
        aae: how examples are rebuilt, and what judges codes.
        nets: what encoder and decoder are.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where there are no categories, or what `AAE` refuses comes.

    Example:
        >>> model = ClusteringAAE(Spec((1, 8, 8)))
        >>> model.cluster(model.sample(2)).shape
        torch.Size([2, 16])
    """

    def __init__(
        self, spec: Spec, codes: CodePrior = CodePrior(categories=16), aae: AAESettings = AAESettings(),  # noqa: B008
        nets: CoderNets = CoderNets(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not codes.categories:
            raise ValueError("categories=0 came; at least 2 are expected of what sorts data. Raise it, or take aae.")
        super().__init__(spec, codes, aae, nets, settings)

    def cluster(self, x: Tensor) -> Tensor:
        """Log-probability of each category in nats, (B, categories)."""
        self.spec.check(x, "ClusteringAAE.cluster")
        return self.read(x)[1].log_softmax(1)
