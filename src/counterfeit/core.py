"""The vocabulary of the project: what a batch, an update, a model and a capability are.

A model is the only place that knows *what* is descended and *in which order*; the engine is the only place that knows
*how*. A model yields updates and resumes after the engine has applied each, so it reads like a paper's Algorithm 1.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = [
    "Assembles", "Batch", "Bounds", "Classifies", "Clock", "Clusters", "Completes", "Decodes", "Density", "Draw",
    "Encodes", "Energy", "Enlarges", "Initializes", "Judges", "Kind", "Labelled", "Model", "Net", "Predicts", "Samples",
    "Scaled", "Scores", "Spec", "Structure", "Structured", "Translates", "Update", "check_captions", "check_codes",
    "check_labels", "check_request", "frozen", "labels_of", "require",
    "without_statistics",
]  # fmt: skip

Kind = Literal["image", "binary", "real"]
RANGES: Mapping[str, tuple[float, float]] = {"image": (0.0, 1.0), "binary": (0.0, 1.0), "real": (-math.inf, math.inf)}


class Batch(NamedTuple):
    """A minibatch in the data's natural unit: images in [0, 1], (B, C, H, W); points (B, D)."""

    x: Tensor
    y: Tensor | None = None


class Update(NamedTuple):
    """Descend the scalar `loss` in the parameters of `parts` (submodule names; "" is the whole model)."""

    loss: Tensor
    parts: tuple[str, ...] = ("",)
    logs: Mapping[str, Tensor] = {}


class Clock(NamedTuple):
    """Where training stands: `step` of `steps`, for schedules, growing, greedy layers and annealing."""

    step: int
    steps: int


Draw = Callable[[], Batch]
C = TypeVar("C")


@dataclass(frozen=True)
class Spec:
    """What the data are: the event `shape`, the `kind` of values and the number of `classes` (0 without labels).

    Data with captions have, in place of labels, tokens (B, `length`): i stands for `words[i - 1]`, 0 for nothing more.
    Where it is known what captions can say, `phrases` holds the names of every value of every attribute.

    Example:
        >>> Spec((1, 28, 28)).dims
        784
    """

    shape: tuple[int, ...]
    kind: Kind = "image"
    classes: int = 0
    words: tuple[str, ...] = ()
    length: int = 0
    phrases: tuple[tuple[tuple[str, ...], ...], ...] = ()

    @property
    def dims(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)

    @property
    def bounded(self) -> bool:
        """Whether values lie in [0, 1]."""
        return self.kind != "real"

    def check(self, x: Tensor, who: str, values: bool = True) -> None:
        """Raise a ValueError unless `x` is (B, *shape), floating point and, where `values`, within the kind's range."""
        want = f"(B, {', '.join(map(str, self.shape))})"
        if not isinstance(x, Tensor) or x.ndim != len(self.shape) + 1 or tuple(x.shape[1:]) != self.shape:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"`x` has shape {came}; {who} expects {want}. Reshape it, or train on data of that shape.")
        if not x.is_floating_point():
            raise ValueError(f"`x` has dtype {x.dtype}; {who} expects floating point. Convert it with `x.float()`.")
        if values:
            self._check_values(x, who)

    def _check_values(self, x: Tensor, who: str) -> None:
        x = x.detach()
        if not bool(torch.isfinite(x).all()):
            raise ValueError(
                f"`x` holds values that are not finite; {who} expects finite values. Clean the data first."
            )
        low, high = RANGES[self.kind]
        if x.numel() and (float(x.min()) < low or float(x.max()) > high):
            span = f"[{float(x.min()):.4g}, {float(x.max()):.4g}]"
            raise ValueError(f"`x` lies in {span}; {who} expects [{low:g}, {high:g}]. {_remedy(x)}")
        if self.kind == "binary" and not bool(((x == 0) | (x == 1)).all()):
            raise ValueError(
                f"`x` holds values between 0 and 1; {who} expects {{0, 1}}. Add `binarize` to data.transforms."
            )


