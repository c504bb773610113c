"""What the nets of a model show when one step is built and not applied: gradients, weights and dead units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from counterfeit.common.seeding import mix, seeded
from counterfeit.core import Batch, Clock, Model, Scaled, Update
from counterfeit.engine.doctor.sample_statistics import SAMPLES, SEED, Reference
from counterfeit.engine.step import Stepper
from counterfeit.nets.layers import incoming

__all__ = ["dead_units", "gain", "listening", "look_at_training", "undisturbed"]

Ranges = dict[str, tuple[Tensor, Tensor]]


def look_at_training(stepper: Stepper, known: Reference, clock: Clock, size: int, seed: int) -> dict[str, float]:
    """One step's updates built, not applied: `gradient/<part>` norms, `gain/<part>` of weights, `dead/<layer>` shares.

    Arguments:
        stepper: whose model is examined, with its weights of training.
        known: where examples are drawn from.
        clock: where training stands.
        size: examples in a minibatch, as many as training has at once.
        seed: of the draws.
    """
    model = stepper.model
    squares: dict[str, Tensor] = {}
    with undisturbed(model, mix(seed, SEED)), listening(model) as ranges:
        model.train()
        for _ in range(max(1, min(4, SAMPLES // size))):
            stream = model.updates(partial(_draw, known.batch, size), clock)
            while True:
                with stepper.precision():
                    update = next(stream, None)
                if update is None:
                    break
                squares |= _squared_gradients(model, update)
    gradients = {f"gradient/{name or 'model'}": float(square) ** 0.5 for name, square in squares.items()}
    gains = {f"gain/{name}": gain(part) for name, part in model.named_children()}
    return gradients | gains | {f"dead/{name}": share for name, share in dead_units(ranges).items()}


def gain(module: nn.Module) -> float:
    """The largest root-mean-square weight of its linear maps and convolutions times √inputs: about 1 at the start.

    Example:
        >>> layer = nn.Linear(4, 3)
        >>> layer.weight.data.fill_(-2.0).shape
        torch.Size([3, 4])
        >>> gain(layer)
        4.0
    """
    gains = [
        weight.detach().float().square().mean() * (weight.numel() / len(weight)) * _scale(layer) ** 2
        for layer in module.modules()
        for weight in incoming(layer)
    ]
    return float(torch.stack(gains).max()) ** 0.5 if gains else 0.0


def _scale(layer: nn.Module) -> float:
    """What a layer's weights are multiplied by when they are used."""
    return layer.weight_scale if isinstance(layer, Scaled) else 1.0


@contextmanager
def undisturbed(model: nn.Module, seed: int) -> Iterator[None]:
    """Run `model` under `seed` in any mode inside: modes, buffers and random states are restored after."""
    modes = {module: module.training for module in model.modules()}
    buffers = [(m, key, b, b.clone()) for m in model.modules() for key, b in m._buffers.items() if b is not None]
    device = next(model.parameters()).device
    try:
        with seeded(seed, device):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for module, key, buffer, content in buffers:
            buffer.copy_(content)
            module._buffers[key] = buffer


@contextmanager
def listening(model: nn.Module) -> Iterator[Ranges]:
    """Smallest and largest activation of every unit, (units,) each, by the name of its layer."""
    ranges: Ranges = {}
    names = {module: name for name, module in model.named_modules() if _activates(module)}

    def hear(module: nn.Module, _: object, out: Tensor) -> None:
        units = out.detach().movedim(1 if out.ndim == 4 else -1, 0).flatten(1)
        low, high = units.amin(1), units.amax(1)
        if (name := names[module]) in ranges:
            low, high = low.minimum(ranges[name][0]), high.maximum(ranges[name][1])
        ranges[name] = low, high

    hooks = [module.register_forward_hook(hear) for module in names]
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()


def dead_units(ranges: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of each layer's units that gave one value whatever came.

    Example:
        >>> dead_units({"relu": (torch.tensor([0.0, 0.0]), torch.tensor([0.0, 3.0]))})
        {'relu': 0.5}
    """
    still = {name: high - low <= 1e-6 * high.abs().clamp(min=1) for name, (low, high) in ranges.items()}
    return {name: float(units.float().mean()) for name, units in still.items()}


def _activates(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.activation" and not any(True for _ in module.parameters())


def _squared_gradients(model: Model, update: Update) -> dict[str, Tensor]:
    weights = {(name, key): p for name in update.parts for key, p in model.get_submodule(name).named_parameters()}
    moved = {key: p for key, p in weights.items() if p.requires_grad}
    gradients = zip(moved, torch.autograd.grad(update.loss, list(moved.values()), allow_unused=True), strict=True)
    squares = [(name, g.square().sum()) for (name, _), g in gradients if g is not None]
    return {part: torch.stack([s for name, s in squares if name == part]).sum() for part, _ in squares}


def _draw(batch: Batch, size: int) -> Batch:
    rows = torch.randint(len(batch.x), (size,)).to(batch.x.device)
    return Batch(batch.x[rows], None if batch.y is None else batch.y[rows])
