"""The denoising autoencoder, which rebuilds examples from corrupted ones, and the chain that samples from it.

References:
    Extracting and Composing Robust Features with Denoising Autoencoders, Vincent, Larochelle, Bengio & Manzagol, 2008.
    Stacked Denoising Autoencoders, Vincent, Larochelle, Lajoie, Bengio & Manzagol, 2010.
    Generalized Denoising Auto-Encoders as Generative Models, Bengio, Yao, Alain & Vincent, 2013 (arXiv 1305.6663).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Spec, Update, check_request
from counterfeit.corruption import Corruption
from counterfeit.models.autoencoding.autoencoder import Autoencoder
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName
from counterfeit.nets.coder import CoderNets

__all__ = ["DenoisingAutoencoder"]


class DenoisingAutoencoder(Autoencoder):
    """A denoising autoencoder: rebuilds examples from corrupted ones, and samples by corrupting and rebuilding in turn.

    Corruption C(x̃ | x) and reconstruction P(x | x̃) make a Markov chain. Where P is the true conditional, the data are
    its stationary distribution (2013, theorem 1). P is the mean that the nets give, with independent bits where the
    data are binary, or else with normal noise of the variance that reconstructions of training examples leave.

    References:
        Extracting and Composing Robust Features with Denoising Autoencoders, Vincent et al., 2008.
        Generalized Denoising Auto-Encoders as Generative Models, Bengio et al., 2013 (arXiv 1305.6663).

    Arguments:
        spec: what the data are.
        latent_dim: size of the code, which may be larger than the data.
        error: of reconstructions: squared, or the cross-entropy of values in [0, 1]; auto: the latter where it can be.
        noise: how examples are corrupted.
        walkback: steps of the chain in training, from each of which the example is to be rebuilt (2013, algorithm 1),
            so that chains find back from where they stray; 1 corrupts once, as in 2008.
        sampling_steps: steps of the chain before a sample.
        nets: what encoder and decoder are.

    Raises:
        ValueError: where error or corruption do not suit the data, or a setting is too low.

    Example:
        >>> model = DenoisingAutoencoder(Spec((1, 8, 8)), sampling_steps=3)
        >>> model.sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, latent_dim: int = 512, error: ErrorName = "auto", noise: Corruption = Corruption(),  # noqa: B008
        walkback: int = 1, sampling_steps: int = 50, nets: CoderNets = CoderNets(),  # noqa: B008
    ) -> None:  # fmt: skip
        if walkback < 1 or sampling_steps < 0:
            came = f"walkback={walkback}, sampling_steps={sampling_steps} came"
            raise ValueError(f"{came}; at least 1 step in training, and at least 0 before a sample, are expected.")
        super().__init__(spec, latent_dim, error, nets)
        noise(self.examples[:1], spec)  # which says where it does not suit the data
        self.noise, self.walkback, self.sampling_steps = noise, walkback, sampling_steps

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the mean error of examples rebuilt from corrupted ones, at every step of a chain that left them."""
        x = draw().x
        seen, losses = self.noise(x, self.spec), []
        for step in range(self.walkback):
            raw = self.raw(self.code(seen))
            losses.append(self.reconstruction.loss(x, raw).mean())
            if step + 1 < self.walkback:
                mean = self.reconstruction.mean(raw.detach())
                seen = self.noise(self.draw(mean, _distance(mean, x)), self.spec)
        loss = torch.stack(losses).mean()
        yield Update(loss, logs={"loss": loss.detach(), "first": losses[0].detach()})

    def prior(self, n: int) -> Tensor:
        """The codes, (n, latent), at which `n` chains end: those of corrupted examples."""
        return self.move(self.begin(n), self.sampling_steps)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The ends of `n` chains, (n, *shape): draws of P(x | x̃), or its means where the data are pictures."""
        check_request(n, y)
        return self.seen(self.prior(n))

    def begin(self, n: int) -> Tensor:
        """Codes from the normal distribution with the moments of the codes of training examples, (n, latent)."""
        return self.like_codes(n)

    def move(self, state: Tensor, steps: int) -> Tensor:
        """Codes of corrupted examples so many steps on, (n, latent)."""
        scale = self.residual()
        for _ in range(steps):
            state = self.code(self.noise(self.draw(self.decode(state), scale), self.spec))
        return state

    def seen(self, state: Tensor) -> Tensor:
        """Draws of P(x | x̃), or its means where the data are pictures, (n, *shape)."""
        mean = self.decode(state)
        return mean if self.spec.kind == "image" else self.draw(mean, self.residual())

    def rebuilt(self, x: Tensor) -> Tensor:
        """The mean of P(x | x̃) after a corruption of each of `x`, (B, *shape)."""
        return self.reconstruction.mean(self.raw(self.code(self.noise(x, self.spec))))

    def residual(self) -> Tensor:
        """Root mean squared difference, scalar, between training examples and what is rebuilt of them, corrupted."""
        return _distance(self.rebuilt(self.examples), self.examples).square().mean().sqrt()

    def draw(self, mean: Tensor, scale: Tensor) -> Tensor:
        """A draw of P(x | x̃) by its `mean`, (B, *shape), and, where the data are not binary, its `scale`."""
        if self.spec.kind == "binary":
            return self.reconstruction.drawn(mean)
        x = mean + scale * torch.randn_like(mean)
        return x.clamp(0, 1) if self.spec.bounded else x


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """Root mean squared difference of each pair of examples: (B, *shape) -> (B, 1, ...), to multiply examples by."""
    return (x - y).square().mean(tuple(range(1, x.ndim)), keepdim=True).sqrt()
