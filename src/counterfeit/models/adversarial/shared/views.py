"""Classes that nobody names, as what two views of an image have in common.

References:
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from counterfeit.losses import iic_loss
from counterfeit.nets.augment import Augmentation, augment

__all__ = ["Views"]


@dataclass(frozen=True)
class Views:
    """How another view of an image is made, and what its class weighs.

    Arguments:
        iic_weight: weight of invariance, the information that the classes of two views of an image share.
        view_augmentations: random changes that make the other view: flip, color, translation, cutout, affine.

    Raises:
        ValueError: where the weight is negative.
    """

    iic_weight: float = 0.0
    view_augmentations: tuple[Augmentation, ...] = ()

    def __post_init__(self) -> None:
        if not self.iic_weight >= 0:
            raise ValueError(f"iic_weight={self.iic_weight} came; at least 0 is expected. Raise it.")

    def undivided(self) -> tuple[str, ...]:
        """Settings by which a loss is of a whole minibatch."""
        return ("model.iic_weight",) if self.iic_weight else ()

    def other(self, x: Tensor) -> Tensor:
        """Another view of images `x`, (B, C, H, W)."""
        return augment(x, self.view_augmentations)

    def loss(self, one: Tensor, other: Tensor) -> Tensor:
        """The weighted loss of the logits of the classes of two views, (B, K) each, scalar (Ji et al., eq. 3)."""
        return self.iic_weight * iic_loss(one.softmax(1), other.softmax(1))
