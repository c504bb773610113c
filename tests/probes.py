"""What the common checks look at models with: watched updates, shared noise, data that can be enumerated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Kind, Model, Spec, Update
from counterfeit.data.loader import Stream
from counterfeit.data.source import Source
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

Updates = Iterator[Update]
Weights = Mapping[str, Tensor]

SMALL: Mapping[Kind, Spec] = {
    "binary": Spec((1, 2, 3), "binary"), "image": Spec((1, 1, 2), "image"), "real": Spec((2,), "real"),
    "tokens": Spec((3,), "tokens", vocabulary=("<unk>", "a", "b")),
}  # fmt: skip


def rounded(spec: Spec, n: int) -> Tensor:
    """Random examples of 0s and 1s, (n, *shape); of any tokens where the data are texts."""
    if spec.kind != "tokens":
        return torch.rand(n, *spec.shape).round()
    tokens = torch.randint(len(spec.vocabulary) + 1, (n, *spec.shape))
    return torch.where((tokens == 0).cumsum(1) > 0, 0, tokens).float()


def plain(train: Train) -> Train:
    """The same minibatches with nothing between a gradient and the weights but a learning rate."""
    return Train(optimizer="sgd", lr=0.1, steps=train.steps, batch_size=train.batch_size, seed=train.seed)


def interpose(model: Model, wrap: Callable[[Updates], Updates]) -> None:
    """Let `wrap` stand between the model and the engine: it sees every stream of updates as it begins."""
    begin = model.updates
    model.updates = lambda draw, clock: wrap(begin(draw, clock))  # type: ignore[method-assign]


def gradients_of(model: Model, source: Source, train: Train) -> dict[str, Tensor]:
    """Take one training step; returns the gradient that each parameter got, the last where it got several."""
    found: dict[str, Tensor] = {}
    for name, p in model.named_parameters():
        p.register_post_accumulate_grad_hook(lambda p, name=name: found.update({name: p.grad.clone()}))
    mine = range(train.micro_batches)
    stream = Stream(
        source.split("train"), train.batch_size, train.seed, model.device, train.micro_batches, mine, workers=0
    )
    Stepper(model, train, Processes()).step(stream.draws(), Clock(0, train.steps))
    return found


def descend(model: Model, x: Tensor, steps: int, lr: float = 1e-2, batch_size: int = 100) -> None:
    """Train a model of one player on the examples `x` by Adam, whose learning rate falls to 0."""
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for step in range(steps):
        batch = Batch(x[torch.randint(len(x), (batch_size,))])
        (update,) = model.updates(lambda batch=batch: batch, Clock(step, steps))
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        optimizer.step()


def close(found: Weights, expected: Weights, tolerance: float = 1e-4) -> None:
    """Raise unless every tensor is the expected one, within a fraction of its largest value."""
    assert found.keys() == expected.keys(), f"{sorted(found.keys() ^ expected.keys())} are in one of both only"
    for name, value in expected.items():
        scale, off = float(value.abs().max()), float((found[name] - value).abs().max())
        slack = 6e-8  # what terms of size 1 leave in float32 where they cancel
        assert off <= tolerance * scale + slack, f"{name} is off by {off:.2g}, where the largest value is {scale:.2g}"


def watched(model: Model, updates: Updates) -> Updates:
    """The same updates; raises where parts move that the last one did not name, or a named one stands still."""
    before, named = _snapshot(model), ()
    for update in updates:
        _check_moved(model, before, named)
        before, named = _snapshot(model), update.parts
        yield update
    _check_moved(model, before, named)


def _snapshot(model: Model) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def _check_moved(model: Model, before: Weights, named: Sequence[str]) -> None:
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    parts = {part: {name for name in before if not part or name.startswith(f"{part}.")} for part in named}
    stray = moved.difference(*parts.values())
    assert not stray, f"{', '.join(sorted(stray))} moved; the update names {', '.join(named) or 'nothing yet'}"
    still = [part or "the model" for part, names in parts.items() if not names & moved]
    assert not still, f"{', '.join(still)} did not move; the update names it"


class Recorded(TorchFunctionMode):
    """Remembers what `rand`, `randn` and their kind draw."""

    kind = (torch.rand, torch.randn, torch.rand_like, torch.randn_like, torch.Tensor.random_)

    def __init__(self, drawn: list[Tensor]) -> None:
        super().__init__()
        self.drawn = drawn

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Draw and remember."""
        out = func(*args, **(kwargs or {}))
        if func in self.kind:
            self.drawn.append(out)
        return out


