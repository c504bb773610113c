"""Masked autoregressive flows: layers of Gaussian conditionals, each of which explains the noise of the one before.

References:
    Masked Autoregressive Flow for Density Estimation, Papamakarios, Pavlakou & Murray, 2017 (arXiv 1705.07057).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.flow.shared.bases import mixture_base
from counterfeit.models.flow.shared.masked import MaskedSettings
from counterfeit.models.flow.shared.model import Flow

__all__ = ["MAF"]


class MAF(Flow):
    """Masked autoregressive layers: likelihoods in one pass, samples value after value.

    References:
        Masked Autoregressive Flow for Density Estimation, Papamakarios et al., 2017 (arXiv 1705.07057).

    Arguments:
        spec: what the data are; real values.
        components: Gaussians in each conditional of the base; a standard normal base where 1.
        settings: layers and their nets.

    Raises:
        ValueError: where data are not real values, or no layer or component is asked for.

    Example:
        >>> import torch
        >>> MAF(Spec((3,), "real")).log_prob(torch.zeros(2, 3)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, components: int = 1, settings: MaskedSettings = MaskedSettings()  # noqa: B008
    ) -> None:  # fmt: skip
        if components < 1:
            raise ValueError(f"components={components} came; at least one Gaussian is expected. The paper takes 10.")
        layers = [part for layer, after in settings.build(spec) for part in (layer, *after)]
        last = settings.conditioner(spec, settings.layers, 3 * components) if components > 1 else None
        super().__init__(
            spec, layers, mixture_base(last, components) if last else None, conditional=settings.conditional
        )
        self.settings = settings
        self.one_by_one = spec.dims * (settings.layers + (components > 1))
