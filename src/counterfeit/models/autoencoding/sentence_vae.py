"""A variational autoencoder of sentences: one code for a whole text, which a recurrent decoder writes.

References:
    Generating Sentences from a Continuous Space, Bowman, Vilnis, Vinyals, Dai, Jozefowicz & Bengio, 2016
        (arXiv 1511.06349).
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Kind, Model, Spec, Update, check_codes, check_request
from counterfeit.models.autoencoding.shared.posterior import Posterior, PosteriorFlow, log_standard_normal
from counterfeit.models.autoencoding.vae import KLSettings
from counterfeit.models.autoregressive.shared.recurrent import (
    RecurrentSettings,
    TextDecoder,
    TextEncoder,
    draw_text,
    text_log_prob,
)

__all__ = ["SentenceVAE"]


class SentenceVAE(Model):
    """A variational autoencoder of sentences.

    A recurrent decoder can predict a text from its own earlier words, and then leaves the code unused: the divergence
    of the posterior from the prior vanishes. Three things keep the code in use: words that training hides from the
    decoder, a weight of the divergence that rises from 0, and nats of it that cost nothing (`kl`).

    References:
        Generating Sentences from a Continuous Space, Bowman et al., 2016 (arXiv 1511.06349).

    Arguments:
        spec: what the data are; tokens.
        latent_dim: size of the code.
        word_dropout: share of the words before the next one that training replaces by the unknown word (section 3.1).
        nets: sizes of encoder and decoder.
        kl: how the divergence counts while training.

    Raises:
        ValueError: where `word_dropout` is no share.

    Example:
        >>> model = SentenceVAE(Spec((5,), "tokens", vocabulary=("<unk>", "a", "cat")))
        >>> model.elbo(torch.tensor([[2.0, 3.0, 0.0, 0.0, 0.0]])).shape
        torch.Size([1])
    """

    kinds: tuple[Kind, ...] = ("tokens",)
    levels = True

    def __init__(
        self, spec: Spec, latent_dim: int = 16, word_dropout: float = 0.25,
        nets: RecurrentSettings = RecurrentSettings(), kl: KLSettings = KLSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not 0 <= word_dropout <= 1:
            raise ValueError(f"word_dropout={word_dropout} came; a share from 0 to 1 is expected. Correct it.")
        super().__init__(spec)
        self.latent_dim, self.word_dropout, self.nets, self.kl = latent_dim, word_dropout, nets, kl
        self.undivided = ("model.free_bits",) if kl.free_bits else ()
        self.q = Posterior(latent_dim, PosteriorFlow())
        self.encoder = TextEncoder(spec, nets, 2 * latent_dim)
        self.decoder = TextDecoder(spec, nets, latent_dim)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """One player: descend the negative bound."""
        x = draw().x
        code = self.q.draw(self.encoder(x))
        reconstruction = self._log_likelihood(x, code.z, self.word_dropout).mean()
        kl = code.kl.sum(1).mean()
        logs = {"loss": kl - reconstruction, "kl": kl, "reconstruction": reconstruction}
        yield Update(self.kl.cost(code.kl, clock) - reconstruction, logs={k: v.detach() for k, v in logs.items()})

    def _log_likelihood(self, x: Tensor, z: Tensor, word_dropout: float = 0.0) -> Tensor:
        """Log p(x | z) in nats, (B,)."""
        return text_log_prob(self.decoder(self.decoder.shifted(x, word_dropout), z)[0], x)

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound with one sample of the posterior, nats, (B,)."""
        self.spec.check(x, "SentenceVAE.elbo")
        code = self.q.draw(self.encoder(x))
        return self._log_likelihood(x, code.z) - code.kl.sum(1)

    def iwae(self, x: Tensor, k: int) -> Tensor:
        """Importance-weighted bound with `k` samples of the posterior, nats, (B,) (Burda et al., eq. 8)."""
        self.spec.check(x, "SentenceVAE.iwae")
        if k < 1:
            raise ValueError(f"k={k} came; at least one importance sample is expected. Ask for k >= 1.")
        code = self.q.draw(self.encoder(x).repeat_interleave(k, 0))  # (B k, latent)
        log_p = self._log_likelihood(x.repeat_interleave(k, 0), code.z) + log_standard_normal(code.z).sum(1)
        return (log_p - code.log_q.sum(1)).view(-1, k).logsumexp(1) - math.log(k)

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes, (n, latent)."""
        check_request(n)
        return torch.randn(n, self.latent_dim, device=self.device)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the posterior, (B, latent)."""
        self.spec.check(x, "SentenceVAE.encode")
        return self.q.center(self.encoder(x)).z

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """The text that each code stands for, token by token the likeliest one, (B, T)."""
        check_codes(z, self.latent_dim)
        return draw_text(self.decoder, len(z), self.spec.dims, z.float(), likeliest=True)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` texts, (n, T); `decode(prior(n))` gives the likeliest of each code."""
        check_request(n, y)
        return draw_text(self.decoder, n, self.spec.dims, self.prior(n))
