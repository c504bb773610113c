"""How many modes of a density, known as a mixture, samples reach.

References:
    VEEGAN: Reducing Mode Collapse in GANs, Srivastava et al., 2017 (arXiv 1705.07761).
    Unrolled Generative Adversarial Networks, Metz, Poole, Pfau and Sohl-Dickstein, 2017 (arXiv 1611.02163).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import nearest
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.coverage.class_coverage import kl_divergence
from counterfeit.metrics.stats.proportions import share

__all__ = ["MODES", "Coverage", "mode_coverage"]

RADIUS = 3.0  # standard deviations around a mode
SHARE = 0.1  # of what a mode would get if all got the same: one sample falls there from a cloud, too


class Coverage(NamedTuple):
    """Where samples fall.

    Arguments:
        histogram: samples within three standard deviations of each mode, int64 (K,).
        near: whether each sample is within three standard deviations of some mode, bool (N,).
    """

    histogram: Tensor
    near: Tensor

    @property
    def covered(self) -> int:
        """Modes that hold a sample at least."""
        return int((self.histogram > 0).sum())

    @property
    def well_covered(self) -> int:
        """Modes that hold a tenth, at least, of what each would get if all samples were spread evenly over them."""
        return int((self.histogram >= SHARE * len(self.near) / len(self.histogram)).sum())


def mode_coverage(x: Tensor, modes: Tensor, std: float) -> Coverage:
    """Assign samples to the modes that they are nearest to.

    Arguments:
        x: samples, (N, D).
        modes: centers, (K, D).
        std: standard deviation around a mode in every direction, above 0.

    Example:
        >>> mode_coverage(torch.tensor([[0.1], [5.0]]), torch.tensor([[0.0], [4.0]]), 0.1).histogram
        tensor([1, 0])
    """
    if not std > 0:
        raise ValueError(f"std={std} came; a number above 0 is expected. Give the spread around a mode.")
    distances, owner = nearest(x, modes)
    near = distances[:, 0] <= RADIUS * std
    return Coverage(torch.bincount(owner[near, 0], minlength=len(modes)), near)


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Modes that are well covered; beside it those with a sample, the share near a mode, the histogram's divergence."""
    modes, std = _mixture(source)
    samples = draw_samples(model, evaluation.samples, evaluation.seed, evaluation.batch_size).cpu()
    found = mode_coverage(samples, modes, std)
    real = mode_coverage(evenly_spaced(source, evaluation.split, evaluation.samples).x, modes, std)
    near = share(found.near)
    details = {
        "touched": found.covered,
        "high_quality": near.value,
        "high_quality_low": near.low,
        "high_quality_high": near.high,
        "kl": kl_divergence(found.histogram, torch.ones(len(modes))) if found.covered else None,
        "histogram": found.histogram.tolist(),
    }
    quality = {"high_quality": float(real.near.double().mean())}
    references = {"real": Estimate(float(real.well_covered), n=len(real.near), more=quality)}
    share_of = f"{SHARE:g} of an even share of {len(samples)} samples"
    what = f"modes of {len(modes)} with {share_of} within {RADIUS:g} standard deviations"
    protocol = f"{what}; {describe(source, evaluation.split, len(real.near))}"
    return Result(
        found.well_covered, None, len(samples), protocol, details | {"seed": evaluation.seed}, references=references
    )  # fmt: skip


def _mixture(source: Source) -> tuple[Tensor, float]:
    if source.modes is None or source.std is None:
        raise ValueError(f"{source.name} names no modes; `modes` expects a source that does, as grid. Take `classes`.")
    return source.modes, source.std


def _has_modes(source: Source) -> bool:
    return source.modes is not None and source.std is not None


MODES = Metric(
    "mode-coverage", "number of modes that samples reach", "", "higher", Samples, compute, applies=_has_modes
)
