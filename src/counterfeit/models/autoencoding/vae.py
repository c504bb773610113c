"""The variational autoencoder: Gaussian posterior and prior, Bernoulli decoder.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
    beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, Higgins et al., 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.core import Clock, Draw, Model, Spec, Update, check_codes, check_request
from counterfeit.nets.mlp import MLP, Activation

__all__ = ["VAE", "kl_to_standard_normal"]


def kl_to_standard_normal(loc: Tensor, log_scale: Tensor) -> Tensor:
    """KL(N(loc, scale²) || N(0, 1)) in nats, summed over the last dimension: (B, D) -> (B,) (2014, appendix B)."""
    return 0.5 * (loc.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)


def log_normal(z: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """Log N(z; loc, scale²) in nats, summed over the last dimension."""
    return -0.5 * (((z - loc) / log_scale.exp()).square() + 2 * log_scale + math.log(2 * math.pi)).sum(-1)


class VAE(Model):
    """A variational autoencoder for binary data.

    References:
        Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).

    Arguments:
        spec: what the data are; the Bernoulli decoder expects binary values.
        latent_dim: size of the code.
        hidden: sizes of the encoder's hidden layers; the decoder's in reverse.
        activation: of the hidden layers.
        beta: weight of the KL divergence while training; bounds are always reported at 1.
        kl_warmup_fraction: fraction of training over which the weight rises from 0.
        dropout: rates at the encoder's input and at its hidden layers.

    Raises:
        ValueError: where the data are not binary.

    Example:
        >>> VAE(Spec((1, 8, 8), "binary")).elbo(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, latent_dim: int = 16, hidden: tuple[int, ...] = (512,),
        activation: Activation = "relu", beta: float = 1.0, kl_warmup_fraction: float = 0.0,
        dropout: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        if spec.kind != "binary":
            raise ValueError(
                f"the data are of kind {spec.kind!r}; a VAE with a Bernoulli decoder expects binary. "
                "Add `binarize` to data.transforms."
            )
        super().__init__(spec)
        self.encoder = MLP(spec.dims, hidden, 2 * latent_dim, activation, dropout=dropout)
        self.decoder = MLP(latent_dim, hidden[::-1], spec.dims, activation)
        self.latent_dim, self.activation, self.beta, self.kl_warmup_fraction = (
            latent_dim,
            activation,
            beta,
            kl_warmup_fraction,
        )

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """One player: descend the negative bound."""
        x = draw().x
        loc, log_scale = self.posterior(x)
        reconstruction = self._log_likelihood(x, _reparameterize(loc, log_scale)).mean()
        kl = kl_to_standard_normal(loc, log_scale).mean()
        rise = min(1.0, (clock.step + 1) / (self.kl_warmup_fraction * clock.steps)) if self.kl_warmup_fraction else 1.0
        logs = {"loss": kl - reconstruction, "kl": kl, "reconstruction": reconstruction}
        yield Update(self.beta * rise * kl - reconstruction, logs={k: v.detach() for k, v in logs.items()})

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x), (B, latent) each."""
        return self.encoder(x).chunk(2, dim=1)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x | z) in nats, (B,)."""
        logits = self.decoder(z)
        return -binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(1)

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound with the closed-form KL and one sample of the posterior, nats, (B,) (2014, eq. 10)."""
        self.spec.check(x, "VAE.elbo")
        loc, log_scale = self.posterior(x)
        return self._log_likelihood(x, _reparameterize(loc, log_scale)) - kl_to_standard_normal(loc, log_scale)

    def iwae(self, x: Tensor, k: int) -> Tensor:
        """Importance-weighted bound with `k` samples of the posterior, nats, (B,) (Burda et al., eq. 8)."""
        self.spec.check(x, "VAE.iwae")
        if k < 1:
            raise ValueError(f"k={k} came; at least one importance sample is expected. Ask for k >= 1.")
        loc, log_scale = (t.repeat_interleave(k, 0) for t in self.posterior(x))  # (B k, latent)
        z = _reparameterize(loc, log_scale)
        log_w = self._log_likelihood(x.repeat_interleave(k, 0), z) - log_normal(z, loc, log_scale)
        log_w = log_w + log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
        return log_w.view(-1, k).logsumexp(1) - math.log(k)

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes, (n, latent)."""
        check_request(n)
        return torch.randn(n, self.latent_dim, device=self.device)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the posterior, (B, latent)."""
        self.spec.check(x, "VAE.encode")
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x | z) in [0, 1], (B, *shape)."""
        check_codes(z, self.latent_dim)
        return self.decoder(z).sigmoid().unflatten(1, self.spec.shape)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` binary examples, (n, *shape) in {0, 1}; `decode(prior(n))` gives their means."""
        check_request(n, y)
        mean = self.decode(self.prior(n))
        return (torch.rand_like(mean) < mean).to(mean.dtype)


def _reparameterize(loc: Tensor, log_scale: Tensor) -> Tensor:
    return loc + log_scale.exp() * torch.randn_like(loc)
