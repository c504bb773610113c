"""What this machine is and what it is good for: versions, devices, precision, data, and a recommendation."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from counterfeit.data.cache import cache_dir

__all__ = ["examine", "peak_memory"]

PACKAGES = ("torch", "numpy", "pillow", "safetensors", "jsonargparse", "tensorboard", "matplotlib")
KEPT = ("parzen-", "floor-", "statistics", "classifiers", ".")  # in the cache beside data: what metrics computed once


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


def examine() -> dict[str, Any]:
    """Examine the machine: sections of facts, and `advice`, a list of sentences.

    Example:
        >>> sorted(examine())
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


def precision(size: int = 1024, repeats: int = 5) -> dict[str, float]:
    """Speed of a square matrix product in fp32 and bf16 on the best device, GFLOP/s, medians."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {
        name: round(2 * size**3 / _seconds(torch.randn(size, size, device=device, dtype=dtype), repeats) / 1e9, 1)
        for name, dtype in (("fp32_gflops", torch.float32), ("bf16_gflops", torch.bfloat16))
    }


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
    speeds, device = found["precision"], found["devices"][-1]["device"]
    ratio = speeds["bf16_gflops"] / speeds["fp32_gflops"]
    lines = [f"Train on {device} (--train.device auto takes it)."]
    if ratio > 1.2:
        lines.append(f"Use --train.precision bf16: matrix products are {ratio:.1f} times as fast as in fp32.")
    else:
        lines.append("Stay with --train.precision fp32: bf16 is no faster here.")
    if device == "cpu":
        lines.append("Leave --train.compile off: on CPUs it seldom pays.")
    if found["machine"]["disk_free_gb"] < 2:
        lines.append(f"Free some disk: {found['machine']['disk_free_gb']} GB are left, and checkpoints need room.")
    if not os.environ.get("COUNTERFEIT_DATA"):
        lines.append(f"Data are downloaded to {cache_dir()}; set COUNTERFEIT_DATA to use a folder of your own.")
    return lines


def _seconds(x: torch.Tensor, repeats: int) -> float:
    synchronize: Callable[[], None] = torch.cuda.synchronize if x.is_cuda else lambda: None
    times = []
    for _ in range(repeats + 1):
        synchronize()
        start = time.perf_counter()
        x @ x
        synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
