"""The variational autoencoder: a Gaussian or more flexible posterior, and a decoder for binary, 8-bit or real values.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Stochastic Backpropagation and Approximate Inference in Deep Generative Models, Rezende, Mohamed & Wierstra, 2014
        (arXiv 1401.4082).
    Learning Structured Output Representation using Deep Conditional Generative Models, Sohn, Lee & Yan, 2015.
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
    beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, Higgins et al., 2017.
    Leveraging the Exact Likelihood of Deep Latent Variable Models, Mattei & Frellsen, 2018 (arXiv 1802.04826).
    MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets, Mattei & Frellsen, 2019 (arXiv 1812.02633).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from counterfeit.core import Clock, Draw, Model, Spec, Update, check_codes, check_labels, check_request, labels_seen
from counterfeit.likelihoods import LikelihoodName
from counterfeit.likelihoods import likelihood as choose
from counterfeit.models.autoencoding.shared.posterior import (
    Posterior,
    PosteriorFlow,
    kl_to_standard_normal,
    log_normal,
    log_standard_normal,
)
from counterfeit.nets.coder import CoderNets
from counterfeit.nets.masks import check_mask

__all__ = ["VAE", "KLSettings", "MissingSettings", "kl_to_standard_normal", "log_normal"]


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
        kl = kl.mean(0).clamp(min=self.free_bits) if self.free_bits else kl.mean(0)  # an estimate may be negative
        return self.beta * rise * kl.sum()


@dataclass(frozen=True)
class MissingSettings:
    """What is done about values that are missing.

    Arguments:
        missing_fraction: of each example, pixel by pixel, that training hides: the encoder sees 0 in its place, and the
            likelihood is of the rest alone (Mattei & Frellsen, 2019).
        gibbs_steps: of a completion that come first and take every code the encoder proposes (Rezende et al., 2014).
        metropolis_steps: that follow, and take it as often as is exact (Mattei & Frellsen, 2018).

    Raises:
        ValueError: where there is no such fraction, or no step.
    """

    missing_fraction: float = 0.0
    gibbs_steps: int = 20
    metropolis_steps: int = 80

    def __post_init__(self) -> None:
        if not 0 <= self.missing_fraction < 1:
            raise ValueError(f"missing_fraction={self.missing_fraction} came; 0 to less than 1 is expected. Lower it.")
        if min(self.gibbs_steps, self.metropolis_steps) < 0 or not self.gibbs_steps + self.metropolis_steps:
            came = f"gibbs_steps={self.gibbs_steps} and metropolis_steps={self.metropolis_steps} came"
            raise ValueError(f"{came}; at least 0 of each, and at least one step, are expected. Raise them.")

    def seen(self, x: Tensor) -> Tensor:
        """1 where an example is seen in training and 0 where it is hidden, drawn for `x`, (B, *shape), to multiply it.

        A pixel is hidden in all channels.
        """
        if not self.missing_fraction:
            return torch.ones_like(x[:1])
        return (torch.rand_like(x[:, :1] if x.ndim == 4 else x) >= self.missing_fraction).to(x.dtype)


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
        flow: what the posterior is beside Gaussian.
        missing: what is done about values that are missing.
        conditional: whether encoder and decoder see the label, and `sample` takes one (Sohn, Lee & Yan, 2015).

    Raises:
        ValueError: where the likelihood does not suit the data, or they have no labels and the model is conditional.

    Example:
        >>> VAE(Spec((1, 8, 8), "binary")).elbo(torch.ones(2, 1, 8, 8)).shape
        torch.Size([2])
    """

    shows_samples = True

    def __init__(
        self, spec: Spec, latent_dim: int = 16, likelihood: LikelihoodName = "auto", nets: CoderNets = CoderNets(),  # noqa: B008
        kl: KLSettings = KLSettings(), flow: PosteriorFlow = PosteriorFlow(),  # noqa: B008
        missing: MissingSettings = MissingSettings(), conditional: bool = False,
    ) -> None:  # fmt: skip
        labels = labels_seen(spec, conditional)
        super().__init__(spec)
        self.latent_dim, self.likelihood, self.nets, self.kl = latent_dim, likelihood, nets, kl
        self.flow, self.missing, self.conditional = flow, missing, conditional
        self.labels = labels
        self.undivided = ("model.free_bits",) if kl.free_bits else ()
        self.p, self.q = choose(spec, likelihood), Posterior(latent_dim, flow)
        self.levels = self.p.levels
        self.encoder = nets.encoder(spec, flow.outputs(latent_dim), self.labels)
        self.decoder = nets.decoder(spec, latent_dim + self.labels, self.p.parameters)
        self.label_logits = nn.Parameter(torch.zeros(self.labels)) if conditional else None

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """One player: descend the negative bound, of p(x, y) where the model is conditional."""
        batch = draw()
        y, seen = batch.labels if self.labels else None, self.missing.seen(batch.x)
        code = self.q.draw(self._encoder_says(batch.x * seen, y))
        log_p = self.p.log_prob(batch.x, self._decoder_says(code.z, y)) * seen
        reconstruction, whole = log_p.flatten(1).sum(1).mean(), code.kl.sum(1).mean()
        logs = {"loss": whole - reconstruction, "kl": whole, "reconstruction": reconstruction}
        loss = self.kl.cost(code.kl, clock) - reconstruction
        if self.label_logits is not None and y is not None:
            loss = loss - self.label_logits.log_softmax(0)[y].mean()
        yield Update(loss, logs={k: v.detach() for k, v in logs.items()})

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the Gaussian in q(z | x), or q(z | x, y), (B, latent) each."""
        loc, log_scale = self._encoder_says(x, y)[:, : 2 * self.latent_dim].chunk(2, dim=1)
        return loc, log_scale

    def _encoder_says(self, x: Tensor, y: Tensor | None) -> Tensor:
        """What the posterior is made of, (B, outputs)."""
        return self.encoder(x) if y is None else self.encoder(x, y)

    def _decoder_says(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Parameters of p(x | z), or p(x | z, y), (B, *shape, parameters)."""
        return self.decoder(z if y is None else torch.cat([z, one_hot(y, self.labels).to(z.dtype)], 1))

    def _log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        """Log p(x | z), or log p(x | z, y), in nats, (B,)."""
        return self.p.of_examples(x, self._decoder_says(z, y))

    def elbo(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Evidence lower bound with one sample of the posterior, nats, (B,) (2014, eq. 10).

        Of log p(x), or of log p(x | y) of the labels `y`, (B,), where the model is conditional and they are given.
        Without them it is the importance-weighted bound with one sample for each label, whose probabilities it sums.
        """
        self.spec.check(x, "VAE.elbo")
        if self.labels and y is None:
            return self._of_all_labels(x, 1)
        y = self._checked(y, len(x))
        code = self.q.draw(self._encoder_says(x, y))
        return self._log_likelihood(x, code.z, y) - code.kl.sum(1)

    def iwae(self, x: Tensor, k: int, y: Tensor | None = None) -> Tensor:
        """Importance-weighted bound with `k` samples of the posterior, nats, (B,) (Burda et al., eq. 8).

        Of log p(x), or of log p(x | y) of the labels `y`, (B,), where the model is conditional and they are given;
        without them with `k` samples for each label.
        """
        self.spec.check(x, "VAE.iwae")
        if k < 1:
            raise ValueError(f"k={k} came; at least one importance sample is expected. Ask for k >= 1.")
        if self.labels and y is None:
            return self._of_all_labels(x, k)
        return self._weighted(x, k, self._checked(y, len(x)))

    def _weighted(self, x: Tensor, k: int, y: Tensor | None) -> Tensor:
        """The bound with `k` samples of log p(x), or log p(x | y), (B,)."""
        rows = None if y is None else y.repeat_interleave(k)
        code = self.q.draw(self._encoder_says(x, y).repeat_interleave(k, 0))  # (B k, latent)
        log_w = self._log_likelihood(x.repeat_interleave(k, 0), code.z, rows)
        log_w = log_w + (log_standard_normal(code.z) - code.log_q).sum(1)
        return log_w.view(-1, k).logsumexp(1) - math.log(k)

    def _of_all_labels(self, x: Tensor, k: int) -> Tensor:
        """The bound with `k` samples of log Σ p(y) p(x | y), (B,)."""
        given = [self._weighted(x, k, y) for y in self._every_label(len(x))]
        return (torch.stack(given, 1) + self._log_p_label()).logsumexp(1)

    def _log_p_label(self) -> Tensor:
        """Log-probability of each label, which training learns, (labels,)."""
        return self.label_logits.log_softmax(0) if self.label_logits is not None else torch.zeros(0, device=self.device)

    def _every_label(self, n: int) -> Iterator[Tensor]:
        """Each label in turn, (n,)."""
        yield from torch.arange(self.labels, device=self.device)[:, None].expand(-1, n)

    def _checked(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels of `n` examples; a ValueError where they are no labels, or the model takes none."""
        if not self.labels:
            check_request(max(n, 1), y)
            return None
        return check_labels(y, n, self.labels).to(self.device)

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, latent), followed by the labels `y`, (n,), one-hot, where the model is conditional.

        Labels are as frequent as in the data where `y` is None.
        """
        check_request(n)
        z = torch.randn(n, self.latent_dim, device=self.device)
        if not self.labels:
            return z
        y = self._frequent_labels(n) if y is None else y
        return torch.cat([z, one_hot(y, self.labels).to(z)], 1)

    def encode(self, x: Tensor) -> Tensor:
        """The code at the middle of the posterior, (B, latent), and its likeliest label, one-hot, if there are any.

        The middle is the mean of a Gaussian, and what transforms make of this mean.
        """
        self.spec.check(x, "VAE.encode")
        if not self.labels:
            return self.q.center(self._encoder_says(x, None)).z
        codes = [(self.q.center(self._encoder_says(x, y)), y) for y in self._every_label(len(x))]
        bounds = [self._log_likelihood(x, code.z, y) - code.kl.sum(1) for code, y in codes]
        best = (torch.stack(bounds, 1) + self._log_p_label()).argmax(1)  # (B,)
        z = torch.stack([code.z for code, _ in codes], 1)[torch.arange(len(x), device=x.device), best]
        return torch.cat([z, one_hot(best, self.labels).to(z)], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x | z), (B, *shape); the label, one-hot, is a part of the code where the model is conditional."""
        check_codes(z, self.latent_dim + self.labels)
        return self.spec.within(self.p.mean(self.decoder(z)))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), of the labels `y`, (n,), where there are labels and they are given.

        `decode(prior(n))` gives their means.
        """
        check_request(n, None if self.labels else y)
        y = None if y is None else self._checked(y, n)
        return self.spec.within(self.p.sample(self.decoder(self.prior(n, y))))

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor, y: Tensor | None = None) -> Tensor:
        """A draw of what is missing given the rest, (B, *shape); `mask` is 1 where `x` is known.

        A Markov chain draws in turn the code given all values, and the missing values given the code; its first steps
        take every code that the encoder proposes, which finds likely ones fast, and the others are Metropolis-Hastings
        steps, by which its end is the conditional of the model itself (Mattei & Frellsen, 2018, algorithm 2).

        Arguments:
            x: examples, of which the missing values do not matter.
            mask: what is known, (B, *shape).
            y: labels, (B,), where the model is conditional; drawn along where None.
        """
        self.spec.check(x, "VAE.complete")
        known, free = check_mask(mask, x, "VAE.complete") == 1, bool(self.labels) and y is None
        y = self._frequent_labels(len(x)) if free else self._checked(y, len(x))
        z = self.q.draw(self._encoder_says(torch.where(known, x, 0), y)).z
        for step in range(self.missing.gibbs_steps + self.missing.metropolis_steps):
            x = torch.where(known, x, self.p.sample(self._decoder_says(z, y)))
            y = self._label_given(x, z) if free else y
            z = self._next_code(x, z, y, exact=step >= self.missing.gibbs_steps)
        return torch.where(known, x, self.spec.within(self.p.sample(self._decoder_says(z, y))))

    def _next_code(self, x: Tensor, z: Tensor, y: Tensor | None, exact: bool) -> Tensor:
        """The code that the encoder proposes; where `exact`, only if a Metropolis-Hastings step takes it."""
        raw = self._encoder_says(x, y)
        proposed = self.q.draw(raw)
        if not exact:
            return proposed.z
        gained = self._log_joint(x, proposed.z, y) - self._log_joint(x, z, y)
        log_ratio = gained + self.q.log_prob(z, raw) - proposed.log_q.sum(1)  # 2018, eq. 8
        return torch.where((torch.rand_like(log_ratio).log() < log_ratio)[:, None], proposed.z, z)

    def _log_joint(self, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        return self._log_likelihood(x, z, y) + log_standard_normal(z).sum(1)

    def _label_given(self, x: Tensor, z: Tensor) -> Tensor:
        """A draw of p(y | x, z), (B,)."""
        log_p = torch.stack([self._log_likelihood(x, z, y) for y in self._every_label(len(x))], 1)
        return torch.multinomial((log_p + self._log_p_label()).softmax(1), 1)[:, 0]

    def _frequent_labels(self, n: int) -> Tensor:
        """Draw `n` labels, (n,), as frequent as in the data."""
        return torch.multinomial(self._log_p_label().exp(), n, replacement=True)
