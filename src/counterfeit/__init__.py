"""Counterfeit: a laboratory for generative models.

Train, sample, evaluate and compare every family from the adversarial nets of 2014 to diffusion through one interface.

Example:
    >>> import counterfeit as cf
    >>> {entry["name"] for entry in cf.list("models")} >= {"gan", "vae"}
    True
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded on first use: `import counterfeit` and `counterfeit --help` do not import torch.
_LAZY = {
    "train": "run.run.train", "resume": "run.run.resume", "Run": "run.run.Run",
    "evaluate": "evaluation.fixed_samples.evaluate", "outside": "evaluation.fixed_samples.outside",
    "compare": "report.comparison.compare.compare", "benchmark": "benchmarking.benchmark.benchmark",
    "list": "listing.entries", "source": "catalogue.source",
    "Batch": "core.Batch", "Clock": "core.Clock", "Model": "core.Model", "Net": "core.Net", "Spec": "core.Spec",
    "Update": "core.Update", "theory": "theory",
}  # fmt: skip
__all__ = [*_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'counterfeit' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].rpartition(".")
    if module.startswith(("run.", "evaluation.", "report.", "benchmarking.")):
        for presenter in ("run_page.page", "html.notebook"):  # of reports, and of what notebooks show
            importlib.import_module(f"{__name__}.report.{presenter}")
    loaded = importlib.import_module(f"counterfeit.{module or attribute}")
    return getattr(loaded, attribute) if module else loaded


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
