"""How well noise is removed: pictures rebuilt from noisy ones, beside the noisy ones themselves.

References:
    Stacked Denoising Autoencoders, Vincent, Larochelle, Lajoie, Bengio & Manzagol, 2010.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator
from counterfeit.corruption import corrupt
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.encoding import Reconstructs, reconstruct
from counterfeit.metrics.base import Answer, Metric, Result, attempt
from counterfeit.metrics.representation.reconstruction import psnr

__all__ = ["DENOISING", "LEVELS"]

LEVELS = {"gaussian": (0.1, 0.3, 0.5), "masking": (0.1, 0.3, 0.5), "salt-and-pepper": (0.1, 0.3, 0.5)}
ROWS = {f"{name}-{level}": (name, level) for name, levels in LEVELS.items() for level in levels}


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Peak signal-to-noise ratio of what is rebuilt from each kind and level of noise."""
    x = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device).x
    return {f"denoised-{row}": attempt(partial(_row, model, source, evaluation, x, row)) for row in ROWS}


def _row(model: Generator, source: Source, evaluation: Evaluation, x: Tensor, row: str) -> Result:
    name, level = ROWS[row]
    noisy = corrupt(x, source.spec, name, level)
    found = psnr(x, reconstruct(model, noisy, evaluation.batch_size, evaluation.seed))
    what = f"mean peak signal-to-noise ratio in dB of pictures rebuilt from {name} noise of level {level}, in [0, 1],"
    return Result(
        *mean_and_error(found), len(x),
        f"{what} {describe(source, evaluation.split, len(x), evaluation.max_examples)}", {"seed": evaluation.seed},
        references={"noisy": Estimate(*mean_and_error(psnr(x, noisy)), len(x))},
    )  # fmt: skip


DENOISING = Metric(
    "denoising", "psnr of what is rebuilt from noisy pictures, by kind and level of the noise", "dB", None,
    Reconstructs, compute, applies=lambda source: source.spec.bounded,
    rows=dict.fromkeys((f"denoised-{row}" for row in ROWS), "higher"),
)  # fmt: skip
