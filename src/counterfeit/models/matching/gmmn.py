"""Generative moment matching: a generator that is compared with the data directly, without a discriminator.

References:
    A Kernel Two-Sample Test, Gretton, Borgwardt, Rasch, Schölkopf & Smola, 2012.
    Generative Moment Matching Networks, Li, Swersky & Zemel, 2015 (arXiv 1502.02761).
    Training Generative Neural Networks via Maximum Mean Discrepancy Optimization, Dziugaite, Roy & Ghahramani, 2015
        (arXiv 1505.03906).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Model, Spec, Update, check_codes, check_request
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.autoencoding.autoencoder import Autoencoder
from counterfeit.nets.coder import CoderNets
from counterfeit.nets.layers import at_least_float32
from counterfeit.nets.mlp import MLP, Activation, MLPGenerator

__all__ = ["GMMN", "CodeSettings", "discrepancy"]

FEW = 1_000  # examples by whose distances kernels are measured


def discrepancy(real: Tensor, fake: Tensor, bandwidth: Tensor | float, kernels: int = 1) -> Tensor:
    """The squared maximum mean discrepancy of two sets of examples, (N, …) and (M, …), for Gaussian kernels: a scalar.

    It is the squared distance between the means of both sets in the space of the kernel, as they are (Gretton et al.,
    2012, eq. 5), and so never negative. Kernels k(x, y) = exp(-‖x - y‖² / 2s²) are summed over standard deviations s,
    the first of which is `bandwidth`, and each of which is half the one before.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> discrepancy(x, x, 1.0), discrepancy(x[:1], x[1:], 1.0)
        (tensor(0.), tensor(0.7869))
    """
    x, y = (at_least_float32(some.flatten(1)) for some in (real, fake))
    center = torch.cat([x, y]).mean(0).detach()
    with torch.autocast(x.device.type, enabled=False):  # differences of large numbers
        x, y = x - center, y - center
        within = _mean_kernel(x, x, bandwidth, kernels) + _mean_kernel(y, y, bandwidth, kernels)
        return within - 2 * _mean_kernel(x, y, bandwidth, kernels)


def _mean_kernel(x: Tensor, y: Tensor, bandwidth: Tensor | float, kernels: int) -> Tensor:
    """The mean over all pairs of the sum of the kernels, scalar.

    Its slope in each squared distance is made along with it: a graph of all kernels is four times as slow.
    """
    distances = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)
    with torch.no_grad():
        rate = -0.5 / bandwidth**2
        kernel = (rate * distances).exp_()
        total, slope = kernel.clone(), rate * kernel
        for i in range(1, kernels):
            kernel.square_().square_()  # half as wide
            total += kernel
            slope += 4**i * rate * kernel
    return total.mean() + (slope * (distances - distances.detach())).mean()


@dataclass(frozen=True)
class CodeSettings:
    """Whether codes are compared rather than examples, and whose.

    Arguments:
        latent_dim: size of the codes of an autoencoder, which are compared in the place of examples; 0 for examples.
        autoencoder_fraction: share of the steps, at the start, in which the autoencoder is trained.
        coder_hidden: sizes of the hidden layers of its encoder; its decoder's in reverse.
        coder_activation: of these.
    """

    latent_dim: int = 0
    autoencoder_fraction: float = 0.4
    coder_hidden: tuple[int, ...] = (1024,)
    coder_activation: Activation = "relu"

    def __post_init__(self) -> None:
        if self.latent_dim < 0 or not 0 < self.autoencoder_fraction < 1:
            came = f"latent_dim={self.latent_dim}, autoencoder_fraction={self.autoencoder_fraction} came"
            raise ValueError(f"{came}; at least 0 and a share between 0 and 1 are expected. Correct them.")

    def build(self, spec: Spec) -> Autoencoder | None:
        """The autoencoder, where there is one."""
        nets = CoderNets(hidden=self.coder_hidden, activation=self.coder_activation)
        return Autoencoder(spec, self.latent_dim, nets=nets) if self.latent_dim else None


class GMMN(Model):
    """A generative moment matching network: samples whose kernel means are those of the data, or of their codes.

    The loss is the maximum mean discrepancy of a minibatch of samples from one of data, for a sum of Gaussian kernels.
    Gaussian kernels compare all moments at once, so nothing has to be learned to tell samples from data; but what
    kernels see of pictures of many pixels, a few hundred examples say badly. So large minibatches are asked for, and
    codes of few dimensions help.

    References:
        Generative Moment Matching Networks, Li, Swersky & Zemel, 2015 (arXiv 1502.02761).

    Arguments:
        spec: what the data are.
        hidden: sizes of the generator's hidden layers.
        activation: of these.
        prior: over the codes that the generator takes.
        bandwidth: standard deviation of the widest kernel, in root mean squared distances between two examples.
        kernels: how many; each is half as wide as the one before.
        codes: whether codes are compared rather than examples.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> GMMN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    distance: Tensor

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (64, 256, 256, 784), activation: Activation = "relu",
        prior: Prior = Prior("uniform", 10), bandwidth: float = 8.0, kernels: int = 6,  # noqa: B008
        codes: CodeSettings = CodeSettings(),
    ) -> None:  # fmt: skip
        super().__init__(spec)
        if bandwidth <= 0 or kernels < 1:
            raise ValueError(f"bandwidth={bandwidth}, kernels={kernels} came; both are to be positive. Correct them.")
        self.hidden, self.activation, self.noise, self.codes = hidden, activation, prior, codes
        self.bandwidth, self.kernels, self.code_dim = bandwidth, kernels, prior.noise_dim
        self.autoencoder = codes.build(spec)
        target = Spec((codes.latent_dim,), "real") if codes.latent_dim else spec
        self.generator = MLPGenerator(target, MLP(prior.noise_dim, hidden, target.dims, activation))
        self.register_buffer("distance", torch.ones(()))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how far training examples are apart."""
        if self.autoencoder:
            self.autoencoder.initialize(data)
        self.distance.copy_(_apart(data.x[:FEW]))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend the error of the autoencoder first, where there is one, and then the discrepancy."""
        x = draw().x
        if self.autoencoder and clock.step < self.codes.autoencoder_fraction * clock.steps:
            yield Update.of("autoencoder", {"loss": self.autoencoder.loss(x)})
            return
        with torch.no_grad():
            wanted = self.autoencoder.code(x) if self.autoencoder else x
            unit = _apart(wanted) if self.autoencoder else self.distance
        found = self.generator(self.prior(len(x)))
        squared = discrepancy(wanted, found, self.bandwidth * unit, self.kernels)
        loss = squared.clamp(min=1e-12).sqrt()  # which weighs small discrepancies more (section 4)
        yield Update.of("generator", {"loss": loss})

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes of the generator, (n, code_dim)."""
        check_request(n)
        return self.noise.draw(n, self.device)

    def decode(self, z: Tensor) -> Tensor:
        """The examples that the codes `z`, (B, code_dim), stand for, (B, *shape)."""
        check_codes(z, self.code_dim)
        made = self.generator(z)
        return self.autoencoder.decode(made) if self.autoencoder else made

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), rounded where the data are binary."""
        check_request(n, y)
        return self.spec.rounded(self.decode(self.prior(n)))


def _apart(x: Tensor) -> Tensor:
    """The root mean squared distance between two of the examples `x`, (N, …), a scalar; 1 where all are equal."""
    spread = 2 * x.flatten(1).var(0, correction=0).sum()
    return torch.where(spread > 0, spread, torch.ones_like(spread)).sqrt()
