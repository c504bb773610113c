"""Autoregressive models with a chain for each label, or for each second series."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Spec, check_labels, check_request, check_series, check_told, labels_seen
from counterfeit.models.autoregressive.shared.chain import Chain, draw
from counterfeit.models.autoregressive.shared.model import Autoregressive

__all__ = ["LabelledAutoregressive"]


KEPT = 16  # series of training data, evenly spaced


class LabelledAutoregressive(Autoregressive):
    """One chain, or one given each label: then log p(x) = log Σ p(y) p(x | y), with labels as frequent as in training.

    Where data have a second series in place of labels, there is a chain for each of some that training showed, and the
    sum goes over these, all alike.

    Subclasses implement `given`.

    Arguments:
        spec: what the data are.
        conditional: whether there is a chain for each label, or for each series.

    Raises:
        ValueError: where the data have neither and the model is conditional.
    """

    frequencies: Tensor
    kept: Tensor

    def __init__(self, spec: Spec, conditional: bool) -> None:
        self.series = conditional and bool(spec.series)
        labels = labels_seen(spec, conditional and not self.series)
        super().__init__(spec)
        self.conditional, self.labels = conditional, labels
        self.chains = self.weighed = KEPT if self.series else max(1, self.labels)
        if self.series:
            self.register_buffer("kept", torch.zeros(KEPT, *spec.series))
        self.register_buffer("frequencies", torch.full((self.chains,), 1 / self.chains))

    @abstractmethod
    def given(self, y: Tensor | None) -> Chain:
        """The conditionals of examples of the labels or series `y`, (n, …), or (1, …) for all; None without any."""

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how frequent labels are, or keep some series."""
        y = self.checked(data.y, len(data.x))
        if y is not None and self.series:
            self.kept.copy_(y[torch.arange(KEPT, device=y.device) * len(y) // KEPT])
        elif y is not None:
            self.frequencies.copy_(torch.bincount(y, minlength=self.labels) / len(y))

    @property
    def log_weights(self) -> Tensor:
        """Logarithms of the frequencies of labels, or of kept series, (chains,)."""
        return self.frequencies.log()

    def chain(self, k: int) -> Chain:
        """The conditionals given label number `k`, or kept series number `k`, or the only ones."""
        if self.series:
            return self.given(self.kept[k : k + 1])
        return self.given(torch.full((1,), k, device=self.device) if self.labels else None)

    def training_log_prob(self, batch: Batch, clock: Clock) -> Tensor:  # noqa: ARG002
        """The log-likelihood given the label or series, where the model is conditional, (B,)."""
        return self.given(self.checked(batch.y, len(batch.x), values=False)).log_prob(batch.x.flatten(1))

    def log_prob_given(self, x: Tensor, y: Tensor) -> Tensor:
        """Exact log-likelihood in nats given labels, int64 (B,), or series, (B, C, frames): (B,).

        Raises:
            ValueError: where the model is told neither, or `y` is no such thing.
        """
        self.spec.check(x, f"{type(self).__name__}.log_prob_given")
        check_told(self)
        return self.given(self.checked(y, len(x))).log_prob(x.flatten(1))

    def checked(self, y: Tensor | None, n: int, values: bool = True) -> Tensor | None:
        """The labels or series of `n` examples on the model's device, where it is told some, or a ValueError."""
        if self.series:
            return check_series(y, n, self.spec, values).to(self.device)
        return check_labels(y, n, self.labels, values).to(self.device) if self.labels else None

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), of the labels or series `y`, (n, …), where there are some and they are given.

        Else they are of labels as frequent as in training, or of series that it showed.
        """
        check_request(n, None if self.conditional else y)
        if self.conditional and y is None:
            y = torch.multinomial(self.frequencies, n, replacement=True)
            y = self.kept[y] if self.series else y
        return draw(self.given(self.checked(y, n)), n).unflatten(1, self.spec.shape)
