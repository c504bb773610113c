"""Tiny models, right in every way or with one fault, for the common checks to look at, and data with a fault."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear

from counterfeit.core import Clock, Draw, Model, Net, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.captioned_shapes import Captioned
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.models.autoencoding.vae import VAE
from counterfeit.nets.coder import CoderNets

SMALL = Spec((1, 2, 3), "binary")
LINE = Spec((2,), "real")


def seeded_weights(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Conditionals(Net):
    """Logit i is linear in the values before i."""

    def __init__(self, dims: int, diagonal: int = -1) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(seeded_weights(dims, dims)), nn.Parameter(seeded_weights(dims, seed=1))
        self.register_buffer("mask", torch.ones(dims, dims).tril(diagonal))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.flatten(1), self.weight * self.mask, self.bias)


class Table(Model):
    """An exact autoregressive model of binary data (a fully visible sigmoid belief net): right in every way."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.net = Conditionals(spec.dims)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        loss = -self.log_prob(draw().x).mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def conditionals(self, x: Tensor) -> Tensor:
        return self.net(x).view_as(x)

    def log_prob(self, x: Tensor) -> Tensor:
        self.spec.check(x.detach(), "Table.log_prob")
        return -binary_cross_entropy_with_logits(self.net(x), x.flatten(1), reduction="none").sum(1)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        if n < 1:
            raise ValueError(f"n={n} came; at least one sample is expected.")
        x = torch.zeros(n, self.spec.dims)
        for i in range(self.spec.dims):
            x[:, i] = (torch.rand(n) < self.net(x)[:, i].sigmoid()).float()
        return x.view(n, *self.spec.shape)


class Flow(Model):
    """z = A x + b with A triangular: right in every way."""

    def __init__(self, spec: Spec = LINE) -> None:
        super().__init__(spec)
        self.scale, self.shift = nn.Parameter(torch.tensor([[1.5, 0.0], [-0.7, 0.8]])), nn.Parameter(torch.ones(2))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        yield Update(-self.log_prob(draw().x).mean())

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.scale.T + self.shift

    def prior(self, n: int) -> Tensor:
        return torch.randn(n, 2)

    def decode(self, z: Tensor) -> Tensor:
        return torch.linalg.solve(self.scale, (z - self.shift).T).T

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.decode(self.prior(n))

    def log_prob(self, x: Tensor) -> Tensor:
        z = self.encode(x)
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + self.scale.diagonal().log().sum()


class LooksAhead(Table):
    """Every logit sees the value that it predicts."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.net = Conditionals(spec.dims, diagonal=0)


class LooksNowhere(Table):
    """No logit sees anything, so that causality would hold for nothing."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.net = Conditionals(spec.dims, diagonal=-spec.dims)


