"""Checkpoints: safetensors and JSON, written whole or not at all.

    checkpoints/step-00002000/model.safetensors      the weights to sample from (averages where there are any)
                             /training.safetensors   raw weights, optimizer states
                             /state.json             step, position in the data, clocks, validation

A checkpoint is written beside its place and renamed into it, so a run killed at any moment has its last one whole.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as encode
from torch import Tensor, nn

from counterfeit.common.file_schemas import STATE
from counterfeit.common.files import UNREADABLE, dumps
from counterfeit.common.schema import MisfitError, read_json
from counterfeit.engine.step import Part, Stepper, remembered

__all__ = [
    "DamagedError", "best", "checkpoints", "healthy", "newest", "read_state", "read_weights", "restore", "rewind",
    "save",
]  # fmt: skip


class DamagedError(ValueError):
    """A checkpoint that cannot be read."""


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run folder, oldest first."""
    found = (run / "checkpoints").glob("step-*")
    return sorted(path for path in found if re.fullmatch(r"step-\d{8,18}", path.name) and path.is_dir())


def newest(run: Path) -> Path:
    """The newest checkpoint of a run folder."""
    found = checkpoints(run)
    if not found:
        raise ValueError(
            f"{run} holds no checkpoint yet. While it trains, wait for the first, after train.save_every steps; if it "
            f"was stopped before, `counterfeit resume {run} --anew` trains it from the start."
        )
    return found[-1]


def best(run: Path) -> Path:
    """The checkpoint with the best validation of a run folder; the newest where none was validated."""
    scored = [(state["score"], path) for path, state in _states(run) if state["score"] is not None]
    return max(scored)[1] if scored else newest(run)


def healthy(run: Path) -> Path | None:
    """The newest checkpoint of a run folder at which the doctor found nothing."""
    return next((path for path, state in _states(run)[::-1] if state.get("healthy")), None)


def rewind(run: Path, path: Path, changes: Mapping[str, Any]) -> None:
    """Make `path` the newest checkpoint of a run folder, with `changes` to its state."""
    for later in reversed(checkpoints(run)):
        if later > path:
            _remove(later)
    partial = path / ".partial-state.json"
    _write_text(partial, dumps({**read_state(path), **changes}, indent=1))
    os.replace(partial, path / "state.json")