def _remedy(x: Tensor) -> str:
    symmetric = -1 <= float(x.min()) < 0 and float(x.max()) <= 1
    return "Map [-1, 1] to it by (x + 1) / 2." if symmetric else "Divide 8-bit images by 255."


class Net(nn.Module):
    """A network with its own `forward`: the unit that the engine compiles."""

    twice: bool = False
    """Whether it is differentiated twice (a gradient penalty); such a net stays eager."""


@runtime_checkable
class Scaled(Protocol):
    """A layer that multiplies its weights when it uses them."""

    weight_scale: float
    """What it multiplies them by."""


class Model(nn.Module, ABC):
    """A generative model for data described by `spec`."""

    conditional: bool = False
    """Whether it is told the labels of data, and asks for them where it judges."""
    undivided: tuple[str, ...] = ()
    """Its settings by which a loss is no mean over examples, and would be another of a minibatch in pieces."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec

    @abstractmethod
    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Yield the updates of one training step in order; each is applied before the generator resumes.

        Arguments:
            draw: returns a fresh minibatch at every call.
            clock: where training stands.
        """

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device


def check_request(n: int, y: Tensor | None = None) -> None:
    """Raise a ValueError unless `n` >= 1 samples without labels are asked for."""
    if not isinstance(n, numbers.Integral):
        raise ValueError(f"n={n!r} came; a whole number of samples is expected. Ask for n >= 1.")
    if n < 1:
        raise ValueError(f"n={n} came; at least one sample is expected. Ask for n >= 1.")
    if y is not None:
        raise ValueError("`y` came; this model samples without labels. Leave `y` out, or train a conditional model.")


def check_labels(y: Tensor | None, n: int, classes: int, values: bool = True) -> Tensor:
    """The labels `y`, or a ValueError unless they are (n,) integers and, where `values`, from 0 to `classes` - 1."""
    if y is None:
        raise ValueError(f"no labels came; {n} labels are expected. Give `y`, or choose data with labels.")
    if y.shape != (n,) or y.is_floating_point() or y.is_complex():
        raise ValueError(f"`y` has shape {tuple(y.shape)}, dtype {y.dtype}; ({n},) integers are expected. Convert it.")
    if values and n and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"labels {int(y.min())} to {int(y.max())} came; 0 to {classes - 1} are expected. Correct `y`.")
    return y.long()


def check_captions(y: Tensor | None, n: int, spec: Spec, values: bool = True) -> Tensor:
    """The tokens `y`, or a ValueError unless they are (n, length) and, where `values`, those of the data's words."""
    want = f"({n}, {spec.length}) integers"
    if y is None:
        raise ValueError(f"no captions came; {want} are expected. Give `y`, or choose data with captions.")
    if y.shape != (n, spec.length) or y.is_floating_point() or y.is_complex():
        raise ValueError(f"`y` has shape {tuple(y.shape)}, dtype {y.dtype}; {want} are expected. Convert it.")
    if values and n and not 0 <= int(y.min()) <= int(y.max()) <= len(spec.words):
        came = f"tokens {int(y.min())} to {int(y.max())} came"
        raise ValueError(f"{came}; 0 to {len(spec.words)} are expected. Take those of the data's own words.")
    return y.long()


def check_codes(z: Tensor, size: int) -> None:
    """Raise a ValueError unless `z` is (B, size)."""
    if z.ndim != 2 or z.shape[1] != size:
        raise ValueError(f"`z` has shape {tuple(z.shape)}; (B, {size}) is expected. Draw codes with `prior(n)`.")