class Unnormalized(Table):
    """Probabilities that sum to more than one."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + 0.01


class Biased(Table):
    """Samples from another distribution than its density."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        x = super().sample(n)
        x[: n // 20] = 0
        return x


class Unseeded(Table):
    """Samples that do not follow from the seed."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        generator = torch.Generator()
        generator.seed()
        return torch.rand(n, *self.spec.shape, generator=generator).round()


class Frozen(Table):
    """Samples that the seed does not change."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return torch.zeros(n, *self.spec.shape)


class Gray(Table):
    """Samples between 0 and 1 where the data are binary."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return torch.rand(n, *self.spec.shape)


class Doubled(Table):
    """Samples of another type."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return super().sample(n).double()


class Unchecked(Table):
    """Takes whatever comes."""

    def log_prob(self, x: Tensor) -> Tensor:
        return x.flatten(1).float().sum(1)


class Fails(Table):
    """Complains, but not by a ValueError."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return torch.zeros(n if n > 0 else [][0])


class Mumbles(Table):
    """Complains without saying what came."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        raise ValueError("this is not what is expected")


class Summed(Table):
    """A loss that grows with the minibatch."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        yield Update(-self.log_prob(draw().x).sum())


class Flips(Table):
    """Noise by a function that cannot be shared between a minibatch and its halves."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        yield Update(-self.log_prob(torch.bernoulli(draw().x)).mean())


class Orphan(Table):
    """A parameter that no update reaches."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.orphan = nn.Parameter(torch.zeros(1))


class Infinite(Table):
    """A gradient that is not finite."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        yield Update(-self.log_prob(draw().x).mean() + (self.net.bias - self.net.bias).sqrt().sum())


class Two(Table):
    """Two parts, each with an update of its own: right in every way."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.other = nn.Linear(spec.dims, 1)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        x = draw().x
        yield Update(-self.log_prob(x).mean(), ("net",))
        yield Update(self.other(x.flatten(1)).square().mean(), ("other",))


class Meddles(Two):
    """Moves a part that the last update did not name."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        for update in super().updates(draw, clock):
            yield update
            self.other.weight.data.clamp_(-0.01, 0.01)


class Hurries(Two):
    """Moves a part before any update."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        self.other.weight.data.add_(1)
        yield from super().updates(draw, clock)


class Idle(Two):
    """Names a part that stands still."""

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        for update in super().updates(draw, clock):
            yield update._replace(parts=("net", "other"))


class Remembers(Table):
    """Trains by something that no checkpoint holds."""

    def __init__(self, spec: Spec = SMALL) -> None:
        super().__init__(spec)
        self.calls = 0

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        self.calls += 1
        yield from (u._replace(loss=u.loss * self.calls) for u in super().updates(draw, clock))


class Slips(Net):
    """Gives other numbers where it is compiled."""

    def __init__(self, inner: Net) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * (1.01 if torch.compiler.is_compiling() else 1.0)


class Evades(Slips):
    """Is never compiled at all."""

    @torch.compiler.disable
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Bounded(VAE):
    """A VAE whose untrained decoder depends on the code, so that its bounds differ."""

    def __init__(self, spec: Spec = SMALL) -> None:
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            super().__init__(spec, latent_dim=2, nets=CoderNets(hidden=(8,)))
        self.decoder.last.weight.data.mul_(8)


class Boasts(Bounded):
    """A bound above the likelihood."""

    def elbo(self, x: Tensor) -> Tensor:
        return super().elbo(x) + 0.5


class Inflates(Bounded):
    """Importance weights whose mean is not the likelihood."""

    def iwae(self, x: Tensor, k: int) -> Tensor:
        return super().iwae(x, k) + 0.05


class Stretched(Flow):
    """Counts half of the volume."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) - 0.5 * self.scale.diagonal().log().sum()


class Leans(Flow):
    """The code of an example depends on the others."""

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x - x.mean(0))


class Longer(Flow):
    """Draws codes of another size than it finds."""

    def prior(self, n: int) -> Tensor:
        return torch.randn(n, 3)


class Drifts(Flow):
    """Does not undo what it does."""

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z) + 1e-3


class Paced(Flow):
    """Draws in two steps: the noise, and what it becomes."""

    sampling_steps = 2

    def trajectory(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        z = self.prior(n)
        yield z
        yield self.decode(z)


class Hastens(Paced):
    """Says that there are more steps."""

    sampling_steps = 3


class Strays(Paced):
    """Shows a way that is not that of its samples."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return super().sample(n) + 1


class Alternating(Source):
    """Pictures that are light at even positions and dark at odd ones, as MNIST alternates between writers."""

    name, summary, spec = "alternating", "light and dark", Spec((1, 2, 2))

    def split(self, name):
        shade = torch.arange(600).view(-1, 1, 1, 1) % 2 * 0.5
        return InMemory(shade + torch.rand(600, 1, 2, 2, generator=torch.Generator().manual_seed(len(name))) / 2)


def painted(source: Captioned) -> FeatureExtractor:
    """A classifier that compares pictures with every one there may be."""
    every = torch.cartesian_prod(*(torch.arange(len(values)) for values in source.attributes.values()))
    known = source._paint("test", torch.arange(len(every)), every, torch.zeros(len(every), 2)).float() / 255

    def head(x: Tensor) -> Tensor:
        chances = (-torch.cdist(x, known.flatten(1)).square() * 10).softmax(1).double()
        parts = [torch.zeros(len(x), len(v)).double().index_add_(1, every[:, c], chances) / 4
                 for c, v in enumerate(source.attributes.values())]  # fmt: skip
        return torch.cat(parts, 1).log()

    return FeatureExtractor("painted", "pictures", lambda x: x.flatten(1), head=head)
