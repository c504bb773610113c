"""The variational autoencoder: Gaussian posterior and prior, and a decoder for binary, 8-bit or real values.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
    beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, Higgins et al., 2017.
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Model, Spec, Update, check_codes, check_request
from counterfeit.likelihoods import LikelihoodName
from counterfeit.likelihoods import likelihood as choose
from counterfeit.nets.coder import CoderNets

__all__ = ["VAE", "KLSettings", "kl_to_standard_normal"]


def kl_to_standard_normal(loc: Tensor, log_scale: Tensor) -> Tensor:
    """KL(N(loc, scale²) || N(0, 1)) in nats of each code's dimension: (B, D) -> (B, D) (2014, appendix B)."""
    return 0.5 * (loc.square() + (2 * log_scale).exp() - 1 - 2 * log_scale)


def log_normal(z: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """Log N(z; loc, scale²) in nats, summed over the last dimension."""
    return -0.5 * (((z - loc) / log_scale.exp()).square() + 2 * log_scale + math.log(2 * math.pi)).sum(-1)


@dataclass(frozen=True)
class KLSettings:
    """How the KL divergence counts while training; bounds are always reported whole.

    Arguments:
        beta: its weight (Higgins et al., 2017).
        kl_warmup_fraction: fraction of training over which the weight rises from 0.
        free_bits: nats of each dimension of the code, averaged over a minibatch, that cost nothing (Kingma et al.,
            2016, section C.8), so that dimensions are not given up before they learn.
    """

    beta: float = 1.0
    kl_warmup_fraction: float = 0.0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        if min(self.beta, self.free_bits) < 0 or not 0 <= self.kl_warmup_fraction <= 1:
            came = f"beta={self.beta}, free_bits={self.free_bits}, kl_warmup_fraction={self.kl_warmup_fraction} came"
            raise ValueError(f"{came}; at least 0, and a fraction between 0 and 1, are expected. Correct them.")

    def cost(self, kl: Tensor, clock: Clock) -> Tensor:
        """What is descended for a minibatch's divergences, (B, D), in nats an example."""
        rise = min(1.0, (clock.step + 1) / (self.kl_warmup_fraction * clock.steps)) if self.kl_warmup_fraction else 1.0
        return self.beta * rise * kl.mean(0).clamp(min=self.free_bits).sum()


class VAE(Model):
    """A variational autoencoder.

    References:
        Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).

    Arguments:
        spec: what the data are.
        latent_dim: size of the code.
        likelihood: of data given a code: bernoulli for binary data; for pictures the discretized logistic, categorical
            (256 free probabilities of a value) or gaussian; for real values gaussian or student; auto: the first.
        nets: what encoder and decoder are.
        kl: how the KL divergence counts while training.

    Raises:
        ValueError: where the likelihood does not suit the data.

    Example:
        >>> VAE(Spec((1, 8, 8), "binary")).elbo(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, latent_dim: int = 16, likelihood: LikelihoodName = "auto", nets: CoderNets = CoderNets(),  # noqa: B008
        kl: KLSettings = KLSettings(),
    ) -> None:  # fmt: skip
        super().__init__(spec)
        self.latent_dim, self.likelihood, self.nets, self.kl = latent_dim, likelihood, nets, kl
        self.p = choose(spec, likelihood)
        self.levels = self.p.levels
        self.encoder = nets.encoder(spec, 2 * latent_dim)
        self.decoder = nets.decoder(spec, latent_dim, self.p.parameters)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """One player: descend the negative bound."""
        x = draw().x
        loc, log_scale = self.posterior(x)
        reconstruction = self._log_likelihood(x, _reparameterize(loc, log_scale)).mean()
        kl = kl_to_standard_normal(loc, log_scale)
        whole = kl.sum(1).mean()
        logs = {"loss": whole - reconstruction, "kl": whole, "reconstruction": reconstruction}
        yield Update(self.kl.cost(kl, clock) - reconstruction, logs={k: v.detach() for k, v in logs.items()})

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x), (B, latent) each."""
        return self.encoder(x).chunk(2, dim=1)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x | z) in nats, (B,)."""
        return self.p.of_examples(x, self.decoder(z))

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound with the closed-form KL and one sample of the posterior, nats, (B,) (2014, eq. 10)."""
        self.spec.check(x, "VAE.elbo")
        loc, log_scale = self.posterior(x)
        return self._log_likelihood(x, _reparameterize(loc, log_scale)) - kl_to_standard_normal(loc, log_scale).sum(1)

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
        """Mean of p(x | z), (B, *shape)."""
        check_codes(z, self.latent_dim)
        return self._within(self.p.mean(self.decoder(z)))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape); `decode(prior(n))` gives their means."""
        check_request(n, y)
        return self._within(self.p.sample(self.decoder(self.prior(n))))

    def _within(self, x: Tensor) -> Tensor:
        """Within the range of the data, which a Gaussian does not know."""
        return x.clamp(0, 1) if self.spec.bounded else x


def _reparameterize(loc: Tensor, log_scale: Tensor) -> Tensor:
    return loc + log_scale.exp() * torch.randn_like(loc)