class Dealt(TorchFunctionMode):
    """Deals micro-batch number `piece` of `pieces` its rows of what was drawn for a minibatch of `batch_size`.

    What was drawn at once for several copies of the minibatch has the copies outermost, as `cat` puts them.
    """

    def __init__(self, drawn: Sequence[Tensor], batch_size: int, pieces: int, piece: int) -> None:
        super().__init__()
        self.drawn, self.batch_size, size = iter(drawn), batch_size, batch_size // pieces
        self.rows = slice(piece * size, (piece + 1) * size)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Take rows in place of a draw."""
        if func not in Recorded.kind:
            return func(*args, **(kwargs or {}))
        whole = next(self.drawn)
        assert len(whole) % self.batch_size == 0, f"noise of shape {tuple(whole.shape)} is not drawn for each example"
        return whole.unflatten(0, (-1, self.batch_size))[:, self.rows].flatten(0, 1)


def under(noise: Recorded | Dealt, updates: Updates) -> Updates:
    """The same updates, each built under `noise`; raises where more is drawn than it deals."""
    while True:
        before = torch.get_rng_state()
        with noise:
            update = next(updates, None)
        beside = isinstance(noise, Dealt) and not torch.equal(before, torch.get_rng_state())
        assert not beside, "noise comes from other functions than rand, randn, rand_like, randn_like and random_"
        if update is None:
            return
        yield update


class Cells(NamedTuple):
    """All there is of small data: `points` (C, *shape), each standing for the same `volume`, and the `bins` they are
    counted in, (C,)."""

    points: Tensor
    volume: float
    bins: Tensor
    locate: Callable[[Tensor], Tensor]
    """The bin of each example, (B, *shape) -> (B,)."""


def cells(spec: Spec, reach: float = 12.0) -> Cells:
    """Every state of binary data, or every text; a grid over [0, 1] or ±`reach` in one or two dimensions."""
    if spec.kind == "tokens":
        every = _grid(spec, torch.arange(len(spec.vocabulary) + 1.0), 1.0, lambda x: x)
        ended = ((every.points[:, :-1] == 0) & (every.points[:, 1:] > 0)).any(1)
        return every._replace(points=every.points[~ended], bins=every.bins[~ended])
    if spec.kind == "binary":
        axis = torch.tensor([0.0, 1.0])
        return _grid(spec, axis, 1.0, lambda x: x)
    assert spec.dims <= 2, f"{spec.dims} dimensions are too many to integrate over"
    low, high = (0.0, 1.0) if spec.bounded else (-reach, reach)
    n, step = (1024, 16) if spec.dims == 1 else (256, 16)
    axis = low + (torch.arange(n) + 0.5) * (high - low) / n
    coarse = n // step
    return _grid(spec, axis, (high - low) / n, lambda x: ((x - low) / (high - low) * coarse).clamp(0, coarse - 1))


def _grid(spec: Spec, axis: Tensor, width: float, coordinate: Callable[[Tensor], Tensor]) -> Cells:
    points = torch.cartesian_prod(*[axis] * spec.dims).view(-1, *spec.shape)
    base = int(coordinate(axis[-1:])) + 1

    def locate(x: Tensor) -> Tensor:
        digits = coordinate(x.flatten(1)).long()
        return (digits * base ** torch.arange(spec.dims)).sum(1)

    return Cells(points, width**spec.dims, locate(points), locate)


def surprise(counts: Tensor, expected: Tensor) -> float:
    """How many standard deviations the chi-square of `counts` lies above what `expected` ones lead to expect.

    Bins that expect less than five are taken together.

    References:
        The Distribution of Chi-Square, Wilson & Hilferty, 1931.
    """
    rare = expected < 5
    counts, expected = (torch.cat([t[~rare], t[rare].sum()[None]]) for t in (counts, expected))
    df = max(1, len(counts) - 1)
    chi2 = float(((counts - expected).square() / expected.clamp(min=1)).sum())
    spread = 2 / (9 * df)
    return ((chi2 / df) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


def mean_and_error(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the last dimension and its standard error."""
    return values.mean(-1), values.std(-1) / math.sqrt(values.shape[-1])


def excess(values: Tensor, limit: tuple[Tensor, Tensor]) -> float:
    """By how many standard errors the mean of `values`, (S, R), exceeds a limit with its error, (S,), at the most."""
    (mean, error), (top, spread) = mean_and_error(values), limit
    return float(((mean - top) / (error.square() + spread.square()).sqrt().clamp(min=1e-6)).max())


def marginal(decode: Callable[[Tensor], Tensor], codes: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """p(x) of binary `states`, (S, *shape), as the mean of p(x | z) over `codes` of the prior, with its error."""
    mean = decode(codes).flatten(1).clamp(1e-7, 1 - 1e-7)
    on = states.flatten(1)
    log_likelihood = on @ mean.log().mT + (1 - on) @ (1 - mean).log().mT  # (S, N)
    return mean_and_error(log_likelihood.exp())
