"""NICE: additive couplings, which keep volumes, and one scaling of each dimension.

References:
    NICE: Non-linear Independent Components Estimation, Dinh, Krueger & Bengio, 2015 (arXiv 1410.8516).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from counterfeit.core import Spec
from counterfeit.models.flow.shared.bases import StandardLogistic, StandardNormal
from counterfeit.models.flow.shared.coupling import vector_couplings
from counterfeit.models.flow.shared.elementwise import Shift, soft_clamp
from counterfeit.models.flow.shared.layers import Layer
from counterfeit.models.flow.shared.model import Flow

__all__ = ["NICE"]

BOUND = 6.0  # of the logarithm of a dimension's scale


class Scaling(Layer):
    """z = exp(s) h, which lets dimensions matter more or less (section 3.3)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dims))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, (B, D)."""
        s = soft_clamp(self.log_scale, BOUND)
        return x * s.exp(), s.sum().expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Scale back."""
        return y * (-soft_clamp(self.log_scale, BOUND)).exp()


class NICE(Flow):
    """Additive couplings between data and noise, which keep volumes, and one scaling of each dimension.

    References:
        NICE: Non-linear Independent Components Estimation, Dinh et al., 2015 (arXiv 1410.8516).

    Arguments:
        spec: what the data are: real values of two dimensions or more.
        hidden: sizes of each coupling's hidden layers.
        couplings: how many, at least 2; the paper takes 4.
        base: distribution of the noise; the paper takes the logistic one for MNIST.
        conditional: whether the nets see the label, and `sample` takes one.

    Raises:
        ValueError: where data are not real values of two dimensions or more.

    Example:
        >>> NICE(Spec((2,), "real")).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (128, 128), couplings: int = 4,
        base: Literal["gaussian", "logistic"] = "gaussian", conditional: bool = False,
    ) -> None:  # fmt: skip
        layers = vector_couplings(spec.dims, couplings, hidden, Shift(), "none", spec.classes if conditional else 0)
        noise = StandardLogistic() if base == "logistic" else StandardNormal()
        super().__init__(spec, [*layers, Scaling(spec.dims)], noise, conditional=conditional)
