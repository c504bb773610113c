"""What a model can do besides training, each a small protocol that commands, metrics and reports ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import UnionType
from typing import NamedTuple, Protocol, TypeVar, get_args, runtime_checkable

from torch import Tensor

from counterfeit.core.vocabulary import Batch, Generator

__all__ = [
    "CAPABILITIES",
    "AnnealingPath",
    "Anneals",
    "Assembles",
    "Bounds",
    "Classifies",
    "Clusters",
    "Completes",
    "Decodes",
    "Density",
    "Discriminates",
    "Encodes",
    "Energy",
    "Filters",
    "GivenDensity",
    "HasFeatures",
    "Initializes",
    "Labelled",
    "LooksBack",
    "MarkovChain",
    "Predicts",
    "ProbabilityFlow",
    "Renders",
    "Samples",
    "Scores",
    "Stepwise",
    "Structure",
    "Structured",
    "Translates",
    "Upscales",
    "called",
    "capability",
    "labels_of",
    "require",
]  # fmt: skip

C = TypeVar("C")
CAPABILITIES: list[type] = []
"""Every capability that listings, commands and reports speak of, in the order in which they stand here."""


def capability(cls: type[C]) -> type[C]:
    """Register a protocol as a capability: a model has it that has its methods."""
    CAPABILITIES.append(cls)
    return cls


@capability
@runtime_checkable
class Samples(Protocol):
    """Draws examples."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), of the labels `y`, (n,), where given."""


@runtime_checkable
class Labelled(Samples, Protocol):
    """Draws examples of labels that are asked for."""

    labels: int
    """How many labels there are to ask for; 0 for none."""


@runtime_checkable
class MarkovChain(Samples, Protocol):
    """Samples by a Markov chain, whose states each give an example."""

    sampling_steps: int
    """How many steps before a sample."""

    def begin(self, n: int) -> Tensor:
        """The states at which `n` chains begin, (n, …)."""

    def move(self, state: Tensor, steps: int) -> Tensor:
        """Where chains are so many steps on, (n, …) -> (n, …)."""

    def seen(self, state: Tensor) -> Tensor:
        """The examples that states give, (n, …) -> (n, *shape)."""


