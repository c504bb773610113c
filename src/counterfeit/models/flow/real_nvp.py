"""Real NVP: affine couplings, of images at several scales.

References:
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.flow.shared.coupling import vector_couplings
from counterfeit.models.flow.shared.elementwise import ScaleShift
from counterfeit.models.flow.shared.layers import Layer, Norm
from counterfeit.models.flow.shared.model import Flow
from counterfeit.models.flow.shared.multi_scale import ImageCouplings, MultiScale

__all__ = ["RealNVP"]


class RealNVP(Flow):
    """Affine couplings between data and noise, whose nets are perceptrons for vectors and convolutions for images.

    References:
        Density Estimation Using Real NVP, Dinh et al., 2017 (arXiv 1605.08803).

    Arguments:
        spec: what the data are: real values, as vectors of two dimensions or more or as images.
        hidden: sizes of each coupling's hidden layers, for vectors.
        couplings: how many, at least 2, for vectors.
        scale_bound: of the logarithm of each scale, which grows without end otherwise.
        norm: after each coupling: none, batch or actnorm.
        conditional: whether the nets see the label, and `sample` takes one.
        images: scales and nets of images.

    Raises:
        ValueError: where data are not real values of two dimensions or more, or a setting is out of range.

    Example:
        >>> RealNVP(Spec((1, 8, 8), "real"), images=ImageCouplings(4, 1)).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (128, 128), couplings: int = 8, scale_bound: float = 2.0,
        norm: Norm = "none", conditional: bool = False, images: ImageCouplings = ImageCouplings(),  # noqa: B008
    ) -> None:  # fmt: skip
        move, layers, classes = ScaleShift(scale_bound), list[Layer](), spec.classes if conditional else 0
        if pictures := len(spec.shape) == 3:
            layers.append(MultiScale(spec.shape, images, move, norm, classes))
        else:
            layers += vector_couplings(spec.dims, couplings, hidden, move, norm, classes)
        super().__init__(spec, layers, images=pictures, conditional=conditional)
        self.norm = norm
