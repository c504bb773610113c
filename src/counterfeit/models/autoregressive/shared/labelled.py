"""Autoregressive models with a chain for each label."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Spec, check_labels, check_request, labels_seen
from counterfeit.models.autoregressive.shared.chain import Chain, draw
from counterfeit.models.autoregressive.shared.model import Autoregressive

__all__ = ["LabelledAutoregressive"]


class LabelledAutoregressive(Autoregressive):
    """One chain, or one given each label: then log p(x) = log Σ p(y) p(x | y), with labels as frequent as in training.

    Subclasses implement `given`.

    Arguments:
        spec: what the data are.
        conditional: whether there is a chain for each label.

    Raises:
        ValueError: where the data have no labels and the model is conditional.
    """

    frequencies: Tensor

    def __init__(self, spec: Spec, conditional: bool) -> None:
        labels = labels_seen(spec, conditional)
        super().__init__(spec)
        self.conditional, self.labels = conditional, labels
        self.chains = self.weighed = max(1, self.labels)
        self.register_buffer("frequencies", torch.full((self.chains,), 1 / self.chains))

    @abstractmethod
    def given(self, y: Tensor | None) -> Chain:
        """The conditionals of examples of the labels `y`, int64 (n,), or (1,) for all; None where there are none."""

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how frequent labels are."""
        if self.labels:
            y = check_labels(data.y, len(data.x), self.labels)
            self.frequencies.copy_(torch.bincount(y, minlength=self.labels) / len(y))

    @property
    def log_weights(self) -> Tensor:
        """Logarithms of the labels' frequencies, (labels,)."""
        return self.frequencies.log()

    def chain(self, k: int) -> Chain:
        """The conditionals given label number `k`, or the only ones."""
        return self.given(torch.full((1,), k, device=self.device) if self.labels else None)

    def training_log_prob(self, batch: Batch, clock: Clock) -> Tensor:  # noqa: ARG002
        """The log-likelihood given the label, where the model is conditional, (B,)."""
        y = check_labels(batch.y, len(batch.x), self.labels, values=False) if self.labels else None
        return self.given(y).log_prob(batch.x.flatten(1))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), of the labels `y`, (n,), where there are labels and they are given."""
        check_request(n, None if self.labels else y)
        if self.labels:
            y = torch.multinomial(self.frequencies, n, replacement=True) if y is None else y
            y = check_labels(y, n, self.labels).to(self.device)
        return draw(self.given(y), n).unflatten(1, self.spec.shape)