@runtime_checkable
class Stepwise(Samples, Protocol):
    """Draws examples in steps, which can be looked at."""

    sampling_steps: int
    """How many."""

    def trajectory(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        """What `n` examples are after each step, (n, *shape); the last are those that `sample` draws."""


@runtime_checkable
class LooksBack(Protocol):
    """Predicts each value from a limited number of those before it."""

    receptive_field: int
    """How many."""


def called(needs: type | UnionType) -> str:
    """The name of a capability, or of several of which one will do.

    Example:
        >>> called(Encodes | HasFeatures)
        'Encodes or HasFeatures'
    """
    return " or ".join(one.__name__ for one in get_args(needs) or (needs,))


def require(model: Generator, capability: type[C]) -> C:
    """The model, which has the capability.

    Raises:
        ValueError: it has not.
    """
    if not isinstance(model, capability):
        verb = capability.__name__.lower()
        raise ValueError(f"{type(model).__name__} came; a model that {verb} is expected. Choose another.")
    return model


def labels_of(model: Generator) -> int:
    """How many labels samples of `model` can be asked for; 0 where it takes none."""
    return model.labels if isinstance(model, Labelled) else 0


@capability
@runtime_checkable
class Density(Protocol):
    """Knows its log-likelihood exactly."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B,)."""


@capability
@runtime_checkable
class GivenDensity(Protocol):
    """Knows its log-likelihood exactly given what belongs to an example."""

    def log_prob_given(self, x: Tensor, y: Tensor) -> Tensor:
        """Log-likelihood in nats given the labels, (B,), or the series, (B, C, frames), of examples: (B,)."""


@capability
@runtime_checkable
class Bounds(Protocol):
    """Bounds its log-likelihood from below."""

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound in nats, (B,)."""

    def iwae(self, x: Tensor, k: int) -> Tensor:
        """Importance-weighted bound with `k` samples in nats, (B,)."""


@runtime_checkable
class ProbabilityFlow(Protocol):
    """Knows the log-likelihood of a differential equation between noise and data, as exact as its steps are small."""

    def flow_log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B,)."""


@capability
@runtime_checkable
class Energy(Protocol):
    """Knows its unnormalized negative log-density."""

    def energy(self, x: Tensor) -> Tensor:
        """Energy in nats up to a constant, (B,)."""


class AnnealingPath(NamedTuple):
    """A path of unnormalized densities f_β, from one that is known at β = 0 to one that is asked about at β = 1.

    Arguments:
        sample: n -> exact draws of f_0, (n, D).
        log_z: logarithm of the normalizer of f_0.
        step: (x, before, after) -> log f_after(x) - log f_before(x), (n,), and x moved by a kernel that keeps f_after.
    """

    sample: Callable[[int], Tensor]
    log_z: float
    step: Callable[[Tensor, float, float], tuple[Tensor, Tensor]]


@runtime_checkable
class Anneals(Energy, Protocol):
    """Knows a path of its own from a density whose normalizer is known, or its normalizer itself."""

    bounded: bool
    """Whether its energy is no less than the true one, so that likelihoods are bounded from below."""

    def annealing_path(self, x: Tensor) -> AnnealingPath:
        """The path from independent values with the moments of examples `x`, (N, *shape), to the model."""

    def log_z(self) -> Tensor | None:
        """The normalizer's logarithm, scalar; None where there are too many states to sum over."""


@runtime_checkable
class Filters(Protocol):
    """Has units that look for something in the data."""

    def filters(self) -> Tensor:
        """What each unit looks for, (units, *shape)."""


@capability
@runtime_checkable
class Encodes(Protocol):
    """Maps data to codes."""

    def encode(self, x: Tensor) -> Tensor:
        """Latent code of each example, (B, latent)."""


@capability
@runtime_checkable
class HasFeatures(Protocol):
    """Shows what it knows of an example before its output, or before that is squeezed into a code."""

    def features(self, x: Tensor) -> Tensor:
        """What an output is linear in, or codes are made from, (B, features)."""


@capability
@runtime_checkable
class Decodes(Protocol):
    """Maps codes, which it can draw, to data."""

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes from the prior, (n, latent)."""

    def decode(self, z: Tensor) -> Tensor:
        """The example, or its mean, that a code stands for, (B, *shape)."""


class Structure(NamedTuple):
    """The sizes of what a code begins with, in order: noise, a category, one-hot, and values in (-1, 1)."""

    noise: int
    categories: int = 0
    continuous: int = 0


@runtime_checkable
class Structured(Decodes, Protocol):
    """Decodes codes of which parts mean something each."""

    def structure(self) -> Structure:
        """What a code begins with."""


@capability
@runtime_checkable
class Scores(Protocol):
    """Knows the gradient of its log-density in x."""

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """Gradient of log p_t at `x`, (B, *shape)."""


@capability
@runtime_checkable
class Translates(Protocol):
    """Maps examples from one domain to another."""

    domains: int
    """How many there are."""

    def translate(self, x: Tensor, to: Tensor) -> Tensor:
        """Each example in the domain `to`, (B,), one of the data's classes, as (B, *shape)."""


@capability
@runtime_checkable
class Completes(Protocol):
    """Fills in what is missing."""

    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """A draw of p(x_S given the rest); `mask` is 1 where `x` is known, (B, *shape)."""


@capability
@runtime_checkable
class Assembles(Protocol):
    """Makes whole images of patches that come without their places."""

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Key patches of images, (B, K, C, size, size), and their upper left corners, int64 (B, K, 2)."""

    def assemble(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Images around patches, (B, *shape), and distributions over corners, (B, K, H - size + 1, W - size + 1)."""


@capability
@runtime_checkable
class Upscales(Protocol):
    """Draws pictures in more pixels."""

    factor: int
    """How many times as many pixels a side."""

    def upscale(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) of any size as (B, C, factor H, factor W)."""


@capability
@runtime_checkable
class Renders(Protocol):
    """Makes, of a given picture, the one that belongs to it, as learnt from pairs."""

    def render(self, given: Tensor) -> Tensor:
        """What belongs to pictures in [0, 1], (B, *given), as (B, *shape)."""


@capability
@runtime_checkable
class Predicts(Protocol):
    """Predicts how a video goes on."""

    def predict(self, x: Tensor, steps: int, actions: Tensor | None = None) -> Tensor:
        """The `steps` frames that follow the frames `x`, (B, frames, C, H, W), as (B, steps, C, H, W).

        Where the data have actions, `actions`, (B, frames - 1 + steps), says which one is taken after each frame.
        """


@capability
@runtime_checkable
class Classifies(Protocol):
    """Predicts classes."""

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes)."""


@capability
@runtime_checkable
class Clusters(Protocol):
    """Sorts data into categories that nobody named."""

    def cluster(self, x: Tensor) -> Tensor:
        """Log-probability of each category in nats, (B, categories)."""


@capability
@runtime_checkable
class Discriminates(Protocol):
    """Separates data from samples."""

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """In the first column of (B, 1 + more), the higher the likelier `x` of labels `y`, where it asks, are data."""


@runtime_checkable
class Initializes(Protocol):
    """Sets parameters from data before the first step."""

    def initialize(self, data: Batch) -> None:
        """See training examples, (N, *shape), and what belongs to them, once."""