def save(run: Path, stepper: Stepper, state: Mapping[str, Any], keep: int, every: int = 0) -> Path:
    """Write a checkpoint of `state["step"]`, then drop those that need not be kept.

    Arguments:
        run: the run folder.
        stepper: what to save.
        state: where training stands.
        keep: how many of the newest to keep, beside the best and the healthy.
        every: steps between saves; the first is kept too, and those whose number is a power of two. 0 keeps neither.

    Raises:
        OSError: where the disk is full or read-only; earlier checkpoints are untouched.
    """
    folder = run / "checkpoints"
    target = folder / f"step-{state['step']:08d}"
    if not target.exists():
        partial = folder / f".partial-{target.name}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            _write(partial / "model.safetensors", stepper.average.model().state_dict())
            training = _training(stepper)
            _write(partial / "training.safetensors", training)
            _write_text(partial / "state.json", dumps({**state, "tensors": len(training)}, indent=1))
            os.replace(partial, target)
            _sync(folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            reason = getattr(error, "strerror", None) or error  # an OSError's text would name the partial file
            raise OSError(f"{target} could not be written ({reason}); earlier checkpoints are kept.") from None
    _prune(run, keep, every)
    return target


def restore(path: Path, stepper: Stepper) -> dict[str, Any]:
    """Put weights, averages and optimizers back as `save` found them; returns the state.

    Raises:
        DamagedError: the files do not hold all that they should, or what the model of the run has no place for.
    """
    tensors, model, state = read_weights(path, "training"), read_weights(path, "model"), read_state(path)
    if state.get("tensors", len(tensors)) != len(tensors):
        raise _damaged(path, f"training.safetensors holds {len(tensors)} tensors of {state['tensors']}")
    fill(stepper.model, _below("weights/", tensors), path)
    for name, moves in state["parts"].items():
        if name and name not in dict(stepper.model.named_modules()):
            raise _damaged(path, f"state.json names the part {name!r}, which the model has not")
        part = stepper.part(name)
        part.moves = moves
        _restore_optimizer(part, _below(f"optimizer/{name}/", tensors), path)
        if part.settings.ema:
            stepper.average.track(name)
    if stepper.average.followed:
        fill(stepper.average.model(), model, path)
    return state


def read_weights(path: Path, which: str = "model") -> dict[str, Tensor]:
    """The tensors of a checkpoint's "model" or "training" file, on the CPU."""
    file = path / f"{which}.safetensors"
    try:
        return load_file(file)
    except (*UNREADABLE, SafetensorError) as error:
        raise DamagedError(f"{file} cannot be read ({' '.join(str(error).split())}). {_remedy(path)}") from None


def read_state(path: Path) -> dict[str, Any]:
    """The state of a checkpoint."""
    try:
        state: dict[str, Any] = read_json(path / "state.json", STATE)
        if state["step"] != int(path.name[5:]):
            raise MisfitError(f"it is of step {state['step']}")
    except MisfitError as error:
        raise DamagedError(f"{path / 'state.json'} cannot be read ({error}). {_remedy(path)}") from None
    return state


def _states(run: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Checkpoints, oldest first, and their states, but those that a trainer takes away meanwhile."""
    found = []
    for path in checkpoints(run):
        try:
            found.append((path, read_state(path)))
        except DamagedError:
            if path.exists():
                raise
    return found


def fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load `weights` into `model`; what does not fit is one clear line."""
    own = model.state_dict()
    other = [name for name, value in weights.items() if name in own and value.dtype != own[name].dtype]
    try:
        if other:
            raise RuntimeError(f"{other[0]} is {weights[other[0]].dtype}; {own[other[0]].dtype} is expected")
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedError(f"{path} does not fit the model of run.yaml ({reason}). {_remedy(path)}") from None


def _training(stepper: Stepper) -> dict[str, Tensor]:
    tensors = {f"weights/{k}": v for k, v in stepper.model.state_dict().items()}
    for name, part in stepper.parts.items():
        for i, p in enumerate(part.parameters):
            for key, value in part.optimizer.state.get(p, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{name}/{i}/{key}"] = value
    return tensors


def _restore_optimizer(part: Part, tensors: Mapping[str, Tensor], path: Path) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        p = part.parameters[int(number)] if number.isdecimal() and int(number) < len(part.parameters) else None
        if p is None or value.dtype != p.dtype or value.shape not in (p.shape, ()):
            raise _damaged(path, f"training.safetensors holds {key} of an optimizer, for which there is no place")
        # laid out in memory as the weight is, which fused optimizers take for granted
        state.setdefault(int(number), {})[name] = torch.empty_like(p).copy_(value) if value.shape == p.shape else value
    for i, found in state.items():
        if lacking := remembered(part.settings) - found.keys():
            what = f"training.safetensors lacks {', '.join(sorted(lacking))} of parameter {i}"
            raise _damaged(path, f"{what}, or another optimizer wrote it")
    part.optimizer.load_state_dict({"state": state, "param_groups": part.optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(f"{path} cannot be used: {what}. {_remedy(path)}")


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # clones: safetensors refuses tensors that share memory
    path.write_bytes(encode({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}))
    _sync(path)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(run: Path, keep: int, every: int) -> None:
    found = checkpoints(run)
    kept = {*found[-keep:], best(run), healthy(run), *(found[:1] if every else [])}
    for path in found:
        if path not in kept and not (every and _milestone(int(path.name[5:]), every)):
            _remove(path)


def _milestone(step: int, every: int) -> bool:
    number, rest = divmod(step, every)
    return not rest and number & (number - 1) == 0


def _remove(path: Path) -> None:
    doomed = path.with_name(f".old-{path.name}")
    os.replace(path, doomed)  # so that a kill in the middle leaves no half checkpoint
    shutil.rmtree(doomed, ignore_errors=True)


def _remedy(path: Path) -> str:
    others = [p.name for p in checkpoints(path.parent.parent) if p != path]
    again = f"`counterfeit train {path.parent.parent / 'run.yaml'}` trains the same again"
    return f"Remove {path.name} and use {others[-1]}." if others else f"The run has no other checkpoint: {again}."
