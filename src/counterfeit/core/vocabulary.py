"""What a batch, an update, a clock, data and a model are."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = [
    "NUMBERS", "Batch", "Clock", "Draw", "Generator", "Kind", "Model", "Net", "Scaled", "Spec", "Update",
]  # fmt: skip

Kind = Literal["image", "binary", "real", "tokens"]
RANGES: Mapping[str, tuple[float, float]] = {"image": (0.0, 1.0), "binary": (0.0, 1.0), "real": (-math.inf, math.inf)}
NUMBERS: tuple[Kind, ...] = ("image", "binary", "real")


class Batch(NamedTuple):
    """A minibatch in the data's natural unit: images in [0, 1], (B, C, H, W); points (B, D).

    `y` belongs to each example: its label, (B,), the tokens of its caption, (B, length), its series, (B, C, frames),
    the picture that it is to be made from, (B, C, H, W), or the actions by which a video goes on, (B, frames - 1).
    """

    x: Tensor
    y: Tensor | None = None

    @property
    def labels(self) -> Tensor:
        """`y`, where labels or captions are expected, (B, …).

        Raises:
            ValueError: there are none.
        """
        if self.y is None:
            raise ValueError("examples without labels came; some with labels are expected. Take data with labels.")
        return self.y


class Update(NamedTuple):
    """Descend the scalar `loss` in the parameters of `parts` (submodule names; "" is the whole model).

    Schedules follow `clock` where there is one: that of a stage of training, in which alone these parts move.
    """

    loss: Tensor
    parts: tuple[str, ...] = ("",)
    logs: Mapping[str, Tensor] = {}
    clock: Clock | None = None

    @classmethod
    def of(
        cls, parts: str | tuple[str, ...], losses: Mapping[str, Tensor], shown: Mapping[str, Tensor] = {}
    ) -> Update:  # fmt: skip
        """Descend the sum of named losses.

        Arguments:
            parts: submodule names; logs bear the first.
            losses: scalars, each of which is logged.
            shown: scalars that are logged beside them.

        Example:
            >>> Update.of("generator", {"loss": torch.tensor(1.0), "cycle": torch.tensor(2.0)}).loss
            tensor(3.)
        """
        parts = (parts,) if isinstance(parts, str) else parts
        logs = {f"{parts[0]}/{name}": value.detach() for name, value in {**losses, **shown}.items()}
        return cls(torch.stack([*losses.values()]).sum(), parts, logs)

    def beside(self, other: Update) -> Update:
        """Both moves from the same point, where neither loss has a gradient in the parts of the other.

        Example:
            >>> both = Update(torch.tensor(1.0), ("discriminator",)).beside(Update(torch.tensor(2.0), ("generator",)))
            >>> both.loss, both.parts
            (tensor(3.), ('discriminator', 'generator'))
        """
        parts = (*dict.fromkeys((*self.parts, *other.parts)),)
        return self._replace(loss=self.loss + other.loss, parts=parts, logs={**self.logs, **other.logs})

    def times(self, weight: Tensor) -> Update:
        """Descend the loss times `weight`, scalar; logs stay as they are."""
        return self._replace(loss=weight * self.loss)

    def during(self, clock: Clock) -> Update:
        """The same in a stage of training, of which `clock` tells."""
        return self._replace(clock=clock)


class Clock(NamedTuple):
    """Where training stands: `step` of `steps`, for schedules, growing, greedy layers and annealing."""

    step: int
    steps: int

    def stage(self, parts: int) -> int:
        """Which of so many equal parts of training this is, from 0.

        Example:
            >>> [Clock(step, 10).stage(2) for step in (0, 4, 5, 9, 10)]
            [0, 0, 1, 1, 1]
        """
        return self.shared((1,) * parts)[0]

    def shared(self, shares: Sequence[float]) -> tuple[int, Clock]:
        """Which part of training this is, from 0, where parts have such shares, and where it stands itself.

        Example:
            >>> [Clock(step, 4).shared((3, 1))[0] for step in range(4)]
            [0, 0, 0, 1]
            >>> [tuple(Clock(step, 5).shared((1, 1))[1]) for step in range(5)]
            [(0, 3), (1, 3), (2, 3), (0, 2), (1, 2)]
        """
        ends = [math.ceil(self.steps * sum(shares[: i + 1]) / sum(shares) - 1e-9) for i in range(len(shares))]
        part = next((i for i, end in enumerate(ends) if self.step < end), len(shares) - 1)
        start = ends[part - 1] if part else 0
        return part, Clock(self.step - start, ends[part] - start)

    def since(self, start: int) -> Clock:
        """Where training stands that began at step `start`."""
        return Clock(self.step - start, self.steps - start)


Draw = Callable[[], Batch]


@dataclass(frozen=True)
class Spec:
    """What the data are: the event `shape`, the `kind` of values and the number of `classes` (0 without labels).

    Data with captions have, in place of labels, tokens (B, `max_tokens`): i stands for `vocabulary[i - 1]`, and 0 for
    nothing more.
    Where it is known what captions can say, `phrases` holds the names of every value of every attribute.

    Data with a second series have, in place of labels, real numbers (B, *`series`): `series` is (channels, frames), and
    frame f goes with the values from f `hop` on along the last axis of an example.

    Pairs of pictures have, in place of labels, the picture that each example is to be made from, (B, *`given`).

    Videos that go on by actions have, in place of labels, the action after each frame but the last, (B, frames - 1):
    whole numbers, each of one of the names in `actions`.

    Examples of kind "tokens" are texts: such tokens themselves, (B, T), as whole numbers in floating point.

    Example:
        >>> Spec((1, 28, 28)).dims
        784
    """

    shape: tuple[int, ...]
    kind: Kind = "image"
    classes: int = 0
    vocabulary: tuple[str, ...] = ()
    max_tokens: int = 0
    phrases: tuple[tuple[tuple[str, ...], ...], ...] = ()
    series: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def hop(self) -> int:
        """How many values along the last axis go with each frame of a second series.

        Example:
            >>> Spec((1, 2000), "real", series=(5, 50)).hop
            40
        """
        return -(-self.shape[-1] // self.series[1])

    @property
    def dims(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)

    @property
    def givens(self) -> Spec:
        """What the pictures are that examples of pairs are made from."""
        return Spec(self.given)

    @property
    def bounded(self) -> bool:
        """Whether values lie in [0, 1]."""
        return self.kind in ("image", "binary")

    @property
    def discrete(self) -> bool:
        """Whether examples have probabilities, and no densities."""
        return self.kind in ("binary", "tokens")

    @property
    def captioned(self) -> bool:
        """Whether examples have captions in place of labels."""
        return bool(self.vocabulary) and self.max_tokens > 0

    def within(self, x: Tensor) -> Tensor:
        """Values within the range of the data, which a Gaussian does not know."""
        return x.clamp(0, 1) if self.bounded else x

    def rounded(self, x: Tensor) -> Tensor:
        """Means `x`, (B, *shape), as data: rounded where the data are binary."""
        return x.round() if self.kind == "binary" else x

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
        if self.kind == "tokens":
            self._check_tokens(x, who)
            return
        low, high = RANGES[self.kind]
        if x.numel() and (float(x.min()) < low or float(x.max()) > high):
            span = f"[{float(x.min()):.4g}, {float(x.max()):.4g}]"
            raise ValueError(f"`x` lies in {span}; {who} expects [{low:g}, {high:g}]. {_remedy(x)}")
        if self.kind == "binary" and not bool(((x == 0) | (x == 1)).all()):
            raise ValueError(
                f"`x` holds values between 0 and 1; {who} expects {{0, 1}}. Add `binarize` to data.transforms."
            )

    def _check_tokens(self, x: Tensor, who: str) -> None:
        most = len(self.vocabulary)
        if bool((x != x.round()).any()) or bool(((x < 0) | (x > most)).any()):
            raise ValueError(
                f"`x` holds other values than whole numbers, in [{float(x.min()):.4g}, {float(x.max()):.4g}]; {who} "
                f"expects tokens 0 to {most}. Take those of the data's own vocabulary."
            )
        if bool(((x[:, :-1] == 0) & (x[:, 1:] != 0)).any()):
            raise ValueError(
                f"`x` holds tokens behind a 0; {who} expects 0, the end of a text, to stay. Fill texts from the left."
            )


def _remedy(x: Tensor) -> str:
    symmetric = -1 <= float(x.min()) < 0 and float(x.max()) <= 1
    return "Map [-1, 1] to it by (x + 1) / 2." if symmetric else "Divide 8-bit images by 255."


class Net(nn.Module):
    """A network with its own `forward`: the unit that the engine compiles."""

    double_backward: bool = False
    """Whether it is differentiated twice (a gradient penalty); such a net stays eager."""


@runtime_checkable
class Scaled(Protocol):
    """A layer that multiplies its weights when it uses them."""

    weight_scale: float
    """What it multiplies them by."""


class Generator(nn.Module):
    """What has samples, codes or likelihoods of data described by `spec`: a model, or samples that exist already."""

    conditional: bool = False
    """Whether it is conditioned on the labels of data, also where it discriminates."""
    levels: bool = False
    """Whether its likelihoods are even over each of the 256 levels of 8-bit values, or are those of such values."""
    one_by_one: int = 0
    """How many values a sample is drawn by one after another from caches, with no whole pass through a net for each."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device


class Model(Generator, ABC):
    """A generative model, which can be trained."""

    kinds: tuple[Kind, ...] = NUMBERS
    """Kinds of data that it can be trained on; its constructor may ask for more."""
    transforms: Mapping[Kind, tuple[str, ...]] = {}
    """Names of the transforms that data of a kind pass through before the model sees them, where nobody says others."""
    undivided: tuple[str, ...] = ()
    """Its settings by which a loss is no mean over examples, and would be another of a minibatch in pieces."""
    shows_samples: bool = False
    """Whether samples are shown while it trains, also where it does something else with given images."""

    @abstractmethod
    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Yield the updates of one training step in order; each is applied before the generator resumes.

        Arguments:
            draw: returns a fresh minibatch at every call.
            clock: where training stands.
        """
