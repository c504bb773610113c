"""A recurrent language model: each token of a text given those before it.

References:
    Recurrent Neural Network Based Language Model, Mikolov, Karafiát, Burget, Černocký & Khudanpur, 2010.
    Generating Sentences from a Continuous Space, Bowman et al., 2016 (arXiv 1511.06349): its baseline.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Kind, Model, Spec, Update, check_request
from counterfeit.models.autoregressive.shared.recurrent import RecurrentSettings, TextDecoder, draw_text, text_log_prob

__all__ = ["SentenceRNN"]


class SentenceRNN(Model):
    """A recurrent language model: p(x) = Π p(x_t | x before t), with the end of the text as its last token.

    References:
        Recurrent Neural Network Based Language Model, Mikolov et al., 2010.

    Arguments:
        spec: what the data are; tokens.
        nets: sizes of the net.

    Example:
        >>> model = SentenceRNN(Spec((5,), "tokens", vocabulary=("<unk>", "a", "cat")))
        >>> model.log_prob(torch.tensor([[2.0, 3.0, 0.0, 0.0, 0.0]])).shape
        torch.Size([1])
    """

    kinds: tuple[Kind, ...] = ("tokens",)
    levels = True

    def __init__(self, spec: Spec, nets: RecurrentSettings = RecurrentSettings()) -> None:  # noqa: B008
        super().__init__(spec)
        self.nets = nets
        self.decoder = TextDecoder(spec, nets)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player: descend the negative log-likelihood."""
        loss = -self._log_prob(draw().x).mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def _log_prob(self, x: Tensor) -> Tensor:
        return text_log_prob(self.decoder(self.decoder.shifted(x))[0], x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood in nats, (B,)."""
        self.spec.check(x, "SentenceRNN.log_prob")
        return self._log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` texts, (n, T), one token after another."""
        check_request(n, y)
        return draw_text(self.decoder, n, self.spec.dims)