@contextmanager
def without_statistics(*modules: nn.Module) -> Iterator[None]:
    """Normalize by the statistics of the minibatch, and keep it out of those that `modules` keep for evaluation.

    For every pass of what is not what a net is evaluated on: samples of codes that are not from the prior, a second
    view of the data, the points of a penalty.
    """
    norms = [m for module in modules for m in module.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    kept = [norm for norm in norms if norm.track_running_stats]
    for norm in kept:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in kept:
            norm.track_running_stats = True


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Build a graph through `modules` while they stand still: no gradients of weights, and no running statistics.

    Yield the update outside of this context: another micro-batch may be built while this one waits.
    """
    parameters = [p for module in modules for p in module.parameters()]
    for p in parameters:
        p.requires_grad_(False)
    try:
        with without_statistics(*modules):
            yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


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


def require(model: Model, capability: type[C]) -> C:
    """The model, which has the capability.

    Raises:
        ValueError: it has not.
    """
    if not isinstance(model, capability):
        verb = capability.__name__.lower()
        raise ValueError(f"{type(model).__name__} came; a model that {verb} is expected. Choose another.")
    return model


def labels_of(model: Model) -> int:
    """How many labels samples of `model` can be asked for; 0 where it takes none."""
    return model.labels if isinstance(model, Labelled) else 0


@runtime_checkable
class Density(Protocol):
    """Knows its log-likelihood exactly."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B,)."""


@runtime_checkable
class Bounds(Protocol):
    """Bounds its log-likelihood from below."""

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound in nats, (B,)."""

    def iwae(self, x: Tensor, k: int) -> Tensor:
        """Importance-weighted bound with `k` samples in nats, (B,)."""


@runtime_checkable
class Energy(Protocol):
    """Knows its unnormalized negative log-density."""

    def energy(self, x: Tensor) -> Tensor:
        """Energy in nats up to a constant, (B,)."""


@runtime_checkable
class Encodes(Protocol):
    """Maps data to codes."""

    def encode(self, x: Tensor) -> Tensor:
        """Latent code of each example, (B, latent)."""


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


@runtime_checkable
class Scores(Protocol):
    """Knows the gradient of its log-density in x."""

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """Gradient of log p_t at `x`, (B, *shape)."""


@runtime_checkable
class Translates(Protocol):
    """Maps examples from one domain to another."""

    def translate(self, x: Tensor, to: Tensor) -> Tensor:
        """Each example in the domain `to`, (B,), one of the data's classes, as (B, *shape)."""


@runtime_checkable
class Completes(Protocol):
    """Fills in what is missing."""

    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """A draw of p(x_S given the rest); `mask` is 1 where `x` is known, (B, *shape)."""


@runtime_checkable
class Assembles(Protocol):
    """Makes whole images of patches that come without their places."""

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Key patches of images, (B, K, C, size, size), and their upper left corners, int64 (B, K, 2)."""

    def assemble(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Images around patches, (B, *shape), and distributions over corners, (B, K, H - size + 1, W - size + 1)."""


@runtime_checkable
class Enlarges(Protocol):
    """Draws pictures in more pixels."""

    factor: int
    """How many times as many pixels a side."""

    def enlarge(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) of any size as (B, C, factor H, factor W)."""


@runtime_checkable
class Predicts(Protocol):
    """Foresees how a film goes on."""

    def predict(self, x: Tensor, steps: int) -> Tensor:
        """The `steps` frames that follow the frames `x`, (B, frames, C, H, W), as (B, steps, C, H, W)."""


@runtime_checkable
class Classifies(Protocol):
    """Predicts classes."""

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes)."""


@runtime_checkable
class Clusters(Protocol):
    """Sorts data into categories that nobody named."""

    def cluster(self, x: Tensor) -> Tensor:
        """Log-probability of each category in nats, (B, categories)."""


@runtime_checkable
class Judges(Protocol):
    """Tells data from samples."""

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """In the first column of (B, 1 + more), the higher the likelier `x` of labels `y`, where it asks, are data."""


@runtime_checkable
class Initializes(Protocol):
    """Sets parameters from data before the first step."""

    def initialize(self, data: Batch) -> None:
        """See training examples, (N, *shape), and what belongs to them, once."""
