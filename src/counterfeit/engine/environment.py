"""What this machine is and what it is good for: versions, devices, precision, data, and a recommendation."""

from __future__ import annotations

import copy
import os
import platform
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from counterfeit.common.seeding import seeded
from counterfeit.common.threads import clock
from counterfeit.config.settings import Train
from counterfeit.core import Clock, Model
from counterfeit.data.downloads import cache_dir
from counterfeit.data.loader import Stream
from counterfeit.data.source import Source
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

__all__ = ["describe_machine", "peak_memory", "step_seconds"]

WIDTHS, BATCH = (128, 512, 2048), 128
WORTH = 1.2  # times as fast, from which on bf16 pays
PACKAGES = ("torch", "numpy", "pillow", "safetensors", "jsonargparse", "tensorboard", "matplotlib")
KEPT = ("parzen-", "floor-", "row-", "statistics", "classifiers", ".")  # in the cache: what metrics computed once


def peak_memory(device: torch.device) -> int:
    """The most bytes that this process has held so far: on a GPU of tensors, else of everything; 0 where unknown."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if platform.system() == "Darwin" else peak * 1024)


def describe_machine() -> dict[str, Any]:
    """Examine the machine: sections of facts, and `advice`, a list of sentences.

    Example:
        >>> sorted(describe_machine())
        ['advice', 'data', 'devices', 'machine', 'precision', 'versions']
    """
    found: dict[str, Any] = {
        "machine": machine(), "versions": versions(), "devices": devices(), "precision": precision(), "data": data(),
    }  # fmt: skip
    return found | {"advice": advice(found)}


def machine() -> dict[str, Any]:
    """Processor, threads, memory and disk."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory, 1),
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def devices() -> list[dict[str, Any]]:
    """Every device that training can use."""
    found: list[dict[str, Any]] = [{"device": "cpu", "name": platform.processor() or platform.machine()}]
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        found.append(
            {"device": f"cuda:{i}", "name": properties.name, "memory_gb": round(properties.total_memory / 2**30, 1)}
        )
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU"})
    return found


def precision(repeats: int = 5) -> dict[str, float]:
    """How many times as fast as in fp32 a layer's move is in bf16, as training does it, by its width; medians.

    There and back through a linear layer of that many units, a minibatch of 128, on the best device: small layers spend
    more on rounding weights and on starting operations than their products gain.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {f"bf16 at {width} units": round(_gain(width, device, repeats), 2) for width in WIDTHS}


def _gain(width: int, device: torch.device, repeats: int) -> float:
    layer, x = torch.nn.Linear(width, width, device=device), torch.randn(BATCH, width, device=device)

    def move(rounded: bool) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=rounded):
            loss = layer(x).square().mean()
        torch.autograd.grad(loss, list(layer.parameters()))

    return _seconds(lambda: move(False), device, repeats) / _seconds(lambda: move(True), device, repeats)


def data() -> dict[str, list[str]]:
    """The files of data sets in the folder that COUNTERFEIT_DATA names and in the cache."""
    chosen = os.environ.get("COUNTERFEIT_DATA")
    roots = [*([Path(chosen).expanduser()] if chosen else []), cache_dir()]
    return {str(root): _listed(root) for root in roots}


def _listed(root: Path) -> list[str]:
    names = (path.name for path in root.iterdir()) if root.is_dir() else ()
    return sorted(name for name in names if not name.startswith(KEPT))


def advice(found: Mapping[str, Any]) -> list[str]:
    """What the facts recommend."""
    gains, device = found["precision"], found["devices"][-1]["device"]
    lines = [f"Train on {device} (--train.device auto takes it).", _rounding(gains)]
    if device == "cpu":
        lines.append("Leave --train.compile off: on CPUs it seldom pays.")
    if found["machine"]["disk_free_gb"] < 2:
        lines.append(f"Free some disk: {found['machine']['disk_free_gb']} GB are left, and checkpoints need room.")
    if not os.environ.get("COUNTERFEIT_DATA"):
        lines.append(f"Data are downloaded to {cache_dir()}; set COUNTERFEIT_DATA to use a folder of your own.")
    return lines


def _rounding(gains: Mapping[str, float]) -> str:
    """Whether bf16 pays, by the width of layers."""
    told = ", ".join(f"{gain:.1f} times at {name.split()[2]} units" for name, gain in gains.items())
    pays = [name.split()[2] for name, gain in gains.items() if gain > WORTH]
    if not pays:
        return f"Stay with --train.precision fp32: bf16 is no faster here ({told}). `doctor RECIPE` times one of yours."
    return (
        f"--train.precision bf16 pays from layers of about {pays[0]} units on ({told}). Small nets are slower in it: "
        "`counterfeit doctor RECIPE` times a step of a recipe in both."
    )


def _seconds(move: Callable[[], object], device: torch.device, repeats: int) -> float:
    synchronize: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    times, now = [], clock(device)
    for _ in range(repeats + 2):  # the first ones warm up
        synchronize()
        start = now()
        move()
        synchronize()
        times.append(now() - start)
    return statistics.median(times[2:])


def step_seconds(model: Model, source: Source, train: Train, repeats: int = 5) -> float:
    """Median time of a training step of `model` by the settings `train`, in seconds; the model is not changed."""
    stream = Stream(source.split("train"), train.batch_size, train.seed, model.device)
    stepper, draws = Stepper(copy.deepcopy(model), replace(train, micro_batches=1), Processes()), stream.draws()
    with seeded(train.seed):
        return _seconds(lambda: stepper.step(draws, Clock(0, train.steps)), model.device, repeats)
