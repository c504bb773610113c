"""The one step loop: the only `backward` and the only optimizer step of the project.

Every micro-batch owns a random stream that is a function of (seed, step, piece), so noise needs no saving. A run of n
pieces draws the same numbers in one trainer or two, and on however many processes the pieces are; with another number
of pieces it sees the same data, but draws other noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from counterfeit.common.seeding import mix
from counterfeit.config.settings import OptimizerSettings, Train
from counterfeit.core import Clock, Draw, Model, Scaled, Update
from counterfeit.engine.device import pick_precision
from counterfeit.engine.distributed import Processes
from counterfeit.nets.layers import incoming

__all__ = ["Part", "Stepper", "remembered"]


class Stepper:
    """Applies the updates that a model yields.

    Arguments:
        model: on its device.
        train: how each part moves.
        processes: those that share the work.
    """

    def __init__(self, model: Model, train: Train, processes: Processes) -> None:
        self.model, self.processes = model, processes
        self.train = replace(train, precision=pick_precision(train.precision, model.device))
        self.average = EMA(model)
        self.parts: dict[str, Part] = {}
        self.noise = [RandomStream(train.seed, j, model.device) for j in processes.share(train.micro_batches)]

    def step(self, draws: Sequence[Draw], clock: Clock) -> dict[str, Tensor]:
        """One training step: every update in order, each built by all micro-batches before anything moves.

        Returns the last micro-batch's logs, still on the device.
        """
        self.model.train()
        streams = [self.model.updates(draw, clock) for draw in draws]
        for noise in self.noise:
            noise.seed(clock.step)
        logs: dict[str, Tensor] = {}
        while True:
            updates = [
                self._backward(stream, noise, len(streams)) for stream, noise in zip(streams, self.noise, strict=True)
            ]
            if updates[0] is None:
                return logs
            self._apply(updates[0].parts, updates[0].clock or clock)
            logs |= updates[-1].logs if updates[-1] else {}

    def _backward(self, stream: Iterator[Update], noise: RandomStream, share: int) -> Update | None:
        with noise.alone() if share > 1 else nullcontext(), self.precision():
            update = next(stream, None)
        if update is not None:
            inputs = [p for name in update.parts for p in self.part(name).parameters]
            (update.loss / share).backward(inputs=inputs)  # no other part receives a gradient
        return update

    def _apply(self, names: Sequence[str], clock: Clock) -> None:
        for name in names:
            part = self.part(name)
            self.processes.average([p.grad for p in part.parameters if p.grad is not None])
            part.move(clock)
            if part.settings.ema:
                self.average.follow(name, part)

    def part(self, name: str) -> Part:
        """The parameters of a submodule ("" is the whole model) and what moves them."""
        if name not in self.parts:
            self.parts[name] = Part(self.model.get_submodule(name), self.train.of_part(name))
        return self.parts[name]

    def precision(self) -> AbstractContextManager[object]:
        """Autocast where bf16 is asked for, or pays."""
        if self.train.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.model.device.type, torch.bfloat16)


class Part:
    """Parameters that move together, their optimizer and its schedule."""

    def __init__(self, module: nn.Module, settings: OptimizerSettings) -> None:
        self.module, self.settings, self.moves = module, settings, 0
        self.parameters = list(module.parameters())
        self.optimizer = _optimizer(self.parameters, settings)

    def move(self, clock: Clock) -> None:
        """Clip, descend by the schedule, project and forget the gradients."""
        group = self.optimizer.param_groups[0]
        group["lr"] = learning_rate(self.settings, clock)
        if "momentum" in group:
            group["momentum"] = momentum(self.settings, clock)
        if self.settings.clip_grad_norm:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.settings.max_weight_norm:
            limit(self.module, self.settings.max_weight_norm)
        self.moves += 1


@torch.no_grad()
def limit(module: nn.Module, most: float) -> None:
    """Shorten to the norm `most` what comes into every unit of linear maps and convolutions, as it is used."""
    for layer in module.modules():
        for weight in incoming(layer):
            weight.renorm_(2, 0, most / abs(layer.weight_scale) if isinstance(layer, Scaled) else most)


class EMA:
    """A second model whose weights follow the first's by exponential moving average, part by part.

    Parameters are averaged, and the running statistics of norms, which are those of their activations. What else a part
    holds is no mean of anything, such as the vectors that spectral normalization iterates; it is copied when the model
    is asked for, as are parts without an average.
    """

    def __init__(self, model: Model) -> None:
        self.source = model
        self.copy: Model | None = None
        self.followed: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def follow(self, name: str, part: Part) -> None:
        """Move the average of a part towards its weights."""
        decay = min(
            part.settings.ema, (1 + part.moves) / (10 + part.moves)
        )  # young averages forget the initial weights sooner
        pairs = self.followed.get(name) or self.track(name)
        torch._foreach_lerp_([a for a, _ in pairs], [p for _, p in pairs], 1 - decay)

    def track(self, name: str) -> list[tuple[Tensor, Tensor]]:
        """Begin, or go on, to average the submodule `name`: pairs of average and weight."""
        ours, theirs = self._twin().get_submodule(name), self.source.get_submodule(name)
        pairs = zip(_averaged(ours), _averaged(theirs), strict=True)
        self.followed[name] = [(a.data, p.data) for a, p in pairs]
        return self.followed[name]

    def model(self) -> Model:
        """The model to sample from, in evaluation mode: averages where there are any, weights elsewhere."""
        if not self.followed:
            return self.source
        averaged = {a.data_ptr() for pairs in self.followed.values() for a, _ in pairs}
        theirs = self.source.state_dict()
        for key, value in self._twin().state_dict().items():
            if value.data_ptr() not in averaged:
                value.copy_(theirs[key])
        return self._twin()

    def _twin(self) -> Model:
        if self.copy is None:
            self.copy = clone(self.source)
        return self.copy


class RandomStream:
    """The random stream of one micro-batch."""

    def __init__(self, seed: int, piece: int, device: torch.device) -> None:
        self.key, self.generators = (seed, piece), _generators(device)
        self.states: list[Tensor] = []

    def seed(self, step: int) -> None:
        """Start the stream of this step."""
        for generator in self.generators:
            generator.manual_seed(mix(*self.key, step))
        self.states = [generator.get_state() for generator in self.generators]

    def alone(self) -> AbstractContextManager[None]:
        """Go on with this stream where another micro-batch has drawn in between."""
        return _Resumed(self)


class _Resumed(AbstractContextManager[None]):
    def __init__(self, noise: RandomStream) -> None:
        self.noise = noise

    def __enter__(self) -> None:
        for generator, state in zip(self.noise.generators, self.noise.states, strict=True):
            generator.set_state(state)

    def __exit__(self, *_: object) -> None:
        self.noise.states = [generator.get_state() for generator in self.noise.generators]


def clone(model: Model) -> Model:
    """A copy that shares no tensor with `model`, in evaluation mode and without gradients."""
    import copy

    return copy.deepcopy(model).requires_grad_(False).eval()


def learning_rate(settings: OptimizerSettings, clock: Clock) -> float:
    """The learning rate at `clock`."""
    if clock.step < settings.warmup_steps:
        return settings.lr * (clock.step + 1) / settings.warmup_steps
    if settings.schedule == "exponential":
        return max(settings.lr_final, settings.lr * math.exp(-clock.step * math.log(settings.lr_decay_factor)))
    held = settings.lr_hold_fraction * clock.steps
    fraction = max(0.0, (clock.step - held) / max(1.0, clock.steps - held))
    remaining = {"constant": 1.0, "linear": 1 - fraction, "cosine": 0.5 + 0.5 * math.cos(math.pi * fraction)}
    return settings.lr_final + (settings.lr - settings.lr_final) * remaining[settings.schedule]


def momentum(settings: OptimizerSettings, clock: Clock) -> float:
    """The momentum at `clock`: linear from `momentum` to `momentum_final` over `momentum_steps`."""
    if settings.momentum_final is None:
        return settings.momentum
    return settings.momentum + (settings.momentum_final - settings.momentum) * min(
        1.0, clock.step / settings.momentum_steps
    )


def _optimizer(parameters: list[nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True
        )
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, settings.lr, weight_decay=settings.weight_decay)
    if settings.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, settings.lr, weight_decay=settings.weight_decay)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, settings.lr, settings.betas, weight_decay=settings.weight_decay, fused=True)


def remembered(settings: OptimizerSettings) -> frozenset[str]:
    """Names of the tensors that an optimizer keeps of each parameter it has moved."""
    p = nn.Parameter(torch.zeros(1))
    optimizer = _optimizer([p], settings)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    return frozenset(name for name, value in optimizer.state[p].items() if isinstance(value, Tensor))


def _averaged(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    norms = (norm for norm in module.modules() if isinstance(norm, nn.modules.batchnorm._NormBase))
    yield from (b for norm in norms for b in norm.buffers(recurse=False) if b.is_floating_point())


def _generators(device: torch.device) -> list[torch.Generator]:
    index = device.index or 0
    return [torch.default_generator, *([torch.cuda.default_generators[index]] if device.type == "cuda" else [])]
