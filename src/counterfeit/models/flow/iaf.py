"""Inverse autoregressive flows: a masked autoregressive flow the other way round.

Each value of the data depends on the noise before it, and not on the values before it, so that all of them are drawn at
once; the noise of given data is found value after value.

References:
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.flow.shared.layers import Inverse, Layer
from counterfeit.models.flow.shared.masked import MaskedSettings
from counterfeit.models.flow.shared.model import Flow

__all__ = ["IAF"]


class IAF(Flow):
    """Inverse autoregressive layers: samples in one pass, likelihoods value after value.

    The paper makes posteriors of variational autoencoders more flexible by such layers, of which only samples and their
    own likelihoods are asked, and both come in one pass.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
        Masked Autoregressive Flow for Density Estimation, Papamakarios et al., 2017 (arXiv 1705.07057), section 3.2.

    Arguments:
        spec: what the data are; real values of few dimensions, since a step of training takes a pass for each.
        settings: layers and their nets.

    Raises:
        ValueError: where data are not real values, or no layer is asked for.

    Example:
        >>> IAF(Spec((3,), "real")).sample(2).shape
        torch.Size([2, 3])
    """

    def __init__(self, spec: Spec, settings: MaskedSettings = MaskedSettings()) -> None:  # noqa: B008
        layers = list[Layer]()
        for layer, after in settings.build(spec):
            layers += [Inverse(layer), *after]
        super().__init__(spec, layers, conditional=settings.conditional)
        self.settings = settings
