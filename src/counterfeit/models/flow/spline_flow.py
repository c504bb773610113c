"""Neural spline flows: couplings that move values along monotone splines.

References:
    Neural Spline Flows, Durkan, Bekasov, Murray & Papamakarios, 2019 (arXiv 1906.04032).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.flow.shared.coupling import vector_couplings
from counterfeit.models.flow.shared.elementwise import Spline
from counterfeit.models.flow.shared.layers import Norm
from counterfeit.models.flow.shared.model import Flow

__all__ = ["SplineFlow"]


class SplineFlow(Flow):
    """Couplings that move values along monotone rational-quadratic splines, and not at all far outside.

    References:
        Neural Spline Flows, Durkan et al., 2019 (arXiv 1906.04032).

    Arguments:
        spec: what the data are: real values of two dimensions or more.
        hidden: sizes of each coupling's hidden layers.
        couplings: how many, at least 2.
        bins: pieces of each spline.
        tail: where splines end and the identity begins, in standard deviations of the data.
        norm: between couplings: none, batch or actnorm.
        conditional: whether the nets see the label, and `sample` takes one.

    Raises:
        ValueError: where data are not real values of two dimensions or more, or a setting is out of range.

    Example:
        >>> import torch
        >>> SplineFlow(Spec((2,), "real")).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (64, 64), couplings: int = 6, bins: int = 8, tail: float = 4.0,
        norm: Norm = "none", conditional: bool = False,
    ) -> None:  # fmt: skip
        classes = spec.classes if conditional else 0
        layers = vector_couplings(spec.dims, couplings, hidden, Spline(bins, tail), norm, classes)
        super().__init__(spec, layers, conditional=conditional)
        self.norm = norm
